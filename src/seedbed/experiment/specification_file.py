"""The specification of a run as a file, written before the first fit, and the code that it depends
on."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import io
import json
import pickle
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.arguments import spelled
from seedbed.data.splits import Split
from seedbed.data.table import Table
from seedbed.experiment.spec import Experiment
from seedbed.files import read_document, write_whole
from seedbed.model.member import is_network
from seedbed.networks.user import FileArchitecture
from seedbed.training.environment import versions

SPECIFICATION_VERSION = 5  # of `experiment.json`
SPECIFICATION = (
    "experiment.json"  # the file of the specification in the folder of a run
)

UNFINISHED = "unfinished"
"""The folder of finished fits in that of a run."""

_UNSHOWN = {
    "table sha256": "the table's cells have changed",
    "table groups_sha256": "the table's groups have changed",
    "table times_sha256": "the table's times have changed",
    "table features": "the table has other columns",
    "splits_sha256": "the splits differ",
    "groups": "other models are blended, or other columns left out",
}
_DECIDING = (
    "reference",
    "metric",
    "margin",
    "alpha",
    "n_networks",
    "random_state",
)
_OF_ESTIMATORS = ("name", "description", "without")
# Libraries whose versions are part of every specification. Python's version covers the standard
# library.
_LIBRARIES = ("stdlib", "platstdlib", "purelib", "platlib")
_KNOWN = {"seedbed", "torch", "numpy", "scipy", "sklearn", *sys.stdlib_module_names} - {
    "__main__"
}


def specification(spec: Experiment, splits: Sequence[Split]) -> dict[str, Any]:
    """Return everything that decides the result, as JSON gives it back; table and splits by their
    SHA-256."""
    whole = spec.whole
    sample = (
        None if whole is None else {"of": whole.n_rows, "sha256": _cells_hash(whole)}
    )
    decided = {
        "schema_version": SPECIFICATION_VERSION,
        "table": {
            **table_specification(spec.table, spec.layout.n_inputs),
            "sample": sample,
        },
        "candidates": [
            {
                "name": part.name,
                "architecture": spelled(part.architecture),
                "overrides": part.overrides,
            }
            | (dataclasses.asdict(spec.recipe_of(part)) if is_network(part) else {})
            for part in spec.members
        ],
        "groups": [
            {"members": part.fits, "lines": part.lines, "without": part.without}
            for part in spec.groups
        ],
        "estimators": [
            {name: vars(part)[name] for name in _OF_ESTIMATORS}
            for part in spec.estimators
        ],
        "recipe": dataclasses.asdict(spec.recipe),
        "design": dataclasses.asdict(spec.design),
        "splits_sha256": hash_of_splits(splits),
        **{name: vars(spec)[name] for name in _DECIDING},
        "margin_rule": "given"
        if spec.margin_given
        else "at most a tenth of the reference's error",
        "versions": versions(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(decided))
    return plain


def table_specification(table: Table, n_inputs: int) -> dict[str, Any]:
    """Return what identifies a table, with its cells as a SHA-256."""
    return {
        "name": table.name,
        "target": table.target_name,
        "task": table.task,
        "features": list(table.feature_names),
        "n_inputs": n_inputs,
        "labels": list(table.labels),
        "n_rows": table.n_rows,
        "sha256": _cells_hash(table),
        "groups_sha256": None if table.groups is None else hash_of(table.groups),
        "folds_sha256": None if table.folds is None else hash_of(table.folds),
        "times_sha256": None if table.times is None else hash_of(table.times),
        "follow_up": None
        if table.follow_up is None
        else dataclasses.asdict(table.follow_up),
        "warnings": [note.code for note in table.notes if note.code],
    }


def _cells_hash(table: Table) -> str:
    return hash_of(
        table.features,
        table.target,
        *([] if table.durations is None else [table.durations]),
    )


def hash_of_splits(splits: Sequence[Split]) -> str:
    """Return the SHA-256 of the rows of splits."""
    return hash_of(*(rows for split in splits for rows in (split.train, split.test)))


def hash_of(*arrays: np.ndarray[Any, Any]) -> str:
    """Return the SHA-256 of the bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write_specification(
    experiment: Experiment, specification: Mapping[str, Any], folder: str | Path
) -> Path:
    """Write `experiment.json` into a folder, which is created if it doesn't exist."""
    path = Path(folder) / SPECIFICATION
    path.parent.mkdir(parents=True, exist_ok=True)
    reading = experiment.table.reading
    document = dict(specification) | {
        "command": experiment.command,
        "reading": reading,
        "request": experiment.request,
        "code": code_hashes(experiment),
        "frozen_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = (
        json.dumps(
            document, indent=2, allow_nan=False, default=lambda number: number.item()
        )
        + "\n"
    )
    write_whole(path, lambda where: where.write_text(text))
    return path


def code_hashes(experiment: Experiment) -> dict[str, str | None]:
    """Return a hash of the code of each model by name; None where it is unknown."""
    return {
        name: code_hash(thing)
        for unit in experiment.units
        for name, thing in zip(unit.fits, unit.code, strict=True)
    }


def read_specification(folder: Path) -> dict[str, Any]:
    """Return the contents of `experiment.json` in a folder; empty if it doesn't exist or can't be
    read."""
    return read_document(folder / SPECIFICATION)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file; empty if it doesn't exist or is damaged in any
    way."""
    from safetensors.numpy import load_file

    with contextlib.suppress(Exception):
        return load_file(path) if path.is_file() else {}
    return {}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words how a specification differs from one on disk; empty if there is none on
    disk."""
    if not then:
        return []
    if then.get("schema_version") != now["schema_version"]:
        return ["it was written by an older seedbed"]
    stored = _by_name(then)
    current = _by_name(now)
    changes = [
        change
        for key in current
        if key != "groups"  # which name the candidates once more
        for change in _between(key, stored.get(key), current[key])
    ]
    if changes or "groups" not in current:
        return changes
    return _between("groups", stored.get("groups"), current["groups"])


def _by_name(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification with its candidates and estimators by their names."""
    return {
        key: {part["name"]: part for part in value or ()}
        if key in ("candidates", "estimators")
        else value
        for key, value in specification.items()
    }


def _between(key_path: str, then: Any, now: Any) -> list[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            change
            for key in {**then, **now}
            for change in _between(f"{key_path} {key}", then.get(key), now.get(key))
        ]
    if then == now:
        return []
    if key_path in _UNSHOWN:
        return [_UNSHOWN[key_path]]
    if isinstance(then, dict) or isinstance(now, dict) or None in (then, now):
        return [f"{key_path} is {'new' if then is None else 'gone'}"]
    return [f"{key_path} was {then}, is {now}"]


def code_hash(thing: Any) -> str | None:
    """Return a hash of what an object does, from its contents and its code; None if the code can't
    be read.

    The libraries of a specification are identified by their versions. If an object uses other code,
    the hash covers all loaded files of the user and the versions of all installed packages. Code
    typed at a prompt can't be read. Files that a network reads by itself are not covered.
    """
    file = io.BytesIO()
    pickler = _Pickler(file)
    try:
        pickler.dump(thing)
    except Exception:  # noqa: BLE001 - a lambda, a local class, a handle: each fails in its own way
        return None
    digest = hashlib.sha256(file.getvalue())
    if pickler.roots - _KNOWN:
        for path in sorted(_user_files()):
            digest.update(f"{path}\n".encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
        packages = (
            f"{package.name}=={package.version}\n" for package in distributions()
        )
        digest.update("".join(sorted(packages)).encode())
    return digest.hexdigest()


class _Pickler(pickle.Pickler):
    """A pickler that collects the modules of the classes and functions that an object refers to."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=4)
        self.roots: set[str] = set()

    def persistent_id(self, thing: Any) -> None:
        """Collect the module of a class or a function. An error if its code is in no file."""
        if isinstance(thing, (type, types.FunctionType, types.BuiltinFunctionType)):
            root = (thing.__module__ or "builtins").partition(".")[0]
            self.roots.add(root)
            is_python = not isinstance(thing, types.BuiltinFunctionType)
            if is_python and root not in _KNOWN:
                Path(inspect.getfile(thing)).stat()
        elif isinstance(thing, FileArchitecture):
            self.roots.add(thing.path)


def _user_files() -> Iterator[Path]:
    """Yield the files of loaded modules that belong to no installed package."""
    paths = sysconfig.get_paths()
    libraries = [Path(paths[name]).resolve() for name in _LIBRARIES]
    libraries.append(Path(__file__).resolve().parents[1])
    files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
    for path in {Path(file).resolve() for file in files if file}:
        if not any(path.is_relative_to(library) for library in libraries):
            yield path

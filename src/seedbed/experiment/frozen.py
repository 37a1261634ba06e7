"""The specification of a run as a file, written before the first fit, and the code that it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickle
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from seedbed.errors import OptionError, nearest
from seedbed.experiment.plan import Plan
from seedbed.files import write_whole
from seedbed.networks import FileArchitecture, architecture_to_values

__all__ = [
    "FROZEN",
    "check_comparison",
    "check_no_part_of_a_run",
    "code_of",
    "differences",
    "file_hash",
    "freeze",
    "frozen_in",
    "origin",
    "without_passwords",
]

FROZEN = "experiment.json"
"""The specification's file in the folder of a run."""

_HASHED = {
    "table sha256": "the table's cells have changed",
    "table groups_sha256": "the table's groups have changed",
    "table times_sha256": "the table's times have changed",
    "splits_sha256": "the splits are others",
}


def freeze(plan: Plan, folder: str | Path, options: Mapping[str, Any]) -> Path:
    """Write `experiment.json` into a folder, which is made if need be.

    Args:
        options: those of the command, which `seedbed resume` takes; empty for a call in Python.
    """
    path = Path(folder) / FROZEN
    path.parent.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    document = dict(plan.specification) | {
        "command": plan.experiment.command,
        "options": dict(options),
        "reading": _without_passwords(plan.experiment.table.reading),
        "networks": {one.name: architecture_to_values(one.architecture) for one in plan.experiment.candidates},
        "code": code_of(plan),
        "files": {
            one.architecture.path: file_hash(Path(one.architecture.path))
            for one in plan.experiment.candidates
            if isinstance(one.architecture, FileArchitecture)
        },
        "frozen_at": when,
    }
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda where: where.write_text(text))
    return path


def code_of(plan: Plan) -> dict[str, str | None]:
    """Return a hash of what each candidate and each baseline does, see `origin`; None where that can't be known."""
    spec = plan.experiment
    networks = {one.name: origin(one.architecture) for one in spec.candidates}
    return networks | {one.name: origin(one.estimator) for one in spec.fitted}


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; an empty text where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _without_passwords(reading: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {**reading, "source": without_passwords(reading["source"])}


def frozen_in(folder: Path) -> dict[str, Any]:
    """What `experiment.json` in a folder says; nothing if it isn't there or can't be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / FROZEN).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, where a specification differs from one on disk; nothing where there is none on disk."""
    if not then:
        return []
    return [words for key in now for words in _between(key, _by_name(key, then.get(key)), _by_name(key, now[key]))]


def _between(place: str, then: Any, now: Any) -> list[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        inside = [_between(f"{place} {key}", then.get(key), now.get(key)) for key in {**then, **now}]
        return [difference for differences in inside for difference in differences]
    if then == now:
        return []
    if place in _HASHED:
        return [_HASHED[place]]
    if isinstance(then, dict) or isinstance(now, dict) or None in (then, now):
        return [f"{place} is {'new' if then is None else 'gone'}"]
    return [f"{place} was {then}, is {now}"]


def _by_name(key: str, value: Any) -> Any:
    """A list of things with names as a mapping."""
    return {one["name"]: one for one in value or ()} if key in ("candidates", "baselines", "sweeps") else value


_COMPARISON, _TRAINING = "comparison.json", "training.json"
_NAMED = 10
_TABLE = "the table: seedbed train TABLE --target COLUMN --candidate CANDIDATE"


def check_comparison(folder: Path) -> None:
    """An error where a folder doesn't hold a finished comparison.

    Raises:
        OptionError: it doesn't; the hint names those that lie in it.
    """
    if (folder / _COMPARISON).is_file():
        return
    if (folder / FROZEN).is_file():
        message = f"the comparison in {folder} isn't finished"
        raise OptionError(message, f"seedbed resume {folder} goes on from what is kept.")
    if (folder / _TRAINING).is_file():
        message = f"{folder} holds a training on one split, and no comparison"
        raise OptionError(message, f"Name the folder of a comparison, or {_TABLE}.")
    hint = "Name a folder that seedbed compare has written"
    if found := _comparisons_in(folder):
        hint += f": {_listed(found)}"
    raise OptionError(f"{folder} holds no finished run of compare", f"{hint}.")


def check_no_part_of_a_run(table: str) -> None:
    """An error where a file that a run has left is named, and not its folder; or a folder that isn't there, beside
    others of runs.

    Raises:
        OptionError: it is so.
    """
    if ":" in table:  # an example, or an address
        return
    place = Path(table)
    beside = place.parent
    if place.is_file() and any((beside / name).is_file() for name in (_COMPARISON, _TRAINING)):
        left = (_COMPARISON, _TRAINING, FROZEN, "report.html")
        if place.name in left:
            raise OptionError(f"{place} is a file that a run has left", f"Name the folder: {beside}.")
    if not place.exists() and not place.suffix and (found := _comparisons_in(beside)):
        hint = nearest(str(place), map(str, found)) or f"Comparisons beside it: {_listed(found)}."
        raise OptionError(f"there is no folder {place}", hint)


def _comparisons_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one.parent for one in folder.glob(f"*/{_COMPARISON}"))


def _listed(folders: Iterable[Path]) -> str:
    names = [str(folder) for folder in folders]
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


# Libraries whose versions are part of every specification; the standard library comes with Python's.
_KNOWN = {"seedbed", "torch", "numpy", "scipy", "sklearn", *sys.stdlib_module_names} - {"__main__"}


def origin(thing: Any) -> str | None:
    """A hash that changes with what an object does: none where that can't be known.

    An object is its contents and its code. The libraries that a specification names are known by their versions. Where
    other code has a part in it, all files of the user's that are loaded are taken in, whichever of them it needs, and
    the version of every package that is installed. What was typed at a prompt is nowhere to be read; what a network
    reads from other files is out of sight.
    """
    try:
        contents, roots = _pickled(thing)
    except Exception:  # noqa: BLE001 - a lambda, a local class, a handle: each fails in its own way
        return None
    digest = hashlib.sha256(contents)
    if roots is None:
        return None
    if roots - _KNOWN:
        for path in sorted(_own_files()):
            digest.update(f"{path}\n".encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
        for line in sorted(f"{one.name}=={one.version}" for one in distributions()):
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()


class _Pickler(pickle.Pickler):
    """Notes what code the pickled object refers to."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=4)
        self.roots: set[str] = set()
        self.readable = True

    def persistent_id(self, thing: Any) -> None:
        if isinstance(thing, (type, types.FunctionType, types.BuiltinFunctionType)):
            module = thing.__module__ or "builtins"
            self.roots.add(module.partition(".")[0])
            self.readable = self.readable and (module.partition(".")[0] in _KNOWN or _is_in_a_file(thing))
        elif isinstance(thing, FileArchitecture):
            self.roots.add(thing.path)


def _pickled(thing: Any) -> tuple[bytes, set[str] | None]:
    """An object's bytes, and the names of the packages whose code it refers to: none where some code has no file."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(thing)
    return file.getvalue(), pickler.roots if pickler.readable else None


def _is_in_a_file(thing: Any) -> bool:
    """Whether the code of a class or function was read from a file, and not typed at a prompt or in a notebook."""
    module = sys.modules.get(thing.__module__)
    if getattr(module, "__file__", None) is None:
        return False
    functions = [thing, *(vars(thing).values() if isinstance(thing, type) else ())]
    codes = [one.__code__ for one in functions if isinstance(one, types.FunctionType)]
    # A dataclass's methods are written by Python itself, and say "<string>".
    return all(code.co_filename == "<string>" or Path(code.co_filename).is_file() for code in codes)


def _own_files() -> Iterator[Path]:
    """Files of the modules that are loaded and belong to no installed package."""
    paths = sysconfig.get_paths()
    libraries = {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    libraries.add(Path(__file__).resolve().parents[1])
    found = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    for path in {path.resolve() for path in found}:
        if not any(path.is_relative_to(library) for library in libraries):
            yield path


# An address is matched to the end of its word, with a password or without: else each :// would be read to that end.
_ADDRESS = re.compile(r"(://[^:/@\s]*):([^\s'\"]+)")


_OPTION = re.compile(r"(?<=[?&\s]password=)[^&\s'\"]+", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """The text with stars for passwords in the addresses of databases: it goes into files that are passed on."""

    def starred(address: re.Match[str]) -> str:
        password, _, rest = address[2].rpartition("@")
        return f"{address[1]}:***@{rest}" if password else address[0]

    return _OPTION.sub("***", _ADDRESS.sub(starred, text))

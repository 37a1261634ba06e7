"""The finished fits of an unfinished run, kept in its folder, so that the same run can continue.

A file is named by a hash of everything that decides its contents. A fit of another run has another
name, and is not used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.experiment.fits import Estimator, Fitted
from seedbed.experiment.plan import Plan
from seedbed.experiment.specification_file import (
    UNFINISHED,
    code_hash,
    hash_of,
    read_specification,
)
from seedbed.files import make_folder, remove_parts, write_whole
from seedbed.training.environment import processor

_PARTS, _WORDS = (
    ("predictions", "networks", "curves", "dead"),
    ("epochs", "note", "failure", "weights"),
)


class Checkpoint:
    """The finished fits of an unfinished run, in `unfinished/` of its folder: a file for each unit
    and split.

    Damaged files are ignored. If a file can't be written, for instance on a full disk, the run
    continues without it.

    Attributes:
        others: the number of files of other runs.
        trouble: why a file couldn't be written; empty if all could.
        seconds: duration of the fits that were loaded.
        frozen: `experiment.json` in the folder since this process has opened it; None if it isn't
            opened.
    """

    def __init__(self, plan: Plan, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._plan = plan
        self._place = self.folder / UNFINISHED
        self.trouble = ""
        self.seconds = 0.0
        self.frozen: dict[str, Any] | None = None
        names = {name for of_unit in self._names for name in of_unit}
        there = (
            {path.stem for path in self._place.glob("*.safetensors")}
            if self._place.is_dir()
            else set[str]()
        )
        self._there = there & names
        self.others = len(there - names)

    @property
    def is_replaced(self) -> bool:
        """Whether the folder was removed, or now holds another run."""
        return (
            self.frozen is not None and read_specification(self.folder) != self.frozen
        )

    @property
    def n_splits(self) -> int:
        """The number of files of this run that are kept."""
        return len(self._there)

    def load(self, unit: int, split: int) -> dict[str, Fitted] | None:
        """Return what a unit predicts on a split, or None if it isn't kept."""
        from safetensors import safe_open

        name = self._names[unit][split]
        if name is None or name not in self._there:
            return None
        path = self._place / f"{name}.safetensors"
        if not path.is_file():  # a device or a pipe may have no end
            return None
        with contextlib.suppress(Exception):  # a damaged file in any way: fit again
            with safe_open(path, framework="numpy") as file:
                arrays = {key: file.get_tensor(key) for key in sorted(file.keys())}
                metadata = file.metadata()
            about, seconds = (
                json.loads(metadata["lines"]),
                json.loads(metadata["seconds"]),
            )
            parts: dict[str, dict[str, Any]] = {
                line: {part: arrays.get(f"{line}/{part}") for part in _PARTS} | texts
                for line, texts in about.items()
            }
            fitted = {line: Fitted(**fields) for line, fields in parts.items()}
            n_rows = {len(fields.predictions) for fields in fitted.values()}
            is_whole = metadata["sha256"] == _digest(name, about, seconds, arrays)
            if is_whole and n_rows == {len(self._plan.splits[split].test)}:
                self.seconds += seconds
                return fitted
        self._there.discard(name)
        return None

    def keep(
        self, unit: int, split: int, fitted: Mapping[str, Fitted], seconds: float = 0.0
    ) -> None:
        """Write what a unit predicts on a split, and how long the fit took, unless it is kept
        already."""
        from safetensors.numpy import (
            save,
        )  # save_file would write another temporary file

        name = self._names[unit][split]
        if name is None or name in self._there:
            return
        if self.is_replaced:
            self.trouble = "the folder was removed or replaced"
            return
        parts = {
            f"{line}/{part}": getattr(fit, part)
            for line, fit in fitted.items()
            for part in _PARTS
        }
        arrays = {
            key: np.ascontiguousarray(value)
            for key, value in parts.items()
            if value is not None
        }
        about = {
            line: {word: getattr(fit, word) for word in _WORDS}
            for line, fit in fitted.items()
        }
        metadata = {"lines": json.dumps(about), "seconds": json.dumps(seconds)}
        try:
            make_folder(self._place)
            content = save(
                arrays,
                metadata={**metadata, "sha256": _digest(name, about, seconds, arrays)},
            )
            write_whole(
                self._place / f"{name}.safetensors",
                lambda path: path.write_bytes(content),
            )
        except Exception as error:  # noqa: BLE001 - a full disk raises several errors; the run continues
            self.trouble = getattr(error, "strerror", None) or str(error)
        else:
            self._there.add(name)

    def remove(self) -> None:
        """Remove everything that is kept, also of other runs in this folder; the results are
        written."""
        remove_parts(self._place)
        for path in self._place.glob("*.safetensors"):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):  # it doesn't exist, or holds other files
            self._place.rmdir()
        self._there = set()

    @functools.cached_property
    def _names(self) -> list[list[str | None]]:
        """The name of the file of each unit on each split; None if the code of the unit is
        unknown."""
        plan = self._plan
        specified = {
            key: value
            for key, value in plan.specification.items()
            if key not in ("design", "splits_sha256")
        }
        run = _hash(
            [specified, processor(), plan.compute.device]
        )  # other processors round differently
        rows = [hash_of(split.train, split.test) for split in plan.splits]
        names = list[list[str | None]]()
        for unit in plan.experiment.units:
            things = (
                [unit.estimator]
                if isinstance(unit, Estimator)
                else [member.architecture for member in unit.members]
            )
            codes = [code_hash(thing) for thing in things]
            of_unit = [run, _hash([*codes, list(unit.without)]), list(unit.names)]
            names.append(
                [
                    None if None in codes else _hash([*of_unit, of_split])
                    for of_split in rows
                ]
            )
        return names


def _digest(
    name: str, about: Any, seconds: float, arrays: Mapping[str, npt.NDArray[Any]]
) -> str:
    """Return a hash of the name of a file and its contents, so that a file under another name
    counts as damaged."""
    shapes = [
        [key, str(a.dtype), list(a.shape), hash_of(a)]
        for key, a in sorted(arrays.items())
    ]
    return _hash([name, about, seconds, shapes])


def _hash(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

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

from seedbed.experiment.fits import Fitted
from seedbed.experiment.plan import Plan
from seedbed.experiment.specification_file import UNFINISHED, code_hash, hash_of
from seedbed.files import remove_parts, write_whole
from seedbed.training.environment import processor

_ARRAYS = ("predictions", "networks", "curves")
_WORDS = ("epochs", "note", "failure", "weights")
_ABOUT = "about"  # the array with the words as JSON
_DIGEST = 64  # bytes at the start of a file


class Checkpoint:
    """The finished fits of an unfinished run, in `unfinished/` of its folder: a file for each unit
    and split, the SHA-256 of its name and content and then that content.

    Damaged files are ignored. If a file can't be written, for instance on a full disk, the run
    continues without it.

    Attributes:
        trouble: why a file couldn't be written; empty if all could.
        seconds: duration of the fits that were loaded.
        has_others: whether fits of another run are there, too, such as of other sizes.
    """

    def __init__(self, plan: Plan, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.trouble = ""
        self.seconds = 0.0
        self._plan = plan
        self._unfinished = self.folder / UNFINISHED
        names = {name for of_unit in self._names for name in of_unit}
        # A device or a pipe of such a name may have no end.
        paths = filter(Path.is_file, self._unfinished.glob("*.fit"))
        found = {path.stem for path in paths}
        self._kept = found & names
        self.has_others = found > self._kept

    @property
    def n_splits(self) -> int:
        """The number of files of this run that are kept."""
        return len(self._kept)

    def load(self, unit: int, split: int) -> dict[str, Fitted] | None:
        """Return what a unit predicts on a split, or None if it isn't kept."""
        from safetensors.numpy import load

        name = self._names[unit][split]
        if name is None or name not in self._kept:
            return None
        with contextlib.suppress(Exception):  # a damaged file in any way: fit again
            content = (self._unfinished / f"{name}.fit").read_bytes()
            if content[:_DIGEST] == _digest(name, content[_DIGEST:]):
                arrays = load(content[_DIGEST:])
                about = json.loads(arrays[_ABOUT].tobytes())
                self.seconds += about["seconds"]
                return {
                    line: Fitted(
                        **{part: arrays.get(f"{line}/{part}") for part in _ARRAYS},  # type: ignore[arg-type]
                        **words,
                    )
                    for line, words in about["lines"].items()
                }
        self._kept.discard(name)
        return None

    def keep(
        self, unit: int, split: int, fitted: Mapping[str, Fitted], seconds: float = 0.0
    ) -> None:
        """Write what a unit predicts on a split, and how long the fit took, unless it is kept
        already."""
        from safetensors.numpy import save

        name = self._names[unit][split]
        if name is None or name in self._kept:
            return
        lines = {
            line: {word: getattr(fit, word) for word in _WORDS}
            for line, fit in fitted.items()
        }
        arrays = {
            f"{line}/{part}": np.ascontiguousarray(getattr(fit, part))
            for line, fit in fitted.items()
            for part in _ARRAYS
            if getattr(fit, part) is not None
        }
        about = json.dumps({"seconds": seconds, "lines": lines}).encode()
        content = save(arrays | {_ABOUT: np.frombuffer(about, dtype=np.uint8)})
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            write_whole(
                self._unfinished / f"{name}.fit",
                lambda path: path.write_bytes(_digest(name, content) + content),
            )
        except OSError as error:
            self.trouble = error.strerror or str(error)
        else:
            self._kept.add(name)

    def remove(self) -> None:
        """Remove everything that is kept, also of other runs in this folder; the results are
        written."""
        remove_parts(self._unfinished)
        with contextlib.suppress(OSError):  # it holds other files
            for path in self._unfinished.glob("*.fit"):
                path.unlink()
            self._unfinished.rmdir()
        self._kept = set()

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
        # Other processors round differently.
        run = [specified, processor(), plan.compute.device]
        names = list[list[str | None]]()
        for unit in plan.experiment.units:
            codes = [code_hash(thing) for thing in unit.code]
            of_unit = _hash([run, codes, list(unit.without), list(unit.names)])
            of_splits = [
                _hash([of_unit, hash_of(split.train, split.test)])
                for split in plan.splits
            ]
            names.append([None] * len(of_splits) if None in codes else [*of_splits])
        return names


def _digest(name: str, content: bytes) -> bytes:
    """Return a hash of the name of a file and its content, so that a file under another name counts
    as damaged."""
    return hashlib.sha256(name.encode() + content).hexdigest().encode()


def _hash(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

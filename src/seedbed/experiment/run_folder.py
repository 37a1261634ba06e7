"""The folder of a run: one writer at a time, one specification for good, and finished results read
back."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from seedbed.errors import OptionError, spell, writing
from seedbed.evaluation.single_runs import CURVES
from seedbed.evaluation.summaries import summary_from
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.fits import Fitted
from seedbed.experiment.plan import Plan
from seedbed.experiment.run import results_of
from seedbed.experiment.specification_file import (
    SPECIFICATION,
    UNFINISHED,
    code_hashes,
    differences,
    read_arrays,
    read_specification,
    write_specification,
)
from seedbed.files import read_document, remove_parts

_LOCK = ".writer"
_RESULTS, _ARRAYS = "comparison.json", "curves.safetensors"
_FILES = (_RESULTS, "sha256sums.txt", "report.html", "curves.png", _ARRAYS)
_NAMED = 3  # differences that a message names


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Create a folder if it doesn't exist, and lock it inside the block. OptionError if it can't be
    written, or another process has the lock."""
    with writing(folder, "Name another folder."):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / _LOCK).acquire(blocking=False).lock
        except Timeout:
            message = f"another process is writing to {folder}"
            raise OptionError(
                message, "Wait until it has ended, or name another folder."
            ) from None
        except ValueError as error:  # a null character
            raise OptionError(
                f"folder is {str(folder)!r}: {error}", "Name another folder."
            ) from None
    try:
        yield
    finally:
        # Another process that has opened the lock by now finds it deleted, and opens it again.
        with contextlib.suppress(OSError):
            (folder / _LOCK).unlink()
        lock.release()


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, while this process has the lock to write into it.

    Attributes:
        finished: the results of the same run, if it is finished already; otherwise None.
    """

    checkpoint: Checkpoint
    finished: Comparison | None = None

    def save(self, comparison: Comparison) -> list[Path]:
        """Write the results unless they are those of the finished run, and return the paths. What
        was kept is removed, unless the run was interrupted."""
        folder = self.checkpoint.folder
        if comparison is self.finished:
            return sorted(path for path in folder.iterdir() if path.suffix)
        hint = "Free some space; the same command then continues the run."
        with writing(folder, hint):
            paths = comparison.save(folder)
            if not read_specification(folder):  # somebody has removed the folder
                write_specification(
                    comparison.experiment, comparison.specification, folder
                )
        if comparison.ended != "interrupted":
            self.checkpoint.remove()
        return [folder / SPECIFICATION, *paths]


@contextlib.contextmanager
def open_folder(
    plan: Plan, folder: str | Path, *, overwrite: bool = False
) -> Iterator[RunFolder]:
    """Lock the folder of a run, create it if it doesn't exist, and write the specification into it.

    With `overwrite`, a finished run is trained again, and files of another run are discarded.
    OptionError if another process is writing there, the folder is read-only, or it holds another
    run.
    """
    folder = Path(folder)
    with lock_folder(folder):
        for path in (folder, folder / UNFINISHED):
            remove_parts(path)
        differing = _differing(plan, folder)
        if differing and not overwrite and _holds_another(folder):
            raise OptionError(
                f"{folder} holds another run: {_listed(differing)}",
                f"Name another folder, or discard that run with {spell('overwrite', True)}.",
            )
        finished = None if overwrite else restore(plan, folder)
        is_new = not read_specification(folder) or (folder / _RESULTS).exists()
        if finished is None and (differing or is_new):
            with writing(folder, "Name another folder."):
                # No file of another run stays.
                for name in _FILES:
                    (folder / name).unlink(missing_ok=True)
                write_specification(plan.experiment, plan.specification, folder)
        checkpoint = Checkpoint(plan, folder)
        if finished is not None and not checkpoint.has_others:
            checkpoint.remove()  # left by a run that was killed after its last file
        yield RunFolder(checkpoint, finished)


def folder_for(plan: Plan, folder: Path) -> tuple[Path, str]:
    """Return the first of `folder`, `folder-2` and so on that holds the run, or no other; and in
    words how the run in `folder` differs, if another one is chosen."""
    numbered = (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(2))
    for path in itertools.chain([folder], numbered):
        is_taken = (path / _LOCK).exists() or _holds_another(path)
        if not (is_taken and _differing(plan, path)):
            break
    return path, "" if path == folder else _listed(_differing(plan, folder))


def _differing(plan: Plan, folder: Path) -> list[str]:
    """Return in words how the run in a folder differs from a plan; empty if there is none."""
    stored = read_specification(folder)
    if not stored and (folder / _RESULTS).exists():
        return [f"{SPECIFICATION} is missing or damaged"]
    return differences(stored, plan.specification)


def _holds_another(folder: Path) -> bool:
    """Return whether a folder of another run holds results, or finished parts."""
    return (folder / _RESULTS).exists() or any((folder / UNFINISHED).glob("*.fit"))


def _listed(differing: list[str]) -> str:
    more = len(differing) - _NAMED
    text = "; ".join(differing[:_NAMED])
    return f"{text}; and {more:,} more" if more > 0 else text


def restore(plan: Plan, folder: Path) -> Comparison | None:
    """Return the finished comparison of a plan from the files in a folder; None if they don't hold
    it, or the code of a network or a baseline has changed, or is unknown."""
    stored = read_specification(folder)
    code = code_hashes(plan.experiment)
    if stored.get("code") != code or None in code.values():
        return None
    # Files that are damaged in any way: train again.
    with contextlib.suppress(Exception):
        conclusion = summary_from(read_document(folder / _RESULTS))
        about = conclusion.plan
        is_same = not differences(stored, conclusion.specification)
        if about.ended == "interrupted" or not is_same:
            return None
        arrays = read_arrays(folder / _ARRAYS)
        fitted = [
            {
                name: _stored(arrays, plan, name, number)
                for name in plan.experiment.names
            }
            for number, split in enumerate(plan.splits)
            if split.repeat < about.repeats
        ]
        results = results_of(plan, about.repeats, fitted, conclusion.seconds or 0.0)
        results = replace(
            results, specification=conclusion.specification, ended=about.ended
        )
        return Comparison(**vars(results), conclusion=conclusion)
    return None


def _stored(
    arrays: Mapping[str, npt.NDArray[Any]], plan: Plan, name: str, number: int
) -> Fitted:
    """Return what `Comparison.save` has stored of a model and a split."""
    split = plan.splits[number]
    n = plan.experiment.n_networks
    networks = arrays.get(f"{name}/networks")
    fit = Fitted(
        arrays[f"{name}/predictions"][split.repeat, 0, split.test],
        None if networks is None else networks[split.repeat][:, split.test],
    )
    if f"{name}/epochs" not in arrays:
        return fit
    columns = slice(number * n, (number + 1) * n)
    return replace(
        fit,
        curves=np.stack([arrays[f"{name}/{curve}"][:, columns] for curve in CURVES]),
        epochs=int(arrays[f"{name}/epochs"][number]),
    )

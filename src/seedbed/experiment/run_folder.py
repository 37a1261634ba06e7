"""The folder of a run: one writer at a time, one specification, and finished results read back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from seedbed.arguments import shown
from seedbed.errors import OptionError
from seedbed.evaluation import CURVES
from seedbed.experiment.comparison import Comparison, conclude
from seedbed.experiment.frozen import FROZEN, code_of, differences, freeze, frozen_in
from seedbed.experiment.kept import Kept
from seedbed.experiment.plan import Plan
from seedbed.experiment.run import CandidateResult, FittedResult, GatheredCandidate, GatheredFits, Results
from seedbed.files import remove_parts

__all__ = ["is_finished", "open_folder"]

_RESULTS = "comparison.json"
_NAMED = 3  # differences that a message names


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, while this process has the lock to write into it.

    Attributes:
        frozen: the file of the specification.
        kept: the finished parts of the run.
        finished: the results of the same run, if it is finished already; otherwise None.
        replaces: in words, how another finished run in the folder differs from this one; empty if there is none.
    """

    frozen: Path
    kept: Kept
    finished: Comparison | None = None
    replaces: str = ""

    def save(self, comparison: Comparison, *, pictures: str | None = None) -> list[Path]:
        """Write the results, remove what was kept, and return the paths.

        Raises:
            OptionError: they can't be written; what is kept stays.
        """
        folder = self.frozen.parent
        with _written(folder, "Free some space; the same command then continues from what is kept there."):
            paths = comparison.save(folder, pictures=pictures)
        self.kept.remove()
        return [self.frozen, *paths]


@contextlib.contextmanager
def open_folder(
    plan: Plan,
    folder: str | Path,
    *,
    overwrite: bool = False,
    resumed: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[RunFolder]:
    """Lock the folder of a run, create it if it doesn't exist, and write the specification into it.

    Args:
        overwrite: train a finished run again, and discard the files of another, unfinished run.
        resumed: refuse the folder of any other run.
        options: the options of the command as plain values, kept beside the specification.

    Raises:
        OptionError: another process is writing there, the folder is read-only, or it holds another, unfinished run.
    """
    folder = Path(folder)
    if "\0" in str(folder):
        raise OptionError(f"folder is {shown(str(folder))}", "A folder's name can't hold a null character.")
    with _written(folder, "Name another folder."):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".writer")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            message = f"another run is writing to {folder}"
            raise OptionError(message, "Wait until it has ended, or name another folder.") from None
    try:
        for place in (folder, folder / "unfinished"):
            remove_parts(place)
        path, kept = folder / FROZEN, Kept(plan, folder)
        frozen, finished = frozen_in(folder), is_finished(folder)
        differing = differences(frozen, plan.specification)
        if differing and (resumed or (kept.others and not overwrite and not finished)):
            raise OptionError(*_refusal(folder, differing, resumed))
        if finished and not differing:
            if not overwrite and (found := restored(plan, frozen, folder)) is not None:
                kept.remove()  # left by a run that was killed after its last file
                yield RunFolder(path, kept, finished=found)
                return
            with _written(folder, "Name another folder."):
                (folder / _RESULTS).unlink()  # until the new ones are there, the run isn't finished
        if differing or finished or not frozen:
            with _written(folder, "Name another folder."):
                freeze(plan.experiment, plan.specification, folder, options)
        yield RunFolder(path, kept, replaces=_shown(differing) if finished else "")
    finally:
        # Another process that has opened the lock by now finds it deleted, and opens it again.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def is_finished(folder: Path) -> bool:
    """Return whether the results in a folder are those of the specification in it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        summary = json.loads((folder / _RESULTS).read_text(encoding="utf-8"))
        return not differences(frozen_in(folder), summary["specification"])
    return False


@contextlib.contextmanager
def _written(folder: Path, hint: str) -> Iterator[None]:
    """Turn errors of the file system into an OptionError."""
    try:
        yield
    except OSError as error:
        raise OptionError(f"can't write to {folder}: {error.strerror or error}", hint) from error


def _refusal(folder: Path, differing: list[str], resumed: bool) -> tuple[str, str]:
    shown = _shown(differing)
    if resumed:
        message = f"the run in {folder} can't continue as it was begun: {shown}"
        return message, "Restore that, or run seedbed compare with another --out."
    message = f"{folder} holds an unfinished run that isn't this one: {shown}"
    return message, "Name another folder, or discard that run with --overwrite."


def _shown(differing: list[str]) -> str:
    shown, more = "; ".join(differing[:_NAMED]), len(differing) - _NAMED
    return f"{shown}; and {more:,} more" if more > 0 else shown


Arrays = Mapping[str, npt.NDArray[Any]]
R = TypeVar("R", CandidateResult, FittedResult)


def restored(plan: Plan, frozen: Mapping[str, Any], folder: Path) -> Comparison | None:
    """Return the finished comparison of a plan from its files; None if they don't hold it.

    Args:
        frozen: the contents of `experiment.json` in the folder, with the specification of the plan.
        folder: of the finished run.
    """
    code = code_of(plan.experiment)
    if frozen.get("code") != code or None in code.values():
        return None  # the code of a network or a baseline has changed, or is unknown
    from safetensors.numpy import load_file

    with contextlib.suppress(Exception):  # damaged files in any way: train again
        document = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "curves.safetensors")
        notes = {one["name"]: one.get("note", "") for one in document["candidates"]}
        spec = plan.experiment
        networks = [
            _network(GatheredCandidate(plan, number, None).result(), arrays, notes[one.name])
            for number, one in enumerate(spec.candidates)
        ]
        baselines = [_with(GatheredFits(plan, one).result(), arrays) for one in spec.fitted]
        found = Results(spec, plan.splits, (*networks, *baselines), document["seconds"], document["specification"])
        return dataclasses.replace(conclude(found), document=document)
    return None


def _network(empty: CandidateResult, arrays: Arrays, note: str) -> CandidateResult:
    curves = np.stack([arrays[f"{empty.name}/{name}"] for name in CURVES])
    if curves.shape != empty.curves.shape:
        raise ValueError("curves of another plan")
    own: dict[str, Any] = {name: arrays[f"{empty.name}/{name}"] for name in ("epochs", "lrs", "dead")}
    diverged = np.asarray(~np.isfinite(curves[[0, 2]]).all(axis=(0, 1)))
    return dataclasses.replace(_with(empty, arrays), curves=curves, diverged=diverged, note=note, **own)


def _with(empty: R, arrays: Arrays) -> R:
    """Return a result with the predictions from the files."""
    found: dict[str, Any] = {"predictions": arrays[f"{empty.name}/predictions"]}
    if empty.pairs is not None:
        found["pairs"] = arrays[f"{empty.name}/pairs"]
    if any(array.shape != getattr(empty, name).shape for name, array in found.items()):
        raise ValueError("predictions of another plan")
    return dataclasses.replace(empty, **found)

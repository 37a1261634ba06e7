"""The folder of a run: one writer at a time, one specification for good, and finished results read back."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
from filelock import FileLock, Timeout

from seedbed.arguments import shown
from seedbed.errors import OptionError, spell
from seedbed.evaluation.summaries import Conclusion, summary_from
from seedbed.experiment.checkpoint import EARLIER, Checkpoint
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.plan import Plan
from seedbed.experiment.run import Gathered, Results
from seedbed.experiment.specification_file import (
    SPECIFICATION,
    code_hashes,
    differences,
    grows,
    read_arrays,
    read_specification,
    write_specification,
)
from seedbed.files import DIGESTS, altered_files, make_folder, read_document, remove_parts, write_whole
from seedbed.report.stored import check_files, draw_again

_RESULTS, _TRAINING, _LOCK, _ARRAYS = "comparison.json", "training.json", ".writer", "curves.safetensors"
_FILES = (_RESULTS, _TRAINING, DIGESTS, "report.html", "curves.png", _ARRAYS, "history.csv")
_NAMED = 3  # differences that a message names


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, while this process has the lock to write into it.

    Attributes:
        specification: the file of the specification.
        checkpoint: the finished parts of the run.
        finished: the results of the same run, if it is finished already; otherwise None.
    """

    specification: Path
    checkpoint: Checkpoint
    finished: Comparison | None = None

    def save(self, comparison: Comparison, *, pictures: str | None = None) -> list[Path]:
        """Write the results, and return the paths. What was kept is removed, unless the run was interrupted.

        Raises:
            OptionError: they can't be written; what is kept stays.
        """
        folder = self.specification.parent
        if not self.specification.is_file():
            message = f"{folder} was removed or replaced while the run was writing to it, so no results are written"
            raise OptionError(message, "Run the same command again.")
        with _written(folder, "Free some space; the same command then continues from what is kept there."):
            paths = comparison.save(folder, pictures=pictures)
        if comparison.ended != "interrupted":
            self.checkpoint.remove()
        return [self.specification, *paths]


@contextlib.contextmanager
def open_folder(
    plan: Plan,
    folder: str | Path,
    *,
    overwrite: bool = False,
) -> Iterator[RunFolder]:
    """Lock the folder of a run, create it if it doesn't exist, and write the specification into it.

    Args:
        overwrite: train a finished run again, and discard the files of another run.

    Raises:
        OptionError: another process is writing there, the folder is read-only, or it holds another run.
        UnreadableError: a file of the finished run has changed, and it isn't overwritten.
    """
    folder = Path(folder)
    if "\0" in str(folder):
        raise OptionError(f"folder is {shown(str(folder))}", "A folder's name can't hold a null character.")
    with _written(folder, "Name another folder."):
        make_folder(folder)
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            message = f"another run is writing to {folder}"
            raise OptionError(message, "Wait until it has ended, or name another folder.") from None
    try:
        for place in (folder, folder / "unfinished"):
            remove_parts(place)
        path, checkpoint = folder / SPECIFICATION, Checkpoint(plan, folder)
        if not overwrite:
            check_files(folder)
        stored, differing = read_specification(folder), _differing(plan, folder)
        growing = not overwrite and _grows(plan, folder) and (bool(differing) or not is_finished(folder))
        if growing:
            with _written(folder, "Free some space."):
                _set_aside(plan, folder)
        elif differing and not overwrite and _holds_results(folder):
            message = f"{folder} holds another run: {_shown(differing)}"
            raise OptionError(message, f"Name another folder, or discard that run with {spell('overwrite', True)}.")
        if is_finished(folder) and not (overwrite or growing) and (done := restored(plan, stored, folder)) is not None:
            if not checkpoint.others:
                checkpoint.remove()  # left by a run that was killed after its last file
            with _written(folder, "Free some space."):
                draw_again(folder, done.conclusion)
            yield RunFolder(path, checkpoint, finished=done)
            return
        if differing or not stored or (folder / _RESULTS).exists():
            with _written(folder, "Name another folder."):
                for name in [*_FILES, *(altered_files(folder) or ())]:  # no file of another run beside the new one
                    (folder / name).unlink(missing_ok=True)
                write_specification(plan.experiment, plan.specification, folder)
        checkpoint.earlier = _earlier(plan, folder)
        yield RunFolder(path, checkpoint)
    finally:
        # Another process that has opened the lock by now finds it deleted, and opens it again.
        with contextlib.suppress(OSError):  # the folder may have been replaced
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def numbered(folder: Path) -> Iterator[Path]:
    """Yield those of `folder`, `folder-2`, `folder-3` and so on that exist, up to the first that doesn't."""
    numbers = itertools.count(2)
    while folder.exists():
        yield folder
        number = next(numbers)
        folder = folder.with_name(f"{folder.name if number == 2 else folder.name.rpartition('-')[0]}-{number}")


def folder_for(plan: Plan, folder: Path) -> tuple[Path, str]:
    """Choose the folder of a run among `folder`, `folder-2` and so on.

    Returns:
        The folder that holds the run, or the first that holds no other; and in words how the run in `folder` differs,
        if another folder is chosen.
    """
    places = list(numbered(folder))
    growing = [place for place in places if _grows(plan, place)]
    free = [
        place
        for place in places
        if place in growing or not (_differing(plan, place) and ((place / _LOCK).exists() or _holds_results(place)))
    ]
    same = [place for place in free if place in growing or (read_specification(place) and not _differing(plan, place))]
    following = f"{folder.name}-{len(places) + 1}" if places else folder.name
    chosen = next(iter((*same, *free)), folder.with_name(following))
    return chosen, "" if chosen == folder or folder not in places else _shown(_differing(plan, folder))


def _differing(plan: Plan, folder: Path) -> list[str]:
    """Return in words how the run in a folder differs from a plan; empty if there is none."""
    stored = read_specification(folder)
    if not stored and (folder / _TRAINING).exists():
        return ["it is a training on one split"]
    if not stored and (folder / _RESULTS).exists():
        return [f"{SPECIFICATION} is missing or damaged"]
    return differences(stored, plan.specification)


def _grows(plan: Plan, folder: Path) -> bool:
    """Return whether the results in a folder are those of the first repeats of a plan, which then takes them along."""
    return (folder / _RESULTS).is_file() and _begins(read_specification(folder), plan)


def _begins(stored: Mapping[str, Any], plan: Plan) -> bool:
    """Return whether a specification is that of the first repeats of a plan, and the code of all models that they have
    in common is known and the same."""
    if not grows(stored, plan.specification):
        return False
    code = code_hashes(plan.experiment)
    then = {name: what for name, what in stored.get("code", {}).items() if name in code}
    return bool(then) and all(what is not None and what == code[name] for name, what in then.items())


def _set_aside(plan: Plan, folder: Path) -> None:
    """Keep what a run takes along while its files are replaced: of each model the most repeats that there are. An
    interrupted answer may have fewer than the run that was set aside before it."""
    from safetensors.numpy import save

    place, arrays = folder / "unfinished" / EARLIER, read_arrays(folder / _ARRAYS)
    before = _earlier(plan, folder)
    for name in plan.experiment.names:
        if len(before.get(f"{name}/predictions", ())) > len(arrays.get(f"{name}/predictions", ())):
            arrays |= {key: array for key, array in before.items() if key.rpartition("/")[0] == name}
    place.mkdir(parents=True, exist_ok=True)
    contents = {_ARRAYS: save(arrays), SPECIFICATION: (folder / SPECIFICATION).read_bytes()}
    for name, content in contents.items():  # the specification last: without it, nothing is taken along
        write_whole(place / name, functools.partial(Path.write_bytes, data=content))


def _earlier(plan: Plan, folder: Path) -> Arrays:
    """Return the arrays of the run that was set aside; empty if there is none, or if it is another one."""
    place = folder / "unfinished" / EARLIER
    return read_arrays(place / _ARRAYS) if _begins(read_specification(place), plan) else {}


def _holds_results(folder: Path) -> bool:
    """Return whether a folder holds results, or finished parts of a run."""
    kept = (folder / "unfinished").glob("*.s*")
    return any(kept) or any((folder / name).exists() for name in (_RESULTS, _TRAINING))


def is_finished(folder: Path) -> bool:
    """Return whether the results in a folder are those of the specification in it."""
    with contextlib.suppress(KeyError, TypeError):
        summary = read_document(folder / _RESULTS)
        whole = summary["plan"]["ended"] != "interrupted"
        return whole and not differences(read_specification(folder), summary["specification"])
    return False


@contextlib.contextmanager
def _written(folder: Path, hint: str) -> Iterator[None]:
    """Turn errors of the file system into an OptionError."""
    try:
        yield
    except OSError as error:
        raise OptionError(f"can't write to {folder}: {error.strerror or error}", hint) from error


def _shown(differing: list[str]) -> str:
    shown, more = "; ".join(differing[:_NAMED]), len(differing) - _NAMED
    return f"{shown}; and {more:,} more" if more > 0 else shown


def finished_in(plan: Plan, folder: Path) -> Comparison:
    """Return the finished comparison of a plan from its folder.

    Raises:
        OptionError: the folder holds another run, or its files can't be read.
    """
    stored = read_specification(folder)
    differing = _differing(plan, folder)
    done = None if differing else restored(plan, stored, folder)
    if done is None:
        why = _shown(differing) or "its files can't be read"
        message = f"the networks of {folder} can't be used again: {why}"
        raise OptionError(message, "Name the table in place of the folder, which trains all networks.")
    return done


Arrays = Mapping[str, npt.NDArray[Any]]


def restored(plan: Plan, stored: Mapping[str, Any], folder: Path) -> Comparison | None:
    """Return the finished comparison of a plan from its files; None if they don't hold it.

    Args:
        stored: the contents of `experiment.json` in the folder, with the specification of the plan.
        folder: of the finished run.
    """
    code = code_hashes(plan.experiment)
    if stored.get("code") != code or None in code.values():
        return None  # the code of a network or a baseline has changed, or is unknown
    with contextlib.suppress(Exception):  # files without digests that are damaged in any way: train again
        conclusion = summary_from(read_document(folder / _RESULTS))
        assert isinstance(conclusion, Conclusion)
        arrays = read_arrays(folder / _ARRAYS)
        spec, part = plan.experiment, plan.first(conclusion.plan.repeats)
        gathered = [Gathered(plan, line) for line in spec.lines]
        for one, number in itertools.product(gathered, range(len(part.splits))):
            one.add(number, one.stored(arrays, number))
        results, seconds = tuple(one.result(part) for one in gathered), conclusion.seconds or 0.0
        whole = Results(part.experiment, part.splits, results, seconds, conclusion.specification, conclusion.plan.ended)
        return Comparison(**vars(whole), conclusion=conclusion)
    return None

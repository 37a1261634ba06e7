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

from seedbed.arguments import shown
from seedbed.errors import OptionError, spell, writing
from seedbed.evaluation.single_runs import CURVES
from seedbed.evaluation.summaries import Conclusion, summary_from
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.fits import Fitted
from seedbed.experiment.ledger import LOCK, lock_folder
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
from seedbed.files import DIGESTS, altered_files, read_document, remove_parts
from seedbed.report.stored import check_files

_RESULTS, _ARRAYS = "comparison.json", "curves.safetensors"
_FILES = (_RESULTS, DIGESTS, "report.html", "curves.png", _ARRAYS)
_NAMED = 3  # differences that a message names


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, while this process has the lock to write into it.

    Attributes:
        finished: the results of the same run, if it is finished already; otherwise None.
    """

    checkpoint: Checkpoint
    finished: Comparison | None = None

    def save(
        self, comparison: Comparison, *, pictures: str | None = None
    ) -> list[Path]:
        """Write the results, and return the paths. What was kept is removed, unless the run was
        interrupted. Results of a folder that was replaced are written into a new one, which the
        OptionError names."""
        folder = self.checkpoint.folder
        if self.checkpoint.is_replaced:
            other = next(path for path in _numbered(folder) if not path.exists())
            with writing(other, "Free some space."):
                write_specification(
                    comparison.experiment, comparison.specification, other
                )
                comparison.save(other, pictures=pictures)
            raise OptionError(
                f"{folder} was removed or replaced while the run was writing to it",
                f"The results are in {other}.",
            )
        with writing(
            folder, "Free some space; the same command then continues the run."
        ):
            paths = comparison.save(folder, pictures=pictures)
        self.checkpoint.frozen = read_specification(folder)
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
    run; UnreadableError if a file of the finished run has changed, and it isn't overwritten.
    """
    folder = Path(folder)
    if "\0" in str(folder):
        raise OptionError(
            f"folder is {shown(str(folder))}",
            "A folder's name can't hold a null character.",
        )
    lock = lock_folder(folder).lock
    checkpoint = None
    try:
        for path in (folder, folder / UNFINISHED):
            remove_parts(path)
        checkpoint = Checkpoint(plan, folder)
        if not overwrite:
            check_files(folder)
        differing = _differing(plan, folder)
        if differing and not overwrite and _holds_another(folder):
            raise OptionError(
                f"{folder} holds another run: {_shown(differing)}",
                f"Name another folder, or discard that run with {spell('overwrite', True)}.",
            )
        is_done = is_finished(folder) and not overwrite
        done = restore(plan, folder) if is_done else None
        if done is not None:
            if not checkpoint.others:
                checkpoint.remove()  # left by a run that was killed after its last file
        elif (
            differing or not read_specification(folder) or (folder / _RESULTS).exists()
        ):
            with writing(folder, "Name another folder."):
                # No file of another run stays.
                for name in [*_FILES, *(altered_files(folder) or ())]:
                    (folder / name).unlink(missing_ok=True)
                write_specification(plan.experiment, plan.specification, folder)
        checkpoint.frozen = read_specification(folder)
        yield RunFolder(checkpoint, finished=done)
    finally:
        # Another process that has opened the lock by now finds it deleted, and opens it again.
        if (
            checkpoint is None or not checkpoint.is_replaced
        ):  # by a folder in which another run may have its own lock
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def folder_for(plan: Plan, folder: Path) -> tuple[Path, str]:
    """Return which of `folder`, `folder-2` and so on holds the run, or is the first that holds no
    other; and in words how the run in `folder` differs, if another one is chosen."""
    free = None
    for path in _numbered(folder):
        if not path.exists():
            chosen = free or path
            break
        differing = _differing(plan, path)
        if read_specification(path) and not differing:
            chosen = path
            break
        if free is None and not (
            differing and ((path / LOCK).exists() or _holds_another(path))
        ):
            free = path
    return chosen, "" if chosen == folder else _shown(_differing(plan, folder))


def _numbered(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (
        folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2)
    )


def _differing(plan: Plan, folder: Path) -> list[str]:
    """Return in words how the run in a folder differs from a plan; empty if there is none."""
    stored = read_specification(folder)
    if not stored and (folder / _RESULTS).exists():
        return [f"{SPECIFICATION} is missing or damaged"]
    return differences(stored, plan.specification)


def _stored(
    arrays: Mapping[str, npt.NDArray[Any]], plan: Plan, name: str, number: int
) -> Fitted:
    """Return what `Comparison.save` has stored of a model and a split."""
    split = plan.splits[number]
    n = plan.experiment.n_networks
    of_model = {
        key.removeprefix(f"{name}/"): array
        for key, array in arrays.items()
        if key.startswith(f"{name}/")
    }
    networks = of_model.get("networks")
    dead = of_model.get("dead")
    columns = slice(number * n, (number + 1) * n)
    return Fitted(
        of_model["predictions"][split.repeat, 0, split.test],
        None if networks is None else networks[split.repeat][:, split.test],
        np.stack([of_model[curve][:, columns] for curve in CURVES])
        if CURVES[0] in of_model
        else None,
        None if dead is None else dead[columns],
        int(of_model["epochs"][number]) if "epochs" in of_model else 0,
    )


def _holds_another(folder: Path) -> bool:
    """Return whether a folder of another run holds results, or finished parts."""
    return (folder / _RESULTS).exists() or any((folder / UNFINISHED).glob("*.s*"))


def is_finished(folder: Path) -> bool:
    """Return whether the results in a folder are those of the specification in it."""
    with contextlib.suppress(KeyError, TypeError):
        summary = read_document(folder / _RESULTS)
        whole = summary["plan"]["ended"] != "interrupted"
        return whole and not differences(
            read_specification(folder), summary["specification"]
        )
    return False


def _shown(differing: list[str]) -> str:
    text = "; ".join(differing[:_NAMED])
    more = len(differing) - _NAMED
    return f"{text}; and {more:,} more" if more > 0 else text


def restore(plan: Plan, folder: Path) -> Comparison | None:
    """Return the finished comparison of a plan, whose specification is in the folder, from its
    files; None if they don't hold it."""
    code = code_hashes(plan.experiment)
    if read_specification(folder).get("code") != code or None in code.values():
        return None  # the code of a network or a baseline has changed, or is unknown
    with contextlib.suppress(
        Exception
    ):  # files without digests that are damaged in any way: train again
        conclusion = summary_from(read_document(folder / _RESULTS))
        assert isinstance(conclusion, Conclusion)
        arrays = read_arrays(folder / _ARRAYS)
        repeats, names = conclusion.plan.repeats, plan.experiment.names
        numbers = [
            number for number, split in enumerate(plan.splits) if split.repeat < repeats
        ]
        fitted = [
            {name: _stored(arrays, plan, name, number) for name in names}
            for number in numbers
        ]
        results = results_of(plan, repeats, fitted, conclusion.seconds or 0.0)
        whole = replace(
            results, specification=conclusion.specification, ended=conclusion.plan.ended
        )
        return Comparison(**vars(whole), conclusion=conclusion)
    return None

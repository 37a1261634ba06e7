"""Scores as numbers by candidate, split and seed, checked to be paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Columns
from seedbed.errors import DataError, OptionError
from seedbed.judgement.columns import Factor, Recognised, factor, numbers
from seedbed.typing import Floats

__all__ = ["Runs", "cube_of", "paired", "read_runs"]


_MOST_CELLS = 50_000_000
_MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class Runs:
    """The rows of a file: which candidate, split and seed each is about.

    Attributes:
        where: what messages call the file.
        candidate, repeat, fold, seed: of each row; without labels where there is no such column.
        split: codes [row] of (repeat, fold).
        splits: (repeat, fold) of each split, as codes.
        test_share: of all rows in each split, by the columns `n_train` and `n_test`; None where there are none.
    """

    where: str
    candidate: Factor
    repeat: Factor
    fold: Factor
    seed: Factor
    split: NDArray[np.int64]
    splits: tuple[tuple[int, int], ...]
    test_share: float | None

    def split_name(self, split: int) -> str:
        """Return what a split is called in the file."""
        repeat, fold = self.splits[split]
        parts = [(self.repeat, repeat), (self.fold, fold)]
        return ", ".join(f"{part.name} {part.labels[code]}" for part, code in parts if part.labels) or "the split"


@dataclass(frozen=True, eq=False)
class Scores:
    """Numbers by candidate [split, seed], NaN where there is none."""

    by_name: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Paired:
    """Scores of candidates that have all splits.

    Attributes:
        by_name: candidate -> [split, seed], finite.
        splits: which splits they are, of all that the file has.
        dropped: what was left out, in words; empty if nothing was.
    """

    by_name: Mapping[str, Floats]
    splits: NDArray[np.int64]
    dropped: str


def read_runs(columns: Columns, roles: Mapping[str, int], wide_names: Sequence[str] = ()) -> Runs:
    """Return which candidate, split and seed each row is about; of the wide form without candidates.

    Raises:
        ColumnError: a cell is empty.
        OptionError: bootstrap samples.
    """
    _refuse_bootstrap(columns, roles)
    n = columns.n_rows
    found = {
        role: factor(columns, roles[role], role) if role in roles else Factor("", np.zeros(n, dtype=np.int64), ())
        for role in ("candidate", "repeat", "fold", "seed")
    }
    for role in ("repeat", "fold", "seed"):
        if any(label.lower().startswith(("boot", "oob")) for label in found[role].labels):
            raise _bootstrap(columns.where, found[role].name)
    candidate = found["candidate"]
    if wide_names:
        candidate = Factor("", candidate.codes, tuple(wide_names))
    n_folds = max(1, len(found["fold"].labels))
    keys, split = np.unique(found["repeat"].codes * n_folds + found["fold"].codes, return_inverse=True)
    return Runs(
        where=columns.where,
        candidate=candidate,
        repeat=found["repeat"],
        fold=found["fold"],
        seed=found["seed"],
        split=split.astype(np.int64),
        splits=tuple((int(key) // n_folds, int(key) % n_folds) for key in keys),
        test_share=_test_share(columns, roles),
    )


def _refuse_bootstrap(columns: Columns, roles: Mapping[str, int]) -> None:
    if "bootstrap" in roles:
        raise _bootstrap(columns.where, columns.names[roles["bootstrap"]])


def _bootstrap(where: str, name: str) -> OptionError:
    return OptionError(
        f"{where}: column '{name}' says that the splits are bootstrap samples, which repeat rows; no corrected test is "
        "known to keep its error level with them",
        "Score the candidates by repeated k-fold cross-validation.",
    )


def _test_share(columns: Columns, roles: Mapping[str, int]) -> float | None:
    """Return the mean share of test rows by the columns that count rows."""
    if "n_test" not in roles or "n_train" not in roles:
        return None
    tested, trained = (numbers(columns, roles[role]) for role in ("n_test", "n_train"))
    if not (np.isfinite(tested).all() and np.isfinite(trained).all() and (tested > 0).all() and (trained > 0).all()):
        names = " and ".join(f"'{columns.names[roles[role]]}'" for role in ("n_train", "n_test"))
        raise DataError(f"{columns.where}: {names} aren't numbers of rows above 0 in all rows", "Correct or drop them.")
    return float(np.mean(tested / (tested + trained)))


def cube_of(columns: Columns, found: Recognised, runs: Runs) -> Scores:
    """Return the scores by candidate, split and seed.

    Raises:
        DataError: two rows are about one candidate, split and seed.
    """
    n_splits, n_seeds = len(runs.splits), max(1, len(runs.seed.labels))
    if len(runs.candidate.labels) * n_splits * n_seeds > _MOST_CELLS:
        raise DataError(
            f"{runs.where}: {len(runs.candidate.labels):,} candidates, {n_splits:,} splits and {n_seeds:,} seeds are "
            "too many",
            "Name the columns of candidates, folds and seeds: --candidate, --fold, --seed.",
        )
    cell = runs.split * n_seeds + runs.seed.codes
    by_name = {}
    for number, name in enumerate(runs.candidate.labels):
        rows = np.arange(len(cell)) if found.wide else np.flatnonzero(runs.candidate.codes == number)
        values = numbers(columns, found.values[number if found.wide else 0])[rows]
        _refuse_copies(columns, runs, name, rows, cell[rows], n_splits * n_seeds)
        table = np.full(n_splits * n_seeds, np.nan)
        table[cell[rows]] = values
        by_name[name] = table.reshape(n_splits, n_seeds)
    return Scores(by_name)


def _refuse_copies(
    columns: Columns, runs: Runs, name: str, rows: NDArray[np.int64], cells: NDArray[np.int64], n_cells: int
) -> None:
    counts = np.bincount(cells, minlength=n_cells)
    if counts.max(initial=0) < 2:
        return
    cell = int(counts.argmax())
    one, other = rows[np.flatnonzero(cells == cell)[:2]].tolist()
    places = columns.places([one, other])
    n_seeds = max(1, len(runs.seed.labels))
    what = runs.split_name(cell // n_seeds) if len(runs.splits) > 1 else ""
    seed = f"seed {runs.seed.labels[cell % n_seeds]}" if runs.seed.labels else ""
    which = ", ".join(filter(None, (what, seed)))
    message = f"{runs.where}: {places[one]} and {places[other]} are both scores of {name}"
    if not which:
        raise DataError(
            f"{message}, and no column says whether they are folds, random splits or seeds",
            "Add a column 'fold', 'split' or 'seed'; if the rows are folds in order: --folds 10.",
        )
    hint = "Keep one of them." if seed else "Keep one of them; if they are different seeds, add a column 'seed'."
    raise DataError(f"{message}, {which}", hint)


def paired(scores: Scores, runs: Runs, *, drop_incomplete: bool) -> Paired:
    """Return the candidates on the splits that all of them have, with all of their seeds.

    Raises:
        DataError: something is missing, and it isn't asked to drop such splits; or no split is left.
    """
    own = {name: _compact(values) for name, values in scores.by_name.items()}
    if empty := [name for name, values in own.items() if not values.size]:
        raise DataError(f"{runs.where}: {listed_runs(empty)} has no score at all", "Leave it out.")
    complete = {name: np.isfinite(values).all(axis=1) for name, values in own.items()}
    keep = np.logical_and.reduce(list(complete.values()))
    if keep.all():
        return Paired(own, np.arange(len(keep)), "")
    lacking = [
        f"{name} in {runs.split_name(split)}" for name in own for split in np.flatnonzero(~complete[name]).tolist()
    ]
    if not drop_incomplete:
        several = any(values.shape[1] > 1 for values in own.values())
        raise DataError(
            f"{runs.where}: scores are missing: {listed_runs(lacking)}",
            f"All candidates need all splits{', with all of their seeds' * several}. If a run failed, report that; "
            "--drop-incomplete leaves out the splits in which a score is missing.",
        )
    if keep.sum() < 2:
        left = "no split has" if not keep.any() else "a single split has"
        raise DataError(f"{runs.where}: {left} the scores of all candidates", "Score them on the same splits.")
    n = int((~keep).sum())
    dropped = (
        f"{n} of {len(keep)} splits {'is' if n == 1 else 'are'} left out, as scores are missing there "
        f"({listed_runs(lacking)}). If they are missing because a candidate failed, it looks better than it is."
    )
    return Paired({name: values[keep] for name, values in own.items()}, np.flatnonzero(keep), dropped)


def _compact(values: Floats) -> Floats:
    """Return what there is of each split at the left [split, run]: a split may have seeds of its own."""
    there = np.isfinite(values)
    order = np.argsort(~there, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(values, order, axis=1)[:, : int(there.sum(axis=1).max(initial=0))])


def listed_runs(words: Sequence[Any]) -> str:
    """Return a, b, c and 4 more."""
    shown = "; ".join(str(word) for word in words[:_MOST_NAMED])
    return shown + (f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else "")

"""A column that knows the outcome: one that alone predicts the target almost perfectly."""

from __future__ import annotations

import functools
import shlex

import numpy as np
from numpy.typing import NDArray

from seedbed.data.notes import Note
from seedbed.data.table import Column, Table

__all__ = ["find_leaks"]

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

_SUSPECT = 0.98
_MOST_ROWS = 20_000
_FEWEST_OF_A_CLASS = 10
_FOLDS = 5
_BINS_OF_A_CLASS, _ROWS_OF_A_BIN = 32, 3


def find_leaks(table: Table) -> tuple[Note, ...]:
    """A question (SB203) for each column that alone predicts the target almost perfectly on rows not looked at.

    A column's values are put into up to 64 bins of equally many rows (32 a class), a frequent value into one of its
    own; a category has its levels, and missing cells are a bin, too. In each of 5 folds, a bin is predicted by the rows
    of the others: as the class of which it has the largest part, or as their mean; where they leave it empty, nothing
    is predicted. Suspect is a balanced accuracy above .98, or for numbers an R2 above .98 of the target's ranks: of the
    target itself, one huge number would decide it.

    At most 20,000 rows are looked at, the same number of each class where there are so many, and classes of at least 10
    rows; without two of these there is nothing to ask.
    """
    rng = np.random.default_rng(0)
    if table.task == "regression":
        if table.n_rows < 2 * _FEWEST_OF_A_CLASS:
            return ()
        rows = rng.permutation(table.n_rows)[:_MOST_ROWS]
        score, measure = functools.partial(_r2, target=_ranks(table.target[rows])), "R2"
        most_bins = 2 * _BINS_OF_A_CLASS
    else:
        rows, codes, n_classes = _balanced(table.target, rng)
        if n_classes < 2:
            return ()
        score = functools.partial(_balanced_accuracy, codes=codes, n_classes=n_classes)
        measure, most_bins = "balanced accuracy", n_classes * _BINS_OF_A_CLASS
    scores = [(column.name, score(*_binned(column, rows, most_bins))) for column in table.columns]
    return tuple(_question(name, table.target_name, found, measure) for name, found in scores if found > _SUSPECT)


def _question(column: str, target: str, score: float, measure: str) -> Note:
    shown = f"{min(score, 0.999):.3f}" if score < 1 else "1"
    message = (
        f"'{column}' alone predicts '{target}' almost perfectly ({measure} {shown} on rows not looked at): is it known "
        f"before the outcome? If not, leave it out: --drop {shlex.quote(column)}"
    )
    return Note(message, column, "SB203")


def _ranks(target: Floats) -> Floats:
    """Places in order [row], equal numbers sharing the mean of theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(target), dtype=np.float64)


def _balanced(target: Rows, rng: np.random.Generator) -> tuple[Rows, Rows, int]:
    """Shuffled rows, the same number of each class where there are so many; their classes, from 0; how many classes.

    The score gives every class the same weight, so how many rows of each are looked at doesn't shift it.
    """
    counts = np.bincount(target)
    classes = np.flatnonzero(counts >= _FEWEST_OF_A_CLASS)
    order = rng.permutation(len(target))
    most = _MOST_ROWS // max(1, len(classes))
    rows = np.concatenate([order[:0], *(order[target[order] == one][:most] for one in classes)])
    rows = rng.permutation(rows)
    return rows, np.searchsorted(classes, target[rows]), len(classes)


def _binned(column: Column, rows: Rows, most_bins: int) -> tuple[Rows, Rows]:
    """The bin of each of these rows, counted from 0, and its fold.

    Folds go by turns in the order of the values, so the rows of a bin are in as many folds as can be.
    """
    values = column.values[rows]
    order = np.argsort(values, kind="stable")  # missing cells come last
    ordered, n = values[order], len(rows)
    begins = np.append(True, (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[:-1]))
    starts = np.flatnonzero(begins)  # of the runs of equal values
    if column.schema.kind != "category":
        n_bins = max(2, min(most_bins, n // _ROWS_OF_A_BIN))
        frequent = np.diff(starts, append=n) * n_bins >= n
        quantile = starts * n_bins // n
        joined = np.append(False, (np.diff(quantile) == 0) & ~frequent[1:])
        joined[-1] &= not np.isnan(ordered[-1])  # missing cells stay by themselves
        begins[starts[joined]] = False
    bins, fold = np.empty((2, n), dtype=np.int64)
    bins[order], fold[order] = np.cumsum(begins) - 1, np.arange(n) % _FOLDS
    return bins, fold


def _balanced_accuracy(bins: Rows, fold: Rows, codes: Rows, n_classes: int) -> float:
    shape = (_FOLDS, int(bins.max()) + 1, n_classes)
    cells = np.bincount((fold * shape[1] + bins) * n_classes + codes, minlength=shape[0] * shape[1] * shape[2])
    tested = cells.reshape(shape)
    trained = tested.sum(axis=0) - tested
    sizes = np.maximum(trained.sum(axis=1, keepdims=True), 1)
    predicted = (trained / sizes).argmax(axis=2)[:, :, None]
    right = np.take_along_axis(tested, predicted, axis=2) * (trained.sum(axis=2, keepdims=True) > 0)
    of_class = np.zeros(n_classes)
    np.add.at(of_class, predicted.ravel(), right.ravel())
    return float((of_class / tested.sum(axis=(0, 1))).mean())


def _r2(bins: Rows, fold: Rows, target: Floats) -> float:
    """Of rows not looked at: 1 - the squared error of the bins' means / that of the target's own mean."""
    n_bins = int(bins.max()) + 1
    cell = fold * n_bins + bins
    centred = target - target.mean()
    spread = float((centred**2).sum())
    if spread == 0:
        return 0.0
    n, sums = (
        np.bincount(cell, weights=weights, minlength=_FOLDS * n_bins).reshape(_FOLDS, n_bins)
        for weights in (None, centred)
    )
    others, others_sum = n.sum(axis=0) - n, sums.sum(axis=0) - sums
    means = others_sum / np.maximum(others, 1)  # nothing to go by: the mean of all, which is 0
    return 1.0 - float(((centred - means.ravel()[cell]) ** 2).sum()) / spread

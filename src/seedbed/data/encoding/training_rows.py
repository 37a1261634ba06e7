"""What the training rows of a split decide about inputs, and all rows' inputs by that decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.layout import Cells, Places
from seedbed.data.encoding.scaling import Sizes, moments

__all__ = ["Learnt", "SplitMoments", "Sums", "live_by_counts", "live_inputs", "natural_inputs", "shared_rows", "spread"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_CANCELLED = 1e-3  # of the mean square is left as variance, or less: the sums have lost digits


def live_inputs(places: Places, levels: NDArray[np.int64], n_missing: Floats) -> Flags:
    """See `live_by_counts`.

    Args:
        places: where they stand.
        levels: of the rows that train [row, category].
        n_missing: [number]; how many of their cells are missing.
    """
    return live_by_counts(places, np.bincount(levels.ravel(), minlength=len(places.names)), n_missing, len(levels))


def live_by_counts(places: Places, counts: NDArray[np.int64], n_missing: Floats, n_rows: int) -> Flags:
    """Which flags, levels and buckets have something to say after training on these rows [input]; numbers always have.

    A flag, if some cells are missing and some aren't. A level, if it has rows enough. A bucket, if rows fall into it,
    those of levels that aren't live included: what no row has trained is a random weight.

    Args:
        places: where they stand.
        counts: [input]; how many of the rows that train have this level.
        n_missing: [number]; how many of their cells are missing.
        n_rows: how many train.
    """
    n_inputs = len(places.names)
    live = np.ones(n_inputs, dtype=np.bool_)
    gone = n_missing[places.flagged]
    live[places.flags] = (gone > 0) & (gone < n_rows)
    live[places.levels] = counts[places.levels] >= places.needed
    dead = places.levels[~live[places.levels]]
    live[places.buckets] = (counts + np.bincount(places.also[dead], counts[dead], n_inputs))[places.buckets] > 0
    return live


def natural_inputs(places: Places, cells: Cells, medians: Floats, live: Flags) -> Floats:
    """Inputs before standardisation [row, input]: numbers with medians filled in, flags and levels as 0 or 1.

    Args:
        places: where they stand.
        cells: rows of the table, or new ones.
        medians: [number]; NaN where training rows hold nothing, so that a column is zero throughout.
        live: [input]; a level that isn't counts in its bucket, a bucket or flag that isn't is zero.
    """
    inputs = np.zeros((len(cells.numbers), len(places.names)))
    missing = np.isnan(cells.numbers)
    inputs[:, places.numbers] = np.where(missing, medians, cells.numbers)
    inputs[:, places.numbers[np.isnan(medians)]] = 0.0
    inputs[:, places.flags] = missing[:, places.flagged] & live[places.flags]
    everywhere = np.arange(len(live))
    goes_to = np.where(live, everywhere, np.where(live[places.also], places.also, -1))[cells.levels]
    rows, categories = np.nonzero(goes_to >= 0)
    inputs[rows, goes_to[rows, categories]] = 1.0
    return inputs


class Learnt(NamedTuple):
    """What a split's training rows say.

    Attributes:
        mean, deviation: of each number, medians filled in, in the shared matrix's own sizes [number].
        medians: [number]; NaN where these rows hold nothing.
        live: see `live_by_counts` [input].
    """

    mean: Floats
    deviation: Floats
    medians: Floats
    live: Flags


def shared_rows(places: Places, cells: Cells, sizes: Sizes) -> Floats:
    """Rows of the shared matrix [row, input]: numbers in its sizes, 0 where missing; flags and levels as 0 or 1."""
    matrix = np.zeros((len(cells.numbers), len(places.names)))
    missing = np.isnan(cells.numbers)
    matrix[:, places.numbers] = np.where(missing, 0.0, sizes.sized(cells.numbers))
    matrix[:, places.flags] = missing[:, places.flagged]
    matrix[np.arange(len(matrix))[:, None], cells.levels] = 1.0
    return matrix


class SplitMoments:
    """Means and deviations of many splits' training rows, medians filled in, in the shared matrix's own sizes.

    Sums and sums of squares are products with the shared matrix, in which test rows count nothing: fast, and exact
    while the mean is few deviations from zero. Where it isn't, or nothing varies, a split's rows are looked at alone.

    Args:
        numbers: float64 [row, number]; NaN where a cell is missing.
        sized: float64 [row, number]; the same in the shared matrix, 0 where missing.
        sizes: of the shared matrix.
    """

    def __init__(self, numbers: Floats, sized: Floats, sizes: Sizes) -> None:
        missing = np.isnan(numbers)
        self.gappy = np.flatnonzero(missing.any(axis=0))
        self._numbers, self._sized, self._sizes = numbers, sized, sizes
        self._gaps = missing[:, self.gappy].astype(np.float64)
        self._squares = sized * sized

    def of(self, rows: NDArray[np.int64], medians: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean and population deviation [number], in units from the centre, and the number of missing cells [number].

        The deviation of what is constant is exactly 0.

        Args:
            rows: that train.
            medians: [number]; of the columns that have missing cells, NaN where these rows hold nothing.
        """
        weights = np.zeros(len(self._numbers))
        weights[rows] = 1.0
        n_missing = np.zeros(self._sized.shape[1])
        n_missing[self.gappy] = weights @ self._gaps
        sums = Sums(weights @ self._sized, weights @ self._squares, n_missing, len(rows))
        mean, deviation = spread(sums, medians, self._sizes, lambda columns: self._numbers[np.ix_(rows, columns)])
        return mean, deviation, n_missing


class Sums(NamedTuple):
    """Of a split's training rows, in the shared matrix's own sizes, where missing cells are 0.

    Attributes:
        total, squares: sums of numbers and of their squares [number].
        n_missing: missing cells [number].
        n_rows: how many rows there are.
    """

    total: Floats
    squares: Floats
    n_missing: Floats
    n_rows: int


def spread(
    sums: Sums, medians: Floats, sizes: Sizes, look: Callable[[NDArray[np.int64]], Floats]
) -> tuple[Floats, Floats]:
    """Mean and population deviation [number] with medians filled in, in units from the centre.

    Args:
        sums: of the rows that train.
        medians: [number]; see `SplitMoments.of`.
        sizes: of the shared matrix.
        look: gives some columns of these rows as they are [row, column], where sums don't tell.
    """
    fillers = np.nan_to_num(sizes.sized(medians))
    total, squares = sums.total + sums.n_missing * fillers, sums.squares + sums.n_missing * fillers**2
    mean, square = total / sums.n_rows, squares / sums.n_rows
    variance = square - mean**2
    doubtful = np.flatnonzero(variance <= _CANCELLED * square)
    deviation = np.sqrt(np.maximum(variance, 0.0))
    if len(doubtful):
        cells, own = look(doubtful), Sizes(sizes.exponents[doubtful], sizes.centres[doubtful])
        exact = moments(np.where(np.isnan(cells), np.nan_to_num(medians[doubtful]), cells))
        mean[doubtful], deviation[doubtful] = own.sized(exact[0]), own.shrunk(exact[1])
    return mean, deviation

"""What the training rows of a split decide about inputs, and all rows' inputs by that decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.layout import Cells, Places
from seedbed.data.encoding.scaling import Sizes, moments

__all__ = ["SplitMoments", "live_inputs", "natural_inputs"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_CANCELLED = 1e-3  # of the mean square is left as variance, or less: the sums have lost digits


def live_inputs(places: Places, levels: NDArray[np.int64], n_missing: Floats) -> Flags:
    """Which flags, levels and buckets have something to say after training on these rows [input]; numbers always have.

    A flag, if some cells are missing and some aren't. A level, if it has rows enough. A bucket, if rows fall into it,
    those of levels that aren't live included: what no row has trained is a random weight.

    Args:
        places: where they stand.
        levels: of the rows that train [row, category].
        n_missing: [number]; how many of their cells are missing.
    """
    n_inputs = len(places.names)
    counts = np.bincount(levels.ravel(), minlength=n_inputs)
    live = np.ones(n_inputs, dtype=np.bool_)
    gone = n_missing[places.flagged]
    live[places.flags] = (gone > 0) & (gone < len(levels))
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
        total, squares = weights @ self._sized, weights @ self._squares
        fillers, n_missing = np.nan_to_num(self._sizes.sized(medians)), np.zeros(len(total))
        n_missing[self.gappy] = weights @ self._gaps
        total += n_missing * fillers
        squares += n_missing * fillers**2
        mean, square = total / len(rows), squares / len(rows)
        variance = square - mean**2
        doubtful = np.flatnonzero(variance <= _CANCELLED * square)
        deviation = np.sqrt(np.maximum(variance, 0.0))
        if len(doubtful):
            mean[doubtful], deviation[doubtful] = self._looked_at(rows, doubtful, medians)
        return mean, deviation, n_missing

    def _looked_at(self, rows: NDArray[np.int64], columns: NDArray[np.int64], medians: Floats) -> tuple[Floats, Floats]:
        cells = self._numbers[np.ix_(rows, columns)]
        own = Sizes(self._sizes.exponents[columns], self._sizes.centres[columns])
        mean, deviation = moments(np.where(np.isnan(cells), np.nan_to_num(medians[columns]), cells))
        return own.sized(mean), own.shrunk(deviation)

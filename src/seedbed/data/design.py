"""A table's columns as inputs of networks: one matrix for all splits, and an affine map for each split.

What a column is, and which levels may have an input, is decided on the whole table, without the target (`layout.py`).
Statistics (median, mean, deviation, which levels have enough rows) come from the training rows of each split.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data.layout import Cells, Layout, Places, layout_of
from seedbed.data.scaling import Sizes, coarse_sizes, medians_of, moments
from seedbed.data.splits import Split
from seedbed.data.table import Table
from seedbed.errors import ColumnError, DataError
from seedbed.typing import Bools, Floats, Ints

__all__ = ["Encoding", "as_float32", "encode", "is_large", "live_inputs", "natural_inputs"]

_CANCELLED = 1e-3  # a variance below this share of the mean square has lost digits in the sums


_LARGE_ROWS, _LARGE_CELLS = 1 << 17, 1 << 24
_BYTES_A_CELL = 40  # of memory that a comparison takes beside the table as it was read, see docs/big_tables.md


def is_large(n_rows: int, n_columns: int) -> bool:
    """Return whether a table has so many rows and cells that networks train in minibatches by default."""
    return n_rows >= _LARGE_ROWS and n_rows * n_columns >= _LARGE_CELLS


@dataclass(frozen=True, eq=False)
class InputDesign:
    """All splits' inputs, as one shared matrix and a map for each split, which depends on its training rows alone.

    In split s, input j is

        scale[j, s] * matrix[:, j] + shift[j, s] + sum of extra[k, s] * matrix[:, k] over the k with also[k] == j

    So a number is standardised, a flag of missing cells adds the median to its number, and a level that is too rare
    among the training rows counts in its bucket. An input that training rows say nothing about is exactly zero.

    Attributes:
        matrix: float64 [row, input], sized so that a cast to float32 keeps what a split can see.
        scale: [input, split].
        shift: [input, split].
        also: [input]; the input that a column adds to, its own number if it adds to none. None if no column adds to
            another in any split.
        extra: [input, split]; factors of `also`. None if `also` is None.
    """

    matrix: NDArray[np.floating]
    scale: Floats
    shift: Floats
    also: Ints | None = None
    extra: Floats | None = None

    def without(self, sets: Sequence[Sequence[str]], sources: Sequence[str]) -> InputDesign:
        """Return the design with all splits once for each set of columns, whose inputs are exactly zero in them.

        Args:
            sources: the column of each input [input].
        """
        kept = np.array([[source not in dropped for dropped in sets] for source in sources])

        def tiled(part: Floats) -> Floats:
            return np.asarray((part[:, None] * kept[:, :, None]).reshape(len(part), -1))

        extra = None if self.extra is None else tiled(self.extra)
        return dataclasses.replace(self, scale=tiled(self.scale), shift=tiled(self.shift), extra=extra)


def as_float32(numbers: Floats, columns: Sequence[str]) -> NDArray[np.float32]:
    """Return numbers [..., input] as float32. If it can't hold one, ColumnError names the input's column [input]."""
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
    fits = np.isfinite(narrow)
    if not fits.all():
        column = columns[int(np.flatnonzero(~fits.reshape(-1, fits.shape[-1]).all(axis=0))[0])]
        raise ColumnError(
            f"column '{column}': its cells differ too much in size for float32",
            "Look for a wrong cell in this column, or take its logarithm.",
        )
    return narrow


def live_inputs(places: Places, counts: Ints, n_missing: Floats, n_rows: int) -> Bools:
    """Return which inputs are used after training on some rows [input]; numbers always are.

    A flag is used if some cells are missing and some aren't. A level, if it has enough rows. A bucket, if rows belong
    to it, including those of levels that aren't used: without a training row, its weights would stay random.

    Args:
        counts: number of training rows of each level [input].
        n_missing: number of missing cells among the training rows [number].
    """
    n_inputs = len(places.names)
    live = np.ones(n_inputs, dtype=np.bool_)
    gone = n_missing[places.flagged]
    live[places.flags] = (gone > 0) & (gone < n_rows)
    live[places.levels] = counts[places.levels] >= places.needed
    dead = places.levels[~live[places.levels]]
    live[places.buckets] = (counts + np.bincount(places.also[dead], counts[dead], n_inputs))[places.buckets] > 0
    return live


def natural_inputs(places: Places, cells: Cells, medians: Floats, live: Bools) -> Floats:
    """Return inputs before standardisation [row, input]: numbers with medians filled in, flags and levels as 0 or 1.

    Args:
        medians: [number]; NaN if training rows hold nothing, which makes a column zero throughout.
        live: [input]; a level that isn't used counts in its bucket, a bucket or flag that isn't used is zero.
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


def encode(table: Table) -> Encoding:
    """Return how the table's columns become inputs."""
    return Encoding(layout_of(table), table.features)


@dataclass(frozen=True, eq=False)
class Encoding:
    """A table whose columns can be made inputs of networks. Cheap to send to another process.

    Attributes:
        layout: which inputs stand for which column.
        values: [row, column]; the table's features, not copied.
    """

    layout: Layout
    values: Floats

    @property
    def is_large(self) -> bool:
        """Whether a full batch of the rows would take too long, so that networks train in minibatches by default."""
        return is_large(len(self.values), self.layout.n_inputs)

    def design(self, splits: Sequence[Split]) -> InputDesign:
        """Return what the networks of all splits see.

        The matrix doesn't depend on the splits. A split's map depends on its own training rows alone, except for the
        coarse sizes of the matrix, which all rows share.

        Raises:
            ColumnError: a column's sizes differ so much that float32 can't hold them.
        """
        places = self.layout.places
        matrix, sizes = self._shared
        largest = np.maximum(matrix.max(axis=0, initial=0.0), -matrix.min(axis=0, initial=0.0))
        scale, shift, extra = (np.zeros((self.layout.n_inputs, len(splits))) for _ in range(3))
        for number, one in enumerate(self._learn(matrix, sizes, splits)):
            divisor = np.where(one.deviation > 0, one.deviation, np.inf)
            with np.errstate(over="ignore"):
                scale[places.numbers, number] = 1 / divisor
                shift[places.numbers, number] = -one.mean / divisor
                fillers = np.nan_to_num(sizes.sized(one.medians)) / divisor
            scale[places.indicators, number] = one.live[places.indicators]
            extra[places.flags, number] = fillers[places.flagged]
            extra[places.levels, number] = ~one.live[places.levels] & one.live[places.also[places.levels]]
        with np.errstate(over="ignore"):
            for part in (scale, shift, extra, largest[:, None] * scale + np.abs(shift)):
                as_float32(part.T, self.layout.sources)
        adds = bool(extra.any())
        return InputDesign(matrix, scale, shift, places.also if adds else None, extra if adds else None)

    def _check_memory(self) -> None:
        """Raise DataError if the inputs of a large table don't fit in memory, which the system would end by a kill."""
        n_rows, n_inputs, free = len(self.values), self.layout.n_inputs, _free_bytes()
        needed = n_rows * n_inputs * _BYTES_A_CELL
        if self.is_large and needed > free:
            message = f"{n_rows:,} rows x {n_inputs:,} inputs need about {needed / 2**30:.0f} GiB of memory, and "
            raise DataError(f"{message}{free / 2**30:.0f} GiB are free", "Use a sample of the rows, or fewer columns.")

    def natural(self, train_rows: Ints) -> Floats:
        """Return all rows' inputs [row, input] by the statistics of some training rows, before standardisation.

        Numbers are in the user's units, with medians filled in; flags and levels are 0 or 1. If all columns are numbers
        and none is missing, these are the table's features.
        """
        if self.layout.is_plain:
            return self.values
        places, cells = self.layout.places, self._cells
        missing = np.isnan(cells.numbers)
        medians = self._medians(np.flatnonzero(missing.any(axis=0)), [train_rows])[:, 0]
        counts = places.count_levels(cells.levels[train_rows])
        live = live_inputs(places, counts, missing[train_rows].sum(axis=0), len(train_rows))
        return natural_inputs(places, cells, medians, live)

    def _learn(self, matrix: Floats, sizes: Sizes, splits: Sequence[Split]) -> Iterator[_Statistics]:
        """Yield each split's statistics. Sums are products with the shared matrix; test rows have no weight."""
        places, cells = self.layout.places, self._cells
        sized, missing = matrix[:, places.numbers], np.isnan(cells.numbers)
        gappy = np.flatnonzero(missing.any(axis=0))
        gaps, squares = missing[:, gappy].astype(np.float64), sized * sized
        medians = self._medians(gappy, [split.train for split in splits])
        for number, split in enumerate(splits):
            rows, weights, n_missing = split.train, np.zeros(len(matrix)), np.zeros(sized.shape[1])
            weights[rows] = 1.0
            n_missing[gappy] = weights @ gaps
            sums = _Sums(weights @ sized, weights @ squares, n_missing, len(rows))
            counts = places.count_levels(cells.levels[rows])

            def look(columns: Ints, rows: Ints = rows) -> Floats:
                return cells.numbers[np.ix_(rows, columns)]

            yield _statistics(places, sums, medians[:, number], counts, sizes, look)

    def _medians(self, gappy: Ints, parts: Sequence[Ints]) -> Floats:
        """Return medians of each part's rows [number, part]; 0 for columns that aren't `gappy`, as none is needed."""
        numbers = self._cells.numbers
        medians = np.zeros((numbers.shape[1], len(parts)))
        medians[gappy] = medians_of(numbers[:, gappy], _members(len(numbers), parts))
        return medians

    @functools.cached_property
    def _cells(self) -> Cells:
        return self.layout.cells(self.values)

    @functools.cached_property
    def _shared(self) -> tuple[Floats, Sizes]:
        """The shared matrix [row, input], and the sizes of its numbers."""
        self._check_memory()
        sizes = coarse_sizes(self._cells.numbers)
        matrix = _shared_rows(self.layout.places, self._cells, sizes)
        as_float32(matrix, self.layout.sources)
        matrix.setflags(write=False)
        return matrix, sizes

    def __getstate__(self) -> dict[str, Any]:
        # Without what is cached, as it can be computed again.
        return {"layout": dataclasses.replace(self.layout), "values": self.values}


def _free_bytes() -> float:
    """Return how much memory the system can give; infinity if unknown."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return math.inf


class _Statistics(NamedTuple):
    """Statistics of a split's training rows.

    Attributes:
        mean, deviation: of each number, medians filled in, in the shared matrix's sizes [number].
        medians: [number]; NaN if these rows hold nothing.
        live: see `live_inputs` [input].
    """

    mean: Floats
    deviation: Floats
    medians: Floats
    live: Bools


class _Sums(NamedTuple):
    """Sums over a split's training rows in the shared matrix's sizes, with 0 for missing cells.

    Attributes:
        total, squares: sums of numbers and of their squares [number].
        n_missing: number of missing cells [number].
        n_rows: number of rows.
    """

    total: Floats
    squares: Floats
    n_missing: Floats
    n_rows: int


def _statistics(
    places: Places, sums: _Sums, medians: Floats, counts: Ints, sizes: Sizes, look: Callable[[Ints], Floats]
) -> _Statistics:
    """Compute a split's statistics from sums over its training rows.

    That is fast, and exact while the mean is a few deviations from zero. Otherwise, and if nothing varies, the rows
    themselves are used; the deviation of a constant is exactly 0.

    Args:
        medians: [number]; of the columns that have missing cells, NaN if these rows hold nothing.
        counts: number of rows of each level [input].
        look: returns numbers [row, column] of these rows for some columns.
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
    return _Statistics(mean, deviation, medians, live_inputs(places, counts, sums.n_missing, sums.n_rows))


def _shared_rows(places: Places, cells: Cells, sizes: Sizes) -> Floats:
    """Return rows of the shared matrix [row, input]: numbers in its sizes, 0 if missing; flags and levels as 0 or 1."""
    matrix = np.zeros((len(cells.numbers), len(places.names)))
    missing = np.isnan(cells.numbers)
    matrix[:, places.numbers] = np.where(missing, 0.0, sizes.sized(cells.numbers))
    matrix[:, places.flags] = missing[:, places.flagged]
    matrix[np.arange(len(matrix))[:, None], cells.levels] = 1.0
    return matrix


def _members(n_rows: int, parts: Sequence[Ints]) -> Bools:
    """Return whether each row belongs to each part [row, part]."""
    member = np.zeros((n_rows, len(parts)), dtype=np.bool_)
    for number, rows in enumerate(parts):
        member[rows, number] = True
    return member

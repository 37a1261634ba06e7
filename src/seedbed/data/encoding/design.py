"""A table's columns as inputs of networks: one matrix for all splits, and an affine map for each split."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.layout import Cells, Layout, Places, date_parts, layout_of
from seedbed.data.encoding.scaling import Sizes, coarse_sizes, joined, medians_of, moments
from seedbed.data.on_disk import (
    GATHERED_WINDOWS,
    ArrayWriter,
    column_of,
    gather_rows,
    is_large,
    rows_of,
    spill,
    windows,
)
from seedbed.data.splits import Split
from seedbed.data.table import Table
from seedbed.errors import ColumnError
from seedbed.typing import Bools, Floats, Ints

__all__ = ["Encoding", "encode", "live_inputs", "natural_inputs", "refuse_unrepresentable"]


@dataclass(frozen=True, eq=False)
class Design:
    """All splits' inputs, as one shared matrix and, for each split, a map that its training rows alone decide.

    The law: in split s, input j is

        scale[j, s] * matrix[:, j] + shift[j, s] + sum of extra[k, s] * matrix[:, k] over the k with also[k] == j

    So a number is standardised; a flag of missing cells brings the median to its number; a level that is too rare among
    the training rows counts in its bucket. An input that training rows can't teach is exactly zero.

    Attributes:
        matrix: float64 [row, input], sized so that a cast to float32 keeps what a split can see; of a large table
            float32, in a file.
        scale: float64 [input, split].
        shift: float64 [input, split].
        also: int64 [input]; the input that a column adds to, its own number where it adds to none. None where no column
            adds to another in any split.
        extra: float64 [input, split], times what; none together with `also`.
        order: int64 [row]; of a large table, whose rows are shuffled once and for all, which row of the table each row
            of the matrix is. None where that is its own number.
    """

    matrix: NDArray[np.floating]
    scale: Floats
    shift: Floats
    also: Ints | None = None
    extra: Floats | None = None
    order: Ints | None = None


def fits_float32(numbers: Floats) -> Bools:
    """Whether float32 can hold them."""
    with np.errstate(over="ignore"):
        return np.isfinite(numbers.astype(np.float32))


def refuse_unrepresentable(fits: Bools, columns: Sequence[str]) -> None:
    """An error where `fits` isn't true throughout.

    Args:
        fits: [..., input]; whether float32 can hold something of an input.
        columns: [input]; the column that each is made of.

    Raises:
        ColumnError: it names the first column.
    """
    if not fits.all():
        column = columns[int(np.flatnonzero(~fits.reshape(-1, fits.shape[-1]).all(axis=0))[0])]
        raise ColumnError(
            f"column '{column}': its cells differ too much in size for float32",
            "Look for a wrong cell in this column, or take its logarithm.",
        )


_CANCELLED = 1e-3  # of the mean square is left as variance, or less: the sums have lost digits


def live_inputs(places: Places, levels: Ints, n_missing: Floats) -> Bools:
    """See `live_by_counts`.

    Args:
        places: where they stand.
        levels: of the rows that train [row, category].
        n_missing: [number]; how many of their cells are missing.
    """
    return live_by_counts(places, np.bincount(levels.ravel(), minlength=len(places.names)), n_missing, len(levels))


def live_by_counts(places: Places, counts: Ints, n_missing: Floats, n_rows: int) -> Bools:
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


def natural_inputs(places: Places, cells: Cells, medians: Floats, live: Bools) -> Floats:
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
    live: Bools


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

    def of(self, rows: Ints, medians: Floats) -> tuple[Floats, Floats, Floats]:
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


def spread(sums: Sums, medians: Floats, sizes: Sizes, look: Callable[[Ints], Floats]) -> tuple[Floats, Floats]:
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


def sizes_by_column(layout: Layout, values: Floats) -> Sizes:
    """What `coarse_sizes` finds for all numbers, one column of the table after the other."""
    nothing = Sizes(np.empty(0, dtype=np.int64), np.empty(0))
    return joined([nothing, *(coarse_sizes(numbers) for numbers in _numbers(layout, values))])


def lay_out(layout: Layout, values: Floats, sizes: Sizes) -> tuple[NDArray[np.float32], Floats, Ints]:
    """The shared matrix [row, input] in a file, its largest numbers [input], and which row of the table each row is.

    Rows are shuffled once, by their number alone. So any window of the file is a fair sample of every split, however
    the table was sorted, and training may take its rows window by window.

    Raises:
        ColumnError: float32 can't hold a number.
    """
    order = np.random.default_rng(0).permutation(len(values))
    writer, largest = ArrayWriter((layout.n_inputs,), np.float32), np.zeros(layout.n_inputs)
    for part in windows(len(values), values.shape[1], times=GATHERED_WINDOWS):
        together = gather_rows(values, order[part])
        for rows in windows(len(together), layout.n_inputs):
            matrix = shared_rows(layout.places, layout.cells(together[rows]), sizes)
            refuse_unrepresentable(fits_float32(matrix), layout.sources)
            np.maximum(largest, np.abs(matrix).max(axis=0), out=largest)
            writer.write(matrix)
    return writer.finish(), largest, spill(order)


def learn_by_windows(layout: Layout, values: Floats, sizes: Sizes, splits: Sequence[Split]) -> Iterator[Learnt]:
    """What each split's training rows say, in the order of the splits."""
    places, n = layout.places, len(splits)
    train = [split.train if _ascends(split.train) else np.sort(split.train) for split in splits]
    total, squares, n_missing = np.zeros((3, n, len(places.numbers)))
    counts = np.zeros((n, layout.n_inputs), dtype=np.int64)
    for rows in windows(*values.shape):
        cells = layout.cells(rows_of(values, rows))
        missing = np.isnan(cells.numbers)
        sized = np.where(missing, 0.0, sizes.sized(cells.numbers))
        member = np.stack([_member(one, rows) for one in train])
        weights = member.astype(np.float64)
        total += weights @ sized
        squares += weights @ (sized * sized)
        n_missing += weights @ missing
        for number in range(n if layout.categories else 0):
            counts[number] += np.bincount(cells.levels[member[number]].ravel(), minlength=layout.n_inputs)
    medians = _medians(layout, values, train, n_missing)
    for number in range(n):
        sums = Sums(total[number], squares[number], n_missing[number], len(train[number]))

        def look(columns: Ints, own: Ints = train[number]) -> Floats:
            found, first = [], 0
            for numbers in _numbers(layout, values):
                found += [numbers[own, place] for place in range(numbers.shape[1]) if first + place in columns]
                first += numbers.shape[1]
            return np.column_stack(found)

        mean, deviation = spread(sums, medians[:, number], sizes, look)
        live = live_by_counts(places, counts[number], sums.n_missing, sums.n_rows)
        yield Learnt(mean, deviation, medians[:, number], live)


def _numbers(layout: Layout, values: Floats) -> Iterator[Floats]:
    """Numbers [row, number] of one column after the other: one each, of dates several, of categories none."""
    for column, schema in enumerate(layout.schemas):
        if schema.kind == "date":
            yield date_parts(column_of(values, column), layout.timed[column])
        elif schema.kind != "category":
            yield column_of(values, column)[:, None]


def _medians(layout: Layout, values: Floats, train: Sequence[Ints], n_missing: Floats) -> Floats:
    """Medians of each split's training rows [number, split]; 0 for numbers without a gap there, as none is filled."""
    medians = np.zeros((n_missing.shape[1], len(train)))
    gappy = np.flatnonzero(_gappy(layout))
    if not len(gappy):
        return medians
    member = np.zeros((len(values), len(train)), dtype=np.bool_)
    for number, rows in enumerate(train):
        member[rows, number] = True
    first = 0
    for numbers in _numbers(layout, values):
        own = [place for place in range(numbers.shape[1]) if first + place in gappy]
        medians[[first + place for place in own]] = medians_of(numbers[:, own], member)
        first += numbers.shape[1]
    return medians


def _gappy(layout: Layout) -> Bools:
    """Whether cells of a number are missing anywhere in the table [number]; of a date its days alone are."""
    gappy = np.zeros(len(layout.places.numbers), dtype=np.bool_)
    gappy[layout.places.flagged] = True
    return gappy


def _member(rows: Ints, window: slice) -> Bools:
    """Whether each row of a window is among some, which ascend [row in window]."""
    found = np.zeros(window.stop - window.start, dtype=np.bool_)
    first, last = np.searchsorted(rows, (window.start, window.stop))
    found[rows[first:last] - window.start] = True
    return found


def _ascends(rows: Ints) -> bool:
    return bool((rows[1:] > rows[:-1]).all())


def encode(table: Table) -> Encoding:
    """How the table's columns become inputs."""
    return Encoding(layout_of(table), table.features)


@dataclass(frozen=True, eq=False)
class Encoding:
    """A table, ready to be made inputs of networks. Cheap to send to another process.

    Attributes:
        layout: which inputs stand for which column.
        values: float64 [row, column]; the table's features, not copied.
    """

    layout: Layout
    values: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """What to call the inputs: 'age', 'age missing', 'sex=male', 'sex=(other)', 'sex=(missing)', 'day.month'."""
        return self.layout.places.names

    @property
    def n_inputs(self) -> int:
        return self.layout.n_inputs

    @property
    def sources(self) -> tuple[str, ...]:
        """The column that each input is made of."""
        return self.layout.sources

    def design(self, splits: Sequence[Split]) -> Design:
        """What the networks of all splits see.

        The matrix is the same whatever the splits are. A split's map depends on its own training rows alone, but for
        the coarse sizes of the matrix, which all rows share.

        Raises:
            ColumnError: a column's sizes differ so much that float32 can't hold them.
        """
        places = self.layout.places
        matrix: NDArray[np.floating]
        order: Ints | None
        if self.is_large:
            (laid, largest, order), sizes = self._laid, self._sizes
            learnt, matrix = learn_by_windows(self.layout, self.values, sizes, splits), laid
        else:
            (whole, sizes), order = self._shared, None
            largest = np.abs(whole).max(axis=0, initial=0.0)
            learnt, matrix = self._learn(whole, sizes, splits), whole
        scale, shift, extra = (np.zeros((self.n_inputs, len(splits))) for _ in range(3))
        for number, one in enumerate(learnt):
            divisor = np.where(one.deviation > 0, one.deviation, np.inf)
            with np.errstate(over="ignore"):
                scale[places.numbers, number] = 1 / divisor
                shift[places.numbers, number] = -one.mean / divisor
                fillers = np.nan_to_num(sizes.sized(one.medians)) / divisor
            scale[places.indicators, number] = one.live[places.indicators]
            extra[places.flags, number] = fillers[places.flagged]
            extra[places.levels, number] = ~one.live[places.levels] & one.live[places.also[places.levels]]
        self._check(largest, scale, shift, extra)
        adds = bool(extra.any())
        return Design(matrix, scale, shift, places.also if adds else None, extra if adds else None, order)

    @property
    def is_large(self) -> bool:
        """Whether the matrix lies in a file."""
        return is_large(len(self.values), self.n_inputs)

    def _learn(self, matrix: Floats, sizes: Sizes, splits: Sequence[Split]) -> Iterator[Learnt]:
        places, cells = self.layout.places, self._cells
        split_moments = SplitMoments(cells.numbers, matrix[:, places.numbers], sizes)
        medians = self._medians(split_moments.gappy, [split.train for split in splits])
        for number, split in enumerate(splits):
            mean, deviation, n_missing = split_moments.of(split.train, medians[:, number])
            live = live_inputs(places, cells.levels[split.train], n_missing)
            yield Learnt(mean, deviation, medians[:, number], live)

    def natural(self, train_rows: Ints) -> Floats:
        """All rows' inputs [row, input] as some training rows alone make them, before standardisation.

        Numbers are in the user's units, with medians filled in; flags and levels are 0 or 1. Where all columns are
        numbers and none is missing, it is the table's features themselves.
        """
        if self.layout.is_plain:
            return self.values
        places, cells = self.layout.places, self._cells
        missing = np.isnan(cells.numbers)
        medians = self._medians(np.flatnonzero(missing.any(axis=0)), [train_rows])[:, 0]
        live = live_inputs(places, cells.levels[train_rows], missing[train_rows].sum(axis=0))
        return natural_inputs(places, cells, medians, live)

    def _medians(self, gappy: Ints, parts: Sequence[Ints]) -> Floats:
        """Medians of each part's rows [number, part]; 0 for columns that aren't `gappy`: there is nothing to fill."""
        numbers = self._cells.numbers
        member = np.zeros((len(numbers), len(parts)), dtype=np.bool_)
        for number, rows in enumerate(parts):
            member[rows, number] = True
        medians = np.zeros((numbers.shape[1], len(parts)))
        medians[gappy] = medians_of(numbers[:, gappy], member)
        return medians

    @functools.cached_property
    def _cells(self) -> Cells:
        return self.layout.cells(self.values)

    @functools.cached_property
    def _shared(self) -> tuple[Floats, Sizes]:
        """The shared matrix [row, input], and the sizes of its numbers."""
        sizes = coarse_sizes(self._cells.numbers)
        matrix = shared_rows(self.layout.places, self._cells, sizes)
        refuse_unrepresentable(fits_float32(matrix), self.sources)
        matrix.setflags(write=False)
        return matrix, sizes

    @functools.cached_property
    def _sizes(self) -> Sizes:
        return sizes_by_column(self.layout, self.values)

    @functools.cached_property
    def _laid(self) -> tuple[NDArray[np.float32], Floats, Ints]:
        """Of a large table: the shared matrix, its largest numbers [input], and which row each of its rows is."""
        return lay_out(self.layout, self.values, self._sizes)

    def _check(self, largest: Floats, scale: Floats, shift: Floats, extra: Floats) -> None:
        with np.errstate(over="ignore"):
            for part in (scale, shift, extra, largest[:, None] * scale + np.abs(shift)):
                refuse_unrepresentable(fits_float32(part.T), self.sources)

    def __getstate__(self) -> dict[str, Any]:
        # What is cached can be made again; a new layout has made nothing yet.
        return {"layout": dataclasses.replace(self.layout), "values": self.values}

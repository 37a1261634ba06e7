"""The inputs of a large table, made and laid into a file window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.calendar_parts import date_parts
from seedbed.data.encoding.design import fits_float32, refuse_unrepresentable
from seedbed.data.encoding.layout import Layout
from seedbed.data.encoding.scaling import Sizes, coarse_sizes, joined, medians_of
from seedbed.data.encoding.training_rows import Learnt, Sums, live_by_counts, shared_rows, spread
from seedbed.data.on_disk import GATHERED_WINDOWS, ArrayWriter, column_of, gather_rows, rows_of, spill, windows
from seedbed.data.splits.folds import Split

__all__ = ["lay_out", "learn_by_windows", "sizes_by_column"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def sizes_by_column(layout: Layout, values: Floats) -> Sizes:
    """What `coarse_sizes` finds for all numbers, one column of the table after the other."""
    nothing = Sizes(np.empty(0, dtype=np.int64), np.empty(0))
    return joined([nothing, *(coarse_sizes(numbers) for numbers in _numbers(layout, values))])


def lay_out(layout: Layout, values: Floats, sizes: Sizes) -> tuple[NDArray[np.float32], Floats, Rows]:
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

        def look(columns: NDArray[np.int64], own: Rows = train[number]) -> Floats:
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


def _medians(layout: Layout, values: Floats, train: Sequence[Rows], n_missing: Floats) -> Floats:
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


def _gappy(layout: Layout) -> NDArray[np.bool_]:
    """Whether cells of a number are missing anywhere in the table [number]; of a date its days alone are."""
    gappy = np.zeros(len(layout.places.numbers), dtype=np.bool_)
    gappy[layout.places.flagged] = True
    return gappy


def _member(rows: Rows, window: slice) -> NDArray[np.bool_]:
    """Whether each row of a window is among some, which ascend [row in window]."""
    found = np.zeros(window.stop - window.start, dtype=np.bool_)
    first, last = np.searchsorted(rows, (window.start, window.stop))
    found[rows[first:last] - window.start] = True
    return found


def _ascends(rows: Rows) -> bool:
    return bool((rows[1:] > rows[:-1]).all())

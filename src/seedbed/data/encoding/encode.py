"""A table's columns as inputs of networks: one matrix for all splits, and a map for each.

What a column is, and which levels may have an input, is decided on the whole table, without a look at the target
(`layout.py`). What its values are like (median, mean, deviation, which levels have rows enough) is decided by the
training rows of each split.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.by_windows import lay_out, learn_by_windows, sizes_by_column
from seedbed.data.encoding.design import Design, fits_float32, refuse_unrepresentable
from seedbed.data.encoding.layout import Cells, Layout, layout_of
from seedbed.data.encoding.scaling import Sizes, coarse_sizes, medians_of
from seedbed.data.encoding.training_rows import Learnt, SplitMoments, live_inputs, natural_inputs, shared_rows
from seedbed.data.on_disk import is_large
from seedbed.data.splits.folds import Split
from seedbed.data.table import Table

__all__ = ["Encoding", "encode"]

Floats = NDArray[np.float64]


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
        order: NDArray[np.int64] | None
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

    def natural(self, train_rows: NDArray[np.int64]) -> Floats:
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

    def _medians(self, gappy: NDArray[np.int64], parts: Sequence[NDArray[np.int64]]) -> Floats:
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
    def _laid(self) -> tuple[NDArray[np.float32], Floats, NDArray[np.int64]]:
        """Of a large table: the shared matrix, its largest numbers [input], and which row each of its rows is."""
        return lay_out(self.layout, self.values, self._sizes)

    def _check(self, largest: Floats, scale: Floats, shift: Floats, extra: Floats) -> None:
        with np.errstate(over="ignore"):
            for part in (scale, shift, extra, largest[:, None] * scale + np.abs(shift)):
                refuse_unrepresentable(fits_float32(part.T), self.sources)

    def __getstate__(self) -> dict[str, Any]:
        # What is cached can be made again; a new layout has made nothing yet.
        return {"layout": dataclasses.replace(self.layout), "values": self.values}

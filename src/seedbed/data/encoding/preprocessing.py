"""Inputs by what given rows alone say: for training one split, and for new rows at predict time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seedbed.data.columns import Columns
from seedbed.data.encoding.design import refuse_unrepresentable
from seedbed.data.encoding.layout import Cells, Layout, layout_of
from seedbed.data.encoding.new_rows import (
    FAR,
    Gathering,
    Oddities,
    Transformed,
    find_columns,
    with_unseen_spread,
)
from seedbed.data.encoding.scaling import medians_of, moments
from seedbed.data.encoding.stored import layout_from_values, layout_to_values
from seedbed.data.encoding.training_rows import live_inputs, natural_inputs
from seedbed.data.kinds.typed import read_cells
from seedbed.data.remarks import Remark, as_notes
from seedbed.data.table import ColumnSchema, Table
from seedbed.errors import ColumnError, DataError

__all__ = ["Preprocessor", "state_shapes"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Makes rows of a table inputs of networks, by what the rows that it was fitted on say.

    The law: fitted on a split's training rows, it gives what that split's networks see of the shared design.

    Attributes:
        layout: which inputs stand for which column.
        medians: float64 [number]; NaN where the fitted rows hold nothing.
        means: float64 [number]; with medians filled in.
        deviations: float64 [number]; population deviations, exactly 0 where a column is constant.
        live: bool [input]; whether a flag, level or bucket has something to say.
        least_known: the lowest share of a fitted row's cells that aren't missing.
    """

    layout: Layout
    medians: Floats
    means: Floats
    deviations: Floats
    live: NDArray[np.bool_]
    least_known: float

    @classmethod
    def fit(cls, table: Table, rows: NDArray[np.int64] | None = None) -> Self:
        """Learn from the given rows of a table, or from all."""
        layout = layout_of(table)
        rows = np.arange(table.n_rows) if rows is None else np.asarray(rows)
        values = table.features[rows]
        cells = layout.cells(values)
        everywhere = np.ones((len(rows), 1), dtype=np.bool_)
        medians = medians_of(cells.numbers, everywhere)[:, 0]
        means, deviations = moments(np.where(np.isnan(cells.numbers), np.nan_to_num(medians), cells.numbers))
        live = live_inputs(layout.places, cells.levels, np.isnan(cells.numbers).sum(axis=0))
        return cls(layout, medians, means, deviations, live, float((~np.isnan(values)).mean(axis=1).min()))

    @property
    def feature_names_in_(self) -> tuple[str, ...]:
        """The columns that `transform` looks for."""
        return tuple(schema.name for schema in self.layout.schemas)

    @property
    def names(self) -> tuple[str, ...]:
        """What to call the inputs."""
        return self.layout.places.names

    @property
    def n_inputs(self) -> int:
        return self.layout.n_inputs

    @property
    def sources(self) -> tuple[str, ...]:
        """The column that each input is made of."""
        return self.layout.sources

    def transform_table(self, table: Table) -> NDArray[np.float32]:
        """Inputs of all rows of the table that it was fitted on [row, input].

        Raises:
            ColumnError: the table's columns aren't those that were fitted, or a cell lies so many deviations away that
                float32 can't hold it.
        """
        for schema, column in zip(self.layout.schemas, table.columns, strict=False):
            if (schema.name, schema.kind, schema.levels) != (column.name, column.schema.kind, column.schema.levels):
                raise ColumnError(f"{table.name}: column '{column.name}' isn't what was fitted")
        if len(table.columns) != len(self.layout.schemas):
            raise ColumnError(
                f"{table.name} has {len(table.columns)} columns, and {len(self.layout.schemas)} were fitted"
            )
        return self.inputs_of_values(table.features)

    def transform(self, source: Columns) -> Transformed:
        """Inputs of new rows, and what is strange about them.

        Columns are found by name, in any order; others are ignored with a note. An unseen level counts as rare, of two
        levels as missing; a cell that can't be read counts as missing, too; where training had none missing, a
        number's median is taken.

        Raises:
            ColumnError: a column is missing, or a number is so large that float32 can't hold it.
            DataError: more than half of the cells are unseen or missing, and more than in any row of the training.
        """
        positions, remarks = find_columns(source, self.feature_names_in_)
        matrix, odd = self.inputs_of(source, positions)
        gathering = self.gathering()
        doubtful = gathering.add(0, source, positions, odd)
        gathering.refuse_unknown(source.where)
        return Transformed(
            matrix=matrix,
            notes=as_notes(source, [*remarks, *gathering.remarks()]),
            unseen=self._counted(odd.unseen),
            outliers=self._counted(odd.outlying),
            cells=odd,
            doubtful=doubtful,
        )

    def find(self, source: Columns, expected: Collection[str] = ()) -> tuple[list[int], list[Remark]]:
        """Positions of the columns that `inputs_of` takes, and a remark if there are others that aren't `expected`.

        Raises:
            ColumnError: a column is missing, or there twice.
        """
        return find_columns(source, self.feature_names_in_, expected)

    def gathering(self) -> Gathering:
        """What gathers the oddities of new rows."""
        return Gathering(self.layout, self.least_known)

    def inputs_of(self, source: Columns, positions: Sequence[int]) -> tuple[NDArray[np.float32], Oddities]:
        """Inputs of new rows [row, input], and what is strange about their cells.

        Raises:
            ColumnError: a number is so large that float32 can't hold it.
        """
        layout, places = self.layout, self.layout.places
        values, unread = _read(source, positions, layout.schemas)
        measured = np.array([schema.kind in ("number", "date") for schema in layout.schemas])
        unseen = unread & ~measured  # of two levels; it counts as missing
        unseen[:, layout.telling] = values[:, layout.telling] < 0
        cells = layout.cells(values)
        cells = with_unseen_spread(layout, cells, unseen, lambda column: source.cells(positions[column]))
        scaled = self._scaled(cells)
        straight = places.numbers[~places.circling]
        outlying = np.zeros_like(unseen)
        outlying[:, places.sources[straight]] = np.abs(scaled[:, straight]) > FAR
        absent = np.isnan(values)
        return self._narrow(scaled), Oddities(
            unseen=unseen,
            missing=absent & ~unread,
            unreadable=unread & measured,
            outlying=outlying & ~absent & measured,
        )

    def inputs_of_values(self, values: Floats) -> NDArray[np.float32]:
        """Inputs [row, input] of cells as a `Column` has its values [row, column].

        Raises:
            ColumnError: a number is so large that float32 can't hold it.
        """
        return self._narrow(self._scaled(self.layout.cells(values)))

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All of it as plain values fit for JSON, and as arrays; all numbers are finite."""
        values = {"columns": layout_to_values(self.layout), "least_known": self.least_known}
        # Of a column that held nothing, any median will do: its deviation is 0.
        arrays = {"medians": np.nan_to_num(self.medians), "means": self.means, "deviations": self.deviations,
                  "live": self.live}  # fmt: skip
        return values, arrays

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `to_state` gave, made a preprocessor again: its results are the same, bit for bit.

        Raises:
            DataError: it isn't such a state.
        """
        if values.keys() != {"columns", "least_known"}:
            raise DataError("the state of a preprocessor is damaged: it doesn't say what it must")
        layout, least_known = layout_from_values(values["columns"]), values["least_known"]
        shapes = state_shapes(layout)
        if not isinstance(least_known, float) or not 0 <= least_known <= 1 or arrays.keys() != shapes.keys():
            raise DataError("the state of a preprocessor is damaged: an array or a number is missing")
        for name, (dtype, shape) in shapes.items():
            if arrays[name].dtype != dtype or arrays[name].shape != shape:
                raise DataError(f"the state of a preprocessor is damaged: {name} has another shape")
        return cls(layout, **arrays, least_known=least_known)

    def _scaled(self, cells: Cells) -> Floats:
        """Inputs in float64 [row, input]."""
        inputs = natural_inputs(self.layout.places, cells, self.medians, self.live)
        numbers, varies = self.layout.places.numbers, self.deviations > 0
        divisor = np.where(varies, self.deviations, 1.0)
        with np.errstate(over="ignore"):
            inputs[:, numbers] = np.where(varies, (inputs[:, numbers] - self.means) / divisor, 0.0)
        return inputs

    def _narrow(self, inputs: Floats) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            narrow = inputs.astype(np.float32)
        refuse_unrepresentable(np.isfinite(narrow), self.sources)
        return narrow

    def _counted(self, cells: NDArray[np.bool_]) -> dict[str, int]:
        counts = zip(self.feature_names_in_, cells.sum(axis=0).tolist(), strict=True)
        return {name: count for name, count in counts if count}


def _read(
    source: Columns, positions: Sequence[int], schemas: Sequence[ColumnSchema]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Cells as the schemas read them, and which are there and can't be read [row, column]."""
    values = np.full((source.n_rows, len(schemas)), np.nan)
    unread = np.zeros(values.shape, dtype=np.bool_)
    # A file is walked through at each call, so columns of plain numbers are read all at once.
    numbers = [
        column for column, schema in enumerate(schemas) if schema.kind == "number" and schema.spelling == "point"
    ]
    if numbers:
        values[:, numbers] = source.numbers([positions[column] for column in numbers])
    plain = {column for column in numbers if np.isfinite(values[:, column]).all()}
    for column, schema in enumerate(schemas):
        if column not in plain:
            values[:, column], unread[:, column] = read_cells(source, positions[column], schema)
    return values, unread


def state_shapes(layout: Layout) -> dict[str, tuple[np.dtype[Any], tuple[int]]]:
    """What the arrays of a state are like: (dtype, shape) by name."""
    numbers = np.dtype(np.float64), (len(layout.places.numbers),)
    return {"medians": numbers, "means": numbers, "deviations": numbers, "live": (np.dtype(bool), (layout.n_inputs,))}

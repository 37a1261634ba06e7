"""What the rest of seedbed knows of a user's data."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seedbed.data.notes import Note
from seedbed.data.on_disk import ArrayWriter, is_large, rows_of, windows
from seedbed.typing import Floats, Ints

__all__ = ["Column", "ColumnSchema", "Kind", "Table", "Task"]

Kind = Literal["number", "boolean", "date", "category"]
Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class ColumnSchema:
    """What a column is and how its cells are read: decided once, on all rows, without a look at the target.

    Attributes:
        name: as in the header.
        kind: "number", "boolean", "date" or "category".
        levels: of a category, sorted; of a boolean, what stood for 0 and what for 1. Else empty.
        spelling: how numbers and dates are written: "point" or "comma" for the decimal mark, "ymd", "dmy" or "mdy" for
            the order of a date's parts; empty for the other kinds.
        missing_words: what stood for a missing cell, beside the empty cell.
        has_missing: whether a cell of the table is missing.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    spelling: str = ""
    missing_words: tuple[str, ...] = ()
    has_missing: bool = False


@dataclass(frozen=True, eq=False)
class Column:
    """A typed column.

    Attributes:
        schema: what it is.
        values: float64 [row], read-only; NaN where a cell is missing, never infinite. A number as it is; a boolean as 0
            or 1; a date as seconds since 1970-01-01; a category as the number of its level, or -1 for a level that the
            schema doesn't know, which happens in new rows only.
    """

    schema: ColumnSchema
    values: Floats

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    @property
    def name(self) -> str:
        return self.schema.name


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Typed columns and a coded target, ready to be split.

    Attributes:
        name: what to call the table in a report.
        columns: the features, in the order of the table.
        target_name: the column to predict.
        target: [row], read-only; int64 codes of classes, or float64 numbers for regression.
        labels: `labels[code]` is what the user's cell said; of two, `labels[1]` is the positive one. Numeric labels are
            ordered as numbers, others by code point, as `numpy.unique` does. Empty for regression.
        task: "binary", "multiclass" or "regression".
        groups: int64 [row]; rows of one group stay in one fold. None where every row is a group of its own.
        grouped_by: the column that names the groups; empty where `groups` only keeps equal rows together.
        times: float64 [row]; what tells earlier rows from later ones, if rows are to be split by time.
        time_kind: "date" or "number", what `times` are.
        notes: what was decided while reading.
        reading: the arguments of `read_table` that read it again, fit for JSON: `source` and what else was given. None
            where it came from a data frame or arrays.
    """

    name: str
    columns: tuple[Column, ...]
    target_name: str
    target: NDArray[Any]
    labels: tuple[str, ...]
    task: Task = "binary"
    groups: Ints | None = None
    grouped_by: str = ""
    times: Floats | None = None
    time_kind: Literal["date", "number"] = "date"
    notes: tuple[Note, ...] = ()
    reading: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for array in (self.target, self.groups, self.times):
            if array is not None:
                array.setflags(write=False)

    def __repr__(self) -> str:
        size = f"{self.n_rows:,} rows, {self.n_features:,} features"
        return f"<Table {self.name}: {size}, {self.task} target {self.target_name}>"

    @property
    def n_rows(self) -> int:
        return len(self.target)

    def of_rows(self, rows: Ints) -> Table:
        """Return the table of some rows, in the order given. What its columns are stays as it was decided by all."""
        return dataclasses.replace(
            self,
            columns=tuple(Column(column.schema, column.values[rows]) for column in self.columns),
            target=self.target[rows],
            groups=None if self.groups is None else self.groups[rows],
            times=None if self.times is None else self.times[rows],
        )

    @property
    def n_groups(self) -> int:
        """How many groups there are; each row is one where none are known."""
        return self.n_rows if self.groups is None else len(np.unique(self.groups))

    @property
    def n_features(self) -> int:
        return len(self.columns)

    @property
    def n_outputs(self) -> int:
        """Of a network: the logit of the second of two labels, a logit a class, or a number."""
        return len(self.labels) if self.task == "multiclass" else 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @functools.cached_property
    def features(self) -> Floats:
        """The columns' values side by side [row, feature], read-only; of a large table they lie in a file."""
        if is_large(self.n_rows, self.n_features):
            writer = ArrayWriter((self.n_features,), np.float64)
            for rows in windows(self.n_rows, self.n_features):
                writer.write(np.column_stack([rows_of(column.values, rows) for column in self.columns]))
            return writer.finish()
        matrix = np.column_stack([column.values for column in self.columns])
        matrix.setflags(write=False)
        return matrix

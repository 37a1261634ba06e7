"""Typed columns and the table of them: what the rest of seedbed knows of a user's data."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from seedbed.errors import counted, visible
from seedbed.evaluation.summaries import Note, Task
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.outcome import Outcome
from seedbed.outcomes.tasks import outcome_of
from seedbed.typing import Floats, Ints

Kind = Literal["number", "boolean", "date", "category"]


class ColumnSchema(msgspec.Struct, frozen=True):
    """What a column is and how its cells are read, decided once on all rows and without the target.

    Attributes:
        levels: of a category, sorted; of a boolean, the words for 0 and for 1. Empty for the other
            kinds.
        spelling: the decimal mark of numbers, "point" or "comma"; the order of a date's parts,
            "ymd", "dmy" or "mdy"; empty for the other kinds.
        has_missing: whether a cell of the table is missing.
        unit: of a number whose cells are texts such as '1167 sqft'; see `split_unit`.
        missing: further texts that stand for a missing cell; numbers are compared as numbers.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    spelling: str = ""
    has_missing: bool = False
    unit: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Column:
    """A typed column. Its values [row] are read-only: NaN if a cell is missing, never infinite.

    A boolean is 0 or 1, a date is seconds since 1970-01-01, a category is the number of its level,
    or -1 for a level of new rows that the schema doesn't know.
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
    """Typed columns and an encoded target.

    Attributes:
        columns: the features, in the order of the table.
        target: [row], read-only; int64 codes of classes, or float64 numbers for regression.
        labels: the user's label of each code; of two, `labels[1]` is the positive one. Of several,
            numbers are ordered as numbers, others by code point, as `numpy.unique` does. Empty for
            regression.
        groups: [row]; rows of one group stay in one fold. None if every row is a group of its own.
        grouped_by: the column that names the groups; empty if `groups` only keeps equal rows
            together.
        folds: [row]; the number of the fold that tests a row, where a column says it; else None.
        fold_names: the cell of each fold.
        folded_by: the column that names the folds; empty if none does.
        has_sites: whether these folds are sites.
        times: [row]; order of the rows in time, if they are split by time.
        time_kind: "date" or "number".
        durations: [row]; the time under observation, of survival. The codes of `target` then say
            whether it ended with the event.
        reading: the arguments of `read_table` that read it again, fit for JSON: `source` and other
            given options. None if it came from a data frame or arrays.
        expanded_from: the number of rows that these rows are of, see `expanded`; 0 if each row is
            one of its own.
    """

    name: str
    columns: tuple[Column, ...]
    target_name: str
    target: NDArray[Any]
    labels: tuple[str, ...]
    task: Task = "binary"
    groups: Ints | None = None
    grouped_by: str = ""
    folds: Ints | None = None
    fold_names: tuple[str, ...] = ()
    folded_by: str = ""
    has_sites: bool = False
    times: Floats | None = None
    time_kind: Literal["date", "number"] = "date"
    durations: Floats | None = None
    follow_up: FollowUp | None = None
    notes: tuple[Note, ...] = ()
    reading: Mapping[str, Any] | None = None
    expanded_from: int = 0

    def __post_init__(self) -> None:
        for array in (self.target, self.groups, self.folds, self.times, self.durations):
            if array is not None:
                array.setflags(write=False)

    def __repr__(self) -> str:
        size = f"{counted(self.n_rows, 'row')}, {counted(self.n_features, 'feature')}"
        return visible(
            f"<Table {self.name}: {size}, {self.task} target {self.target_name}>"
        )

    @property
    def n_rows(self) -> int:
        return len(self.target)

    def of_rows(self, rows: Ints) -> Table:
        """Return the table of some rows, in the order given. Its schemas stay those of all rows."""
        columns = tuple(
            Column(column.schema, column.values[rows]) for column in self.columns
        )
        arrays = {
            name: getattr(self, name)
            for name in ("target", "groups", "folds", "times", "durations")
        }
        parts = {
            name: array[rows] for name, array in arrays.items() if array is not None
        }
        return dataclasses.replace(self, columns=columns, **parts)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the task; of expanded rows that of what networks learn."""
        of_task = outcome_of(self.task)
        return outcome_of(of_task.learns) if self.expanded_from else of_task

    def training_rows(self, rows: Ints) -> Table:
        """Return the table of some rows as models are fitted to it: with the classes that these
        rows have."""
        part = self.of_rows(rows)
        return dataclasses.replace(
            part, **self.outcome.present(part.target, part.labels)
        ).expanded()

    def expanded(self, like: Table | None = None) -> Table:
        """Return the rows that networks train on: of survival a row for each interval in which a
        row was under observation, with the interval as the last column, as those of `like` were;
        else the table itself. The rows of a row are a group."""
        expansion = self.outcome.expanded(
            self, None if like is None else like.follow_up
        )
        if expansion is None:
            return self
        rows = self.of_rows(expansion.rows)
        name = expansion.name
        while name in self.feature_names:
            name += "_"
        column = Column(
            ColumnSchema(name, "category", expansion.levels),
            expansion.codes.astype(np.float64),
        )
        return dataclasses.replace(
            rows,
            columns=(*rows.columns, column),
            target=expansion.target,
            groups=expansion.rows if rows.groups is None else rows.groups,
            follow_up=expansion.follow_up,
            expanded_from=self.n_rows,
        )

    @functools.cached_property
    def truth(self) -> NDArray[Any]:
        """What scores compare predictions with [row, ...], see `Outcome.truth`."""
        return self.outcome.truth(self)

    @property
    def n_cases(self) -> int:
        """Number of rows; of expanded rows, of those that they are of."""
        return self.expanded_from or self.n_rows

    @property
    def n_groups(self) -> int:
        """Number of groups; without groups, number of rows."""
        return self.n_rows if self.groups is None else len(np.unique(self.groups))

    @property
    def n_classes(self) -> int:
        """Number of labels; 0 if numbers are predicted."""
        return len(self.labels)

    @property
    def n_features(self) -> int:
        return len(self.columns)

    @property
    def n_outputs(self) -> int:
        return self.outcome.n_outputs(self.labels)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @functools.cached_property
    def features(self) -> Floats:
        """The columns' values [row, feature], read-only."""
        matrix = np.column_stack([column.values for column in self.columns])
        matrix.setflags(write=False)
        return matrix

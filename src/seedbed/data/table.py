"""Typed columns and the table of them: what the rest of seedbed knows of a user's data."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError, counted, visible
from seedbed.evaluation.summaries import Note
from seedbed.evaluation.survival import censored_truth
from seedbed.typing import Floats, Ints

Kind = Literal["number", "boolean", "date", "category"]
_SCORED = 24  # times

Task = Literal["binary", "multiclass", "regression", "survival"]


@dataclass(frozen=True)
class ColumnSchema:
    """What a column is and how its cells are read, decided once on all rows and without the target.

    Attributes:
        name: as in the header.
        kind: "number", "boolean", "date" or "category".
        levels: of a category, sorted; of a boolean, the words for 0 and for 1. Empty for the other kinds.
        spelling: the decimal mark of numbers, "point" or "comma"; the order of a date's parts, "ymd", "dmy" or "mdy";
            empty for the other kinds.
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
    """A typed column.

    Attributes:
        schema: its description.
        values: [row], read-only; NaN if a cell is missing, never infinite. A boolean is 0 or 1, a date is seconds since
            1970-01-01, a category is the number of its level, or -1 for a level of new rows that the schema doesn't
            know.
    """

    schema: ColumnSchema
    values: Floats

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    @property
    def name(self) -> str:
        return self.schema.name


Clock = tuple[tuple[float, float], ...]
"""Times of survival, and at each how many intervals have passed, whole and in part."""


@dataclass(frozen=True)
class FollowUp:
    """How rows are followed, until an event or until they are censored.

    Attributes:
        time: the column with the time under observation.
        horizon: the time up to which survival is predicted and scored.
        clock: of the intervals that hazards are of, see `person_periods`; empty before these are made.
        start: the column with the date on which observation began; empty if `time` is a duration.
        n_rows: the rows that person-periods are of.
        unit: of the times, "days" between two dates; empty if it isn't known.
    """

    time: str
    horizon: float
    clock: Clock = ()
    start: str = ""
    n_rows: int = field(default=0, compare=False)
    unit: str = ""

    @functools.cached_property
    def cuts(self) -> tuple[float, ...]:
        """The ends of the intervals that hazards are of; the last one is the horizon."""
        return tuple({passed: time for time, passed in self.clock if passed == int(passed)}.values())

    @property
    def words(self) -> str:
        """The horizon, as `time 210`, or `day 210` if times are days between two dates."""
        return f"{self.unit.removesuffix('s') or self.time} {self.horizon:g}"

    @property
    def grid(self) -> Floats:
        """The times at which predicted survival is scored, evenly spaced up to the horizon [time]."""
        return self.horizon * np.arange(1, _SCORED + 1) / _SCORED


def refuse_survival(table: Table, what: str, hint: str = "Leave it out.") -> None:
    """Raise OptionError if a table is of survival; `what` can't be combined with it."""
    if table.follow_up is not None:
        raise OptionError(f"{what} can't be combined with survival", hint)


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Typed columns and an encoded target.

    Attributes:
        name: name of the table in reports.
        columns: the features, in the order of the table.
        target_name: the column to predict.
        target: [row], read-only; int64 codes of classes, or float64 numbers for regression.
        labels: the user's label of each code; of two, `labels[1]` is the positive one. Of several, numbers are ordered
            as numbers, others by code point, as `numpy.unique` does. Empty for regression.
        task: "binary", "multiclass", "regression" or "survival".
        groups: [row]; rows of one group stay in one fold. None if every row is a group of its own.
        grouped_by: the column that names the groups; empty if `groups` only keeps equal rows together.
        times: [row]; order of the rows in time, if they are split by time.
        time_kind: "date" or "number".
        durations: [row]; the time under observation, of survival. The codes of `target` then say whether it ended with
            the event.
        follow_up: of survival; also of person-periods, whose task is binary.
        notes: decisions and warnings.
        reading: the arguments of `read_table` that read it again, fit for JSON: `source` and other given options. None
            if it came from a data frame or arrays.
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
    durations: Floats | None = None
    follow_up: FollowUp | None = None
    notes: tuple[Note, ...] = ()
    reading: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for array in (self.target, self.groups, self.times, self.durations):
            if array is not None:
                array.setflags(write=False)

    def __repr__(self) -> str:
        size = f"{counted(self.n_rows, 'row')}, {counted(self.n_features, 'feature')}"
        return visible(f"<Table {self.name}: {size}, {self.task} target {self.target_name}>")

    @property
    def n_rows(self) -> int:
        return len(self.target)

    def of_rows(self, rows: Ints) -> Table:
        """Return the table of some rows, in the order given. Its schemas stay those of all rows."""
        return dataclasses.replace(
            self,
            columns=tuple(Column(column.schema, column.values[rows]) for column in self.columns),
            target=self.target[rows],
            groups=None if self.groups is None else self.groups[rows],
            times=None if self.times is None else self.times[rows],
            durations=None if self.durations is None else self.durations[rows],
        )

    @functools.cached_property
    def truth(self) -> NDArray[Any]:
        """What scores compare predictions with: the target [row], or `censored_truth` [row, time] of survival."""
        if self.durations is None or self.follow_up is None:
            return self.target
        return censored_truth(self.durations, self.target == 1, self.follow_up.grid)

    @functools.cached_property
    def scored_times(self) -> Floats:
        """Of each time of `follow_up.grid`, the last one until it at which a row was last seen [time]: the truth is the
        same, and a model isn't blamed for what it says about times at which nothing can come to light."""
        assert self.durations is not None
        assert self.follow_up is not None
        times = np.unique(self.durations)
        return np.concatenate([[0.0], times])[np.searchsorted(times, self.follow_up.grid, side="right")]

    @property
    def n_cases(self) -> int:
        """Number of rows; of person-periods, of the rows that they are of."""
        return self.n_rows if self.follow_up is None else self.follow_up.n_rows or self.n_rows

    @property
    def n_groups(self) -> int:
        """Number of groups; without groups, number of rows."""
        return self.n_rows if self.groups is None else len(np.unique(self.groups))

    @property
    def n_features(self) -> int:
        return len(self.columns)

    @property
    def n_outputs(self) -> int:
        """Outputs of a network: the logit of the second of two labels, a logit per class, or a number."""
        return len(self.labels) if self.task == "multiclass" else 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @functools.cached_property
    def features(self) -> Floats:
        """The columns' values [row, feature], read-only."""
        matrix = np.column_stack([column.values for column in self.columns])
        matrix.setflags(write=False)
        return matrix

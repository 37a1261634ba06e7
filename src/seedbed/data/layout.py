"""Which inputs of a network stand for which column of a table."""

from __future__ import annotations

import functools
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, structs

from seedbed.data.cells import DAY
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.typing import Bools, Floats, Ints

BUCKETS: Final = 32
_ENOUGH_ROWS = 10
_ONE_IN = 200  # half a percent of the rows
_MANY_LEVELS = 200

_PARTS = (
    "days",
    "month",
    "weekday",
    "hour",
)  # of a date; the hour only if there are times
DATE_MIDDLES = (
    6.5,
    3.0,
    11.5,
)  # of months 1-12, weekdays 0-6 and hours 0-23, for a missing date


def date_parts(seconds: Floats, timed: bool) -> Floats:
    """Return days since 1970-01-01, month 1-12, weekday 0-6 from Monday on and, if `timed`, hour
    0-23: [row, part].

    The days of a missing date are NaN, which the median of training rows fills. The other parts are
    set to the middle of the calendar: there is one flag for a missing date, and a flag can add the
    median of one part only.
    """
    missing = np.isnan(seconds)
    filled = np.where(missing, 0.0, seconds)
    days = np.floor(filled / DAY)
    months = (
        days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    )
    weekdays = (days + 3) % 7  # 1970-01-01 was a Thursday
    hours = np.floor((filled - days * DAY) / 3_600)
    parts = (months, weekdays, hours)[: 3 if timed else 2]
    circling = [
        np.where(missing, middle, part)
        for middle, part in zip(DATE_MIDDLES, parts, strict=False)
    ]
    return np.column_stack([np.where(missing, np.nan, days), *circling])


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of a category's levels that have an input of their own, ascending, by the table
    without the target.

    The other levels share one input, or 32 of a column with over 200 levels. A level needs some
    rows: in the table to be kept, and among training rows to be used.
    """

    kept: tuple[int, ...]
    n_buckets: Literal[1, 32]
    needed: Annotated[int, Meta(ge=0, lt=1 << 53)]


def bucket_of(level: str, n_buckets: int) -> int:
    """Return the bucket of a level without an input of its own: a hash of its text, equal on any
    machine."""
    return zlib.crc32(level.encode("utf-8", "surrogatepass")) % n_buckets


@dataclass(frozen=True, eq=False)
class Places:
    """Positions among the inputs: of numbers, flags of missing numbers, levels, and buckets of
    other levels.

    Attributes:
        names: 'age', 'age missing', 'sex=male', 'sex=(other)', 'sex=(missing)', 'day.month'
            [input].
        sources: number of the column of each input [input].
        numbers, flags, levels, buckets: inputs of each kind. A missing cell of a category is a
            level, too.
        circling: whether a number is a periodic part of a date, such as the month [number].
        flagged: the number of each flag, counted among the numbers [flag].
        needed: training rows that a level needs to be used [level].
        also: the input that each input may add to: of a flag its number's, of a level its bucket's,
            else its own [input].
        inputs_of_codes: for each category, the input of each level of the schema, of a missing
            cell, and of a level that the schema doesn't know, whose code is -1 [code].
        buckets_of_categories: for each category, inputs of its buckets [bucket].
    """

    names: tuple[str, ...]
    sources: Ints
    numbers: Ints
    circling: Bools
    flags: Ints
    flagged: Ints
    levels: Ints
    needed: Ints
    buckets: Ints
    also: Ints
    inputs_of_codes: tuple[Ints, ...]
    buckets_of_categories: tuple[Ints, ...]


@dataclass(frozen=True)
class Layout:
    """What the whole table decides about its inputs, without the target.

    Only categories have a vocabulary. A column is timed if it holds dates with a time of day.
    """

    schemas: tuple[ColumnSchema, ...]
    vocabularies: tuple[Vocabulary | None, ...]
    timed: tuple[bool, ...]

    @functools.cached_property
    def places(self) -> Places:
        names: list[str] = []
        of: dict[str, list[int]] = defaultdict(list)
        inputs_of_codes, buckets_of_categories = [], []

        def add(kind: str, name: str, other: int | None = None) -> int:
            """Add an input of the current column, which may add to another."""
            of[kind].append(len(names))
            of["also"].append(len(names) if other is None else other)
            of["sources"].append(column)
            names.append(name)
            return len(names) - 1

        for column, (schema, vocabulary) in enumerate(
            zip(self.schemas, self.vocabularies, strict=True)
        ):
            name = schema.name
            first = len(names)
            if vocabulary is None:
                if schema.has_missing:
                    of["flagged"].append(len(of["numbers"]))
                parts = _PARTS[: 4 if self.timed[column] else 3]
                for index, part in enumerate(
                    [f"{name}.{part}" for part in parts]
                    if schema.kind == "date"
                    else [name]
                ):
                    add("numbers", part)
                    of["circling"].append(index > 0)
                if schema.has_missing:
                    add("flags", f"{name} missing", first)
                continue
            first_bucket = first + len(vocabulary.kept)
            n_buckets = vocabulary.n_buckets
            inputs = [
                first_bucket + bucket_of(level, n_buckets) for level in schema.levels
            ] + [first_bucket] * 2
            for level in vocabulary.kept:
                inputs[level] = add(
                    "levels", f"{name}={schema.levels[level]}", inputs[level]
                )
                of["needed"].append(vocabulary.needed)
            suffixes = (
                ["(other)"]
                if n_buckets == 1
                else [f"(other {bucket})" for bucket in range(1, n_buckets + 1)]
            )
            buckets_of_categories.append(
                np.array([add("buckets", f"{name}={word}") for word in suffixes])
            )
            if schema.has_missing:
                # One row is enough, as for the flag of a number: a missing cell isn't a rare level.
                inputs[-2] = add("levels", f"{name}=(missing)", first_bucket)
                of["needed"].append(1)
            inputs_of_codes.append(np.array(inputs))
        kinds = (
            "sources",
            "numbers",
            "flags",
            "flagged",
            "levels",
            "needed",
            "buckets",
            "also",
        )
        return Places(
            names=tuple(names),
            circling=np.array(of["circling"], dtype=np.bool_),
            inputs_of_codes=tuple(inputs_of_codes),
            buckets_of_categories=tuple(buckets_of_categories),
            **{kind: np.array(of[kind], dtype=np.int64) for kind in kinds},
        )

    @functools.cached_property
    def categories(self) -> tuple[int, ...]:
        return tuple(
            column
            for column, vocabulary in enumerate(self.vocabularies)
            if vocabulary is not None
        )

    @functools.cached_property
    def number_inputs(self) -> tuple[int, ...]:
        """Inputs that can have many values: numbers, and parts of dates."""
        sources = self.places.sources.tolist()
        return tuple(
            i
            for i in self.places.numbers.tolist()
            if self.schemas[sources[i]].kind != "boolean"
        )

    @functools.cached_property
    def category_inputs(self) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(np.flatnonzero(self.places.sources == column).tolist())
            for column in self.categories
        )

    @property
    def n_inputs(self) -> int:
        return len(self.places.names)

    @functools.cached_property
    def sources(self) -> tuple[str, ...]:
        """Name of the column of each input."""
        return tuple(
            self.schemas[column].name for column in self.places.sources.tolist()
        )

    def cells(self, values: Floats) -> tuple[Floats, Ints]:
        """Return numbers [row, number], NaN if missing, and inputs of the cells' levels [row,
        category], of values as a `Column` has them [row, column]. If all are numbers, they aren't
        copied."""
        levels = np.empty((len(values), len(self.categories)), dtype=np.int64)
        for category, column in enumerate(self.categories):
            inputs = self.places.inputs_of_codes[category]
            codes = np.where(
                np.isnan(values[:, column]), len(inputs) - 2, values[:, column]
            )
            levels[:, category] = inputs[codes.astype(np.int64)]
        dates = [
            column
            for column, schema in enumerate(self.schemas)
            if schema.kind == "date"
        ]
        if not dates and not self.categories:
            return values, levels
        numbers = np.empty((len(values), len(self.places.numbers)))
        sources = self.places.sources[self.places.numbers]
        single = ~np.isin(sources, dates)
        numbers[:, single] = values[:, sources[single]]
        for column in dates:
            numbers[:, sources == column] = date_parts(
                values[:, column], self.timed[column]
            )
        return numbers, levels


def layout_of(table: Table) -> Layout:
    """Return the layout of a table, decided on all its rows."""
    vocabularies = tuple(
        _vocabulary_of(c) if c.schema.kind == "category" else None
        for c in table.columns
    )
    timed = tuple(
        c.schema.kind == "date" and bool((np.nan_to_num(c.values) % DAY).any())
        for c in table.columns
    )
    return Layout(tuple(column.schema for column in table.columns), vocabularies, timed)


def _vocabulary_of(column: Column) -> Vocabulary:
    """Return the vocabulary of a category. A rare level has both fewer than 10 rows and under half
    a percent of them.

    With over 200 levels, half a percent is needed: otherwise a long table could have too many
    inputs.
    """
    n_levels = len(column.schema.levels)
    codes = column.values[column.values >= 0].astype(np.int64)  # without missing cells
    share = max(1, -(-len(column.values) // _ONE_IN))
    needed = share if n_levels > _MANY_LEVELS else min(_ENOUGH_ROWS, share)
    frequent = np.flatnonzero(np.bincount(codes, minlength=n_levels) >= needed)
    return Vocabulary(
        tuple(frequent.tolist()), BUCKETS if n_levels > _MANY_LEVELS else 1, needed
    )


class _Column(ColumnSchema, frozen=True, forbid_unknown_fields=True):
    """A column as a model file describes it."""

    missing_words: tuple[str, ...] = ()  # in files of earlier versions
    timed: bool = False
    vocabulary: Vocabulary | None = None


def layout_to_values(layout: Layout) -> list[dict[str, Any]]:
    """Return a dict for each column, fit for JSON. Defaults are left out, as tables may have ten
    thousand columns."""
    rows = zip(
        layout.schemas,
        msgspec.to_builtins(layout.vocabularies),
        layout.timed,
        strict=True,
    )
    columns = [
        {**structs.asdict(schema), "vocabulary": vocabulary, "timed": timed}
        for schema, vocabulary, timed in rows
    ]
    return [
        {
            key: value
            for key, value in column.items()
            if value not in ("", (), False, None)
        }
        for column in columns
    ]


def layout_from_values(values: Any) -> Layout:
    """Restore a layout. ValueError says what isn't a column."""
    columns = msgspec.convert(values, Annotated[list[_Column], Meta(min_length=1)])
    return Layout(
        msgspec.convert(values, tuple[ColumnSchema, ...]),
        tuple(column.vocabulary for column in columns),
        tuple(column.timed for column in columns),
    )

"""Which inputs of a network stand for which column of a table."""

from __future__ import annotations

import functools
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from seedbed.data.table import Column, ColumnSchema, Kind, Table
from seedbed.errors import DataError
from seedbed.typing import Bools, Floats, Ints

__all__ = [
    "Cells",
    "Layout",
    "Places",
    "bucket_of",
    "date_parts",
    "layout_from_values",
    "layout_of",
    "layout_to_values",
]

_DAY = 86_400.0
_MIDDLES = (6.5, 3.0, 11.5)  # of months 1-12, weekdays 0-6 and hours 0-23


def has_times(seconds: Floats) -> bool:
    """Whether some of the dates, in seconds since 1970-01-01, isn't midnight."""
    return bool((seconds[~np.isnan(seconds)] % _DAY != 0).any())


def part_names(timed: bool) -> tuple[str, ...]:
    """The parts of a date, in the order of `date_parts`."""
    return ("days", "month", "weekday", "hour") if timed else ("days", "month", "weekday")


def date_parts(seconds: Floats, timed: bool) -> Floats:
    """Days since 1970-01-01, month 1-12, weekday 0-6 from Monday on and, if `timed`, hour 0-23: [row, part].

    Of a missing date, the days are NaN, which the median of training rows will fill. The other parts are set to the
    middle of the calendar: one flag tells of the missing date, and a flag can carry the median of one part only.
    """
    missing = np.isnan(seconds)
    known = np.where(missing, 0.0, seconds)
    days = np.floor(known / _DAY)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    weekdays = (days + 3) % 7  # 1970-01-01 was a Thursday
    hours = np.floor((known - days * _DAY) / 3_600)
    circling = [
        np.where(missing, middle, part) for middle, part in zip(_MIDDLES, (months, weekdays, hours), strict=True)
    ]
    return np.column_stack([np.where(missing, np.nan, days), *circling[: len(part_names(timed)) - 1]])


_ENOUGH_ROWS = 10
_ONE_IN = 200  # half a percent of the rows
_MANY_LEVELS = 200
BUCKETS = 32


@dataclass(frozen=True)
class Vocabulary:
    """The levels of a category that count by themselves, decided on the whole table and never by the target.

    Attributes:
        kept: numbers of these levels, ascending.
        n_buckets: how many inputs the other levels share: one, or 32 of a column with over 200 levels.
        needed: the rows that a level needs, in the table to be kept, and among training rows to be used.
    """

    kept: tuple[int, ...]
    n_buckets: int
    needed: int


def vocabulary_of(column: Column) -> Vocabulary:
    """The vocabulary of a category: a level is rare with both fewer than 10 rows and under half a percent of them.

    With over 200 levels, 10 rows aren't enough: else the inputs of a long table could become too many.
    """
    n_levels = len(column.schema.levels)
    codes = column.values[column.values >= 0].astype(np.int64)  # leaves missing cells out, too
    share = max(1, -(-len(column.values) // _ONE_IN))
    needed = share if n_levels > _MANY_LEVELS else min(_ENOUGH_ROWS, share)
    kept = np.flatnonzero(np.bincount(codes, minlength=n_levels) >= needed)
    return Vocabulary(tuple(kept.tolist()), BUCKETS if n_levels > _MANY_LEVELS else 1, needed)


def bucket_of(level: str, n_buckets: int) -> int:
    """The bucket of a level without an input of its own: by its text alone, so any machine finds the same."""
    return zlib.crc32(level.encode("utf-8", "surrogatepass")) % n_buckets


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows of a table, sorted by what becomes of them.

    Attributes:
        numbers: float64 [row, number]; NaN where a cell is missing.
        levels: int64 [row, category]; the input that a cell's level belongs to.
    """

    numbers: Floats
    levels: Ints


@dataclass(frozen=True, eq=False)
class Places:
    """Where things stand among the inputs: numbers, flags of missing numbers, levels, and buckets of other levels.

    Attributes:
        names: [input]; 'age', 'age missing', 'sex=male', 'sex=(other)', 'sex=(missing)', 'day.month'.
        sources: [input]; the number of the column that it is made of.
        numbers: [number]; their inputs.
        circling: [number]; whether it is a part of a date that comes again, such as the month.
        flags: [flag]; their inputs.
        flagged: [flag]; the number that a flag is about, counted among the numbers.
        levels: [level]; their inputs. A missing cell is a level too.
        needed: [level]; the training rows that each needs to be used.
        buckets: [bucket]; their inputs.
        indicators: the inputs of flags, levels and buckets: 0 or 1, never standardised.
        also: [input]; of a flag its number's input, of a level its bucket's, of all else its own.
        inputs_of_codes: for each category [code]; the input of each level of the schema, then of a missing cell, then
            of a level that the schema doesn't know, whose code is -1.
        buckets_of_categories: for each category [bucket]; their inputs.
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
    indicators: Ints
    also: Ints
    inputs_of_codes: tuple[Ints, ...]
    buckets_of_categories: tuple[Ints, ...]


@dataclass(frozen=True)
class Layout:
    """What the whole table decides about its inputs, without a look at the target.

    Attributes:
        schemas: of the columns.
        vocabularies: of each column; none where it isn't a category.
        timed: of each column; whether it holds dates with a time of day.
    """

    schemas: tuple[ColumnSchema, ...]
    vocabularies: tuple[Vocabulary | None, ...]
    timed: tuple[bool, ...]

    @functools.cached_property
    def places(self) -> Places:
        laying = _Laying()
        for column, schema in enumerate(self.schemas):
            vocabulary = self.vocabularies[column]
            if vocabulary is None:
                laying.add_numbers(column, schema, self.timed[column])
            else:
                laying.add_levels(column, schema, vocabulary)
        return laying.done()

    @functools.cached_property
    def categories(self) -> tuple[int, ...]:
        """Which columns are categories."""
        return tuple(column for column, vocabulary in enumerate(self.vocabularies) if vocabulary is not None)

    @functools.cached_property
    def number_inputs(self) -> tuple[int, ...]:
        """The inputs that can have many values: of numbers, and of the parts of dates."""
        inputs = self.places.numbers.tolist()
        kinds = [self.schemas[column].kind for column in self.places.sources[self.places.numbers].tolist()]
        return tuple(place for place, kind in zip(inputs, kinds, strict=True) if kind != "boolean")

    @functools.cached_property
    def category_inputs(self) -> tuple[tuple[int, ...], ...]:
        """The inputs of each category."""
        return tuple(tuple(np.flatnonzero(self.places.sources == column).tolist()) for column in self.categories)

    @functools.cached_property
    def telling(self) -> tuple[int, ...]:
        """Which columns are categories whose levels are told apart. Where all are rare, any level, a new one too, only
        says that the cell isn't missing."""
        return tuple(
            column
            for column, vocabulary in enumerate(self.vocabularies)
            if vocabulary is not None and (vocabulary.kept or vocabulary.n_buckets > 1)
        )

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether each column is one number, and none is missing."""
        return all(schema.kind in ("number", "boolean") and not schema.has_missing for schema in self.schemas)

    @property
    def n_inputs(self) -> int:
        return len(self.places.names)

    @functools.cached_property
    def sources(self) -> tuple[str, ...]:
        """The column that each input is made of."""
        return tuple(self.schemas[column].name for column in self.places.sources.tolist())

    def cells(self, values: Floats) -> Cells:
        """From values as a `Column` has them [row, column]; where all are numbers, they aren't copied."""
        levels = np.empty((len(values), len(self.categories)), dtype=np.int64)
        for category, column in enumerate(self.categories):
            inputs = self.places.inputs_of_codes[category]
            codes = np.where(np.isnan(values[:, column]), len(inputs) - 2, values[:, column])
            levels[:, category] = inputs[codes.astype(np.int64)]
        dates = [column for column, schema in enumerate(self.schemas) if schema.kind == "date"]
        if not dates and not self.categories:
            return Cells(values, levels)
        numbers = np.empty((len(values), len(self.places.numbers)))
        sources = self.places.sources[self.places.numbers]
        single = ~np.isin(sources, dates)
        numbers[:, single] = values[:, sources[single]]
        for column in dates:
            numbers[:, sources == column] = date_parts(values[:, column], self.timed[column])
        return Cells(numbers, levels)


def layout_of(table: Table) -> Layout:
    """The layout of a table: only here do all rows have a say."""
    columns = table.columns
    return Layout(
        schemas=tuple(column.schema for column in columns),
        vocabularies=tuple(vocabulary_of(c) if c.schema.kind == "category" else None for c in columns),
        timed=tuple(column.schema.kind == "date" and has_times(column.values) for column in columns),
    )


class _Laying:
    """Inputs, laid one after the other."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sources: list[int] = []
        self.also: list[int] = []
        self.of: dict[str, list[int]] = defaultdict(list)
        self.inputs_of_codes: list[Ints] = []
        self.buckets_of_categories: list[Ints] = []

    def add_numbers(self, column: int, schema: ColumnSchema, timed: bool) -> None:
        name = schema.name
        parts = [f"{name}.{part}" for part in part_names(timed)] if schema.kind == "date" else [name]
        first = len(self.names)
        if schema.has_missing:
            self.of["flagged"].append(len(self.of["numbers"]))
        for place, part in enumerate(parts):
            self.of["numbers"].append(self._add(part, column))
            self.of["circling"].append(place > 0)
        if schema.has_missing:
            self.of["flags"].append(self._add(f"{name} missing", column, also=first))

    def add_levels(self, column: int, schema: ColumnSchema, vocabulary: Vocabulary) -> None:
        name, n_buckets = schema.name, vocabulary.n_buckets
        first_bucket = len(self.names) + len(vocabulary.kept)
        words = ["(other)"] if n_buckets == 1 else [f"(other {bucket})" for bucket in range(1, n_buckets + 1)]
        inputs = [first_bucket + bucket_of(level, n_buckets) for level in schema.levels] + [first_bucket] * 2
        for level in vocabulary.kept:
            inputs[level] = self._add_level(f"{name}={schema.levels[level]}", column, vocabulary.needed, inputs[level])
        buckets = [self._add(f"{name}={word}", column) for word in words]
        if schema.has_missing:
            # One row is enough, as it is for the flag of a number: rare levels have no say in what is missing.
            inputs[-2] = self._add_level(f"{name}=(missing)", column, 1, first_bucket)
        self.of["buckets"] += buckets
        self.inputs_of_codes.append(np.array(inputs))
        self.buckets_of_categories.append(np.array(buckets))

    def _add(self, name: str, column: int, also: int | None = None) -> int:
        place = len(self.names)
        self.names.append(name)
        self.sources.append(column)
        self.also.append(place if also is None else also)
        return place

    def _add_level(self, name: str, column: int, needed: int, bucket: int) -> int:
        self.of["levels"].append(self._add(name, column, also=bucket))
        self.of["needed"].append(needed)
        return self.of["levels"][-1]

    def done(self) -> Places:
        def integers(values: list[int]) -> Ints:
            return np.array(values, dtype=np.int64)

        return Places(
            names=tuple(self.names),
            sources=integers(self.sources),
            circling=np.array(self.of.pop("circling", []), dtype=np.bool_),
            indicators=integers(sorted(self.of["flags"] + self.of["levels"] + self.of["buckets"])),
            also=integers(self.also),
            inputs_of_codes=tuple(self.inputs_of_codes),
            buckets_of_categories=tuple(self.buckets_of_categories),
            **{key: integers(self.of[key]) for key in ("numbers", "flags", "flagged", "levels", "needed", "buckets")},
        )


_SPELLINGS = {"number": ("point", "comma"), "date": ("ymd", "dmy", "mdy"), "boolean": ("",), "category": ("",)}
_KEYS = {"name", "kind", "levels", "spelling", "missing_words", "has_missing", "vocabulary", "timed"}


def layout_to_values(layout: Layout) -> list[dict[str, Any]]:
    """A dict for each column; what goes without saying isn't said, as tables may have ten thousand."""
    columns = []
    for schema, vocabulary, timed in zip(layout.schemas, layout.vocabularies, layout.timed, strict=True):
        values: dict[str, Any] = {
            "name": schema.name,
            "kind": schema.kind,
            "levels": list(schema.levels),
            "spelling": schema.spelling,
            "missing_words": list(schema.missing_words),
            "has_missing": schema.has_missing,
            "timed": timed,
        }
        if vocabulary is not None:
            kept = list(vocabulary.kept)
            values["vocabulary"] = {"kept": kept, "n_buckets": vocabulary.n_buckets, "needed": vocabulary.needed}
        columns.append({key: value for key, value in values.items() if value not in ("", [], False)})
    return columns


def layout_from_values(columns: Any) -> Layout:
    """What `layout_to_values` gave, made a layout again.

    Raises:
        DataError: it isn't such a list.
    """
    _check(isinstance(columns, list) and bool(columns), "there are no columns")
    schemas = [_schema(column) for column in columns]
    _check(len({schema.name for schema in schemas}) == len(schemas), "two columns have one name")
    vocabularies = [_vocabulary(column, schema) for column, schema in zip(columns, schemas, strict=True)]
    timed = [column.get("timed", False) for column in columns]
    for schema, one in zip(schemas, timed, strict=True):
        _check(one is False or (one is True and schema.kind == "date"), f"'{schema.name}' can't be timed")
    return Layout(tuple(schemas), tuple(vocabularies), tuple(timed))


def _schema(values: Any) -> ColumnSchema:
    _check(isinstance(values, Mapping) and values.keys() <= _KEYS, "a column isn't described as columns are")
    name, kind, levels = values.get("name"), values.get("kind"), values.get("levels", [])
    _check(isinstance(name, str) and kind in get_args(Kind), "a column has no name or no kind")
    words, has_missing = values.get("missing_words", []), values.get("has_missing", False)
    _check(_list_of(str, levels) and _list_of(str, words), f"the levels of '{name}' are no texts")
    _check(len(set(levels)) == len(levels), f"'{name}' has a level twice")
    n_levels: Callable[[int], bool] = {"boolean": lambda n: n == 2, "category": lambda n: n > 0}.get(
        kind, lambda n: n == 0
    )
    _check(n_levels(len(levels)), f"'{name}' is a {kind} with {len(levels)} levels")
    spelling = values.get("spelling", "")
    _check(spelling in _SPELLINGS[kind] and isinstance(has_missing, bool), f"'{name}' isn't described as a {kind} is")
    return ColumnSchema(name, kind, tuple(levels), spelling, tuple(words), has_missing)


def _vocabulary(values: Mapping[str, Any], schema: ColumnSchema) -> Vocabulary | None:
    found = values.get("vocabulary")
    if schema.kind != "category":
        _check(found is None, f"'{schema.name}' has a vocabulary and is no category")
        return None
    _check(isinstance(found, Mapping) and found.keys() == {"kept", "n_buckets", "needed"}, "a vocabulary is damaged")
    assert isinstance(found, Mapping)
    kept, n_buckets, needed = found["kept"], found["n_buckets"], found["needed"]
    numbers = _list_of(int, kept) and _list_of(int, [n_buckets, needed])
    _check(numbers and n_buckets in (1, BUCKETS) and needed >= 0, f"the vocabulary of '{schema.name}' is damaged")
    ascending = all(a < b for a, b in zip([-1, *kept], [*kept, len(schema.levels)], strict=True))
    _check(ascending, f"the vocabulary of '{schema.name}' isn't of its levels")
    return Vocabulary(tuple(kept), n_buckets, needed)


def _list_of(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _check(fits: bool, what: str) -> None:
    if not fits:
        raise DataError(f"the description of the columns is damaged: {what}")

"""Which inputs of a network stand for which column of a table."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.calendar_parts import date_parts, has_times, part_names
from seedbed.data.encoding.vocabulary import Vocabulary, bucket_of, vocabulary_of
from seedbed.data.table import ColumnSchema, Table

__all__ = ["Cells", "Layout", "Places", "layout_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows of a table, sorted by what becomes of them.

    Attributes:
        numbers: float64 [row, number]; NaN where a cell is missing.
        levels: int64 [row, category]; the input that a cell's level belongs to.
    """

    numbers: Floats
    levels: Integers


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
    sources: Integers
    numbers: Integers
    circling: NDArray[np.bool_]
    flags: Integers
    flagged: Integers
    levels: Integers
    needed: Integers
    buckets: Integers
    indicators: Integers
    also: Integers
    inputs_of_codes: tuple[Integers, ...]
    buckets_of_categories: tuple[Integers, ...]


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
        self.inputs_of_codes: list[Integers] = []
        self.buckets_of_categories: list[Integers] = []

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
        def integers(values: list[int]) -> Integers:
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

"""Inputs of networks from given rows: for training one split, and for new rows at prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import shown
from seedbed.data.columns import Columns, as_notes
from seedbed.data.encoding.design import live_inputs, natural_inputs, refuse_unrepresentable
from seedbed.data.encoding.layout import Cells, Layout, bucket_of, layout_from_values, layout_of, layout_to_values
from seedbed.data.encoding.scaling import medians_of, moments
from seedbed.data.kinds.typed import read_cells
from seedbed.data.notes import ROWS_NAMED, Note, Remark
from seedbed.data.table import ColumnSchema, Table
from seedbed.errors import ColumnError, DataError, nearest
from seedbed.typing import Bools, Floats, Ints

__all__ = ["Oddities", "Preprocessor", "state_shapes"]

FAR = 5.0
"""Training deviations from the training mean; a number beyond gives a warning."""

_NAMED = 5
_LEVELS_NAMED = 3


@dataclass(frozen=True, eq=False)
class Oddities:
    """What is strange about cells of new rows [row, column], columns as the model knows them. A cell is strange in one
    way at most.

    Attributes:
        unseen: a level that the training table didn't have, where the model tells levels apart.
        missing: no cell, or a word that stands for none.
        unreadable: a cell that is no number, or no date, where the column holds these.
        outlying: a number beyond `FAR` training deviations from its mean.
    """

    unseen: Bools
    missing: Bools
    unreadable: Bools
    outlying: Bools

    @property
    def unknown(self) -> Bools:
        """Which cells say nothing that a model has learnt."""
        return self.unseen | self.missing | self.unreadable

    def window(self, start: int, stop: int) -> Oddities:
        """Of the rows from `start` to before `stop`."""
        return Oddities(**{name: cells[start:stop] for name, cells in vars(self).items()})

    @classmethod
    def joined(cls, parts: Sequence[Oddities]) -> Oddities:
        """Of the rows of all parts, one after the other."""
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


@dataclass(frozen=True, eq=False)
class Transformed:
    """New rows, made inputs of networks.

    Attributes:
        matrix: float32 [row, input].
        notes: what the user should know about these rows.
        unseen: of columns with levels that the training table didn't have: how many cells.
        outliers: of columns with numbers beyond 5 training deviations: how many cells.
        cells: the same and missing cells, cell by cell.
        doubtful: bool [row]; over half of the row's cells are unknown, and more than in any training row.
    """

    matrix: NDArray[np.float32]
    notes: tuple[Note, ...]
    unseen: dict[str, int]
    outliers: dict[str, int]
    cells: Oddities
    doubtful: Bools


def find_columns(
    source: Columns, names: Sequence[str], expected: Collection[str] = ()
) -> tuple[list[int], list[Remark]]:
    """Positions of the columns by these names, in any order, and a remark if there are others.

    Args:
        expected: names of columns that may be there, without a word.

    Raises:
        ColumnError: some are missing, all of which are named, or one is there twice.
    """
    positions = {name: position for position, name in enumerate(source.names)}
    wanted = set(names)
    missing = [name for name in names if name not in positions]
    others = [name for name in source.names if name not in wanted]
    if missing:
        word = "columns" if len(missing) > 1 else "column"
        hint = _hint(source, missing, others)
        raise ColumnError(f"{source.where}: no {word} {_listed(missing, len(missing))}", hint)
    for name in names:
        if len(positions) < len(source.names) and source.names.count(name) > 1:
            raise ColumnError(f"{source.where}: two columns are named '{name}'", "Rename or leave out one of them.")
    others = [name for name in others if name not in expected]
    if not others:
        return [positions[name] for name in names], []
    word, verb = ("columns", "are") if len(others) > 1 else ("column", "is")
    message = f"{len(others)} {word} that the model doesn't use {verb} ignored: {_listed(others, _NAMED)}"
    return [positions[name] for name in names], [Remark(message, code="SB301", count=len(others))]


def with_unseen_spread(layout: Layout, cells: Cells, unseen: Bools, texts: Callable[[int], list[str | None]]) -> Cells:
    """Cells whose unseen levels count in the buckets of their own texts, where a column has several.

    Args:
        layout: of the model.
        cells: in which unseen levels all count in their column's first bucket.
        unseen: [row, column].
        texts: from a column's number to its cells.
    """
    levels = cells.levels
    for category, column in enumerate(layout.categories):
        buckets = layout.places.buckets_of_categories[category]
        rows = np.flatnonzero(unseen[:, column])
        if len(buckets) > 1 and len(rows):
            own = texts(column)
            levels = levels.copy() if levels is cells.levels else levels
            levels[rows, category] = [buckets[bucket_of((own[row] or "").strip(), len(buckets))] for row in rows]
    return Cells(cells.numbers, levels)


class Gathering:
    """What is strange about new rows, gathered block by block: what is said in the end is the same for any blocks.

    Args:
        layout: of the model.
        least_known: the lowest share of a training row's cells that weren't missing.
    """

    def __init__(self, layout: Layout, least_known: float) -> None:
        self._layout, self._enough = layout, min(0.5, least_known) - 1e-9
        self._cells = {kind: _Noticed(len(layout.schemas)) for kind in ("unseen", "unreadable", "outlying", "missing")}
        self._texts: dict[int, dict[str | None, None]] = defaultdict(dict)
        self._n_rows, self._n_unknown, self._known = 0, 0, 0.0

    def add(self, first: int, block: Columns, positions: Sequence[int], odd: Oddities) -> Bools:
        """The next rows.

        Args:
            first: the number of the first of them.
            block: the rows.
            positions: of the model's columns.
            odd: what is strange about them.

        Returns:
            Which rows are doubtful [row]: under half of their cells are known, and less than in any training row.
        """
        unknown = odd.unknown
        known = 1.0 - np.asarray(unknown.mean(axis=1), dtype=np.float64)
        self._n_rows, self._known = self._n_rows + len(known), self._known + float(known.sum())
        self._n_unknown += int(np.count_nonzero(unknown))
        for kind, noticed in self._cells.items():
            noticed.add(first, getattr(odd, kind))
        told = odd.unseen | odd.unreadable  # a column has but one of these
        for column in np.flatnonzero(told.any(axis=0)).tolist():
            if len(self._texts[column]) <= _LEVELS_NAMED:
                own = block.cells(positions[column])
                self._texts[column] |= dict.fromkeys(own[row] for row in np.flatnonzero(told[:, column]))
        return np.asarray(known < self._enough)

    def refuse_unknown(self, where: str) -> None:
        """An error where the rows all together are doubtful.

        Raises:
            DataError: they are.
        """
        if self._n_rows and self._known / self._n_rows < self._enough:
            raise DataError(
                f"{where}: {self._n_unknown:,} of {self._n_rows * len(self._layout.schemas):,} cells are missing, "
                "can't be read, or hold levels "
                "that training never saw",
                "Is it the right table? Its cells must be written as they were in training.",
            )

    def remarks(self) -> list[Remark]:
        """What the user should know, column by column."""
        remarks = []
        for column, schema in enumerate(self._layout.schemas):
            named = list(self._texts[column])
            texts = ", ".join(shown(text) for text in named[:_LEVELS_NAMED])
            texts += ", ..." if len(named) > _LEVELS_NAMED else ""
            for kind, code, words in (
                ("unseen", "SB302", f"with a level that the training table didn't have ({texts})"),
                ("unreadable", "SB305", f"not a {schema.kind} ({texts})"),
                ("outlying", "SB303", f"more than {FAR:g} training deviations from the training mean"),
                ("missing", "SB304", "missing" if schema.has_missing else "missing; in training none was"),
            ):
                count, rows = int(self._cells[kind].counts[column]), self._cells[kind].rows[column]
                whole = count == self._n_rows > 1
                # Where training had missing cells, some are nothing strange.
                if count and (whole or kind != "missing" or not schema.has_missing):
                    cells = f"all {count:,} cells" if whole else f"{count:,} cells" if count > 1 else "1 cell"
                    remarks.append(Remark(f"'{schema.name}': {cells} {words}", schema.name, code, count, rows))
        return remarks


class _Noticed:
    """Cells of one kind: how many there are of each column, and their first rows."""

    def __init__(self, n_columns: int) -> None:
        self.counts = np.zeros(n_columns, dtype=np.int64)
        self.rows: list[list[int]] = [[] for _ in range(n_columns)]

    def add(self, first: int, cells: Bools) -> None:
        counts = np.count_nonzero(cells, axis=0)
        for column in np.flatnonzero(counts).tolist():
            lacking = ROWS_NAMED - len(self.rows[column])
            if lacking > 0:
                self.rows[column] += (first + np.flatnonzero(cells[:, column])[:lacking]).tolist()
        self.counts += counts


def _hint(source: Columns, missing: Sequence[str], others: Sequence[str]) -> str:
    """What may be wrong where columns are missing; `others` are those that the model doesn't know."""
    if near := dict.fromkeys(filter(None, (nearest(name, others) for name in missing[:_NAMED]))):
        return " ".join(near)
    if len(others) == len(source.names):
        return f"It has {_listed(others, _NAMED)}: is that another table, or is the line of names missing?"
    return "The model needs all its columns; leave cells empty where they aren't known."


def _listed(names: Sequence[str], limit: int) -> str:
    listed = ", ".join(f"'{name}'" if name else "one without a name" for name in names[:limit])
    return listed + (", ..." if len(names) > limit else "")


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
    live: Bools
    least_known: float

    @classmethod
    def fit(cls, table: Table, rows: Ints | None = None) -> Self:
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

    def _counted(self, cells: Bools) -> dict[str, int]:
        counts = zip(self.feature_names_in_, cells.sum(axis=0).tolist(), strict=True)
        return {name: count for name, count in counts if count}


def _read(source: Columns, positions: Sequence[int], schemas: Sequence[ColumnSchema]) -> tuple[Floats, Bools]:
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

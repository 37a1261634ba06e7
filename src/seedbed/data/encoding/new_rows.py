"""Rows that weren't there in training: their columns found by name, and what is strange about them told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import shown
from seedbed.data.columns import Columns
from seedbed.data.encoding.layout import Cells, Layout
from seedbed.data.encoding.vocabulary import bucket_of
from seedbed.data.notes import Note
from seedbed.data.remarks import ROWS_NAMED, Remark
from seedbed.errors import ColumnError, DataError, nearest

__all__ = ["FAR", "Gathering", "Oddities", "Transformed", "find_columns", "with_unseen_spread"]

FAR = 5.0
"""Training deviations from the training mean; a number beyond gives a warning."""

_NAMED = 5
_LEVELS_NAMED = 3
Mask = NDArray[np.bool_]


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

    unseen: Mask
    missing: Mask
    unreadable: Mask
    outlying: Mask

    @property
    def unknown(self) -> Mask:
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
    doubtful: Mask


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


def with_unseen_spread(layout: Layout, cells: Cells, unseen: Mask, texts: Callable[[int], list[str | None]]) -> Cells:
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

    def add(self, first: int, block: Columns, positions: Sequence[int], odd: Oddities) -> Mask:
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

    def add(self, first: int, cells: Mask) -> None:
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

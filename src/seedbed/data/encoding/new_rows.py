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
from seedbed.errors import ColumnError, DataError, did_you_mean

__all__ = ["FAR", "Gathering", "Oddities", "Transformed", "find_columns", "with_unseen_spread"]

FAR = 5.0
"""Training deviations from the training mean; a number beyond gives a warning."""

_NAMED = 5
_LEVELS_NAMED = 3
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Oddities:
    """What is strange about cells of new rows [row, column], columns as the model knows them.

    Attributes:
        unseen: a level that the training table didn't have.
        missing: no cell, or none that can be read as the column's kind.
        outlying: a number beyond `FAR` training deviations from its mean.
    """

    unseen: Mask
    missing: Mask
    outlying: Mask

    @property
    def n_unknown(self) -> int:
        """How many cells say nothing that a model has learnt."""
        return int(np.count_nonzero(self.unseen | self.missing))

    @property
    def known(self) -> NDArray[np.float64]:
        """The share of each row's cells that say something a model has learnt [row]."""
        return 1.0 - np.asarray((self.unseen | self.missing).mean(axis=1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Transformed:
    """New rows, made inputs of networks.

    Attributes:
        matrix: float32 [row, input].
        notes: what the user should know about these rows.
        unseen: of columns with levels that the training table didn't have: how many cells.
        outliers: of columns with numbers beyond 5 training deviations: how many cells.
        cells: the same and missing cells, cell by cell.
        doubtful: bool [row]; over half of the row's cells are unseen or missing, and more than in any training row.
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
        hints = dict.fromkeys(did_you_mean(name, others) for name in missing[:_NAMED])
        raise ColumnError(f"{source.where}: no {word} {_listed(missing, len(missing))}", " ".join(filter(None, hints)))
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
        self._cells = {kind: _Noticed(len(layout.schemas)) for kind in ("unseen", "outlying", "missing")}
        self._levels: dict[int, dict[str | None, None]] = defaultdict(dict)
        self._n_rows, self._n_cells, self._n_unknown, self._known = 0, 0, 0, 0.0

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
        known = odd.known
        self._n_rows, self._known = self._n_rows + len(known), self._known + float(known.sum())
        self._n_cells, self._n_unknown = self._n_cells + odd.missing.size, self._n_unknown + odd.n_unknown
        news = odd.missing & ~np.array([schema.has_missing for schema in self._layout.schemas])
        for kind, cells in (("unseen", odd.unseen), ("outlying", odd.outlying), ("missing", news)):
            self._cells[kind].add(first, cells)
        for column in np.flatnonzero(odd.unseen.any(axis=0)).tolist():
            if len(self._levels[column]) <= _LEVELS_NAMED:
                own = block.cells(positions[column])
                self._levels[column] |= dict.fromkeys(own[row] for row in np.flatnonzero(odd.unseen[:, column]))
        return np.asarray(known < self._enough)

    def refuse_unknown(self, where: str) -> None:
        """An error where the rows all together are doubtful.

        Raises:
            DataError: they are.
        """
        if self._n_rows and self._known / self._n_rows < self._enough:
            raise DataError(
                f"{where}: {self._n_unknown:,} of {self._n_cells:,} cells are missing, can't be read, or hold levels "
                "that training never saw",
                "Is it the right table? Its cells must be written as they were in training.",
            )

    def remarks(self) -> list[Remark]:
        """What the user should know, column by column."""
        remarks = []
        for column, schema in enumerate(self._layout.schemas):
            named = list(self._levels[column])
            levels = ", ".join(shown(level) for level in named[:_LEVELS_NAMED])
            levels += ", ..." if len(named) > _LEVELS_NAMED else ""
            for kind, code, words in (
                ("unseen", "SB302", f"with a level that the training table didn't have ({levels})"),
                ("outlying", "SB303", f"more than {FAR:g} training deviations from the training mean"),
                ("missing", "SB304", f"missing, or not a {schema.kind}; in training none was"),
            ):
                count = int(self._cells[kind].counts[column])
                if count:
                    cells = f"{count:,} cells" if count > 1 else "1 cell"
                    rows = self._cells[kind].rows[column]
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


def _listed(names: Sequence[str], limit: int) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:limit])
    return listed + (", ..." if len(names) > limit else "")

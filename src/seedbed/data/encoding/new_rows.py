"""Rows that weren't there in training: their columns found by name, and what is strange about them told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import shown
from seedbed.data.columns import Columns
from seedbed.data.encoding.layout import Cells, Layout
from seedbed.data.encoding.vocabulary import bucket_of
from seedbed.data.notes import Note
from seedbed.data.remarks import Remark
from seedbed.errors import ColumnError, DataError, did_you_mean

__all__ = ["FAR", "Oddities", "Transformed", "find_columns", "refuse_unknown", "remarks_on", "with_unseen_spread"]

FAR = 5.0
"""Training deviations from the training mean; a number beyond gives a warning."""

_NAMED = 5
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


def find_columns(source: Columns, names: Sequence[str]) -> tuple[list[int], list[Remark]]:
    """Positions of the columns by these names, in any order, and a remark if there are others.

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


def remarks_on(source: Columns, positions: Sequence[int], layout: Layout, odd: Oddities) -> list[Remark]:
    """What the user should know about these cells, column by column."""
    remarks = []
    for column, schema in enumerate(layout.schemas):
        unseen, outlying = np.flatnonzero(odd.unseen[:, column]), np.flatnonzero(odd.outlying[:, column])
        missing = np.flatnonzero(odd.missing[:, column] & (not schema.has_missing))
        if len(unseen):
            own = source.cells(positions[column])
            levels = list(dict.fromkeys(own[row] for row in unseen.tolist()))
            named = ", ".join(shown(level) for level in levels[:3]) + (", ..." if len(levels) > 3 else "")
            message = f"'{schema.name}': {_cells(unseen)} with a level that the training table didn't have ({named})"
            remarks.append(Remark(message, schema.name, "SB302", len(unseen), unseen[:3].tolist()))
        if len(outlying):
            message = (
                f"'{schema.name}': {_cells(outlying)} more than {FAR:g} training deviations from the training mean"
            )
            remarks.append(Remark(message, schema.name, "SB303", len(outlying), outlying[:3].tolist()))
        if len(missing):
            message = f"'{schema.name}': {_cells(missing)} missing, or not a {schema.kind}; in training none was"
            remarks.append(Remark(message, schema.name, "SB304", len(missing), missing[:3].tolist()))
    return remarks


def refuse_unknown(source: Columns, odd: Oddities, least_known: float) -> Mask:
    """Which rows are doubtful [row]: under half of their cells are known, and less than in any training row.

    Raises:
        DataError: the rows all together are so.
    """
    known = odd.known
    enough = min(0.5, least_known)
    if len(known) and known.mean() < enough - 1e-9:
        count, total = int((odd.unseen | odd.missing).sum()), odd.missing.size
        raise DataError(
            f"{source.where}: {count:,} of {total:,} cells are missing, can't be read, or hold levels that training "
            "never saw",
            "Is it the right table? Its cells must be written as they were in training.",
        )
    return np.asarray(known < enough - 1e-9)


def _cells(rows: NDArray[np.int64]) -> str:
    return f"{len(rows):,} cells" if len(rows) > 1 else "1 cell"


def _listed(names: Sequence[str], limit: int) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:limit])
    return listed + (", ..." if len(names) > limit else "")

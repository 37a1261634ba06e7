"""From untyped columns to a Table: find the target, type the features, refuse what can't be trained on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import cell_kind, is_missing, shown
from seedbed.data.columns import Columns
from seedbed.data.notes import Note
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    TargetError,
    UnreadableError,
    did_you_mean,
)

__all__ = ["assemble"]


def assemble(columns: Columns, *, name: str, target: str, drop: Sequence[str] = ()) -> Table:
    """Type the columns and check them.

    Raises:
        UnreadableError: a column has no name, or shares it with another.
        DataError: no rows, or no feature is left.
        OptionError: the target is among the dropped columns.
        ColumnError: no such column, or a feature with cells that aren't finite numbers.
        TargetError: missing cells in the target, or not exactly two labels.
    """
    _check_names(columns)
    target_column = _find(columns, target, "target")
    dropped = {_find(columns, word, "column to drop") for word in drop}
    if target_column in dropped:
        raise OptionError(f"'{target}' is both the target and a column to drop", "Drop it, or predict it.")
    features = [i for i in range(len(columns.names)) if i != target_column and i not in dropped]
    if not features:
        raise DataError(f"{columns.where}: no feature is left beside the target '{target}'")
    if columns.n_rows == 0:
        raise DataError(f"{columns.where}: there are no rows")
    codes, labels, target_notes = _encode_target(columns, target_column)
    matrix = columns.numbers(features)
    finite = np.isfinite(matrix)
    if not finite.all():
        raise _feature_error(columns, features, ~finite)
    names = tuple(columns.names[i] for i in features)
    return Table(
        name=name,
        columns=tuple(
            Column(ColumnSchema(column, "number", spelling="point"), matrix[:, position].copy())
            for position, column in enumerate(names)
        ),
        target_name=target,
        target=codes,
        labels=labels,
        notes=(*columns.notes, *target_notes, *_constant_notes(names, matrix)),
    )


def _check_names(columns: Columns) -> None:
    seen: dict[str, int] = {}
    for position, name in enumerate(columns.names, start=1):
        if not name:
            raise UnreadableError(
                f"{columns.where}: column {position} of {len(columns.names)} has no name",
                "Give every column a name in the header (pandas writes its index as one without: use index=False).",
            )
        if name in seen:
            raise UnreadableError(
                f"{columns.where}: columns {seen[name]} and {position} are both named '{name}'",
                "Rename one of them in the header.",
            )
        seen[name] = position


def _find(columns: Columns, name: str, role: str) -> int:
    if name not in columns.names:
        raise ColumnError(f"{columns.where}: no {role} '{name}'", did_you_mean(name, columns.names))
    return columns.names.index(name)


def _encode_target(columns: Columns, column: int) -> tuple[NDArray[np.int64], tuple[str, ...], tuple[Note, ...]]:
    """Codes [row], labels [code] and notes."""
    where = f"{columns.where}: the target '{columns.names[column]}'"
    cells = columns.cells(column)
    levels = set(cells)
    missing = {level for level in levels if is_missing(level)}
    if missing:
        rows = [row for row, cell in enumerate(cells) if cell in missing]
        place = columns.places(rows[:1])[rows[0]]
        raise TargetError(
            f"{where} is missing in {len(rows)} of {len(cells)} rows, first in {place} ({shown(cells[rows[0]])})",
            "Fill these cells or remove their rows; if the word is a label, rename it.",
        )
    label_of = _merge_levels({level for level in levels if level is not None})
    labels = sorted(set(label_of.values()))
    if all(cell_kind(label) == "number" for label in labels):
        labels.sort(key=Decimal)
    if len(labels) == 1:
        raise TargetError(f"{where} has one class only, {shown(labels[0])}", "Two are needed to tell anything apart.")
    if len(labels) > 2:
        some = ", ".join(shown(label) for label in labels[:3])
        raise TargetError(
            f"{where} has {len(labels)} labels ({some}, ...)",
            "Two are needed for now; multiclass and regression are coming in a later version.",
        )
    code_of: dict[str | None, int] = {level: labels.index(label) for level, label in label_of.items()}
    codes = np.fromiter(map(code_of.__getitem__, cells), dtype=np.int64, count=len(cells))
    spellings = len(label_of) - len(labels)
    note = Note("cells that differ only in spelling share a label", columns.names[column])
    return codes, tuple(labels), (note,) if spellings else ()


def _merge_levels(levels: set[str]) -> dict[str, str]:
    """The label of each level. Without this, '1' and '1.0', or 'yes' and 'yes ', would be two classes.

    Numbers are compared as decimals: as floats, the codes 2^60 and 2^60 + 1 would be one.
    """
    stripped = {level: level.strip() for level in levels}
    if any(cell_kind(level) != "number" for level in levels):
        return stripped
    shortest: dict[Decimal, str] = {}
    for text in sorted(stripped.values(), key=lambda text: (len(text), text)):
        shortest.setdefault(Decimal(text), text)
    return {level: shortest[Decimal(text)] for level, text in stripped.items()}


def _feature_error(columns: Columns, features: list[int], bad: NDArray[np.bool_]) -> ColumnError:
    """One error that names every feature that can't be used, so that the user repairs the call once."""
    found: dict[str, list[tuple[str, int, int, str | None]]] = {"text": [], "missing": [], "infinite": []}
    for position in np.flatnonzero(bad.any(axis=0)).tolist():
        column = features[position]
        cells = columns.cells(column)
        rows = np.flatnonzero(bad[:, position]).tolist()
        kinds = {cell: cell_kind(cell) for cell in {cells[row] for row in rows}}
        worst = next(kind for kind in found if kind in kinds.values())
        hits = [row for row in rows if kinds[cells[row]] == worst]
        found[worst].append((columns.names[column], len(hits), hits[0], cells[hits[0]]))
    places = columns.places({row for entries in found.values() for _, _, row, _ in entries})
    verbs = {"text": "not numeric", "missing": "missing cells", "infinite": "infinite or too large numbers"}
    parts = []
    for kind, entries in found.items():
        described = ", ".join(
            f"column '{name}' ({count} of {columns.n_rows} cells, first in {places[row]}: {shown(cell)})"
            for name, count, row, cell in entries
        )
        if entries:
            parts.append(f"{verbs[kind]}: {described}")
    options = " ".join(f"--drop {shlex.quote(name)}" for entries in found.values() for name, *_ in entries)
    coming = [word for word, kind in (("text columns", "text"), ("missing cells", "missing")) if found[kind]]
    later = f"{' and '.join(coming).capitalize()} are coming in a later version; for now repair" if coming else "Repair"
    return ColumnError(f"{columns.where}: {'; '.join(parts)}", f"{later} or leave out what is named: {options}")


def _constant_notes(names: tuple[str, ...], matrix: NDArray[np.float64]) -> tuple[Note, ...]:
    constant = matrix.min(axis=0) == matrix.max(axis=0)
    return tuple(
        Note(f"column '{name}' is {value:g} in every row; it carries nothing and becomes zero", name)
        for name, value, is_constant in zip(names, matrix[0], constant, strict=True)
        if is_constant
    )

"""What is understood of a table, without training on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.arguments import check_arguments
from seedbed.data.assemble import Wanted, type_features, understand_table, word, words
from seedbed.data.encoding import encode
from seedbed.data.kinds.typed import Typed
from seedbed.data.notes import Note, serious_first
from seedbed.data.overview import column_overview, number_overview
from seedbed.data.sources.opening import open_source
from seedbed.data.table import Column, ColumnSchema, Table

__all__ = ["inspect_table"]

SCHEMA_VERSION = 1


def inspect_table(
    source: Any,
    *,
    target: str | int | None = None,
    drop: Sequence[str | int] = (),
    numeric: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    task: str | None = None,
    positive: str | float | bool | None = None,
    group: str | int | None = None,
    time_split: str | int | None = None,
    table: str | None = None,
    query: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> dict[str, Any]:
    """A table at a glance as a plain dict, fit for JSON; arguments as `read_table`, but the target may be left out.

    Returns:
        `schema_version`, `table`, `n_rows` (with a target, where one is named), `columns` of these rows (see
        `column_overview`),
        `target` (`name`, `task`, and `labels` with their counts or the range of the numbers; None without one),
        `n_inputs` of a network, `group` (`name`, `n_groups`) and `time_split` (`name`, `kind`, `n_unique`, `low`,
        `high`) where asked for,
        `warnings` and `notes` (see `Note.as_dict`).

    Raises:
        DataError, OptionError: as `read_table`.
    """
    check_arguments(inspect_table, locals())
    with open_source(source, table=table, query=query, skip_rows=skip_rows, limit=limit) as found:
        wanted = Wanted(
            target=word(target) or found.target,
            drop=words(drop),
            numeric=words(numeric),
            categorical=words(categorical),
            task=task,
            positive=word(positive),
            group=word(group),
            time_split=word(time_split),
        )
        if wanted.target is None:
            typed, _ = type_features(found.columns, wanted)
            notes = serious_first((*found.columns.notes, *typed.notes))
            return _document(found.name, found.columns.n_rows, typed, notes)
        known = understand_table(found.columns, wanted, name=found.name)
        kept = tuple(Column(column.schema, column.values[known.kept]) for column in known.typed.columns)
        document = _document(found.name, known.table.n_rows, replace(known.typed, columns=kept), known.table.notes)
        return document | _roles(known.table, wanted)


def _document(name: str, n_rows: int, typed: Typed, notes: Sequence[Note]) -> dict[str, Any]:
    by_column: dict[str, list[Note]] = {}
    for note in notes:
        by_column.setdefault(note.column, []).append(note)
    return {
        "schema_version": SCHEMA_VERSION,
        "table": name,
        "n_rows": n_rows,
        "columns": [
            column_overview(column, used=column.name not in typed.left_out, notes=by_column.get(column.name, []))
            for column in typed.columns
        ],
        "n_inputs": None,
        "target": None,
        "group": None,
        "time_split": None,
        "warnings": [note.as_dict() for note in notes if note.code],
        "notes": [note.as_dict() for note in notes if not note.code],
    }


def _roles(table: Table, wanted: Wanted) -> dict[str, Any]:
    """What is known where a target is named: of the columns that are no features, and of the inputs of the others."""
    found: dict[str, Any] = {"n_inputs": encode(table).n_inputs, "target": _target(table)}
    if table.grouped_by:
        found["group"] = {"name": table.grouped_by, "n_groups": table.n_groups}
    if table.times is not None:
        known = column_overview(Column(ColumnSchema(wanted.time_split or "", table.time_kind), table.times), used=False)
        found["time_split"] = {key: known[key] for key in ("name", "kind", "n_unique", "low", "high")}
    return found


def _target(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {"name": table.target_name, "task": table.task}
    if table.task == "regression":
        return found | number_overview(table.target)
    counts = np.bincount(table.target, minlength=len(table.labels))
    return found | {"labels": dict(zip(table.labels, counts.tolist(), strict=True))}

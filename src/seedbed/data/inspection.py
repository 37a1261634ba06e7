"""Describe a table and each of its columns without training on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from seedbed.arguments import check_arguments
from seedbed.data.encoding.design import encode
from seedbed.data.kinds.typed import Typed
from seedbed.data.notes import Note, serious_first
from seedbed.data.reading import Wanted, type_features, understand_table, word, words
from seedbed.data.sources.opening import open_source
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.typing import Floats

__all__ = ["inspect_table"]

N_BARS = 12
MOST_LEVELS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def column_overview(column: Column, *, used: bool, notes: Sequence[Note] = ()) -> dict[str, Any]:
    """One column, fit for JSON.

    Args:
        used: whether it is a feature.
        notes: those about this column.

    Returns:
        name, kind, used, missing (cells), n_unique (values beside missing ones), notes (sentences), and by kind: `low`,
        `high`, `median` and `histogram` of numbers and of dates (as ISO text), or `levels`, the commonest with their
        counts, of categories and booleans.
    """
    values = column.values[~np.isnan(column.values)]
    kind = column.schema.kind
    found: dict[str, Any] = {
        "name": column.name,
        "kind": kind,
        "used": used,
        "missing": len(column.values) - len(values),
        "n_unique": len(np.unique(values)),
        "notes": [note.message for note in notes],
    }
    if kind in ("number", "date"):
        numbers = number_overview(values)
        if kind == "date":
            midnight = not (values % 86_400).any()
            numbers |= {name: _date(numbers[name], midnight) for name in ("low", "median", "high")}
        return found | numbers
    counts = np.bincount(values.astype(np.intp), minlength=len(column.schema.levels))
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS].tolist()
    return found | {"levels": {column.schema.levels[code]: int(counts[code]) for code in order if counts[code]}}


def number_overview(values: Floats) -> dict[str, Any]:
    """`low`, `median`, `high` of finite values, and a `histogram`: counts in bars of one width between the 1st and the
    99th percentile, what lies outside being added to the first and the last. Without values all are None or empty."""
    if not len(values):
        return {"low": None, "median": None, "high": None, "histogram": []}
    low, first, median, last, high = (float(value) for value in np.quantile(values, (0, 0.01, 0.5, 0.99, 1)))
    if first == last:
        first, last = low, high
    # By halves, as the width of the whole may overflow.
    share = (values / 2 - first / 2) / ((last / 2 - first / 2) or 1.0)
    bars = np.clip(share * N_BARS, 0, N_BARS - 1).astype(np.intp)
    return {"low": low, "median": median, "high": high, "histogram": np.bincount(bars, minlength=N_BARS).tolist()}


def _date(seconds: float | None, midnight: bool) -> str | None:
    if seconds is None:
        return None
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.date().isoformat() if midnight else moment.replace(tzinfo=None).isoformat(" ", "seconds")


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

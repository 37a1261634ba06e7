"""Describe a table and each of its columns without training on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from seedbed.arguments import checked
from seedbed.data.frame import serious_first
from seedbed.data.layout import layout_of
from seedbed.data.reading import build_table, open_table, type_features
from seedbed.data.table import Column, ColumnSchema
from seedbed.data.table_options import ReadingOptions
from seedbed.evaluation.summaries import Note, with_lists
from seedbed.settings.fields import taking
from seedbed.typing import Floats

N_BARS, MOST_LEVELS = 12, 20
INSPECTION_VERSION = 1


def column_overview(
    column: Column, *, used: bool, notes: Sequence[Note] = ()
) -> dict[str, Any]:
    """Describe one column as a plain dict, fit for JSON; `used` says whether it is a feature.

    Beside name, kind, missing (cells), n_unique (values) and notes (sentences), it has `low`,
    `high`, `median` and `histogram` of numbers and of dates (as ISO text), or `levels`, the
    commonest with their counts.
    """
    values = column.values[~np.isnan(column.values)]
    kind = column.schema.kind
    overview: dict[str, Any] = {
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
            numbers |= {
                name: _date(numbers[name], midnight)
                for name in ("low", "median", "high")
            }
        return overview | numbers
    counts = np.bincount(values.astype(np.intp), minlength=len(column.schema.levels))
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS].tolist()
    return overview | {
        "levels": {
            column.schema.levels[code]: int(counts[code])
            for code in order
            if counts[code]
        }
    }


def number_overview(values: Floats) -> dict[str, Any]:
    """Return `low`, `median` and `high` of finite values, and a `histogram`; None and empty if
    there are no values.

    The bars of the histogram have one width between the 1st and the 99th percentile; values outside
    are counted in the first and the last bar.
    """
    if not len(values):
        return {"low": None, "median": None, "high": None, "histogram": []}
    low, first, median, last, high = (
        float(value) for value in np.quantile(values, (0, 0.01, 0.5, 0.99, 1))
    )
    if first == last:
        first, last = low, high
    # By halves, as the width of the whole may overflow.
    share = (values / 2 - first / 2) / ((last / 2 - first / 2) or 1.0)
    bars = np.clip(share * N_BARS, 0, N_BARS - 1).astype(np.intp)
    return {
        "low": low,
        "median": median,
        "high": high,
        "histogram": np.bincount(bars, minlength=N_BARS).tolist(),
    }


def _date(seconds: float | None, midnight: bool) -> str | None:
    text = (
        ""
        if seconds is None
        else str(np.datetime64(int(seconds // 1), "s")).replace("T", " ")
    )
    return text[: 10 if midnight else 19] or None


@checked()
@taking(ReadingOptions())
def inspect_table(source: Any, **options: Any) -> dict[str, Any]:
    """Describe a table as a plain dict, fit for JSON. The target is optional.

    Args:
        source: what `read_table` takes.
        options: the settings of `ReadingOptions`.

    Returns:
        `schema_version`, `table`, `n_rows` (those that have a target, if one is named), `columns`
        of these rows (see `column_overview`), `target` (`name`, `task`, and `labels` with their
        counts or the range of the numbers; of survival also `time`, `horizon` and the range of the
        times; None without a target), `n_inputs` of a network, `group` and `time_split` if named,
        `warnings` and `notes` (see `Note.as_dict`).

    Raises:
        DataError, OptionError: as `read_table`.

    Examples:
        >>> document = inspect_table("example:iris", target="species")
        >>> document["target"]["labels"]
        {'setosa': 50, 'versicolor': 50, 'virginica': 50}
        >>> [column["name"] for column in document["columns"]][:2]
        ['sepal length (cm)', 'sepal width (cm)']
    """
    frame, reading = open_table(source, ReadingOptions(**options))
    if reading.target is None:
        table = None
        typed = type_features(frame, reading)
        notes = serious_first((*frame.notes, *typed.notes))
        n_rows = frame.n_rows
    else:
        table, typed = build_table(frame, reading)
        notes, n_rows = table.notes, table.n_rows
    by_column = defaultdict(list)
    for note in notes:
        by_column[note.column].append(note)
    document: dict[str, Any] = {
        "schema_version": INSPECTION_VERSION,
        "table": frame.name,
        "n_rows": n_rows,
        "columns": [
            column_overview(
                column,
                used=column.name not in typed.left_out,
                notes=by_column[column.name],
            )
            for column in typed.columns
        ],
        **dict.fromkeys(("n_inputs", "target", "group", "time_split")),
        "warnings": [with_lists(asdict(note)) for note in notes if note.code],
        "notes": [with_lists(asdict(note)) for note in notes if not note.code],
    }
    if table is None:
        return document
    if table.outcome.is_number:
        described = number_overview(table.target)
    else:
        counts = np.bincount(table.target, minlength=len(table.labels))
        described = {"labels": dict(zip(table.labels, counts.tolist(), strict=True))}
    if table.durations is not None and table.follow_up is not None:
        described |= number_overview(table.durations)
        described |= {
            name: getattr(table.follow_up, name) for name in ("time", "unit", "horizon")
        }
    document["n_inputs"] = layout_of(table).n_inputs
    document["target"] = {"name": table.target_name, "task": table.task, **described}
    if table.grouped_by:
        document["group"] = {"name": table.grouped_by, "n_groups": table.n_groups}
    if table.times is not None:
        schema = ColumnSchema(str(reading.time_split), table.time_kind)
        times = column_overview(Column(schema, table.times), used=False)
        document["time_split"] = {
            key: times[key] for key in ("name", "kind", "n_unique", "low", "high")
        }
    return document

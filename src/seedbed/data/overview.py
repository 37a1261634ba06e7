"""A table at a glance: each column, what it holds and what was decided about it, as one plain dict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.notes import Note
from seedbed.data.table import Column

__all__ = ["column_overview", "number_overview"]

N_BARS = 12
MOST_LEVELS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Floats = NDArray[np.float64]


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

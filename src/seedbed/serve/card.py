"""What the server says of its model: its card, and what a form for one row needs beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seedbed.model import Model
from seedbed.report import score_sentences

__all__ = ["served_card"]


def served_card(model: Model) -> dict[str, Any]:
    """The model's card with `sentences` on its score, and for each column a `usual` value: of numbers and dates the
    median, of others a missing cell if there may be one, else the first level."""
    card = model.card()
    timed = model.preprocessor.layout.timed
    for column, has_times in zip(card["columns"], timed, strict=True):
        column["usual"] = _usual(column, has_times)
        column["timed"] = has_times
    return {**card, "sentences": score_sentences(card)}


def _usual(column: dict[str, Any], has_times: bool) -> str | float | None:
    if column["levels"]:
        return None if column["may_be_missing"] else str(column["levels"][0])
    median = column.get("median")
    if median is None or column["kind"] == "number":
        return median
    try:
        moment = datetime.fromtimestamp(median, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M") if has_times else moment.date().isoformat()

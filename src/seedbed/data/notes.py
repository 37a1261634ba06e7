"""Decisions and warnings about a table, as plain records that can be shown, counted and searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["ROWS_NAMED", "SERIOUS", "Note", "Remark", "serious_first"]

ROWS_NAMED = 3  # by a note

WARNINGS: Mapping[str, str] = MappingProxyType(
    {
        "SB101": "a column that looks like an identifier is left out",
        "SB102": "a constant column is left out",
        "SB103": "a column without a value is left out",
        "SB104": "cells that don't fit their column's kind count as missing",
        "SB105": "labels or levels differ only in case or spaces",
        "SB106": "a category has over 200 levels, and rare ones share inputs by a hash",
        "SB107": "whole numbers that differ in nearly every row may be an identifier, and are kept",
        "SB108": "dates or decimal marks can be read in two ways, and one is chosen",
        "SB201": "rows are exact duplicates, and stay in one fold",
        "SB202": "rows with equal features have different targets",
        "SB203": "one column alone predicts the target almost perfectly",
        "SB204": "a column holds dates, so rows may be ordered in time",
        "SB205": "rows without a target are left out",
        "SB206": "equal rows are what chance gives, or too many, and aren't kept in one fold",
        "SB207": "one row carries over half of the variance of a target of numbers",
        "SB208": "one of the last rows looks like a total or an average of those above",
        "SB301": "columns of new rows that the model doesn't use are ignored",
        "SB302": "new rows have a level that the training table didn't have",
        "SB303": "new rows have a number far from those of the training table",
        "SB304": "new rows have missing cells where the training table had none, or a column of nothing else",
        "SB305": "new rows have cells that can't be read as numbers or dates, as their column was",
    }
)

SERIOUS = ("SB203", "SB207", "SB208", "SB105")
"""Codes of warnings that may make a result wrong."""


@dataclass(frozen=True)
class Note:
    """A decision or a warning about a table.

    Attributes:
        message: a complete sentence.
        column: the column concerned; empty for the whole table.
        code: a key of `WARNINGS`; empty for a decision that needs no attention.
        count: number of cells or rows concerned; None if that has no meaning.
        rows: where the user finds the first of them: 'line 5'.
    """

    message: str
    column: str = ""
    code: str = ""
    count: int | None = None
    rows: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return {**asdict(self), "rows": list(self.rows)}


def serious_first(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Return the notes with those that may make a result wrong first; the others keep their order."""
    return tuple(sorted(notes, key=lambda one: SERIOUS.index(one.code) if one.code in SERIOUS else len(SERIOUS)))


@dataclass(frozen=True)
class Remark:
    """A note before its rows are located in the source; `rows` are the first ones concerned, counted from 0."""

    message: str
    column: str = ""
    code: str = ""
    count: int | None = None
    rows: Sequence[int] = ()

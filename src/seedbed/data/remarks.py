"""Notes whose rows aren't named yet: finding lines in a file costs a walk through it, which is made once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.columns import Columns
from seedbed.data.notes import Note

__all__ = ["ROWS_NAMED", "Remark", "as_notes"]

ROWS_NAMED = 3


@dataclass(frozen=True)
class Remark:
    """A note to be; `rows` are the first ones it is about, counted from 0."""

    message: str
    column: str = ""
    code: str = ""
    count: int | None = None
    rows: Sequence[int] = ()


def as_notes(columns: Columns, remarks: Sequence[Remark]) -> tuple[Note, ...]:
    """The same with the first rows as the user finds them."""
    wanted = {row for remark in remarks for row in remark.rows[:ROWS_NAMED]}
    places = columns.places(wanted) if wanted else {}
    return tuple(
        Note(
            remark.message,
            remark.column,
            remark.code,
            remark.count,
            tuple(places[row] for row in remark.rows[:ROWS_NAMED]),
        )
        for remark in remarks
    )

"""How large a table's parts may be, and the errors that say so."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.errors import UnreadableError

__all__ = ["MAX_CELL", "MAX_COLUMNS", "check_names", "check_width", "long_cell"]

MAX_COLUMNS = 10_000
MAX_CELL = 1 << 16  # bytes


def check_width(n_columns: int, where: str) -> None:
    """Raises UnreadableError where there are too many columns."""
    if n_columns > MAX_COLUMNS:
        raise UnreadableError(
            f"{where} has {n_columns:,} columns; the limit is {MAX_COLUMNS:,}",
            "Is it lying on its side? Otherwise leave columns out.",
        )


def check_names(names: Sequence[str], where: str) -> None:
    """Raises UnreadableError where there are too many columns, or a name is too long or no valid text."""
    check_width(len(names), where)
    for position, name in enumerate(names, start=1):
        place = f"{where}: column {position} of {len(names)}"
        if len(name) > MAX_CELL:
            raise UnreadableError(f"{place} has a name over 64 KiB", "Is a line end missing after the header?")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(f"{place} has half a character in its name ({error.reason})") from error


def long_cell(where: str, place: str, name: str) -> UnreadableError:
    """The error for a cell over the limit."""
    return UnreadableError(
        f"{where}: {place}, column '{name}' holds a cell over 64 KiB ({MAX_CELL:,} bytes)",
        "Is a quote left open? Otherwise shorten the cell, or leave its column out of the table.",
    )

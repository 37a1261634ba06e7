"""Which row of a table is its header, where titles stand above it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from seedbed.data.kinds.numerals import numeral
from seedbed.data.notes import Note

__all__ = ["ROWS_LOOKED_AT", "find_header", "header_note"]

ROWS_LOOKED_AT = 50
MOST_TITLES = 20  # rows above the header


def find_header(rows: Sequence[Sequence[str]], wanted: Collection[str] = ()) -> int:
    """Return the position of the header among the first rows of a table; 0 where nothing tells of another.

    A row is the header if it has all names that are `wanted`. Otherwise, rows are titles if at least two of their cells
    are empty or lacking (of two columns: one). The first row that is no title is the header if it has a text for each
    column, except perhaps the first one, and some row below it has a number. Below the header, all rows have as many
    cells.

    Args:
        rows: the first rows, blank lines left out.
        wanted: names of columns that the header must have.

    Example:
        >>> find_header([["Class 10b"], ["name", "grade", "age"], ["Anna", "2", "16"]])
        1
    """
    first = rows[: MOST_TITLES + 1]
    if wanted and (found := [i for i, row in enumerate(first) if set(wanted) <= {cell.strip() for cell in row}]):
        return found[0]
    width = len(rows[-1]) if rows else 0
    for position, row in enumerate(first):
        below = rows[position + 1 :]
        if _is_header(row, width) and all(len(other) == width for other in below):
            if position and not any(map(_is_number, (cell for other in below for cell in other))):
                return 0
            return position
        if sum(bool(cell.strip()) for cell in row) > max(1, width - 2):
            return 0
    return 0


def header_note(place: str, title: Sequence[str]) -> Note:
    """Return the note that the header isn't the first row.

    Args:
        place: of the header, such as "line 3".
        title: the first row.
    """
    text = " ".join(cell.strip() for cell in title if cell.strip())
    text = text if len(text) <= 40 else text[:37] + "..."
    return Note(f"the header is {place}, below {text!r}; if that is wrong, say how many rows to skip: --skip-rows 0")


def _is_header(row: Sequence[str], width: int) -> bool:
    """Whether each column has a name of its own; the first may have none."""
    names = [cell.strip() for cell in row]
    if width < 2 or len(names) != width or not all(names[1:]) or len(set(names)) < width:
        return False
    return not any(map(_is_number, names))


def _is_number(cell: str) -> bool:
    return not np.isnan(numeral(cell.strip())).all()

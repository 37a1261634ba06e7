"""Columns of any source before they are typed, and the decisions and warnings about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import number_texts, parse_number
from seedbed.evaluation import Note
from seedbed.typing import Bools, Floats

__all__ = ["ROWS_NAMED", "SERIOUS", "Columns", "MemoryColumns", "Note", "Remark", "as_notes", "serious_first"]


ROWS_NAMED = 3  # by a note

SERIOUS = ("SB203", "SB209", "SB207", "SB208", "SB105")
"""Codes of warnings that may make a result wrong."""


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


class Columns(Protocol):
    """A table before typing, from any source. Columns are numbered by position, as names may be missing or repeated."""

    @property
    def where(self) -> str:
        """Name of the source in messages."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def n_rows(self) -> int: ...

    @property
    def notes(self) -> tuple[Note, ...]: ...

    @property
    def categorical(self) -> frozenset[str]:
        """Names of columns that are categories by the source's own types."""

    def numbers(self, columns: Sequence[int]) -> Floats:
        """Return numbers [row, column]; any other cell is NaN or infinite."""

    def cells(self, column: int) -> list[str | None]:
        """Return the cells of a column as the user wrote them [row]; None or empty for a missing one."""

    def matches(self, columns: Sequence[int], pattern: str) -> Bools:
        """Return whether some cell of each column matches a pattern of RE2 and Python [column].

        False if the source holds numbers, as these have no spelling.
        """

    def places(self, rows: Iterable[int]) -> dict[int, str]:
        """Return where the user finds rows: 'line 5' of a file, 'row 3 (counted from 0)' of a data frame."""

    def window(self, start: int, stop: int) -> Columns:
        """Return the rows from `start` to before `stop`, counted from 0 again."""


@dataclass(frozen=True, eq=False)
class MemoryColumns:
    """Columns as arrays [row]: numbers and booleans of any type, or objects that are text or None.

    `first` is the number of the first row in the source.
    """

    where: str
    names: tuple[str, ...]
    arrays: tuple[NDArray[Any], ...]
    notes: tuple[Note, ...] = ()
    categorical: frozenset[str] = frozenset()
    first: int = 0

    @property
    def n_rows(self) -> int:
        return len(self.arrays[0]) if self.arrays else 0

    def numbers(self, columns: Sequence[int]) -> Floats:
        matrix = np.empty((self.n_rows, len(columns)))
        for position, column in enumerate(columns):
            array = self.arrays[column]
            with np.errstate(over="ignore"):  # a long double
                matrix[:, position] = [parse_number(cell) for cell in array] if array.dtype == object else array
        return matrix

    def cells(self, column: int) -> list[str | None]:
        array = self.arrays[column]
        return list(array) if array.dtype == object else number_texts(array)

    def matches(self, columns: Sequence[int], pattern: str) -> Bools:
        fits = re.compile(pattern).fullmatch
        texts = (set(self.arrays[column]) if self.arrays[column].dtype == object else set() for column in columns)
        return np.array([any(text is not None and fits(text) for text in found) for found in texts], dtype=bool)

    def places(self, rows: Iterable[int]) -> dict[int, str]:
        return {row: f"row {self.first + row} (counted from 0)" for row in rows}

    def window(self, start: int, stop: int) -> MemoryColumns:
        arrays = tuple(array[start:stop] for array in self.arrays)
        return replace(self, arrays=arrays, first=self.first + start)


def as_notes(columns: Columns, remarks: Sequence[Remark]) -> tuple[Note, ...]:
    """Return notes whose first rows are named as the user finds them, in one pass through the source."""
    wanted = {row for remark in remarks for row in remark.rows[:ROWS_NAMED]}
    places = columns.places(wanted) if wanted else {}
    return tuple(
        Note(**{**vars(remark), "rows": tuple(places[row] for row in remark.rows[:ROWS_NAMED])}) for remark in remarks
    )

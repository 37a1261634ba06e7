"""A column of text as its distinct cells and which row has which: what is costly is done once for each text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distinct", "distinct"]


@dataclass(frozen=True, eq=False)
class Distinct:
    """`texts[codes[row]]` is the row's cell.

    Attributes:
        texts: distinct cells, ends stripped, in the order in which they first appear; '' where there is nothing.
        codes: int64 [row].
        counts: how many rows have each text [text].
    """

    texts: tuple[str, ...]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]

    def rows_of(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The rows, ascending, whose text is chosen [text]."""
        return np.flatnonzero(chosen[self.codes])


def distinct(cells: Iterable[str | None]) -> Distinct:
    """The distinct cells of a column."""
    cells = list(cells)
    numbers = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
    raw = np.fromiter(map(numbers.__getitem__, cells), dtype=np.int64, count=len(cells))
    stripped: dict[str, int] = {}
    code_of = [stripped.setdefault((cell or "").strip(), len(stripped)) for cell in numbers]
    codes = np.array(code_of, dtype=np.int64)[raw]
    return Distinct(tuple(stripped), codes, np.bincount(codes, minlength=len(stripped)))

"""A table as lines of plain text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

__all__ = ["NumberTable", "drawn"]

_UNBROKEN = 1000  # names are what a reader copies into the next command: no table is squeezed


@dataclass(frozen=True)
class NumberTable:
    """A table as text.

    Attributes:
        columns: their headings; the first is that of the rows' names.
        rows: a name and a cell for each other column.
        caption: what it shows; may be empty.
        shades: of each row's cells but the name how dark they are, 0 to 1; empty where that says nothing.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    shades: Sequence[Sequence[float]] = field(default=())


def drawn(table: Table) -> list[str]:
    """The table's lines, as wide as they need to be."""
    stream = io.StringIO()
    console = Console(file=stream, width=_UNBROKEN, color_system=None, highlight=False, markup=False, emoji=False)
    console.print(table)
    return [line.rstrip() for line in stream.getvalue().split("\n")[:-1]]

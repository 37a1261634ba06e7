"""A table as lines of plain text."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

__all__ = ["drawn"]

_UNBROKEN = 1000  # names are what a reader copies into the next command: no table is squeezed


def drawn(table: Table) -> list[str]:
    """The table's lines, as wide as they need to be."""
    stream = io.StringIO()
    console = Console(file=stream, width=_UNBROKEN, color_system=None, highlight=False, markup=False, emoji=False)
    console.print(table)
    return [line.rstrip() for line in stream.getvalue().split("\n")[:-1]]

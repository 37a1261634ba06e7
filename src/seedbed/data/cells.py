"""What one cell of text means as a plain number, and how a message quotes it."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["NUMBER", "parse_number", "shown"]

# One pattern for Python and for DuckDB (RE2), so that a column reads the same from a file and from a data frame.
# DuckDB's own cast is laxer ('1_000' is 1000, '+-5' is -5), and so is float() ('1_000', digits of any script).
# Each digit has one place where it can go: else a cell of many digits and a letter would take a second or an hour.
NUMBER = r"[ \t\n\r\f]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\r\f]*"

_number = re.compile(NUMBER)


def parse_number(cell: str | None) -> float:
    """The number that a cell holds; NaN where it holds none; infinite where it overflows float64."""
    if cell is None:
        return np.nan
    return float(cell) if _number.fullmatch(cell) else np.nan


def shown(cell: str | None, limit: int = 40) -> str:
    """A cell as an error message quotes it: on one line, not too long."""
    text = repr("" if cell is None else cell)
    return text if len(text) <= limit else text[: limit - 4] + "...'"

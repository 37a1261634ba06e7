"""How plain Python makes inputs of cells. These functions are copied into what is exported, as they stand here, so they
use nothing but the standard library and each other, and lines of at most 88 columns.

Cells come as they stand in a file, or as Python's own numbers, dates and None. What is neither missing nor can be read
is an error: here is nobody who would warn that it counts as missing.
"""

import math
import re
import zlib
from datetime import UTC, datetime
from typing import Any

__all__ = ["MISSING", "NO_NUMBER"]

MISSING = {
    *("", "?", "na", "nan", "nat", "null", "(null)", "<na>", "n/a", "n.a."),
    *("#n/a", "#na", "#null!"),
}
NO_NUMBER = MISSING | {
    *("-", "--", "—", "–", ".", "..", "none", "nil", "missing", "unknown"),
    *("#value!", "#div/0!"),
}

# The formatter would join lines to more than 88 columns.
# fmt: off


def read(row: dict[str, Any], column: str, kind: Any, *words: Any, **more: Any) -> Any:
    """What a kind of column makes of its cell in a row; an error says which column."""
    try:
        return kind(row[column], *words, **more)
    except (KeyError, ValueError, TypeError) as error:
        found = repr(row[column]) + ", not readable" if column in row else "no cell"
        raise ValueError(f"column {column!r}: {found}") from error


def text(cell: Any) -> str:
    """A cell as it stands in a file: 1.0 is 1, and None is empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def number(cell: Any, median: float, flag: bool = False) -> list[float]:
    """A number, or the median for want of one; and a flag that it is missing."""
    value = math.nan if text(cell).lower() in NO_NUMBER else float(cell)
    missing = not math.isfinite(value)
    return [median if missing else value] + [float(missing)] * flag


def comma_number(cell: Any, median: float, flag: bool = False) -> list[float]:
    """The same of a number with a decimal comma: 1.234,5 is 1234.5."""
    if isinstance(cell, str):
        cell = cell.replace(".", "").replace(",", ".")
    return number(cell, median, flag)


def boolean(
    cell: Any, words: dict[str, int], median: float, flag: bool = False
) -> list[float]:
    """0 or 1 for a word, or the median; and a flag that it is missing."""
    word = text(cell).lower()
    return number(None if word in NO_NUMBER else words[word], median, flag)


def iso(cell: Any, order: str) -> str:
    """A date whose parts come in another order, or without zeros, as ISO has it."""
    found = re.match(r"(\d+)[-/.](\d+)[-/.](\d+)(.*)", text(cell))
    if not found:
        return text(cell)
    order = "ymd" if len(found[1]) == 4 else order
    part = {name: found[place] for place, name in enumerate(order, 1)}
    century = "" if len(part["y"]) > 2 else "19" if part["y"] >= "69" else "20"
    return f"{century}{part['y']}-{part['m']:0>2}-{part['d']:0>2}{found[4]}"


def date(
    cell: Any, order: str, median: float, hour: bool = False, flag: bool = False
) -> list[float]:
    """Days since 1970, month, weekday, hour; and a flag that the date is missing."""
    if text(cell).lower() in NO_NUMBER:
        return [median, 6.5, 3.0, 11.5][: 3 + hour] + [1.0] * flag
    when = datetime.fromisoformat(iso(cell, order))
    when = when.astimezone(UTC) if when.tzinfo else when
    parts = [when.toordinal() - 719_163, when.month, when.weekday(), when.hour]
    return [float(part) for part in parts[: 3 + hour]] + [0.0] * flag


def category(
    cell: Any, levels: list[str], others: int = 1, flag: bool = False
) -> list[float]:
    """An input for each level, for all others together, and for a missing cell."""
    level = text(cell)
    found = [0.0] * (len(levels) + others + flag)
    if level in levels:
        found[levels.index(level)] = 1.0
    elif level.lower() in MISSING:
        found[-1 if flag else len(levels)] = 1.0
    else:  # a rare level, or a new one
        bucket = zlib.crc32(level.encode(errors="surrogatepass")) % others
        found[len(levels) + bucket] = 1.0
    return found

"""Numbers as people write them: 265,000; $1,234.50; 5%; 1.234,5; (12); 1e-3."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from seedbed.data.cells import parse_number

__all__ = ["CERTAIN_POINT", "DOTTED", "LEADING_ZEROS", "Numeral", "is_code", "numeral", "plain_text"]

# Patterns for `Columns.matches`, of cells that are plain numbers.
LEADING_ZEROS = r"[ \t\n\r\f]*[+-]?0[0-9]+[ \t\n\r\f]*"
DOTTED = r"[ \t\n\r\f]*[+-]?[1-9][0-9]{0,2}\.[0-9]{3}[ \t\n\r\f]*"
CERTAIN_POINT = (
    r"[ \t\n\r\f]*[+-]?(?:[0-9]*\.(?:[0-9]{0,2}|[0-9]{4,})|(?:0[0-9]*|[0-9]{4,})?\.[0-9]{3}"
    r"|[0-9]*\.[0-9]*[eE][^ \t\n\r\f]*)[ \t\n\r\f]*"
)

LONGEST = 64
SPACE = " \u00a0\u2009\u202f"
CURRENCY = (
    r"(?:[A-Z]{0,3}\$|[£¥€₹₽₩₺₴₦₱฿₫₪₡₲₵₸₼₾]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|ZAR|MXN|"
    r"kr\.?|zł|Kč|Ft|Fr\.|Rs\.?)"
)
_code = re.compile("[+-]?0[0-9]+")
_infinite = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_dressed = re.compile(
    rf"(?P<open>\()?(?P<before>[+\-−])?(?:{CURRENCY}\s*)?(?P<after>[+\-−])?"
    # The last of many spaces mustn't be tried from each of them: a cell may have thousands.
    r"(?P<core>[0-9.,](?:[0-9.,'’\s]*[0-9.,])?(?:[eE][+-]?[0-9]+)?)"
    rf"\s*(?:{CURRENCY}|(?P<percent>%))?(?P<close>\))?"
)


def _core(mark: str, groups: str) -> re.Pattern[str]:
    """Digits, perhaps in groups of three, with a decimal mark; a group's number doesn't begin with 0."""
    # The second kind of groups is India's: 12,34,567.
    grouped = rf"[1-9][0-9]{{0,2}}([{groups}])[0-9]{{3}}(?:\1[0-9]{{3}})*"
    lakh = r"|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if mark == "." else ""
    exponent = r"(?:[eE][+-]?[0-9]+)?"
    return re.compile(
        rf"(?:{grouped}{lakh})(?:\{mark}[0-9]+)?|(?:[0-9]+\{mark}?[0-9]*|\{mark}[0-9]+){exponent}", re.ASCII
    )


_point = _core(".", f",'’{SPACE}")
_comma = _core(",", f".'’{SPACE}")
_group = str.maketrans("", "", f"'’{SPACE}")


class Numeral(NamedTuple):
    """The number that a text is, by either decimal mark; NaN where it is none."""

    point: float
    comma: float


def numeral(text: str) -> Numeral:
    """Read one cell, ends stripped. Infinite for 'inf' and for what overflows float64."""
    if text.isdecimal() and text.isascii():
        number = float(text)
        return Numeral(number, number)
    if _infinite.fullmatch(text):
        return Numeral(float(text), float(text))
    point, comma = plain_text(text, "point"), plain_text(text, "comma")
    return Numeral(np.nan if point is None else float(point), np.nan if comma is None else float(comma))


def plain_text(text: str, mark: str) -> str | None:
    """The same number as Python and DuckDB write it; None where the text is none.

    Args:
        text: a cell, ends stripped.
        mark: "point" or "comma": the decimal mark.
    """
    if mark == "point" and not np.isnan(parse_number(text)):
        return text
    if len(text) > LONGEST:
        return None
    parts = _dressed.fullmatch(text)
    if parts is None or bool(parts["open"]) != bool(parts["close"]):
        return None
    signs = (parts["before"] or "") + (parts["after"] or "")
    core = parts["core"]
    if (
        len(signs) + bool(parts["open"]) > 1
        or (_point if mark == "point" else _comma).fullmatch(core) is None
        or (parts["percent"] and "e" in core.lower())
    ):
        return None
    core = core.translate(_group)
    digits = core.replace(",", "") if mark == "point" else core.replace(".", "").replace(",", ".")
    # Dividing by a hundred as text keeps 12.3% the float nearest to 0.123.
    return ("-" if parts["open"] or signs in ("-", "−") else "") + digits + ("e-2" if parts["percent"] else "")


def is_code(text: str) -> bool:
    """Whether leading zeros tell that a number of digits is a code."""
    return _code.fullmatch(text) is not None

"""What a cell of text means: a number, a date, a missing value or a label; and how messages quote
it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np

from seedbed.typing import Bools

# One pattern for Python and for DuckDB (RE2), so that a column reads the same from a file and from
# a data frame. DuckDB's own cast is laxer ('1_000' is 1000, '+-5' is -5), and so is float()
# ('1_000', digits of any script). Each digit can match in one place only: otherwise a cell of many
# digits and a letter would take seconds or hours.
NUMBER = (
    r"[ \t\n\r\f]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\r\f]*"
)

_number = re.compile(NUMBER)
WHOLE_FLOATS = 1 << 53  # above, float64 loses digits, and a number may be a label


def parse_number(cell: str | None) -> float:
    """Return the number in a cell: NaN if there is none, infinite if it overflows float64."""
    return float(cell) if cell is not None and _number.fullmatch(cell) else np.nan


def shortest_texts(texts: Sequence[str]) -> list[str]:
    """Return texts with the numbers among them rounded to the fewest digits, three or more, that
    keep all texts distinct."""
    shortest = list(texts)
    for digits in range(16, 2, -1):
        rounded = [f"{parse_number(text):.{digits}g}" for text in texts]
        pairs = zip(texts, rounded, strict=True)
        short = [
            text if word == "nan" else min(text, word, key=len) for text, word in pairs
        ]
        shortest = short if len({*short}) == len(short) else shortest
    return shortest


def quote(cell: str | None, limit: int = 40) -> str:
    """Return a cell as messages quote it: on one line, not too long."""
    text = repr(cell or "")
    return text if len(text) <= limit else text[: limit - 4] + "...'"


def first_of(texts: Collection[str], most: int) -> str:
    """Return the first words, separated by commas, and dots if there are more."""
    return ", ".join([*texts][:most]) + (", ..." if len(texts) > most else "")


def quote_names(names: Collection[str], most: int = 10) -> str:
    """Return the first names in quotes, and dots if there are more."""
    return first_of([f"'{name}'" for name in names], most)


def number_text(value: Any) -> str | None:
    """Return a number as a label. 1.0 is '1', so that labels don't depend on the type in a file or
    data frame."""
    if value != value:
        return None
    return (
        str(int(value))
        if isinstance(value, float) and value.is_integer()
        else str(value)
    )


# In lower case. NA alone can be a level (Namibia, North America, a blood group), the others of a
# category can't.
MISSING_LEVELS = frozenset(
    {
        "",
        "?",
        "nan",
        "null",
        "(null)",
        "<na>",
        "nat",
        "n/a",
        "n.a.",
        "#n/a",
        "#na",
        "#null!",
    }
)
MISSING_AMONG_LEVELS = MISSING_LEVELS | {
    ".",
    "..",
    "missing",
    "#value!",
    "#div/0!",
}  # of two levels or more
MISSING_NUMBERS = MISSING_AMONG_LEVELS | {
    "-",
    "--",
    "—",
    "–",
    "na",
    "none",
    "nil",
    "unknown",
}

_two_letters = re.compile("[A-Z]{2}")


def missing_in_number(text: str) -> bool:
    """Return whether a cell, ends stripped, counts as missing in a column of numbers, dates or
    booleans."""
    return text.lower() in MISSING_NUMBERS


def missing_in_category(
    text: str, among_codes: bool = False, few: bool = False
) -> bool:
    """Return whether a cell, ends stripped, counts as missing in a category. 'None' and '-' are
    levels.

    `among_codes` is the result of `is_code_column` for the other levels, `few` whether there are
    fewer than two.
    """
    word = text.lower()
    may_be_code = among_codes and text == "NA"
    return word in (MISSING_LEVELS if few else MISSING_AMONG_LEVELS) or (
        word == "na" and not may_be_code
    )


def is_code_column(levels: Collection[str]) -> bool:
    """Return whether 'NA' may be a code: nearly all levels are two capital letters, like those of
    countries."""
    codes = sum(_two_letters.fullmatch(level) is not None for level in levels)
    return codes >= 3 and codes >= 0.9 * len(levels)


def are_codes(texts: Collection[str], words: Collection[str], unit: str = "") -> Bools:
    """Return which texts are among words for missing cells [text]; numbers are compared as numbers,
    without the unit of the column."""
    numbers = numbers_in(words)
    among_words = [
        text in words or not numbers.isdisjoint(numeral(without_unit(text, unit)))
        for text in texts
    ]
    return np.array(among_words, dtype=np.bool_)


def numbers_in(words: Collection[str]) -> set[float]:
    """Return the numbers among words for missing cells; '-9,5' with either decimal mark."""
    return {number for word in words for number in numeral(word) if np.isfinite(number)}


# Patterns for Python and for DuckDB of cells that are plain numbers.
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
    rf"(?P<open>\()?(?P<before>[+\-−])?(?P<money>{CURRENCY}\s*)?(?P<after>[+\-−])?"
    # No backtracking over spaces: a cell may have thousands.
    r"(?P<core>[0-9.,](?:[0-9.,'’\s]*[0-9.,])?(?:[eE][+-]?[0-9]+)?)"
    rf"\s*(?P<scale>(?:[KkMm]|[Bb]n?)\s?)?(?:(?P<unit>{CURRENCY})|(?P<percent>%))?(?P<close>\))?"
)
_exponents = {"%": "e-2", "k": "e3", "m": "e6", "b": "e9"}
_clock = re.compile(
    r"(?:(2[0-3]|[01]?[0-9])|([0-9]{1,3})(?=:..:)):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,9})?))?"
)
# One letter needs a space: 12B is a code.
_with_unit = re.compile(
    r"(?![+-]?0[0-9])(?P<number>[+\-−]?[0-9.,](?:[0-9.,'’\s]*[0-9.,])?)\s*"
    r"(?P<unit>(?<=\s)[A-Za-z]|[A-Za-zµ°][A-Za-zµ°²³./ ]{0,14}[A-Za-z²³23])\.?"
)


def _core(mark: str, groups: str) -> re.Pattern[str]:
    """Return a pattern of digits, perhaps in groups of three, with a decimal mark; groups don't
    begin with 0."""
    # The second kind of groups is India's: 12,34,567.
    grouped = rf"[1-9][0-9]{{0,2}}([{groups}])[0-9]{{3}}(?:\1[0-9]{{3}})*"
    lakh = r"|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if mark == "." else ""
    digits = rf"(?:[0-9]+\{mark}?[0-9]*|\{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return re.compile(rf"(?:{grouped}{lakh})(?:\{mark}[0-9]+)?|{digits}", re.ASCII)


_point = _core(".", f",'’{SPACE}")
_comma = _core(",", f".'’{SPACE}")
_group = str.maketrans("", "", f"'’{SPACE}")


class Numeral(NamedTuple):
    """The number that a text is, by either decimal mark; NaN if it is none."""

    point: float
    comma: float


def numeral(text: str) -> Numeral:
    """Return the number in a cell, ends stripped: infinite for 'inf' and for overflow of
    float64."""
    if (text.isdecimal() and text.isascii()) or _infinite.fullmatch(text):
        return Numeral(float(text), float(text))
    point, comma = plain_text(text, "point"), plain_text(text, "comma")
    return Numeral(
        np.nan if point is None else float(point),
        np.nan if comma is None else float(comma),
    )


def plain_text(text: str, mark: str) -> str | None:
    """Return a cell, ends stripped, as Python writes its number; None if it is none. The mark is
    "point" or "comma"."""
    if (mark == "point" or "." not in text) and not np.isnan(parse_number(text)):
        return text
    if len(text) > LONGEST:
        return None
    if clock := _clock.fullmatch(text):
        return str(
            3600 * int(clock[1] or clock[2])
            + 60 * int(clock[3])
            + Decimal(clock[4] or 0)
        )
    parts = _dressed.fullmatch(text)
    if parts is None or bool(parts["open"]) != bool(parts["close"]):
        return None
    signs = (parts["before"] or "") + (parts["after"] or "")
    core = parts["core"]
    scale = parts["scale"] or parts["percent"] or ""
    if (
        len(signs) + bool(parts["open"]) > 1
        or (_point if mark == "point" else _comma).fullmatch(core) is None
        or (scale and "e" in core.lower())
        or (parts["scale"] and not (parts["money"] or parts["unit"]))
    ):
        return None
    core = core.translate(_group)
    digits = (
        core.replace(",", "")
        if mark == "point"
        else core.replace(".", "").replace(",", ".")
    )
    # Dividing by a hundred as text keeps 12.3% the float nearest to 0.123.
    return (
        ("-" if parts["open"] or signs in ("-", "−") else "")
        + digits
        + _exponents.get(scale[:1].lower(), "")
    )


def split_unit(text: str) -> tuple[str, str]:
    """Return the number and the unit in a cell, ends stripped: '3' and 'day' of '3 days'; without a
    unit, the text."""
    match = _with_unit.fullmatch(text) if len(text) <= LONGEST else None
    return (
        (text, "")
        if match is None
        else (match["number"], re.sub("(?<=[a-z]{2})s$", "", match["unit"].lower()))
    )


def without_unit(text: str, unit: str) -> str:
    """Return a cell without the unit of its column, if it has that."""
    number, own_unit = split_unit(text) if unit else (text, "")
    return number if own_unit == unit else text


def common_unit(texts: Collection[str]) -> str:
    """Return the unit that all cells have, except for those without a number; empty if they have
    none."""
    filled = [text for text in texts if not missing_in_number(text)]
    unit = split_unit(filled[0])[1] if filled else ""
    return unit if unit and all(split_unit(text)[1] == unit for text in filled) else ""


def is_code(text: str) -> bool:
    """Return whether a text of digits is a code, as it has leading zeros."""
    return _code.fullmatch(text) is not None


DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
FIRST, PAST_LAST = (
    (date.min.toordinal() - EPOCH) * DAY,
    (date.max.toordinal() + 1 - EPOCH) * DAY,
)
PIVOT = 69  # of two-digit years: 68 is 2068, 69 is 1969, as in POSIX
DOTTED_DATE = re.compile(r"[0-9]{1,2}\.[0-9]")
YEAR_OF_TWO_DIGITS = re.compile(r"^\s*[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?![0-9])")
MONTHS = {
    "janfebmaraprmayjunjulaugsepoctnovdec"[3 * i : 3 * i + 3]: i + 1 for i in range(12)
}
MONTHS |= {
    "mär": 3,
    "mrz": 3,
    "mai": 5,
    "okt": 10,
    "dez": 12,
}  # the others begin alike in German

_TIME = (
    r"(?:(?:[Tt]|,?\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<part>[.,][0-9]{1,9})?)?"
    r"(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"(?:\s?(?P<zone>[Zz]|UTC|GMT|(?P<east>[+-])(?P<zone_hour>[0-9]{2}):?(?P<zone_minute>[0-9]{2})?))?)?"
)
_numbers = re.compile(
    r"(?P<a>[0-9]{1,4})(?P<mark>[-/.])(?P<b>[0-9]{1,2})(?P=mark)(?P<c>[0-9]{1,4})"
    + _TIME
)
# Months, quarters, ISO weeks, and dates of eight digits.
_YEAR = "(?P<year>(?:1[6-9]|2[01])[0-9]{2})"
_year_first = re.compile(
    rf"{_YEAR}[-/ ]?(?P<part>[Qq][1-4]|[Ww][0-5][0-9]|[A-Za-zÄä]{{3,9}}|0[1-9]|1[0-2])"
    r"(?:(?<=[0-9]{6})(?P<day>[0-9]{2}))?"
)
_year_last = re.compile(
    rf"(?P<day>[0-9]{{2}}(?=[0-9]{{6}}))?(?P<part>[Qq][1-4]|[0-9]{{2}})[-/ ]?{_YEAR}"
)
_named = re.compile(
    r"(?:(?:(?P<day>[0-9]{1,2})(?:\. ?|[ -]))?(?P<month>[A-Za-zÄä]{3,9})\.?[ -]"
    r"|(?P<month_first>[A-Za-z]{3,9})\.? (?P<day_next>[0-9]{1,2}),? )"
    r"(?P<year>[0-9]{4})" + _TIME
)


class Moment(NamedTuple):
    """Seconds since 1970-01-01 by the order of a date's parts; NaN if the text isn't a date in that
    order.

    A date that begins with the year, or names its month, is valid in every order. Dots always have
    the day first.
    """

    ymd: float
    dmy: float
    mdy: float


NONE = Moment(np.nan, np.nan, np.nan)


def moment(text: str) -> Moment:
    """Return the date in a cell, ends stripped. A time zone is applied if there is one."""
    if len(text) > LONGEST:
        return NONE
    text = _completed(text)
    if match := _named.fullmatch(text):
        month = MONTHS.get((match["month"] or match["month_first"])[:3].lower(), 0)
        return Moment(
            *[
                _seconds(
                    match,
                    int(match["year"]),
                    month,
                    int(match["day"] or match["day_next"] or 1),
                )
            ]
            * 3
        )
    if not (match := _numbers.fullmatch(text)):
        return NONE
    a, b, c = match["a"], match["b"], match["c"]
    if len(a) == 4 and len(c) <= 2:
        return Moment(*[_seconds(match, int(a), int(b), int(c))] * 3)
    short = len(c) == 2 and (
        match["mark"] == "/" or (match["mark"] == "." and len(a) == len(b) == 2)
    )
    if len(a) > 2 or not (len(c) == 4 or short):
        return NONE
    year = int(c) + (0 if len(c) == 4 else 1900 if int(c) >= PIVOT else 2000)
    dmy = _seconds(match, year, int(b), int(a))
    return Moment(
        np.nan,
        dmy,
        dmy if match["mark"] == "." else _seconds(match, year, int(a), int(b)),
    )


def _completed(text: str) -> str:
    """Return the first day of a month, a quarter or an ISO week, and marks between eight digits;
    else the text."""
    match = _year_first.fullmatch(text) or _year_last.fullmatch(text)
    if match is None:
        return text
    year, part, day = match["year"], match["part"], match["day"]
    if match.re is _year_last and day:
        return f"{day}-{part}-{year}"
    if part[0] in "Ww":
        start = date(int(year), 1, 4)  # is in the first week
        return str(start + timedelta(weeks=int(part[1:]) - 1, days=-start.weekday()))
    month = (
        part
        if part.isdecimal()
        else 3 * int(part[1]) - 2
        if part[1].isdecimal()
        else MONTHS.get(part[:3].lower())
    )
    return f"{year}-{month}-{day or 1}"


def _seconds(match: re.Match[str], year: int, month: int, day: int) -> float:
    try:
        days = date(year, month, day).toordinal() - EPOCH
    except ValueError:
        return np.nan
    if match["hour"] is None:
        return float(days * DAY)
    hour, minute, second = (
        int(match["hour"]),
        int(match["minute"]),
        int(match["second"] or 0),
    )
    if match["half"]:
        if not 1 <= hour <= 12:
            return np.nan
        hour = hour % 12 + (12 if match["half"] in "Pp" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return np.nan
    east = int(match["zone_hour"] or 0) * 3600 + int(match["zone_minute"] or 0) * 60
    east = -east if match["east"] == "-" else east
    part = float("0." + match["part"][1:]) if match["part"] else 0.0
    whole = days * DAY + hour * 3600 + minute * 60 + second - east
    seconds = min(
        whole + part, math.nextafter(whole + 1, whole)
    )  # far from 1970, the sum would be the next second
    return (
        seconds if FIRST <= seconds < PAST_LAST else np.nan
    )  # a zone can lead out of the calendar


def exact_numbers(levels: Collection[str]) -> dict[str, Decimal]:
    """Return the number of each level if all are numbers and none is a code with leading zeros,
    else nothing.

    Decimals, not floats, which would merge 2^60 and 2^60 + 1.
    """
    numbers: dict[str, Decimal] = {}
    for level in levels:
        text = plain_text(level, "point")
        if text is None or is_code(level) or math.isinf(numeral(level).point):
            return {}
        try:
            numbers[level] = Decimal(text)
        except InvalidOperation:  # an exponent of twenty digits
            return {}
    return numbers


def merge_levels(levels: Collection[str]) -> dict[str, str]:
    """Return the shared name of each level: '1' and '1.0' are one. The shortest spelling wins."""
    shortest: dict[Decimal, str] = {}
    numbers = exact_numbers(levels)
    for level in sorted(numbers, key=lambda text: (len(text), text)):
        shortest.setdefault(numbers[level], level)
    return {level: shortest[numbers[level]] if numbers else level for level in levels}


def in_order(levels: Collection[str]) -> tuple[str, ...]:
    """Return levels in order: numbers as numbers, others by code point."""
    numbers = exact_numbers(levels)
    return tuple(sorted(levels, key=numbers.__getitem__ if numbers else None))

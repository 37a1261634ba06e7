"""Dates and times as people write them, as seconds since 1970-01-01."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

import numpy as np

__all__ = ["YEAR_OF_TWO_DIGITS", "Moment", "moment"]

LONGEST = 64
DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
FIRST, PAST_LAST = ((date.min.toordinal() - EPOCH) * DAY, (date.max.toordinal() + 1 - EPOCH) * DAY)
PIVOT = 69  # of two-digit years: 68 is 2068, 69 is 1969, as in POSIX
YEAR_OF_TWO_DIGITS = re.compile(r"^\s*[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?![0-9])")
MONTHS = {"janfebmaraprmayjunjulaugsepoctnovdec"[3 * i : 3 * i + 3]: i + 1 for i in range(12)}

_TIME = (
    r"(?:(?:[Tt]|,?\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<part>[.,][0-9]{1,9})?)?"
    r"(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"(?:\s?(?P<zone>[Zz]|UTC|GMT|(?P<east>[+-])(?P<zone_hour>[0-9]{2}):?(?P<zone_minute>[0-9]{2})?))?)?"
)
_numbers = re.compile(r"(?P<a>[0-9]{1,4})(?P<mark>[-/.])(?P<b>[0-9]{1,2})(?P=mark)(?P<c>[0-9]{1,4})" + _TIME)
_named = re.compile(
    r"(?:(?P<day>[0-9]{1,2})[ -](?P<month>[A-Za-z]{3,9})\.?[ -]"
    r"|(?P<month_first>[A-Za-z]{3,9})\.? (?P<day_next>[0-9]{1,2}),? )"
    r"(?P<year>[0-9]{4})" + _TIME
)


class Moment(NamedTuple):
    """Seconds since 1970-01-01 by the order of a date's parts; NaN where the text is no date in that order.

    A date that begins with the year, or names its month, is one in every order.
    """

    ymd: float
    dmy: float
    mdy: float


NONE = Moment(np.nan, np.nan, np.nan)


def moment(text: str) -> Moment:
    """Read one cell, ends stripped. A zone is applied where one is given; else the time counts as it stands."""
    if len(text) > LONGEST:
        return NONE
    found = _numbers.fullmatch(text)
    if found is None:
        found = _named.fullmatch(text)
        if found is None:
            return NONE
        month = MONTHS.get((found["month"] or found["month_first"])[:3].lower(), 0)
        return _in_any_order(found, int(found["year"]), month, int(found["day"] or found["day_next"]))
    a, b, c = found["a"], found["b"], found["c"]
    if len(a) == 4 and len(c) <= 2:
        return _in_any_order(found, int(a), int(b), int(c))
    short = len(c) == 2 and (found["mark"] == "/" or (found["mark"] == "." and len(a) == len(b) == 2))
    if len(a) > 2 or not (len(c) == 4 or short):
        return NONE
    year = int(c) + (0 if len(c) == 4 else 1900 if int(c) >= PIVOT else 2000)
    dmy = _seconds(found, year, int(b), int(a))
    return Moment(np.nan, dmy, np.nan if found["mark"] == "." else _seconds(found, year, int(a), int(b)))


def _in_any_order(found: re.Match[str], year: int, month: int, day: int) -> Moment:
    seconds = _seconds(found, year, month, day)
    return Moment(seconds, seconds, seconds)


def _seconds(found: re.Match[str], year: int, month: int, day: int) -> float:
    try:
        days = date(year, month, day).toordinal() - EPOCH
    except ValueError:
        return np.nan
    if found["hour"] is None:
        return float(days * DAY)
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return np.nan
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return np.nan
    east = 0
    if found["east"]:
        east = int(found["zone_hour"]) * 3600 + int(found["zone_minute"] or 0) * 60
        east = -east if found["east"] == "-" else east
    part = float("0." + found["part"][1:]) if found["part"] else 0.0
    seconds = days * DAY + hour * 3600 + minute * 60 + second - east + part
    return seconds if FIRST <= seconds < PAST_LAST else np.nan  # a zone can lead out of the calendar

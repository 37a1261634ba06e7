"""A date as numbers that a network can use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["date_parts", "has_times", "part_names"]

Floats = NDArray[np.float64]

_DAY = 86_400.0
_MIDDLES = (6.5, 3.0, 11.5)  # of months 1-12, weekdays 0-6 and hours 0-23


def has_times(seconds: Floats) -> bool:
    """Whether some of the dates, in seconds since 1970-01-01, isn't midnight."""
    return bool((seconds[~np.isnan(seconds)] % _DAY != 0).any())


def part_names(timed: bool) -> tuple[str, ...]:
    """The parts of a date, in the order of `date_parts`."""
    return ("days", "month", "weekday", "hour") if timed else ("days", "month", "weekday")


def date_parts(seconds: Floats, timed: bool) -> Floats:
    """Days since 1970-01-01, month 1-12, weekday 0-6 from Monday on and, if `timed`, hour 0-23: [row, part].

    Of a missing date, the days are NaN, which the median of training rows will fill. The other parts are set to the
    middle of the calendar: one flag tells of the missing date, and a flag can carry the median of one part only.
    """
    missing = np.isnan(seconds)
    known = np.where(missing, 0.0, seconds)
    days = np.floor(known / _DAY)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    weekdays = (days + 3) % 7  # 1970-01-01 was a Thursday
    hours = np.floor((known - days * _DAY) / 3_600)
    circling = [
        np.where(missing, middle, part) for middle, part in zip(_MIDDLES, (months, weekdays, hours), strict=True)
    ]
    return np.column_stack([np.where(missing, np.nan, days), *circling[: len(part_names(timed)) - 1]])

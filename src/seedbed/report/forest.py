"""The forest plot of the first screen: where zone, zero, ranges and points lie, in percent of its width."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seedbed.figures import interval_limits
from seedbed.report.glance import FirstScreen

__all__ = ["forest_of"]

_STEPS = (1, 2, 5, 10)
_MOST_TICKS = 5


@dataclass(frozen=True)
class Mark:
    """One row's range and point.

    Attributes:
        left, width: of the range.
        point: where the difference lies; None where it is beyond the plot.
        words: the numbers, `+1.3 (-6.0 to +8.6)`.
        cut_left, cut_right: whether the range goes on beyond the plot.
    """

    left: float
    width: float
    point: float | None
    words: str
    cut_left: bool
    cut_right: bool


@dataclass(frozen=True)
class Forest:
    """The whole plot.

    Attributes:
        marks: by the model's name.
        zero: where no difference lies.
        zone: (left, width) of the differences that are too small to matter; None where the score has no margin.
        ticks: (place, label) of the axis.
    """

    marks: dict[str, Mark]
    zero: float
    zone: tuple[float, float] | None
    ticks: tuple[tuple[float, str], ...]


def forest_of(screen: FirstScreen) -> Forest | None:
    """Return the forest plot of a first screen; None where there is no verdict in the score that is shown."""
    found = {row.name: row.interval for row in screen.rows if row.interval is not None}
    if not found:
        return None
    # Guessing is often far off, and would squeeze all others.
    seen = [ends for name, (_, *ends) in found.items() if name != "prior"] or [ends for _, *ends in found.values()]
    low, high = interval_limits([(low, high) for low, high in seen], least=screen.margin or 0.0)

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    decimals = max(0, 1 if screen.unit == "points" else 2 - math.floor(math.log10(high - low)))
    marks = {}
    for name, (middle, first, last) in found.items():
        words = f"{_signed(middle, decimals)} ({_signed(first, decimals)} to {_signed(last, decimals)})"
        point = place(middle) if low <= middle <= high else None
        marks[name] = Mark(place(first), round(place(last) - place(first), 2), point, words, first < low, last > high)
    zone = None
    if screen.margin is not None:
        zone = place(-screen.margin), round(place(screen.margin) - place(-screen.margin), 2)
    return Forest(marks, place(0.0), zone, tuple((place(value), _tick(value)) for value in _ticks(low, high)))


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers within the plot, zero among them."""
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(power * one for one in _STEPS if (high - low) / (power * one) <= _MOST_TICKS)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    return f"{value:+.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def _signed(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:+,.{decimals}f}".replace("-", "−")

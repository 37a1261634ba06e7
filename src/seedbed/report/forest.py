"""The forest plot of a first screen: where each range lies on an axis of differences, in percent of its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.evaluation.numbers import signed
from seedbed.report.glance import FirstScreen

_STEPS = (1, 2, 5, 10)
_MOST_TICKS = 5
_SQUEEZED = 1 / 8  # share of the width that the typical interval takes at least
_AIR = 0.04
_LABEL = 5  # percent of the width that half a label of the axis takes


@dataclass(frozen=True)
class Mark:
    """One row's range and point.

    Attributes:
        left, width: of the range.
        point: where the difference lies; None if it is beyond the plot.
        words: the numbers, `+1.3 (-6.0 to +8.6)`.
        cut_left, cut_right: whether the range continues beyond the plot.
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
        zone: (left, width) of the differences that are too small to matter.
        ticks: (place, label) of the axis.
    """

    marks: dict[str, Mark]
    zero: float
    zone: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]


def forest_of(screen: FirstScreen) -> Forest | None:
    """Return the forest plot of a first screen; None if there is no verdict."""
    spans = {row.name: row.interval for row in screen.rows if row.interval is not None}
    if not spans:
        return None
    # The prior is often far off, and would squeeze all others.
    seen = [ends for name, (_, *ends) in spans.items() if name != "prior"] or [ends for _, *ends in spans.values()]
    low, high = _limits([(low, high) for low, high in seen], least=screen.margin)

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    decimals = max(0, 1 if screen.unit == "points" else 2 - math.floor(math.log10(high - low)))
    marks = {}
    for name, (middle, first, last) in spans.items():
        words = f"{_signed_end(middle, decimals)} ({_signed_end(first, decimals)} to {_signed_end(last, decimals)})"
        point = place(middle) if low <= middle <= high else None
        marks[name] = Mark(place(first), round(place(last) - place(first), 2), point, words, first < low, last > high)
    zone = place(-screen.margin), round(place(screen.margin) - place(-screen.margin), 2)
    ticks = [(place(value), _tick(value)) for value in _ticks(low, high)]
    # A label is centred on its place, so one at an end would reach beyond the plot.
    inside = tuple(tick for tick in ticks if _LABEL <= tick[0] <= 100 - _LABEL)
    return Forest(marks, place(0.0), zone, inside or tuple(ticks))


def _limits(intervals: Sequence[tuple[float, float]], *, least: float) -> tuple[float, float]:
    """Return the ends of an axis of differences. It contains 0 and all intervals, except those of a minority that
    are so far off that they would squeeze the typical one.

    Args:
        intervals: (low, high) of each; at least one.
        least: the axis reaches at least this far to either side.
    """
    kept = sorted(intervals, key=lambda ends: max(abs(ends[0]), abs(ends[1])))
    widths = sorted(high - low for low, high in intervals)
    typical = max(widths[(len(widths) - 1) // 2], 2 * least)

    def ends() -> tuple[float, float]:
        return min(-least, *(low for low, _ in kept), 0.0), max(least, *(high for _, high in kept), 0.0)

    fewest = len(intervals) // 2 + 1
    while len(kept) > fewest and (ends()[1] - ends()[0]) * _SQUEEZED > typical:
        kept.pop()
    low, high = ends()
    air = (high - low) * _AIR or 1.0
    return low - air, high + air


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers within the plot, zero among them."""
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(power * one for one in _STEPS if (high - low) / (power * one) <= _MOST_TICKS)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    return f"{value:+.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def _signed_end(value: float, decimals: int) -> str:
    return signed(value, decimals).replace("-", "−")

"""Limits of a value axis, chosen so that a diverging curve doesn't flatten the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Line", "interval_limits", "robust_limits"]

# Cut only what would squeeze a typical candidate into less than this share of the height. The fast fall of a loss in
# its first epochs should be visible.
_SQUEEZED = 1 / 8
# A spike is above a curve's 95th percentile by more than this many times its middle nine tenths.
_SPIKE = 1.5
_AIR = 0.04


class Line(NamedTuple):
    """A mean along the epochs, and the middle half around it."""

    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def robust_limits(
    candidates: Sequence[Sequence[Line]],
    ghosts: Sequence[Sequence[float]] = (),
    *,
    cut_high: bool = False,
    floor: float = -math.inf,
) -> tuple[float, float]:
    """Return the lowest and the highest value of an axis, with some space beyond the curves.

    Args:
        candidates: the lines of each candidate; none of them empty.
        ghosts: other curves that are drawn.
        cut_high: spikes and diverging curves may leave the picture at the top (a loss).
        floor: nothing below is shown (R2, which has no lower bound).
    """
    drawn = [curve for lines in candidates for line in lines for curve in line] + list(ghosts)
    if not drawn:
        return 0.0, 1.0
    low, high = min(map(min, drawn)), max(map(max, drawn))
    if cut_high:
        high = _top(drawn, [[line.high for line in lines] for lines in candidates], low)
    low = max(low, min(floor, high))
    air = (high - low) * _AIR or abs(high) * 0.1 or 0.1
    return low - air, high + air


def interval_limits(intervals: Sequence[tuple[float, float]], *, least: float) -> tuple[float, float]:
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


def _top(drawn: Sequence[Sequence[float]], upper: Sequence[Sequence[Sequence[float]]], floor: float) -> float:
    """Return where to cut: the highest thing drawn that leaves the typical candidate enough of the height.

    The typical candidate is measured by its middle half, since one network among a hundred can move the mean far
    away. Its worse part counts: an overfitted network has a test loss far above the training loss, and readers want
    to see that.
    """
    reaches = sorted(max(_reach(curve) for curve in curves) for curves in upper)
    typical = reaches[(len(reaches) - 1) // 2]
    heights = [typical, *map(max, drawn), *map(_reach, drawn)]
    return max(height for height in heights if (height - floor) * _SQUEEZED <= typical - floor)


def _reach(curve: Sequence[float]) -> float:
    """Return the height of a curve without its spikes."""
    ranked = sorted(curve)
    bottom, top = (ranked[round((len(ranked) - 1) * share)] for share in (0.05, 0.95))
    return min(ranked[-1], top + _SPIKE * (top - bottom))

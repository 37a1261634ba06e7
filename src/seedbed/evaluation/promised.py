"""Does a model hold on new rows what was promised? The verdict."""

from __future__ import annotations

import math

from seedbed.evaluation.estimates import Interval, student_quantile
from seedbed.evaluation.metrics import Metric
from seedbed.evaluation.summaries import Score

AS_PROMISED, BELOW, ABOVE = "as promised", "below the promise", "above the promise"


def against_promise(
    promised: Score | None,
    found: Score,
    metric: Metric,
    *,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> tuple[Interval | None, str | None]:
    """Return the score that was found minus the promised one, and the verdict; None without
    intervals.

    The interval adds the squares of both errors, each on its own side (Zou & Donner 2008), so it is
    not symmetric where theirs aren't. Those of several comparisons are simultaneous (Bonferroni).
    """
    both = [one for one in (promised, found) if one]
    ends = [
        end for one in both for end in (one.mean, one.low, one.high) if end is not None
    ]
    if len(ends) < 6:
        return None, None
    promise, least, most, mean, low, high = ends
    wider = student_quantile(alpha / comparisons / 2, None) / student_quantile(
        alpha / 2, None
    )
    down, up = (
        wider * math.hypot(mean - low, most - promise),
        wider * math.hypot(high - mean, promise - least),
    )
    difference = Interval(
        mean=mean - promise, low=mean - promise - down, high=mean - promise + up
    )
    if difference.low <= 0 <= difference.high:
        return difference, AS_PROMISED
    return difference, ABOVE if (
        difference.low > 0
    ) == metric.greater_is_better else BELOW

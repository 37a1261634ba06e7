"""The interval of a share (an accuracy) from few rows."""

from __future__ import annotations

import math
from typing import NamedTuple

from seedbed.evaluation.estimates import student_quantile

__all__ = ["wilson"]


class Wilson(NamedTuple):
    """Both ends of an interval of a share."""

    low: float
    high: float


def wilson(successes: float, n: int, *, alpha: float = 0.05) -> Wilson:
    """The score interval of a binomial share (Wilson 1927); it stays within [0, 1] and works at 0 and n successes.

    Each row counts once: pass one repeat's hits, or their mean over repeats and seeds, never their sum.

    Args:
        successes: 0..n, may be a mean and thus no integer. n: rows.

    Raises:
        ValueError: n is below 1, successes outside 0..n, or alpha outside (0, 1).
    """
    if n < 1 or not 0 <= successes <= n or not 0 < alpha < 1:
        raise ValueError(f"needs 0 <= successes <= n, n >= 1, alpha in (0, 1); got {successes}, {n}, {alpha}")
    z = student_quantile(1 - alpha / 2, None)
    share = successes / n
    shrunk = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrunk
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrunk
    return Wilson(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)

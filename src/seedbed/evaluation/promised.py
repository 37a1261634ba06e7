"""Does a model hold on new rows what was promised? The verdict, calibration slope and intercept,
and net benefit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.evaluation.estimates import (
    Estimate,
    Interval,
    inference,
    paired_hold_out,
    student_quantile,
)
from seedbed.evaluation.metrics import LOG_LOSS_CLIP, Metric
from seedbed.evaluation.summaries import Score
from seedbed.typing import Floats, Ints

AS_PROMISED, BELOW, ABOVE = "as promised", "below the promise", "above the promise"
_STEPS, _CLOSE, _ENOUGH = 100, 1e-12, 1e-8
_PARTS = 5


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
    ends = [end for one in both for end in (one.mean, one.low, one.high) if end is not None]
    if len(ends) < 6:
        return None, None
    promise, least, most, mean, low, high = ends
    wider = student_quantile(alpha / comparisons / 2, None) / student_quantile(alpha / 2, None)
    down, up = (
        wider * math.hypot(mean - low, most - promise),
        wider * math.hypot(high - mean, promise - least),
    )
    difference = Interval(mean=mean - promise, low=mean - promise - down, high=mean - promise + up)
    if difference.low <= 0 <= difference.high:
        return difference, AS_PROMISED
    return difference, ABOVE if (difference.low > 0) == metric.greater_is_better else BELOW


@dataclass(frozen=True, kw_only=True)
class OfTwoClasses:
    """Whether the probabilities of two classes are right, and of use.

    Attributes:
        slope, intercept: by how much their logits would have to be stretched (1 is right) and,
            unstretched, shifted (0 is right; below it, probabilities are too high; Cox 1958), with
            Wald's intervals. None if one isn't finite, as of rows of one class, or if the
            probabilities separate the classes or don't vary.
        off: fifths of the rows that differ from their probabilities by more than chance, by tests
            that are adjusted for their number (Bonferroni): the lowest, highest and mean
            probability, and the share that was observed.
        net_benefit: the share of rows that are rightly called positive, minus that of wrongly
            called ones at the odds of the `threshold` (Vickers & Elkin 2006); `treating_all`, of
            calling all rows positive.
        gain: net benefit minus that of treating all.
    """

    slope: Estimate | None
    intercept: Estimate | None
    off: tuple[tuple[float, float, float, float], ...]
    threshold: float
    net_benefit: float
    treating_all: float
    gain: Estimate


def of_two_classes(
    y: NDArray[np.integer],
    p: Floats,
    threshold: float,
    *,
    alpha: float = 0.05,
    groups: Ints | None = None,
) -> OfTwoClasses:
    """Return what is known of y, 0 or 1 [row], and p, the probabilities of class 1 [row]. Rows of
    one of the groups [row] may be alike; None if each row stands for itself."""
    slope, intercept = calibration_line(y, p, alpha=alpha, groups=groups)
    off, limit = [], -student_quantile(alpha / _PARTS / 2, None)
    for rows in np.array_split(np.argsort(p, kind="stable"), _PARTS):
        variance = (p[rows] * (1 - p[rows])).sum()
        if groups is not None:
            variance = (np.bincount(groups[rows], y[rows] - p[rows]) ** 2).sum()
        if len(rows) and abs((y[rows] - p[rows]).sum()) > limit * math.sqrt(variance):
            off.append(
                (
                    float(p[rows[0]]),
                    float(p[rows[-1]]),
                    float(p[rows].mean()),
                    float(y[rows].mean()),
                )
            )
    worth = np.where(
        y == 1, 1.0, -threshold / max(1 - threshold, _CLOSE)
    )  # of calling a row positive
    gains = -worth[None] * (p <= threshold)
    gain = paired_hold_out(gains, 0 * gains, groups=groups, alpha=alpha)
    return OfTwoClasses(
        slope=slope,
        intercept=intercept,
        off=tuple(off),
        threshold=threshold,
        net_benefit=float((worth * (p > threshold)).mean()),
        treating_all=float(worth.mean()),
        gain=of_net_benefit(gain, threshold, len(y), alpha=alpha),
    )


def calibration_line(
    y: NDArray[np.integer], p: Floats, *, alpha: float = 0.05, groups: Ints | None = None
) -> tuple[Estimate | None, Estimate | None]:
    """Return slope and intercept of the calibration, as `OfTwoClasses` has them."""
    clipped = np.clip(p, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    logits, ones = np.log(clipped / (1 - clipped)), np.ones(len(y))
    slope = _logistic(np.column_stack([logits, ones]), y, 0 * ones, alpha, groups)
    return slope, None if slope is None else _logistic(ones[:, None], y, logits, alpha, groups)


def of_net_benefit(
    estimate: Estimate, threshold: float, n_rows: int, *, alpha: float, comparisons: int = 1
) -> Estimate:
    """Return a difference in net benefit with one more row of each class in its error, as few rows
    may decide, such as positive ones below a low threshold. Without it 63 of 100 intervals held at
    the lowest threshold, with it 98 (benchmarks/net_benefit.py)."""
    se = math.hypot(estimate.se, 1 / n_rows, threshold / max(1 - threshold, _CLOSE) / n_rows)
    return inference(estimate.mean, se, df=estimate.df, alpha=alpha, comparisons=comparisons)


def _logistic(
    X: Floats, y: NDArray[np.integer], offset: Floats, alpha: float, groups: Ints | None
) -> Estimate | None:
    """Return the first coefficient of a logistic regression by Newton's method; None if it doesn't
    converge. Its error is Wald's, of groups the sandwich's (Liang & Zeger 1986)."""
    beta = np.zeros(X.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(X @ beta + offset, -500, 500)))
        information = X.T @ (X * (p * (1 - p))[:, None])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1 / _CLOSE:
            return None
        step = np.linalg.solve(information, X.T @ (y - p))
        beta = beta + step * min(
            1.0, 2 / float(np.abs(step).max() + _CLOSE)
        )  # longer ones overshoot
        if np.abs(step).max() < _ENOUGH:
            covariance, df = np.linalg.inv(information), None
            if groups is not None:
                sums = np.array([np.bincount(groups, column * (y - p)) for column in X.T])
                df = len(np.unique(groups)) - 1
                covariance = covariance @ sums @ sums.T @ covariance * (df + 1) / df
            return inference(
                float(beta[0]), math.sqrt(covariance[0, 0]), df=df, alpha=alpha, comparisons=1
            )
    return None

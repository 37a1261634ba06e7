"""Scores of out-of-fold predictions with their intervals, each by the way that suits it and the design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from seedbed.data import Task
from seedbed.evaluation import (
    METRICS,
    Estimate,
    FoldAuc,
    Metric,
    corrected_t,
    paired_hold_out,
    prior_loss,
    row_losses,
    row_mean_se,
    score_interval,
    widening,
    wilson,
)
from seedbed.scoring.predictions import Predictions

__all__ = ["SCORES", "Score", "score"]

SCORES: dict[Task, tuple[str, ...]] = {
    task: tuple(name for name, metric in METRICS.items() if task in metric.tasks) for task in get_args(Task)
}
"""What is shown of each candidate, by task."""

Floats = npt.NDArray[np.floating]

_RESAMPLES = ((5_000, 2000), (200_000, 500), (np.inf, 200))
"""Of a bootstrap, up to so many rows. The more rows, the dearer a resample and the narrower the interval: with two
hundred its ends are off by a fifth of a standard error, some 0.0002 of an AUC then."""


@dataclass(frozen=True)
class Score:
    """One score of a candidate.

    Attributes:
        mean: over folds, of the mean over seeds; none where it isn't defined.
        low, high: interval; none where it can't be had.
        fold_sd: standard deviation over the folds of all repeats, of the mean over seeds; none where a fold by itself
            has no such score.
        seed_sd: standard deviation over seeds within a fold, pooled over folds; none for a single seed.
        pooled: whether the folds of a repeat were put together first, as they hold too few rows of a class.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    fold_sd: float | None = None
    seed_sd: float | None = None
    pooled: bool = False

    def as_dict(self) -> dict[str, float | bool | None]:
        return {
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "fold_sd": self.fold_sd,
            "seed_sd": self.seed_sd,
            "pooled": self.pooled,
        }


def score(name: str, found: Predictions, alpha: float) -> Score:
    """One score with its interval at 1 - alpha.

    - A mean over rows: the corrected t over folds; on locked rows the error of rows and seeds; where no verdict is due,
      Wilson's interval for a share.
    - A skill: from the score that it is a skill of, with what the prior costs taken as known; None where that is 0.
    - A function of row weights: a bootstrap of rows (`evaluation.score_interval`), widened by what it misses on the
      Brier score.
    - Any other: no interval.
    """
    metric = METRICS[name]
    if metric.skill_of is not None:
        return _skill(metric.skill_of, found, alpha)
    if metric.row_loss is not None:
        return _row_mean(metric, found, alpha)
    return _of_sets(metric, found, alpha)


def _skill(of: str, found: Predictions, alpha: float) -> Score:
    if found.task == "regression":
        prior = 0.0 if found.target_variance is None else 1.0
    else:
        prior = prior_loss(of, found.target[found.tested], n_classes=found.n_classes)
    if prior < 1e-12:  # the tested rows are of one class, or of one value
        return Score(None)
    error = score(of, found, alpha)
    mean, low, high = (None if value is None else 1 - value / prior for value in (error.mean, error.high, error.low))
    # The prior of classes differs from fold to fold, so a fold has no skill of its own.
    spread = (error.fold_sd, error.seed_sd) if found.task == "regression" else (None, None)
    return Score(mean, low, high, *spread)


def _row_mean(metric: Metric, found: Predictions, alpha: float) -> Score:
    losses = found.losses(metric.name)
    low, high = _loss_interval(metric, found, losses, alpha)
    mean, fold_sd, seed_sd = _spread(losses.reshape(-1, losses.shape[2]))
    if metric.greater_is_better:
        mean, low, high = (None if value is None else 1 - value for value in (mean, high, low))
    return Score(mean, low, high, fold_sd, seed_sd)


def _loss_interval(
    metric: Metric, found: Predictions, losses: Floats, alpha: float
) -> tuple[float | None, float | None]:
    """The interval of a mean loss, within its range."""
    if not np.isfinite(losses).all():
        return None, None
    if found.design.kind == "held_out":
        own = found.row_losses(metric.name)[0][:, found.tested]
        estimate: Estimate = paired_hold_out(own, np.zeros((1, own.shape[1])), groups=found.tested_groups, alpha=alpha)
    elif found.design.has_verdict:
        estimate = corrected_t(losses.mean(axis=2), alpha=alpha)
    else:
        if not metric.percent:
            return None, None
        n = len(found.tested)
        interval = wilson(n * float(losses.mean()), n, alpha=alpha)
        return interval.low, interval.high
    return max(0.0, estimate.low), min(metric.largest_loss(found.task), estimate.high)


def _of_sets(metric: Metric, found: Predictions, alpha: float) -> Score:
    y, sets = found.complete()
    if not len(sets):
        return Score(None)
    if metric.value is not None:
        values = [one for one in (metric.value(y, p) for p in sets) if one is not None]
        return Score(float(np.mean(values)) if values else None)
    interval = score_interval(
        metric.name, y, sets, alpha=alpha, n_resamples=resamples_for(len(y)), widened_by=_widened(found, y, sets)
    )
    value, pooled = interval.value, False
    if metric.by_fold is not None and not found.design.locked_share:
        value, pooled = _by_fold(metric.by_fold, found)
    if value is None or interval.value is None or interval.low is None or interval.high is None:
        return Score(value, pooled=pooled)
    # The resamples pool the folds, where a score within folds doesn't: the distances of their ends are kept.
    low, high = value - interval.value + interval.low, value - interval.value + interval.high
    return Score(value, max(metric.low, low), min(metric.high, high), pooled=pooled)


def resamples_for(n_rows: int) -> int:
    """How many resamples a bootstrap of so many rows has."""
    return next(n for most, n in _RESAMPLES if n_rows <= most)


def _by_fold(by_fold: Callable[..., FoldAuc], found: Predictions) -> tuple[float | None, bool]:
    """The mean over repeats and seeds of a score within folds, and whether folds had to be pooled."""
    values, pooled = [], False
    y = found.target[found.tested]
    for repeat, by_seed in enumerate(found.predictions[:, :, found.tested]):
        folds = np.empty(len(found.target), dtype=np.int64)
        for split in found.splits:
            if split.repeat == repeat:
                folds[split.test] = split.fold
        for p in by_seed:
            if np.isfinite(p).all():
                one = by_fold(y, p.astype(np.float64), folds[found.tested])
                pooled |= one.pooled
                if one.value is not None:
                    values.append(one.value)
    return (float(np.mean(values)) if values else None), pooled


def _widened(found: Predictions, y: npt.NDArray[Any], sets: Floats) -> float:
    """How much wider the true error of the Brier score is than a bootstrap of rows sees."""
    losses = found.losses("brier")
    if found.design.kind != "cross_validation" or not np.isfinite(losses).all():
        return 1.0
    se = row_mean_se(row_losses("brier", np.broadcast_to(y, sets.shape[:2]), sets))
    return widening(se_corrected=corrected_t(losses.mean(axis=2)).se, se_bootstrap=se)


def _spread(values: Floats) -> tuple[float | None, float | None, float | None]:
    """Mean, deviation over folds, deviation over seeds of [fold, seed], NaN where there is no value."""
    there = np.isfinite(values)
    n_seeds = there.sum(1)
    usable = values[n_seeds > 0]
    if not len(usable):
        return None, None, None
    by_fold = np.nanmean(usable, axis=1)
    many = values[n_seeds > 1]
    pooled = float(np.sqrt(np.nanvar(many, axis=1, ddof=1).mean())) if len(many) else None
    return float(by_fold.mean()), float(by_fold.std(ddof=1)) if len(by_fold) > 1 else None, pooled

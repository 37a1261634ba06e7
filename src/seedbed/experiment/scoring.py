"""Scores of out-of-fold predictions with their intervals, each by the way that suits it and the design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data import Task
from seedbed.evaluation import (
    METRICS,
    Estimate,
    corrected_t,
    fold_auc,
    largest_loss,
    paired_hold_out,
    prior_loss,
    row_losses,
    row_mean_se,
    score_interval,
    widening,
    wilson,
)
from seedbed.experiment.predictions import Predictions

__all__ = ["SCORES", "Score", "score"]

_OF_CLASSES = ("accuracy", "balanced_accuracy", "mcc", "roc_auc", "brier", "brier_skill", "log_loss")

SCORES: dict[Task, tuple[str, ...]] = {
    "binary": (*_OF_CLASSES[:4], "pr_auc", *_OF_CLASSES[4:]),
    "multiclass": _OF_CLASSES,
    "regression": ("squared_error", "r2", "mae"),
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

    - A mean over rows (accuracy, brier, log_loss, squared_error, mae): the corrected t over folds; on locked rows the
      error of rows and seeds; where no verdict is due, Wilson's interval for accuracy.
    - brier_skill: from the Brier score, the prior taken as known.
    - r2: 1 - squared_error, the variance of the tested rows taken as known; none where that is 0.
    - balanced_accuracy, mcc, roc_auc: a bootstrap of rows (`evaluation.score_interval`), widened by what it misses on
      the Brier score.
    - pr_auc: no interval; never to choose by.
    """
    if name == "brier_skill":
        brier = score("brier", found, alpha)
        prior = prior_loss("brier", found.target[found.tested], n_classes=found.n_classes)
        if prior < 1e-12:  # the locked rows are of one class
            return Score(None)
        mean, low, high = (
            None if value is None else 1 - value / prior for value in (brier.mean, brier.high, brier.low)
        )
        return Score(mean, low, high)
    if name == "r2":
        if found.target_variance is None:
            return Score(None)
        error = score("squared_error", found, alpha)
        mean, low, high = (None if value is None else 1 - value for value in (error.mean, error.high, error.low))
        return Score(mean, low, high, error.fold_sd, error.seed_sd)
    if METRICS[name].per_row:
        return _row_mean(name, found, alpha)
    return _of_sets(name, found, alpha)


def _row_mean(name: str, found: Predictions, alpha: float) -> Score:
    losses = found.losses(name)
    low, high = _loss_interval(name, found, losses, alpha)
    flip = METRICS[name].greater_is_better
    values = losses.reshape(-1, losses.shape[2])
    mean, fold_sd, seed_sd = _spread(values)
    if flip:
        mean, low, high = (None if value is None else 1 - value for value in (mean, high, low))
    return Score(mean, low, high, fold_sd, seed_sd)


def _loss_interval(name: str, found: Predictions, losses: Floats, alpha: float) -> tuple[float | None, float | None]:
    """The interval of a mean loss, within its range."""
    if not np.isfinite(losses).all():
        return None, None
    if found.design.kind == "held_out":
        own = found.row_losses(name)[0][:, found.tested]
        estimate: Estimate = paired_hold_out(own, np.zeros((1, own.shape[1])), groups=found.tested_groups, alpha=alpha)
    elif found.design.has_verdict:
        estimate = corrected_t(losses.mean(axis=2), alpha=alpha)
    else:
        if name != "accuracy":
            return None, None
        n = len(found.tested)
        interval = wilson(n * float(losses.mean()), n, alpha=alpha)
        return interval.low, interval.high
    return max(0.0, estimate.low), min(largest_loss(name, found.task), estimate.high)


def _of_sets(name: str, found: Predictions, alpha: float) -> Score:
    y, sets = found.complete()
    if not len(sets):
        return Score(None)
    if name == "pr_auc":
        return Score(_pr_auc(y, sets))
    n_resamples = resamples_for(len(y))
    interval = score_interval(name, y, sets, alpha=alpha, n_resamples=n_resamples, widened_by=_widened(found, y, sets))
    value, pooled = interval.value, False
    if name == "roc_auc" and not found.design.locked_share:
        value, pooled = _auc(found)
    if value is None or interval.value is None or interval.low is None or interval.high is None:
        return Score(value, pooled=pooled)
    # The resamples pool the folds, where an AUC within folds doesn't: their distances are carried over.
    bottom, top = (-1.0, 1.0) if name == "mcc" else (0.0, 1.0)
    low, high = value - interval.value + interval.low, value - interval.value + interval.high
    return Score(value, max(bottom, low), min(top, high), pooled=pooled)


def resamples_for(n_rows: int) -> int:
    """How many resamples a bootstrap of so many rows has."""
    return next(n for most, n in _RESAMPLES if n_rows <= most)


def _pr_auc(y: npt.NDArray[Any], sets: Floats) -> float | None:
    from sklearn.metrics import average_precision_score

    return float(np.mean([average_precision_score(y, p) for p in sets])) if y.any() else None


def _auc(found: Predictions) -> tuple[float | None, bool]:
    """The mean over repeats and seeds of the AUC within folds, and whether it had to be pooled over folds."""
    values, pooled = [], False
    y = found.target[found.tested]
    for repeat, by_seed in enumerate(found.predictions[:, :, found.tested]):
        folds = np.empty(len(found.target), dtype=np.int64)
        for split in found.splits:
            if split.repeat == repeat:
                folds[split.test] = split.fold
        for p in by_seed:
            if np.isfinite(p).all():
                one = fold_auc(y, p.astype(np.float64), folds[found.tested])
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

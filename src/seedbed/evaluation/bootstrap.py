"""Intervals of scores that are no mean over rows: resample rows, then widen by what the bootstrap can't see.

A bootstrap of out-of-fold predictions keeps the trained networks fixed, so it misses that other training rows would
have given other networks. The widening measures that on the primary score, where both errors are known, and
carries it over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.estimates import student_quantile
from seedbed.evaluation.losses import class_codes
from seedbed.evaluation.ranking import auc_influence, multiclass_auc
from seedbed.evaluation.weighted import RowScore, row_score

__all__ = ["row_mean_se", "score_interval", "widening"]

Floats = NDArray[np.float64]

# Weights of a block of resamples: small enough for the cache, which makes it three times as fast as a block of 2e6.
_CELLS_AT_ONCE = 50_000


@dataclass(frozen=True)
class BootstrapInterval:
    """A score with its bootstrap interval, None where the score isn't defined on these rows.

    Attributes:
        value: the score of the rows themselves.
        low, high: percentile interval, its distances from the value multiplied by `widened_by`.
        se: standard deviation over the resamples, before widening.
        widened_by: the factor used, at least 1.
        n_undefined: resamples in which the score wasn't defined (a class was not drawn); they are left out.
    """

    value: float | None
    low: float | None
    high: float | None
    se: float | None
    widened_by: float
    n_undefined: int


def resample_weights(n_rows: int, *, n_resamples: int, random_state: int) -> Iterator[NDArray[np.float64]]:
    """How often each row is drawn, [resample, row], in blocks that fit the cache; each row of it sums to n_rows."""
    rng = np.random.default_rng(random_state)
    block = max(1, min(n_resamples, _CELLS_AT_ONCE // n_rows))
    for start in range(0, n_resamples, block):
        count = min(block, n_resamples - start)
        drawn = rng.integers(n_rows, size=(count, n_rows)) + np.arange(count)[:, None] * n_rows
        yield np.bincount(drawn.ravel(), minlength=count * n_rows).reshape(count, n_rows).astype(np.float64)


def bootstrap_interval(
    score: RowScore,
    n_rows: int,
    *,
    alpha: float = 0.05,
    n_resamples: int = 2000,
    widened_by: float = 1.0,
    random_state: int = 0,
) -> BootstrapInterval:
    """The percentile interval (Efron & Tibshirani 1993, ch. 13) of any score of rows, widened about the value.

    Args:
        score: weights [resample, row] -> values [resample], NaN where undefined; see `weighted.row_score`.
        widened_by: from `widening`; 1 leaves the interval as it is.

    Raises:
        ValueError: no rows, or widened_by below 1.
    """
    if n_rows < 1 or n_resamples < 2 or not widened_by >= 1:
        raise ValueError(f"needs rows, resamples and widened_by >= 1; got {n_rows}, {n_resamples}, {widened_by}")
    value = float(score(np.ones((1, n_rows)))[0])
    blocks = resample_weights(n_rows, n_resamples=n_resamples, random_state=random_state)
    values = np.concatenate([score(weights) for weights in blocks])
    defined = values[np.isfinite(values)]
    n_undefined = n_resamples - len(defined)
    if not np.isfinite(value) or len(defined) < 2:
        return BootstrapInterval(None, None, None, None, widened_by, n_undefined)
    low, high = np.quantile(defined, [alpha / 2, 1 - alpha / 2])
    return BootstrapInterval(
        value=value,
        low=float(value + widened_by * min(low - value, 0.0)),
        high=float(value + widened_by * max(high - value, 0.0)),
        se=float(defined.std(ddof=1)),
        widened_by=widened_by,
        n_undefined=n_undefined,
    )


def widening(*, se_corrected: float, se_bootstrap: float) -> float:
    """max(1, SE_corrected / SE_bootstrap), both of the primary score of the same candidate; 1 where neither spreads."""
    return max(1.0, se_corrected / se_bootstrap) if se_bootstrap > 0 else 1.0


def row_mean_se(losses: ArrayLike) -> float:
    """The bootstrap standard error of a mean over rows, in closed form: sd(ddof 0) / sqrt(n).

    Args:
        losses: [..., row]; leading axes (repeat, seed) are averaged first, so all of a row's values stay together.
    """
    values = np.asarray(losses, dtype=np.float64)
    rows = values.reshape(-1, values.shape[-1]).mean(axis=0)
    return float(rows.std() / np.sqrt(rows.size))


def score_interval(
    name: str,
    y: ArrayLike,
    p: ArrayLike,
    *,
    alpha: float = 0.05,
    n_resamples: int = 2000,
    widened_by: float = 1.0,
    random_state: int = 0,
) -> BootstrapInterval:
    """`bootstrap_interval` of a score by name; arguments as `weighted.row_score`, clipped to the score's range.

    The ROC AUC of several classes has a normal interval by the infinitesimal jackknife (`ranking.auc_influence`), which
    stands for the bootstrap where that would take minutes.

    Args:
        name: for example roc_auc, mcc or balanced_accuracy.
        y: [row]. p: [prediction, row] or [prediction, row, class].

    Raises:
        OptionError: a name without a weighted score.
        ValueError: the shapes don't fit.
    """
    if name == "roc_auc" and np.ndim(p) == 3 and np.shape(p)[2] > 2:
        found = _auc_interval(np.asarray(y), np.asarray(p, dtype=np.float64), alpha, widened_by)
    else:
        found = bootstrap_interval(
            row_score(name, y, p),
            np.asarray(y).size,
            alpha=alpha,
            n_resamples=n_resamples,
            widened_by=widened_by,
            random_state=random_state,
        )
    bottom, top = _RANGES.get(name, (-np.inf, np.inf))
    if found.low is None or found.high is None:
        return found
    return BootstrapInterval(
        found.value, max(found.low, bottom), min(found.high, top), found.se, found.widened_by, found.n_undefined
    )


def _auc_interval(y: NDArray[Any], p: Floats, alpha: float, widened_by: float) -> BootstrapInterval:
    """The mean AUC over prediction sets [prediction, row, class]; not defined where a class has no row."""
    codes = class_codes(y, n_classes=p.shape[2])
    if (np.bincount(codes, minlength=p.shape[2]) == 0).any():
        return BootstrapInterval(None, None, None, None, widened_by, 0)
    value = float(np.mean([multiclass_auc(codes, one) for one in p]))
    influence = np.mean([auc_influence(codes, one) for one in p], axis=0)
    se = float(np.sqrt((influence**2).sum()))
    half = student_quantile(1 - alpha / 2, None) * se * widened_by
    return BootstrapInterval(value, value - half, value + half, se, widened_by, 0)


_RANGES = {
    "accuracy": (0.0, 1.0),
    "balanced_accuracy": (0.0, 1.0),
    "roc_auc": (0.0, 1.0),
    "mcc": (-1.0, 1.0),
    "brier": (0.0, np.inf),
    "log_loss": (0.0, np.inf),
    "squared_error": (0.0, np.inf),
    "mae": (0.0, np.inf),
    "brier_skill": (-np.inf, 1.0),
}

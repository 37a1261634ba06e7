"""Intervals of scores that aren't a mean over rows: resample rows, then widen by what the bootstrap
misses.

A bootstrap of out-of-fold predictions keeps the trained networks fixed. It misses that other
training rows would have given other networks. The widening is measured on the primary score, where
both errors are known.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.classification import RowScore
from seedbed.evaluation.estimates import Interval, student_quantile
from seedbed.evaluation.metrics import METRICS
from seedbed.typing import Floats, Ints

# Weights of a block of resamples: small enough for the cache, which makes it three times as fast as
# a block of 2e6.
_CELLS_AT_ONCE = 50_000
_CELLS_KEPT = 2_000_000
_FEWEST_FOR_QUANTILES = 200


def resample_weights(
    n_rows: int, *, n_resamples: int, groups: Ints | None = None
) -> Iterable[Floats]:
    """Return how often each row is drawn, [resample, row], in blocks that fit the cache. The last
    weights of a small table are kept: all scores of all candidates need the same.
    """
    if groups is not None:
        of_row = np.unique(groups, return_inverse=True)[1]
        whole = resample_weights(int(of_row.max()) + 1, n_resamples=n_resamples)
        parts = (
            np.array_split(block, -(-len(block) * n_rows // _CELLS_AT_ONCE))
            for block in whole
        )
        return (part[:, of_row] for of_block in parts for part in of_block if len(part))
    draw = _kept_weights if n_rows * n_resamples <= _CELLS_KEPT else _weights
    return draw(n_rows, n_resamples)


@functools.lru_cache(maxsize=1)
def _kept_weights(n_rows: int, n_resamples: int) -> list[NDArray[np.float64]]:
    return list(_weights(n_rows, n_resamples))


def _weights(n_rows: int, n_resamples: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    block = max(1, min(n_resamples, _CELLS_AT_ONCE // n_rows))
    for start in range(0, n_resamples, block):
        count = min(block, n_resamples - start)
        row_numbers = (
            rng.integers(n_rows, size=(count, n_rows))
            + np.arange(count)[:, None] * n_rows
        )
        yield (
            np.bincount(row_numbers.ravel(), minlength=count * n_rows)
            .reshape(count, n_rows)
            .astype(np.float64)
        )


def bootstrap_interval(
    score: RowScore,
    n_rows: int,
    groups: Ints | None,
    *,
    alpha: float = 0.05,
    n_resamples: int,
    widened_by: float = 1.0,
) -> Interval | None:
    """Return the percentile interval (Efron & Tibshirani 1993, ch. 13) of a score of rows, widened
    about the value; with fewer than 200 resamples the normal interval with their standard
    deviation. None if it isn't defined on these rows.

    Args:
        score: weights [resample, row] -> values [resample], NaN where undefined; see
            `Metric.weighted`.
        groups: [row]; rows of one group are drawn together. None if each row stands for itself.
        widened_by: factor of the interval's width; 1 leaves it as it is.
    """
    value = float(score(np.ones((1, n_rows)))[0])
    blocks = resample_weights(n_rows, n_resamples=n_resamples, groups=groups)
    values = np.concatenate([score(weights) for weights in blocks])
    defined = values[np.isfinite(values)]
    if not np.isfinite(value) or len(defined) < 2:
        return None
    if n_resamples < _FEWEST_FOR_QUANTILES:
        half = student_quantile(1 - alpha / 2, None) * float(defined.std(ddof=1))
        return Interval(
            mean=value, low=value - widened_by * half, high=value + widened_by * half
        )
    low, high = np.quantile(defined, [alpha / 2, 1 - alpha / 2])
    below = min(low - value, 0.0)
    above = max(high - value, 0.0)
    return Interval(
        mean=value,
        low=float(value + widened_by * below),
        high=float(value + widened_by * above),
    )


def row_mean_se(losses: ArrayLike, groups: Ints | None = None) -> float:
    """Return the bootstrap standard error of a mean over rows, in closed form: sd(ddof 0) /
    sqrt(n).

    Args:
        losses: [..., row]; leading axes (repeat, seed) are averaged first, so all of a row's values
            stay together.
    """
    values = np.asarray(losses, dtype=np.float64)
    rows = values.reshape(-1, values.shape[-1]).mean(axis=0)
    of_row = (
        np.arange(rows.size)
        if groups is None
        else np.unique(groups, return_inverse=True)[1]
    )
    return float(
        np.linalg.norm(np.bincount(of_row, weights=rows - rows.mean())) / rows.size
    )


def score_interval(
    name: str,
    y: NDArray[Any],
    p: Floats,
    *,
    groups: Ints | None = None,
    alpha: float = 0.05,
    n_resamples: int = 2000,
    widened_by: float = 1.0,
) -> Interval | None:
    """Return the `bootstrap_interval` of a score that is a function of row weights, clipped to the
    score's range.

    The ROC AUC of several classes has a normal interval by the infinitesimal jackknife
    (`Metric.influence`), because a bootstrap would take minutes.

    Args:
        name: for example roc_auc, mcc or balanced_accuracy.
        y: class codes [row].
        p: finite [prediction, row] or [prediction, row, class], one set of out-of-fold predictions
            for each (repeat, seed).
    """
    score = METRICS[name]
    codes = y.astype(np.intp)
    interval: Interval | None
    if score.influence is None or p.ndim == 2:
        assert score.weighted is not None
        level: dict[str, Any] = {
            "alpha": alpha,
            "n_resamples": n_resamples,
            "widened_by": widened_by,
        }
        interval = bootstrap_interval(score.weighted(codes, p), y.size, groups, **level)
    elif (np.bincount(codes, minlength=p.shape[2]) == 0).any():  # a class has no row
        interval = None
    else:
        values, influences = zip(
            *(score.influence(codes, shares) for shares in p), strict=True
        )
        value = float(np.mean(values))
        se = y.size * row_mean_se(influences, groups)
        half = student_quantile(1 - alpha / 2, None) * se * widened_by
        interval = Interval(mean=value, low=value - half, high=value + half)
    if interval is None:
        return None
    return replace(
        interval, low=max(interval.low, score.low), high=min(interval.high, score.high)
    )

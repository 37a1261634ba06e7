"""Paired differences from repeated k-fold cross-validation: the corrected t, Holm, and where the spread comes from.

The folds share training rows, so their differences are correlated: a plain t-test over them calls luck a winner in half
of all data sets. The correction below widens the standard error, and k - 1 degrees of freedom keep the bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.estimates import Estimate, inference

__all__ = ["corrected_t", "holm", "more_repeats_ratio", "variance_shares"]


@dataclass(frozen=True, kw_only=True)
class CorrectedT(Estimate):
    """An `Estimate` by the corrected resampled t.

    Attributes:
        sd: standard deviation of the differences over all (repeat, fold), ddof 1, units of the loss.
        repeats, folds: the shape that it was computed from.
    """

    sd: float
    repeats: int
    folds: int


def corrected_t(
    differences: ArrayLike,
    *,
    alpha: float = 0.05,
    comparisons: int = 1,
    n_test_over_n_train: float | None = None,
    df: int | None = None,
) -> CorrectedT:
    """The mean difference over repeated k-fold cross-validation with an interval that knows the folds overlap.

    SE = s sqrt(1/N + n_test/n_train), N = repeats x folds, s with ddof 1 (Nadeau & Bengio 2003); for k-fold
    n_test/n_train = 1/(k-1). Student's t with k - 1 degrees of freedom (Bouckaert 2003), not N - 1 as in several tools.
    Average over seeds *inside* each fold before calling this: seeds are not data.
    Given one candidate's mean losses instead of differences, it is the interval of that loss.

    Args:
        differences: [repeat, fold], loss of the reference minus loss of the candidate, mean over the fold's test rows.
        alpha: two-sided error level of all comparisons together.
        comparisons: number of simultaneous intervals; each is at 1 - alpha / comparisons.
        n_test_over_n_train: test rows over training rows of a split; None means 1/(k-1).
        df: degrees of freedom; None means k - 1.

    Raises:
        ValueError: not a [repeat, fold] array with at least two folds, or a value isn't finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise ValueError(f"differences must be [repeat, fold] with at least 2 folds; got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("differences must be finite")
    repeats, folds = values.shape
    ratio = 1 / (folds - 1) if n_test_over_n_train is None else n_test_over_n_train
    mean, sd = float(values.mean()), _sd(values)
    se = sd * math.sqrt(1 / values.size + ratio)
    found = inference(mean, se, df=folds - 1 if df is None else df, alpha=alpha, comparisons=comparisons)
    return CorrectedT(
        **found,
        sd=sd,
        repeats=repeats,
        folds=folds,
    )


def _sd(values: NDArray[np.float64]) -> float:
    """Standard deviation, ddof 1; exactly 0 for a constant array, which rounding in the mean would deny."""
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0
    return float(values.std(ddof=1))


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given; [comparison] -> [comparison].

    The i-th smallest of m is multiplied by m - i + 1, made non-decreasing, and capped at 1.

    Raises:
        ValueError: not one-dimensional, or a value lies outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must be a one-dimensional array of numbers in [0, 1]")
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def more_repeats_ratio(repeats: int, folds: int) -> float:
    """What is left of the corrected standard error after infinitely many repeats: SE_inf / SE.

    sqrt((1/(k-1)) / (1/N + 1/(k-1))) with N = repeats x folds, from the formula of `corrected_t`. .958 at 10 x 10:
    more repeats are almost never the answer; rows are.
    """
    if repeats < 1 or folds < 2:
        raise ValueError(f"at least 1 repeat and 2 folds are needed; got {repeats} and {folds}")
    overlap = 1 / (folds - 1)
    return math.sqrt(overlap / (1 / (repeats * folds) + overlap))


@dataclass(frozen=True)
class VarianceShares:
    """Where the spread of a (paired) loss comes from.

    Attributes:
        rows, seeds: shares of the variance of a fold's value (already averaged over its seeds), which is what the
            interval is made of; they add up to 1. None where there is no spread at all or only one seed.
        variance_rows: between-split variance component, clipped at 0, units of the loss squared.
        variance_seeds: variance of one seed's value within a split, same units; None with one seed.
    """

    rows: float | None
    seeds: float | None
    variance_rows: float
    variance_seeds: float | None


def variance_shares(values: ArrayLike) -> VarianceShares:
    """How much of the uncertainty comes from which rows one has, how much from seeds.

    One-way random effects with seeds nested in splits, unbiased components (Searle, Casella & McCulloch 1992, ch. 3):
    seeds = mean over splits of the variance over seeds; rows = variance of the split means - seeds / S, clipped at 0.
    The shares are rows : seeds / S, since the interval uses means over S seeds.

    Args:
        values: [split, seed], a loss or a paired difference of losses.

    Raises:
        ValueError: not [split, seed] with at least two splits, or a value isn't finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1 or not np.isfinite(array).all():
        raise ValueError(f"values must be finite [split, seed] with at least 2 splits; got shape {array.shape}")
    n_seeds = array.shape[1]
    between = _sd(array.mean(axis=1)) ** 2
    if n_seeds < 2:
        return VarianceShares(rows=None, seeds=None, variance_rows=between, variance_seeds=None)
    within = float(np.mean([_sd(split) ** 2 for split in array]))
    of_rows = max(0.0, between - within / n_seeds)
    total = of_rows + within / n_seeds
    if total == 0:
        return VarianceShares(rows=None, seeds=None, variance_rows=0.0, variance_seeds=0.0)
    return VarianceShares(
        rows=of_rows / total, seeds=within / n_seeds / total, variance_rows=of_rows, variance_seeds=within
    )

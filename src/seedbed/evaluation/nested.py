"""The nested cross-validation interval of a paired difference (Bates, Hastie & Tibshirani 2023).

k times more trainings than cross-validation and hundreds of repeats buy an estimate of the mean squared error of the
cross-validated difference itself, instead of a correction that must fit all learners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.estimates import Estimate, inference

__all__ = ["nested_interval"]


@dataclass(frozen=True, kw_only=True)
class NestedInterval(Estimate):
    """An `Estimate` by nested cross-validation; normal, so df is None. Its mean is corrected for bias.

    Attributes:
        inner_mean: mean of the inner differences, from training sets of n(k-2)/k rows.
        outer_mean: mean of the outer differences, from training sets of n(k-1)/k rows.
        bias: what was subtracted from inner_mean.
        mse: the estimated mean squared error before clipping; can be negative.
        inflation: se over the naive standard error s_in / sqrt(n), between 1 and sqrt(k).
        repeats, folds: the shape that it was computed from.
    """

    inner_mean: float
    outer_mean: float
    bias: float
    mse: float
    inflation: float
    repeats: int
    folds: int


def nested_interval(
    outer: ArrayLike, inner: ArrayLike, folds: ArrayLike, *, alpha: float = 0.05, comparisons: int = 1
) -> NestedInterval:
    """The difference between two learners trained on all n rows, with its nested cross-validation interval.

    In each repeat the rows fall into k folds. For each pair of folds {i, j} both learners are trained without either;
    that one training predicts the rows of i (for outer fold j) and of j (for outer fold i).

    a = (inner mean of outer fold j - outer mean of fold j)^2, b = variance of the outer differences in fold j / its
    rows, MSE = (k-1)/k mean(a - b), SE = sqrt(max(MSE, 0)) clipped to [1, sqrt(k)] x s_in / sqrt(n),
    bias = (1 + (k-2)/k)(Err_ncv - Err_cv), estimate = Err_ncv - bias (Bates, Hastie & Tibshirani 2023, JASA;
    s_in is the deviation of all inner differences). Use at least a hundred repeats: a and b are noisy.

    Args:
        outer: [repeat, row], loss of the reference minus loss of the candidate, mean over seeds, both trained without
            the row's own fold.
        inner: [repeat, fold, row], the same, both trained without `fold` and without the row's own fold; entries where
            the row lies in `fold` itself are not used and may be NaN.
        folds: [repeat, row], integers 0..k-1, each row's fold.
        alpha, comparisons: the interval is at 1 - alpha / comparisons.

    Raises:
        ValueError: the shapes don't agree, a fold has fewer than 2 rows, k is below 3, or a used value isn't finite.
    """
    d_out, d_in, fold = np.asarray(outer, np.float64), np.asarray(inner, np.float64), np.asarray(folds, np.intp)
    n_folds = _checked(d_out, d_in, fold)
    repeats, n_rows = d_out.shape
    member = fold[:, None, :] == np.arange(n_folds)[None, :, None]
    size = member.sum(axis=2)
    if size.min() < 2:
        raise ValueError("every fold needs at least 2 rows")
    used = d_in[~member]
    if not (np.isfinite(used).all() and np.isfinite(d_out).all()):
        raise ValueError("differences must be finite")
    spread = d_out[:, None, :]
    out_mean = np.where(member, spread, 0.0).sum(axis=2) / size
    out_var = np.where(member, (spread - out_mean[:, :, None]) ** 2, 0.0).sum(axis=2) / (size - 1)
    in_mean = np.where(member, 0.0, d_in).sum(axis=2) / (n_rows - size)
    mse = (n_folds - 1) / n_folds * float(np.mean((in_mean - out_mean) ** 2 - out_var / size))
    naive = 0.0 if np.ptp(used) == 0 else float(used.std(ddof=1)) / math.sqrt(n_rows)
    se = float(np.clip(math.sqrt(max(mse, 0.0)), naive, naive * math.sqrt(n_folds)))
    inner_mean, outer_mean = float(used.mean()), float(d_out.mean())
    bias = (1 + (n_folds - 2) / n_folds) * (inner_mean - outer_mean)
    found = inference(inner_mean - bias, se, df=None, alpha=alpha, comparisons=comparisons)
    return NestedInterval(
        **found,
        inner_mean=inner_mean,
        outer_mean=outer_mean,
        bias=bias,
        mse=mse,
        inflation=se / naive if naive > 0 else 1.0,
        repeats=repeats,
        folds=n_folds,
    )


def _checked(outer: NDArray[np.float64], inner: NDArray[np.float64], folds: NDArray[np.intp]) -> int:
    """The number of folds, once the three shapes agree."""
    if outer.ndim != 2 or inner.ndim != 3 or inner.shape[::2] != outer.shape or folds.shape != outer.shape:
        raise ValueError(
            "outer must be [repeat, row], inner [repeat, fold, row], folds [repeat, row]; "
            f"got {outer.shape}, {inner.shape}, {folds.shape}"
        )
    n_folds: int = inner.shape[1]
    if n_folds < 3 or folds.min() < 0 or folds.max() >= n_folds:
        raise ValueError(f"folds must be 0..k-1 with k = {n_folds} >= 3; got {folds.min()}..{folds.max()}")
    return n_folds

"""Means, deviations and medians of training rows."""

from __future__ import annotations

import numpy as np

from seedbed.errors import TargetError
from seedbed.typing import Floats

_FARTHEST = 1e30  # of the usual distance from the median; float32 holds 3e38


def moments(rows: Floats) -> tuple[Floats, Floats]:
    """Return mean and population deviation [column]; the deviation is exactly 0 for a constant column.

    Two traps: the deviation of a constant like 0.1 would be 1e-17, so constancy is tested separately. And squares of
    1e200 overflow, so columns are first scaled near 1 by a power of two, which changes no digit.
    """
    rows = np.asarray(rows, dtype=np.float64)
    low, high = rows.min(axis=0), rows.max(axis=0)
    _, exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))
    near_one = np.ldexp(rows, -exponent)
    mean = np.ldexp(near_one.mean(axis=0), exponent)
    deviation = np.ldexp(near_one.std(axis=0), exponent)
    return np.where(low == high, low, mean), np.where(low == high, 0.0, deviation)


def medians_of(numbers: Floats) -> Floats:
    """Return medians of the filled cells [column] of numbers [row, column]; NaN if there is none."""
    medians = np.full(numbers.shape[1], np.nan)
    for column, values in enumerate(numbers.T):
        if n_filled := len(values) - int(np.isnan(values).sum()):
            ordered = np.sort(values)  # missing cells come last
            below, above = ordered[(n_filled - 1) // 2], ordered[n_filled // 2]
            medians[column] = below if below == above else below / 2 + above / 2  # halved first: a sum could overflow
    return medians


def target_moments(target: Floats) -> tuple[float, float]:
    """Return mean and population deviation of a numeric target [row], by which it is standardised; 1 for the deviation
    of a constant.

    Raises:
        TargetError: its sizes differ so much that float32 can't hold them.
    """
    mean, deviation = (float(part[0]) for part in moments(np.asarray(target)[:, None]))
    with np.errstate(over="ignore"):
        distances = np.abs(target - np.median(target))
    others = distances[distances > 0]
    usual = np.quantile(others, 0.75, method="lower") if len(others) else 0.0
    if not np.isfinite(distances).all() or distances.max() > _FARTHEST * usual:
        raise TargetError(
            "the target's values differ too much in size for float32",
            "Look for a wrong cell in it, or take its logarithm.",
        )
    return mean, deviation or 1.0

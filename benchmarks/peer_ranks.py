"""Ranks of methods over tables, and how far apart mean ranks must lie.

Source: J. Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006) 1-30.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, studentized_range


def mean_ranks(values: ArrayLike, *, low_is_good: bool) -> NDArray[np.float64]:
    """From values [table, method] to mean ranks [method]; 1 is the best, and equal ones share their ranks' mean."""
    values = np.asarray(values, dtype=np.float64)
    return rankdata(values if low_is_good else -values, axis=1).mean(axis=0)


def critical_difference(n_methods: int, n_tables: int, level: float = 0.05) -> float:
    """Nemenyi's: mean ranks farther apart than this differ at the level, whichever two of the methods they are of."""
    q = studentized_range.ppf(1 - level, n_methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_methods * (n_methods + 1) / (6 * n_tables)))

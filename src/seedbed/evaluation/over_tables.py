"""Several tables at once: signed ranks over tables, mean ranks, and the critical difference between them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["critical_difference", "mean_ranks", "rank_groups", "signed_rank"]


def signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the exact two-sided p-value of Wilcoxon's signed-rank test (1945), and which side outweighs the other.

    Zeros are left out. Ties get their mean rank, and the distribution is that of the ranks as they are, over all signs.
    With n tables p can't be below 2^(1-n).

    Args:
        differences: [table].

    Returns:
        p, and the ranks of positive differences minus those of negative ones as a share of all, from -1 to 1.

    Raises:
        ValueError: not [table], or a difference isn't finite.
    """
    from scipy.stats import rankdata

    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"differences must be finite [table]; got shape {values.shape}")
    values = values[values != 0]
    doubled = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)
    total = int(doubled.sum())
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in doubled.tolist():
        shifted = np.zeros(total + 1)
        shifted[rank:] = chances[: total + 1 - rank]
        chances = (chances + shifted) / 2
    positive = int(doubled[values > 0].sum())
    smaller = min(positive, total - positive)
    balance = (2 * positive - total) / total if total else 0.0
    return min(1.0, 2 * float(chances[: smaller + 1].sum())), balance


def mean_ranks(losses: ArrayLike) -> list[float]:
    """Return the mean rank of each candidate; [table, candidate] -> [candidate]. 1 is the best; ties share their ranks.

    Raises:
        ValueError: not [table, candidate], or a loss isn't finite.
    """
    from scipy.stats import rankdata

    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"losses must be finite [table, candidate]; got shape {values.shape}")
    ranks: list[float] = rankdata(values, axis=1).mean(axis=0).tolist()
    return ranks


def critical_difference(n_candidates: int, n_tables: int, *, alpha: float = 0.05) -> float:
    """Return by how much two mean ranks must differ for Nemenyi's test (Demsar 2006): q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentized range for k candidates and infinitely many degrees of freedom, over sqrt(2).
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - alpha, n_candidates, np.inf)) / math.sqrt(2)
    return q * math.sqrt(n_candidates * (n_candidates + 1) / (6 * n_tables))


def rank_groups(ranks: ArrayLike, difference: float) -> list[list[int]]:
    """Return the largest groups of candidates whose mean ranks lie closer than a difference, at least two in each."""
    values = np.asarray(ranks, dtype=np.float64)
    order = np.argsort(values, kind="stable").tolist()
    groups: list[list[int]] = []
    for first in range(len(order)):
        group = [one for one in order[first:] if values[one] - values[order[first]] < difference]
        if len(group) > 1 and not any(set(group) <= set(other) for other in groups):
            groups.append(group)
    return groups

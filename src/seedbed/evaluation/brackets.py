"""Which places of a ranking can't be told apart: they stand in one bracket, so that no order is read into luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.resampled import holm

__all__ = ["brackets", "separations"]


def brackets(separated: ArrayLike) -> tuple[tuple[int, int], ...]:
    """The maximal runs of neighbouring places in which no two candidates are told apart.

    Places without a bracket are told apart from both neighbours. A place may stand in several brackets: not being told
    apart is no equality, and the ends of a chain may well differ.

    Args:
        separated: [rank, rank] bool, symmetric, False on the diagonal: whether the candidates at two places differ.

    Returns:
        (first, last) of each run, both included, at least two places long, in order; none lies within another.

    Raises:
        ValueError: not such a table.
    """
    table = np.asarray(separated, dtype=bool)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table != table.T).any() or table.diagonal().any():
        raise ValueError(f"separated must be symmetric [rank, rank], False on the diagonal; got shape {table.shape}")
    found: list[tuple[int, int]] = []
    first = 0
    for place in range(len(table)):
        start = first
        while table[start:place, place].any():
            start += 1
        if start > first and place - 1 > first:
            found.append((first, place - 1))
        first = start
    if len(table) - 1 > first:
        found.append((first, len(table) - 1))
    return tuple(found)


def separations(p_values: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Which pairs of candidates differ, by Holm's adjustment over all pairs (Holm 1979); [rank, rank] -> [rank, rank].

    Args:
        p_values: [rank, rank], symmetric, two-sided p-value of "these two are alike", not adjusted; the diagonal isn't
            looked at.
        alpha: error level of all pairs together; a pair differs where its adjusted p-value is below.

    Raises:
        ValueError: not such a table, a p-value outside [0, 1], or alpha outside (0, 1).
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 2 or p.shape[0] != p.shape[1]:
        raise ValueError(f"p-values must be [rank, rank]; got shape {p.shape}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1); got {alpha}")
    upper = np.triu_indices(len(p), k=1)
    if not np.array_equal(p[upper], p.T[upper], equal_nan=True):
        raise ValueError("p-values must be symmetric")
    separated = np.zeros(p.shape, dtype=bool)
    separated[upper] = holm(p[upper]) < alpha
    return separated | separated.T

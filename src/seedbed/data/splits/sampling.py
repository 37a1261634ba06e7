"""A sample of a table's rows, for a first look."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sample_rows"]

_FEWEST_OF_A_CLASS = 20  # as far as there are so many: fewer can't be divided into folds
_STRATA = 10  # of a target of numbers, by its quantiles


def sample_rows(
    target: NDArray[Any], n_rows: int, *, random_state: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the numbers of about `n_rows` rows, in ascending order, drawn at random and stratified by the target.

    Rows are taken in proportion to the classes, and at least 20 of each class as far as it has so many. A target of
    numbers is divided into tenths. Groups are taken whole, each counted with the target of its first row. Times play no
    part, so the sample covers the same period as the table.

    Args:
        target: class codes or numbers [row].
        groups: [row]; each row is a group of its own if left out.
    """
    if n_rows >= len(target):
        return np.arange(len(target))
    strata = target
    if target.dtype.kind == "f":
        strata = np.searchsorted(np.quantile(target, np.arange(1, _STRATA) / _STRATA), target)
    _, first, group, size = np.unique(
        np.arange(len(target)) if groups is None else groups, return_index=True, return_inverse=True, return_counts=True
    )
    of_group = strata[first]
    drawn = np.random.default_rng(random_state).permutation(len(first))
    taken = np.zeros(len(first), dtype=np.bool_)
    for stratum in np.unique(of_group):
        own = drawn[of_group[drawn] == stratum]
        before = np.cumsum(size[own]) - size[own]
        total = int(size[own].sum())
        least = 0 if target.dtype.kind == "f" else min(_FEWEST_OF_A_CLASS, total)
        taken[own[before < max(least, round(total * n_rows / len(target)))]] = True
    return np.flatnonzero(taken[group])

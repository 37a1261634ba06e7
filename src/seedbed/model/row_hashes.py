"""Hashes of the training rows, by which a model knows them again. They hold no cell, but say of a
row that someone has whether the model was trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.training.tree_growth import splitmix64
from seedbed.typing import Floats

MOST_HASHES = 1 << 18
"""Of longer tables, and where more than one row in a hundred equals another, a model keeps none:
new rows would equal training rows by chance."""

Hashes = NDArray[np.int32]


def row_hashes(
    columns: Sequence[Floats], target: NDArray[Any], *others: NDArray[Any] | None
) -> Hashes:
    """Return a hash of each row [row]: its columns as a `Column` has them, its target, and others,
    if there are any."""
    state = np.zeros(len(target), dtype=np.uint64)
    for column in (*columns, target, *(other for other in others if other is not None)):
        values = np.asarray(column, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
        values[np.isnan(values)] = np.nan  # one of the many
        state = splitmix64(state ^ values.view(np.uint64))
    return (state >> np.uint64(32)).astype(np.uint32).view(np.int32)


def kept_hashes(hashes: Hashes) -> Hashes | None:
    """Return what a model keeps of the hashes of its training rows, ascending; None if it keeps
    none."""
    different = np.unique(hashes)
    return (
        different if len(hashes) <= MOST_HASHES and len(different) >= 0.99 * len(hashes) else None
    )

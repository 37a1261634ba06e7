"""Rows and targets as a user gives them, looked at before they become a table."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length

from seedbed.data import MemoryColumns
from seedbed.errors import DataError
from seedbed.typing import Floats

__all__ = ["named", "unless_equal", "weighted_rows", "word_in"]


def weighted_rows(
    columns: MemoryColumns, target: NDArray[Any], sample_weight: ArrayLike | None
) -> tuple[MemoryColumns, NDArray[Any], Floats]:
    """Rows with a weight above zero, their targets and their weights [row]: a row that counts nothing isn't there.

    Raises:
        DataError: weights are negative, or less than two rows are left.
    """
    weights = np.ones(len(target))
    if sample_weight is not None:
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if weights.ndim != 1:
            raise DataError(f"sample_weight has shape {weights.shape}, not [row]", "Give one weight a row.")
        check_consistent_length(target, weights)
    if (weights < 0).any() or not (weights > 0).any():
        raise DataError("sample_weight is negative, or zero in every row", "Give what each row counts, from 0 up.")
    kept = weights > 0
    if np.count_nonzero(kept) < 2:
        raise DataError("there is only 1 sample", "Networks learn from two rows at least.")
    if kept.all():
        return columns, target, weights
    arrays = tuple(array[kept] for array in columns.arrays)
    return dataclasses.replace(columns, arrays=arrays), target[kept], weights[kept]


def word_in(y: Any) -> str | None:
    """The first of a target's cells that is a text and no number; none where there is none."""
    if getattr(getattr(y, "dtype", None), "kind", "O") in "biuf":
        return None  # numbers, of which there may be millions
    for cell in np.asarray(y, dtype=object).ravel():
        if isinstance(cell, str):
            try:
                float(cell)
            except ValueError:
                return cell
    return None


def unless_equal(weights: Floats) -> Floats | None:
    """Weights with a mean of 1, as float32 has no room for tiny ones; none where all are equal."""
    return None if (weights == weights[0]).all() else weights / weights.mean()


def named(y: Any) -> dict[str, str]:
    """What a series calls the target."""
    name = getattr(y, "name", None)
    return {"target_name": name} if isinstance(name, str) and name else {}

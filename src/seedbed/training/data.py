"""The rows that a stack trains on: one table, shared by all networks, and the weights of each
split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data.sources.memory import as_array
from seedbed.data.splits import Split
from seedbed.errors import DataError, OptionError, TrainingError

_LEAST_SHARE = 1e-30  # of the largest weight
MOST_LOOKED_AT = 1 << 14
"""Rows that a layer looks at before the first step, at most. Quantiles are usually exact to half a
percent of rows."""


@dataclass(frozen=True)
class TrainingData:
    """A table for training.

    Attributes:
        X: features [row, feature].
        y: target: class codes or numbers [row], or numbers [row, output].
        train: weight of each row in a split's training, 0 if it isn't part of it [row, split].
        test: weight of each row in a split's test figures [row, split].
    """

    X: npt.NDArray[np.floating]
    y: npt.NDArray[np.generic]
    train: npt.NDArray[np.number]
    test: npt.NDArray[np.number]

    @property
    def is_huge(self) -> bool:
        """Whether networks may see numbers so large that a layer could overflow.

        That can happen on rows that a network doesn't train on, because only its training rows are
        standardised. Their weight is zero, but zero times infinity is NaN.
        """
        largest = max(float(self.X.max()), -float(self.X.min()))
        return bool(largest > np.finfo(self.X.dtype).max ** (1 / 3))


def counted_rows(
    n_rows: int, splits: Sequence[Split], weights: npt.NDArray[np.floating] | None
) -> list[npt.NDArray[np.float32]]:
    """Return the weight of each row in each split's training, and in its test figures [row,
    split]."""
    counted = np.ones(n_rows) if weights is None else weights
    counts = [
        np.zeros((n_rows, len(splits)), dtype=np.float32) for _ in ("train", "test")
    ]
    for number, split in enumerate(splits):
        for matrix, rows in zip(counts, (split.train, split.test), strict=True):
            matrix[rows, number] = counted[rows]
    return counts


def one_split(
    train: tuple[Any, Any], test: tuple[Any, Any], sample_weight: Any, dtype: str
) -> TrainingData:
    """Check a user's arrays and return them as the rows of one split, training rows first.

    `train` and `test` are features and target; `sample_weight` are weights of the training rows
    [row], or None. TrainingError if arrays don't fit together or have values that can't be used;
    OptionError if there is no such dtype.
    """
    parts = _rows("train", *train, dtype), _rows("test", *test, dtype)
    for name, column in (("X", 0), ("y", 1)):
        shapes = [list(part[column].shape) for part in parts]
        if shapes[0][1:] != shapes[1][1:]:
            raise TrainingError(
                f"{name}_train has shape {shapes[0]}, {name}_test {shapes[1]}"
            )
    n_train, n_test = (len(part[0]) for part in parts)
    weights = np.zeros((n_train + n_test, 2))
    if sample_weight is not None and np.shape(sample_weight) != (n_train,):
        raise TrainingError(
            f"sample_weight has shape {list(np.shape(sample_weight))}",
            f"It must be [{n_train}].",
        )
    weights[:n_train, 0] = (
        1 if sample_weight is None else finite_array("sample_weight", sample_weight)
    )
    weights[n_train:, 1] = 1
    if weights.min() < 0 or not weights[:, 0].any():
        raise TrainingError("sample_weight is negative or all zero")
    weights[:, 0] = scaled_weights(weights[:, 0])
    X, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    return TrainingData(
        X, y, weights[:, :1].astype(X.dtype), weights[:, 1:].astype(X.dtype)
    )


def scaled_weights(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return weights of rows, some above zero, so that float32 can hold them and their sum.
    DataError if it can't hold both the smallest and the largest, as they differ too much."""
    most = weights.max()
    least = weights[weights > 0].min()
    if least / most < _LEAST_SHARE:
        raise DataError(
            f"sample_weight ranges from {least:.3g} to {most:.3g}",
            "Give weights that differ less.",
        )
    return (
        weights if least > _LEAST_SHARE and most < 1 / _LEAST_SHARE else weights / most
    )


def finite_array(name: str, values: Any) -> npt.NDArray[np.generic]:
    """Return numbers as an array, see `as_array`. TrainingError if they aren't finite numbers."""
    array = as_array(values, name)
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuf":
        raise TrainingError(
            f"{name} contains {array.dtype}", "It must contain numbers."
        )
    if not np.isfinite(array).all():
        raise TrainingError(
            f"{name} contains NaN or infinite numbers", "Replace or drop them."
        )
    return array


def _rows(
    part: str, X: Any, y: Any, dtype: str
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.generic]]:
    if dtype not in ("float32", "float64"):
        raise OptionError(f"unknown dtype '{dtype}'", "Use float32 or float64.")
    features, target = finite_array(f"X_{part}", X), finite_array(f"y_{part}", y)
    for name, array in (("X", features), ("y", target)):
        if array.size and np.abs(array).max() > np.finfo(dtype).max:
            raise TrainingError(
                f"{name}_{part} contains numbers too large for {dtype}",
                "Standardise it first.",
            )
    if features.ndim != 2 or not features.shape[1]:
        raise TrainingError(
            f"X_{part} has shape {list(features.shape)}", "It must be [row, feature]."
        )
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if target.ndim not in (1, 2) or len(target) != len(features) or not len(features):
        raise TrainingError(
            f"X_{part} has shape {list(features.shape)}, y_{part} {list(target.shape)}"
        )
    return features.astype(dtype), target


def some_rows(weights: npt.NDArray[np.number]) -> npt.NDArray[np.int64]:
    """Return the rows with a weight [row] that a layer looks at before the first step: all, or
    evenly spaced ones, because the table may be sorted."""
    rows = weights.nonzero()[0]
    return np.asarray(
        rows[
            np.linspace(0, len(rows) - 1, min(len(rows), MOST_LOOKED_AT)).astype(
                np.int64
            )
        ]
    )

"""A user's arrays, checked, as the rows of one split."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seedbed.errors import OptionError, TrainingError
from seedbed.training.data import TrainingData

__all__ = ["one_split"]

Part = tuple[npt.NDArray[np.floating], npt.NDArray[np.generic]]


def one_split(train: tuple[Any, Any], test: tuple[Any, Any], sample_weight: Any, dtype: str) -> TrainingData:
    """Training rows, then test rows, each given as (features, target).

    Raises:
        TrainingError: the arrays don't fit together, or hold what can't be trained on.
        OptionError: there is no such dtype.
    """
    parts = _rows("train", *train, dtype), _rows("test", *test, dtype)
    for name, column in (("X", 0), ("y", 1)):
        shapes = [list(part[column].shape) for part in parts]
        if shapes[0][1:] != shapes[1][1:]:
            raise TrainingError(f"{name}_train has shape {shapes[0]}, {name}_test {shapes[1]}")
    n_train, n_test = (len(part[0]) for part in parts)
    weights = np.zeros((n_train + n_test, 2))
    if sample_weight is not None and np.shape(sample_weight) != (n_train,):
        raise TrainingError(f"sample_weight has shape {list(np.shape(sample_weight))}", f"It must be [{n_train}].")
    weights[:n_train, 0] = 1 if sample_weight is None else _array("sample_weight", sample_weight)
    weights[n_train:, 1] = 1
    if weights.min() < 0 or weights[:, 0].sum() == 0:
        raise TrainingError("sample_weight is negative, or all zero")
    X, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    return TrainingData(X, y, weights[:, :1].astype(X.dtype), weights[:, 1:].astype(X.dtype))


def _array(name: str, values: Any) -> npt.NDArray[np.generic]:
    if isinstance(values, torch.Tensor):
        values = values.numpy(force=True)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise TrainingError(f"{name} isn't an array: {error}") from None
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuf":
        raise TrainingError(f"{name} holds {array.dtype}", "It must hold numbers.")
    if not np.isfinite(array).all():
        raise TrainingError(f"{name} holds NaN or infinite numbers", "Replace or drop them.")
    return array


def _rows(part: str, X: Any, y: Any, dtype: str) -> Part:
    if dtype not in ("float32", "float64"):
        raise OptionError(f"unknown dtype '{dtype}'", "Use float32 or float64.")
    features, target = _array(f"X_{part}", X), _array(f"y_{part}", y)
    for name, array in (("X", features), ("y", target)):
        if array.size and np.abs(array).max() > np.finfo(dtype).max:
            raise TrainingError(f"{name}_{part} holds numbers too large for {dtype}", "Standardise it before.")
    if features.ndim != 2 or not features.shape[1]:
        raise TrainingError(f"X_{part} has shape {list(features.shape)}", "It must be [row, feature].")
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if target.ndim not in (1, 2) or len(target) != len(features) or not len(features):
        raise TrainingError(f"X_{part} has shape {list(features.shape)}, y_{part} {list(target.shape)}")
    return features.astype(dtype), target

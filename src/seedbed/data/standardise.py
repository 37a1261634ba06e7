"""Features to a common size, by what the training rows alone say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.errors import ColumnError

__all__ = ["Design", "fold_standardisation", "standardise"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """All splits' standardised features, as one shared matrix and an affine map for each split.

    The law: `scale[:, s] * matrix + shift[:, s] == (features - mean_s) / std_s`, with mean and population deviation of
    the training rows of split s; where a column is constant in them, scale and shift are 0.

    Attributes:
        matrix: float64 [row, feature], sized so that a cast to float32 keeps what a split can see.
        scale: float64 [feature, split].
        shift: float64 [feature, split].
    """

    matrix: Floats
    scale: Floats
    shift: Floats


def standardise(train: Floats, test: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both parts by the training rows' mean and population deviation (ddof 0), computed in float64.

    Args:
        train: [row, feature].
        test: [row, feature].

    Returns:
        Both as float32 [row, feature]; a column constant in `train` is exactly zero in both.

    Raises:
        ColumnError: a test cell lies so many deviations away that float32 can't hold it.
    """
    mean, deviation = _moments(train)
    divisor = np.where(deviation > 0, deviation, 1.0)
    with np.errstate(over="ignore"):
        parts = [
            np.where(deviation > 0, (rows - mean) / divisor, 0.0).astype(np.float32)
            for rows in (np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64))
        ]
    _check_representable(np.isfinite(parts[1]))
    return parts[0], parts[1]


def fold_standardisation(features: Floats, splits: Sequence[Split]) -> Design:
    """The design of all splits, in one matrix.

    The shared matrix is centred on the median, not on the mean: one huge cell would pull the mean so far that, in
    a split where that cell is a test row, all other rows would collapse to one float32 value.

    Args:
        features: [row, feature].
        splits: their training rows give the scales.

    Raises:
        ColumnError: a column's sizes differ so much that float32 can't hold its scale.
    """
    features = np.asarray(features, dtype=np.float64)
    centre = np.median(features, axis=0)
    _, spread = _moments(features)
    spread = np.where(spread > 0, spread, 1.0)
    scale = np.zeros((features.shape[1], len(splits)))
    shift = np.zeros_like(scale)
    with np.errstate(over="ignore", invalid="ignore"):
        matrix = (features - centre) / spread
        for number, split in enumerate(splits):
            mean, deviation = _moments(features[split.train])
            varies = deviation > 0
            divisor = np.where(varies, deviation, 1.0)
            scale[:, number] = np.where(varies, spread / divisor, 0.0)
            shift[:, number] = np.where(varies, (centre - mean) / divisor, 0.0)
        largest = np.abs(matrix).max(axis=0, initial=0.0)[:, None] * scale + np.abs(shift)
        narrow = np.stack([scale, shift, largest]).astype(np.float32)
    _check_representable(np.isfinite(narrow).transpose(0, 2, 1))
    return Design(matrix=matrix, scale=scale, shift=shift)


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and population deviation [feature]; the deviation is exactly 0 for a constant column.

    Two traps. The deviation of a constant like 0.1 comes out as 1e-17, not 0, so constancy is asked for by itself.
    And squares of 1e200 overflow, so columns are first brought near 1 by a power of two, which changes no digit.
    """
    rows = np.asarray(rows, dtype=np.float64)
    low, high = rows.min(axis=0), rows.max(axis=0)
    _, exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))
    near_one = np.ldexp(rows, -exponent)
    mean = np.ldexp(near_one.mean(axis=0), exponent)
    deviation = np.ldexp(near_one.std(axis=0), exponent)
    return np.where(low == high, low, mean), np.where(low == high, 0.0, deviation)


def _check_representable(fits: NDArray[np.bool_]) -> None:
    """An error where `fits` [..., feature] isn't true throughout."""
    if not fits.all():
        position = int(np.argwhere(~fits)[0, -1])
        raise ColumnError(
            f"feature {position} (counted from 0): its cells differ too much in size for float32",
            "Look for a wrong cell in this column, or take its logarithm.",
        )

"""What the rest of seedbed knows of a user's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table"]


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers ready to be split: finite features and a coded target.

    Attributes:
        name: what to call the table in a report.
        feature_names: one a column of `features`.
        features: float64 [row, feature], finite, read-only.
        target_name: the column to predict.
        target: int64 codes [row], read-only.
        labels: `labels[code]` is what the user's cell said; `labels[1]` is the positive one, the larger of the two
            (numeric labels are ordered as numbers, others by code point, as `numpy.unique` does).
        task: "binary".
        notes: what was decided while reading, a sentence each.
    """

    name: str
    feature_names: tuple[str, ...]
    features: NDArray[np.float64]
    target_name: str
    target: NDArray[np.int64]
    labels: tuple[str, ...]
    task: str = "binary"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.features.setflags(write=False)
        self.target.setflags(write=False)

    @property
    def n_rows(self) -> int:
        return int(self.features.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.features.shape[1])

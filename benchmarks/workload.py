"""The workload: the tutorial's training of one network on one table. Without torch, so that JAX
runs alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

EPOCHS = 1000
LR = 0.01
OWN_EPOCHS, OWN_LR, OWN_NETWORKS = 100, 0.1, 100  # of `own_modules.py`
CANDIDATES = ("linear:5", "relu:5", "linear:20,20", "relu:64,64", "relu:256,256")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """The table.

    Attributes:
        source: a description of its origin.
        path: the file, or None.
        features, target: before splitting, [row, feature] and [row].
        X_train, y_train, X_test, y_test: one split, standardised by its training rows.
    """

    source: str
    path: Path | None
    features: NDArray[np.float64]
    target: NDArray[np.int64]
    X_train: Floats
    y_train: Floats
    X_test: Floats
    y_test: Floats

    @property
    def n_features(self) -> int:
        return self.features.shape[1]


def hidden_widths(candidate: str) -> tuple[int, ...]:
    return tuple(int(width) for width in candidate.partition(":")[2].split(","))


def has_relu(candidate: str) -> bool:
    return candidate.startswith("relu")


def networks_of_a_peer(candidate: str) -> int:
    """Return how many networks vmap and JAX train at once. Wide networks get fewer, so that they
    fit the cache."""
    width = max(hidden_widths(candidate))
    return 128 if width < 20 else 64 if width < 64 else 16


def load_rows() -> Rows:
    """Return heart failure from the folder SEEDBED_DATA, or breast cancer from scikit-learn if that
    file is missing."""
    folder = (
        os.environ.get("SEEDBED_DATA")
        or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    path = Path(folder) / "heart_failure.csv"
    if path.exists():
        cells = np.loadtxt(path, delimiter=",", skiprows=1)
        return _split(
            "heart failure", path, cells[:, :-1], cells[:, -1].astype(np.int64)
        )
    features, target = load_breast_cancer(return_X_y=True)
    return _split(
        f"breast cancer, because {path} is missing",
        None,
        features,
        target.astype(np.int64),
    )


def load_own_rows() -> Rows:
    """Return twelve features of breast cancer: 426 training rows and 143 test rows."""
    features, target = load_breast_cancer(return_X_y=True)
    return _split(
        "breast cancer", None, features[:, :12], target.astype(np.int64), share=0.25
    )


def _split(
    source: str,
    path: Path | None,
    features: NDArray[np.float64],
    target: NDArray[np.int64],
    share: float = 0.2,
) -> Rows:
    X_train, X_test, y_train, y_test = train_test_split(
        features, target, test_size=share, random_state=0, stratify=target
    )
    mean, deviation = X_train.mean(0), X_train.std(0)
    X_train, X_test = ((X - mean) / deviation for X in (X_train, X_test))
    parts = (part.astype(np.float32) for part in (X_train, y_train, X_test, y_test))
    source = (
        f"{source}: {len(y_train)} + {len(y_test)} rows, {features.shape[1]} features"
    )
    return Rows(source, path, features, target, *parts)

"""The blend that `SeedbedClassifier()` fits, as something that is fitted anew on every split of a comparison."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from seedbed.data import coded_table, given_columns
from seedbed.model import blend_table

__all__ = ["AutoClassifier", "AutoRegressor"]


class _Auto(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def _fitted(self, X: NDArray[np.float64], target: NDArray[Any], **coding: Any) -> Self:
        table = coded_table(given_columns(X), target, **coding)
        self.model_, _ = blend_table(table, random_state=self.random_state or 0, jobs=1)
        return self


class AutoClassifier(ClassifierMixin, _Auto):  # type: ignore[misc]
    """Fits a blend of networks, one job at a time.

    Attributes:
        classes_: the class codes that it was given [class].
    """

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> Self:
        """Inputs [row, input] without gaps, and class codes [row]."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        labels = tuple(str(one) for one in self.classes_)
        task = "binary" if len(labels) == 2 else "multiclass"
        return self._fitted(X, codes.astype(np.int64), task=task, labels=labels)

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each class [row, class]."""
        return self.model_.of_columns(given_columns(X), refuse=False).probabilities


class AutoRegressor(RegressorMixin, _Auto):  # type: ignore[misc]
    """Fits a blend of networks, one job at a time."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.float64]) -> Self:
        """Inputs [row, input] without gaps, and numbers [row]."""
        return self._fitted(X, np.asarray(y, dtype=np.float64), task="regression")

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The number of each row [row]."""
        return self.model_.of_columns(given_columns(X), refuse=False).values

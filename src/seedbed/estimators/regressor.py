"""The regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from seedbed.errors import TargetError
from seedbed.estimators.networks import Networks, named, unless_equal, weighted_rows, word_in
from seedbed.typing import Floats

__all__ = ["SeedbedRegressor"]


class SeedbedRegressor(RegressorMixin, Networks):  # type: ignore[misc]  # scikit-learn has no types
    """A regressor that averages many small networks, or blends a portfolio of them.

    Its parameters and attributes are those of `SeedbedClassifier`, without `class_weight` and `classes_`. The
    out-of-bag predictions of a blend are `oob_prediction_` [row].

    Examples:
        >>> X, y = [[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]] * 5, [1.5, 1.6, 1.7, 2.3, 2.4, 2.5] * 5
        >>> regressor = sb.SeedbedRegressor(candidate="relu:5", n_networks=2, epochs=50, lr=0.1, random_state=0)
        >>> regressor.fit(X, y).predict([[0.05], [0.95]]).shape
        (2,)
    """

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit networks to all rows whose weight isn't zero.

        Args:
            X: as in `SeedbedClassifier.fit`.
            y: numbers [row].
            sample_weight: weight of each row [row]; 0 or more.

        Raises:
            ValueError: X, y or a parameter can't be used; errors of seedbed are also a `SeedbedError`.
            TrainingError: the networks can't be trained.
        """
        if (word := word_in(y)) is not None:
            raise TargetError(f"y holds {word!r}, which is no number", "For labels, use SeedbedClassifier.")
        columns, amounts = self._cases(X, y, y_numeric=True)
        columns, amounts, weights = weighted_rows(columns, amounts.astype(np.float64), sample_weight)
        table = self._table(columns, amounts, task="regression", **named(y))
        out_of_bag = self._fit_table(table, unless_equal(weights))
        if out_of_bag is not None:
            self.oob_prediction_ = out_of_bag.values
        return self

    def predict(self, X: Any) -> Floats:
        """Return the prediction for each row [row].

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells are unknown to the model.
        """
        return self._predictions(X).values

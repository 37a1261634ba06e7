"""One baseline: what it predicts for the test rows of a split, and about how long a fit takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Encoding, Split, Table
from seedbed.errors import TrainingError, error_line

__all__ = ["Baseline"]

Floats = NDArray[np.floating]

# Of one fit, and for each of its cells, on average over the three standard ones.
_FIT_SECONDS, _CELL_SECONDS = 0.05, 5e-6


@dataclass(frozen=True, eq=False)
class Baseline:
    """A model that a network must beat.

    Attributes:
        name: how it stands in tables.
        estimator: an unfitted scikit-learn classifier with `predict_proba`, or a regressor; cloned for every split. It
            sees numbers as they are, so whatever needs standardised ones must bring its own scaler along.
        description: what it is, in a few words for a table's footnote.
        needs_columns: whether it is fitted to the table's columns, and not to its features alone.
        timed: whether one fit may be timed before the run; else `seconds` estimates it.
    """

    name: str
    estimator: Any
    description: str
    needs_columns: ClassVar[bool] = False
    timed: ClassVar[bool] = True

    def seconds(self, table: Table, n_rows: int) -> float:
        """Return an estimate of the time that one core takes for a fit to so many rows [s]."""
        return _FIT_SECONDS + _CELL_SECONDS * n_rows * table.n_features

    def predict(self, table: Table, encoding: Encoding, split: Split) -> Floats:
        """Fit to a split's training rows; return the prediction for its test rows.

        Returns:
            The probability of class 1 [row], of each of several classes [row, class], or numbers [row].

        Raises:
            TrainingError: the fit failed, or gave no usable predictions.
        """
        y, n_rows = table.target[split.train], len(split.test)
        n_classes = 1 if table.task == "regression" else max(2, int(table.target.max()) + 1)
        try:
            if n_classes > 1 and (y == y[0]).all():
                found = np.tile(np.eye(n_classes)[y[0]], (n_rows, 1))  # many classifiers refuse a single class
            else:
                found = self._fitted(table, encoding, split, n_classes)
        except Exception as error:
            message = f"baseline '{self.name}' can't be fitted: {error_line(error)}"
            raise TrainingError(message, "Change it, or leave it out.") from error
        if table.task == "regression":
            return found
        return (found[:, 1] if table.task == "binary" else found).astype(np.float32)

    def _fitted(self, table: Table, encoding: Encoding, split: Split, n_classes: int) -> NDArray[np.float64]:
        """Probabilities of test rows [row, class], or numbers [row]."""
        from sklearn.base import clone

        X = encoding.natural(split.train)
        fitted = clone(self.estimator).fit(X[split.train], table.target[split.train])
        if n_classes == 1:
            return _numbers(fitted.predict(X[split.test]), len(split.test))
        return _probabilities(fitted, X[split.test], n_classes)


def _probabilities(fitted: Any, X: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """[row, class]; a class that no training row has gets 0."""
    classes = np.asarray(fitted.classes_, dtype=np.intp)
    given = np.asarray(fitted.predict_proba(X))
    if given.shape != (len(X), len(classes)) or not np.isfinite(given).all():
        raise ValueError(f"predict_proba gave {list(given.shape)} numbers, or some that aren't finite")
    found = np.zeros((len(X), n_classes))
    found[:, classes] = given
    return found


def _numbers(given: Any, n_rows: int) -> NDArray[np.float64]:
    """[row]; some regressors return [row, 1]."""
    found = np.asarray(given, dtype=np.float64)
    if found.size != n_rows or not np.isfinite(found).all():
        raise ValueError(f"predict gave {list(found.shape)} numbers, or some that aren't finite")
    return found.reshape(n_rows)

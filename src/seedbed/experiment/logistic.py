"""The linear baselines: logistic and ridge regression, with their regularisation chosen on the training rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["INNER_FOLDS", "TunedLogisticRegression", "tuned_linear_regression"]

INNER_FOLDS = 5
"""Folds of the cross-validation that chooses C."""

# Of two classes; 100 splits, one core, scikit-learn 1.9: heart_failure (12 features) takes 4 to 5.5 s, sonar (60) about
# as long. lbfgs takes 1.4 times as long; without stopping early it is 1.5 times, with LogisticRegressionCV more than
# twice, for the same choice of C. From about 100 features newton-cholesky falls behind: at 500 it takes ten times as
# long as lbfgs; with 7 classes and 18 features twice as long.
_CS: tuple[float, ...] = tuple(np.logspace(-4, 4, 10).tolist())
_MOST_FEATURES_FOR_NEWTON = 64


@dataclass(eq=False)
class TunedLogisticRegression:
    """Logistic regression on standardised features; C has the lowest log loss in an inner cross-validation.

    It has as much of the interface of scikit-learn as `clone` and `predict_proba` need. It replaces
    `LogisticRegressionCV`, which is slower and whose arguments change between versions. The inner folds are shuffled,
    as the order of rows often depends on the outcome, for instance by the time of follow-up.

    The path from strong to weak regularisation ends after the loss has risen twice in a row.
    """

    random_state: int | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"random_state": self.random_state}

    def set_params(self, **params: Any) -> Self:
        self.random_state = params.get("random_state", self.random_state)
        return self

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> TunedLogisticRegression:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        # The scaler sees the inner test rows, too: it doesn't use the outcome.
        self._scaler = StandardScaler().fit(X)
        Z = self._scaler.transform(X)
        # With several classes, newton-cholesky decomposes a matrix with rows for each of them.
        narrow = Z.shape[1] <= _MOST_FEATURES_FOR_NEWTON and len(np.unique(y)) == 2
        self.solver_ = "newton-cholesky" if narrow else "lbfgs"
        self.C_ = self._chosen_c(Z, y)
        self._model = LogisticRegression(C=self.C_, solver=self.solver_, max_iter=1000).fit(Z, y)
        self.classes_ = self._model.classes_
        return self

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._model.predict_proba(self._scaler.transform(X))  # type: ignore[no-any-return]

    def _chosen_c(self, Z: NDArray[np.float64], y: NDArray[np.int64]) -> float:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold

        # Not by the rarest class: every fold has rows of two classes if two classes have enough rows.
        n_folds = min(INNER_FOLDS, int(np.sort(np.unique(y, return_counts=True)[1])[-2]))
        if n_folds < 2:
            return 1.0
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds
            parts = [
                (train, test, LogisticRegression(solver=self.solver_, max_iter=1000, warm_start=True))
                for train, test in folds.split(Z, y)
            ]
        losses: list[float] = []
        for C in _CS:
            for train, _, model in parts:
                model.set_params(C=C).fit(Z[train], y[train])
            losses.append(sum(_log_loss(model, Z[test], y[test]) for _, test, model in parts))
            if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
                break
        return _CS[int(np.argmin(losses))]


def _log_loss(model: Any, X: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """Return the sum over rows; the function of scikit-learn takes longer than fitting the model.

    Rows of a class that the model hasn't seen are left out: their loss doesn't depend on C.
    """
    known = np.isin(y, model.classes_)
    X, y = X[known], y[known]
    given = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return -float(np.log(np.maximum(given, np.finfo(np.float64).eps)).sum())


# For standardised features, from almost no regularisation to coefficients of almost 0.
_ALPHAS = np.logspace(-3, 6, 19)


def tuned_linear_regression() -> Pipeline:
    """Return ridge regression on standardised features; alpha has the lowest leave-one-out error on the training rows,
    which takes one decomposition of the features (Golub, Heath & Wahba 1979)."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(alphas=_ALPHAS))

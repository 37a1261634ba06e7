"""The linear baselines: logistic and ridge regression, with their regularisation chosen on the training rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["INNER_FOLDS", "TunedLogisticRegression", "tuned_linear_regression"]

INNER_FOLDS = 5
"""Folds of the cross-validation that chooses C."""

_CS: tuple[float, ...] = tuple(np.logspace(-4, 4, 10).tolist())

# Up to so many rows, all values of C and all folds are fitted in the same Newton steps: 100 splits of heart_failure (12
# features) then take 0.6 s in place of 5 s. With more rows that is no quicker, as the path of scikit-learn ends early.
_MOST_ROWS = 4_000
# Of two classes; from about 100 features newton-cholesky falls behind lbfgs: at 500 it takes ten times as long. With 7
# classes and 18 features it takes twice as long.
_MOST_FEATURES_FOR_NEWTON = 64
_MOST_STEPS, _MOST_HALVINGS = 100, 30
# For standardised features, from almost no regularisation to coefficients of almost 0.
_ALPHAS = np.logspace(-3, 6, 19)


@dataclass(eq=False)
class TunedLogisticRegression:
    """Logistic regression on standardised features; C has the lowest log loss in an inner cross-validation.

    It replaces `LogisticRegressionCV`, which is slower and whose arguments change between versions. The inner folds are
    shuffled, as the order of rows often depends on the outcome, for instance by the time of follow-up.

    The path from strong to weak regularisation ends after the loss has risen twice in a row.
    """

    random_state: int | None = None

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> TunedLogisticRegression:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        # The scaler sees the inner test rows, too: it doesn't use the outcome.
        self._scaler = StandardScaler().fit(X)
        Z = self._scaler.transform(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        narrow = Z.shape[1] <= _MOST_FEATURES_FOR_NEWTON and len(self.classes_) == 2
        self.solver_ = "newton-cholesky" if narrow else "lbfgs"
        newton = _Newton(Z, codes) if narrow and len(Z) <= _MOST_ROWS else None
        self.C_ = self._chosen_c(Z, codes, newton)
        if newton is not None and (fits := newton.fits(np.ones((1, len(Z))), np.array([self.C_]))) is not None:
            self._coefficients = fits
        else:
            model = LogisticRegression(C=self.C_, solver=self.solver_, max_iter=1000).fit(Z, codes)
            self._coefficients = np.column_stack([model.coef_, model.intercept_])
        return self

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.special import expit, softmax

        outputs = self._scaler.transform(X) @ self._coefficients[:, :-1].T + self._coefficients[:, -1]
        if outputs.shape[1] > 1:
            return np.asarray(softmax(outputs, axis=1))
        shares = expit(outputs[:, 0])
        return np.column_stack([1 - shares, shares])

    def _chosen_c(self, Z: NDArray[np.float64], y: NDArray[np.int64], newton: _Newton | None) -> float:
        from sklearn.model_selection import StratifiedKFold

        # Not by the rarest class: every fold has rows of two classes if two classes have enough rows.
        n_folds = min(INNER_FOLDS, int(np.sort(np.bincount(y))[-2]))
        if n_folds < 2:
            return 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds
            folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.random_state)
            tests = np.stack([np.isin(np.arange(len(y)), test) for _, test in folds.split(Z, y)])
        losses: list[float] = []
        for loss in (newton.losses(tests) if newton else None) or _losses(Z, y, tests, self.solver_):
            losses.append(loss)
            if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
                break
        return _CS[int(np.argmin(losses))]


def _losses(Z: NDArray[np.float64], y: NDArray[np.int64], tests: NDArray[np.bool_], solver: str) -> Iterator[float]:
    """Yield the log loss of the test rows [fold, row] for each C, by scikit-learn.

    Rows of a class that a model hasn't seen are left out: their loss doesn't depend on C.
    """
    from sklearn.linear_model import LogisticRegression

    models = [LogisticRegression(solver=solver, max_iter=1000, warm_start=True) for _ in tests]
    for C in _CS:
        total = 0.0
        for test, model in zip(tests, models, strict=True):
            model.set_params(C=C).fit(Z[~test], y[~test])
            known = test & np.isin(y, model.classes_)
            given = model.predict_proba(Z[known])[np.arange(known.sum()), np.searchsorted(model.classes_, y[known])]
            total -= float(np.log(np.maximum(given, np.finfo(np.float64).eps)).sum())
        yield total


class _Newton:
    """Logistic regressions of two classes on different rows and with different C, all fitted in the same Newton steps.

    The minimised function is scikit-learn's: half the squared coefficients, without the intercept, plus C times the sum
    of the log losses. A step is halved where it would increase it.
    """

    def __init__(self, Z: NDArray[np.float64], y: NDArray[np.int64]) -> None:
        self.inputs = np.column_stack([Z, np.ones(len(Z))])
        self.signs = 2.0 * y - 1
        self.products = (self.inputs[:, :, None] * self.inputs[:, None, :]).reshape(len(Z), -1)
        self.penalty = np.append(np.ones(Z.shape[1]), 0.0)

    def fits(self, rows: NDArray[np.float64], C: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the coefficients, the intercept last [fit, input], for weights of rows [fit, row] and C [fit].

        None if one of them doesn't converge.
        """
        from scipy.special import expit

        n_inputs = self.inputs.shape[1]
        fits = np.zeros((len(C), n_inputs))
        active, weights = np.arange(len(C)), rows * C[:, None]
        value = self._values(fits, weights)
        for _ in range(_MOST_STEPS):
            at, weight = fits[active], weights[active]
            wrong = expit(-(at @ self.inputs.T) * self.signs)
            slope = self.penalty * at - (weight * wrong * self.signs) @ self.inputs
            curve = ((weight * wrong * (1 - wrong)) @ self.products).reshape(-1, n_inputs, n_inputs)
            curve += np.diag(self.penalty + 1e-10)
            step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
            for _ in range(_MOST_HALVINGS):
                after = self._values(at - step, weight)
                worse = after > value[active] * (1 + 1e-12)
                if not worse.any():
                    break
                step[worse] /= 2
            fits[active], value[active] = at - step, after
            active = active[np.abs(step).max(axis=1) > 1e-7 * (1 + np.abs(at).max(axis=1))]
            if not len(active):
                return fits
        return None

    def losses(self, tests: NDArray[np.bool_]) -> list[float] | None:
        """Return the log loss of the test rows [fold, row] for each C; None if a fit doesn't converge."""
        grid = np.array(_CS)
        coefficients = self.fits(np.tile(~tests, (len(grid), 1)).astype(np.float64), np.repeat(grid, len(tests)))
        if coefficients is None:
            return None
        most = -np.log(np.finfo(np.float64).eps)
        by_row = np.minimum(self._row_losses(coefficients), most).reshape(len(grid), *tests.shape)
        return [float(loss) for loss in (by_row * tests).sum(axis=(1, 2))]

    def _values(self, coefficients: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        half = (self.penalty * coefficients**2).sum(axis=1) / 2
        return np.asarray(half + (weights * self._row_losses(coefficients)).sum(axis=1))

    def _row_losses(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log loss of each row [fit, row]."""
        return np.asarray(np.logaddexp(0.0, -(coefficients @ self.inputs.T) * self.signs))


def tuned_linear_regression() -> Pipeline:
    """Return ridge regression on standardised features; alpha has the lowest leave-one-out error on the training rows,
    which takes one decomposition of the features (Golub, Heath & Wahba 1979)."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(alphas=_ALPHAS))

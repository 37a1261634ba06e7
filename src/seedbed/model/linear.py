"""Models without hidden layers that are fitted until they converge: logistic and ridge regression, and the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.model.predicting import products_on_one_thread
from seedbed.model.trees import FittedMember, TreeData
from seedbed.networks.mlp import MLP
from seedbed.typing import Floats

_CS: tuple[float, ...] = tuple(np.logspace(-3, 2, 6).tolist())

_MOST_ROWS, _MOST_FEATURES = 4_000, 64  # for which all networks choose C, if there are two classes
_MOST_COEFFICIENTS = 300  # of all classes, for which Newton's method is quicker than L-BFGS
_MOST_STEPS, _MOST_HALVINGS = 100, 30
_FLAT = 1e-4  # slopes at most, and what a step promises, where a fit ends: scikit-learn's
_CHOOSING = 2  # networks that choose C otherwise, as each fit takes long
# For standardised inputs, from almost no regularisation to coefficients of almost 0.
_ALPHAS = np.logspace(-3, 6, 19)
_USUAL_C, _USUAL_ALPHA = 1.0, 1.0  # without rows left out
_LEAST = 1e-7  # probability of a class


def fit_prior(data: TreeData) -> FittedMember:
    """Return models of the class frequencies, or of the mean, whatever the inputs are."""
    biases = np.tile(data.level(np.arange(len(data.y)), _LEAST), (len(data.splits), 1))
    outputs = [data.level(split.train, _LEAST) for split in data.splits]
    return _fitted(data, np.zeros((*biases.shape, data.X.shape[1])), biases, outputs)


@products_on_one_thread()
def fit_regression(data: TreeData) -> FittedMember:
    """Return logistic or ridge regression for each network, on the rows that it doesn't leave out.

    Its regularisation has the lowest loss of the rows left out. Inputs are standardised.
    """
    fits = _ridge(data) if not data.of_classes else _logistic(data)
    pairs = zip(data.splits, fits, strict=True)
    of_test = [data.X[split.test] @ fit[:, :-1].T + fit[:, -1] for split, fit in pairs]
    return _fitted(data, fits[:, :, :-1], fits[:, :, -1], of_test)


def _fitted(data: TreeData, weights: Floats, biases: Floats, of_test: Sequence[Floats]) -> FittedMember:
    """Return linear models with weights [network, output, input] and biases [network, output]; `of_test` has the
    outputs of each network for the rows that it leaves out [row, output], or [output]."""
    states = {"0.weight": weights.astype(np.float32), "0.bias": biases.astype(np.float32)}
    return FittedMember(MLP(), states, data.left_out(of_test))


def _ridge(data: TreeData) -> Floats:
    """Return coefficients, the intercept last [network, 1, input]; the penalty has the lowest error of rows left
    out."""
    paths, errors, of_row = [], np.zeros(len(_ALPHAS)), data.counts
    for split in data.splits:
        X, y = data.X[split.train].astype(np.float64), data.y[split.train].astype(np.float64)
        weights = of_row[split.train]
        center, level = np.average(X, axis=0, weights=weights), float(np.average(y, weights=weights))
        Z = (X - center) * np.sqrt(weights)[:, None]
        values, vectors = np.linalg.eigh(Z.T @ Z)
        along = vectors.T @ (Z.T @ ((y - level) * np.sqrt(weights)))
        path = (along / (np.maximum(values, 0.0) + _ALPHAS[:, None])) @ vectors.T  # [alpha, input]
        paths.append(np.column_stack([path, level - path @ center]))
        left = data.y[split.test] - (data.X[split.test] @ paths[-1][:, :-1].T + paths[-1][:, -1]).T
        errors += (left**2 * of_row[split.test]).sum(axis=1)
    left_out = any(len(split.test) for split in data.splits)
    best = int(errors.argmin()) if left_out else int(np.abs(_ALPHAS - _USUAL_ALPHA).argmin())
    return np.stack(paths)[:, best, None]


def _logistic(data: TreeData) -> Floats:
    """Return coefficients, the intercept last [network, output, input]; C has the lowest loss of the rows left out.

    The path from strong to weak regularisation ends after that loss has risen twice in a row.
    """
    paths = [_path(data, split) for split in data.splits]
    is_small = len(data.X) <= _MOST_ROWS and data.X.shape[1] <= _MOST_FEATURES and data.n_outputs == 1
    n_choosing = len(paths) if is_small else _CHOOSING
    grid = _CS if any(data.counts[split.test].any() for split in data.splits) else (_USUAL_C,)
    fits, losses = list[list[Floats]](), list[float]()
    for C in grid:
        steps = [path(C) for path in paths[:n_choosing]]
        fits.append([fit for fit, _ in steps])
        losses.append(sum(loss for _, loss in steps))
        if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
            break
    best = int(np.argmin(losses))
    return np.stack([*fits[best], *(path(grid[best])[0] for path in paths[n_choosing:])])


def _path(data: TreeData, split: Split) -> Callable[[float], tuple[Floats, float]]:
    """Return a function of C, which returns the coefficients [output, input] and the loss of the rows left out."""
    rows, test = split.train[data.counts[split.train] > 0], split.test
    present, y = np.unique(data.y[rows], return_inverse=True)
    coefficients = np.zeros((data.n_outputs, data.X.shape[1] + 1))
    coefficients[:, -1] = data.level(split.train, _LEAST)
    regression = _Regression(data.X[rows].astype(np.float64), y, data.counts[rows], len(present))

    def fit(C: float) -> tuple[Floats, float]:
        if len(present) > 1:
            by_class = regression.fit(C)
            if data.n_outputs > 1 and len(by_class) == 1:  # two of several classes
                by_class = np.concatenate([-by_class, by_class]) / 2
            coefficients[present if data.n_outputs > 1 else slice(None)] = by_class
        outputs = data.X[test].astype(np.float64) @ coefficients[:, :-1].T + coefficients[:, -1]
        return coefficients.copy(), float((data.losses(outputs, test) * data.counts[test]).sum())

    return fit


class _Regression:
    """Logistic regression of two classes, or of more by softmax, as scikit-learn's newton-cholesky and lbfgs.

    The minimised function is the weighted mean of the log losses, plus half the squared coefficients, without the
    intercepts, divided by C times the sum of the weights. Each fit starts from the one before it.
    """

    def __init__(self, X: Floats, y: NDArray[np.int64], weights: Floats, n_classes: int) -> None:
        self.inputs, self.weights = np.column_stack([X, np.ones(len(X))]), weights[:, None] / weights.sum()
        self.targets = np.eye(n_classes)[y] if n_classes > 2 else y[:, None].astype(np.float64)
        self.coefficients = np.zeros((self.targets.shape[1], X.shape[1] + 1))
        self.penalty = np.append(np.ones(X.shape[1]), 0.0) / weights.sum()

    def fit(self, C: float) -> Floats:
        """Return the coefficients, the intercept last [output, input]."""
        if self.coefficients.size <= _MOST_COEFFICIENTS:
            self._take_newton_steps(C)
            return self.coefficients
        from scipy.optimize import minimize

        def value(flat: Floats) -> tuple[float, Floats]:
            value, slope, _ = self._value(flat.reshape(self.coefficients.shape), C)
            return value, slope.ravel()

        options = {"maxiter": 1000, "maxls": 50, "gtol": _FLAT, "ftol": 64 * np.finfo(np.float64).eps}
        result = minimize(value, self.coefficients.ravel(), method="L-BFGS-B", jac=True, options=options)
        self.coefficients = result.x.reshape(self.coefficients.shape)
        return self.coefficients

    def _take_newton_steps(self, C: float) -> None:
        value, slope, p = self._value(self.coefficients, C)
        for _ in range(_MOST_STEPS):
            step, part = np.linalg.solve(self._curve(p, C), slope.ravel()).reshape(slope.shape), 1.0
            promised = float((slope * step).sum())
            for _ in range(_MOST_HALVINGS):
                after = self._value(self.coefficients - part * step, C)
                if after[0] <= value * (1 + 4e-15):
                    break
                part /= 2
            self.coefficients, (value, slope, p) = self.coefficients - part * step, after
            if np.abs(slope).max() <= _FLAT and promised / 2 <= _FLAT:
                return

    def _value(self, coefficients: Floats, C: float) -> tuple[float, Floats, Floats]:
        """Return what is minimised, its slope [output, input], and the probabilities [row, output]."""
        from scipy.special import expit, log_softmax

        outputs = self.inputs @ coefficients.T
        if outputs.shape[1] == 1:
            losses, p = np.logaddexp(0.0, outputs) - self.targets * outputs, expit(outputs)
        else:
            logs = log_softmax(outputs, axis=1)
            losses, p = -self.targets * logs, np.exp(logs)
        shrunk = self.penalty * coefficients / C
        slope = (self.weights * (p - self.targets)).T @ self.inputs + shrunk
        return float((self.weights * losses).sum() + (shrunk * coefficients).sum() / 2), slope, p

    def _curve(self, p: Floats, C: float) -> Floats:
        """Return the second derivatives. Intercepts of several classes have a sum of 0."""
        n_outputs, n_inputs = self.coefficients.shape
        curve = np.zeros((n_outputs, n_inputs, n_outputs, n_inputs))
        for a in range(n_outputs):
            for b in range(a + 1):
                weights = self.weights[:, 0] * p[:, a] * ((a == b) - p[:, b])
                curve[a, :, b] = curve[b, :, a] = (self.inputs * weights[:, None]).T @ self.inputs
            curve[a, :, a] += np.diag(self.penalty / C + 1e-12)
        if n_outputs > 1:
            curve[:, -1, :, -1] += 1.0
        return curve.reshape(n_outputs * n_inputs, -1)

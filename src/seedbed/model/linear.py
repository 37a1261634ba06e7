"""Models without hidden layers that are fitted until they converge: logistic and ridge regression,
and the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.model.tree_data import TreeData
from seedbed.model.trees import FittedMember
from seedbed.networks.mlp import MLP
from seedbed.typing import Floats

_CS: tuple[float, ...] = tuple(np.logspace(-3, 2, 6).tolist())

# Up to so many rows, all values of C and all networks are fitted in the same Newton steps, in a
# tenth of the time. With more rows that is no quicker, as a path ends early.
_MOST_ROWS = 4_000
_MOST_FEATURES_FOR_NEWTON = 64
_MOST_COEFFICIENTS = (
    300  # of all classes, for which Newton's method is quicker than L-BFGS
)
_MOST_STEPS, _MOST_HALVINGS = 100, 30
_FLAT = (
    1e-4  # slopes at most, and what a step promises, where a fit ends: scikit-learn's
)
_CHOOSING = 2  # networks that choose C where each fit takes long
# For standardised inputs, from almost no regularisation to coefficients of almost 0.
_ALPHAS = np.logspace(-3, 6, 19)
_USUAL_C, _USUAL_ALPHA = 1.0, 1.0  # without rows left out
_LEAST = 1e-7  # probability of a class


def fit_prior(data: TreeData) -> FittedMember:
    """Return models of the class frequencies, or of the mean, whatever the inputs are."""
    biases = np.tile(data.level(np.arange(len(data.y)), _LEAST), (len(data.splits), 1))
    outputs = [data.level(split.train, _LEAST) for split in data.splits]
    return _fitted(data, np.zeros((*biases.shape, data.X.shape[1])), biases, outputs)


def fit_regression(data: TreeData) -> FittedMember:
    """Return logistic or ridge regression for each network, on the rows that it doesn't leave out.

    Its regularisation has the lowest loss of the rows left out. Inputs are standardised.
    """
    fits = _ridge(data) if not data.of_classes else _logistic(data)
    pairs = zip(data.splits, fits, strict=True)
    of_test = [data.X[split.test] @ one[:, :-1].T + one[:, -1] for split, one in pairs]
    return _fitted(data, fits[:, :, :-1], fits[:, :, -1], of_test)


def _fitted(
    data: TreeData, weights: Floats, biases: Floats, of_test: Sequence[Floats]
) -> FittedMember:
    """Return linear models with weights [network, output, input] and biases [network, output];
    `of_test` has the outputs of each network for the rows that it leaves out [row, output], or
    [output]."""
    states = {
        "0.weight": weights.astype(np.float32),
        "0.bias": biases.astype(np.float32),
    }
    return FittedMember(MLP(), states, data.left_out(of_test))


def _ridge(data: TreeData) -> Floats:
    """Return coefficients, the intercept last [network, 1, input]; the penalty has the lowest error
    of rows left out."""
    paths = []
    errors = np.zeros(len(_ALPHAS))
    of_row = data.counts
    for split in data.splits:
        X = data.X[split.train].astype(np.float64)
        y = data.y[split.train].astype(np.float64)
        weights = of_row[split.train]
        center = np.average(X, axis=0, weights=weights)
        level = float(np.average(y, weights=weights))
        Z = (X - center) * np.sqrt(weights)[:, None]
        values, vectors = np.linalg.eigh(Z.T @ Z)
        along = vectors.T @ (Z.T @ ((y - level) * np.sqrt(weights)))
        path = (
            along / (np.maximum(values, 0.0) + _ALPHAS[:, None])
        ) @ vectors.T  # [alpha, input]
        paths.append(np.column_stack([path, level - path @ center]))
        left = (
            data.y[split.test]
            - (data.X[split.test] @ paths[-1][:, :-1].T + paths[-1][:, -1]).T
        )
        errors += (left**2 * of_row[split.test]).sum(axis=1)
    left_out = any(len(split.test) for split in data.splits)
    best = (
        int(errors.argmin())
        if left_out
        else int(np.abs(_ALPHAS - _USUAL_ALPHA).argmin())
    )
    return np.stack(paths)[:, best, None]


def _logistic(data: TreeData) -> Floats:
    """Return coefficients, the intercept last [network, output, input]; C has the lowest loss of
    the rows left out."""
    n_classes = max(2, data.n_outputs)
    X = data.X.astype(np.float64)
    narrow = X.shape[1] <= _MOST_FEATURES_FOR_NEWTON and n_classes == 2
    of_row = data.counts
    (rows, tests) = np.zeros((2, len(data.splits), len(X)))
    for number, split in enumerate(data.splits):
        rows[number, split.train], tests[number, split.test] = (
            of_row[split.train],
            of_row[split.test],
        )
    left_out = bool(tests.any())
    if narrow and len(X) <= _MOST_ROWS:
        newton = _Newton(X, data.y)
        grid = np.array(_CS if left_out else [_USUAL_C])
        fits = newton.fits(np.tile(rows, (len(grid), 1)), np.repeat(grid, len(rows)))
        if fits is not None:
            most = -np.log(np.finfo(np.float64).eps)
            losses = np.minimum(newton.row_losses(fits)[0], most).reshape(
                len(grid), *tests.shape
            )
            best = int((losses * tests).sum(axis=(1, 2)).argmin())
            return np.asarray(fits.reshape(len(grid), len(rows), 1, -1)[best])
    return _by_paths(data, left_out=left_out)


def _by_paths(data: TreeData, *, left_out: bool) -> Floats:
    """Return coefficients, the intercept last [network, output, input]. The path from strong to
    weak regularisation ends after the loss of rows left out has risen twice in a row."""
    paths = [_path(data, split) for split in data.splits]
    fits = list[list[Floats]]()
    losses = list[float]()
    for C in _CS if left_out else (_USUAL_C,):
        steps = [path(C) for path in paths[:_CHOOSING]]
        fits.append([fit for fit, _ in steps])
        losses.append(sum(loss for _, loss in steps))
        if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
            break
    best = int(np.argmin(losses))
    C = _CS[best] if left_out else _USUAL_C
    return np.stack([*fits[best], *(path(C)[0] for path in paths[_CHOOSING:])])


def _path(data: TreeData, split: Split) -> Callable[[float], tuple[Floats, float]]:
    """Return a function of C, which returns the coefficients [output, input] and the loss of the
    rows left out."""
    rows = split.train[data.counts[split.train] > 0]
    test = split.test
    present, y = np.unique(data.y[rows], return_inverse=True)
    coefficients = np.zeros((data.n_outputs, data.X.shape[1] + 1))
    coefficients[:, -1] = data.level(split.train, _LEAST)
    regression = _Regression(
        data.X[rows].astype(np.float64), y, data.counts[rows], len(present)
    )

    def fit(C: float) -> tuple[Floats, float]:
        if len(present) > 1:
            by_class = regression.fit(C)
            if data.n_outputs > 1 and len(by_class) == 1:  # two of several classes
                by_class = np.concatenate([-by_class, by_class]) / 2
            coefficients[present if data.n_outputs > 1 else slice(None)] = by_class
        outputs = (
            data.X[test].astype(np.float64) @ coefficients[:, :-1].T
            + coefficients[:, -1]
        )
        return coefficients.copy(), float(
            (data.losses(outputs, test) * data.counts[test]).sum()
        )

    return fit


class _Regression:
    """Logistic regression of two classes, or of more by softmax, as scikit-learn's newton-cholesky
    and lbfgs.

    The minimised function is the weighted mean of the log losses, plus half the squared
    coefficients, without the intercepts, divided by C times the sum of the weights. Each fit starts
    from the one before it.
    """

    def __init__(
        self, X: Floats, y: NDArray[np.int64], weights: Floats, n_classes: int
    ) -> None:
        self.inputs = np.column_stack([X, np.ones(len(X))])
        self.weights = weights[:, None] / weights.sum()
        self.targets = (
            np.eye(n_classes)[y] if n_classes > 2 else y[:, None].astype(np.float64)
        )
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

        options = {
            "maxiter": 1000,
            "maxls": 50,
            "gtol": _FLAT,
            "ftol": 64 * np.finfo(np.float64).eps,
        }
        found = minimize(
            value,
            self.coefficients.ravel(),
            method="L-BFGS-B",
            jac=True,
            options=options,
        )
        self.coefficients = found.x.reshape(self.coefficients.shape)
        return self.coefficients

    def _take_newton_steps(self, C: float) -> None:
        value, slope, p = self._value(self.coefficients, C)
        for _ in range(_MOST_STEPS):
            step = np.linalg.solve(self._curve(p, C), slope.ravel()).reshape(
                slope.shape
            )
            part = 1.0
            promised = float((slope * step).sum())
            for _ in range(_MOST_HALVINGS):
                after = self._value(self.coefficients - part * step, C)
                if after[0] <= value * (1 + 4e-15):
                    break
                part /= 2
            self.coefficients = self.coefficients - part * step
            (value, slope, p) = after
            if np.abs(slope).max() <= _FLAT and promised / 2 <= _FLAT:
                return

    def _value(self, coefficients: Floats, C: float) -> tuple[float, Floats, Floats]:
        """Return what is minimised, its slope [output, input], and the probabilities [row,
        output]."""
        from scipy.special import expit, log_softmax

        outputs = self.inputs @ coefficients.T
        if outputs.shape[1] == 1:
            losses = np.logaddexp(0.0, outputs) - self.targets * outputs
            p = expit(outputs)
        else:
            logs = log_softmax(outputs, axis=1)
            losses = -self.targets * logs
            p = np.exp(logs)
        shrunk = self.penalty * coefficients / C
        slope = (self.weights * (p - self.targets)).T @ self.inputs + shrunk
        return (
            float((self.weights * losses).sum() + (shrunk * coefficients).sum() / 2),
            slope,
            p,
        )

    def _curve(self, p: Floats, C: float) -> Floats:
        """Return the second derivatives. Intercepts of several classes have a sum of 0."""
        n_outputs, n_inputs = self.coefficients.shape
        curve = np.zeros((n_outputs, n_inputs, n_outputs, n_inputs))
        for a in range(n_outputs):
            for b in range(a + 1):
                weights = self.weights[:, 0] * p[:, a] * ((a == b) - p[:, b])
                curve[a, :, b] = curve[b, :, a] = (
                    self.inputs * weights[:, None]
                ).T @ self.inputs
            curve[a, :, a] += np.diag(self.penalty / C + 1e-12)
        if n_outputs > 1:
            curve[:, -1, :, -1] += 1.0
        return curve.reshape(n_outputs * n_inputs, -1)


class _Newton:
    """Logistic regressions of two classes on different rows and with different C, all fitted in the
    same Newton steps.

    The minimised function is scikit-learn's: half the squared coefficients, without the intercept,
    plus C times the sum of the log losses. A step is halved where it would increase it.
    """

    def __init__(self, Z: NDArray[np.float64], y: NDArray[np.int64]) -> None:
        self.inputs = np.column_stack([Z, np.ones(len(Z))])
        self.signs = 2.0 * y - 1
        self.upper = np.triu_indices(self.inputs.shape[1])  # a curve is symmetric
        self.products = self.inputs[:, self.upper[0]] * self.inputs[:, self.upper[1]]
        self.penalty = np.append(np.ones(Z.shape[1]), 0.0)

    def fits(
        self, rows: NDArray[np.float64], C: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return the coefficients, the intercept last [fit, input], for weights of rows [fit, row]
        and C [fit].

        None if one of them doesn't converge.
        """
        n_inputs = self.inputs.shape[1]
        fits, curve = (
            np.zeros((len(C), n_inputs)),
            np.zeros((len(C), n_inputs, n_inputs)),
        )
        active = np.arange(len(C))
        weights = rows * C[:, None]
        value, wrong = self._values(fits, weights)
        for _ in range(_MOST_STEPS):
            at, weight, curve = fits[active], weights[active], curve[: len(active)]
            slope = self.penalty * at - (weight * wrong * self.signs) @ self.inputs
            curve[:, *self.upper] = curve[:, *self.upper[::-1]] = (
                weight * wrong * (1 - wrong)
            ) @ self.products
            curve += np.diag(self.penalty + 1e-10)
            step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
            for _ in range(_MOST_HALVINGS):
                after, wrong = self._values(at - step, weight)
                worse = after > value[active] * (1 + 1e-12)
                if not worse.any():
                    break
                step[worse] /= 2
            fits[active] = at - step
            value[active] = after
            # A step squares what is left of the error.
            moved = np.abs(step).max(axis=1) > 1e-5 * (1 + np.abs(at).max(axis=1))
            active, wrong = active[moved], wrong[moved]
            if not len(active):
                return fits
        return None

    def _values(
        self, fits: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> tuple[Floats, Floats]:
        """Return what is minimised [fit], and the probability of the other class [fit, row]."""
        losses, wrong = self.row_losses(fits)
        return (self.penalty * fits**2).sum(axis=1) / 2 + np.vecdot(
            weights, losses
        ), wrong

    def row_losses(self, fits: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """Return the log loss of each row, and the probability of the other class [fit, row]."""
        margins = (fits @ self.inputs.T) * self.signs
        small = np.exp(-np.abs(margins))
        return np.log1p(small) - np.minimum(margins, 0.0), np.where(
            margins < 0, 1.0, small
        ) / (1 + small)

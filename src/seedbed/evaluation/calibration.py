"""Do the probabilities mean what they say? Reliability curve, decomposition, ECE beside its expected
value, slope and intercept; net benefit; and the weights and the temperature of a blend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.evaluation.estimates import (
    Estimate,
    Interval,
    inference,
    paired_hold_out,
    student_quantile,
)
from seedbed.evaluation.metrics import LOG_LOSS_CLIP
from seedbed.evaluation.single_runs import spread_indices
from seedbed.typing import Floats, Ints

_CELLS_AT_ONCE = 2_000_000
_N_CURVES, _BINS = 300, 10
_CELLS_DRAWN, _FEWEST_DRAWS = 50_000_000, 60


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The corners of a reliability curve, with the rows of all forecasts since the previous
    corner."""

    forecast: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Band:
    """Where the curve of exact probabilities lies nine times in ten, separately at each
    forecast."""

    forecast: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationSummary:
    """The calibration of probabilities; `reliability` and `expected_calibration_error` say what
    each number is. Shares are rounded for charts, and `counts` are the rows in each twentieth.
    `slope` and `intercept` are those of `OfTwoClasses`, None of other outcomes."""

    miscalibration: float
    discrimination: float
    uncertainty: float
    ece: float
    ece_if_calibrated: float
    ece_if_calibrated_high: float
    curve: Curve
    band: Band
    counts: tuple[int, ...]
    slope: Interval | None = None
    intercept: Interval | None = None


def calibration_of(
    y: NDArray[Any], p: Floats, weights: Floats | None = None
) -> CalibrationSummary:
    """Return the calibration of probabilities; arguments as in `reliability`."""
    curve, parts = reliability(y, p, weights)
    ece, exact, exact_high = expected_calibration_error(y, p, weights=weights)
    return CalibrationSummary(
        **dict[str, Any](parts),
        ece=ece,
        ece_if_calibrated=exact,
        ece_if_calibrated_high=exact_high,
        curve=curve,
        band=consistency_band(p, weights=weights),
        counts=tuple(np.histogram(p, bins=20, range=(0, 1))[0].tolist()),
    )


def reliability(
    y: NDArray[Any], p: Floats, weights: Floats | None = None, *, most: int = 60
) -> tuple[Curve, dict[str, float]]:
    """Return the corners of the reliability curve by isotonic regression (CORP: Dimitriadis,
    Gneiting & Jordan 2021), and the parts of Brier score = miscalibration - discrimination +
    uncertainty. There are no bins to choose.

    The miscalibration is what recalibrating would save, the discrimination what the recalibrated
    predictions gain over predicting the class frequencies, the uncertainty the Brier score of
    these. The first two are at least 0.

    Pass one prediction for each row (for example the mean over repeats and seeds): a row given
    twice counts twice.

    Args:
        y: [row], 0 or 1. p: [row], probability of class 1.
        weights: of the rows, above 0 [row]; 1 if left out.
        most: corners. Nothing is lost within a flat stretch; of more corners, some are left out
            evenly.
    """
    of_row = np.ones(len(y)) if weights is None else weights / weights.mean()
    forecast, place, rows = np.unique(p, return_inverse=True, return_counts=True)
    observed = isotonic(
        np.bincount(place, weights=y * of_row), np.bincount(place, weights=of_row)
    )
    brier = float(np.mean(of_row * (p - y) ** 2))
    recalibrated = float(np.mean(of_row * (observed[place] - y) ** 2))
    mean = float(np.mean(of_row * y))
    uncertainty = mean * (1 - mean)
    parts = {
        "miscalibration": brier - recalibrated,
        "discrimination": uncertainty - recalibrated,
    }
    inner = (np.diff(observed)[1:] != 0) | (np.diff(observed)[:-1] != 0)
    places = np.flatnonzero(np.concatenate([[True], inner, [True]])[: len(observed)])
    places = places[spread_indices(len(places), most)]
    counts = tuple(np.diff(np.concatenate([[0], np.cumsum(rows)[places]])).tolist())
    curve = Curve(
        forecast=_round_shares(forecast[places]),
        observed=_round_shares(observed[places]),
        rows=counts,
    )
    return curve, parts | {"uncertainty": uncertainty}


def isotonic(sums: NDArray[Any], weights: NDArray[Any]) -> Floats:
    """Return the isotonic regression [point] of means, from their weighted sums and weights:
    neighbours that don't rise are pooled until all rise. `scipy.optimize` takes half a second to
    load.
    """
    ends = np.arange(len(sums) + 1)
    while True:
        means = sums / weights
        starts = np.flatnonzero(np.append(True, means[1:] > means[:-1]))
        if len(starts) == len(means):
            return np.asarray(np.repeat(means, np.diff(ends)))
        sums = np.add.reduceat(sums, starts)
        weights = np.add.reduceat(weights, starts)
        ends = np.append(ends[starts], ends[-1])


def consistency_band(
    p: Floats, *, points: int = 40, weights: Floats | None = None
) -> Band:
    """Return the 90 % consistency band of a reliability curve (Broecker & Smith 2007; Dimitriadis
    et al. 2021).

    Outcomes are drawn from the probabilities themselves, and the curve of each draw is computed. A
    curve within the band is no evidence against the probabilities.

    Args:
        p: [row], probability of class 1.
        points: at how many forecasts at most; they are quantiles of p.
        weights: as in `reliability`.
    """
    forecast, place = np.unique(p, return_inverse=True)
    rng = np.random.default_rng(0)
    of_row = np.ones(len(p)) if weights is None else weights
    at = spread_indices(len(forecast), points)
    sums = np.bincount(place, weights=of_row)
    curves = []
    for _ in range(_n_draws(p.size, _N_CURVES)):
        drawn = of_row * (rng.random(p.size) < p)
        curves.append(isotonic(np.bincount(place, weights=drawn), sums)[at])
    low, high = np.quantile(curves, ((1 - 0.9) / 2, (1 + 0.9) / 2), axis=0)
    return Band(
        forecast=_round_shares(forecast[at]),
        low=_round_shares(low),
        high=_round_shares(high),
    )


def expected_calibration_error(
    y: NDArray[Any],
    p: Floats,
    *,
    n_simulations: int = 1000,
    weights: Floats | None = None,
) -> tuple[float, float, float]:
    """Return the ECE over ten bins of equal width (Naeini, Cooper & Hauskrecht 2015), its mean and
    95th percentile if every probability were exactly right: the sum over bins of the absolute value
    of sum(y - p), divided by rows.

    ECE is biased upwards: with 10 bins and probabilities all over [0, 1], perfect ones show about
    .06 at 300 rows and .10 at 100. It is therefore never given without the value of outcomes
    simulated from p itself (as the consistency bars of Broecker & Smith 2007).

    Args:
        y: [row], 0 or 1. p: [row], probability of class 1. weights: as in `reliability`.
    """
    of_row = np.ones(len(y)) if weights is None else weights / weights.mean()
    member = (
        of_row[:, None]
        * np.eye(_BINS)[np.minimum((p * _BINS).astype(np.intp), _BINS - 1)]
    )
    rng = np.random.default_rng(0)
    n_simulations = _n_draws(p.size, n_simulations)
    block = max(1, _CELLS_AT_ONCE // p.size)
    simulated = []
    for start in range(0, n_simulations, block):
        outcomes = rng.random((min(block, n_simulations - start), p.size)) < p
        simulated.append(np.abs((outcomes - p) @ member).sum(axis=1) / p.size)
    values = np.concatenate(simulated)
    return (
        float(np.abs((y - p) @ member).sum() / p.size),
        float(values.mean()),
        float(np.quantile(values, 0.95)),
    )


def _n_draws(n_rows: int, most: int) -> int:
    """Return how often the outcomes of so many rows are simulated: less often for more than 50,000
    of them, whose results vary less."""
    return min(most, max(_FEWEST_DRAWS, _CELLS_DRAWN // n_rows))


def _round_shares(shares: Floats) -> tuple[float, ...]:
    """Return shares with more digits than a picture shows."""
    return tuple(np.round(shares, 5).tolist())


_STEPS, _CLOSE, _ENOUGH, _FIFTHS = 100, 1e-12, 1e-8, 5


@dataclass(frozen=True, kw_only=True)
class OfTwoClasses:
    """Whether the probabilities of two classes are right, and of use.

    Attributes:
        slope, intercept: by how much their logits would have to be stretched (1 is right) and,
            unstretched, shifted (0 is right; below it, probabilities are too high; Cox 1958), with
            Wald's intervals. None if one isn't finite, as of rows of one class, or if the
            probabilities separate the classes or don't vary.
        miscalibrated_fifths: fifths of the rows that differ from their probabilities by more than
            chance, by tests that are adjusted for their number (Bonferroni): the lowest, highest and
            mean probability, and the share that was observed.
        net_benefit: the share of rows that are rightly called positive, minus that of wrongly
            called ones at the odds of the `threshold` (Vickers & Elkin 2006); `treating_all`, of
            calling all rows positive. Calling none positive has 0.
        gain: net benefit minus that of the better of calling all and calling none positive.
    """

    slope: Estimate | None
    intercept: Estimate | None
    miscalibrated_fifths: tuple[tuple[float, ...], ...]
    threshold: float
    net_benefit: float
    treating_all: float
    gain: Estimate


def of_two_classes(
    y: NDArray[np.integer],
    p: Floats,
    threshold: float,
    *,
    alpha: float = 0.05,
    groups: Ints | None = None,
) -> OfTwoClasses:
    """Return what is known of y, 0 or 1 [row], and p, the probabilities of class 1 [row]. Rows of
    one of the groups [row] may be alike; None if each row stands for itself."""
    slope, intercept = calibration_line(y, p, alpha=alpha, groups=groups)
    fifths = list[tuple[float, ...]]()
    limit = -student_quantile(alpha / _FIFTHS / 2, None)
    for rows in np.array_split(np.argsort(p, kind="stable"), _FIFTHS):
        predicted, observed = p[rows], y[rows]
        variance = (predicted * (1 - predicted)).sum()
        if groups is not None:
            variance = (np.bincount(groups[rows], observed - predicted) ** 2).sum()
        if len(rows) and abs((observed - predicted).sum()) > limit * math.sqrt(
            variance
        ):
            shares = (predicted[0], predicted[-1], predicted.mean(), observed.mean())
            fifths.append((*map(float, shares),))
    odds = threshold / max(1 - threshold, _CLOSE)
    worth = np.where(y == 1, 1.0, -odds)  # of calling a row positive
    treating_all = float(worth.mean())
    is_called = p > threshold
    gains = worth * (is_called if treating_all <= 0 else is_called - 1.0)
    gain = paired_hold_out(gains[None], 0 * gains[None], groups=groups, alpha=alpha)
    return OfTwoClasses(
        slope=slope,
        intercept=intercept,
        miscalibrated_fifths=tuple(fifths),
        threshold=threshold,
        net_benefit=float((worth * is_called).mean()),
        treating_all=treating_all,
        gain=of_net_benefit(gain, threshold, len(y), alpha=alpha),
    )


def calibration_line(
    y: NDArray[np.integer],
    p: Floats,
    *,
    alpha: float = 0.05,
    groups: Ints | None = None,
) -> tuple[Estimate | None, Estimate | None]:
    """Return slope and intercept of the calibration, as `OfTwoClasses` has them."""
    clipped = np.clip(p, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    logits = np.log(clipped / (1 - clipped))
    ones = np.ones(len(y))
    slope = _logistic(np.column_stack([logits, ones]), y, 0 * ones, alpha, groups)
    return slope, None if slope is None else _logistic(
        ones[:, None], y, logits, alpha, groups
    )


def of_net_benefit(
    estimate: Estimate,
    threshold: float,
    n_rows: int,
    *,
    alpha: float,
    comparisons: int = 1,
) -> Estimate:
    """Return a difference in net benefit with one more row of each class in its error, as few rows
    may decide, such as positive ones below a low threshold. Without it 63 of 100 intervals held at
    the lowest threshold, with it 98 (benchmarks/LOG.md)."""
    se = math.hypot(
        estimate.se, 1 / n_rows, threshold / max(1 - threshold, _CLOSE) / n_rows
    )
    return inference(
        estimate.mean, se, df=estimate.df, alpha=alpha, comparisons=comparisons
    )


def _logistic(
    X: Floats, y: NDArray[np.integer], offset: Floats, alpha: float, groups: Ints | None
) -> Estimate | None:
    """Return the first coefficient of a logistic regression by Newton's method; None if it doesn't
    converge. Its error is Wald's, of groups the sandwich's (Liang & Zeger 1986)."""
    beta = np.zeros(X.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(X @ beta + offset, -500, 500)))
        information = X.T @ (X * (p * (1 - p))[:, None])
        if (
            not np.isfinite(information).all()
            or np.linalg.cond(information) > 1 / _CLOSE
        ):
            return None
        step = np.linalg.solve(information, X.T @ (y - p))
        beta = beta + step * min(
            1.0, 2 / float(np.abs(step).max() + _CLOSE)
        )  # longer ones overshoot
        if np.abs(step).max() < _ENOUGH:
            covariance = np.linalg.inv(information)
            df = None
            if groups is not None:
                sums = np.array(
                    [np.bincount(groups, column * (y - p)) for column in X.T]
                )
                df = len(np.unique(groups)) - 1
                covariance = covariance @ sums @ sums.T @ covariance * (df + 1) / df
            return inference(
                float(beta[0]),
                math.sqrt(covariance[0, 0]),
                df=df,
                alpha=alpha,
                comparisons=1,
            )
    return None


_ROUNDS = 50
_LEAST = 1e-12
_RANGE = (0.5, 2.0)
_NEAR = 1e-4
_GOLDEN = (5**0.5 - 1) / 2


def mean_loss(
    predictions: Floats, target: NDArray[np.number], weights: Floats
) -> float:
    """Return the weighted mean loss: log loss of probabilities [row, class] for class codes [row],
    or squared error of numbers [row].
    """
    losses = _losses_of_rows(predictions, target)
    return float(np.average(losses, weights=weights))


def _losses_of_rows(predictions: Floats, target: NDArray[np.number]) -> Floats:
    if predictions.ndim == 1:
        return np.asarray((predictions - target) ** 2)
    of_true = predictions[np.arange(len(target)), target.astype(np.int64)]
    return np.asarray(-np.log(np.maximum(of_true, _LEAST)))


def blend_weights(
    predictions: Sequence[Floats], target: NDArray[np.number], weights: Floats
) -> Floats:
    """Return the weight of each of several predictions in their mean; weights are at least 0 and
    sum to 1.

    Greedy selection with replacement (Caruana, Niculescu-Mizil, Crew & Ksikes 2004, "Ensemble
    selection from libraries of models"): each of 50 rounds adds the prediction that lowers the loss
    of the mean most. The best mean of all rounds counts.

    Args:
        predictions: of each, as `mean_loss` has them.
    """
    counts = np.zeros(len(predictions), dtype=np.int64)
    each = np.array(predictions)
    of_classes = predictions[0].ndim > 1
    if of_classes:  # the log loss is that of the true class's probability
        each = each[:, np.arange(len(target)), target.astype(np.int64)]
    total = np.zeros_like(each[0])
    best = counts.copy()
    least = np.inf
    for n_chosen in range(1, _ROUNDS + 1):
        means = (total + each) / n_chosen
        by_row = (
            -np.log(np.maximum(means, _LEAST)) if of_classes else (means - target) ** 2
        )
        losses = np.average(by_row, axis=1, weights=weights)
        number = int(np.argmin(losses))
        counts[number] += 1
        total += each[number]
        if losses[number] < least - 1e-9:
            best = counts.copy()
            least = losses[number]
    if not best.any():
        best = np.ones(len(predictions), dtype=np.int64)
    return np.asarray(best / best.sum())


def apply_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities [..., class] after their logarithms are divided by a temperature."""
    return _tempered(np.log(np.maximum(probabilities, _LEAST)), temperature)


def _tempered(logs: Floats, temperature: float) -> Floats:
    powers = np.exp((logs - logs.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def best_temperature(
    probabilities: Floats, target: NDArray[np.number], weights: Floats
) -> float:
    """Return the temperature between 0.5 and 2 with the lowest log loss (Guo, Pleiss, Sun &
    Weinberger 2017, "On Calibration of Modern Neural Networks"), by golden section.

    Args:
        probabilities: [draw, row, class]; tempered and then averaged over the draws. NaN where
            there is none.
    """
    logs = np.log(np.maximum(probabilities, _LEAST))

    def loss(temperature: float) -> float:
        return mean_loss(
            np.nanmean(_tempered(logs, temperature), axis=0), target, weights
        )

    low, high = _RANGE
    while high - low > _NEAR:
        lower = high - _GOLDEN * (high - low)
        upper = low + _GOLDEN * (high - low)
        if loss(lower) < loss(upper):
            high = upper
        else:
            low = lower
    return min(lower, upper, key=loss)

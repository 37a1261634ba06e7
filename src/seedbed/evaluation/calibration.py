"""Do the probabilities mean what they say? Reliability curve, decomposition, and ECE beside its expected value; and the
weights and the temperature of a blend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.single_runs import spread_indices
from seedbed.typing import Floats

_CELLS_AT_ONCE, _CELLS_OF_CURVES = 2_000_000, 50_000
_N_CURVES, _BINS = 300, 10


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The corners of a reliability curve, with the rows of all forecasts since the previous corner."""

    forecast: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Band:
    """Where the curve of exact probabilities lies nine times in ten, separately at each forecast."""

    forecast: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Reliability:
    """The CORP reliability curve and the decomposition Brier score = miscalibration - discrimination + uncertainty.

    Attributes:
        forecast: [point], the distinct predicted probabilities, rising.
        observed: [point], the share of class 1 that isotonic regression finds there; it never falls.
        rows: [point], how many rows have this forecast.
        miscalibration: what recalibrating would save, at least 0; 0 is perfect.
        discrimination: what the recalibrated predictions gain over predicting the class frequencies, at least 0.
        uncertainty: Brier score of predicting the share of class 1 for every row.
    """

    forecast: Floats
    observed: Floats
    rows: NDArray[np.intp]
    miscalibration: float
    discrimination: float
    uncertainty: float

    def corners(self, most: int = 60) -> Curve:
        """Return the corners of the curve.

        Nothing is lost within a flat stretch. Of more than `most` corners, some are left out evenly.
        """
        inner = (np.diff(self.observed)[1:] != 0) | (np.diff(self.observed)[:-1] != 0)
        places = np.flatnonzero(np.concatenate([[True], inner, [True]])[: len(self.observed)])
        places = places[spread_indices(len(places), most)]
        rows = np.diff(np.concatenate([[0], np.cumsum(self.rows)[places]]))
        forecast, observed = (_round_shares(values[places]) for values in (self.forecast, self.observed))
        return Curve(forecast=forecast, observed=observed, rows=tuple(rows.tolist()))


def reliability(y: ArrayLike, p: ArrayLike, weights: Floats | None = None) -> Reliability:
    """Return the reliability curve by isotonic regression (CORP: Dimitriadis, Gneiting & Jordan 2021). There are no
    bins to choose.

    Pass one prediction for each row (for example the mean over repeats and seeds): a row given twice counts twice.

    Args:
        y: [row], 0 or 1. p: [row], probability of class 1.
        weights: of the rows, above 0 [row]; 1 if left out.

    Raises:
        ValueError: the shapes don't fit, y isn't 0/1 or p isn't in [0, 1].
    """
    truth, guess = _binary_input(y, p)
    of_row = np.ones(len(truth)) if weights is None else weights / weights.mean()
    forecast, place, rows = np.unique(guess, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=of_row)
    observed = isotonic(np.bincount(place, weights=truth * of_row)[None], sums)[0]
    brier = float(np.mean(of_row * (guess - truth) ** 2))
    recalibrated = float(np.mean(of_row * (observed[place] - truth) ** 2))
    mean = float(np.mean(of_row * truth))
    uncertainty = mean * (1 - mean)
    return Reliability(
        forecast=forecast,
        observed=observed,
        rows=rows,
        miscalibration=brier - recalibrated,
        discrimination=uncertainty - recalibrated,
        uncertainty=uncertainty,
    )


def isotonic(sums: NDArray[Any], weights: NDArray[Any]) -> Floats:
    """Return the isotonic regressions [curve, point] of means, from their weighted sums [curve, point] and weights
    [point]: neighbours that don't rise are pooled until all rise. `scipy.optimize` takes half a second to load.
    """
    n_points, ends = sums.shape[1], np.arange(sums.size + 1)
    sums, weights = sums.ravel(), np.tile(weights, len(sums))
    while True:
        means = sums / weights
        starts = np.flatnonzero(np.append(True, means[1:] > means[:-1]) | (ends[:-1] % n_points == 0))
        if len(starts) == len(means):
            return np.asarray(np.repeat(means, np.diff(ends)).reshape(-1, n_points))
        sums, weights = np.add.reduceat(sums, starts), np.add.reduceat(weights, starts)
        ends = np.append(ends[starts], ends[-1])


def consistency_band(p: ArrayLike, *, points: int = 40, weights: Floats | None = None) -> Band:
    """Return the 90 % consistency band of a reliability curve (Broecker & Smith 2007; Dimitriadis, Gneiting & Jordan
    2021).

    Outcomes are drawn from the probabilities themselves, and the curve of each draw is computed. A curve within the
    band is no evidence against the probabilities.

    Args:
        p: [row], probability of class 1.
        points: at how many forecasts at most; they are quantiles of p.
        weights: as in `reliability`.

    Raises:
        ValueError: p isn't in [0, 1], or is empty.
    """
    _, guess = _binary_input(np.zeros(np.shape(p)), p)
    forecast, place = np.unique(guess, return_inverse=True)
    at = spread_indices(len(forecast), points)
    rng = np.random.default_rng(0)
    of_row = np.ones(len(guess)) if weights is None else weights
    sums = np.bincount(place, weights=of_row)
    block, curves = max(1, _CELLS_OF_CURVES // guess.size), list[Floats]()
    for start in range(0, _N_CURVES, block):
        draws = [of_row * (rng.random(guess.size) < guess) for _ in range(min(block, _N_CURVES - start))]
        curves += list(isotonic(np.array([np.bincount(place, weights=draw) for draw in draws]), sums)[:, at])
    low, high = np.quantile(curves, ((1 - 0.9) / 2, (1 + 0.9) / 2), axis=0)
    return Band(forecast=_round_shares(forecast[at]), low=_round_shares(low), high=_round_shares(high))


def expected_calibration_error(
    y: ArrayLike, p: ArrayLike, *, n_simulations: int = 1000, weights: Floats | None = None
) -> tuple[float, float, float]:
    """Return the ECE over ten bins of equal width (Naeini, Cooper & Hauskrecht 2015), its mean and 95th percentile if
    every probability were exactly right: the sum over bins of the absolute value of sum(y - p), divided by rows.

    ECE is biased upwards: with 10 bins and probabilities all over [0, 1], perfect ones show about .06 at 300 rows and
    .10 at 100. It is therefore never given without the value of outcomes simulated from p itself (as the consistency
    bars of Broecker & Smith 2007).

    Args:
        y: [row], 0 or 1. p: [row], probability of class 1. weights: as in `reliability`.

    Raises:
        ValueError: as `reliability`.
    """
    truth, guess = _binary_input(y, p)
    of_row = np.ones(len(truth)) if weights is None else weights / weights.mean()
    member = of_row[:, None] * np.eye(_BINS)[np.minimum((guess * _BINS).astype(np.intp), _BINS - 1)]
    rng = np.random.default_rng(0)
    block = max(1, _CELLS_AT_ONCE // guess.size)
    simulated = []
    for start in range(0, n_simulations, block):
        outcomes = rng.random((min(block, n_simulations - start), guess.size)) < guess
        simulated.append(np.abs((outcomes - guess) @ member).sum(axis=1) / guess.size)
    values = np.concatenate(simulated)
    value = float(np.abs((truth - guess) @ member).sum() / guess.size)
    return value, float(values.mean()), float(np.quantile(values, 0.95))


def _binary_input(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    """Return y and p as floats [row], checked."""
    truth, guess = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != guess.shape or truth.size == 0:
        raise ValueError(f"y and p must be [row] of one length, not empty; got {truth.shape} and {guess.shape}")
    if not np.isin(truth, (0.0, 1.0)).all() or not ((guess >= 0) & (guess <= 1)).all():
        raise ValueError("y must be 0 or 1 and p within [0, 1]")
    return truth, guess


@dataclass(frozen=True, kw_only=True)
class CalibrationSummary:
    """The calibration of probabilities: Brier score = miscalibration - discrimination + uncertainty (`reliability`).

    Attributes:
        ece: expected calibration error; beside it, its mean and 95th percentile for outcomes that follow the
            probabilities.
        counts: rows in each twentieth.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float
    ece: float
    ece_if_calibrated: float
    ece_if_calibrated_high: float
    curve: Curve
    band: Band
    counts: tuple[int, ...]


def calibration_of(y: ArrayLike, p: ArrayLike, weights: Floats | None = None) -> CalibrationSummary:
    """Return the calibration of probabilities; arguments as in `reliability`. Shares are rounded for charts."""
    measured, (ece, exact, exact_high) = reliability(y, p, weights), expected_calibration_error(y, p, weights=weights)
    return CalibrationSummary(
        miscalibration=measured.miscalibration,
        discrimination=measured.discrimination,
        uncertainty=measured.uncertainty,
        ece=ece,
        ece_if_calibrated=exact,
        ece_if_calibrated_high=exact_high,
        curve=measured.corners(),
        band=consistency_band(p, weights=weights),
        counts=tuple(np.histogram(p, bins=20, range=(0, 1))[0].tolist()),
    )


def _round_shares(shares: ArrayLike) -> tuple[float, ...]:
    """Return shares with more digits than a picture shows."""
    return tuple(np.round(np.asarray(shares, dtype=np.float64), 5).tolist())


_ROUNDS = 50
_LEAST = 1e-12
_RANGE, _NEAR, _GOLDEN = (0.5, 2.0), 1e-4, (5**0.5 - 1) / 2


def mean_loss(predictions: Floats, target: NDArray[np.number], weights: Floats) -> float:
    """Return the weighted mean loss: log loss of probabilities [row, class] for class codes [row], or squared error
    of numbers [row].
    """
    if predictions.ndim == 1:
        losses = (predictions - target) ** 2
    else:
        losses = -np.log(np.maximum(predictions[np.arange(len(target)), target.astype(np.int64)], _LEAST))
    return float(np.average(losses, weights=weights))


def blend_weights(predictions: Sequence[Floats], target: NDArray[np.number], weights: Floats) -> Floats:
    """Return the weight of each of several predictions in their mean; weights are at least 0 and sum to 1.

    Greedy selection with replacement (Caruana, Niculescu-Mizil, Crew & Ksikes 2004, "Ensemble selection from
    libraries of models"): each of 50 rounds adds the prediction that lowers the loss of the mean most. The best mean
    of all rounds counts.

    Args:
        predictions: of each, as `mean_loss` has them.
    """
    counts = np.zeros(len(predictions), dtype=np.int64)
    each, of_classes = np.array(predictions), predictions[0].ndim > 1
    if of_classes:  # the log loss is that of the true class's probability
        each = each[:, np.arange(len(target)), target.astype(np.int64)]
    total, best, least = np.zeros_like(each[0]), counts.copy(), np.inf
    for n_chosen in range(1, _ROUNDS + 1):
        means = (total + each) / n_chosen
        by_row = -np.log(np.maximum(means, _LEAST)) if of_classes else (means - target) ** 2
        losses = np.average(by_row, axis=1, weights=weights)
        number = int(np.argmin(losses))
        counts[number] += 1
        total += each[number]
        if losses[number] < least - 1e-9:
            best, least = counts.copy(), losses[number]
    if not best.any():
        best = np.ones(len(predictions), dtype=np.int64)
    return np.asarray(best / best.sum())


def apply_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities [..., class] after their logarithms are divided by a temperature."""
    return _tempered(np.log(np.maximum(probabilities, _LEAST)), temperature)


def _tempered(logs: Floats, temperature: float) -> Floats:
    powers = np.exp((logs - logs.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def best_temperature(probabilities: Floats, target: NDArray[np.number], weights: Floats) -> float:
    """Return the temperature between 0.5 and 2 with the lowest log loss (Guo, Pleiss, Sun & Weinberger 2017, "On
    Calibration of Modern Neural Networks"), by golden section.

    Args:
        probabilities: [draw, row, class]; tempered and then averaged over the draws. NaN where there is none.
    """
    logs = np.log(np.maximum(probabilities, _LEAST))

    def loss(temperature: float) -> float:
        return mean_loss(np.nanmean(_tempered(logs, temperature), axis=0), target, weights)

    low, high = _RANGE
    inner = [(loss(at), at) for at in (high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))]
    while high - low > _NEAR:
        if inner[0][0] < inner[1][0]:
            high, at = inner[1][1], inner[1][1] - _GOLDEN * (inner[1][1] - low)
            inner = [(loss(at), at), inner[0]]
        else:
            low, at = inner[0][1], inner[0][1] + _GOLDEN * (high - inner[0][1])
            inner = [inner[1], (loss(at), at)]
    return min(inner)[1]

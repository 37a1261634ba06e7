"""The weights of a blend and its temperature, chosen by predictions for rows that networks left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.typing import Floats

_ROUNDS = 50
_LEAST = 1e-12
_RANGE = (0.5, 2.0)


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
    for chosen in range(1, _ROUNDS + 1):
        means = (total + each) / chosen
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


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities [..., class] after their logarithms are divided by a temperature."""
    logs = np.log(np.maximum(probabilities, _LEAST)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def best_temperature(probabilities: Floats, target: NDArray[np.number], weights: Floats) -> float:
    """Return the temperature between 0.5 and 2 with the lowest log loss (Guo, Pleiss, Sun & Weinberger 2017, "On
    Calibration of Modern Neural Networks").

    Args:
        probabilities: [draw, row, class]; tempered and then averaged over the draws. NaN where there is none.
    """
    from scipy.optimize import minimize_scalar

    def loss(temperature: float) -> float:
        return mean_loss(np.nanmean(tempered(probabilities, temperature), axis=0), target, weights)

    return float(minimize_scalar(loss, bounds=_RANGE, method="bounded").x)

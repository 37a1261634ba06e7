"""Weights for a blend, and its temperature, from predictions for rows that weren't trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.typing import Floats

__all__ = ["best_temperature", "blend_weights", "mean_loss", "tempered"]


_ROUNDS = 50
_LEAST = 1e-12
_RANGE = (0.5, 2.0)


def mean_loss(predictions: Floats, target: NDArray[np.number], weights: Floats) -> float:
    """The log loss of probabilities [row, class] for class codes [row], or the squared error of numbers [row], as a
    mean with weights [row]."""
    if predictions.ndim == 1:
        losses = (predictions - target) ** 2
    else:
        losses = -np.log(np.maximum(predictions[np.arange(len(target)), target.astype(np.int64)], _LEAST))
    return float(np.average(losses, weights=weights))


def blend_weights(predictions: Sequence[Floats], target: NDArray[np.number], weights: Floats) -> Floats:
    """What each of several predictions counts in their mean: from 0 up, in sum 1.

    Greedy selection with replacement of Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from
    libraries of models": in each of 50 rounds the one is added with which the mean has the least loss, and the best of
    these means is taken.

    Args:
        predictions: of each, as `mean_loss` has them.
    """
    counts = np.zeros(len(predictions), dtype=np.int64)
    total, best, least = np.zeros_like(predictions[0]), counts.copy(), np.inf
    for chosen in range(1, _ROUNDS + 1):
        losses = [mean_loss((total + one) / chosen, target, weights) for one in predictions]
        number = int(np.argmin(losses))
        counts[number] += 1
        total += predictions[number]
        if losses[number] < least - 1e-9:
            best, least = counts.copy(), losses[number]
    if not best.any():
        best = np.ones(len(predictions), dtype=np.int64)
    return np.asarray(best / best.sum())


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities [..., class] whose logarithms are divided by a temperature."""
    logs = np.log(np.maximum(probabilities, _LEAST)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def best_temperature(probabilities: Floats, target: NDArray[np.number], weights: Floats) -> float:
    """The temperature, from a half to two, with the least log loss; from Guo, Pleiss, Sun and Weinberger 2017, "On
    Calibration of Modern Neural Networks".

    Args:
        probabilities: [draw, row, class]; tempered and then averaged over the draws. NaN where there is none.
    """
    from scipy.optimize import minimize_scalar

    def loss(temperature: float) -> float:
        return mean_loss(np.nanmean(tempered(probabilities, temperature), axis=0), target, weights)

    return float(minimize_scalar(loss, bounds=_RANGE, method="bounded").x)

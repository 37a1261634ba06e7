"""Choices from predictions and losses on validation rows: learning rate and epoch, weights of a blend, its temperature.

`choose` receives losses and nothing else. It can't look at a row that is scored, so its choice doesn't bias a score.
An epoch that is chosen on the scored rows turns noise into an accuracy of 62 % at 300 rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike, NDArray

from seedbed.typing import Floats

__all__ = ["Choice", "Waiting", "best_temperature", "blend_weights", "choose", "mean_loss", "tempered"]


Patience = tuple[float, float]
"""(factor, epochs): training ends once an epoch is past `factor` times the best one so far plus `epochs`."""

NEVER_ENDS: Patience = (1.0, math.inf)
_ROUNDS = 50
_LEAST = 1e-12
_RANGE = (0.5, 2.0)


@dataclass(frozen=True)
class Choice:
    """What to train with.

    Attributes:
        lr: index of the chosen learning rate.
        epochs: for how many epochs to train, 1..n_epochs.
        loss: mean validation loss there, units of the loss; None if nothing is finite.
    """

    lr: int
    epochs: int
    loss: float | None


def choose(validation_losses: ArrayLike, patience: Patience = NEVER_ENDS) -> Choice:
    """Return the learning rate and the number of epochs with the lowest mean validation loss.

    Ties go to the earlier epoch, then to the first rate.

    If a network of a learning rate isn't finite at an epoch, the epoch counts as infinitely bad for that rate: a mean
    over the other networks would be too low. If no epoch is finite for any rate, the choice is one epoch of the first
    rate. Epochs after the one at which `Waiting` ends a learning rate don't count, whether they were trained or not.

    Args:
        validation_losses: [lr, network, epoch], after each epoch, on rows that the network wasn't trained on.
        patience: how long each learning rate waits for a lower loss.
    """
    losses = np.asarray(validation_losses, dtype=np.float64)
    waiting = Waiting(len(losses), patience)
    means = waiting.see(losses)
    epoch, lr = divmod(int(means.T.argmin()), len(means))
    least = float(means[lr, epoch])
    return Choice(lr, epoch + 1, least) if np.isfinite(least) else Choice(0, 1, None)


class Waiting:
    """Several runs (learning rates, splits or both), each waiting for a lower mean validation loss of its networks.

    A run ends after the first epoch that is past `factor * best + epochs`, where `best` is the epoch of its lowest mean
    so far, 0 before any finite one. This depends on the losses alone: not on how many epochs are seen at a time, nor on
    what comes after the end.

    Args:
        n_runs: how many there are.
        patience: how long each waits.

    Attributes:
        n_epochs: how many epochs have been seen.
        ends: [run], the last epoch that counts; 0 if the end isn't reached.
    """

    def __init__(self, n_runs: int, patience: Patience) -> None:
        self._patience, self.n_epochs = patience, 0
        self.ends = np.zeros(n_runs, dtype=np.int64)
        self._least, self._best = np.full((n_runs, 1), np.inf), np.zeros((n_runs, 1), dtype=np.int64)

    def see(self, losses: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Take the losses of the next epochs [run, network, epoch]; return their means [run, epoch], infinite where a
        loss isn't finite and after the end."""
        # Sorted first, so that the order of the networks can't change the last digit of a sum and with it a tie.
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.sort(losses.astype(np.float64), axis=1).mean(axis=1)
        means = np.where(np.isfinite(means), means, np.inf)
        epochs = self.n_epochs + 1 + np.arange(means.shape[1])
        least = np.minimum.accumulate(np.hstack([self._least, means]), axis=1)
        best = np.where(least[:, 1:] < least[:, :-1], epochs, 0)
        best = np.maximum.accumulate(np.hstack([self._best, best]), axis=1)[:, 1:]
        factor, more = self._patience
        over = epochs > factor * best + more
        self.ends = np.where(self.ends, self.ends, np.where(over.any(axis=1), epochs[over.argmax(axis=1)], 0))
        if means.shape[1]:
            self._least, self._best, self.n_epochs = least[:, -1:], best[:, -1:], int(epochs[-1])
        means[(self.ends[:, None] > 0) & (epochs > self.ends[:, None])] = np.inf
        return means


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

"""The loss of the mean of several networks, which is the model that is handed over, and its variance over seeds.

A comparison trains S networks of a candidate for each split; a model averages M of them. The loss of that mean is
written as S numbers, one for each network (pseudo-values of the jackknife, Quenouille 1956): their mean is the loss of
the mean of M networks, and their variance (ddof 1) divided by S estimates how much that loss varies with the seeds.
With M = 1 they are the losses of the single networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.evaluation.metrics import METRICS, row_losses
from seedbed.typing import Floats

__all__ = ["ensemble_losses"]


def ensemble_losses(
    name: str, y: NDArray[Any], p: NDArray[Any], *, networks: int, variance: float | None = None
) -> Floats:
    """Return the losses [seed, row] whose mean over seeds is the loss of each row for the mean of several networks.

    For a quadratic loss, B_M = B_1 - V (1 - 1/M) for any M, without bias: B_1 is the mean loss of single networks and V
    the variance of their predictions (ddof 1). Any other loss is that of the mean of the S networks that are there,
    whatever M is above 1. A single network says nothing about means; its own loss is returned.

    Args:
        name: of a metric that is a mean over rows.
        y: class codes or numbers [row].
        p: predictions [seed, row] or [seed, row, class].
        networks: M, how many networks the model averages.
        variance: of the target, as in `row_losses`.
    """
    n_seeds = len(p)
    truth = np.broadcast_to(y, p.shape[:2])
    single = row_losses(name, truth, p, variance=variance)
    if networks == 1 or n_seeds == 1:
        return single
    total, kept = p.astype(np.float64).sum(axis=0), single.sum(axis=0)
    quadratic = METRICS[name].quadratic

    def of_mean(sum_of_losses: Floats, sum_of_predictions: Floats, count: int) -> Floats:
        """Return the loss of each row for the mean of M networks, estimated from `count` of them."""
        together = row_losses(name, y, sum_of_predictions / count, variance=variance)
        if not quadratic:
            return together
        alone = sum_of_losses / count
        return np.asarray(alone - (alone - together) * count / (count - 1) * (1 - 1 / networks))

    value = of_mean(kept, total, n_seeds)
    if n_seeds == 2:
        return np.asarray(value + single - single.mean(axis=0))
    without = np.stack([of_mean(kept - single[seed], total - p[seed], n_seeds - 1) for seed in range(n_seeds)])
    return np.asarray(value + (n_seeds - 1) * (without.mean(axis=0) - without))

"""How far the prediction for one row moves if a model is trained on other rows."""

from __future__ import annotations

import math

import numpy as np

from seedbed.typing import Floats

FOLDS = 8
"""Parts of the training rows, of which each network of a model leaves out one."""
FACTORS = {
    "several": 0.8,
    "boosted": 0.75,
    "extra": 0.7,
    "linear": 1.4,
    "prior": 1.0,
    "network": 0.6,
}
"""What the jackknife's error is multiplied by, of a blend and of each kind of model. Seeds of
networks and trees are in their deviation, too; a mean has less of them. Measured by fresh samples
of real tables, see benchmarks/sure.md."""
_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365)
"""97.5 % points of Student's t with 1 to 7 degrees of freedom."""


def ranges_of_rows(
    singles: Floats,
    mean: Floats,
    *,
    factor: float,
    n_rows: int,
    folds: int = FOLDS,
    are_shares: bool,
) -> Floats:
    """Return the ends of the range around each prediction [row, 2], which holds 95 % of what a
    model predicts that is trained on as many other rows.

    The networks of a model leave out parts of the rows, so their deviation is that of a
    delete-group jackknife (Kott 2001, A delete-a-group jackknife, Journal of Official Statistics
    17). To it comes the error of a share that is observed in all rows, since all networks have the
    same share of each class. Both models vary, which widens the range by the square root of 2.

    Args:
        singles: the prediction of each network [network, row].
        mean: the model's prediction [row].
        factor: of the jackknife's error, see `FACTORS`.
        n_rows: rows, or groups of them, that the model was trained on.
        folds: parts of the rows, of which each network leaves out one.
        are_shares: whether predictions are probabilities. Ranges are symmetric in their logits.

    Returns:
        The ends; NaN with fewer than two networks.

    Examples:
        >>> singles = np.array([[0.2], [0.3], [0.25], [0.25], [0.3], [0.2], [0.25], [0.25]])
        >>> ranges_of_rows(
        ...     singles, singles.mean(axis=0), factor=0.8, n_rows=300, are_shares=True
        ... ).round(2)
        array([[0.08, 0.58]])
    """
    n_networks = len(singles)
    if n_networks < 2:
        return np.full((len(mean), 2), np.nan)
    widths = math.sqrt(2) * _QUANTILES[min(n_networks, folds, FOLDS) - 2]
    jackknife = (folds - 1) ** 2 / folds * singles.var(axis=0, ddof=1)
    variance = factor**2 * jackknife
    if not are_shares:
        half = widths * np.sqrt(variance)
        return np.stack([mean - half, mean + half], axis=-1)
    rarest = 0.5 / n_rows
    share = np.clip(mean, rarest, 1 - rarest)
    slope = share * (1 - share)
    half = widths * np.sqrt(variance + slope / n_rows) / slope
    logit = np.log(share / (1 - share))
    low = np.exp(-np.logaddexp(0, half - logit))
    high = np.exp(-np.logaddexp(0, -half - logit))
    return np.stack([np.minimum(low, mean), np.maximum(high, mean)], axis=-1)


def shares_changed(ranges: Floats, mean: Floats, n_networks: int) -> Floats:
    """Return the probability that a model of other rows is on the other side of 0.5 [row], of the
    ranges of shares that `ranges_of_rows` gives."""
    from scipy.special import logit, ndtr

    certain = np.finfo(np.float64).eps
    low, high = logit(np.clip(ranges.T, certain, 1 - certain))
    error = (high - low) / 2 / _QUANTILES[min(n_networks, FOLDS) - 2]
    distance = np.abs(logit(np.clip(mean, certain, 1 - certain)))
    return np.asarray(ndtr(-distance / np.maximum(error, certain)))

"""The area under the ROC curve of many predictions at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["roc_auc"]


def roc_auc(y: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
    """ROC AUC of each set of predictions, by ranks: the share of pairs of a positive and a negative row that are in the
    right order, ties counting half (Mann & Whitney 1947).

    Args:
        y: zeros and ones [row].
        p: anything that grows with the probability of class 1 [..., row].

    Returns:
        [...]; NaN where a class is missing or a prediction isn't finite.
    """
    from scipy.stats import rankdata

    truth, guess = np.asarray(y) == 1, np.asarray(p, dtype=np.float64)
    n_positive = int(truth.sum())
    n_pairs = n_positive * (truth.size - n_positive)
    if n_pairs == 0:
        return np.full(guess.shape[:-1], np.nan)
    ranks = rankdata(guess, axis=-1)
    area = (ranks[..., truth].sum(-1) - n_positive * (n_positive + 1) / 2) / n_pairs
    return np.where(np.isfinite(guess).all(-1), area, np.nan)

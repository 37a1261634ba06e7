"""The area under the ROC curve of many predictions at once."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["auc_influence", "multiclass_auc", "roc_auc"]

Floats = NDArray[np.float64]


def roc_auc(y: ArrayLike, p: ArrayLike) -> Floats:
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


def multiclass_auc(y: NDArray[np.intp], p: Floats) -> float:
    """The mean over ordered pairs of classes (i, j) of the AUC by which p_i tells rows of i from rows of j.

    Hand & Till 2001, who write it as the mean over unordered pairs of both directions.

    Args:
        y: class codes [row]; each class has a row.
        p: probabilities [row, class], finite.
    """
    columns = _by_class(y, p)
    pairs = itertools.permutations(range(p.shape[1]), 2)
    return float(np.mean([_share_below(columns[i][i], columns[j][i]).mean() for i, j in pairs]))


def auc_influence(y: NDArray[np.intp], p: Floats) -> Floats:
    """How much `multiclass_auc` changes with each row's weight [row]: its derivative where all weights are 1.

    The placement values of DeLong, DeLong & Clarke-Pearson 1988. The sum of squares is the variance that a bootstrap
    of rows would find (the infinitesimal jackknife, Jaeckel 1972), without a single resample: a bootstrap would go
    through the rows of all pairs of classes for each of them.

    Args: as `multiclass_auc`.
    """
    n_classes = p.shape[1]
    columns = _by_class(y, p)
    members = [np.flatnonzero(y == code) for code in range(n_classes)]
    influence = np.zeros(len(y))
    for i, j in itertools.permutations(range(n_classes), 2):
        above, below = columns[i][i], columns[j][i]
        placed = _share_below(above, below)
        area = placed.mean()
        influence[members[i]] += (placed - area) / len(above)
        influence[members[j]] += (1 - _share_below(below, above) - area) / len(below)
    return np.asarray(influence / (n_classes * (n_classes - 1)), dtype=np.float64)


def _by_class(y: NDArray[np.intp], p: Floats) -> list[list[Floats]]:
    """[true class][column]: the column of probabilities of the rows of a class, [row of the class]."""
    return [list(p[y == code].T) for code in range(p.shape[1])]


def _share_below(values: Floats, others: Floats) -> Floats:
    """Of each value, the share of others that are lower, ties counting half."""
    ranked = np.sort(others)
    both = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return np.asarray(both / (2 * len(others)), dtype=np.float64)

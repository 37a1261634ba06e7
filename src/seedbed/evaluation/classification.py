"""Predictions of classes: codes, predicted classes, the confusion matrix, and areas under ROC curves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.typing import Floats

_FEWEST_ROWS = 5  # of each class in each fold

RowScore = Callable[[Floats], Floats]
"""Weights [resample, row] -> the score [resample], NaN where it isn't defined.

A resample is a weight for each row: how often it was drawn. So all predictions of a row stay together, and 2000
resamples are one matrix product.
"""


def predicted_classes(p: ArrayLike, *, by_class: bool) -> NDArray[np.intp]:
    """Return the predicted class: p > 0.5, or the class of the greatest probability (ties: the first).

    Args:
        p: [...] probability of class 1, or [..., class] with `by_class`.
    """
    probability = np.asarray(p, dtype=np.float64)
    return probability.argmax(axis=-1) if by_class else (probability > 0.5).astype(np.intp)


def class_codes(y: ArrayLike, *, n_classes: int) -> NDArray[np.intp]:
    """Return y as integers, checked to lie in 0..n_classes-1.

    Raises:
        ValueError: it holds something else.
    """
    values = np.asarray(y)
    if values.size == 0:
        raise ValueError("y is empty")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("y must be finite")
    codes = values.astype(np.intp)
    if not (codes == values).all() or codes.min() < 0 or codes.max() >= n_classes:
        raise ValueError(f"y must hold class codes 0..{n_classes - 1}")
    return codes


def _class_input(y: ArrayLike, p: ArrayLike) -> tuple[NDArray[np.intp], Floats]:
    """Return class codes [row] and probabilities [row, class], from probabilities in either shape."""
    truth, probability = np.asarray(y), np.asarray(p, dtype=np.float64)
    if probability.ndim == 1:
        probability = np.column_stack([1 - probability, probability])
    return class_codes(truth, n_classes=probability.shape[1]), probability


def confusion_matrix(y: ArrayLike, p: ArrayLike) -> NDArray[np.intp]:
    """Return counts [true class, predicted class] of out-of-fold predictions.

    Args:
        y: [row], class codes. p: [row] or [row, class] probabilities; rows whose prediction isn't finite are left out.
    """
    codes, probability = _class_input(y, p)
    finite = np.isfinite(probability).all(axis=1)
    n_classes = probability.shape[1]
    # Two columns become one, so that ties at 0.5 fall to class 0 as everywhere.
    by_class = probability[:, 1] if n_classes == 2 else probability
    guess = predicted_classes(by_class, by_class=n_classes > 2)
    cells = np.bincount((codes * n_classes + guess)[finite], minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)


def _auc(y: NDArray[np.intp], p: Floats) -> float | None:
    """Return the ROC AUC of finite [row, class] probabilities; None if a class has no row."""
    n_classes = p.shape[1]
    if (np.bincount(y, minlength=n_classes) == 0).any():
        return None
    return float(two_class_auc(y == 1, p[:, 1])(np.ones((1, len(y))))[0]) if n_classes == 2 else multiclass_auc(y, p)


class FoldAuc(NamedTuple):
    """An AUC over the folds of one repeat; `pooled` marks that the folds were too small and all rows went together."""

    value: float | None
    pooled: bool


def fold_auc(y: ArrayLike, p: ArrayLike, folds: ArrayLike) -> FoldAuc:
    """Return the mean AUC over the folds of one repeat; or one pooled AUC if a fold has fewer than 5 rows of a class.

    Pooling mixes predictions of different trainings, whose scales differ. So it is the second choice, and marked
    (Forman & Scholz 2010).

    Args:
        y: [row], class codes. p: [row] or [row, class], out-of-fold probabilities of one repeat.
        folds: [row], the fold that each row was tested in.

    Returns:
        (value, pooled); value is None if a class has no row at all.
    """
    codes, probability = _class_input(y, p)
    fold = np.asarray(folds)
    members = [fold == number for number in np.unique(fold)]
    n_classes = probability.shape[1]
    if any(np.bincount(codes[member], minlength=n_classes).min() < _FEWEST_ROWS for member in members):
        return FoldAuc(_auc(codes, probability), True)
    values = [value for member in members if (value := _auc(codes[member], probability[member])) is not None]
    return FoldAuc(float(np.mean(values)), False)


def two_class_auc(positive: NDArray[np.bool_], p: Floats) -> RowScore:
    """Return the ROC AUC of two classes as a function of row weights: the share of (positive, negative) pairs in the
    right order, with ties as half (Bamber 1975).

    Args:
        p: anything that grows with the probability of class 1 [row], finite.
    """
    if p.size == 0:
        return lambda weights: np.full(len(weights), np.nan)
    ranked = np.flatnonzero(~positive)[np.argsort(p[~positive], kind="stable")]
    places = np.flatnonzero(positive)
    first, last = (np.searchsorted(p[ranked], p[places], side=side) for side in ("left", "right"))
    has_ties = bool((first < last).any())

    def score(weights: Floats) -> Floats:
        pos, below = weights.take(places, axis=1), np.zeros((len(weights), len(ranked) + 1))
        np.cumsum(weights.take(ranked, axis=1), axis=1, out=below[:, 1:])
        under = below.take(first, axis=1)
        if has_ties:
            under = (under + below.take(last, axis=1)) / 2
        pairs = pos.sum(axis=1) * below[:, -1]
        area: Floats = np.divide(
            np.einsum("ij,ij->i", pos, under), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0
        )
        return area

    return score


def multiclass_auc(y: NDArray[np.intp], p: Floats) -> float:
    """Return the mean over ordered pairs of classes (i, j) of the AUC by which p_i separates rows of i from rows of
    j (Hand & Till 2001, who write it as the mean over unordered pairs of both directions).

    Args:
        y: class codes [row]; each class has a row.
        p: probabilities [row, class], finite.
    """
    columns = _by_class(y, p)
    pairs = itertools.permutations(range(p.shape[1]), 2)
    return float(np.mean([_share_below(columns[i][i], columns[j][i]).mean() for i, j in pairs]))


def auc_influence(y: NDArray[np.intp], p: Floats) -> Floats:
    """Return the derivative of `multiclass_auc` by the weight of each row [row], where all weights are 1.

    These are the placement values of DeLong, DeLong & Clarke-Pearson 1988. Their sum of squares is the variance that
    a bootstrap of rows would find (infinitesimal jackknife, Jaeckel 1972). A bootstrap would take long: each
    resample goes through the rows of all pairs of classes.

    Args: as `multiclass_auc`.
    """
    n_classes = p.shape[1]
    columns = _by_class(y, p)
    members = [np.flatnonzero(y == code) for code in range(n_classes)]
    influence = np.zeros(len(y))
    for i, j in itertools.permutations(range(n_classes), 2):
        higher, lower = columns[i][i], columns[j][i]
        placements = _share_below(higher, lower)
        area = placements.mean()
        influence[members[i]] += (placements - area) / len(higher)
        influence[members[j]] += (1 - _share_below(lower, higher) - area) / len(lower)
    return np.asarray(influence / (n_classes * (n_classes - 1)), dtype=np.float64)


def _by_class(y: NDArray[np.intp], p: Floats) -> list[list[Floats]]:
    """Return [true class][column]: the probabilities of the rows of a class, [row of the class]."""
    return [list(p[y == code].T) for code in range(p.shape[1])]


def _share_below(values: Floats, others: Floats) -> Floats:
    """Return for each value the share of others that are lower, with ties as half."""
    ranked = np.sort(others)
    both = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return np.asarray(both / (2 * len(others)), dtype=np.float64)

"""Predictions of classes: codes, predicted classes, the confusion matrix, areas under ROC curves,
and other scores as functions of row weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.errors import DataError
from seedbed.typing import Floats

_FEWEST_ROWS = 5  # of each class in each fold
_MOST_SUM_ERROR = (
    1e-3 + 1e-6
)  # of a row of probabilities, for rounded ones and single precision

Codes = NDArray[np.intp]
RowScore = Callable[[Floats], Floats]
"""Weights [resample, row] -> the score [resample], NaN where it isn't defined.

A resample is a weight for each row: how often it was drawn. So all predictions of a row stay
together, and 2000 resamples are one matrix product.
"""


def check_probabilities(p: Floats, place: Callable[[int], str]) -> None:
    """Check that predictions are probabilities: each from 0 to 1, and those of a row with a sum of
    1, up to 0.001. Values that are NaN aren't checked.

    Args:
        p: [row, class], the probability of each class; or [row, 1], that of one of two classes.
        place: returns the words for a row in the message, such as `predictions.csv: row 3`.

    Raises:
        DataError: a row fails the check; the first one is named.
    """
    sums = p.sum(axis=1)
    is_outside = (p < 0) | (p > 1)
    is_wrong = is_outside.any(axis=1)
    hint = "Divide percentages by 100, and take the sigmoid of logits."
    if p.shape[1] > 1:
        is_wrong |= np.abs(sums - 1) > _MOST_SUM_ERROR
        hint = "Divide percentages by 100, and take the softmax of logits. Give rounded ones with "
        hint += "more digits, or divide each row by its sum."
    for row in np.flatnonzero(is_wrong)[:1].tolist():
        found = f"has probabilities that sum to {sums[row]:.6g} and not to 1"
        if is_outside[row].any():
            found = (
                f"has a probability of {p[row][is_outside[row]][0]:.6g}, outside 0 to 1"
            )
        raise DataError(f"{place(row)} {found}", hint)


def predicted_classes(p: ArrayLike, *, by_class: bool) -> NDArray[np.intp]:
    """Return the predicted class: p > 0.5, or the class of the greatest probability (ties: the
    first).

    Args:
        p: [...] probability of class 1, or [..., class] with `by_class`.
    """
    probability = np.asarray(p, dtype=np.float64)
    return (
        probability.argmax(axis=-1) if by_class else (probability > 0.5).astype(np.intp)
    )


def confusion_matrix(y: ArrayLike, p: ArrayLike) -> NDArray[np.intp]:
    """Return counts [true class, predicted class] of out-of-fold predictions.

    Args:
        y: [row], class codes. p: [row] or [row, class] probabilities; rows whose prediction isn't
            finite are left out.
    """
    codes, probability = np.asarray(y, dtype=np.intp), np.asarray(p, dtype=np.float64)
    by_class = probability.ndim == 2
    n_classes = probability.shape[1] if by_class else 2
    finite = np.isfinite(probability.reshape(len(codes), -1)).all(axis=1)
    cells = codes * n_classes + predicted_classes(probability, by_class=by_class)
    return np.bincount(cells[finite], minlength=n_classes**2).reshape(
        n_classes, n_classes
    )


def fold_auc(y: ArrayLike, p: ArrayLike, folds: ArrayLike) -> tuple[float | None, bool]:
    """Return the mean AUC over the folds of one repeat; or one pooled AUC if a fold has fewer than
    5 rows of a class.

    Pooling mixes predictions of different trainings, whose scales differ. So it is the second
    choice, and marked (Forman & Scholz 2010).

    Args:
        y: [row], class codes. p: [row] or [row, class], out-of-fold probabilities of one repeat.
        folds: [row], the fold that each row was tested in.

    Returns:
        The value, None if a class has no row at all; and whether all rows were pooled.
    """
    codes, probability, fold = (
        np.asarray(y, dtype=np.intp),
        np.asarray(p, dtype=np.float64),
        np.asarray(folds),
    )
    if probability.ndim == 1:
        probability = np.column_stack([1 - probability, probability])
    members = [fold == number for number in np.unique(fold)]
    n_classes = probability.shape[1]
    pooled = any(
        np.bincount(codes[member], minlength=n_classes).min() < _FEWEST_ROWS
        for member in members
    )
    if pooled and np.bincount(codes, minlength=n_classes).min() == 0:
        return None, True

    def area(rows: Any) -> float:
        y, shares = codes[rows], probability[rows]
        if n_classes > 2:
            return multiclass_auc(y, shares)[0]
        return float(two_class_auc(y == 1, shares[:, 1])(np.ones((1, len(y))))[0])

    return float(
        np.mean([area(rows) for rows in ([slice(None)] if pooled else members)])
    ), pooled


def two_class_auc(positive: NDArray[np.bool_], p: Floats) -> RowScore:
    """Return the ROC AUC of two classes as a function of row weights: the share of (positive,
    negative) pairs in the right order, with ties as half (Bamber 1975).

    Args:
        p: anything that grows with the probability of class 1 [row], finite.
    """
    ranked = np.flatnonzero(~positive)[np.argsort(p[~positive], kind="stable")]
    places = np.flatnonzero(positive)
    first, last = (
        np.searchsorted(p[ranked], p[places], side=side) for side in ("left", "right")
    )
    has_ties = bool((first < last).any())

    def score(weights: Floats) -> Floats:
        pos = weights.take(places, axis=1)
        below = np.zeros((len(weights), len(ranked) + 1))
        np.cumsum(weights.take(ranked, axis=1), axis=1, out=below[:, 1:])
        under = below.take(first, axis=1)
        if has_ties:
            under = (under + below.take(last, axis=1)) / 2
        pairs = pos.sum(axis=1) * below[:, -1]
        area: Floats = np.divide(
            np.einsum("ij,ij->i", pos, under),
            pairs,
            out=np.full(len(pairs), np.nan),
            where=pairs > 0,
        )
        return area

    return score


def multiclass_auc(y: NDArray[np.intp], p: Floats) -> tuple[float, Floats]:
    """Return the mean over ordered pairs of classes (i, j) of the AUC by which p_i separates rows
    of i from rows of j (Hand & Till 2001, who write it as the mean over unordered pairs of both
    directions), and its derivative by the weight of each row [row], where all weights are 1.

    These are the placement values of DeLong, DeLong & Clarke-Pearson 1988. Their sum of squares is
    the variance that a bootstrap of rows would find (infinitesimal jackknife, Jaeckel 1972). A
    bootstrap would take long: each resample goes through the rows of all pairs of classes.

    Args:
        y: class codes [row]; each class has a row.
        p: probabilities [row, class], finite.
    """
    members = [np.flatnonzero(y == code) for code in range(p.shape[1])]
    areas = []
    influence = np.zeros(len(y))
    for i, j in itertools.permutations(range(p.shape[1]), 2):
        higher, lower = p[members[i], i], p[members[j], i]
        placements = _share_below(higher, lower)
        areas.append(placements.mean())
        influence[members[i]] += (placements - areas[-1]) / len(higher)
        influence[members[j]] += (1 - _share_below(lower, higher) - areas[-1]) / len(
            lower
        )
    return float(np.mean(areas)), influence / len(areas)


def _share_below(values: Floats, others: Floats) -> Floats:
    """Return for each value the share of others that are lower, with ties as half."""
    ranked = np.sort(others)
    both = np.searchsorted(ranked, values, "left") + np.searchsorted(
        ranked, values, "right"
    )
    return np.asarray(both / (2 * len(others)), dtype=np.float64)


def _classes_of(y: Codes, sets: Floats) -> tuple[Floats, Codes]:
    """Return one-hot classes [row, class], and the predicted classes [set, row]."""
    n_classes = sets.shape[2] if sets.ndim == 3 else 2
    return np.eye(n_classes)[y], predicted_classes(sets, by_class=sets.ndim == 3)


def auc(y: Codes, sets: Floats) -> RowScore:
    """Return the ROC AUC of two classes, the mean over sets."""
    parts = [two_class_auc(y == 1, p) for p in sets]
    return lambda weights: np.asarray(
        sum(part(weights) for part in parts) / len(parts), dtype=np.float64
    )


def balanced_accuracy(y: Codes, sets: Floats) -> RowScore:
    """Return the mean recall over the classes that were drawn; NaN if only one was drawn."""
    truth, guess = _classes_of(y, sets)
    # All sets share the rows of a class, so the mean of their recalls is the recall of their mean
    # hits.
    hits = truth * (guess == y).mean(axis=0)[:, None]

    def score(weights: Floats) -> Floats:
        total, right = weights @ truth, weights @ hits
        recall = np.divide(right, total, out=np.zeros_like(total), where=total > 0)
        n_classes = (total > 0).sum(axis=1)
        return np.where(
            n_classes > 1, recall.sum(axis=1) / np.maximum(n_classes, 1), np.nan
        )

    return score


def recall(y: Codes, sets: Floats) -> RowScore:
    """Return the share of the rarer class's rows, class 1 of equal ones, that are predicted as
    such; NaN if none was drawn."""
    rare = y == int(2 * np.count_nonzero(y == 1) <= len(y))
    hits = rare * (predicted_classes(sets, by_class=False) == y).mean(axis=0)

    def score(weights: Floats) -> Floats:
        total, right = weights @ rare, weights @ hits
        recall: Floats = np.divide(
            right, total, out=np.full_like(right, np.nan), where=total > 0
        )
        return recall

    return score


def mcc(y: Codes, sets: Floats) -> RowScore:
    """Return the Matthews correlation for any number of classes (Gorodkin 2004), the mean over
    sets.

    It is 0 for constant predictions, and NaN if only one class was drawn. It needs only the margins
    and the trace of the confusion matrix, so that many classes are cheap.
    """
    truth, guess = _classes_of(y, sets)
    n_classes = truth.shape[1]
    guessed = np.stack(
        [
            np.column_stack([np.eye(n_classes)[classes], classes == y])
            for classes in guess
        ],
        axis=1,
    )
    columns = guessed.reshape(len(y), -1)

    def score(weights: Floats) -> Floats:
        true = (weights @ truth)[:, None]
        cells = (weights @ columns).reshape(len(weights), len(guess), n_classes + 1)
        predicted, right = cells[..., :-1], cells[..., -1]
        n = weights.sum(axis=1)[:, None]
        covariance = right * n - (true * predicted).sum(axis=2)
        of_true, of_guess = (
            n**2 - (true**2).sum(axis=2),
            n**2 - (predicted**2).sum(axis=2),
        )
        both = of_true * of_guess
        value = np.divide(
            covariance, np.sqrt(both), out=np.zeros_like(covariance), where=both > 0
        )
        return np.where(of_true[:, 0] > 0, value.mean(axis=1), np.nan)

    return score


def average_precision(y: Codes, p: Floats) -> float | None:
    """Return the precision at each distinct prediction, weighted by the step in recall, as
    scikit-learn does."""
    if not y.any():
        return None
    order = np.argsort(-p, kind="stable")
    last = np.append(
        np.flatnonzero(np.diff(p[order])), len(p) - 1
    )  # of the rows with one prediction
    right = np.cumsum(y[order] == 1)[last]
    steps = np.diff(np.append(0.0, right / right[-1]))
    return float(np.sum((steps * (right / (last + 1)))[::-1]))

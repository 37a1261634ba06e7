"""Scores as functions of row weights, for many weightings at once: what a bootstrap of rows needs.

A resample is a weight for each row (how often it was drawn), so all predictions of a row stay together by construction,
and 2000 resamples are a matrix product instead of 2000 calls. A resample where the score isn't defined gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation.losses import class_codes, predicted_classes, row_losses
from seedbed.evaluation.metrics import METRICS

__all__ = ["RowScore", "row_score"]

Floats = NDArray[np.float64]
RowScore = Callable[[Floats], Floats]
"""weights [resample, row] -> value of the score [resample]."""


def row_score(name: str, y: ArrayLike, p: ArrayLike) -> RowScore:
    """The score `name` as a function of row weights: the mean over prediction sets of the score of each set.

    Args:
        name: brier, log_loss, accuracy, squared_error, brier_skill, balanced_accuracy, mcc or roc_auc.
        y: [row], class codes or target values.
        p: [prediction, row] or [prediction, row, class]: one set of out-of-fold predictions for each (repeat, seed).

    Raises:
        OptionError: a name that isn't one of these.
        ValueError: shapes don't fit, or a prediction isn't finite.
    """
    truth, guess = np.asarray(y), np.asarray(p, dtype=np.float64)
    if guess.ndim not in (2, 3) or guess.shape[1] != truth.size or truth.ndim != 1:
        raise ValueError(
            f"p must be [prediction, row] or [prediction, row, class]; got {guess.shape} for {truth.shape}"
        )
    if not np.isfinite(guess).all():
        raise ValueError("predictions must be finite")
    if guess.ndim == 3 and guess.shape[2] == 2:
        guess = guess[:, :, 1]
    if name in METRICS and METRICS[name].per_row:
        sign, start = (-1.0, 1.0) if METRICS[name].greater_is_better else (1.0, 0.0)
        mean = _mean_over_rows(_losses(name, truth, guess))
        return lambda weights: start + sign * mean(weights)
    if name == "brier_skill":
        return _brier_skill(truth, guess)
    n_classes = guess.shape[2] if guess.ndim == 3 else 2
    codes = class_codes(truth, n_classes=n_classes)
    if name == "roc_auc":
        return _mean_of([_auc(codes, one) for one in guess])
    if name in ("balanced_accuracy", "mcc"):
        from_cells = _balanced_accuracy if name == "balanced_accuracy" else _mcc
        return _mean_of([_from_confusion(codes, one, n_classes, from_cells) for one in guess])
    known = ["brier", "log_loss", "accuracy", "squared_error", "brier_skill", "balanced_accuracy", "mcc", "roc_auc"]
    raise OptionError(f"There is no bootstrap of '{name}'", did_you_mean(name, known))


def _losses(name: str, y: NDArray[np.generic], p: Floats) -> Floats:
    """Row losses averaged over prediction sets, [row]."""
    losses: Floats = row_losses(name, np.broadcast_to(y, p.shape[:2]), p).mean(axis=0)
    return losses


def _mean_over_rows(values: Floats) -> RowScore:
    """The weighted mean of `values` [row]."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1), dtype=np.float64)


def _mean_of(parts: list[RowScore]) -> RowScore:
    """The mean over several scores."""
    return lambda weights: np.asarray(sum(part(weights) for part in parts) / len(parts), dtype=np.float64)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
    return ratio


def _brier_skill(y: NDArray[np.generic], p: Floats) -> RowScore:
    """1 - brier / brier of the class shares of the resample itself."""
    n_classes = p.shape[2] if p.ndim == 3 else 2
    own = np.eye(n_classes)[class_codes(y, n_classes=n_classes)]
    brier = _mean_over_rows(_losses("brier", y, p))

    def score(weights: Floats) -> Floats:
        shares = weights @ own / weights.sum(axis=1, keepdims=True)
        prior = (1 - (shares**2).sum(axis=1)) / (2 if n_classes == 2 else 1)
        # A resample of one class has a prior loss of 0 up to rounding.
        return 1 - _ratio(brier(weights), np.where(prior > 1e-12, prior, 0.0))

    return score


def _auc(y: NDArray[np.intp], p: Floats) -> RowScore:
    """ROC AUC of one prediction set, [row] or [row, class] (mean over pairs of classes, Hand & Till 2001)."""
    if p.ndim == 1:
        return _two_class_auc(y == 1, p)
    n_classes = p.shape[1]
    parts: list[RowScore] = []
    for one in range(n_classes):
        for other in range(n_classes):
            if one != other:
                keep = np.flatnonzero((y == one) | (y == other))
                parts.append(_on_rows(_two_class_auc(y[keep] == one, p[keep, one]), keep))
    return _mean_of(parts)


def _on_rows(score: RowScore, rows: NDArray[np.intp]) -> RowScore:
    """A score of some rows as a score of all."""
    return lambda weights: score(weights[:, rows])


def _two_class_auc(positive: NDArray[np.bool_], p: Floats) -> RowScore:
    """Mann-Whitney: the share of (positive, negative) pairs in the right order, ties one half (Bamber 1975)."""
    if p.size == 0:
        return lambda weights: np.full(len(weights), np.nan)
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    is_positive = positive[order].astype(np.float64)

    def score(weights: Floats) -> Floats:
        drawn = weights[:, order]
        pos = drawn * is_positive
        neg = drawn - pos
        if starts.size < p.size:
            pos, neg = np.add.reduceat(pos, starts, axis=1), np.add.reduceat(neg, starts, axis=1)
        below = np.cumsum(neg, axis=1) - neg
        return _ratio((pos * (below + neg / 2)).sum(axis=1), pos.sum(axis=1) * neg.sum(axis=1))

    return score


def _from_confusion(y: NDArray[np.intp], p: Floats, n_classes: int, of_cells: RowScore) -> RowScore:
    """A score of the confusion matrix [resample, true, predicted] of one prediction set."""
    guess = predicted_classes(p, by_class=p.ndim == 2)
    cell = np.eye(n_classes**2)[y * n_classes + guess]
    return lambda weights: of_cells((weights @ cell).reshape(len(weights), n_classes, n_classes))


def _balanced_accuracy(cells: Floats) -> Floats:
    """Mean recall over the classes that were drawn; NaN where only one was."""
    total = cells.sum(axis=2)
    right = np.diagonal(cells, axis1=1, axis2=2)
    recall = np.divide(right, total, out=np.zeros_like(total), where=total > 0)
    drawn = (total > 0).sum(axis=1)
    return np.where(drawn > 1, recall.sum(axis=1) / np.maximum(drawn, 1), np.nan)


def _mcc(cells: Floats) -> Floats:
    """Matthews correlation for any number of classes (Gorodkin 2004); 0 for constant predictions, NaN for one class."""
    true, guessed = cells.sum(axis=2), cells.sum(axis=1)
    n = true.sum(axis=1)
    right = np.diagonal(cells, axis1=1, axis2=2).sum(axis=1)
    covariance = right * n - (true * guessed).sum(axis=1)
    of_true, of_guess = n**2 - (true**2).sum(axis=1), n**2 - (guessed**2).sum(axis=1)
    value = np.divide(covariance, np.sqrt(of_true * of_guess), out=np.zeros_like(n), where=of_true * of_guess > 0)
    return np.where(of_true > 0, value, np.nan)

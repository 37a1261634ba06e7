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
        name: brier, log_loss, accuracy, squared_error, mae, brier_skill, balanced_accuracy, mcc or roc_auc.
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
        classes = predicted_classes(guess, by_class=guess.ndim == 3)
        return (_balanced_accuracy if name == "balanced_accuracy" else _mcc)(codes, classes, n_classes)
    known = [
        *(one.name for one in METRICS.values() if one.per_row),
        "brier_skill",
        "balanced_accuracy",
        "mcc",
        "roc_auc",
    ]
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


def _balanced_accuracy(y: NDArray[np.intp], guess: NDArray[np.intp], n_classes: int) -> RowScore:
    """Mean recall over the classes that were drawn, guesses [prediction, row]; NaN where only one was drawn."""
    own = np.eye(n_classes)[y]
    # All sets share the rows of a class, so the mean of their recalls is the recall of their mean hits.
    hits = own * (guess == y).mean(axis=0)[:, None]

    def score(weights: Floats) -> Floats:
        total, right = weights @ own, weights @ hits
        recall = np.divide(right, total, out=np.zeros_like(total), where=total > 0)
        drawn = (total > 0).sum(axis=1)
        return np.where(drawn > 1, recall.sum(axis=1) / np.maximum(drawn, 1), np.nan)

    return score


def _mcc(y: NDArray[np.intp], guess: NDArray[np.intp], n_classes: int) -> RowScore:
    """Matthews correlation for any number of classes (Gorodkin 2004), guesses [prediction, row]; the mean over sets.

    0 for constant predictions, NaN where one class only was drawn. It needs no more of the confusion matrix than its
    margins and its trace, which is what makes many classes cheap.
    """
    own = np.eye(n_classes)[y]
    guessed = np.stack([np.column_stack([np.eye(n_classes)[one], one == y]) for one in guess], axis=1)
    columns = guessed.reshape(len(y), -1)

    def score(weights: Floats) -> Floats:
        true = (weights @ own)[:, None]
        cells = (weights @ columns).reshape(len(weights), len(guess), n_classes + 1)
        predicted, right = cells[..., :-1], cells[..., -1]
        n = weights.sum(axis=1)[:, None]
        covariance = right * n - (true * predicted).sum(axis=2)
        of_true, of_guess = n**2 - (true**2).sum(axis=2), n**2 - (predicted**2).sum(axis=2)
        both = of_true * of_guess
        value = np.divide(covariance, np.sqrt(both), out=np.zeros_like(covariance), where=both > 0)
        return np.where(of_true[:, 0] > 0, value.mean(axis=1), np.nan)

    return score

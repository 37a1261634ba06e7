"""All scores that are shown for one set of predictions. What isn't defined is None, never NaN, and nothing warns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation.losses import class_codes, predicted_classes, prior_loss, row_losses
from seedbed.evaluation.ranking import multiclass_auc, roc_auc

__all__ = ["confusion_matrix", "fold_auc"]

Floats = NDArray[np.float64]

_CLASS_KEYS = (
    "accuracy",
    "majority_share",
    "balanced_accuracy",
    "mcc",
    "roc_auc",
    "brier",
    "brier_skill",
    "log_loss",
    "pr_auc",
    "base_rate",
)
_REGRESSION_KEYS = ("squared_error", "r2", "mae")


def scores(y: ArrayLike, p: ArrayLike, task: str) -> dict[str, float | None]:
    """Every score of one set of predictions, one for each row.

    binary and multiclass: accuracy, majority_share (what always guessing the commonest class gets), balanced_accuracy,
    mcc, roc_auc (multiclass: mean over pairs of classes, Hand & Till 2001), brier, brier_skill (1 - brier / brier of
    always guessing the shares of y), log_loss (clipped at 1e-7), and for binary pr_auc (average precision) with
    base_rate, the share of class 1 that a useless model would get.
    regression: squared_error (mean squared error / variance of y), r2, mae (in units of y).

    None stands for: any score when a prediction isn't finite; skill, balanced accuracy and mcc with one class in y;
    AUC with a class missing from y; pr_auc and base_rate of multiclass; r2 and squared_error of a constant target.
    mcc of constant predictions is 0, its limit (Chicco & Jurman 2020).

    Args:
        y: [row], class codes 0..C-1 or target values.
        p: [row] probability of class 1 or value; [row, class] probabilities for multiclass (two columns: binary).
        task: "binary", "multiclass" or "regression".

    Raises:
        OptionError: an unknown task.
        ValueError: the shapes don't fit or y holds what isn't a class code.
    """
    if task == "regression":
        return _regression_scores(np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64))
    if task not in ("binary", "multiclass"):
        raise OptionError(f"There is no task '{task}'", did_you_mean(task, ["binary", "multiclass", "regression"]))
    codes, probability = _class_input(y, p)
    out: dict[str, float | None] = dict.fromkeys(_CLASS_KEYS)
    counts = np.bincount(codes, minlength=probability.shape[1])
    out["majority_share"] = float(counts.max() / codes.size)
    if probability.shape[1] == 2:
        out["base_rate"] = float(counts[1] / codes.size)
    if not np.isfinite(probability).all():
        return out
    guess = _first_shape(probability)
    for name in ("brier", "log_loss"):
        out[name] = float(row_losses(name, codes, guess).mean())
    out["accuracy"] = 1 - float(row_losses("accuracy", codes, guess).mean())
    if (counts > 0).sum() > 1:
        out |= _two_class_scores(codes, probability)
        out["brier_skill"] = 1 - float(row_losses("brier", codes, guess).mean()) / prior_loss(
            "brier", codes, n_classes=probability.shape[1]
        )
    out["roc_auc"] = auc(codes, probability)
    return out


def _two_class_scores(y: NDArray[np.intp], p: Floats) -> dict[str, float | None]:
    """What needs at least two classes in y; p is [row, class] and finite."""
    from sklearn.metrics import average_precision_score, matthews_corrcoef, recall_score

    guess = predicted_classes(_first_shape(p), by_class=p.shape[1] > 2)
    recall = recall_score(y, guess, labels=np.unique(y), average="macro", zero_division=0.0)
    found: dict[str, float | None] = {"balanced_accuracy": float(recall), "mcc": float(matthews_corrcoef(y, guess))}
    if p.shape[1] == 2:
        found["pr_auc"] = float(average_precision_score(y, p[:, 1]))
    return found


def _regression_scores(y: Floats, p: Floats) -> dict[str, float | None]:
    """`scores` for regression."""
    if y.ndim != 1 or y.shape != p.shape or y.size == 0 or not np.isfinite(y).all():
        raise ValueError(f"y and p must be [row], y finite; got {y.shape} and {p.shape}")
    out: dict[str, float | None] = dict.fromkeys(_REGRESSION_KEYS)
    if not np.isfinite(p).all():
        return out
    out["mae"] = float(np.abs(y - p).mean())
    if np.var(y) > 0:
        relative = float(row_losses("squared_error", y, p).mean())
        out["squared_error"], out["r2"] = relative, 1 - relative
    return out


def _class_input(y: ArrayLike, p: ArrayLike) -> tuple[NDArray[np.intp], Floats]:
    """Class codes [row] and probabilities [row, class], whatever shape the probabilities came in."""
    truth, probability = np.asarray(y), np.asarray(p, dtype=np.float64)
    if probability.ndim == 1:
        probability = np.column_stack([1 - probability, probability])
    if truth.ndim != 1 or probability.ndim != 2 or len(truth) != len(probability) or probability.shape[1] < 2:
        raise ValueError(f"y must be [row] and p [row] or [row, class]; got {truth.shape} and {np.shape(p)}")
    return class_codes(truth, n_classes=probability.shape[1]), probability


def _first_shape(p: Floats) -> Floats:
    """[row, 2] becomes [row], the probability of class 1: ties at 0.5 then fall to class 0 in every score."""
    return p[:, 1] if p.shape[1] == 2 else p


def auc(y: NDArray[np.intp], p: Floats) -> float | None:
    """ROC AUC of [row, class] probabilities; None where a class has no row or a prediction isn't finite."""
    n_classes = p.shape[1]
    if (np.bincount(y, minlength=n_classes) == 0).any() or not np.isfinite(p).all():
        return None
    if n_classes == 2:
        return float(roc_auc(y, p[:, 1]))
    return multiclass_auc(y, p)


class FoldAuc(NamedTuple):
    """An AUC over the folds of one repeat; `pooled` marks that the folds were too small and all rows went together."""

    value: float | None
    pooled: bool


def fold_auc(y: ArrayLike, p: ArrayLike, folds: ArrayLike, *, min_rows: int = 5) -> FoldAuc:
    """The mean of the AUCs of the folds of one repeat, or one pooled AUC where a fold has too few rows of a class.

    Pooling mixes predictions of different trainings, whose scales differ, so it is second choice and marked
    (Forman & Scholz 2010).

    Args:
        y: [row], class codes. p: [row] or [row, class], out-of-fold probabilities of one repeat.
        folds: [row], the fold that each row was tested in.
        min_rows: of each class in each fold, for the fold-wise value.

    Returns:
        (value, pooled); value is None where a class has no row at all or a prediction isn't finite.

    Raises:
        ValueError: the shapes don't fit.
    """
    codes, probability = _class_input(y, p)
    fold = np.asarray(folds)
    if fold.shape != codes.shape:
        raise ValueError(f"folds must be [row] as y, {codes.shape}; got {fold.shape}")
    members = [fold == one for one in np.unique(fold)]
    n_classes = probability.shape[1]
    if any(np.bincount(codes[member], minlength=n_classes).min() < min_rows for member in members):
        return FoldAuc(auc(codes, probability), True)
    values = [auc(codes[member], probability[member]) for member in members]
    defined = [value for value in values if value is not None]
    return FoldAuc(float(np.mean(defined)) if len(defined) == len(values) else None, False)


def confusion_matrix(y: ArrayLike, p: ArrayLike) -> NDArray[np.intp]:
    """Counts [true class, predicted class] of out-of-fold predictions.

    Args:
        y: [row], class codes. p: [row] or [row, class] probabilities; rows whose prediction isn't finite are left out.

    Raises:
        ValueError: the shapes don't fit.
    """
    codes, probability = _class_input(y, p)
    finite = np.isfinite(probability).all(axis=1)
    n_classes = probability.shape[1]
    guess = predicted_classes(_first_shape(probability), by_class=n_classes > 2)
    cells = np.bincount((codes * n_classes + guess)[finite], minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)

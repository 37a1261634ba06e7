"""One loss for each row: what the paired tests are fed with. Smaller is always better.

A class is an integer code 0..C-1; a prediction is the probability of class 1 (binary), one probability a class
(multiclass) or a value (regression). A prediction that isn't finite gives a loss that is NaN: a diverged network has no
loss, and inventing one would hide that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.errors import OptionError, TargetError, did_you_mean
from seedbed.evaluation.metrics import METRICS, metric

__all__ = [
    "Margin",
    "default_margin",
    "largest_loss",
    "margin_beside",
    "predicted_classes",
    "prior_loss",
    "row_losses",
]

Floats = NDArray[np.float64]

LOG_LOSS_CLIP = 1e-7
"""Probabilities are clipped to [1e-7, 1 - 1e-7] in the log loss, so one sure mistake costs 16.1 and not infinity."""


def predicted_classes(p: ArrayLike, *, by_class: bool) -> NDArray[np.intp]:
    """The class that a prediction stands for: p > 0.5, or the class of the greatest probability (ties: the first).

    Args:
        p: [...] probability of class 1, or [..., class] with `by_class`.
    """
    probability = np.asarray(p, dtype=np.float64)
    return probability.argmax(axis=-1) if by_class else (probability > 0.5).astype(np.intp)


def row_losses(name: str, y: ArrayLike, p: ArrayLike, *, variance: float | None = None) -> Floats:
    """The loss of each row, smaller is better; [...] as y.

    - brier: (p - y)^2 for binary; sum over classes of (p_c - [y = c])^2 for multiclass (Brier 1950). Two probability
      columns are binary and give the binary value, half of the sum.
    - log_loss: -log of the probability of the true class, clipped at 1e-7.
    - accuracy: the zero-one loss, 1 where the class is wrong, so its mean is 1 - accuracy.
    - squared_error: (p - y)^2 / variance of the target, so that always guessing the mean costs 1.
    - mae: |p - y|, in units of the target.

    Args:
        name: one of the five above.
        y: [...] integer class codes or target values; usually [row].
        p: [...] of the shape of y, or [..., class] with one more axis.
        variance: of the target over the whole table (ddof 0), for squared_error; None means that of `y`. Pass it when
            y is a part.

    Raises:
        OptionError: the name isn't one of the five.
        TargetError: squared error of a constant target.
        ValueError: shapes don't fit, or y holds what isn't a class code.
    """
    if name not in METRICS or not METRICS[name].per_row:
        known = [entry.name for entry in METRICS.values() if entry.per_row]
        raise OptionError(f"'{name}' is no metric with a loss for each row", did_you_mean(name, known))
    truth, guess = np.asarray(y), np.asarray(p, dtype=np.float64)
    if name in ("squared_error", "mae"):
        return _error(name, truth, guess, variance)
    by_class = guess.ndim == truth.ndim + 1
    if guess.shape[: truth.ndim] != truth.shape or guess.ndim > truth.ndim + 1:
        raise ValueError(f"p must be {truth.shape} or that with one more axis for classes; got {guess.shape}")
    n_classes = guess.shape[-1] if by_class else 2
    codes = class_codes(truth, n_classes=n_classes)
    finite = np.isfinite(guess).all(axis=-1) if by_class else np.isfinite(guess)
    if name == "accuracy":
        loss: Floats = (predicted_classes(guess, by_class=by_class) != codes).astype(np.float64)
    elif name == "brier" and not by_class:
        loss = (guess - codes) ** 2
    elif name == "brier":
        loss = ((guess - np.eye(n_classes)[codes]) ** 2).sum(axis=-1) / (2 if n_classes == 2 else 1)
    else:
        of_true = np.take_along_axis(guess, codes[..., None], -1)[..., 0] if by_class else np.abs(guess - 1 + codes)
        loss = -np.log(np.clip(of_true, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP))
    return np.where(finite, loss, np.nan)


def _error(name: str, y: NDArray[np.generic], p: Floats, variance: float | None) -> Floats:
    """|p - y|, or (p - y)^2 over the variance of the target; the checks of `row_losses`."""
    target = y.astype(np.float64)
    if p.shape != target.shape:
        raise ValueError(f"p must have the shape of y, {target.shape}; got {p.shape}")
    if name == "mae":
        with np.errstate(over="ignore", invalid="ignore"):
            loss = np.abs(p - target)
        return np.where(np.isfinite(loss), loss, np.nan)
    scale = float(np.var(target)) if variance is None else variance
    if not scale > 0:
        raise TargetError("The target is constant, so squared error has no scale", "Choose a target that varies.")
    with np.errstate(over="ignore", invalid="ignore"):
        loss = (p - target) ** 2 / scale
    return np.where(np.isfinite(loss), loss, np.nan)


def class_codes(y: ArrayLike, *, n_classes: int) -> NDArray[np.intp]:
    """y as integers, checked to lie in 0..n_classes-1.

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


def largest_loss(name: str, task: str) -> float:
    """What a row can cost at most; infinite where nothing bounds it, or nothing that matters (the log loss)."""
    if name == "brier":
        return 2.0 if task == "multiclass" else 1.0
    return 1.0 if name == "accuracy" else np.inf


def prior_loss(name: str, y: ArrayLike, *, n_classes: int | None = None) -> float:
    """The mean loss of always guessing the class shares (or the mean) of `y`; [row] -> units of the loss.

    For accuracy it is the share of rows outside the majority class, for squared error 1, for mae the mean distance from
    the mean.
    `n_classes` is needed where y may lack the last classes: the Brier score of two classes is halved.

    Raises:
        OptionError: as `row_losses`.
        TargetError: squared error of a constant target.
    """
    truth = np.asarray(y)
    if name in ("squared_error", "mae"):
        return float(row_losses(name, truth, np.full(truth.shape, truth.astype(np.float64).mean())).mean())
    codes = class_codes(truth, n_classes=n_classes or max(2, int(truth.max()) + 1))
    shares = np.bincount(codes, minlength=n_classes or 2) / codes.size
    return float(row_losses(name, codes, np.tile(shares, (codes.size, 1))).mean())


def default_margin(name: str, y: ArrayLike) -> float:
    """Return the largest difference that matters where the user names none, in units of the loss; see `margin_beside`.

    One point of accuracy; for the other metrics 0.02 of what predicting the class frequencies or the mean costs on `y`
    [row].

    Raises:
        OptionError: as `row_losses`.
        TargetError: y is constant, so nothing can matter.
    """
    if metric(name).name == "accuracy":
        return 0.01
    margin = 0.02 * prior_loss(name, y)
    # A mean absolute error is in the target's own units, which may be as small as they like.
    if not margin > (0.0 if name == "mae" else 1e-9):
        raise TargetError("The target has one value only", "A comparison needs at least two.")
    return margin


@dataclass(frozen=True)
class Margin:
    """The difference that matters.

    Attributes:
        value: in units of the loss.
        source: where it comes from: `given` by the user; `default`, see `default_margin`; `tenth_of_error`, a tenth of
            the reference's error; or `floor`, a hundredth of the default.
    """

    value: float
    source: Literal["given", "default", "tenth_of_error", "floor"]


def margin_beside(default: float, reference_error: float) -> Margin:
    """Return the smaller of the default margin and a tenth of the reference's error.

    On an easy table the default may be as large as all that is left to gain. The margin is at least a hundredth of the
    default, so that it stays above zero where the reference makes hardly any errors.

    The rule is frozen before the first training, the number follows from the run. It depends on the reference alone,
    and whether an interval contains zero doesn't depend on it.

    Args:
        default: from `default_margin`. reference_error: mean loss of the reference, same units.
    """
    tenth, floor = reference_error / 10, default / 100
    if tenth >= default:
        return Margin(default, "default")
    return Margin(tenth, "tenth_of_error") if tenth >= floor else Margin(floor, "floor")

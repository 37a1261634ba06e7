"""One loss for each row: the input of the paired tests. Smaller is always better.

A prediction that isn't finite gives a loss that is NaN: a diverged network has no loss, and inventing one would hide
that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from seedbed.errors import OptionError, TargetError, did_you_mean
from seedbed.evaluation.classification import class_codes
from seedbed.evaluation.metrics import METRICS, metric
from seedbed.typing import Floats

__all__ = [
    "Margin",
    "default_margin",
    "margin_beside",
    "prior_loss",
    "row_losses",
]


def row_losses(name: str, y: ArrayLike, p: ArrayLike, *, variance: float | None = None) -> Floats:
    """Return the loss of each row, smaller is better; [...] as y. `METRICS` says what each is.

    Args:
        name: of a metric that is a mean over rows: brier, log_loss, accuracy, squared_error, mae.
        y: [...] integer class codes or target values; usually [row].
        p: [...] of the shape of y, or [..., class] with one more axis.
        variance: of the target over the whole table (ddof 0), for squared_error; None means that of `y`. Pass it when
            y is a part.

    Raises:
        OptionError: the metric isn't a mean over rows, or isn't known.
        TargetError: squared error of a constant target.
        ValueError: shapes don't fit, or y holds what isn't a class code.
    """
    loss = METRICS[name].row_loss if name in METRICS else None
    if loss is None:
        known = [entry.name for entry in METRICS.values() if entry.row_loss]
        raise OptionError(f"'{name}' is no metric with a loss for each row", did_you_mean(name, known))
    truth, guess = np.asarray(y), np.asarray(p, dtype=np.float64)
    if "regression" in METRICS[name].tasks:
        target = truth.astype(np.float64)
        if guess.shape != target.shape:
            raise ValueError(f"p must have the shape of y, {target.shape}; got {guess.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            losses = loss(target, guess, variance)
        return np.where(np.isfinite(losses), losses, np.nan)
    by_class = guess.ndim == truth.ndim + 1
    if guess.shape[: truth.ndim] != truth.shape or guess.ndim > truth.ndim + 1:
        raise ValueError(f"p must be {truth.shape} or that with one more axis for classes; got {guess.shape}")
    codes = class_codes(truth, n_classes=guess.shape[-1] if by_class else 2)
    finite = np.isfinite(guess).all(axis=-1) if by_class else np.isfinite(guess)
    return np.where(finite, loss(codes, guess, None), np.nan)


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
    if "regression" in metric(name).tasks:
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
    if (fixed := metric(name).margin) is not None:
        return fixed
    margin = 0.02 * prior_loss(name, y)
    # A mean absolute error is in the target's own units, which may be as small as they like.
    if not margin > (0.0 if metric(name).own_units else 1e-9):
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

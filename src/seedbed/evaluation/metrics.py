"""The scores, and the loss of each row that a score is the mean of. Each entry of `METRICS` holds
all that the package knows of one score: to add a score, add an entry.

A class is an integer code 0..C-1. A prediction is the probability of class 1 (binary), one
probability per class (multiclass) or a value (regression). A smaller loss is always better. A
prediction that isn't finite gives a loss of NaN: a network that diverged has no loss, and an
invented one would hide that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.errors import OptionError, TargetError, did_you_mean
from seedbed.evaluation.classification import (
    Codes,
    RowScore,
    auc,
    average_precision,
    balanced_accuracy,
    fold_auc,
    mcc,
    multiclass_auc,
    predicted_classes,
    recall,
)
from seedbed.typing import Floats, Ints

Amount = TypeVar("Amount", float, Floats)
LOG_LOSS_CLIP = 1e-7
"""Probabilities are clipped to [1e-7, 1 - 1e-7] in the log loss, so one sure mistake costs 16.1 and
not infinity."""
_CLASSES = ("binary", "multiclass")


@dataclass(frozen=True)
class Metric:
    """One score.

    A score is a mean over rows (`row_loss`), a function of row weights (`weighted`), a skill
    derived from another score (`skill_of`), a value without an interval (`value`), or a
    `concordance`: exactly one of the five.

    Attributes:
        name: the key in the summary and the word for `--metric`.
        words: its name in a sentence.
        tasks: where it is defined.
        greater_is_better: of the score; a loss is always better when smaller.
        low, high: the range of the score.
        percent: whether it is a share of rows, shown in percent, with differences in points.
        own_units: whether it is in the units of the target.
        meaning: an explanation, if the name needs one; for `--metric` help and reports.
        row_loss: (y, p, variance of the target) -> the loss of each row, in the shape of y. y:
            codes or values [...]; p: [...] or [..., class]. A score that is better when greater is
            1 - mean loss.
        largest_loss: (task) -> the largest possible loss of a row; may be infinite.
        margin: the default margin; None is 0.02 of the prior's loss, see `default_margin`.
        weighted: (codes [row], p [set, row] or [set, row, class]) -> the mean over prediction sets
            as a function of row weights.
        influence: for several classes, instead of `weighted`: (codes, p [row, class]) -> the value
            and its derivative by each row's weight [row].
        by_fold: (codes, p, folds) -> the mean over the folds of one repeat, instead of a value of
            all rows.
        skill_of: the score S of which this is 1 - S / S of predicting the class frequencies or the
            mean.
        zero: that S, where the skill is shown as a score from 0 to 100 and decides; `decimals` of
            it.
        value: (codes [row], p [row]) -> the score of one prediction set.
        concordance: whether it is `survival.uno_c` of the test rows of each fold.
    """

    name: str
    words: str
    tasks: tuple[str, ...]
    _: KW_ONLY
    greater_is_better: bool = False
    low: float = 0.0
    high: float = np.inf
    percent: bool = False
    own_units: bool = False
    meaning: str = ""
    row_loss: Callable[[NDArray[Any], Floats, float | None], Floats] | None = None
    largest_loss: Callable[[str], float] = lambda task: np.inf
    margin: float | None = None
    weighted: Callable[[Codes, Floats], RowScore] | None = None
    influence: Callable[[Codes, Floats], tuple[float, Floats]] | None = None
    by_fold: (
        Callable[[Codes, Floats, NDArray[np.intp]], tuple[float | None, bool]] | None
    ) = None
    skill_of: str | None = None
    zero: float | None = None
    decimals: int = 0
    value: Callable[[Codes, Floats], float | None] | None = None
    concordance: bool = False

    @property
    def scale(self) -> float:
        """The factor from a difference of losses to what is shown: points of a share, or of a score
        from 0 to 100."""
        return 100.0 if self.percent else 100.0 / self.zero if self.zero else 1.0

    @property
    def in_points(self) -> bool:
        """Whether differences are in points."""
        return self.percent or self.zero is not None

    @property
    def points(self) -> str:
        """The unit of differences, for the end of a heading; empty if it is that of the score."""
        return " (points)" if self.in_points else ""

    @property
    def of_truth(self) -> type[np.generic]:
        """The type of true values: codes of classes, or numbers."""
        return np.intp if {*self.tasks} <= {*_CLASSES} else np.float64

    @property
    def is_of_numbers(self) -> bool:
        """Whether it is of numbers, and not of classes or survival."""
        return "regression" in self.tasks

    @property
    def is_testable(self) -> bool:
        """Whether verdicts may be about it: it has a value of each row, or of each fold, see
        `fold_losses`."""
        return (
            self.row_loss is not None or self.weighted is not None or self.concordance
        )

    def signed(self, difference: float) -> str:
        """Return a difference of losses with its sign, in points if the score has them."""
        return (
            signed(self.scale * difference, max(1, self.decimals))
            if self.in_points
            else signed(difference)
        )

    def score_of(self, loss: Amount) -> Amount:
        """Return the score of a mean loss, or of each loss of an array: 1 - loss if greater is
        better, else loss."""
        return 1 - loss / (self.zero or 1.0) if self.greater_is_better else loss


# Losses of rows


def _zero_one(y: NDArray[Any], p: Floats, variance: float | None) -> Floats:
    """Return 1 where the class is wrong."""
    return np.asarray(
        predicted_classes(p, by_class=p.ndim > y.ndim) != y, dtype=np.float64
    )


def _brier(y: NDArray[Any], p: Floats, variance: float | None) -> Floats:
    """Return (p - y)^2, or the sum over classes of (p_c - [y = c])^2 (Brier 1950); half of that for
    two columns."""
    if p.ndim == y.ndim:
        return np.asarray((p - y) ** 2)
    n_classes = p.shape[-1]
    return np.asarray(
        ((p - np.eye(n_classes)[y]) ** 2).sum(axis=-1) / (2 if n_classes == 2 else 1)
    )


def _log_loss(y: NDArray[Any], p: Floats, variance: float | None) -> Floats:
    """Return -log of the probability of the true class."""
    of_true = (
        np.take_along_axis(p, y[..., None], -1)[..., 0]
        if p.ndim > y.ndim
        else np.abs(p - 1 + y)
    )
    return np.asarray(-np.log(np.clip(of_true, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)))


def _squared_error(y: NDArray[Any], p: Floats, variance: float | None) -> Floats:
    """Return (p - y)^2 over the variance of the target, so that predicting the mean costs 1."""
    scale = float(np.var(y)) if variance is None else variance
    if not scale > 0:
        raise TargetError(
            "The target is constant, so squared error has no scale",
            "Choose a target that varies.",
        )
    return np.asarray((p - y) ** 2 / scale)


def _integrated_brier(y: NDArray[Any], p: Floats, variance: float | None) -> Floats:
    """Return the mean over evenly spaced times, by trapezoids, of w (p - s)^2: s is 1 if a row
    survives the time, w its weight (`survival.censored_truth`: y is w, or -w of a row that doesn't
    survive)."""
    return np.asarray(
        np.trapezoid(np.abs(y) * (p - (y > 0)) ** 2, axis=-1) / (y.shape[-1] - 1)
    )


def _brier_at_horizon(y: NDArray[Any], p: Floats, variance: float | None) -> Floats:
    """Return w (p - s)^2 at the last time, as `_integrated_brier`."""
    return np.asarray(np.abs(y[..., -1]) * (p[..., -1] - (y[..., -1] > 0)) ** 2)


_UP_TO_ONE: dict[str, Any] = {"greater_is_better": True, "high": 1.0}
_SHARE, _SKILL = {**_UP_TO_ONE, "percent": True}, {**_UP_TO_ONE, "low": -np.inf}

METRICS: dict[str, Metric] = {
    entry.name: entry
    for entry in (
        Metric(
            "accuracy",
            "accuracy",
            _CLASSES,
            **_SHARE,
            row_loss=_zero_one,
            margin=0.01,
            largest_loss=lambda task: 1.0,
        ),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            _CLASSES,
            **_SHARE,
            weighted=balanced_accuracy,
        ),
        Metric(
            "recall",
            "recall",
            ("binary",),
            **_SHARE,
            meaning="the share of the rarer label's rows that are predicted as such",
            weighted=recall,
        ),
        Metric(
            "mcc",
            "Matthews correlation",
            _CLASSES,
            **_UP_TO_ONE,
            low=-1.0,
            weighted=mcc,
        ),
        Metric(
            "roc_auc",
            "ROC AUC",
            _CLASSES,
            **_UP_TO_ONE,
            weighted=auc,
            influence=multiclass_auc,
            by_fold=fold_auc,
        ),
        Metric("pr_auc", "PR AUC", ("binary",), **_UP_TO_ONE, value=average_precision),
        Metric(
            "brier",
            "Brier score",
            _CLASSES,
            meaning="how far off the probabilities are, squared and averaged",
            row_loss=_brier,
            largest_loss=lambda task: 2.0 if task == "multiclass" else 1.0,
        ),
        Metric("brier_skill", "Brier skill", _CLASSES, **_SKILL, skill_of="brier"),
        Metric("log_loss", "log loss", _CLASSES, row_loss=_log_loss),
        Metric(
            "squared_error",
            "squared error",
            ("regression",),
            meaning="as a share of the target's variance, which is what predicting the mean costs",
            row_loss=_squared_error,
        ),
        Metric("r2", "R2", ("regression",), **_SKILL, skill_of="squared_error"),
        Metric(
            "mae",
            "mean absolute error",
            ("regression",),
            own_units=True,
            row_loss=lambda y, p, variance: np.abs(p - y),
        ),
        Metric(
            "integrated_brier",
            "integrated Brier score",
            ("survival",),
            meaning="how far off predicted probabilities are, squared and averaged over the times up to the horizon",
            row_loss=_integrated_brier,
        ),
        Metric(
            "uno_c",
            "Uno's C",
            ("survival",),
            **_SHARE,
            meaning="the share of pairs of rows in which the one with the higher risk has its event first",
            concordance=True,
        ),
        Metric(
            "brier_at_horizon",
            "Brier score at the horizon",
            ("survival",),
            row_loss=_brier_at_horizon,
        ),
        Metric(
            "ipa",
            "index of prediction accuracy",
            ("survival",),
            **_SKILL,
            skill_of="integrated_brier",
        ),
    )
}
"""The scores by name, in the order in which they are shown."""


def row_losses(
    name: str, y: ArrayLike, p: ArrayLike, *, variance: float | None = None
) -> Floats:
    """Return the loss of each row, smaller is better; [...] as y. `METRICS` says what each is.

    Args:
        name: of a metric that is a mean over rows: brier, log_loss, accuracy, squared_error, mae.
        y: [...] integer class codes or target values; usually [row]. Of survival
            `survival.censored_truth` [row, time], and p the probability of it [row, time].
        p: [...] of the shape of y, or [..., class] with one more axis.
        variance: of the target over the whole table (ddof 0), for squared_error; None means that of
            `y`. Pass it when y is a part.

    Raises:
        OptionError: the metric isn't a mean over rows, or isn't known.
        TargetError: squared error of a constant target.
    """
    loss = METRICS[name].row_loss if name in METRICS else None
    if loss is None:
        names = [entry.name for entry in METRICS.values() if entry.row_loss]
        raise OptionError(
            f"'{name}' isn't a metric with a loss for each row",
            did_you_mean(name, names),
        )
    guess = np.asarray(p, dtype=np.float64)
    truth = np.asarray(y, dtype=METRICS[name].of_truth)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = loss(truth, guess, variance)
    axes = tuple(range(losses.ndim, guess.ndim))
    is_finite = np.isfinite(guess).all(axis=axes)
    return np.where(is_finite & np.isfinite(losses), losses, np.nan)


def fold_losses(name: str, y: Ints, sets: Floats, folds: Sequence[Ints]) -> Floats:
    """Return 1 - the score on the rows of each fold [fold, set], of a metric that is a function of
    row weights.

    It is NaN where a fold lacks a class that the score needs, or a set has no finite prediction.

    Args:
        y: class codes [row]. sets: predictions [set, row] or [set, row, class]. folds: row numbers
            of each.
    """
    metric = METRICS[name]
    assert metric.weighted is not None
    scores = np.full((len(folds), len(sets)), np.nan)
    inside = np.stack([np.bincount(rows, minlength=len(y)) for rows in folds]).astype(
        np.float64
    )
    used = np.flatnonzero(inside.any(axis=0))
    for number, p in enumerate(sets.astype(np.float64)):
        if not np.isfinite(p[used]).all():
            continue
        if p.ndim == 2 and metric.influence is not None:
            whole = [
                place
                for place, rows in enumerate(folds)
                if len(np.unique(y[rows])) == p.shape[1]
            ]
            scores[whole, number] = [
                metric.influence(y[folds[place]], p[folds[place]])[0] for place in whole
            ]
        else:
            scores[:, number] = metric.weighted(y[used], p[None, used])(inside[:, used])
    return np.asarray(1 - scores)


def prior_loss(name: str, y: ArrayLike, *, n_classes: int | None = None) -> float:
    """Return the mean loss of predicting the class frequencies (or the mean) of `y`; [row] -> units
    of the loss.

    For accuracy it is the share of rows outside the majority class, for squared error 1, for mae
    the mean distance from the mean.
    `n_classes` is needed where y may lack the last classes: the Brier score of two classes is
    halved.

    Raises:
        TargetError: squared error of a constant target.
    """
    truth = np.asarray(y)
    if METRICS[name].concordance or METRICS[name].influence is not None:
        return 0.5  # of an order by chance
    if METRICS[name].of_truth is np.float64:
        # Of survival the Kaplan-Meier estimate, as the mean of weighted rows.
        known = np.maximum(truth, 0) if truth.ndim > 1 else truth
        mean = known.astype(np.float64).mean(axis=0)
        return float(row_losses(name, truth, np.broadcast_to(mean, truth.shape)).mean())
    codes = truth.astype(np.intp)
    shares = np.bincount(codes, minlength=n_classes or 2) / codes.size
    if (weighted := METRICS[name].weighted) is not None:
        sets = np.tile(shares, (1, codes.size, 1))
        return 1 - float(
            weighted(codes, sets if len(shares) > 2 else sets[..., 1])(
                np.ones((1, codes.size))
            )[0]
        )
    return float(row_losses(name, codes, np.tile(shares, (codes.size, 1))).mean())


def default_margin(name: str, y: ArrayLike) -> float:
    """Return the default margin, in units of the loss; see `margin_beside` for its limit.

    One point of accuracy; for the other metrics 0.02 of what predicting the class frequencies or
    the mean costs on `y` [row].

    Raises:
        TargetError: y is constant.
    """
    if (fixed := METRICS[name].margin) is not None:
        return fixed
    margin = 0.02 * prior_loss(name, y)
    # A mean absolute error is in the target's own units, which may be very small.
    if not margin > (0.0 if METRICS[name].own_units else 1e-9):
        raise TargetError(
            "The target has one value only", "A comparison needs at least two."
        )
    return margin


@dataclass(frozen=True)
class Margin:
    """The difference that matters.

    Attributes:
        value: in units of the loss.
        source: where it comes from: `given` by the user; `default`, see `default_margin`;
            `tenth_of_error`, a tenth of the reference's error; or `floor`, the least part of the
            default.
    """

    value: float
    source: Literal["given", "default", "tenth_of_error", "floor", "share_of_reference"]


def margin_beside(name: str, default: float, reference_error: float) -> Margin:
    """Return the smaller of the default margin and a tenth of the reference's error.

    On an easy table the default may be as large as the whole possible gain. But the margin is at
    least a tenth of the default for classes (one row in a thousand, if accuracy decides), and a
    hundredth for numbers. Below that, two models that both make hardly any errors would seem to
    need thousands of rows for a verdict.

    The rule is fixed before the first training; the number follows from the run. It depends on the
    reference only. Whether an interval contains zero doesn't depend on it.

    Args:
        name: of the metric.
        default: from `default_margin`. reference_error: mean loss of the reference, same units.
    """
    tenth, floor = (
        reference_error / 10,
        default / (100 if METRICS[name].is_of_numbers else 10),
    )
    if tenth >= default:
        return Margin(default, "default")
    return Margin(tenth, "tenth_of_error") if tenth >= floor else Margin(floor, "floor")


def plain_number(value: float, digits: int = 3) -> str:
    """Return 0.00436, 12.3 or 12,300: a number with this many digits, and an exponent only if it is
    tiny."""
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e+" in text else text


def signed(value: float, decimals: int | None = None) -> str:
    """Return a number with its sign: +1.8, -0.026, +12,300. It has three digits, or `decimals`, and
    up to three more if these would show 0. Zero has no minus."""
    if decimals is not None:
        decimals = next(
            (more for more in range(decimals, decimals + 4) if round(value, more)),
            decimals,
        )
        return f"{round(value, decimals) + 0.0:+,.{decimals}f}"
    return f"{'+' if value > 0 else ''}{plain_number(value)}"


def plus_minus(
    value: float,
    half: float,
    decimals: int | None = None,
    *,
    decided: bool = False,
    is_distance: bool = False,
) -> str:
    """Return a difference and half of its interval, as +1.8 ±0.6, with up to three more decimals if
    they show which of the two is larger.

    Args:
        decided: whether a test excludes 0. An interval that reaches 0 then ends there: +0.015 (0 to
            +0.031).
        is_distance: whether it has no sign.
    """
    if decimals is None:
        return f"{signed(value)} ±{signed(half).removeprefix('+')}"
    size = abs(value)
    shown = decimals
    if not decided and round(size + half, decimals) == 0 < half:
        return f"within ±{10.0**-decimals:.{decimals}f}"
    while (
        shown < decimals + 3
        and size != half
        and round(half, shown) == round(size, shown)
    ):
        shown += 1
    words = f"{signed(value, shown)} ±{signed(half, shown).removeprefix('+')}"
    if decided and half > size:
        ends = sorted((0.0, value + math.copysign(half, value)))
        words = f"{signed(value, decimals)} ({' to '.join(signed(end, decimals) if end else '0' for end in ends)})"
    return words.replace("+", "") if is_distance else words


def percent(probability: float) -> str:
    """Return a probability that never looks certain."""
    if probability > 0.995:
        return "above 99%"
    return "below 1%" if probability < 0.005 else f"{probability:.0%}"


def p_words(p: float) -> str:
    """Return a p-value."""
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def find_metric(name: str) -> Metric:
    """Return a score by its name; one that isn't in `METRICS` has its own units."""
    return METRICS.get(name) or Metric(name, name, (), own_units=True)


def measure(metric: str | Metric, value: float, like: float | None = None) -> str:
    """Return a score: shares in percent, errors in the target's own units with four digits.

    Args:
        metric: a score, or its name; one that isn't known has its own units.
        like: the number that decides how many decimals there are, so that the ends of a range have
            as many.
    """
    if isinstance(metric, str):
        metric = find_metric(metric)
    if metric.percent:
        return f"{100 * value:.1f}%"
    if metric.zero is not None:
        return f"{round(100 * value, metric.decimals) + 0.0:,.{metric.decimals}f}"
    size = abs(value if like is None else like)
    if not metric.own_units or size == 0:
        return f"{round(value, 3) + 0.0:.3f}"  # not -0.000
    decimals = 3 - math.floor(math.log10(size))
    return f"{value:,.{max(0, decimals)}f}" if decimals < 9 else f"{value:.3g}"

"""Answers to further questions about a comparison: subgroups of rows, more rows, which columns
help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from seedbed.errors import counted
from seedbed.evaluation.behind import leaning
from seedbed.evaluation.estimates import Difference, Estimate, Interval
from seedbed.evaluation.verdicts import LIKELY_HELPS, Rule, Verdict
from seedbed.typing import Floats

GapRule = Literal["differs", "no_practical_difference", "cannot_tell"]


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """The rows of one subgroup, `(missing)` and `(other)` for small levels together among them.

    `scores` have the interval of one score alone. `calibration` is the mean prediction minus the
    mean of what was observed: of two classes the probability of the positive one, of several that
    of the predicted class, otherwise the number. Its intervals are for all subgroups at once, those
    of verdicts for all models and subgroups."""

    name: str
    n_rows: int
    reason: str = ""
    scores: Mapping[str, Interval] = field(default_factory=dict)
    calibration: Mapping[str, Interval] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    def verdict(self, name: str) -> Verdict | None:
        """Return the verdict on a model; None for the reference and without a verdict."""
        return next((one for one in self.verdicts if one.candidate == name), None)


@dataclass(frozen=True, kw_only=True)
class Gap(Difference):
    """Whether the gain of a model over the reference differs between a subgroup and all other rows,
    in units of the loss.

    The rule is `no_practical_difference` if the interval lies within the margin, else `differs` if
    it excludes 0, else `cannot_tell`. Intervals are for all models and subgroups at once; p-values
    are two-sided, alone and after Holm.
    """

    candidate: str
    subgroup: str
    rule: GapRule
    p: float
    p_adjusted: float


@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """What out-of-fold predictions say of the subgroups of a column, in the order of its values.

    `model` is shown first: the recommended one, or the best other one if that is the reference.
    There are gaps of each model, a subgroup after the other; of two subgroups that are all rows,
    for the first one."""

    column: str
    reference: str
    model: str
    subgroups: tuple[Subgroup, ...]
    gaps: tuple[Gap, ...] = ()


TIMES = (2, 5, 10)
"""How many times as many rows are forecast."""

_FEWEST_SIZES, _LEARNT = 4, 0.99  # share of the loss of the prior
_POWERS = np.linspace(0.2, 1.5, 27)  # -c in a + b n^-c
_DRAWS, _LEVEL = 1000, 0.9


@dataclass(frozen=True, kw_only=True)
class TrainingSize:
    """The losses of models that are trained on `n_train` rows, on average over the splits, each
    with the interval of one model alone."""

    n_train: int
    losses: Mapping[str, Interval]


@dataclass(frozen=True, kw_only=True)
class RowForecast:
    """The forecast of a model with so many `times` more rows: its loss, and the loss with today's
    rows minus that, with 90 % intervals."""

    candidate: str
    times: int
    n_train: int
    loss: Interval
    gain: Interval


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Losses by the number of training rows, on the same test rows.

    `repeats` are of the smaller sizes, and of the largest where the sizes are compared with each
    other. Sizes ascend up to that of the comparison itself. `refused` has why a model has no
    forecast."""

    repeats: int
    sizes: tuple[TrainingSize, ...]
    forecasts: tuple[RowForecast, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def forecasts_of(self, name: str) -> tuple[RowForecast, ...]:
        return tuple(one for one in self.forecasts if one.candidate == name)


def forecast_rows(
    n_train: Sequence[float],
    losses: Floats,
    *,
    scale: float,
    df: float,
    offset: float,
    prior: float | None = None,
    random_state: int = 0,
) -> tuple[Mapping[int, tuple[Interval, Interval]], str]:
    """Return loss and gain at `TIMES` as many rows, each with a 90 % interval, and why there are
    none, if so.

    The losses follow a + b n^-c with a, b >= 0 and c between 0.2 and 1.5, fitted by least squares
    with weights of one over the variance. Curves are drawn from the error of the measured ones,
    which the same rows and splits correlate between sizes, and from what the law leaves
    unexplained. The law has to forecast the largest size from the others first, within its
    interval. It begins where the loss is highest, as smaller training sets teach nothing, and
    leaves out sizes at which the model is no better than the prior.

    Args:
        n_train: training rows of each size, in ascending order.
        losses: of blocks of rows, such as folds [block, size].
        scale: squared standard error of a mean of blocks, over the variance between blocks.
        df: degrees of freedom of that error.
        offset: variance that all sizes have in common, of the rows that are tested.
        prior: the loss of predicting the class frequencies or the mean; None if that isn't known.
        random_state: of the draws.
    """
    by_size = losses.mean(axis=0)
    is_used = np.arange(len(by_size)) >= by_size.argmax()
    if prior is not None:
        is_used &= by_size < _LEARNT * prior
    if is_used.sum() < _FEWEST_SIZES:
        n = counted(int(is_used.sum()), "size")
        return (
            {},
            f"it learns from {n} of the training set (a curve needs {_FEWEST_SIZES})",
        )
    sizes, losses = np.asarray(n_train, dtype=np.float64)[is_used], losses[:, is_used]
    mean = losses.mean(axis=0)
    covariance = np.cov(losses, rowvar=False) * scale
    weights = 1 / np.maximum(
        np.diag(covariance), 1e-12 * max(1e-12, float(mean.max()) ** 2)
    )
    rng = np.random.default_rng(random_state)
    noise = rng.multivariate_normal(
        np.zeros(len(sizes)), covariance, size=_DRAWS, method="eigh"
    )
    noise *= np.sqrt(df / rng.chisquare(df, size=(_DRAWS, 1)))

    def draw_curves(n_sizes: int) -> Floats:
        """Return curves [draw, size] with the errors of the losses, and what the law leaves
        unexplained of some."""
        law = _fit_law(sizes[:n_sizes], mean[None, :n_sizes], weights[:n_sizes])
        residuals = mean[:n_sizes] - np.concatenate([law(n) for n in sizes[:n_sizes]])
        deviation = np.sqrt((residuals**2).sum() / max(1, n_sizes - 3))
        return np.asarray(mean + noise + rng.normal(scale=deviation, size=noise.shape))

    held_back = draw_curves(len(sizes) - 1)
    gap = _interval(
        _fit_law(sizes[:-1], held_back[:, :-1], weights[:-1])(sizes[-1])
        - held_back[:, -1]
    )
    if not gap.low <= 0 <= gap.high:
        return (
            {},
            "the curve of the smaller training sets doesn't forecast the largest one",
        )
    laws = _fit_law(sizes, draw_curves(len(sizes)), weights)
    common = rng.normal(scale=np.sqrt(offset), size=_DRAWS)
    now = laws(sizes[-1])
    later = {times: laws(times * sizes[-1]) for times in TIMES}
    return {
        times: (_interval(np.maximum(loss + common, 0.0)), _interval(now - loss))
        for times, loss in later.items()
    }, ""


def _fit_law(
    sizes: Floats, losses: Floats, weights: Floats
) -> Callable[[float], Floats]:
    """Fit a + b (n / largest size)^-c to each row of losses [draw, size]: for each power a line,
    and the power of the smallest error. Return the loss of each draw by n."""
    unit, total = float(sizes[-1]), float(weights.sum())
    best = np.full(len(losses), np.inf)
    law = np.zeros((3, len(losses)))
    for power in _POWERS:
        x = (sizes / unit) ** -power
        centre = float(weights @ x) / total
        middle = losses @ weights / total
        b = np.maximum(
            (losses * weights) @ (x - centre) / float(weights @ (x - centre) ** 2), 0.0
        )
        a = middle - b * centre
        through = np.maximum(
            (losses * weights) @ x / float(weights @ x**2), 0.0
        )  # a line through zero
        b = np.where(a < 0, through, b)
        a = np.maximum(a, 0.0)
        error = ((losses - a[:, None] - b[:, None] * x) ** 2) @ weights
        better = error < best
        best = np.where(better, error, best)
        law[:, better] = np.stack([a, b, np.full(len(a), power)])[:, better]
    return lambda n: np.asarray(law[0] + law[1] * (n / unit) ** -law[2])


def _interval(values: Floats) -> Interval:
    low, median, high = np.quantile(
        values, ((1 - _LEVEL) / 2, 0.5, (1 + _LEVEL) / 2)
    ).tolist()
    return Interval(mean=median, low=low, high=high)


ColumnVerdict = Literal[
    "helps",
    "likely helps",
    "no difference that matters",
    "can't tell",
    "likely harms",
    "harms",
    "none",
]

_OF_RULE: dict[Rule, ColumnVerdict] = {
    "better": "harms",
    "worse": "helps",
    "likely_better": "likely harms",
    "likely_worse": "likely helps",
    "no_practical_difference": "no difference that matters",
}


@dataclass(frozen=True, kw_only=True)
class ColumnEffect:
    """What leaving out one column, or several together, changes.

    They `harm` if the model without them is shown to be better, and `help` if it is shown to be
    worse, or if they are shown to add something and the loss is above zero. Where nothing is shown,
    one of these comparisons alone may say that they likely do. `none` without a verdict. `loss` is
    that without them minus that with all columns, with the interval of the verdict. `adds` is what
    the model with all columns adds to the one without them (`columns.added`), with an interval that
    holds for all columns together; None where the metric isn't a squared error."""

    columns: tuple[str, ...]
    without: str
    verdict: ColumnVerdict
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    adds: float | None = None
    adds_low: float | None = None
    adds_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns help a model: the largest loss first, those without a verdict last."""

    model: str
    source: Literal["named", "default", "run"]
    n_columns: int
    effects: tuple[ColumnEffect, ...]

    @property
    def substitutes(self) -> tuple[tuple[ColumnEffect, bool], ...]:
        """Groups that help although none of their columns is shown to help alone, and whether each
        of these is shown to make no difference that matters."""
        verdict_of = {
            effect.columns[0]: effect.verdict
            for effect in self.effects
            if len(effect.columns) == 1
        }
        groups = []
        for group in self.effects:
            verdicts = {verdict_of.get(name) for name in group.columns}
            if (
                len(group.columns) > 1
                and group.verdict == "helps"
                and not verdicts & {"helps", "none", None}
            ):
                groups.append((group, verdicts == {"no difference that matters"}))
        return tuple(groups)


def effects_of(
    without: Mapping[str, Sequence[str]],
    verdicts: Sequence[Verdict],
    added: Mapping[str, Estimate],
) -> tuple[ColumnEffect, ...]:
    """Return the effects of columns, the largest loss first.

    Args:
        without: the columns that each model doesn't have, by its name.
        verdicts: on these models, against the model with all columns.
        added: what that adds to each of them. Each of two tests may find at half of the error level
            that columns help, so together they keep it.
    """
    verdict_of = {verdict.candidate: verdict for verdict in verdicts}
    effects = []
    for name, columns in without.items():
        effect = ColumnEffect(columns=tuple(columns), without=name, verdict="none")
        if (verdict := verdict_of.get(name)) is not None:
            loss, low, high = (
                -value + 0.0
                for value in (verdict.difference, verdict.high, verdict.low)
            )
            words = _OF_RULE.get(verdict.rule, "can't tell")
            if name in added:
                gain = added[name]
                effect = replace(
                    effect, adds=gain.mean, adds_low=gain.low, adds_high=gain.high
                )
                if loss > 0 and words in ("can't tell", "likely helps"):
                    words = (
                        "helps"
                        if gain.low > 0
                        else "likely helps"
                        if leaning(gain, LIKELY_HELPS) > 0
                        else words
                    )
            effect = replace(effect, verdict=words, loss=loss, low=low, high=high)
        effects.append(effect)
    return tuple(
        sorted(effects, key=lambda effect: (effect.loss is None, -(effect.loss or 0.0)))
    )


TREATING_ALL, TREATING_NONE = "treating all", "treating none"


@dataclass(frozen=True, kw_only=True)
class NetBenefit:
    """The net benefit of two classes: the share of rows that are rightly treated as positive, minus
    that of wrongly treated ones at the odds of the threshold, the lowest probability that is
    treated (Vickers & Elkin 2006).

    `curves` are along the `thresholds`; `differences` from the recommended `model`, at the few
    thresholds `at`, are positive where more is gained than by it, and hold for all names at once.
    `TREATING_ALL` and `TREATING_NONE` are among the names."""

    model: str
    thresholds: tuple[float, ...]
    curves: Mapping[str, tuple[float, ...]]
    at: tuple[float, ...]
    differences: Mapping[str, tuple[Interval, ...]]

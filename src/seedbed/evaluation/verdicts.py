"""Verdicts on candidates: seven rules in a fixed order, what they say in plain words, and the numbers behind them.

The words better, wins, best and outperforms appear only where the rules say so, except for "as good as the other, or
better"; `Verdict.sentence` keeps to that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from seedbed.errors import OptionError
from seedbed.evaluation.estimates import Estimate, HoldOut, Spread, holm, p_better, student_quantile
from seedbed.evaluation.forecasts import rows_factor, rows_needed
from seedbed.evaluation.metrics import METRICS, Metric
from seedbed.evaluation.numbers import plain_number
from seedbed.evaluation.protocol import Protocol
from seedbed.typing import Floats

__all__ = [
    "SHORT",
    "Verdict",
    "count_range",
    "fold_differences",
    "judge_all",
    "seed_noise",
]

_TOO_MANY = 10_000_000
"""Beyond so many rows, an exact number isn't useful."""

Rule = Literal["better_by_margin", "no_practical_difference", "better", "worse", "no_worse", "no_better", "cannot_tell"]

SHORT: dict[Rule, str] = {
    "better_by_margin": "better",
    "better": "better",
    "worse": "worse",
    "no_practical_difference": "no difference that matters",
    "no_worse": "as good or better",
    "no_better": "as good or worse",
    "cannot_tell": "can't tell yet",
}
"""Each rule in a few words, in the order in which verdicts are listed."""


def decide(*, low: float, high: float, margin: float) -> Rule:
    """Return the first of the seven rules that holds.

    Args:
        low, high: simultaneous interval of the improvement, in units of the loss; positive: the candidate is better.
        margin: the difference that matters to the user, in the same units.

    Raises:
        OptionError: the margin isn't a positive number.
        ValueError: low and high aren't finite numbers in this order.
    """
    if not (margin > 0 and math.isfinite(margin)):
        raise OptionError(f"The margin is {margin}", "Give the smallest difference that matters, above 0.")
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"no interval: {low} to {high}")
    if low >= margin:
        return "better_by_margin"
    if -margin < low and high < margin:
        return "no_practical_difference"
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    if low > -margin:
        return "no_worse"
    return "no_better" if high < margin else "cannot_tell"


@dataclass(frozen=True)
class AccuracyDifference:
    """The same comparison in accuracy, as shares (0.01 is one point), with its own simultaneous interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdict:
    """One candidate against the reference. All differences: positive means that the candidate is better.

    Attributes:
        candidate, reference: their names.
        rule: the first of the seven rules that holds.
        metric: the primary metric; difference, low, high and margin are in units of its loss.
        difference, low, high: the estimate and its simultaneous interval.
        margin: the difference that matters.
        p, p_adjusted: two-sided p-value of "no difference", alone and after Holm over all comparisons.
        p_better: posterior probability that the candidate is better at all.
        p_better_by_margin: and by more than the margin.
        opposite_share: share of single runs (one fold, one seed of each) with the opposite sign.
        accuracy: the same in accuracy; None for regression.
        rows_needed: (low, high), rows that would settle a difference of the margin; None if nothing is left to settle,
            or if n_rows isn't known.
        seed_share: the part of the interval's variance that comes from seeds and not from rows; None if that isn't
            known, as with one seed.
        n_rows: rows now; None if that isn't known.
        n_train: about how many rows each training had; None if that isn't known.
        comparisons: how many were adjusted for.
        held_out: whether it comes from one look at locked rows, without repeats.
        independent_rows: how many independent rows the tested ones count as, if they are split by time; else None.
        spread: what the interval is made of, to forecast it for more repeats; None of one that isn't made of folds.
        rows_factor: by what factor the rows must grow to settle a difference of the margin; rows_needed is half and
            double of that.
        greater_is_better: of the metric; None for one of `METRICS`.
    """

    candidate: str
    reference: str
    rule: Rule
    metric: str
    difference: float
    low: float
    high: float
    margin: float
    p: float
    p_adjusted: float
    p_better: float
    p_better_by_margin: float
    opposite_share: float
    accuracy: AccuracyDifference | None
    rows_needed: tuple[int, int] | None
    seed_share: float | None
    n_rows: int | None
    n_train: int | None
    comparisons: int
    held_out: bool = False
    independent_rows: int | None = None
    spread: Spread | None = None
    rows_factor: float = 1.0
    greater_is_better: bool | None = None

    def __repr__(self) -> str:
        what = f"{self.candidate} against {self.reference}: {self.short}"
        return f"<Verdict: {what}, {self.difference:+.3g} ({self.low:+.3g} to {self.high:+.3g}) in {self.metric}>"

    @property
    def by_margin(self) -> bool:
        """Whether the difference is at least the margin over the whole interval, for better or worse."""
        return self.low >= self.margin or self.high <= -self.margin

    @property
    def short(self) -> str:
        """The verdict in a few words."""
        return SHORT[self.rule]

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        return _sentence(self)

    def as_dict(self) -> dict[str, Any]:
        """Return all attributes, and the verdict in words, as a plain dict ready for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        a = self.accuracy
        plain["accuracy"] = None if a is None else {"difference": a.difference, "low": a.low, "high": a.high}
        plain["spread"] = None if self.spread is None else asdict(self.spread)
        plain["rows_needed"] = None if self.rows_needed is None else list(self.rows_needed)
        return plain | {"by_margin": self.by_margin, "short": self.short, "sentence": self.sentence}


def _gain(verdict: Verdict) -> str:
    """Return the direction that is good: "higher" for a score, "lower" for an error."""
    return "higher" if _metric(verdict).greater_is_better else "lower"


def _loss(verdict: Verdict) -> str:
    """Return the direction that is bad."""
    return "lower" if _metric(verdict).greater_is_better else "higher"


def _metric(verdict: Verdict) -> Metric:
    """Return the metric. Losses that users bring may have another name or direction."""
    found = METRICS.get(verdict.metric) or Metric(name=verdict.metric, words=verdict.metric, tasks=())
    up = verdict.greater_is_better
    return found if up is None else replace(found, greater_is_better=up)


def _quantity(verdict: Verdict) -> str:
    """Return what is compared, in words that say whether it is an error."""
    metric = _metric(verdict)
    return metric.words if metric.greater_is_better else f"prediction error ({metric.words})"


def _amount(verdict: Verdict, value: float, *, unit: bool = False) -> str:
    """Return a size without its sign: points of accuracy, or a number with one digit more than the margin needs."""
    metric = _metric(verdict)
    scale = 100 if metric.percent else 1
    fewest = 0 if metric.own_units else 1  # in units of the target, which may be millions
    decimals = min(12, max(fewest, 1 + math.ceil(-math.log10(scale * verdict.margin))))
    shown = f"{abs(scale * value):,.{decimals}f}"
    if not unit:
        return shown
    return f"{shown} points" if metric.percent else shown


def _matters(verdict: Verdict) -> str:
    """Return the margin in a sentence: "1 point that matters", "0.004 that matters"."""
    if not _metric(verdict).percent:
        return f"{plain_number(verdict.margin)} that matters"
    points = f"{100 * verdict.margin:.3g}"
    return "1 point that matters" if points == "1" else f"{points} points that matter"


def count_range(share: float, low: float, high: float, *, of: int, alpha: float) -> tuple[int, int]:
    """Return between which numbers the count among `of` new rows lies, with probability 1 - alpha.

    A count varies around its share, and the share is itself uncertain: the distance to each end is
    sqrt((share - end)^2 + z^2 share (1 - share) / of), after Zou and Donner (2008).

    Args:
        share: of rows, estimated. low, high: its interval at 1 - alpha.
    """
    of_count = student_quantile(1 - alpha / 2, None) ** 2 * share * (1 - share) / of
    least, most = (
        share - math.hypot(share - low, math.sqrt(of_count)),
        share + math.hypot(high - share, math.sqrt(of_count)),
    )
    return max(0, round(of * least)), min(of, round(of * most))


def _range(verdict: Verdict) -> str:
    """Return the plausible sizes of a difference whose sign is settled, the smaller one first."""
    small, large = sorted((abs(verdict.low), abs(verdict.high)))
    return f"plausibly {_amount(verdict, small)} to {_amount(verdict, large)}"


def _size(verdict: Verdict, direction: str) -> str:
    """Return "its error is lower by 0.031 (plausibly 0.020 to 0.042)"."""
    size = _amount(verdict, verdict.difference, unit=True)
    return f"its {_quantity(verdict)} is {direction} by {size} ({_range(verdict)})"


def _sentence(v: Verdict) -> str:
    """Return the verdict in plain words."""
    one, other, matters = v.candidate, v.reference, _matters(v)
    match v.rule:
        case "better_by_margin":
            return f"{one} is better than {other}: {_size(v, _gain(v))}, at least the {matters}."
        case "better":
            smaller = f"but the gain may be smaller than the {matters}"
            return f"{one} is better than {other}, {smaller}: {_size(v, _gain(v))}."
        case "worse":
            tail = f", at least the {matters}" if v.by_margin else f"; that may be less than the {matters}"
            return f"{one} is worse than {other}: {_size(v, _loss(v))}{tail}."
        case "no_practical_difference":
            small = (
                f" The small {'gain' if v.low > 0 else 'loss'} with {one} is real." if v.low > 0 or v.high < 0 else ""
            )
            closer = f"in {_quantity(v)} they are closer than the {matters}"
            return f"No difference that matters between {one} and {other}: {closer}.{small} Prefer the simpler one."
        case "no_worse":
            return f"{one} is as good as {other}, or better; it isn't worse by the {matters}: {_from_to(v)}."
        case "no_better":
            return f"{one} is as good as {other}, or worse; it gains less than the {matters}: {_from_to(v)}."
        case "cannot_tell":
            return f"Can't tell yet how {one} compares with {other}: {_from_to(v)}. {_what_would_settle(v)}"


def _from_to(v: Verdict) -> str:
    return (
        f"its {_quantity(v)} was {_here(v)}, but may be anywhere from {_amount(v, v.low, unit=True)} {_loss(v)} "
        f"to {_amount(v, v.high, unit=True)} {_gain(v)}"
    )


def _here(v: Verdict) -> str:
    """Return the measured difference."""
    if not float(_amount(v, v.difference).replace(",", "")):
        return "the same here"
    return f"{_amount(v, v.difference, unit=True)} {_gain(v) if v.difference > 0 else _loss(v)} here"


def _what_would_settle(v: Verdict) -> str:
    """Return how many rows it takes, never fewer than there are: a range for a power of 80 % may begin below."""
    small = f"To show a difference as small as the {_matters(v)}, it takes"
    if v.n_rows is None:
        low_factor, high_factor = (f"{max(1.0, factor):.2g}" for factor in (v.rows_factor / 2, v.rows_factor * 2))
        times = f"about {low_factor} to {high_factor}" if float(high_factor) < 1000 else "hundreds of"
        return f"{small} {times} times as many rows."
    now = f"(now {plain_number(v.n_rows, 3)})"
    if v.rows_needed is None or v.rows_needed[1] <= v.n_rows:
        return f"{small} somewhat more rows of this kind {now}."
    low, high = v.rows_needed
    if low > _TOO_MANY:
        return f"{small} more than {_TOO_MANY:,} rows of this kind {now}."
    if low <= v.n_rows:
        return f"{small} up to about {plain_number(high, 2)} rows of this kind {now}."
    return f"{small} about {plain_number(low, 2)} to {plain_number(high, 2)} rows of this kind {now}."


# From losses to verdicts


def fold_differences(reference: Floats, candidate: Floats) -> Floats:
    """Return x_rj [repeat, fold]: the reference's loss minus the candidate's loss, each a mean over seeds.

    Args:
        reference, candidate: [repeat, fold, seed], mean loss over the fold's test rows. The numbers of seeds may
            differ (a baseline has one).
    """
    return np.asarray(reference.mean(axis=2) - candidate.mean(axis=2), dtype=np.float64)


def seed_noise(*losses: Floats) -> tuple[float, ...]:
    """Return for one or two models how much of the variance of a fold's value comes from seeds, for `corrected_t`.

    It is the mean over folds of the variance over S seeds (ddof 1), divided by S; 0 for one seed. If no model has
    several seeds, nothing is known and the result is empty. [repeat, fold, seed] as in `fold_differences`.
    """
    if all(one.shape[2] == 1 for one in losses):
        return ()
    return tuple(float(one.var(axis=2, ddof=1).mean()) / one.shape[2] if one.shape[2] > 1 else 0.0 for one in losses)


def opposite_share(reference: Floats, candidate: Floats) -> float:
    """Return the share of single runs whose difference has the opposite sign of the overall one; 0 if that is 0.

    A single run is one fold with one seed of each; all pairs of seeds are counted, as in `paired_runs`, by sorting and
    not one by one. [repeat, fold, seed] as in `fold_differences`.
    """
    overall = fold_differences(reference, candidate).mean()
    if overall == 0:
        return 0.0
    lower, upper = (one.reshape(-1, one.shape[2]) for one in (reference, candidate)[:: 1 if overall > 0 else -1])
    # In each fold, an upper value has as many opposite runs as there are lower values before it. Equal values, of which
    # the upper one comes first, are none.
    order = np.argsort(np.concatenate([upper, lower], axis=1), axis=1, kind="stable")
    is_lower = order >= upper.shape[1]
    opposite = np.cumsum(is_lower, axis=1)[~is_lower].sum()
    return float(opposite / (lower.size * upper.shape[1]))


def judge_all(
    losses: Mapping[str, Floats],
    estimates: Mapping[tuple[str, str], Estimate],
    *,
    metric: str,
    margin: float,
    n_rows: int | None,
    n_train: int | None = None,
    in_accuracy: Mapping[tuple[str, str], Estimate] | None = None,
    task: str = "binary",
    tried: int = 0,
    greater_is_better: bool | None = None,
    design: Protocol | None = None,
) -> tuple[Verdict, ...]:
    """Return the verdict on each pair of candidates that has an estimate.

    The rules follow the intervals, which hold together at the level of the estimates. P-values are adjusted after Holm
    (1979). The two may disagree at the edge. An estimate that is a comparison of its own is left out of both.

    Args:
        losses: name -> [repeat, fold, seed], mean primary loss over the fold's test rows, finite. Of two, the repeats
            that both have are compared.
        estimates: (reference, candidate) -> the difference of their losses.
        margin: the difference that matters, in units of the loss.
        n_rows: rows of the table; None if that isn't known.
        n_train: rows of each training; None if that isn't known.
        in_accuracy: the same differences by zero-one loss; None if there are no classes.
        task: binary, multiclass or regression; it bounds what two losses can be apart.
        tried: discarded attempts; each counts as one more comparison.
        greater_is_better: of the score behind the loss; None for one of `METRICS`.
        design: of the comparison, as in `rows_needed`.

    Raises:
        OptionError: the margin isn't positive.
    """
    largest = METRICS[metric].largest_loss(task) if metric in METRICS else np.inf
    together = [pair for pair, estimate in estimates.items() if estimate.comparisons > 1]
    of_pair = dict(zip(together, holm([estimates[pair].p for pair in together], tried=tried).tolist(), strict=True))
    verdicts = []
    for pair, found in estimates.items():
        n_shared = min(len(losses[name]) for name in pair)  # repeats
        ours, theirs = (losses[name][:n_shared] for name in pair)
        accuracy, seeds = None, None
        if in_accuracy is not None:
            points = in_accuracy[pair]
            accuracy = AccuracyDifference(points.mean, max(-1.0, points.low), min(1.0, points.high))
        if found.variance_seeds is not None and max(ours.shape[2], theirs.shape[2]) > 1:
            seeds = found.variance_seeds / found.se**2 if found.se > 0 else 0.0
        low, high = max(-largest, found.low), min(largest, found.high)
        verdicts.append(
            Verdict(
                candidate=pair[1],
                reference=pair[0],
                rule=decide(low=low, high=high, margin=margin),
                metric=metric,
                difference=found.mean,
                low=low,
                high=high,
                margin=margin,
                p=found.p,
                p_adjusted=of_pair.get(pair, found.p),
                p_better=p_better(found),
                p_better_by_margin=p_better(found, margin),
                opposite_share=opposite_share(ours, theirs),
                accuracy=accuracy,
                rows_needed=None if n_rows is None else rows_needed(found, n_rows=n_rows, margin=margin, design=design),
                rows_factor=rows_factor(found, margin=margin, n_rows=n_rows, design=design),
                seed_share=seeds,
                n_rows=n_rows,
                n_train=n_train,
                comparisons=found.comparisons,
                held_out=isinstance(found, HoldOut),
                independent_rows=found.independent_rows if isinstance(found, HoldOut) else None,
                spread=found.spread,
                greater_is_better=greater_is_better,
            )
        )
    return tuple(verdicts)

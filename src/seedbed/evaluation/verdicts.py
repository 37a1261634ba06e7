"""Verdicts on candidates: four strict rules and two likely ones, what they say in a few words, and
the rows that would settle them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from seedbed.errors import visible
from seedbed.evaluation.estimates import (
    Difference,
    Estimate,
    Spread,
    simultaneous_quantile,
    student_quantile,
)
from seedbed.evaluation.metrics import find_metric
from seedbed.typing import Floats

_POWER = 0.8  # the chance of deciding a difference of the margin
_MOST = 1e9  # times narrower than the interval of these rows: more than that needs practically infinite rows

Rule = Literal[
    "better",
    "worse",
    "likely_better",
    "likely_worse",
    "no_practical_difference",
    "cannot_tell",
]

SHORT: dict[Rule, str] = {
    "better": "better",
    "worse": "worse",
    "likely_better": "likely better",
    "likely_worse": "likely worse",
    "no_practical_difference": "no difference that matters",
    "cannot_tell": "can't tell",
}
"""Each rule in a few words, in the order in which verdicts are listed."""

OPEN: tuple[Rule, ...] = ("cannot_tell", "likely_better", "likely_worse")
"""The rules that leave open whether two models differ."""

LIKELY = 0.95
"""The probability from which one comparison alone is called likely."""

LIKELY_BEHIND_BLEND = 0.90
"""The same of a model behind a blend of all."""

LIKELY_HELPS = 0.975
"""The same of what helps."""

LOOK_OF_HELP: Mapping[str, str] = {
    "helps": "better",
    "likely helps": "likely_better",
    "likely hurts": "likely_worse",
    "likely harms": "likely_worse",
    "hurts": "worse",
    "harms": "worse",
    "can't tell": "unsure",
    "no difference that matters": "unsure",
}
"""How a verdict on what helps, or on a column, looks."""


def look_of(rule: Rule) -> str:
    """Return how a verdict looks: `better`, `worse`, `likely_better`, `likely_worse` or
    `unsure`."""
    return "unsure" if rule in ("no_practical_difference", "cannot_tell") else rule


def decide(*, low: float, high: float, is_small: bool = False) -> Rule:
    """Return the strict rule that holds.

    Args:
        low, high: simultaneous interval of the improvement, in units of the loss; positive: the
            candidate is better.
        is_small: whether the improvement is shown to be below the margin on either side.
    """
    if is_small:
        return "no_practical_difference"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "cannot_tell"


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdict(Difference):
    """One candidate against the reference. All differences: positive means that the candidate is
    better.

    docs/summary.md explains the attributes. Difference, low, high and margin are in units of the
    loss of the metric, and p-values are two-sided. None stands for what isn't known; `rows_needed`
    is None as well if nothing is left to settle. `zero` is the loss of always answering the same,
    where differences are shown in points of a score from 0 to 100."""

    candidate: str
    reference: str
    rule: Rule
    metric: str
    margin: float
    p: float
    p_adjusted: float
    accuracy: Difference | None
    rows_needed: tuple[int, int] | None
    n_rows: int | None
    n_train: int | None
    comparisons: int
    held_out: bool = False
    independent_rows: int | None = None
    spread: Spread | None = None
    rows_factor: float = 1.0
    zero: float | None = None

    def __repr__(self) -> str:
        what = visible(f"{self.candidate} against {self.reference}: {self.short}")
        return f"<Verdict: {what}, {self.difference:+.3g} ({self.low:+.3g} to {self.high:+.3g}) in {self.metric}>"

    @property
    def short(self) -> str:
        """The verdict in a few words."""
        return SHORT[self.rule]

    @property
    def sentence(self) -> str:
        """The verdict with the gain and its interval."""
        metric = find_metric(self.metric)
        if self.zero is not None:
            metric = replace(metric, words="score", zero=self.zero)
        gain, low, high = map(metric.signed, (self.difference, self.low, self.high))
        amount = f"gain in {metric.words} {gain}{' points' * metric.in_points} ({low} to {high})"
        return f"{self.candidate} against {self.reference}: {self.short}; {amount}"

    def as_dict(self) -> dict[str, Any]:
        """Return all attributes, and the verdict in words, as a plain dict ready for JSON."""
        rows = None if self.rows_needed is None else list(self.rows_needed)
        ends = (self.difference, self.low, self.high)
        points = (
            None if self.zero is None else [100 * value / self.zero for value in ends]
        )
        words = {
            "short": self.short,
            "sentence": self.sentence,
            "points": points,
        }
        return asdict(self) | {"rows_needed": rows} | words


def count_range(
    share: float, low: float, high: float, *, of: int, alpha: float
) -> tuple[int, int]:
    """Return between which numbers the count among `of` new rows lies, with probability 1 - alpha.

    A count varies around its share, and the share is itself uncertain: the distance to each end is
    sqrt((share - end)^2 + z^2 share (1 - share) / of), after Zou and Donner (2008).

    Args:
        share: of rows, estimated. low, high: its interval at 1 - alpha.
    """
    of_count = math.sqrt(
        student_quantile(1 - alpha / 2, None) ** 2 * share * (1 - share) / of
    )
    least, most = (
        share - math.hypot(share - low, of_count),
        share + math.hypot(high - share, of_count),
    )
    return max(0, round(of * least)), min(of, round(of * most))


# From losses to verdicts


def fold_differences(reference: Floats, candidate: Floats) -> Floats:
    """Return x_rj [repeat, fold]: the reference's loss minus the candidate's loss, each a mean over
    seeds.

    Args:
        reference, candidate: [repeat, fold, seed], mean loss over the fold's test rows. The numbers
            of seeds may differ (a baseline has one).
    """
    return np.asarray(reference.mean(axis=2) - candidate.mean(axis=2), dtype=np.float64)


def seed_noise(*losses: Floats) -> tuple[float, ...]:
    """Return for one or two models how much of the variance of a fold's value comes from seeds, for
    `corrected_t`.

    It is the mean over folds of the variance over S seeds (ddof 1), divided by S; 0 for one seed.
    If no model has several seeds, nothing is known and the result is empty. [repeat, fold, seed] as
    in `fold_differences`.
    """
    if all(loss.shape[2] == 1 for loss in losses):
        return ()
    return tuple(
        float(one.var(axis=2, ddof=1).mean()) / one.shape[2]
        if one.shape[2] > 1
        else 0.0
        for one in losses
    )


def rows_factor(estimate: Estimate, *, margin: float) -> float:
    """Return by what factor the number of rows n must grow to settle a difference of `margin`; 0 if
    se is 0.

    N / n = ((q + t_{df, power}) se / margin)^2 with q the quantile of the simultaneous interval:
    the usual formula for a sample's size, the standard error taken to shrink as 1/sqrt(rows) with
    the same design; that is rough, so half to double of it is shown. Never call it with the
    observed difference as the margin: "rows to make this significant" is a p-value in disguise.
    """
    quantile = simultaneous_quantile(estimate.alpha, estimate.comparisons, estimate.df)
    reach = quantile + student_quantile(_POWER, estimate.df)
    return min(_MOST, reach * estimate.se / margin) ** 2

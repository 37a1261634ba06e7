"""Subgroups of rows: verdicts within each, calibration, and whether a gain differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.verdicts import Verdict

GapRule = Literal["differs", "no_practical_difference", "cannot_tell"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """The rows of one subgroup.

    Attributes:
        name: a level, or a band of numbers or dates; `(missing)`, or `(other)` for small levels together.
        n_rows: tested rows.
        reason: why there is no verdict; empty if there is one.
        scores: of each model, the score that decides, with the interval of one score alone.
        calibration: of each model, the mean prediction minus the mean of what was observed: of two classes the
            probability of the positive one, of several that of the predicted class, otherwise the number. The intervals
            of all subgroups hold together.
        verdicts: on each model against the reference. The intervals of all models and subgroups hold together.
    """

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
class Gap:
    """Whether the gain of a model over the reference differs between a subgroup and all other rows.

    Attributes:
        candidate, subgroup: the model and the name of the subgroup.
        rule: `no_practical_difference` if the interval lies within the margin, else `differs` if it excludes 0, else
            `cannot_tell`.
        difference, low, high: the gain in the subgroup minus that in all other rows, in units of the loss. The
            intervals of all models and subgroups hold together.
        p, p_adjusted: two-sided p-value of "no difference", alone and after Holm.
    """

    candidate: str
    subgroup: str
    rule: GapRule
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float


@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """What out-of-fold predictions say of the subgroups of a column.

    Attributes:
        column: its name.
        reference: the model that gains are over.
        model: the model that is shown first: the recommended one, or the best other one if that is the reference.
        subgroups: in the order of the column's values.
        gaps: of each model, a subgroup after the other; of two subgroups that are all rows, for the first one.
    """

    column: str
    reference: str
    model: str
    subgroups: tuple[Subgroup, ...]
    gaps: tuple[Gap, ...] = ()


def gap_of(candidate: str, subgroup: str, estimate: Estimate, *, margin: float, p_adjusted: float) -> Gap:
    """Return a gap from the estimated difference of two gains."""
    rule: GapRule = "cannot_tell"
    if -margin < estimate.low and estimate.high < margin:
        rule = "no_practical_difference"
    elif not estimate.low <= 0 <= estimate.high:
        rule = "differs"
    return Gap(
        candidate=candidate,
        subgroup=subgroup,
        rule=rule,
        difference=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        p=estimate.p,
        p_adjusted=p_adjusted,
    )

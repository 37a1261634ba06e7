"""Survival: the Kaplan-Meier estimate, weights for censored rows, concordance, and what reports
show.

Functions share arguments: `times` [row] are positive; `events` [row] say whether a row's event was
seen at its time. If not, the row was censored then.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.typing import Bools, Floats, Ints

_TIED = 1e-8  # predicted risks that differ by less


@dataclass(frozen=True, eq=False)
class Steps:
    """A function of time that changes at `times` to `values` and is 1 before.

    Attributes:
        times: distinct, ascending [time].
        values: from this time on [time].
        deviations: standard error of each value [time]; of survival only.
    """

    times: Floats
    values: Floats
    deviations: Floats

    def at(self, times: Floats, *, before: bool = False) -> Floats:
        """Return the values at some times, or just before them."""
        side: Literal["left", "right"] = "left" if before else "right"
        places = np.searchsorted(self.times, times, side=side)
        return np.concatenate([[1.0], self.values])[places]


def kaplan_meier(times: Floats, events: Bools, *, censoring: bool = False) -> Steps:
    """Return the share that survives each time (Kaplan & Meier 1958), with Greenwood's standard
    error (1926).

    Args:
        censoring: whether the share that isn't censored is returned instead. Of equal times, events
            come first.
    """
    distinct, place = np.unique(times, return_inverse=True)
    counts, seen = (
        np.bincount(place, weights=some.astype(np.float64))
        for some in (events | True, events)
    )
    at_risk = np.asarray(counts[::-1].cumsum()[::-1], dtype=np.float64)
    if censoring:
        at_risk, seen = at_risk - seen, counts - seen
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.cumprod(np.where(at_risk > 0, 1 - seen / at_risk, 1.0))
        summands = np.where(at_risk > seen, seen / (at_risk * (at_risk - seen)), 0.0)
    return Steps(
        distinct, np.asarray(values), np.asarray(values * np.sqrt(np.cumsum(summands)))
    )


def _inverse(shares: Floats) -> Floats:
    """Return 1 / share, and 0 where no row is left."""
    return np.divide(1.0, shares, out=np.zeros_like(shares), where=shares > 0)


def censored_truth(
    times: Floats, events: Bools, grid: Floats, known: Steps | None = None
) -> Floats:
    """Return which rows survive each time of a grid, with weights in place of those that were
    censored before.

    The weights are the inverse probability of being under observation (Graf, Schmoor, Sauerbrei &
    Schumacher 1999).

    Args:
        grid: [time].
        known: the share of training rows that isn't censored; by default of these rows.

    Returns:
        [row, time]: the weight of a row that survives, minus the weight of one that had its event;
        0 if neither is known.
    """
    known = kaplan_meier(times, events, censoring=True) if known is None else known
    survives = times[:, None] > grid
    dead = np.where(events, _inverse(known.at(times, before=True)), 0.0)[:, None]
    return np.where(survives, _inverse(known.at(grid)), -dead * ~survives)


def uno_c(
    times: Floats,
    events: Bools,
    risks: Floats,
    *,
    horizon: float,
    known: Steps | None = None,
) -> float:
    """Return the share of pairs in which the row with the earlier event has the higher risk (Uno,
    Cai, Pencina, D'Agostino & Wei 2011). Pairs are weighted by the probability of being seen; equal
    risks count half.

    Args:
        risks: predicted [row].
        horizon: only events before this time count.
        known: the share of training rows that isn't censored; None weights all pairs equally, which
            is Harrell's C (Harrell, Califf, Pryor, Lee & Rosati 1982).

    Returns:
        NaN if no pair can be compared.
    """
    order = np.lexsort((~events, times))  # at equal times, events come first
    times, events, risks = times[order], events[order], risks[order]
    rows = np.flatnonzero(events & (times < horizon))
    weights = (
        np.ones(len(rows))
        if known is None
        else _inverse(known.at(times[rows], before=True)) ** 2
    )
    ends = np.append(
        np.flatnonzero((times[1:] != times[:-1]) | (events[1:] != events[:-1])) + 1,
        len(times),
    )
    later = ends[
        np.searchsorted(ends, rows, side="right")
    ]  # the first row after all events of this time
    right = 0.0
    for row, start, weight in zip(rows, later, weights, strict=True):
        others = risks[start:]
        n_lower = np.count_nonzero(others < risks[row] - _TIED)
        n_not_higher = np.count_nonzero(others <= risks[row] + _TIED)
        right += weight * (n_lower + n_not_higher) / 2
    total = float(weights @ (len(times) - later))
    return float(right / total) if total > 0 else np.nan


@dataclass(frozen=True, eq=False)
class FollowedFolds:
    """The outcome of all rows, and the share that isn't censored by the training rows of each
    split.

    Attributes:
        times, events: of all rows [row].
        grid: the times of predictions [time].
        splits: repeat, training rows and test rows of each split, repeat by repeat.
    """

    times: Floats
    events: Bools
    grid: Floats
    splits: Sequence[tuple[int, Ints, Ints]]

    @functools.cached_property
    def _known(self) -> list[Steps]:
        return [
            kaplan_meier(self.times[train], self.events[train], censoring=True)
            for _, train, _ in self.splits
        ]

    @functools.cached_property
    def truths(self) -> list[Floats]:
        """`censored_truth` of the test rows [row, time], for each repeat; 0 of other rows."""
        n_repeats = self.splits[-1][0] + 1
        truths = [np.zeros((len(self.times), len(self.grid))) for _ in range(n_repeats)]
        for (repeat, _, test), known in zip(self.splits, self._known, strict=True):
            truths[repeat][test] = censored_truth(
                self.times[test], self.events[test], self.grid, known
            )
        return truths

    def discordances(self, survival: Floats) -> Floats:
        """Return 1 - Uno's C of the test rows of each split [repeat, fold, seed], by the survival
        until the horizon [repeat, seed, row]; NaN where a prediction isn't finite, or no pair can
        be compared."""
        losses = np.full((len(self.splits), survival.shape[1]), np.nan)
        parts = zip(losses, self.splits, self._known, strict=True)
        for of_split, (repeat, _, test), known in parts:
            for seed, p in enumerate(survival[repeat][:, test]):
                if np.isfinite(p).all():
                    of_split[seed] = 1 - uno_c(
                        self.times[test],
                        self.events[test],
                        1 - p,
                        horizon=float(self.grid[-1]),
                        known=known,
                    )
        return losses.reshape(len(survival), -1, survival.shape[1])


@dataclass(frozen=True, kw_only=True)
class SurvivalCurve:
    """Survival along the times of a `SurvivalSummary`: of a group of rows, of all rows (without
    predictions), or of a single row, which has no counts and isn't observed.

    `n_events` are those up to the horizon. `low` and `high` are the range in which 95 % of the
    predictions of single networks are, of a single row; those of `observed`, the Kaplan-Meier
    estimate, its 95 % interval by Greenwood's error."""

    name: str
    n_rows: int = 0
    n_events: int = 0
    predicted: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()
    observed_low: tuple[float, ...] = ()
    observed_high: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SurvivalSummary:
    """The follow-up of a table up to the horizon, and what the recommended model predicts for rows
    that it wasn't trained on.

    The grid begins with 0. Groups are thirds of the rows by predicted survival at the horizon,
    `rows` four typical ones at the eighths of it; the highest risk comes first."""

    time: str
    horizon: float
    n_events: int
    n_censored: int
    grid: tuple[float, ...]
    everyone: SurvivalCurve
    model: str = ""
    groups: tuple[SurvivalCurve, ...] = ()
    rows: tuple[SurvivalCurve, ...] = ()
    unit: str = ""

    @property
    def words(self) -> str:
        """The horizon, as `time 210`, or `day 210` if times are days between two dates."""
        return f"{self.unit.removesuffix('s') or self.time} {self.horizon:g}"


def observed_curve(
    name: str, times: Floats, events: Bools, grid: Floats, predicted: Floats
) -> SurvivalCurve:
    """Return the Kaplan-Meier estimate of some rows along a grid, beside the mean of their
    predictions [row, time]."""
    steps = kaplan_meier(times, events)
    of_grid = np.searchsorted(steps.times, grid, side="right")
    values, errors = (
        np.concatenate([[start], ends])[of_grid]
        for start, ends in ((1.0, steps.values), (0.0, steps.deviations))
    )
    low, high = (
        np.clip(values - 1.96 * errors, 0, 1),
        np.clip(values + 1.96 * errors, 0, 1),
    )
    return SurvivalCurve(
        name=name,
        n_rows=len(times),
        n_events=int((events & (times <= grid[-1])).sum()),
        predicted=_rounded(predicted.mean(axis=0)) if len(predicted) else (),
        observed=_rounded(values),
        observed_low=_rounded(low),
        observed_high=_rounded(high),
    )


def predicted_curve(name: str, predicted: Floats, single: Floats) -> SurvivalCurve:
    """Return the predicted survival of a row [time], with the range of 95 % of single networks
    [network, time]."""
    low, high = np.quantile(single, (0.025, 0.975), axis=0)
    return SurvivalCurve(
        name=name, predicted=_rounded(predicted), low=_rounded(low), high=_rounded(high)
    )


def _rounded(shares: Floats) -> tuple[float, ...]:
    return tuple(np.round(shares, 4).tolist())

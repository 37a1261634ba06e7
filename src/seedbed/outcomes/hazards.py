"""Hazards: survival as a binary outcome of each interval in which a row was under observation (Cox
1972; Singer & Willett 1993, "It's about time")."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.typing import Bools, Floats, Ints

_SCORED = 24  # times
_MOST_INTERVALS = 8
_EVENTS_EACH = 5  # or more in an interval, if there is more than one
_POINTS = 8  # of the clock in an interval
_SUREST = 1 - 1e-7  # a hazard of 1 would end all curves

Clock = tuple[tuple[float, float], ...]
"""Times of survival, and at each how many intervals have passed, whole and in part."""


@dataclass(frozen=True)
class FollowUp:
    """How rows are followed, until an event or until they are censored.

    Attributes:
        time: the column with the time under observation.
        horizon: the time up to which survival is predicted and scored.
        clock: of the intervals that hazards are of; empty before rows are expanded.
        start: the column with the date on which observation began; empty if `time` is a duration.
        unit: of the times, "days" between two dates; empty if it isn't known.
    """

    time: str
    horizon: float
    clock: Clock = ()
    start: str = ""
    unit: str = ""

    @functools.cached_property
    def cuts(self) -> tuple[float, ...]:
        """The ends of the intervals that hazards are of; the last one is the horizon."""
        return tuple(
            {
                passed: time for time, passed in self.clock if passed == int(passed)
            }.values()
        )

    @property
    def words(self) -> str:
        """The horizon, as `time 210`, or `day 210` if times are days between two dates."""
        return f"{self.unit.removesuffix('s') or self.time} {self.horizon:g}"

    @property
    def grid(self) -> Floats:
        """The times at which predicted survival is scored, evenly spaced up to the horizon
        [time]."""
        return self.horizon * np.arange(1, _SCORED + 1) / _SCORED


def clock_of(durations: Floats, events: Bools, horizon: float) -> Clock:
    """Return the clock of intervals in which about equally many events are; the last one ends at
    the horizon.

    Within an interval it runs as the rates of Nelson and Aalen, of which up to eight points are
    kept.
    """
    times, counts = np.unique(durations[events], return_counts=True)
    rates = counts / (len(durations) - np.searchsorted(np.sort(durations), times))
    n = min(_MOST_INTERVALS, max(1, int(counts.sum()) // _EVENTS_EACH))
    shares = np.arange(1, n) / n
    inner = (
        np.quantile(durations[events], shares, method="inverted_cdf")
        if len(times)
        else np.empty(0)
    )
    ends = [*np.unique(inner[(inner > 0) & (inner < horizon)]).tolist(), horizon]
    interval = interval_of(times, ends)
    sums = np.bincount(interval, rates, len(ends))
    passed = np.round(
        interval
        + (np.cumsum(rates) - (np.cumsum(sums) - sums)[interval]) / sums[interval],
        9,
    )
    some = np.unique(
        np.searchsorted(passed, np.arange(1, _POINTS * len(ends)) / _POINTS)
    )
    points = [
        (float(times[index]), float(passed[index]))
        for index in some
        if index < len(times)
    ]
    return *(point for point in points if 0 < point[0] < horizon), (
        horizon,
        float(len(ends)),
    )


def interval_of(times: Floats, ends: Sequence[float]) -> Ints:
    """Return the interval in which each time is; later ones are in the last interval."""
    return np.minimum(np.searchsorted(ends, times), len(ends) - 1)


def passed_at(times: Floats, clock: Clock) -> Floats:
    """Return how many intervals have passed at some times."""
    return np.asarray(np.interp(times, *np.array([(0.0, 0.0), *clock]).T))


def last_seen(durations: Floats, grid: Floats) -> Floats:
    """Return for each time of a grid the last one until it at which a row was last seen [time]: the
    truth is the same, and a model isn't blamed for what it says about times at which nothing can
    come to light."""
    times = np.unique(durations)
    return np.concatenate([[0.0], times])[np.searchsorted(times, grid, side="right")]


def survival_at(times: Floats, hazards: Floats, clock: Clock) -> Floats:
    """Return the probability of no event until some times [..., time] by the hazards of all
    intervals [..., interval].

    Within an interval the rate is constant on the clock; after the last one, survival stays as it
    is.
    """
    passed = passed_at(times, clock)
    rates = np.log1p(-np.minimum(hazards, _SUREST))
    interval = np.minimum(passed.astype(np.int64), hazards.shape[-1] - 1)
    before = np.cumsum(rates, axis=-1) - rates
    return np.asarray(
        np.exp(before[..., interval] + (passed - interval) * rates[..., interval])
    )


def median_survival(hazards: Floats, clock: Clock) -> Floats:
    """Return the time until which half of the rows like each one survive [row], by hazards [row,
    interval]; NaN if that is later than the last interval ends."""
    rates = np.log1p(-np.minimum(hazards, _SUREST))
    logs = np.cumsum(rates, axis=1)
    rows = np.arange(len(hazards))
    interval = np.minimum((logs > -np.log(2)).sum(axis=1), hazards.shape[1] - 1)
    reached = logs[:, -1] <= -np.log(2)
    rate = rates[rows, interval]
    share = np.divide(
        -np.log(2) - logs[rows, interval] + rate,
        rate,
        out=np.zeros(len(rows)),
        where=reached,
    )
    times, passed = np.array([(0.0, 0.0), *clock]).T
    return np.where(reached, np.interp(interval + share, passed, times), np.nan)

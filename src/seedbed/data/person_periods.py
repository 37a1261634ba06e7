"""Person-periods: a row for each interval in which a row of survival was under observation, so that classifiers learn
hazards (Cox 1972; Singer & Willett 1993, "It's about time")."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from seedbed.data.table import Clock, Column, ColumnSchema, Table
from seedbed.typing import Bools, Floats, Ints

_MOST_INTERVALS = 8
_EVENTS_EACH = 5  # or more in an interval, if there is more than one
_POINTS = 8  # of the clock in an interval
_SUREST = 1 - 1e-7  # a hazard of 1 would end all curves


def person_periods(table: Table, clock: Clock = ()) -> Table:
    """Return a row for each interval up to the horizon in which a row was under observation. Its label is the event's
    if it came in this interval; an interval in whose first half a row was censored doesn't count. The rows of one row
    are a group, and the interval is the last column.

    Args:
        clock: of `FollowUp`; by default of at most eight intervals, which end at quantiles of the times of events.
    """
    assert table.durations is not None
    assert table.follow_up is not None
    durations, horizon = table.durations, table.follow_up.horizon
    events = (table.target == 1) & (durations <= horizon)
    clock = clock or _clock(durations, events, horizon)
    follow_up = dataclasses.replace(table.follow_up, clock=clock, n_rows=table.n_rows)
    last = _interval_of(durations, follow_up.cuts)
    n_periods = last + (events | (_passed(durations, clock) - last >= 0.5))
    rows = np.repeat(np.arange(table.n_rows), n_periods)
    interval = np.arange(len(rows)) - np.repeat(np.cumsum(n_periods) - n_periods, n_periods)
    whole, name = table.of_rows(rows), "interval"
    while name in table.feature_names:
        name += "_"
    schema = ColumnSchema(name, "category", tuple(str(one + 1) for one in range(len(follow_up.cuts))))
    return dataclasses.replace(
        whole,
        columns=(*whole.columns, Column(schema, interval.astype(np.float64))),
        target=(events[rows] & (interval == last[rows])).astype(np.int64),
        task="binary",
        groups=rows if whole.groups is None else whole.groups,
        durations=None,
        follow_up=follow_up,
    )


def _interval_of(times: Floats, ends: Sequence[float]) -> Ints:
    return np.minimum(np.searchsorted(ends, times), len(ends) - 1)


def _clock(durations: Floats, events: Bools, horizon: float) -> Clock:
    """Return the clock of intervals in which about equally many events are; the last one ends at the horizon.

    Within an interval it runs as the rates of Nelson and Aalen, of which up to eight points are kept.
    """
    times, counts = np.unique(durations[events], return_counts=True)
    rates = counts / (len(durations) - np.searchsorted(np.sort(durations), times))
    n = min(_MOST_INTERVALS, max(1, int(counts.sum()) // _EVENTS_EACH))
    shares = np.arange(1, n) / n
    inner = np.quantile(durations[events], shares, method="inverted_cdf") if len(times) else np.empty(0)
    ends = [*np.unique(inner[(inner > 0) & (inner < horizon)]).tolist(), horizon]
    interval = _interval_of(times, ends)
    sums = np.bincount(interval, rates, len(ends))
    passed = np.round(interval + (np.cumsum(rates) - (np.cumsum(sums) - sums)[interval]) / sums[interval], 9)
    some = np.unique(np.searchsorted(passed, np.arange(1, _POINTS * len(ends)) / _POINTS))
    points = [(float(times[one]), float(passed[one])) for one in some if one < len(times)]
    return *(point for point in points if 0 < point[0] < horizon), (horizon, float(len(ends)))


def _passed(times: Floats, clock: Clock) -> Floats:
    """Return how many intervals have passed at some times."""
    return np.asarray(np.interp(times, *np.array([(0.0, 0.0), *clock]).T))


def every_interval(values: Floats, n: int) -> Floats:
    """Return values of columns [row, column] with each of n intervals in turn [row * interval, column]."""
    return np.column_stack([np.repeat(values, n, axis=0), np.tile(np.arange(n, dtype=np.float64), len(values))])


def survival_at(times: Floats, hazards: Floats, clock: Clock) -> Floats:
    """Return the probability of no event until some times [..., time] by the hazards of all intervals [..., interval].

    Within an interval the rate is constant on the clock; after the last one, survival stays as it is.
    """
    passed, rates = _passed(times, clock), np.log1p(-np.minimum(hazards, _SUREST))
    place = np.minimum(passed.astype(np.int64), hazards.shape[-1] - 1)
    before = np.cumsum(rates, axis=-1) - rates
    return np.asarray(np.exp(before[..., place] + (passed - place) * rates[..., place]))


def median_survival(hazards: Floats, clock: Clock) -> Floats:
    """Return the time until which half of the rows like each one survive [row], by hazards [row, interval]; NaN if that
    is later than the last interval ends."""
    rates = np.log1p(-np.minimum(hazards, _SUREST))
    logs, rows = np.cumsum(rates, axis=1), np.arange(len(hazards))
    place = np.minimum((logs > -np.log(2)).sum(axis=1), hazards.shape[1] - 1)
    reached, rate = logs[:, -1] <= -np.log(2), rates[rows, place]
    share = np.divide(-np.log(2) - logs[rows, place] + rate, rate, out=np.zeros(len(rows)), where=reached)
    times, passed = np.array([(0.0, 0.0), *clock]).T
    return np.where(reached, np.interp(place + share, passed, times), np.nan)

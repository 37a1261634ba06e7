"""Person-periods: a row for each interval in which a row of survival was under observation, so that classifiers learn
hazards (Cox 1972; Singer & Willett 1993, "It's about time")."""

from __future__ import annotations

import dataclasses

import numpy as np

from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.typing import Floats, Ints

_MOST_INTERVALS = 8
_SUREST = 1 - 1e-7  # a hazard of 1 would end all curves


def person_periods(table: Table, cuts: tuple[float, ...] = ()) -> Table:
    """Return a row for each interval in which a row was under observation. Its label is the event's if it came in this
    interval; an interval in whose first half a row was censored doesn't count. The rows of one row are a group, and the
    interval is the last column.

    Args:
        cuts: ends of the intervals; by default at most eight, at quantiles of the times of events.
    """
    assert table.durations is not None
    assert table.follow_up is not None
    events = table.target == 1
    ends = np.array(cuts or _cuts(table.durations, table.durations[events]))
    last = np.minimum(np.searchsorted(ends, table.durations), len(ends) - 1)
    middles = ends - np.diff(ends, prepend=0.0) / 2
    n_periods = last + 1 - (~events & (table.durations < middles[last]))
    rows = np.repeat(np.arange(table.n_rows), n_periods)
    interval = np.arange(len(rows)) - np.repeat(np.cumsum(n_periods) - n_periods, n_periods)
    whole = table.of_rows(rows)
    return dataclasses.replace(
        whole,
        columns=(*whole.columns, _interval_column(table.feature_names, interval)),
        target=(events[rows] & (interval == last[rows])).astype(np.int64),
        task="binary",
        groups=rows if whole.groups is None else whole.groups,
        durations=None,
        follow_up=dataclasses.replace(table.follow_up, cuts=tuple(ends.tolist())),
    )


def _cuts(durations: Floats, of_events: Floats) -> tuple[float, ...]:
    """Return the ends of intervals in which about equally many events are; the last one ends with the longest time."""
    shares = np.arange(1, _MOST_INTERVALS) / _MOST_INTERVALS
    inner = np.unique(np.quantile(of_events, shares, method="inverted_cdf")) if len(of_events) else np.empty(0)
    last = durations.max()
    return (*inner[(inner > 0) & (inner < last)].tolist(), float(last))


def _interval_column(names: tuple[str, ...], interval: Ints) -> Column:
    """Return the column that says in which interval a row is, counted from 1."""
    name = "interval"
    while name in names:
        name += "_"
    return Column(ColumnSchema(name, "number", spelling="point"), interval.astype(np.float64) + 1)


def every_interval(values: Floats, n: int) -> Floats:
    """Return values of columns [row, column] with each of n intervals in turn [row * interval, column]."""
    return np.column_stack([np.repeat(values, n, axis=0), np.tile(np.arange(1.0, n + 1), len(values))])


def survival_at(times: Floats, hazards: Floats, cuts: tuple[float, ...]) -> Floats:
    """Return the probability of no event until some times [..., time] by the hazards of all intervals [..., interval].

    Within an interval the rate is constant; after the last one, survival stays as it is.
    """
    ends = np.array(cuts)
    starts = np.concatenate([[0.0], ends[:-1]])
    rates = np.log1p(-np.minimum(hazards, _SUREST))
    before = np.concatenate([np.zeros_like(rates[..., :1]), np.cumsum(rates, axis=-1)[..., :-1]], axis=-1)
    place = np.minimum(np.searchsorted(ends, times), len(ends) - 1)
    share = np.clip((times - starts[place]) / (ends - starts)[place], 0, 1)
    return np.asarray(np.exp(before[..., place] + share * rates[..., place]))


def median_survival(hazards: Floats, cuts: tuple[float, ...]) -> Floats:
    """Return the time until which half of the rows like each one survive [row], by hazards [row, interval]; NaN if that
    is later than the last interval ends."""
    ends = np.array(cuts)
    starts = np.concatenate([[0.0], ends[:-1]])
    logs = np.cumsum(np.log1p(-np.minimum(hazards, _SUREST)), axis=1)
    place = np.minimum((logs > -np.log(2)).sum(axis=1), len(ends) - 1)
    rows = np.arange(len(hazards))
    before = np.where(place > 0, logs[rows, place - 1], 0.0)
    reached = logs[:, -1] <= -np.log(2)
    share = np.divide(-np.log(2) - before, logs[rows, place] - before, out=np.zeros(len(rows)), where=reached)
    return np.where(reached, starts[place] + share * (ends - starts)[place], np.nan)

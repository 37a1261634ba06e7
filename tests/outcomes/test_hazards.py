"""Rows expanded to intervals: their labels and groups; and survival from hazards."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.evaluation.survival import kaplan_meier
from seedbed.outcomes.hazards import last_seen, median_survival, survival_at

CLOCK = ((2.0, 1.0), (4.0, 2.0), (5.0, 3.0))
FRAME = pd.DataFrame(
    dict(x=[10, 20, 30, 40, 50, 60], days=[0, 2, 2, 3, 4.5, 5], died=[1, 1, 0, 1, 0, 1])
)
ROLES = {"event": "died", "time": "days"}


def many(mean_until_censored=np.inf, *, seed=0, n=400):
    rng = np.random.default_rng(seed)
    times = rng.exponential(10, n)
    ends = np.minimum(rng.exponential(1, n) * mean_until_censored, 1e9)
    frame = dict(
        x=rng.normal(size=n), days=np.minimum(times, ends), died=(times <= ends) * 1
    )
    return sb.read_table(pd.DataFrame(frame), **ROLES)


def steady(cuts):
    """Return a clock that passes at a constant rate in each interval."""
    return tuple((cut, place + 1.0) for place, cut in enumerate(cuts))


def expanded(table, clock):
    """Return the rows of a table for the intervals of a clock."""
    follow_up = dataclasses.replace(table.follow_up, clock=clock)
    return table.expanded(dataclasses.replace(table, follow_up=follow_up))


def test_a_row_counts_in_each_interval_until_the_one_that_its_time_is_in():
    found = expanded(
        sb.read_table(FRAME, **ROLES, horizon=4.8), ((2, 1), (4, 2), (4.8, 3))
    )
    # The end of an interval belongs to it: a time of 2 is in the first one. After the horizon no
    # event counts. The fifth row was censored in the second half of the last interval.
    rows = [
        (10, 0, 1),
        (20, 0, 1),
        (30, 0, 0),
        (40, 0, 0),
        (40, 1, 1),
        (50, 0, 0),
        (50, 1, 0),
        (50, 2, 0),
        (60, 0, 0),
        (60, 1, 0),
        (60, 2, 0),
    ]
    assert [
        tuple(row) for row in np.column_stack([found.features, found.target]).tolist()
    ] == rows
    assert found.groups.tolist() == [0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5]
    assert found.task == "survival"
    assert found.outcome.task == "binary"
    assert found.labels == ("0", "1")
    assert found.follow_up.cuts == (2, 4, 4.8)
    assert found.follow_up.time == "days"
    assert found.follow_up.horizon == 4.8
    assert found.n_cases == 6
    assert found.n_rows == 11
    assert found.feature_names == ("x", "interval")
    assert found.columns[-1].schema.levels == ("1", "2", "3")


def test_an_interval_in_whose_first_half_by_the_clock_a_row_was_censored_does_not_count():
    table = sb.read_table(
        FRAME.assign(days=[1, 1, 3, 3, 3, 5], died=[1, 0, 0, 0, 0, 1]),
        **ROLES,
        horizon=3.9,
    )
    for passed, counted in ((1.4, 0), (1.5, 1), (1.9, 1)):
        found = expanded(table, ((1, 0.4), (2, 1), (3, passed), (3.9, 2)))
        assert np.bincount(found.groups).tolist() == [1, 0, *[1 + counted] * 3, 2]
        assert (found.n_cases, found.n_rows) == (6, 6 + 3 * counted)


def test_groups_of_the_table_and_a_column_called_interval_are_kept():
    grouped = FRAME.assign(
        interval=np.arange(6) % 2 + 0.5, who=["a", "b", "a", "b", "a", "c"]
    )
    found = expanded(sb.read_table(grouped, **ROLES, horizon=4, group="who"), CLOCK)
    assert found.feature_names == ("x", "interval", "interval_")
    assert found.columns[1].values[:4].tolist() == [0.5, 1.5, 0.5, 1.5]
    assert found.columns[2].values.tolist() == [0, 0, 0, 0, 1, 0, 1, 2, 0, 1, 2]
    assert found.groups.tolist() == [0, 1, 0, 1, 1, 0, 0, 0, 2, 2, 2]


def test_by_default_about_as_many_events_until_the_horizon_are_in_each_of_eight_intervals():
    table = many(20)
    found, horizon = table.expanded(), table.follow_up.horizon
    assert len(found.follow_up.cuts) == 8
    assert found.follow_up.cuts[-1] == horizon < table.durations.max()
    counts = np.bincount(found.columns[-1].values.astype(int), weights=found.target)
    assert (
        counts.sum()
        == (table.target * (table.durations <= horizon)).sum()
        < table.target.sum()
    )
    assert counts.max() - counts.min() <= 2
    assert len(found.follow_up.clock) == 64

    def clock_of(days, died, horizon):
        frame = pd.DataFrame(
            {"x": [10, 20, 40, 80, 90, 91] * 5, "days": days * 5, "died": died * 5}
        )
        return sb.read_table(frame, **ROLES, horizon=horizon).expanded().follow_up.clock

    assert clock_of([1, 1, 3, 3, 4, 6], [1, 1, 0, 1, 0, 1], 3) == ((1, 1), (3, 2))
    result = clock_of([1, 2, 2, 5, 6, 7], [1, 1, 1, 0, 0, 0], 5)
    assert result == ((1, 1), (2, 2), (5, 3))
    # five events are one interval
    assert clock_of([1, 2, 3, 4, 5, 6], [0, 1, 0, 0, 0, 0], 5) == ((2, 1), (5, 1))
    result = clock_of([1, 2, 3, 4, 5, 6], [1, 1, 0, 0, 0, 0], 5)
    assert result == ((1, 1), (2, 2), (5, 2))


hazards = st.lists(
    st.sampled_from([0.0, 1e-17, 0.1, 0.5, 1.0]) | st.floats(0, 1),
    min_size=1,
    max_size=8,
)
widths = st.lists(st.floats(0.01, 100), min_size=8, max_size=8)


@given(hazards, widths, st.lists(st.floats(0, 1.5), max_size=20))
def test_survival_falls_along_time_from_one(rates, steps, shares):
    cuts = tuple(np.cumsum(steps[: len(rates)]).tolist())
    clock, times = steady(cuts), np.sort(np.array([0.0, 1.5, *shares])) * cuts[-1]
    found, at_cuts = (
        survival_at(np.array(some), np.array(rates), clock) for some in (times, cuts)
    )
    assert_allclose(at_cuts, np.cumprod(1 - np.array(rates)), atol=1e-6)
    assert (found[0], found[-1]) == (1, at_cuts[-1])
    assert (np.diff(found) <= 1e-12).all()
    assert found.min() >= 0
    several = survival_at(times, np.array([[rates, rates]]), clock)
    assert_array_equal(several, [[found, found]])


@given(hazards, widths)
def test_half_of_the_rows_survive_median_or_more_than_half_last_interval(rates, steps):
    cuts = tuple(np.cumsum(steps[: len(rates)]).tolist())
    (median,) = median_survival(np.array([rates]), steady(cuts))
    survives = survival_at(
        np.array([cuts[-1] if np.isnan(median) else median]),
        np.array(rates),
        steady(cuts),
    )[0]
    if np.isnan(median):
        assert survives > 0.5 - 1e-9
    else:
        assert 0 <= median <= cuts[-1]
        assert survives == pytest.approx(0.5, abs=1e-6)


def test_rates_are_constant_on_the_clock_and_medians_known_by_hand():
    found = survival_at(
        np.array([0, 1, 2, 3, 4, 4.5, 5, 9]), np.array([0.75, 0.0, 0.5]), CLOCK
    )
    assert_allclose(
        found, [1, 0.5, 0.25, 0.25, 0.25, 0.25 * np.sqrt(0.5), 0.125, 0.125]
    )
    rates = np.array(
        [[0.5, 0.5, 0.0], [0.1, 0.1, 0.1], [0.0, 0.75, 0.0], [0.0, 0.0, 0.5]]
    )
    assert_allclose(median_survival(rates, CLOCK), [2, np.nan, 3, 5])
    late = ((1.0, 0.0001), (3.0, 0.5), (4.0, 1.0))
    assert_allclose(
        survival_at(np.array([1, 2, 3, 4]), np.array([0.75]), late)[2:], [0.5, 0.25]
    )
    assert_allclose(median_survival(np.array([[0.75], [0.5]]), late), [3, 4])


@pytest.mark.parametrize(
    ("mean_until_censored", "n", "unit"),
    [(np.inf, 400, 0), (20, 400, 0), (6, 3000, 0), (20, 300, 2), (20, 400, 9)],
)
def test_shares_of_events_give_nearly_the_kaplan_meier_estimate_until_the_horizon(
    mean_until_censored, n, unit
):
    table = many(mean_until_censored, n=n)
    if unit:
        frame = dict(
            days=np.ceil(table.durations / unit) * unit,
            x=table.columns[0].values,
            died=table.target,
        )
        table = sb.read_table(pd.DataFrame(frame), **ROLES)
    found = table.expanded()
    interval, clock = found.columns[-1].values.astype(int), found.follow_up.clock
    rates = np.bincount(interval, weights=found.target) / np.bincount(interval)
    steps = kaplan_meier(table.durations, table.target == 1)
    often = np.unique(table.durations[table.durations <= table.follow_up.horizon])
    assert np.abs(survival_at(often, rates, clock) - steps.at(often)).max() < 0.013
    assert steps.at(often)[-1] < 0.75


def test_the_times_that_are_scored_are_times_at_which_rows_were_last_seen():
    table = sb.read_table(FRAME.assign(days=[3, 3, 6, 6, 9, 12]), **ROLES, horizon=10)
    grid = table.follow_up.grid
    scored = last_seen(table.durations, table.follow_up.grid)
    assert (len(grid), grid[-1], set(scored)) == (24, 10, {0, 3, 6, 9})
    assert ((scored <= grid) & (grid < scored + 3)).all()

"""Person-periods: intervals, their rows, labels and groups; and survival from hazards."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seedbed as sb
from seedbed.data.person_periods import every_interval, median_survival, person_periods, survival_at
from seedbed.evaluation.survival import kaplan_meier

CUTS = (2.0, 4.0, 5.0)
FRAME = pd.DataFrame({"x": [10, 20, 30, 40, 50, 60], "days": [0, 2, 2, 3, 4.5, 5], "died": [1, 1, 0, 1, 0, 1]})
ROLES = {"event": "died", "time": "days"}


def many(mean_until_censored=np.inf, *, seed=0, n=400):
    rng = np.random.default_rng(seed)
    times, ends = rng.exponential(10, n), np.minimum(rng.exponential(1, n) * mean_until_censored, 1e9)
    frame = {"x": rng.normal(size=n), "days": np.minimum(times, ends), "died": (times <= ends) * 1}
    return sb.read_table(pd.DataFrame(frame), **ROLES)


def test_a_row_counts_in_each_interval_until_the_one_that_its_time_is_in():
    found = person_periods(sb.read_table(FRAME, **ROLES, horizon=4), CUTS)
    # The end of an interval belongs to it: a time of 2 is in the first one.
    rows = [(10, 1, 1), (20, 1, 1), (30, 1, 0), (40, 1, 0), (40, 2, 1), (50, 1, 0), (50, 2, 0), (50, 3, 0),
            (60, 1, 0), (60, 2, 0), (60, 3, 1)]  # fmt: skip
    assert [tuple(row) for row in np.column_stack([found.features, found.target]).tolist()] == rows
    assert found.groups.tolist() == [0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5]
    assert (found.task, found.labels, found.durations) == ("binary", ("0", "1"), None)
    assert (found.follow_up.cuts, found.follow_up.time, found.follow_up.horizon) == (CUTS, "days", 4)
    assert (found.n_cases, found.n_rows, found.feature_names) == (6, 11, ("x", "interval"))


def test_groups_of_the_table_and_a_column_called_interval_are_kept():
    grouped = FRAME.assign(interval=np.arange(6) % 2 + 0.5, who=["a", "b", "a", "b", "a", "c"])
    found = person_periods(sb.read_table(grouped, **ROLES, horizon=4, group="who"), CUTS)
    assert found.feature_names == ("x", "interval", "interval_")
    assert found.columns[1].values[:4].tolist() == [0.5, 1.5, 0.5, 1.5]
    assert found.columns[2].values.tolist() == [1, 1, 1, 1, 2, 1, 2, 3, 1, 2, 3]
    assert found.groups.tolist() == [0, 1, 0, 1, 1, 0, 0, 0, 2, 2, 2]
    each = every_interval(np.array([[7.0], [9.0]]), 2)
    assert each.tolist() == [[7, 1], [7, 2], [9, 1], [9, 2]]


def test_by_default_about_as_many_events_are_in_each_of_eight_intervals():
    table = many(20)
    found = person_periods(table)
    assert len(found.follow_up.cuts) == 8
    assert found.follow_up.cuts[-1] == table.durations.max()
    counts = np.bincount(found.columns[-1].values.astype(int), weights=found.target)[1:]
    assert counts.sum() == table.target.sum() < table.n_rows
    assert counts.max() - counts.min() <= 2
    tied = person_periods(sb.read_table(FRAME.assign(days=[1, 1, 3, 3, 4, 6]), **ROLES, horizon=3)).follow_up.cuts
    assert (tied[0], tied[-1]) == (1, 6)
    assert list(tied) == sorted(set(tied))


hazards = st.lists(st.sampled_from([0.0, 1e-17, 0.1, 0.5, 1.0]) | st.floats(0, 1), min_size=1, max_size=8)
widths = st.lists(st.floats(0.01, 100), min_size=8, max_size=8)


@given(hazards, widths, st.lists(st.floats(0, 1.5), max_size=20))
def test_survival_falls_along_time_from_one_and_is_the_product_at_the_cuts(rates, steps, shares):
    cuts = tuple(np.cumsum(steps[: len(rates)]).tolist())
    times = np.sort(np.array([0.0, 1.5, *shares])) * cuts[-1]
    found, at_cuts = (survival_at(np.array(some), np.array(rates), cuts) for some in (times, cuts))
    np.testing.assert_allclose(at_cuts, np.cumprod(1 - np.array(rates)), atol=1e-6)
    assert (found[0], found[-1]) == (1, at_cuts[-1])
    assert (np.diff(found) <= 1e-12).all()
    assert found.min() >= 0
    several = survival_at(times, np.array([[rates, rates]]), cuts)
    np.testing.assert_array_equal(several, [[found, found]])


@given(hazards, widths)
def test_half_of_the_rows_survive_the_median_or_more_than_half_the_last_interval(rates, steps):
    cuts = tuple(np.cumsum(steps[: len(rates)]).tolist())
    (median,) = median_survival(np.array([rates]), cuts)
    survives = survival_at(np.array([cuts[-1] if np.isnan(median) else median]), np.array(rates), cuts)[0]
    if np.isnan(median):
        assert survives > 0.5 - 1e-9
    else:
        assert 0 <= median <= cuts[-1]
        assert survives == pytest.approx(0.5, abs=1e-6)


def test_rates_within_intervals_are_constant_and_medians_known_by_hand():
    found = survival_at(np.array([0, 1, 2, 3, 4, 4.5, 5, 9]), np.array([0.75, 0.0, 0.5]), CUTS)
    np.testing.assert_allclose(found, [1, 0.5, 0.25, 0.25, 0.25, 0.25 * np.sqrt(0.5), 0.125, 0.125])
    rates = np.array([[0.5, 0.5, 0.0], [0.1, 0.1, 0.1], [0.0, 0.75, 0.0], [0.0, 0.0, 0.5]])
    np.testing.assert_allclose(median_survival(rates, CUTS), [2, np.nan, 3, 5])


def test_without_censored_rows_shares_of_events_give_nearly_the_kaplan_meier_estimate():
    table = many()
    found = person_periods(table)
    interval, cuts = found.columns[-1].values.astype(int), found.follow_up.cuts
    rates = np.bincount(interval, weights=found.target)[1:] / np.bincount(interval)[1:]
    steps = kaplan_meier(table.durations, table.target == 1)
    np.testing.assert_allclose(survival_at(np.array(cuts), rates, cuts), steps.at(np.array(cuts)), atol=1e-6)
    between = np.linspace(0, cuts[-2], 99)
    assert np.abs(survival_at(between, rates, cuts) - steps.at(between)).max() < 0.05

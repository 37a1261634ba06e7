"""Wilson intervals, compared with statsmodels, and paired differences on locked rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter
from statsmodels.stats import proportion

from seedbed.evaluation.estimates import (
    paired_hold_out,
    paired_shares,
    share_interval,
    wilson,
)


@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.2]))
def test_wilson_intervals_equal_those_of_statsmodels(n, share, alpha):
    successes = round(share * n)
    theirs = proportion.proportion_confint(successes, n, alpha=alpha, method="wilson")
    assert wilson(successes, n, alpha=alpha) == pytest.approx(theirs, abs=1e-10)


def test_wilson_accepts_a_mean_over_seeds():
    assert wilson(7.5, 10)[0] == pytest.approx(
        (wilson(7, 10)[0] + wilson(8, 10)[0]) / 2, abs=0.01
    )


def test_a_share_of_all_rows_or_nearly_all_gets_wilsons_bounds():
    assert share_interval(0.8, 0.7, 0.9, n=10) == (0.7, 0.9)
    assert share_interval(1.0, 1.0, 1.0, n=1230) == wilson(1230, 1230)
    assert share_interval(0.0, 0.0, 0.0, n=50) == wilson(0, 50)
    result = share_interval(0.998, 0.991, 1.005, n=1372)
    assert result == (0.991, wilson(0.998 * 1372, 1372)[1])
    # the same in each fold, as stratified folds make it
    assert share_interval(0.5, 0.5, 0.5, n=20) == wilson(10, 20)


def test_a_difference_of_shares_has_tangos_interval_and_mcnemars_p():
    # Fagerland, Lydersen & Laake 2014: -0.026 to 0.517
    d = np.repeat([1, -1, 0], [7, 1, 13])
    found = paired_shares(paired_hold_out(d[None], np.zeros((1, 21))), d)
    assert found.low == 0
    # the exact test doesn't exclude 0 ...
    assert found.high == pytest.approx(0.517, abs=5e-4)
    assert found.p == pytest.approx(stats.binomtest(7, 8).pvalue)
    alone = paired_shares(paired_hold_out(d[None], np.zeros((1, 21)), alpha=0.08), d)
    assert alone.low > 0  # ... and at 8 % it does


@given(st.integers(30, 500), st.integers(0, 15), st.integers(0, 15), st.integers(1, 20))
def test_the_interval_of_a_difference_of_shares_agrees_with_its_test_and_turns_with_the_sides(
    n, gains, losses, many
):
    d = np.repeat([1.0, -1.0, 0.0], [gains, losses, n - gains - losses])
    found, other = (
        paired_shares(
            paired_hold_out(one[None], np.zeros((1, n)), comparisons=many), one
        )
        for one in (d, -d)
    )
    assert found.low < found.mean < found.high
    assert (found.low, found.high, found.p) == pytest.approx(
        (-other.high, -other.low, other.p), abs=1e-9
    )
    assert found.low <= 0 <= found.high or found.p < 0.05 / many


def test_with_one_seed_the_paired_difference_equals_the_paired_t_test():
    a, b = np.random.default_rng(0).normal(size=(2, 1, 500))
    found, theirs = paired_hold_out(a, b), stats.ttest_rel(a[0], b[0])
    low, high = theirs.confidence_interval(0.95)
    assert (found.p, found.low, found.high) == pytest.approx(
        (theirs.pvalue, low, high), abs=1e-10
    )


def test_the_seeds_of_each_candidate_add_their_variance():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(3, 400)) + np.array([0.0, 0.1, 0.3])[:, None]
    b = rng.normal(size=(5, 400)) + np.linspace(0, 0.2, 5)[:, None]
    found, d = paired_hold_out(a, b), a.mean(axis=0) - b.mean(axis=0)
    expected = (
        d.var(ddof=1) / 400
        + a.mean(axis=1).var(ddof=1) / 3
        + b.mean(axis=1).var(ddof=1) / 5
    )
    assert found.se**2 == pytest.approx(expected, abs=1e-12)
    assert 2 <= found.df <= 405


def test_seeds_that_dominate_leave_few_degrees_of_freedom():
    rows = np.zeros(1000)
    rows[0] = 1e-6
    noisy = np.array([0.0, 0.1, 0.3])[:, None] + rows
    assert paired_hold_out(noisy, rows[None]).df == pytest.approx(2, abs=0.01)


def test_equal_models_give_a_point_mass_and_a_single_group_is_refused():
    found = paired_hold_out(np.ones((1, 5)), np.ones((1, 5)))
    assert (found.low, found.high, found.p) == (0, 0, 1)
    with pytest.raises(ValueError, match="groups"):
        paired_hold_out(np.ones((1, 40)), np.zeros((1, 40)), groups=np.zeros(40))


def test_groups_of_single_rows_change_nothing():
    losses = np.random.default_rng(0).normal(size=(2, 3, 40))
    grouped = paired_hold_out(*losses, groups=np.arange(40))
    alone = paired_hold_out(*losses)
    assert (grouped.se, grouped.low, grouped.p) == pytest.approx(
        (alone.se, alone.low, alone.p)
    )


def test_copies_of_rows_in_one_group_add_no_certainty():
    losses = np.random.default_rng(0).normal(size=(2, 1, 30))
    once = paired_hold_out(*losses)
    copied = np.repeat(losses, 5, axis=2)
    alone = paired_hold_out(*copied)
    together = paired_hold_out(*copied, groups=np.repeat(np.arange(30), 5))
    assert together.variance_rows == pytest.approx(once.variance_rows)
    assert alone.variance_rows < once.variance_rows / 4
    assert (together.low, together.high) == pytest.approx((once.low, once.high))


@pytest.mark.slow
def test_the_standard_error_of_groups_equals_a_clustered_regressions():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    groups = rng.permutation(80) % 16
    d = rng.normal(size=80) + rng.normal(size=16)[groups]
    found = paired_hold_out(d[None], np.zeros((1, 80)), groups=groups)
    fit = sm.OLS(d, np.ones(80)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    # statsmodels also multiplies by (n - 1) / (n - parameters), which is 1 here.
    assert found.variance_rows == pytest.approx(float(fit.cov_params()[0, 0]))


def test_groups_of_unequal_size_have_the_jackknifes_error_and_fewer_degrees_of_freedom():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), [1, 2, 3, 10, 24, 40])
    d = rng.normal(size=80) + rng.normal(size=6)[groups]
    found = paired_hold_out(d[None], np.zeros((1, 80)), groups=groups)
    without = np.array([d[groups != group].mean() for group in range(6)])
    assert found.variance_rows == pytest.approx(
        5 / 6 * ((without - d.mean()) ** 2).sum()
    )
    assert found.df == pytest.approx(80**2 / (1 + 4 + 9 + 100 + 576 + 1600) - 1)


def winners(correlation, timed, n=60, draws=300):
    """The share of draws in which one of two equal models seems better, and the median width of the
    interval."""
    rng = np.random.default_rng(0)
    shocks = rng.normal(size=(draws, n + 100))
    d = lfilter([1.0], [1.0, -correlation], shocks)[:, 100:]
    times = np.arange(n) if timed else None
    found = [paired_hold_out(one[None], np.zeros((1, n)), times=times) for one in d]
    return np.mean([one.low * one.high > 0 for one in found]), np.median(
        [one.high - one.low for one in found]
    )


@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.8, 0.95])
def test_differences_that_depend_on_those_before_name_no_false_winners(correlation):
    assert winners(correlation, timed=False)[0] > 0.12
    assert winners(correlation, timed=True)[0] < 0.08


def test_independent_rows_pay_little_for_being_ordered_in_time():
    (_, wide), (_, plain) = winners(0.0, timed=True), winners(0.0, timed=False)
    assert plain < wide < 1.08 * plain


def test_the_order_of_rows_in_a_file_and_copies_at_one_time_change_nothing():
    rng = np.random.default_rng(1)
    d, times = rng.normal(size=(1, 40)).cumsum(axis=1), np.arange(40)
    found, order = paired_hold_out(d, 0 * d, times=times), rng.permutation(40)
    shuffled = paired_hold_out(d[:, order], 0 * d, times=times[order])
    twice = paired_hold_out(
        np.repeat(d, 2, axis=1), np.zeros((1, 80)), times=np.repeat(times, 2)
    )
    assert (shuffled.low, shuffled.high) == pytest.approx((found.low, found.high))
    assert (twice.low, twice.high) == pytest.approx((found.low, found.high))
    assert found.independent_rows < 6

"""The corrected t-test, Holm's adjustment and variance shares, compared with baycomp, scipy,
statsmodels and simulation."""

import baycomp
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from seedbed.evaluation.estimates import corrected_t, holm


def draws(repeats=10, folds=10, seed=0):
    return np.random.default_rng(seed).normal(0.02, 0.05, (repeats, folds))


@pytest.mark.parametrize("repeats", [1, 3, 10])
def test_mean_and_corrected_variance_equal_baycomps(repeats):
    d = draws(repeats)
    mean, var, _ = baycomp.single.CorrelatedTTest.compute_statistics(
        np.zeros(d.size), d.ravel(), runs=repeats
    )
    ours = corrected_t(d)
    assert ours.mean == pytest.approx(mean, abs=1e-10)
    assert ours.se**2 == pytest.approx(var, abs=1e-10)


def test_p_and_interval_follow_students_t_with_folds_minus_one():
    d = draws()
    ours = corrected_t(d, alpha=0.1)
    scaled = stats.t(9, loc=ours.mean, scale=d.std(ddof=1) * np.sqrt(1 / 100 + 1 / 9))
    assert ours.df == 9
    assert (ours.low, ours.high) == pytest.approx(scaled.interval(1 - 0.1), abs=1e-10)
    assert ours.p == pytest.approx(2 * min(scaled.cdf(0), scaled.sf(0)), abs=1e-10)


@pytest.mark.parametrize(
    ("sizes", "df"),
    [([5] * 20, 5), ([5] * 60, 9), ([1] * 10 + [8], 18**2 / 74 / 4), ([9], 1)],
)
def test_few_or_unequal_groups_leave_fewer_degrees_of_freedom(sizes, df):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    found = corrected_t(draws(), groups=groups)
    assert found.df == pytest.approx(df)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.t), max(1, df)))


def test_without_overlap_the_test_is_the_one_sample_t_test():
    d = draws(repeats=1)
    ours = corrected_t(d, n_test_over_n_train=0.0)
    theirs = stats.ttest_1samp(d.ravel(), 0.0)
    assert (ours.t, ours.p) == pytest.approx(
        (theirs.statistic, theirs.pvalue), abs=1e-10
    )
    low, high = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-10)


def test_a_constant_difference_gives_a_point_mass_despite_rounding():
    ours = corrected_t(np.zeros((10, 10)))
    assert ours.mean == 0
    assert ours.se == 0
    assert ours.low == 0
    assert ours.high == 0
    assert ours.p == 1
    assert ours.t is None
    ours = corrected_t(np.full((3, 10), 0.1))
    assert (ours.se, ours.p, ours.t) == (0, 0, None)
    assert ours.low == ours.high == pytest.approx(0.1)


def test_more_comparisons_widen_the_interval():
    one, five = corrected_t(draws()), corrected_t(draws(), comparisons=5)
    assert five.low < one.low
    assert five.high > one.high
    assert five.p == one.p


@pytest.mark.parametrize(
    "p",
    [[0.3], [0.0, 1.0, 0.2, 0.2], [0.04, 0.01, 0.03, 0.005, 0.5, 0.9, 0.04]],
    ids=len,
)
def test_holms_adjustment_equals_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-10)
    assert holm([0.2, 0.01, 1.0], tried=2) == pytest.approx(
        holm([0.2, 0.01, 1.0, 1.0, 1.0])[:3]
    )
    assert holm([]).shape == (0,)

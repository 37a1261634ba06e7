"""McNemar and Wilson against statsmodels, and the paired difference on locked rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables, proportion

from seedbed.evaluation import mcnemar, paired_hold_out, wilson


def answers(both, first, second, neither):
    ours = np.repeat([True, True, False, False], [both, first, second, neither])
    return ours, np.repeat([True, False, True, False], [both, first, second, neither])


@given(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_exact_one_of_statsmodels(both, first, second):
    found = mcnemar(*answers(both, first, second, 3))
    theirs = contingency_tables.mcnemar([[both, first], [second, 3]], exact=True)
    assert found.p_exact == pytest.approx(theirs.pvalue, abs=1e-10)
    assert (found.reference_only, found.candidate_only) == (first, second)


def test_mid_p_takes_half_of_the_observed_outcome():
    found = mcnemar(*answers(0, 2, 9, 0))
    by_hand = 2 * (sum(stats.binom.pmf(range(2), 11, 0.5)) + stats.binom.pmf(2, 11, 0.5) / 2)
    assert found.p_mid == pytest.approx(by_hand, abs=1e-12)
    assert found.p_mid < found.p_exact


def test_two_models_that_agree_everywhere_cannot_be_told_apart():
    found = mcnemar([True, False], [True, False])
    assert (found.p_exact, found.p_mid) == (1, 1)
    with pytest.raises(ValueError, match="one length"):
        mcnemar([True], [True, False])


@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.2]))
def test_wilson_is_statsmodels(n, share, alpha):
    successes = round(share * n)
    theirs = proportion.proportion_confint(successes, n, alpha=alpha, method="wilson")
    assert wilson(successes, n, alpha=alpha) == pytest.approx(theirs, abs=1e-10)


def test_wilson_takes_a_mean_over_seeds_and_refuses_nonsense():
    assert wilson(7.5, 10).low == pytest.approx((wilson(7, 10).low + wilson(8, 10).low) / 2, abs=0.01)
    with pytest.raises(ValueError, match="successes"):
        wilson(11, 10)


def test_with_one_seed_the_paired_difference_is_the_paired_t_test():
    a, b = np.random.default_rng(0).normal(size=(2, 1, 500))
    found, theirs = paired_hold_out(a, b), stats.ttest_rel(a[0], b[0])
    low, high = theirs.confidence_interval(0.95)
    assert (found.p, found.low, found.high) == pytest.approx((theirs.pvalue, low, high), abs=1e-10)
    assert found.variance_seeds == 0


def test_each_candidates_seeds_add_their_own_variance():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(3, 400)) + np.array([0.0, 0.1, 0.3])[:, None]
    b = rng.normal(size=(5, 400)) + np.linspace(0, 0.2, 5)[:, None]
    found, d = paired_hold_out(a, b), a.mean(axis=0) - b.mean(axis=0)
    expected = d.var(ddof=1) / 400 + a.mean(axis=1).var(ddof=1) / 3 + b.mean(axis=1).var(ddof=1) / 5
    assert found.se**2 == pytest.approx(expected, abs=1e-12)
    assert 2 <= found.df <= 405


def test_seeds_that_dominate_leave_few_degrees_of_freedom():
    rows = np.zeros(1000)
    rows[0] = 1e-6
    noisy = np.array([0.0, 0.1, 0.3])[:, None] + rows
    assert paired_hold_out(noisy, rows[None]).df == pytest.approx(2, abs=0.01)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 100))
def test_swapping_the_models_negates(n_ours, n_theirs, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n_ours, 30)), rng.normal(size=(n_theirs, 30))
    one, other = paired_hold_out(a, b), paired_hold_out(b, a)
    assert (other.low, other.high, other.p) == pytest.approx((-one.high, -one.low, one.p), abs=1e-9)


def test_equal_models_are_a_point_mass():
    found = paired_hold_out(np.ones((1, 5)), np.ones((1, 5)))
    assert (found.low, found.high, found.p) == (0, 0, 1)
    with pytest.raises(ValueError, match="same rows"):
        paired_hold_out(np.ones((1, 5)), np.ones((1, 4)))

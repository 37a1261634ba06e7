"""Intervals, posterior and rows needed, compared with baycomp, scipy and hand calculations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import stats
from statsmodels.stats.power import TTestPower

from seedbed.evaluation.estimates import (
    corrected_t,
    inference,
    mean_ranks,
    simultaneous_quantile,
)
from seedbed.evaluation.verdicts import fold_differences, rows_factor, seed_noise


def draws(repeats=1, folds=10, mean=0.02, seed=0):
    return np.random.default_rng(seed).normal(mean, 0.05, (repeats, folds))


def test_rows_needed_follow_the_formula():
    ours = corrected_t(draws(repeats=10), comparisons=2)
    quantiles = simultaneous_quantile(0.05, 2, 9) + stats.t.ppf(0.80, 9)
    assert rows_factor(ours, margin=0.01) == pytest.approx(
        (quantiles * ours.se / 0.01) ** 2
    )


def test_rows_needed_agree_with_a_power_calculation_for_paired_rows():
    plain = inference(0.0, 0.3 / np.sqrt(200), df=None, alpha=0.05, comparisons=1)
    by_power = TTestPower().solve_power(effect_size=0.02 / 0.3, alpha=0.05, power=0.8)
    assert 200 * rows_factor(plain, margin=0.02) == pytest.approx(by_power, rel=0.005)


@pytest.mark.parametrize("now", [1, 2, 3, 5])
def test_the_narrowing_by_more_repeats_follows_from_the_parts_of_rows_and_seeds(now):
    ours = corrected_t(draws(repeats=now), seed_noise=(3e-4, 2e-4))
    s2, e, ends = draws(repeats=now).var(ddof=1), 4e-4, []
    for n in (10 * now, 100):
        rows = max(s2 - e, s2 * np.sqrt(2 / (n - 1)))
        ends.append(np.sqrt(rows / 9 + rows / n + e / n))
    assert ours.spread.narrowing(10) == pytest.approx(1 - ends[1] / ends[0], abs=1e-12)
    assert ours.spread.narrowing(now) == ours.spread.narrowing(1) == 0
    plain = corrected_t(draws(repeats=now)).spread.narrowing(10)
    errors = [np.sqrt(1 / 9 + 1 / (10 * repeats)) for repeats in (now, 10)]
    assert plain == pytest.approx(1 - errors[1] / errors[0])


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_the_width_after_ten_repeats_is_forecast_from_three(noise):
    rng = np.random.default_rng(3)

    def both():
        rows = rng.normal(0, 0.02, (10, 10, 1))
        ours, theirs = (
            rng.normal(0, noise, (10, 10, 5)) + part for part in (0.0, rows)
        )
        found = [
            corrected_t(
                fold_differences(ours[:n], theirs[:n]),
                seed_noise=seed_noise(ours[:n], theirs[:n]),
            )
            for n in (3, 10)
        ]
        return found[0].spread.se(10), found[1].se

    forecast, true = np.mean([both() for _ in range(200)], axis=0)
    assert forecast == pytest.approx(true, rel=0.04)


def test_without_degrees_of_freedom_the_interval_is_normal():
    found = inference(0.3, 0.1, df=None, alpha=0.1, comparisons=1)
    low, high = stats.norm.interval(1 - 0.1, 0.3, 0.1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-10)
    assert found.p == pytest.approx(2 * stats.norm.sf(3), abs=1e-10)


@given(st.lists(st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 2.0, 1e300])))
def test_mean_ranks_equal_scipys(values):
    assert_array_equal(mean_ranks(np.array(values)), stats.rankdata(values))

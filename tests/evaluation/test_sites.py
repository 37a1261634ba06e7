"""The range of a score at a new site, by the scores at other sites."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

from seedbed.errors import DataError
from seedbed.evaluation.sites import PRIOR, new_site, pooled_errors

SITES = (3, 4, 6, 10, 30)
EXAMPLES = [
    ([0.81, 0.74, 0.90, 0.78], [0.04, 0.05, 0.03, 0.02], [100, 80, 90, 400]),
    ([0.60, 0.61, 0.59], [0.03, 0.03, 0.03], [250, 250, 250]),
    ([0.95, 1.0, 0.7, 0.9, 1.0], [0.05, 0.0, 0.1, 0.07, 0.0], [20, 30, 20, 20, 60]),
]


def sites_of(k, *, deviation=0.04, n_rows=100, seed=0):
    """Scores around .75 with exactly this standard deviation, their errors and rows [site]."""
    drawn = np.random.default_rng(seed).normal(size=k)
    scores = 0.75 + deviation * (drawn - drawn.mean()) / drawn.std()
    return scores, np.full(k, 0.4 / np.sqrt(n_rows)), np.full(k, n_rows)


def numbers_of(site):
    return np.array(
        [*dataclasses.astuple(site.average), site.spread, site.low, site.high]
    )


@pytest.mark.parametrize("k", SITES)
def test_the_range_of_a_new_site_is_wider_than_that_of_the_average(k):
    site = new_site(*sites_of(k))
    assert 0 <= site.low < site.average.low < site.average.mean
    assert site.average.mean < site.average.high < site.high <= 1


@pytest.mark.parametrize("k", SITES)
def test_the_range_grows_with_the_deviation_of_the_scores(k):
    found = [
        new_site(*sites_of(k, deviation=deviation)) for deviation in (0, 0.03, 0.1)
    ]
    assert np.all(np.diff([site.high - site.low for site in found]) > 0)
    assert np.all(np.diff([site.spread for site in found]) > 0)


@pytest.mark.parametrize("k", SITES)
def test_the_range_grows_with_the_spread_that_is_expected(k):
    found = [new_site(*sites_of(k), spread=spread) for spread in (0.02, PRIOR, 0.2)]
    assert np.all(np.diff([site.high - site.low for site in found]) > 0)


@pytest.mark.parametrize(("scores", "errors", "rows"), EXAMPLES)
def test_the_ends_are_quantiles_of_a_posterior_on_a_plain_grid(scores, errors, rows):
    """Here no integral is solved: every mean and every spread has its density."""
    site = new_site(scores, errors, rows, low=-np.inf, high=np.inf)
    means, spreads = np.meshgrid(np.linspace(-1, 3, 1201), np.linspace(1e-4, 1, 1000))
    density = spreads * np.exp(-((spreads / PRIOR) ** 2))
    for score, error in zip(scores, pooled_errors(errors, rows), strict=True):
        density *= norm.pdf(score, means, np.hypot(error, spreads))
    density /= density.sum()
    below = [
        (density * norm.cdf(end, means, spreads)).sum() for end in (site.low, site.high)
    ]
    np.testing.assert_allclose(below, [0.025, 0.975], atol=2e-4)
    np.testing.assert_allclose(site.average.mean, (density * means).sum(), atol=1e-4)
    np.testing.assert_allclose(site.spread, (density * spreads).sum(), atol=1e-4)


def test_the_range_holds_95_percent_of_sites_if_the_prior_is_true():
    rng = np.random.default_rng(1)
    k, n_draws, error, rows = 5, 600, 0.03, np.full(5, 10**6)
    spreads = PRIOR * np.sqrt(rng.exponential(size=n_draws))
    true_scores = spreads[:, None] * rng.normal(size=(n_draws, k + 1))
    measured = true_scores[:, :k] + error * rng.normal(size=(n_draws, k))
    found = [
        new_site(scores, np.full(k, error), rows, low=-np.inf, high=np.inf)
        for scores in measured
    ]
    held = [
        site.low < score < site.high
        for site, score in zip(found, true_scores[:, k], strict=True)
    ]
    assert abs(np.mean(held) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_draws)


@pytest.mark.parametrize("k", SITES)
def test_the_unit_and_the_order_of_sites_do_not_matter(k):
    scores, errors, rows = sites_of(k)
    shares = numbers_of(new_site(scores, errors, rows))
    points = numbers_of(new_site(100 * scores, 100 * errors, rows, high=100, unit=100))
    turned = numbers_of(new_site(scores[::-1], errors[::-1], rows[::-1]))
    np.testing.assert_allclose(points, 100 * shares, rtol=1e-6)
    np.testing.assert_allclose(turned, shares, rtol=1e-6)


def test_a_loss_without_bounds_moves_with_its_scores():
    scores, errors, rows = sites_of(6)
    bounds = {"low": -np.inf, "high": np.inf}
    loss = numbers_of(new_site(scores, errors, rows, **bounds))
    greater = numbers_of(new_site(scores + 5, errors, rows, **bounds))
    np.testing.assert_allclose(greater - loss, [5, 5, 5, 0, 5, 5], atol=1e-6)


def test_ranges_end_at_the_bounds_of_the_score():
    site = new_site([0.97, 0.99, 0.98], [0.01, 0.01, 0.01], [200, 200, 200])
    assert site.high == 1
    assert site.average.high <= 1
    worst = new_site([0.03, 0.01, 0.02], [0.01, 0.01, 0.01], [200, 200, 200])
    assert worst.low == 0


def test_many_equal_sites_leave_little_space():
    site = new_site(*sites_of(300, deviation=0, n_rows=10**5))
    assert site.high - site.low < 0.02


def test_a_site_with_all_rows_right_does_not_outweigh_larger_ones():
    scores, errors = np.array([0.8, 0.78, 0.82, 1.0]), np.array([0.02, 0.02, 0.02, 0.0])
    site = new_site(scores, errors, [400, 400, 400, 20])
    assert site.average.mean < scores.mean()


def test_sites_with_all_rows_right_have_the_error_of_half_a_wrong_row():
    errors = pooled_errors([0, 0, 0], [20, 20, 20])
    np.testing.assert_allclose(errors, np.sqrt(0.5 / 61 / 20))
    assert new_site([1, 1, 1], [0, 0, 0], [20, 20, 20]).low < 0.95


def test_the_errors_of_large_sites_with_equal_variances_stay():
    _, errors, rows = sites_of(6, n_rows=10**5)
    np.testing.assert_allclose(pooled_errors(errors, rows), errors, rtol=1e-4)


@pytest.mark.parametrize("scores", [[], [0.8, 0.9], [0.8, 0.9, np.nan]])
def test_too_few_sites_and_scores_that_are_not_finite_are_refused(scores):
    k = len(scores)
    with pytest.raises(DataError, match="site"):
        new_site(scores, [0.03] * k, [100] * k)

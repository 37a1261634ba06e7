"""The loss of the mean of several networks, the noise of seeds in a standard error, and simultaneous intervals."""

import numpy as np
import pytest

from seedbed.evaluation import corrected_t, ensemble_losses, row_losses, seed_noise
from seedbed.evaluation.estimates import simultaneous_quantile

RNG = np.random.default_rng(0)
Y, P = RNG.integers(0, 2, 200), RNG.random((5, 200))
CLASSES, SHARES = RNG.integers(0, 3, 200), RNG.dirichlet([1, 1, 1], (5, 200))
NUMBERS, GUESSES = RNG.normal(size=200), RNG.normal(size=(5, 200))
CASES = {
    "brier": (Y, P), "accuracy": (Y, P), "log_loss": (CLASSES, SHARES), "squared_error": (NUMBERS, GUESSES),
    "mae": (NUMBERS, GUESSES),
}  # fmt: skip


@pytest.mark.parametrize("metric", CASES)
def test_the_mean_of_as_many_networks_as_there_are_has_the_loss_of_their_mean(metric):
    y, p = CASES[metric]
    found = ensemble_losses(metric, y, p, networks=5)
    np.testing.assert_allclose(found.mean(axis=0), row_losses(metric, y, p.mean(axis=0)), atol=1e-12)


@pytest.mark.parametrize("metric", CASES)
def test_the_mean_of_one_network_has_the_losses_of_single_networks(metric):
    y, p = CASES[metric]
    single = row_losses(metric, np.broadcast_to(y, p.shape[:2]), p)
    np.testing.assert_array_equal(ensemble_losses(metric, y, p, networks=1), single)
    np.testing.assert_array_equal(ensemble_losses(metric, y, p[:1], networks=10), single[:1])


def test_the_brier_score_of_a_mean_of_many_follows_without_bias_from_few():
    rng = np.random.default_rng(1)
    truth = rng.random(50)
    y = (rng.random(50) < truth).astype(int)
    networks = np.clip(truth + rng.normal(0, 0.2, (4000, 50)), 0, 1)
    from_few = [ensemble_losses("brier", y, networks[i : i + 3], networks=10).mean() for i in range(0, 3000, 3)]
    tens = [row_losses("brier", y, networks[i : i + 10].mean(axis=0)).mean() for i in range(0, 4000, 10)]
    error = np.hypot(np.std(from_few) / np.sqrt(len(from_few)), np.std(tens) / np.sqrt(len(tens)))
    assert abs(np.mean(from_few) - np.mean(tens)) < 4 * error < 0.003


@pytest.mark.parametrize(("metric", "networks"), [("brier", 10), ("brier", 3), ("log_loss", 10)])
def test_the_variance_over_seeds_is_that_of_the_jackknife(metric, networks):
    def value(p):
        if metric == "log_loss":
            return row_losses(metric, Y, p.mean(axis=0)).mean()
        return ((p - Y) ** 2).mean() - p.var(axis=0, ddof=1).mean() * (1 - 1 / networks)

    without = np.array([value(np.delete(P, seed, axis=0)) for seed in range(5)])
    found = ensemble_losses(metric, Y, P, networks=networks).mean(axis=1)
    assert found.mean() == pytest.approx(value(P), abs=1e-12)
    assert found.var(ddof=1) / 5 == pytest.approx(4 / 5 * ((without - without.mean()) ** 2).sum())


def test_noise_of_seeds_is_not_widened_by_the_overlap_of_folds():
    rng = np.random.default_rng(2)
    rows, noisy = rng.normal(0, 1, (10, 10)), rng.normal(0, 2, (2, 10, 10, 4))
    ours, theirs = noisy[0], rows[..., None] + noisy[1]
    x, parts = ours.mean(axis=2) - theirs.mean(axis=2), seed_noise(ours, theirs)
    assert parts == pytest.approx([1, 1], rel=0.2)
    e, s2 = 2 * min(parts), x.var(ddof=1)
    found = corrected_t(x, seed_noise=parts)
    assert found.se**2 == pytest.approx((s2 - e) * (1 / 100 + 1 / 9) + e / 100)
    assert found.se < 0.75 * corrected_t(x).se


def test_without_noise_of_seeds_on_both_sides_the_interval_is_the_old_one_bit_for_bit():
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(size=(10, 10, 5)), rng.normal(size=(10, 10, 1))
    x, plain = ours.mean(axis=2) - theirs.mean(axis=2), None
    plain, found = corrected_t(x), corrected_t(x, seed_noise=seed_noise(ours, theirs))
    assert (found.low, found.high, found.p) == (plain.low, plain.high, plain.p)
    assert seed_noise(theirs, theirs) == ()


def test_a_floor_keeps_the_standard_error_away_from_zero():
    x = np.random.default_rng(4).normal(size=(10, 10))
    found, s2 = corrected_t(x, seed_noise=(9.0, 9.0)), x.var(ddof=1)
    assert found.se**2 == pytest.approx(s2 * np.sqrt(2 / 99) * (1 / 100 + 1 / 9) + s2 / 100)
    assert corrected_t(x[:1, :2], seed_noise=(9.0, 9.0)).se >= corrected_t(x[:1, :2]).se


@pytest.mark.parametrize(
    ("comparisons", "df", "published"),
    [(2, 10, 2.57), (5, 10, 2.99), (3, 20, 2.54), (5, 20, 2.73), (3, None, 2.35), (5, None, 2.51)],
)
def test_the_quantile_of_several_comparisons_is_dunnetts(comparisons, df, published):
    assert simultaneous_quantile(0.05, comparisons, df) == pytest.approx(published, abs=0.006)

"""The noise of seeds in a standard error, and simultaneous intervals."""

import numpy as np
import pytest

from seedbed.evaluation.estimates import corrected_t, simultaneous_quantile
from seedbed.evaluation.verdicts import seed_noise


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
    assert found.se**2 == pytest.approx(
        s2 * np.sqrt(2 / 99) * (1 / 100 + 1 / 9) + s2 / 100
    )
    assert corrected_t(x[:1, :2], seed_noise=(9.0, 9.0)).se >= corrected_t(x[:1, :2]).se


@pytest.mark.parametrize(
    ("comparisons", "df", "published"),
    [
        (2, 10, 2.57),
        (5, 10, 2.99),
        (3, 20, 2.54),
        (5, 20, 2.73),
        (3, None, 2.35),
        (5, None, 2.51),
    ],
)
def test_the_quantile_of_several_comparisons_is_dunnetts(comparisons, df, published):
    assert simultaneous_quantile(0.05, comparisons, df) == pytest.approx(
        published, abs=0.006
    )

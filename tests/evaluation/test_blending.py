"""Weights and temperature of a blend, fitted to out-of-fold predictions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, mean_squared_error

from seedbed.evaluation.calibration import (
    apply_temperature,
    best_temperature,
    blend_weights,
    mean_loss,
)

N = 400
RNG = np.random.default_rng(0)
TRUTH = RNG.random(N)
TARGET = (RNG.random(N) < TRUTH).astype(np.int64)
ONES = np.ones(N)


def binary(positive):
    return np.column_stack([1 - positive, positive])


def test_the_loss_equals_scikit_learns():
    weights = RNG.random(N)
    assert mean_loss(binary(TRUTH), TARGET, weights) == pytest.approx(
        log_loss(TARGET, TRUTH, sample_weight=weights), rel=1e-9
    )
    numbers = RNG.normal(size=N)
    assert mean_loss(numbers, TRUTH, weights) == pytest.approx(
        mean_squared_error(TRUTH, numbers, sample_weight=weights)
    )


def test_a_true_member_outweighs_noise():
    weights = blend_weights(
        [binary(RNG.random(N)), binary(TRUTH), binary(np.full(N, 0.5))], TARGET, ONES
    )
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 0.9


def test_complementary_members_both_get_weight():
    """Each member sees the half of the sum that the other doesn't."""
    first, second = RNG.normal(size=N), RNG.normal(size=N)
    weights = blend_weights([2 * first, 2 * second], first + second, ONES)
    assert_allclose(weights, 0.5, atol=0.03)


def test_the_blend_is_as_good_as_its_best_member_and_the_best_of_a_grid():
    noisy = [np.clip(TRUTH + RNG.normal(0, 0.2, N), 0.01, 0.99) for _ in range(2)]
    weights = blend_weights([binary(one) for one in noisy], TARGET, ONES)

    def loss(share):
        return mean_loss(
            binary(share * noisy[0] + (1 - share) * noisy[1]), TARGET, ONES
        )

    assert loss(weights[0]) <= min(loss(0), loss(1))
    assert (
        loss(weights[0]) <= min(loss(share) for share in np.linspace(0, 1, 51)) + 1e-4
    )


def test_rows_of_weight_zero_have_no_effect():
    wrong = np.where(np.arange(N) < N // 2, TRUTH, 1 - TRUTH)
    half = (np.arange(N) < N // 2).astype(float)
    assert (
        blend_weights([binary(wrong), binary(np.full(N, 0.5))], TARGET, half)[0] > 0.9
    )
    assert (
        blend_weights([binary(wrong), binary(np.full(N, 0.5))], TARGET, 1 - half)[0]
        < 0.1
    )


def test_members_without_finite_predictions_get_equal_weights():
    assert_allclose(blend_weights([np.full(N, np.nan)] * 2, TRUTH, ONES), 0.5)


def test_the_temperature_undoes_a_sharpening_and_is_one_without():
    sharp = apply_temperature(binary(TRUTH), 0.6)
    assert best_temperature(sharp[None], TARGET, ONES) == pytest.approx(
        1 / 0.6, rel=0.25
    )
    assert best_temperature(binary(TRUTH)[None], TARGET, ONES) == pytest.approx(
        1, abs=0.2
    )
    three = RNG.dirichlet(np.ones(3), size=(2, 5))
    assert_allclose(apply_temperature(three, 1.0), three, rtol=1e-12)
    assert_allclose(apply_temperature(three, 2.5).sum(axis=-1), 1)
    draws = np.stack([binary(TRUTH), np.full((N, 2), np.nan)])
    assert best_temperature(draws, TARGET, ONES) == best_temperature(
        draws[:1], TARGET, ONES
    )

"""The score of the best of several candidates, corrected for the selection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.ranking import bbc_cv


def plain_bbc(losses, n_resamples, rng):
    """Run the published algorithm, one resample at a time, without ties."""
    n, kept = losses.shape[1], []
    for _ in range(n_resamples):
        drawn = rng.integers(n, size=n)
        left = np.setdiff1d(np.arange(n), drawn)
        kept.append(losses[np.argmin(losses[:, drawn].mean(axis=1)), left].mean())
    return np.array(kept)


def test_the_correction_equals_the_published_algorithm():
    losses = np.random.default_rng(0).normal(0, 1, (6, 80)) + np.linspace(0, 0.2, 6)[:, None]
    theirs = plain_bbc(losses, 4000, np.random.default_rng(1))
    ours = bbc_cv(losses, n_resamples=4000)
    assert ours.mean == pytest.approx(theirs.mean(), abs=4 * theirs.std() / np.sqrt(4000) * np.sqrt(2))
    assert ours.low == pytest.approx(np.quantile(theirs, 0.025), abs=0.03)


def test_the_corrected_best_of_equal_candidates_is_no_better_than_the_others():
    rng = np.random.default_rng(2)
    tables = [rng.normal(1, 1, (20, 100)) for _ in range(60)]
    found = [bbc_cv(losses, n_resamples=200) for losses in tables]
    assert np.mean([losses.mean(axis=1).min() for losses in tables]) < 0.85
    assert np.mean([one.mean for one in found]) == pytest.approx(1, abs=0.06)


def test_a_clearly_better_candidate_is_hardly_corrected():
    losses = np.random.default_rng(3).normal(1, 0.1, (5, 100)) - np.array([0.5, 0, 0, 0, 0])[:, None]
    assert bbc_cv(losses).mean == pytest.approx(losses[0].mean(), abs=0.005)


@given(st.permutations(range(5)))
def test_the_order_of_candidates_does_not_matter_even_with_ties(order):
    losses = (np.random.default_rng(4).random((5, 40)) < 0.3).astype(float)
    ours, other = bbc_cv(losses, n_resamples=100), bbc_cv(losses[order], n_resamples=100)
    assert (other.mean, other.low, other.high) == pytest.approx((ours.mean, ours.low, ours.high), abs=1e-12)


def test_a_single_candidate_is_not_corrected():
    losses = np.random.default_rng(5).random((1, 60))
    found = bbc_cv(losses, n_resamples=3000)
    assert found.mean == pytest.approx(losses.mean(), abs=0.01)

"""The score of the best of several, corrected for having been chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import bbc_cv
from seedbed.evaluation.selection import bbc_cv_scores
from seedbed.evaluation.weighted import row_score


def plain_bbc(losses, n_resamples, rng):
    """The published loop, one resample at a time, no ties."""
    n, kept = losses.shape[1], []
    for _ in range(n_resamples):
        drawn = rng.integers(n, size=n)
        left = np.setdiff1d(np.arange(n), drawn)
        kept.append(losses[np.argmin(losses[:, drawn].mean(axis=1)), left].mean())
    return np.array(kept)


def test_it_is_the_published_loop():
    losses = np.random.default_rng(0).normal(0, 1, (6, 80)) + np.linspace(0, 0.2, 6)[:, None]
    theirs = plain_bbc(losses, 4000, np.random.default_rng(1))
    ours = bbc_cv(losses, n_resamples=4000)
    assert ours.value == pytest.approx(theirs.mean(), abs=4 * theirs.std() / np.sqrt(4000) * np.sqrt(2))
    assert ours.low == pytest.approx(np.quantile(theirs, 0.025), abs=0.03)


def test_the_best_of_many_equal_candidates_is_worth_no_more_than_the_others():
    rng = np.random.default_rng(2)
    found = [bbc_cv(rng.normal(1, 1, (20, 100)), n_resamples=200) for _ in range(60)]
    assert np.mean([one.apparent for one in found]) < 0.85
    assert np.mean([one.value for one in found]) == pytest.approx(1, abs=0.06)


def test_a_candidate_that_is_clearly_ahead_is_barely_corrected():
    losses = np.random.default_rng(3).normal(1, 0.1, (5, 100)) - np.array([0.5, 0, 0, 0, 0])[:, None]
    found = bbc_cv(losses)
    assert (found.winner, found.chosen_share[0]) == (0, 1.0)
    assert found.value == pytest.approx(found.apparent, abs=0.005)


@given(st.permutations(range(5)))
def test_the_order_of_candidates_does_not_matter_not_even_with_ties(order):
    losses = (np.random.default_rng(4).random((5, 40)) < 0.3).astype(float)
    ours, other = bbc_cv(losses, n_resamples=100), bbc_cv(losses[order], n_resamples=100)
    assert (other.value, other.low, other.high) == pytest.approx((ours.value, ours.low, ours.high), abs=1e-12)
    assert other.chosen_share == pytest.approx([ours.chosen_share[i] for i in order], abs=1e-12)


def test_a_single_candidate_has_nothing_to_correct():
    losses = np.random.default_rng(5).random((1, 60))
    found = bbc_cv(losses, n_resamples=3000)
    assert found.value == pytest.approx(found.apparent, abs=0.01)


def test_any_score_can_be_corrected_and_means_agree_with_the_losses():
    rng = np.random.default_rng(6)
    y, p = rng.integers(2, size=50), rng.random((4, 50))
    by_score = bbc_cv_scores([row_score("accuracy", y, one[None]) for one in p], 50, greater_is_better=True)
    by_loss = bbc_cv(((p > 0.5) != y).astype(float))
    assert by_score.value == pytest.approx(1 - by_loss.value, abs=1e-12)
    auc = bbc_cv_scores([row_score("roc_auc", y, one[None]) for one in p], 50, greater_is_better=True)
    assert auc.value < auc.apparent


def test_a_score_that_is_never_defined_is_refused():
    never = row_score("roc_auc", np.zeros(10, int), np.full((1, 10), 0.5))
    with pytest.raises(ValueError, match="no resample"):
        bbc_cv_scores([never], 10, greater_is_better=True)
    with pytest.raises(ValueError, match="candidate, row"):
        bbc_cv(np.full((2, 5), np.nan))

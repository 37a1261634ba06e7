"""The choice of a learning rate and an epoch from validation losses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from seedbed.evaluation import Choice, Waiting, choose

shapes = array_shapes(min_dims=3, max_dims=3, max_side=5)
tied = arrays(np.float64, shapes, elements=st.sampled_from([0.1, 0.2, 0.3, np.nan, np.inf]))
any_losses = arrays(np.float32, shapes, elements=st.floats(width=32))


def test_the_lowest_mean_over_networks_is_chosen_and_epochs_count_from_one():
    losses = np.full((2, 3, 4), 1.0)
    losses[1, :, 2] = [0.0, 0.1, 0.8]
    losses[0, 0, 3] = 0.0  # one network alone does not decide
    assert choose(losses) == Choice(lr=1, epochs=3, loss=pytest.approx(0.3))


def test_ties_go_to_the_earlier_epoch_and_then_to_the_first_rate():
    losses = np.ones((3, 2, 4))
    losses[0, :, 3] = losses[1, :, 1] = losses[2, :, 1] = 0.5
    assert choose(losses) == Choice(lr=1, epochs=2, loss=0.5)
    assert choose(np.ones((3, 2, 4))) == Choice(lr=0, epochs=1, loss=1.0)


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_rate_with_a_network_that_is_not_finite_is_excluded(lost):
    losses = np.linspace(1.0, 0.1, 10) * np.ones((2, 3, 1))
    losses[1] *= 0.5
    losses[1, 1, 4:] = lost
    assert choose(losses) == Choice(lr=0, epochs=10, loss=pytest.approx(0.1))
    assert choose(losses[1:]) == Choice(lr=0, epochs=4, loss=pytest.approx(0.35))


def test_without_finite_losses_the_first_epoch_of_the_first_rate_is_chosen():
    losses = np.ones((2, 2, 3))
    losses[:, 1] = np.nan
    assert choose(losses) == Choice(lr=0, epochs=1, loss=None)


def test_losses_whose_sum_overflows_are_treated_as_infinite():
    losses = np.full((1, 2, 2), 1e308)
    losses[0, :, 1] = 1.0
    assert choose(losses) == Choice(lr=0, epochs=2, loss=1.0)


@given(tied, st.randoms(use_true_random=False))
def test_the_order_of_networks_does_not_matter(losses, random):
    order = list(range(losses.shape[1]))
    random.shuffle(order)
    assert choose(losses[:, order]) == choose(losses)


@given(tied, st.integers(0, 4))
def test_an_additional_worse_rate_changes_nothing(losses, like):
    worse = losses[like % len(losses)] + 0.1
    assert choose(np.concatenate([losses, worse[None]])) == choose(losses)


@given(any_losses)
def test_no_other_rate_and_epoch_has_a_lower_loss(losses):
    choice = choose(losses)
    means = [
        float(column.astype(np.float64).mean()) for rate in losses for column in rate.T if np.isfinite(column).all()
    ]
    assert 0 <= choice.lr < losses.shape[0]
    assert 1 <= choice.epochs <= losses.shape[2]
    assert (choice.loss is None) == (not means)
    if means:
        chosen = losses[choice.lr, :, choice.epochs - 1].astype(np.float64)
        assert choice.loss == pytest.approx(chosen.mean(), abs=1e-12 * np.abs(chosen).max())
        assert choice.loss == pytest.approx(min(means), abs=1e-12 * np.abs(chosen).max())


@given(any_losses)
def test_float32_losses_give_the_same_choice_as_float64(losses):
    assert choose(losses) == choose(losses.astype(np.float64))


def end_by_hand(means, factor, more):
    best = 0
    for epoch, mean in enumerate(means, 1):
        if np.isfinite(mean) and (best == 0 or mean < means[best - 1]):
            best = epoch
        if epoch > factor * best + more:
            return epoch
    return 0


@given(tied, st.sampled_from([(1.5, 1.0), (1.0, 2.0), (1.0, np.inf)]), st.integers(1, 5))
def test_early_ending_does_not_depend_on_how_many_epochs_are_passed_at_once(losses, patience, size):
    waiting, means = Waiting(len(losses), patience), np.sort(losses, axis=1).mean(axis=1)
    seen = [waiting.see(losses[:, :, at : at + size]) for at in range(0, losses.shape[2], size)]
    assert waiting.ends.tolist() == [end_by_hand(own, *patience) for own in means]
    whole = np.where(np.isfinite(means), means, np.inf)
    for run, end in enumerate(waiting.ends):
        whole[run, end or 99 :] = np.inf
    np.testing.assert_allclose(np.hstack(seen)[np.isfinite(whole)], whole[np.isfinite(whole)])
    assert np.isinf(np.hstack(seen)[np.isinf(whole)]).all()


@given(tied, st.integers(1, 4), st.floats(width=32))
def test_no_epoch_after_the_end_is_chosen(losses, more, after):
    waiting = Waiting(len(losses), (1.0, more))
    waiting.see(losses)
    other = losses.copy()
    for run, end in enumerate(waiting.ends):
        other[run, :, end or 99 :] = after
    assert choose(other, (1.0, more)) == choose(losses, (1.0, more))


def test_a_rate_without_finite_losses_ends_after_its_patience():
    losses = np.full((2, 1, 100), np.nan)
    losses[1, :, 9:] = 1.0
    waiting = Waiting(2, (1.5, 50))
    waiting.see(losses)
    assert waiting.ends.tolist() == [51, 66]

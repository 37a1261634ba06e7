"""Training that ends without improvement, with the state after the best epoch of all networks."""

import dataclasses
import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from seedbed.evaluation.calibration import mean_loss
from seedbed.settings.recipe import Recipe
from seedbed.training.loop import Best, train_chunk
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk, Stack

from .plain_loop import Residual, network_in_words, train_plan
from .shapes import SHAPES

SEEDS, SPLITS = [3, 8, 4, 5, 6, 7], [0, 0, 0, 1, 1, 1]


KINDS = {
    "relu": network_in_words("relu:4"),
    "dropout and batchnorm": network_in_words("tanh:4@dropout=0.3,batchnorm"),
    "dropout": network_in_words("tanh:4@dropout=0.3"),
    "general": functools.partial(Residual, dropout=0.3),
    "own draws": functools.partial(SHAPES["functional_dropout"], 5, 1),
}

pytestmark = pytest.mark.usefixtures("engine")

EPOCHS = 8
assert_close = functools.partial(assert_allclose, rtol=0, atol=2e-6)


def planned(kind, data, patience, epochs=EPOCHS, **recipe):
    settings = Recipe.tutorial(
        **{"epochs": epochs, "lr": 0.3, "momentum": 0.9, **recipe}
    )
    options = dict(
        seeds=SEEDS, splits=SPLITS, patience=patience and (patience, patience)
    )
    return plan_chunks(Chunk(KINDS[kind], data, settings, **options))


def loss_by_epoch(kind, data, chunk, **recipe):
    """The deciding loss, computed from the outputs of trainings that end after each epoch."""
    target, members, found = data.y, list(chunk.networks), []
    for epoch in range(1, EPOCHS + 1):
        draws = np.full((len(SEEDS), len(target)), np.nan)
        for plain in planned(kind, data, None, epoch, **recipe):
            said = train_chunk(plain).outputs[:, 0]
            draws[list(plain.networks)] = expit(said.astype(np.float64)).T
        draws = draws[members]
        tested = np.isfinite(draws).any(axis=0)
        counts = np.isfinite(draws[:, tested]).sum(axis=0)
        both = np.stack([1 - draws, draws], axis=2)[:, tested]
        found.append(mean_loss(np.nanmean(both, axis=0), target[tested], counts))
    return found


@pytest.mark.few(1)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 18], ids=["full", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_networks_and_outputs_are_those_of_the_best_epoch(two_splits, kind, batch_size):
    for chunk in planned(kind, two_splits, EPOCHS, batch_size=batch_size):
        found = train_chunk(chunk)
        losses = loss_by_epoch(kind, two_splits, chunk, batch_size=batch_size)
        (best,) = set(found.epochs.tolist())
        assert losses[best - 1] <= min(losses) + 1e-5
        for other in planned(kind, two_splits, None, best, batch_size=batch_size):
            expected = train_chunk(other)
            for place, member in enumerate(other.networks):
                if member in chunk.networks:
                    own = chunk.networks.index(member)
                    assert_close(
                        found.outputs[:, :, own], expected.outputs[:, :, place]
                    )
                    for name, value in expected.states[place].items():
                        assert_close(found.states[own][name], value)


def test_training_ends_after_patience_epochs_without_a_lower_loss(two_splits):
    (chunk,) = planned("relu", two_splits, 2, epochs=200)
    result = train_chunk(chunk)
    assert result.curves.shape[1] < 200
    assert set(result.epochs) == {result.curves.shape[1] - 2}


@pytest.mark.few(1)
def test_the_curves_equal_those_of_a_training_without_patience(two_splits):
    for kind in ("relu", "general"):
        patient, whole = (
            train_plan(planned(kind, two_splits, patience))
            for patience in (EPOCHS, None)
        )
        for one, other in zip(patient, whole, strict=True):
            assert_close(one[0], other[0])


def test_a_time_limit_ends_training_after_at_least_one_epoch(two_splits):
    (chunk,) = planned("relu", two_splits, EPOCHS)
    assert train_chunk(dataclasses.replace(chunk, seconds=0.0)).curves.shape[1] == 1


def test_diverging_networks_keep_their_state_from_before(two_splits):
    (chunk,) = planned("relu", two_splits, EPOCHS, lr=1e20)
    result = train_chunk(chunk)
    assert result.curves.shape[1] == EPOCHS
    assert len(result.states) == len(SEEDS)


def test_all_networks_are_one_chunk(two_splits):
    options = {"seeds": range(600), "splits": [0] * 600, "patience": (1, 1)}
    assert (
        len(
            plan_chunks(
                Chunk(
                    network_in_words("relu:4"),
                    two_splits,
                    Recipe.tutorial(epochs=2),
                    **options,
                )
            )
        )
        == 1
    )


@pytest.mark.few(1)
def test_networks_with_too_few_rows_for_as_many_steps_as_others_take_smaller_minibatches(
    two_splits,
):
    """70 rows make 5 minibatches of 16, and 62 rows only 4."""
    (chunk,) = planned("relu", two_splits, EPOCHS, batch_size=16)
    found = train_chunk(chunk)
    larger, _ = planned("relu", two_splits, None, batch_size=16)
    assert_close(found.curves[..., :3], train_chunk(larger).curves)
    assert (found.curves[0, -1] < found.curves[0, 0]).all()


@pytest.mark.few(1)
def test_groups_of_networks_end_by_themselves(two_splits):
    settings = dict(seeds=SEEDS[:3] * 2, splits=[0, 0, 0, 1, 1, 1], patience=(2, 2))
    recipe = Recipe.tutorial(epochs=200, lr=0.3, momentum=0.9, batch_size=18)
    (both,) = plan_chunks(
        Chunk(KINDS["relu"], two_splits, recipe, group_size=3, **settings)
    )
    found = train_chunk(both)
    assert len(set(found.epochs.tolist())) == 2
    for own in (slice(0, 3), slice(3, 6)):
        single = {
            name: value[own] if isinstance(value, list) else value
            for name, value in settings.items()
        }
        (chunk,) = plan_chunks(Chunk(KINDS["relu"], two_splits, recipe, **single))
        alone = train_chunk(chunk)
        assert alone.epochs.tolist() == found.epochs[own].tolist()
        assert_close(found.outputs[:, :, own], alone.outputs)
        curves, best = found.curves[:, :, own], alone.epochs[0]
        assert_close(curves[:, : best + 2], alone.curves)
        assert np.isnan(curves[:, best + 2 :]).all()
        for one, other in zip(found.states[own], alone.states, strict=True):
            for name, value in other.items():
                assert_close(one[name], value)


@pytest.mark.parametrize(("best", "waited"), [(1, 3), (6, 3), (9, 5), (30, 8)])
def test_training_waits_for_half_of_the_epochs_to_the_best_one(
    two_splits, monkeypatch, best, waited
):
    (chunk,) = planned("relu", two_splits, 1)
    epochs = Best(Stack(dataclasses.replace(chunk, patience=(3, 8))))
    monkeypatch.setattr(
        epochs, "_losses", lambda epoch: np.array([abs(epoch - best)], dtype=np.float64)
    )
    for epoch in range(1, 100):
        epochs.see(epoch, epoch)
        if epochs.ends.all():
            break
    assert (epochs.epochs.tolist(), epoch) == ([best], best + waited)

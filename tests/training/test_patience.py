"""Training that ends when it gets no better, with everything as it was after the best epoch of all networks."""

import numpy as np
import pytest
import torch

from seedbed.networks import Recipe, parse_candidate
from seedbed.training import plan_stack, train_chunk

from .test_stops import KINDS, SEEDS, SPLITS

EPOCHS = 12


def planned(kind, data, patience, epochs=EPOCHS, **recipe):
    settings = Recipe(**{"epochs": epochs, "lr": 0.3, "momentum": 0.9, **recipe})
    return plan_stack(
        KINDS[kind], data, settings, seeds=SEEDS, splits=SPLITS, compile=False, patience=patience, keep_networks=True
    )


@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_networks_and_outputs_are_those_of_the_epoch_with_the_least_mean_loss(two_splits, kind, batch_size):
    for chunk in planned(kind, two_splits, EPOCHS, batch_size=batch_size).chunks:
        found = train_chunk(chunk, two_splits)
        best = int(found.curves[2].mean(axis=1).argmin()) + 1
        plain = planned(kind, two_splits, None, best, batch_size=batch_size).chunks
        for other in plain:
            expected = train_chunk(other, two_splits)
            for place, member in enumerate(other.members):
                if member in chunk.members:
                    own = chunk.members.index(member)
                    np.testing.assert_allclose(
                        found.outputs[:, :, own], expected.outputs[:, :, place], rtol=0, atol=2e-6
                    )
                    for name, value in expected.states[place].items():
                        torch.testing.assert_close(found.states[own][name], value, rtol=0, atol=2e-6)


def test_training_ends_after_so_many_epochs_without_a_lower_loss(two_splits):
    (chunk,) = planned("relu", two_splits, 2, epochs=200).chunks
    curve = train_chunk(chunk, two_splits).curves[2].mean(axis=1)
    assert len(curve) < 200
    assert curve.argmin() == len(curve) - 3


def test_the_curves_are_those_of_a_training_without_patience(two_splits):
    for kind in ("relu", "general"):
        patient = [train_chunk(chunk, two_splits) for chunk in planned(kind, two_splits, EPOCHS).chunks]
        whole = [train_chunk(chunk, two_splits) for chunk in planned(kind, two_splits, None).chunks]
        for one, other in zip(patient, whole, strict=True):
            np.testing.assert_allclose(one.curves, other.curves, rtol=0, atol=2e-6)


def test_the_clock_ends_it_after_one_epoch_at_least(two_splits):
    from dataclasses import replace

    (chunk,) = planned("relu", two_splits, EPOCHS).chunks
    assert train_chunk(replace(chunk, seconds=0.0), two_splits).curves.shape[1] == 1


def test_networks_that_diverge_are_kept_as_they_were_before(two_splits):
    (chunk,) = planned("relu", two_splits, EPOCHS, lr=1e20).chunks
    result = train_chunk(chunk, two_splits)
    assert result.curves.shape[1] == EPOCHS
    assert len(result.states) == len(SEEDS)


def test_all_networks_are_one_chunk(two_splits):
    build = parse_candidate("relu:4").architecture
    plan = plan_stack(lambda: build(5, 1), two_splits, Recipe(epochs=2), seeds=range(600), splits=[0] * 600, patience=1)
    assert len(plan.chunks) == 1

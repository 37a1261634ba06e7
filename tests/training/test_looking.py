"""Modules that look at their training rows get those of their split and no others."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from seedbed.settings.recipe import Recipe
from seedbed.training.losses import LOSSES
from seedbed.training.many import train_many
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk
from seedbed.training.torch.reference import PlainRows

from .plain_loop import network_in_words, train_plan, train_reference


class Centred(nn.Module):
    """A user-defined module that looks at rows: it subtracts the minimum of each input, and counts
    the rows."""

    def __init__(self):
        super().__init__()
        self.register_buffer("least", torch.zeros(5))
        self.register_buffer("shown", torch.zeros(2))
        self.last = nn.Linear(5, 1)

    def look_at(self, X):
        self.least.copy_(X.amin(0))
        self.shown += torch.tensor([1.0, len(X)])

    def forward(self, x):
        return self.last(torch.tanh(x - self.least))


@pytest.mark.few(1)
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
def test_a_user_module_gets_its_training_rows_once(gap, task, batch_size):
    found = gap(
        lambda n_features, n_outputs: Centred(),
        task("bce"),
        batch_size=batch_size or 70,
    )
    assert max(found.curves, found.parameters, found.outputs) < 1e-9
    for network in found.history.networks():
        assert network.shown.tolist() == [1, 70]
        torch.testing.assert_close(
            network.least, torch.from_numpy(task("bce").X[:70].min(0))
        )


def networks_of(data, build, splits=(0, 1)):
    recipe = Recipe.tutorial(epochs=1, loss="bce", batch_size=8)
    options = dict(splits=splits, dtype="float64")
    plan = plan_chunks(Chunk(build, data, recipe, seeds=range(len(splits)), **options))
    return [state for *_, state in train_plan(plan)]


class Fast(nn.Sequential):
    """A user-defined chain of known layers that looks at rows; its first layer isn't trained."""

    def __init__(self):
        super().__init__(nn.Linear(5, 5).requires_grad_(False), nn.Linear(5, 1))

    def look_at(self, X):
        self[0].bias.copy_(X.amin(0))


ENCODER = network_in_words("logistic@ple=4")


@pytest.mark.parametrize(
    ("build", "name"),
    [(ENCODER, "0.edges"), (Fast, "0.bias"), (Centred, "least")],
    ids=["words", "fast", "general"],
)
def test_each_network_gets_the_rows_of_its_split(two_splits, build, name):
    for split, state in enumerate(networks_of(two_splits, build)):
        rows = two_splits.train[:, split] > 0
        places = np.linspace(0, rows.sum() - 1, 5).round().astype(int)
        expected = np.sort(two_splits.X[rows], axis=0)[places]
        assert_allclose(state[name], expected.T if build is ENCODER else expected[0])


def test_of_very_many_rows_an_evenly_spaced_sample_is_shown(task, monkeypatch):
    monkeypatch.setattr("seedbed.training.data.MOST_LOOKED_AT", 20)
    table = task("bce")
    stacked = train_many(
        Centred, *table.parts, seeds=2, epochs=1, n_jobs=1, dtype="float64"
    ).networks()
    alone = Centred().double()
    X, y = torch.from_numpy(table.X[:70]), torch.from_numpy(table.y[:70, None]).double()
    options = dict(recipe=Recipe.tutorial(epochs=1), loss=LOSSES["bce"])
    train_reference(alone, PlainRows(X, y), PlainRows(X, y), seed=0, **options)
    for network in (*stacked, alone):
        assert network.shown.tolist() == [1, 20]
        assert torch.equal(network.least, X[np.linspace(0, 69, 20).astype(int)].amin(0))

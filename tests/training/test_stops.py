"""The sizes of chunks, and the share of dead units."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk

from .plain_loop import Residual, network_in_words, train_plan
from .shapes import SHAPES

pytestmark = pytest.mark.usefixtures("engine")

SEEDS, SPLITS = [3, 8, 4, 5, 6, 7], [0, 0, 0, 1, 1, 1]


KINDS = {
    "relu": network_in_words("relu:4"),
    "dropout and batchnorm": network_in_words("tanh:4@dropout=0.3,batchnorm"),
    "dropout": network_in_words("tanh:4@dropout=0.3"),
    "general": functools.partial(Residual, dropout=0.3),
    "own draws": functools.partial(SHAPES["functional_dropout"], 5, 1),
}


def dead_units(build, data, **recipe):
    """The share of dead units of each network."""
    plan = plan_chunks(
        Chunk(build, data, Recipe.tutorial(**recipe), seeds=SEEDS, splits=SPLITS)
    )
    return [dead for _, _, dead, _ in train_plan(plan)]


def test_chunks_of_the_kernel_are_as_even_as_blocks_of_eight_allow(two_splits):
    plan = plan_chunks(
        Chunk(
            KINDS["relu"],
            two_splits,
            Recipe.tutorial(epochs=2),
            seeds=range(100),
            splits=[0] * 100,
        )
    )
    sizes = [56, 44] if plan[0].engine == "native" else [100]
    assert [len(chunk.networks) for chunk in plan] == sizes


class Functional(nn.Module):
    """A dead unit and a live one, by a function instead of a module."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(5, 2), nn.Linear(2, 1)
        with torch.no_grad():
            self.inner.bias.copy_(torch.tensor([1e4, -1e4]))

    def forward(self, x):
        return self.last(torch.relu(self.inner(x)))


class Dead(nn.Sequential):
    """One of the first three ReLU units and both of the next two are dead for inputs from -10 to
    10."""

    def __init__(self):
        super().__init__(
            nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)
        )
        with torch.no_grad():
            for layer, biases in ((self[0], [1e4, -1e4, 1e4]), (self[2], [-1e6, -1e6])):
                layer.bias.copy_(torch.tensor(biases))


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("build", "share"),
    [
        (Dead, 3 / 5),
        (Functional, 1 / 2),
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1)), 0),
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1)), np.nan),
        (Residual, 0),
        (functools.partial(SHAPES["depth_by_values"], 5, 1), np.nan),
    ],
    ids=["dead", "functional", "alive", "no ReLU", "general", "one by one"],
)
def test_the_share_of_dead_units_is_counted_over_all_relu_layers(
    two_splits, build, share
):
    np.testing.assert_allclose(
        dead_units(build, two_splits, epochs=1, lr=0.0), [share] * 6, rtol=0, atol=1e-6
    )


def test_a_unit_that_is_active_only_for_test_rows_is_dead(two_splits):
    X = np.zeros_like(two_splits.X)
    X[90, 0] = 100.0  # a test row of the first split, a training row of the second
    table = TrainingData(X, two_splits.y, two_splits.train, two_splits.test)

    def build():
        network = nn.Sequential(nn.Linear(5, 1), nn.ReLU(), nn.Linear(1, 1))
        nn.init.ones_(network[0].weight)
        nn.init.constant_(network[0].bias, -1.0)
        return network

    assert dead_units(build, table, epochs=1, lr=0.0) == [1, 1, 1, 0, 0, 0]


def test_a_network_that_diverged_has_no_share_of_dead_units(two_splits):
    assert np.isnan(dead_units(KINDS["relu"], two_splits, epochs=4, lr=1e30)).all()

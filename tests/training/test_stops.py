"""Networks used after different numbers of epochs, with their own rates, and their share of dead units."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seedbed.networks import parse_candidate
from seedbed.settings import Recipe
from seedbed.training import TrainingData, plan_stack, train_chunk

pytestmark = pytest.mark.usefixtures("engine")

EPOCHS, STOPS = 6, [1, 6, 3, 3, 5, 2]
SEEDS, SPLITS = [3, 8, 4, 5, 6, 7], [0, 0, 0, 1, 1, 1]


class Residual(nn.Module):
    """A module that is not sequential, which uses the general method."""

    def __init__(self):
        super().__init__()
        self.inner, self.drop, self.last = nn.Linear(5, 5), nn.Dropout(0.3), nn.Linear(5, 1)

    def forward(self, x):
        return self.last(x + self.drop(torch.relu(self.inner(x))))


class Unmapped(Residual):
    """Dropout from torch's generator, which trains one network at a time."""

    def forward(self, x):
        return self.last(x + F.dropout(torch.relu(self.inner(x)), 0.3, self.training))


KINDS = {
    "relu": lambda: parse_candidate("relu:4").architecture(5, 1),
    "dropout and batchnorm": lambda: parse_candidate("tanh:4@dropout=0.3,batchnorm").architecture(5, 1),
    "dropout": lambda: parse_candidate("tanh:4@dropout=0.3").architecture(5, 1),
    "general": Residual,
    "one by one": Unmapped,
}


def trained(plan, data):
    """Curves [4, epoch, network], outputs [row, output, network] and dead share [network] of a whole plan."""
    n = sum(len(chunk.members) for chunk in plan.chunks)
    parts = {}
    for chunk in plan.chunks:
        result = train_chunk(chunk, data)
        for i, member in enumerate(chunk.members):
            parts[member] = result.curves[:, :, i], result.outputs[:, :, i], result.dead[i]
    return tuple(np.stack(values, axis=-1) for values in zip(*(parts[i] for i in range(n)), strict=True))


def planned(kind, data, epochs=EPOCHS, **recipe):
    settings = Recipe(**{"epochs": epochs, "lr": 0.1, "momentum": 0.9, **recipe})
    return plan_stack(KINDS[kind], data, settings, seeds=SEEDS, splits=SPLITS)


@pytest.mark.product
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_at_its_stop_are_those_of_a_training_that_ends_there(two_splits, kind, batch_size):
    plan = planned(kind, two_splits, batch_size=batch_size)
    _, outputs, _ = trained(plan.trained_with([0.1] * 6, STOPS), two_splits)
    for stop in sorted(set(STOPS)):
        _, expected, _ = trained(planned(kind, two_splits, stop, batch_size=batch_size), two_splits)
        here = np.array(STOPS) == stop
        np.testing.assert_allclose(outputs[:, :, here], expected[:, :, here], rtol=0, atol=1e-6)


@pytest.mark.product
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_does_not_change_the_curves(two_splits, kind, batch_size):
    plan = planned(kind, two_splits, batch_size=batch_size)
    whole, ends, _ = trained(plan, two_splits)
    curves, outputs, _ = trained(plan.trained_with([0.1] * 6, STOPS), two_splits)
    np.testing.assert_allclose(curves, whole, rtol=0, atol=1e-6)
    assert curves.shape == (4, EPOCHS, 6)
    moved = np.nanmax(np.abs(outputs - ends), axis=(0, 1))
    assert (moved < 1e-6).tolist() == [stop == EPOCHS for stop in STOPS]


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_at_a_stop_belong_to_the_test_loss_of_the_curves_there(two_splits, kind):
    curves, outputs, _ = trained(planned(kind, two_splits).trained_with([0.1] * 6, STOPS), two_splits)
    for network, (stop, split) in enumerate(zip(STOPS, SPLITS, strict=True)):
        rows = two_splits.test[:, split] > 0
        p = 1 / (1 + np.exp(-outputs[rows, 0, network].astype(np.float64)))
        loss = -np.log(np.where(two_splits.y[rows] == 1, p, 1 - p)).mean()
        assert curves[2, stop - 1, network] == pytest.approx(loss, abs=1e-6)
        assert np.isnan(outputs[~rows, 0, network]).all()


@pytest.mark.product
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("kind", ["relu", "dropout", "general"])
def test_rates_and_decays_in_one_stack_equal_separate_stacks(two_splits, kind, optimizer):
    # Not with batch normalisation: the gradient of a bias before it is only rounding error, which Adam enlarges to one.
    lrs, decays = [0.01, 0.1, 0.3, 0.01, 0.1, 0.3], [0.0, 0.1, 0.2, 0.1, 0.2, 0.0]
    recipe = Recipe(epochs=EPOCHS, optimizer=optimizer)
    mixed = plan_stack(KINDS[kind], two_splits, recipe, seeds=SEEDS, splits=SPLITS, lr=lrs, decay=decays)
    curves, outputs, _ = trained(mixed, two_splits)
    for i in range(6):
        own = Recipe(epochs=EPOCHS, optimizer=optimizer, lr=lrs[i], weight_decay=decays[i])
        alone = plan_stack(KINDS[kind], two_splits, own, seeds=SEEDS[i : i + 1], splits=SPLITS[i : i + 1])
        expected = trained(alone, two_splits)
        np.testing.assert_allclose(curves[:, :, i], expected[0][:, :, 0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(outputs[:, :, i], expected[1][:, :, 0], rtol=1e-6, atol=1e-5)


def test_every_network_gets_its_own_rate_in_any_chunks(two_splits, monkeypatch):
    monkeypatch.setattr("seedbed.training.planning._MOST_NATIVE", 16)
    monkeypatch.setattr("seedbed.training.planning._cache_bytes", lambda: 1)  # chunks of 16 networks
    recipe, lrs = Recipe(epochs=2), np.linspace(0.01, 0.4, 40).tolist()
    plan = plan_stack(KINDS["relu"], two_splits, recipe, seeds=range(40), splits=[0, 1] * 20)
    changed = plan.trained_with(lrs, list(range(40)))
    assert [len(chunk.members) for chunk in changed.chunks] in ([14, 14, 12], [16, 16, 8])
    for chunk in changed.chunks:
        assert chunk.lr == tuple(lrs[i] for i in chunk.members)
        assert chunk.stops == chunk.members
    assert all(chunk.stops is None for chunk in plan.chunks)


def test_chunks_of_the_kernel_are_as_even_as_blocks_of_eight_allow(two_splits):
    plan = plan_stack(KINDS["relu"], two_splits, Recipe(epochs=2), seeds=range(100), splits=[0] * 100)
    sizes = [56, 44] if plan.chunks[0].engine == "native" else [100]
    assert [len(chunk.members) for chunk in plan.chunks] == sizes


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
    """One of the first three ReLU units and both of the next two are dead for inputs from -10 to 10."""

    def __init__(self):
        super().__init__(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        with torch.no_grad():
            for layer, biases in ((self[0], [1e4, -1e4, 1e4]), (self[2], [-1e6, -1e6])):
                layer.bias.copy_(torch.tensor(biases))


@pytest.mark.parametrize(
    ("build", "share"),
    [
        (Dead, 3 / 5),
        (Functional, 1 / 2),
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1)), 0),
        (lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1)), np.nan),
        (Residual, np.nan),
    ],
    ids=["dead", "functional", "alive", "no ReLU", "general"],
)
def test_the_share_of_dead_units_is_counted_over_all_relu_layers(two_splits, build, share):
    plan = plan_stack(build, two_splits, Recipe(epochs=1, lr=0.0), seeds=SEEDS, splits=SPLITS)
    _, _, dead = trained(plan, two_splits)
    np.testing.assert_allclose(dead, [share] * 6, rtol=0, atol=1e-6)


def test_a_unit_that_is_active_only_for_test_rows_is_dead(two_splits):
    X = np.zeros_like(two_splits.X)
    X[90, 0] = 100.0  # a test row of the first split, a training row of the second
    table = TrainingData(X, two_splits.y, two_splits.train, two_splits.test)

    def build():
        network = nn.Sequential(nn.Linear(5, 1), nn.ReLU(), nn.Linear(1, 1))
        nn.init.ones_(network[0].weight)
        nn.init.constant_(network[0].bias, -1.0)
        return network

    plan = plan_stack(build, table, Recipe(epochs=1, lr=0.0), seeds=SEEDS, splits=SPLITS)
    assert trained(plan, table)[2].tolist() == [1, 1, 1, 0, 0, 0]


def test_a_network_that_diverged_has_no_share_of_dead_units(two_splits):
    plan = plan_stack(KINDS["relu"], two_splits, Recipe(epochs=4, lr=1e30), seeds=SEEDS, splits=SPLITS)
    curves, _, dead = trained(plan, two_splits)
    assert np.isnan(curves[0, -1]).all()
    assert np.isnan(dead).all()

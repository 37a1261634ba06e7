"""Rows that are read in windows give the same results as rows in memory in the same order."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.data import on_disk, spill
from seedbed.errors import TrainingError
from seedbed.networks import MLP
from seedbed.settings import Recipe
from seedbed.training import TrainingData, plan_stack, train_chunk
from seedbed.training.randomness import shuffled
from seedbed.training.rows import WindowedTable

ROWS, FEATURES, SPLITS, EPOCHS = 400, 3, 2, 3
SEEDS, OF_SPLIT = (3, 8, 5, 1), (0, 1, 1, 0)
RECIPE = Recipe(optimizer="adam", lr=0.01, epochs=EPOCHS, batch_size=32)


class Doubled(nn.Module):
    """Not sequential: it uses its inputs twice."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, 4), nn.Linear(FEATURES, 1)

    def forward(self, x):
        return self.last(x) + self.first(x).relu().mean(1, keepdim=True)


NETWORKS = {
    "relu": lambda: nn.Sequential(nn.Linear(FEATURES, 4), nn.ReLU(), nn.Linear(4, 1)),
    "batch norm": lambda: nn.Sequential(nn.Linear(FEATURES, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)),
    "dropout": lambda: nn.Sequential(nn.Linear(FEATURES, 8), nn.Dropout(0.3), nn.Linear(8, 1)),
    "residual": lambda: MLP((4, 4), "tanh", residual=True)(FEATURES, 1),
    "periodic": lambda: MLP((4,), "tanh", plr=3)(FEATURES, 1),
    "piecewise": lambda: MLP((4,), "tanh", ple=6)(FEATURES, 1),
    "embeddings": lambda: MLP((4,), "tanh", ple=6, numbers=(0,), embed=1, categories=((1, 2),))(FEATURES, 1),
    "general": Doubled,
}


@pytest.fixture(autouse=True)
def tiny_windows(monkeypatch):
    """Use windows of 57 rows, and evaluation blocks of 64, the minimum."""
    monkeypatch.setattr(on_disk, "WINDOW_BYTES", 8 * FEATURES * 57)
    monkeypatch.setattr("seedbed.training.rows._ACTIVATIONS", 1)


@pytest.fixture(scope="module")
def in_memory():
    """Two splits with different rows: the first never tests the later rows, and neither trains on them."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(ROWS, FEATURES))
    train, test = np.zeros((2, ROWS, SPLITS))
    mixed = rng.permutation(360)
    for split, (first, last) in enumerate([(0, 100), (100, 200)]):
        test[mixed[first:last], split] = 1
        train[np.setdiff1d(mixed, mixed[first:last]), split] = 1
    y = (X[:, 0] + X[:, 1] ** 2 > 0.8).astype(np.int64)
    scale, shift = rng.uniform(0.5, 2, (2, FEATURES, SPLITS))
    return TrainingData(X, y, train, test, scale, shift)


@pytest.fixture
def on_the_disk(in_memory, monkeypatch):
    """The same rows in a file, in another order."""
    monkeypatch.setattr(on_disk, "LARGE_BYTES", 1)
    order = np.random.default_rng(9).permutation(ROWS)
    parts = {name: spill(getattr(in_memory, name)[order]) for name in ("X", "y", "train", "test")}
    return dataclasses.replace(in_memory, **parts, order=order)


def in_the_windows_order(data, monkeypatch):
    """Give minibatches from memory the order of windows, computed here independently."""
    order = data.order

    def drawn(n, seed, epoch):
        split = OF_SPLIT[SEEDS.index(seed)]
        starts = list(range(0, ROWS, 57))
        rows = []
        for turn in shuffled(len(starts), 0, epoch).tolist():
            window = np.arange(starts[turn], min(starts[turn] + 57, ROWS))
            own = window[data.train[window, split] > 0]
            rows += order[own[shuffled(len(own), seed, epoch, turn).numpy()]].tolist()
        there = np.sort(rows)
        assert len(there) == n
        return torch.from_numpy(np.searchsorted(there, rows))

    monkeypatch.setattr("seedbed.training.rows.shuffled", drawn)


def trained(build, data, recipe=RECIPE, **options):
    options = {"dtype": "float64", "keep_networks": True, **options}
    plan = plan_stack(build, data, recipe, seeds=SEEDS, splits=OF_SPLIT, **options)
    return {member: (result, column) for chunk in plan.chunks for result in [train_chunk(chunk, data)]
            for column, member in enumerate(chunk.members)}  # fmt: skip


def assert_alike(found, expected, tolerance=1e-9):
    for (one, column), (other, place) in zip(found.values(), expected.values(), strict=True):
        close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
        close(one.curves[:, :, column], other.curves[:, :, place])
        close(one.outputs[:, :, column], other.outputs[:, :, place], rtol=1e-5, atol=1e-6)
        close(one.dead[column], other.dead[place])
        for name, value in one.states[column].items():
            close(value, other.states[place][name])


@pytest.mark.parametrize("kind", NETWORKS)
def test_windows_equal_memory_for_the_same_order(kind, in_memory, on_the_disk, monkeypatch):
    found = trained(NETWORKS[kind], on_the_disk)
    in_the_windows_order(on_the_disk, monkeypatch)
    assert_alike(found, trained(NETWORKS[kind], in_memory))


def test_windows_equal_memory_for_regressions_and_row_weights(in_memory, on_the_disk, monkeypatch):
    weights = np.random.default_rng(3).integers(1, 4, size=(ROWS, 1))
    y, units = np.random.default_rng(2).normal(size=ROWS), np.array([1.5, 0.5])
    numeric = {"target_scale": units, "target_shift": units[::-1].copy()}
    order = on_the_disk.order
    memory = dataclasses.replace(in_memory, y=y, train=in_memory.train * weights, **numeric)
    disk = dataclasses.replace(on_the_disk, y=y[order], train=on_the_disk.train * weights[order], **numeric)
    found = trained(NETWORKS["relu"], disk)
    in_the_windows_order(disk, monkeypatch)
    assert_alike(found, trained(NETWORKS["relu"], memory))


def test_every_row_is_trained_on_once_per_epoch_in_full_batches(on_the_disk):
    plan = plan_stack(NETWORKS["relu"], on_the_disk, RECIPE, seeds=SEEDS, splits=OF_SPLIT)
    (chunk,) = plan.chunks
    seen = []
    for rows in (on_the_disk.X, -np.asarray(on_the_disk.X)):
        data = dataclasses.replace(on_the_disk, X=rows)
        training = WindowedTable(placing_of(chunk, data), data.loss("bce", 1), 1, 4)
        batches = list(training.batches(1))
        assert [len(batch.weights) for batch, _, _ in batches] == [32] * training.n_steps
        assert torch.cat([share[None] for *_, share in batches]).sum(0).tolist() == [260.0] * 4
        seen.append(torch.cat([batch.inputs.X * (batch.weights[:, None] > 0) for batch, _, _ in batches]))
    assert torch.equal(seen[0], -seen[1])
    own = np.asarray(on_the_disk.X)[on_the_disk.train[:, 1] > 0].astype(np.float32)
    found = seen[0][:, :, 1].numpy()
    np.testing.assert_array_equal(np.sort(found[found.any(1)], axis=0), np.sort(own, axis=0))


def placing_of(chunk, data):
    from seedbed.training.inputs import Placing

    return Placing(data, chunk.splits, chunk.seeds, chunk.recipe.batch_size, True, False, torch.device("cpu"),
                   torch.float32)  # fmt: skip


def test_a_network_does_not_depend_on_others_in_its_windows(on_the_disk):
    together = trained(NETWORKS["relu"], on_the_disk)
    plan = plan_stack(NETWORKS["relu"], on_the_disk, RECIPE, seeds=[8], splits=[1], dtype="float64")
    alone = train_chunk(plan.chunks[0], on_the_disk)
    result, column = together[1]
    np.testing.assert_allclose(alone.curves[:, :, 0], result.curves[:, :, column], rtol=1e-9)


def test_unused_outputs_take_no_memory(on_the_disk):
    found = trained(NETWORKS["relu"], on_the_disk, keep_outputs=False)
    expected = trained(NETWORKS["relu"], on_the_disk)
    assert {result.outputs.shape for result, _ in found.values()} == {(0, 1, 4)}
    np.testing.assert_array_equal(found[0][0].curves, expected[0][0].curves)


def test_all_rows_in_one_step_are_refused(on_the_disk):
    plan = plan_stack(NETWORKS["relu"], on_the_disk, Recipe(epochs=1), seeds=[0], splits=[0])
    with pytest.raises(TrainingError, match="400 rows are too many for one step"):
        train_chunk(plan.chunks[0], on_the_disk)


MORE = {"schedule": "cosine", "decay_biases": False, "weight_decay": 0.3, "label_smoothing": 0.1, "clip_norm": 0.1}


@pytest.mark.product
@pytest.mark.parametrize("recipe", [{"schedule": "cosine", "warmup": 0.2}, {"schedule": "onecycle"}, MORE], ids=str)
@pytest.mark.parametrize("kind", ["relu", "general"])
def test_windows_equal_memory_with_a_full_recipe(kind, recipe, in_memory, on_the_disk, monkeypatch):
    settings = dataclasses.replace(RECIPE, **recipe)
    found = trained(NETWORKS[kind], on_the_disk, settings)
    in_the_windows_order(on_the_disk, monkeypatch)
    assert_alike(found, trained(NETWORKS[kind], in_memory, settings))

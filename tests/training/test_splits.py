"""Several splits in one stack: a network gets its own rows, and nothing of its test rows."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from seedbed.networks.network import Network
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.losses import pick_loss, target_of_loss
from seedbed.training.many import train_many
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk
from seedbed.training.torch.reference import PlainRows
from seedbed.training.torch.states import build_network

from .plain_loop import (
    Residual,
    module_in_words,
    network_in_words,
    train_plan,
    train_reference,
)

pytestmark = pytest.mark.usefixtures("engine")

DRAWING = ("tanh:4@dropout=0.3", "residual dropout")
STEPS, SPLITS = 50, [(0, range(20)), (1, range(15, 40)), (2, range(40, 60))]


def build_of(kind, task):
    if kind.startswith("residual"):
        return lambda: Residual(
            task.n_outputs, dropout=0.3 if "dropout" in kind else 0.0
        )
    return network_in_words(kind, 5, task.n_outputs)


def tables(task):
    """The shared table, and the rows of each split: (X, training rows, test rows)."""
    X = task.X[:60] * [1.0, 3.0, 0.2, 10.0, 1.0] + [0.0, 2.0, -1.0, 5.0, 0.0]
    X = (X - X.mean(0)) / X.std(0)
    train, test, own = np.zeros((60, 3)), np.zeros((60, 3)), []
    for split, rows in SPLITS:
        test_rows = np.array(rows)
        train_rows = np.setdiff1d(np.arange(60), test_rows)
        train[train_rows, split], test[test_rows, split] = 1, 1
        own.append((X, train_rows, test_rows))
    return TrainingData(X, task.y[:60], train, test), own


@pytest.mark.few(2)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize(
    "kind", ["relu:4", "tanh:4,3@layernorm", "relu:4@batchnorm", "residual", *DRAWING]
)
@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_networks_of_three_splits_equal_the_reference(task, kind, batch_size, loss):
    build, (data, own) = build_of(kind, task(loss)), tables(task(loss))
    epochs = STEPS // 3 if batch_size else STEPS  # 3 minibatches
    recipe = Recipe.tutorial(
        epochs=epochs, lr=0.02, batch_size=batch_size, loss=loss, momentum=0.5
    )
    pairs = [(seed, split) for seed in (3, 8) for split in range(3)]
    seeds, splits = zip(*pairs, strict=True)
    plan = plan_chunks(
        Chunk(build, data, recipe, seeds=seeds, splits=splits, dtype="float64")
    )
    if plan[0].engine == "native" and not batch_size:
        assert len(plan) == 1  # they share one stack
    for (seed, split), (curves, shown, state) in zip(
        pairs, train_plan(plan), strict=True
    ):
        expected, network, outputs = alone(build, data, own[split], recipe, seed)
        assert_allclose(curves, expected, rtol=0, atol=1e-9)
        assert all(
            np.abs(value.numpy() - state[name]).max() < 1e-9
            for name, value in network.state_dict().items()
        )
        # outputs are kept in float32
        assert_allclose(shown[own[split][2]], outputs, atol=1e-6)
        assert np.isnan(shown[own[split][1]]).all()


def alone(build, data, own, recipe, seed):
    X, train, test = own
    loss = pick_loss(recipe.loss, data.y, 1)
    y = torch.from_numpy(target_of_loss(loss, data.y, 1, "float64"))
    X = torch.from_numpy(X)
    network = (
        module_in_words(build, seed=seed)
        if isinstance(build, Network)
        else build_network(build, seed)
    )
    numbers = torch.from_numpy(train.astype(np.int32))
    rows = PlainRows(X[train], y[train]), PlainRows(X[test], y[test])
    curves = train_reference(
        network.double(), *rows, recipe=recipe, loss=loss, seed=seed, numbers=numbers
    )
    return curves, network, network.eval()(X[test]).detach().numpy()


@pytest.mark.product
@pytest.mark.parametrize("loss", ["bce", "cross_entropy", "mse"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_integer_weight_equals_duplicated_rows(task, loss, optimizer):
    X, y, X_test, y_test = task(loss).parts
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    settings = dict(
        seeds=[3, 8], epochs=30, n_jobs=1, dtype="float64", optimizer=optimizer
    )
    weighted = train_many(
        "tanh:4", X, y, X_test, y_test, sample_weight=weights, loss=loss, **settings
    )
    rows = np.repeat(np.arange(len(X)), weights)
    repeated = train_many(
        "tanh:4", X[rows], y[rows], X_test, y_test, loss=loss, **settings
    )
    for curve in ("train_loss", "train_score", "test_loss", "test_score"):
        assert_allclose(
            getattr(weighted, curve), getattr(repeated, curve), rtol=0, atol=1e-9
        )
    assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-7)


def test_the_scale_of_row_weights_does_not_matter(task):
    parts = task("bce").parts
    weights = np.where(parts[1] == 1, 3.0, 1.0)
    settings = {"seeds": [4], "epochs": 20, "dtype": "float64", "lr": 0.1}
    once = train_many("relu:4", *parts, sample_weight=weights, **settings)
    tenfold = train_many(
        "relu:4", *parts, sample_weight=torch.from_numpy(weights * 10), **settings
    )
    plain = train_many("relu:4", *parts, **settings)
    assert_allclose(once.test_loss, tenfold.test_loss, rtol=0, atol=1e-12)
    assert np.abs(once.test_loss - plain.test_loss).max() > 1e-3

"""Rows outside a split's training set never change its parameters, not even through overflow."""

import dataclasses

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk

from .plain_loop import Residual, network_in_words, train_plan
from .test_any_module import Odd

pytestmark = pytest.mark.usefixtures("engine")

KINDS = "relu:4 tanh:4,3@dropout=0.3 relu:4@batchnorm silu:4@layernorm relu:64,64 residual exp".split()
KINDS += ["relu:4,4@residual", "tanh:4@plr=3", "tanh:4@ple=6"]
# rows that split 0 doesn't train on; those from 60 on are its test rows
FOREIGN = np.r_[0:20, 60:95]


@pytest.fixture(scope="module")
def table(task):
    """A function that makes two splits, which train on rows 20 to 59 and 0 to 49; the loss decides
    the kind of target."""

    def make(loss):
        train, test = np.zeros((95, 2)), np.zeros((95, 2))
        train[20:60, 0], train[:50, 1], test[60:, 0], test[50:, 1] = 1, 1, 1, 1
        weights = (part.astype(np.float32) for part in (train, test))
        return TrainingData(task(loss).X.astype(np.float32), task(loss).y, *weights)

    return make


def trained(kind, data, recipe):
    """Curves, outputs and state of the networks of split 0, which share their stack with networks
    of split 1."""
    n_outputs = 3 if recipe.loss == "cross_entropy" else 1
    # The second one overflows for inputs of a few hundred.
    own = dict(
        residual=lambda: Residual(n_outputs, dropout=0.0),
        exp=lambda: Odd(n_outputs, torch.exp),
    )
    build = own[kind] if kind in own else network_in_words(kind, 5, n_outputs)
    plan = plan_chunks(
        Chunk(build, data, recipe, seeds=[3, 8, 3, 8], splits=[0, 1, 0, 1])
    )
    return [
        (curves, outputs, state) for curves, outputs, state in train_plan(plan)[::2]
    ]


def changed(data, rows, value, rng):
    """Replace the inputs and targets of these rows."""
    X, y = data.X.copy(), data.y.copy()
    X[rows] = (
        rng.normal(size=X[rows].shape)
        if value is None
        else value * rng.choice([-1, 1], X[rows].shape)
    )
    y[rows] = rng.permutation(y[rows])
    return dataclasses.replace(data, X=X, y=y)


@pytest.mark.few(2)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("loss", ["bce", "cross_entropy", "mse"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_outside_the_training_set_do_not_change_parameters(
    table, kind, loss, batch_size
):
    data = table(loss)
    recipe = Recipe.tutorial(
        epochs=8, lr=0.05, loss=loss, batch_size=batch_size, optimizer="adam"
    )
    before = trained(kind, data, recipe)
    for size in (None, 1e3, 1e18, 1e30):
        after = trained(
            kind, changed(data, FOREIGN, size, np.random.default_rng(1)), recipe
        )
        for (curves, outputs, state), (curves2, outputs2, state2) in zip(
            before, after, strict=True
        ):
            assert all(
                np.array_equal(value, state2[name]) for name, value in state.items()
            ), size
            assert_array_equal(curves[:2], curves2[:2])
            # the change has an effect elsewhere
            assert not np.array_equal(outputs, outputs2, equal_nan=True)


@pytest.mark.few(3)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_a_split_does_not_use_change_none_of_its_results(
    table, kind, loss, batch_size
):
    data = table(loss)
    recipe = Recipe.tutorial(epochs=8, loss=loss, batch_size=batch_size)
    before = trained(kind, data, recipe)
    for value in (None, 1e30):
        after = trained(
            kind, changed(data, slice(0, 20), value, np.random.default_rng(1)), recipe
        )
        for (curves, outputs, _), (curves2, outputs2, _) in zip(
            before, after, strict=True
        ):
            assert_array_equal(curves, curves2)
            assert_array_equal(outputs, outputs2)
            assert np.isfinite(curves).all()


def test_inputs_decide_whether_a_table_has_huge_values(table):
    data = table("bce")
    assert not data.is_huge
    X = data.X.copy()
    X[3, 2] = -1e18
    assert dataclasses.replace(data, X=X).is_huge

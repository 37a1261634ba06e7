"""Each split's networks get an affine map of the table in which columns may be added to others, and a target in its
own units."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.errors import TrainingError
from seedbed.networks import MLP, parse_candidate
from seedbed.settings import Recipe
from seedbed.training import TrainingData, plan_stack, train_chunk
from seedbed.training.inputs import Inputs, _Added, across, expanded, folded
from seedbed.training.losses import encode_target
from seedbed.training.reference import Rows
from seedbed.training.stack import build_network

from .plain_loop import train_reference

pytestmark = pytest.mark.usefixtures("engine")

N, SPLITS = 75, 3
ALSO = np.array([0, 1, 2, 3, 4, 0, 8, 8, 8, 5])  # one flag and its number, two levels and their bucket, and a chain


class World(NamedTuple):
    """A table and, for each split, the explicit inputs and targets of its networks for all rows."""

    data: TrainingData
    seen: list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def world(task):
    """A function that makes a table of ten inputs by loss and kind of numbers."""

    def make(loss, dtype="float64"):
        rng = np.random.default_rng(7)
        X = np.hstack([task(loss).X[:N], rng.integers(0, 2, (N, 5))])
        scale, shift = rng.uniform(0.5, 1.5, (10, SPLITS)), rng.normal(0, 0.2, (10, SPLITS))
        scale[[6, 7], 0] = shift[[6, 7, 8], 0] = 0  # the levels of the first split are in their bucket only
        extra = np.where(np.arange(10) != ALSO, 1, 0)[:, None] * rng.uniform(-1, 1, (10, SPLITS))
        extra[6:, 2] = 0
        train = (np.arange(N)[:, None] % 4 != np.arange(SPLITS)).astype(float)
        train[:9] = 0  # rows that no split uses
        test = np.where(np.arange(N)[:, None] < 9, 0, 1 - train)
        units = {"target_scale": rng.uniform(0.5, 2, SPLITS), "target_shift": rng.normal(size=SPLITS)}
        units = units if loss == "mse" else {}
        shared = X, task(loss).y[:N], train, test, scale, shift, ALSO, extra
        floats = [part.astype(dtype) if part.dtype == float else part for part in shared]
        data = TrainingData(*floats, **{name: value.astype(dtype) for name, value in units.items()})
        return World(data, [seen_by(data, split) for split in range(SPLITS)])

    return make


def seen_by(data, split):
    E = np.zeros((10, 10))
    E[np.arange(10), ALSO] = data.extra[:, split]
    X = data.X.astype(np.float64)
    y = data.y if data.target_scale is None else data.target_scale[split] * data.y + data.target_shift[split]
    return X * data.scale[:, split] + data.shift[:, split] + X @ E, y


class Residual(nn.Module):
    """A module that is not sequential, which uses the general method."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.inner, self.last = nn.Linear(n_features, n_features), nn.Linear(n_features, n_outputs)

    def forward(self, x):
        return self.last(x + torch.tanh(self.inner(x)))


def build_of(kind, loss):
    n_outputs = 3 if loss == "cross_entropy" else 1
    if kind == "residual":
        return lambda: Residual(10, n_outputs)
    if kind == "no linear layer first":
        return lambda: nn.Sequential(nn.Tanh(), nn.Linear(10, 4), nn.SiLU(), nn.Linear(4, n_outputs))
    if kind == "some inputs embedded":
        reported = MLP((4,), "tanh", ple=4, numbers=(0, 1, 5), embed=2, categories=((2, 3, 8), (4, 7)))
        return lambda: reported(10, n_outputs)
    return lambda: parse_candidate(kind).architecture(10, n_outputs)


def trained(world, kind, recipe, *, dtype="float64", stops=None, lrs=None):
    """Return the plan, and (curves, outputs, state) of each network with seeds 3 and 8 on each split."""
    n = 2 * SPLITS
    build = build_of(kind, recipe.loss)
    plan = plan_stack(
        build, world.data, recipe, seeds=[3] * SPLITS + [8] * SPLITS, splits=[*range(SPLITS)] * 2,
        dtype=dtype, keep_networks=True,
    )  # fmt: skip
    plan = plan.trained_with(lrs or [recipe.lr] * n, stops or [recipe.epochs] * n)
    found = [None] * n
    for chunk in plan.chunks:
        result = train_chunk(chunk, world.data)
        for i, member in enumerate(chunk.members):
            found[member] = result.curves[:, :, i], result.outputs[:, :, i], result.states[i]
    return found


def alone(world, kind, recipe, seed, split):
    """Return curves, outputs for the test rows and state of the plain loop on the explicit inputs of the split."""
    data, (X, y) = world.data, world.seen[split]
    network = build_network(build_of(kind, recipe.loss), seed).double()
    loss = data.loss(recipe.loss, 3 if recipe.loss == "cross_entropy" else 1)
    X, y = torch.from_numpy(X), encode_target(loss, y, 3 if recipe.loss == "cross_entropy" else 1, torch.float64)
    train, test = (part[:, split].nonzero()[0] for part in (data.train, data.test))
    curves = train_reference(
        network, Rows(X[train], y[train]), Rows(X[test], y[test]), recipe=recipe, loss=loss, seed=seed,
        numbers=torch.from_numpy(train.astype(np.int32)),
    )  # fmt: skip
    return curves, network.eval()(X[test]).detach().numpy(), network.state_dict()


def assert_equal_to_the_reference(world, kind, recipe, found, tolerance=1e-9, lrs=None):
    for i, (curves, outputs, state) in enumerate(found):
        own = recipe if lrs is None else Recipe(**{**vars(recipe), "lr": lrs[i]})
        expected, shown, values = alone(world, kind, own, (3, 8)[i // SPLITS], i % SPLITS)
        np.testing.assert_allclose(curves[[0, 2]], expected[[0, 2]], rtol=0, atol=tolerance)
        if tolerance < 1e-6:
            np.testing.assert_allclose(curves, expected, rtol=0, atol=tolerance)
            assert all((value - state[name]).abs().max() < tolerance for name, value in values.items())
        tested = world.data.test[:, i % SPLITS] > 0
        np.testing.assert_allclose(outputs[tested], shown, rtol=1e-6, atol=max(tolerance, 1e-6))
        assert np.isnan(outputs[~tested]).all()
        assert outputs.shape == (N, shown.shape[1])


KINDS = [
    "relu:4",
    "relu:4,3",
    "tanh:4@dropout=0.3",
    "tanh:4@batchnorm",
    "logistic",
    "tanh:4,4@residual",
    "tanh:4@plr=3",
    "tanh:4@ple=6",
    "some inputs embedded",
    "no linear layer first",
    "residual",
]
OPTIMIZERS = [{"momentum": 0.5}, {"optimizer": "adam"}, {"optimizer": "adamw"}]
LOSSES = ["bce", "cross_entropy", "mse"]
SIZES = pytest.mark.parametrize("batch_size", [None, 20], ids=["full", "minibatch"])


def fifty_steps(loss, batch_size, **more):
    return Recipe(epochs=50 if batch_size is None else 13, lr=0.03, loss=loss, batch_size=batch_size, **more)


@pytest.mark.product
@SIZES
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_networks_with_a_map_equal_the_reference_on_mapped_rows(world, loss, kind, batch_size):
    recipe = fifty_steps(loss, batch_size, momentum=0.5)
    found = trained(world(loss), kind, recipe)
    assert_equal_to_the_reference(world(loss), kind, recipe, found)


@pytest.mark.product
@SIZES
@pytest.mark.parametrize("more", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_networks_with_a_map_equal_the_reference_with_every_optimizer_and_rate(world, loss, more, batch_size):
    recipe, lrs = fifty_steps(loss, batch_size, **more), [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    found = trained(world(loss), "tanh:4", recipe, lrs=lrs)
    assert_equal_to_the_reference(world(loss), "tanh:4", recipe, found, lrs=lrs)


@pytest.mark.product
@SIZES
@pytest.mark.parametrize("loss", LOSSES)
def test_networks_with_a_map_equal_the_reference_to_four_digits_in_float32(world, loss, batch_size):
    recipe = fifty_steps(loss, batch_size)
    found = trained(world(loss, "float32"), "tanh:4", recipe, dtype="float32")
    assert_equal_to_the_reference(world(loss), "tanh:4", recipe, found, tolerance=1e-4)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_outputs_at_a_stop_equal_a_training_that_ends_there(world, loss):
    made, stops = world(loss), [2, 5, 9, 9, 2, 5]
    found = trained(made, "relu:4", Recipe(epochs=9, loss=loss), stops=stops)
    for i, stop in enumerate(stops):
        (_, expected, _) = trained(made, "relu:4", Recipe(epochs=stop, loss=loss))[i]
        np.testing.assert_allclose(found[i][1], expected, rtol=0, atol=1e-6)


def test_a_column_that_is_added_to_no_other_changes_nothing(world):
    data, recipe = world("bce").data, Recipe(epochs=5, loss="bce")
    plain = dataclasses.replace(data, also=None, extra=None)
    idle = dataclasses.replace(plain, also=np.arange(10), extra=data.extra * 0)
    for kind in ("relu:4", "residual"):
        one, two = (trained(World(table, []), kind, recipe) for table in (plain, idle))
        assert all(np.array_equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    assert across(torch.arange(10), torch.zeros(10, 3)) is None


def test_both_ways_to_fold_the_map_have_its_values_and_gradients(world):
    data = world("bce").data
    X, scale, shift, extra = (torch.from_numpy(part) for part in (data.X, data.scale, data.shift, data.extra))
    idle = torch.from_numpy(np.arange(10) == ALSO)[:, None]  # any value; it isn't
    inputs = Inputs(X, scale, shift, across(torch.from_numpy(ALSO), torch.where(idle, 9.0, extra)))
    weight = torch.randn(10, 4, SPLITS, dtype=torch.float64, requires_grad=True)
    seen = torch.stack([torch.from_numpy(x) for x, _ in world("bce").seen], -1)
    torch.testing.assert_close(expanded(inputs, SPLITS), seen)
    expected = torch.einsum("rfn,fun->run", seen, weight)
    upstream = torch.randn_like(expected)
    gradient = torch.autograd.grad((expected * upstream).sum(), weight)[0]
    own, bias = folded(inputs, weight, None)
    compilers = weight * scale[:, None] + _Added.apply(weight, *inputs.across)
    for way in (own, compilers):
        found = torch.einsum("rf,fun->run", X, way) + bias
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            torch.autograd.grad((found * upstream).sum(), weight, retain_graph=True)[0], gradient
        )


def test_r2_is_computed_in_scaled_units_and_unknown_for_a_constant_target(world):
    made = world("mse")
    data = made.data
    y = np.where(data.test[:, 1] > 0, 0.1, data.y)  # the test rows of the second split
    table = dataclasses.replace(data, y=y)
    recipe = Recipe(epochs=3, loss="mse")
    for i, (curves, _, _) in enumerate(trained(World(table, []), "tanh:4", recipe)):
        target = seen_by(table, i % SPLITS)[1]
        for row, part in ((1, data.train), (3, data.test)):
            variance = target[part[:, i % SPLITS] > 0].var()
            expected = 1 - curves[row - 1] / variance if (row, i % SPLITS) != (3, 1) else np.full(3, np.nan)
            np.testing.assert_allclose(curves[row], expected, rtol=0, atol=1e-9)


def test_a_target_with_a_scale_is_numeric_even_with_values_zero_and_one(world):
    data = world("mse").data
    table = dataclasses.replace(data, y=(data.y > 0).astype(float))
    assert table.loss("auto", 1).name == table.loss("mse", 1).name == "mse"
    with pytest.raises(TrainingError, match=r"loss bce is for classes, and the target has a scale. Use mse"):
        table.loss("bce", 1)
    auto, given = (trained(World(table, []), "tanh:4", Recipe(epochs=3, loss=loss)) for loss in ("auto", "mse"))
    assert all(np.array_equal(a[0], b[0], equal_nan=True) for a, b in zip(auto, given, strict=True))

"""Fixtures for the tests of the engine: small tasks, and the comparison with the reference."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.evaluation.single_runs import CURVES
from seedbed.networks.candidate import candidate_from
from seedbed.networks.mlp import MLP
from seedbed.settings.recipe import Recipe
from seedbed.training import planning
from seedbed.training.data import TrainingData
from seedbed.training.losses import pick_loss, target_of_loss
from seedbed.training.many import History, train_many
from seedbed.training.native.library import Kernel
from seedbed.training.torch.reference import PlainRows
from seedbed.training.torch.states import build_network

from .plain_loop import module_in_words, train_reference

FEATURES = 5


@dataclass(frozen=True, eq=False)
class Task:
    """A small table: 70 training rows and 25 test rows."""

    loss: str
    n_outputs: int
    X: np.ndarray
    y: np.ndarray
    n_train: int = 70

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """X_train, y_train, X_test, y_test."""
        n = self.n_train
        return self.X[:n], self.y[:n], self.X[n:], self.y[n:]


@dataclass(frozen=True)
class Gap:
    """The largest differences between a stack and the reference."""

    curves: float
    parameters: float
    outputs: float
    history: History


@functools.cache
def make_task(loss: str) -> Task:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(95, FEATURES))
    z = X[:, 0] + X[:, 1] ** 2 - 0.5 * X[:, 2] + 0.5 * rng.normal(size=95)
    # A new loss in the registry needs a line here; all laws below are then tested for it.
    n_outputs, y = dict(
        bce=(1, (z > 0.7).astype(np.int64)),
        cross_entropy=(3, np.digitize(z, [0.2, 1.3])),
        mse=(1, z),
    )[loss]
    return Task(loss, n_outputs, X, y)


@pytest.fixture(params=["native", "units", "torch"])
def engine(request, monkeypatch):
    """Each engine: the kernel for the networks that it supports, the same with units in vector
    lanes for layers of any width, and torch as without a compiler."""
    if request.param == "units":
        monkeypatch.setattr("seedbed.networks.kernel_program._WIDE", 0)
        monkeypatch.setattr("seedbed.networks.kernel_program._MOST_PADDING", math.inf)
    if request.param == "torch":
        monkeypatch.setattr(planning, "kernel", lambda dtype: Kernel(None, ""))
    else:
        find = planning.traits_of

        def traits_of(*args):
            traits = find(*args)
            return (
                traits
                if traits.program or not traits.network
                else pytest.xfail("the kernel lacks these")
            )

        monkeypatch.setattr(planning, "traits_of", traits_of)
    return request.param


@pytest.fixture(scope="session")
def task() -> Callable[[str], Task]:
    """A function that returns a small task by the name of its loss."""
    return make_task


@pytest.fixture(scope="session")
def two_splits(task: Callable[[str], Task]) -> TrainingData:
    """Two splits: 70 rows train and 25 test, and two thirds the other way round."""
    table = task("bce")
    train = np.zeros((95, 2))
    train[:70, 0], train[33:, 1] = 1, 1
    return TrainingData(table.X, table.y, train, 1 - train)


@pytest.fixture(scope="session")
def reference() -> Callable[..., tuple[np.ndarray, nn.Module]]:
    """A function that returns curves and network of the plain loop for an architecture with a seed.
    Each is trained once for all engines; tests must not change it."""

    @functools.cache
    def run(
        architecture: MLP | Callable[[int, int], nn.Module],
        task: Task,
        seed: int,
        recipe: Recipe,
        dtype: torch.dtype = torch.float64,
    ) -> tuple[np.ndarray, nn.Module]:
        loss = pick_loss(recipe.loss, task.y, task.n_outputs)
        X, y = (
            torch.from_numpy(part).to(dtype)
            for part in (task.X, target_of_loss(loss, task.y, task.n_outputs, "d"))
        )
        if isinstance(architecture, MLP):
            network = module_in_words(
                architecture, FEATURES, task.n_outputs, seed, X[: task.n_train].numpy()
            )
        else:
            network = build_network(
                lambda: architecture(FEATURES, task.n_outputs), seed
            )
        network = network.to(dtype)
        train = PlainRows(X[: task.n_train], y[: task.n_train])
        test = PlainRows(X[task.n_train :], y[task.n_train :])
        return train_reference(
            network, train, test, recipe=recipe, loss=loss, seed=seed
        ), network.eval()

    return run


@pytest.fixture(scope="session")
def gap(reference: Callable[..., tuple[np.ndarray, nn.Module]]) -> Callable[..., Gap]:
    """A function that returns the distance of a float64 stack of two seeds from the reference after
    at least 50 steps."""

    def measure(
        architecture: str | MLP | Callable[[int, int], nn.Module],
        task: Task,
        **recipe: Any,
    ) -> Gap:
        steps_an_epoch = -(-task.n_train // (recipe.get("batch_size") or task.n_train))
        recipe = dict(epochs=-(-50 // steps_an_epoch), lr=0.05, loss=task.loss) | recipe
        architecture = (
            candidate_from(architecture).architecture
            if isinstance(architecture, str)
            else architecture
        )
        in_words = isinstance(architecture, MLP)
        build = (
            architecture
            if in_words
            else functools.partial(architecture, FEATURES, task.n_outputs)
        )
        history = train_many(
            build, *task.parts, seeds=[3, 8], n_jobs=1, dtype="float64", **recipe
        )
        worst = [0.0, 0.0, 0.0]
        for index, (seed, stacked) in enumerate(
            zip(history.seeds, history.networks(), strict=True)
        ):
            curves, alone = reference(
                architecture, task, seed, Recipe.tutorial(**recipe)
            )
            mine = np.stack([getattr(history, name)[:, index] for name in CURVES])
            X = torch.from_numpy(task.X)
            state = stacked.state_dict()
            expected = alone.state_dict()
            found = (
                np.abs(mine - curves).max(),
                max(
                    float((state[name] - expected[name]).abs().max())
                    for name in expected
                ),
                float((stacked(X) - alone(X)).detach().abs().max()),
            )
            worst = [max(pair) for pair in zip(worst, map(float, found), strict=True)]
        return Gap(*worst, history)

    return measure

"""32 shapes of modules: each network equals a loop as its user writes it, whatever trains it, and
most aren't trained by such a loop."""

import copy
import dataclasses
import functools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import seedbed as sb
from seedbed.evaluation.single_runs import CURVES
from seedbed.model import members
from seedbed.settings.recipe import Recipe
from seedbed.training.data import one_split
from seedbed.training.many import train_many
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk
from seedbed.training.torch.states import state_dict_of

from .plain_loop import users_loop
from .shapes import DRAWING, SHAPES

EXACT = [name for name in SHAPES if name not in DRAWING]
# Of all shapes: those whose networks are trained together. A step of the LSTM is too large for that to
# be quicker.
LEAST_STACKED = 25


@functools.cache
def parts_of_table():
    """X_train, y_train, X_test, y_test: 60 and 20 rows, ten numbers and two columns of codes."""
    rng = np.random.default_rng(4)
    X = np.column_stack(
        [rng.normal(size=(80, 10)), rng.integers(0, 7, 80), rng.integers(0, 5, 80)]
    )
    y = (X[:, 0] + X[:, 1] * X[:, 2] + X[:, 10] / 3 + rng.normal(size=80) > 1).astype(
        float
    )
    return X[:60], y[:60], X[60:], y[60:]


def by_engine(build, seeds, **recipe):
    options = (
        dict(loss="bce", n_jobs=1, dtype="float64", momentum=0.9, epochs=5, lr=0.05)
        | recipe
    )
    return train_many(build, *parts_of_table(), seeds=seeds, **options)


def by_loop(build, seed, *, epochs=5, lr=0.05, batch_size=0):
    """Return the curves [4, epoch] and the network."""
    torch.manual_seed(seed)
    network = build(12, 1).double()
    parts = [torch.from_numpy(part) for part in parts_of_table()]
    how = dict(epochs=epochs, lr=lr, momentum=0.9, batch_size=batch_size, seed=seed)
    return users_loop(network, parts, **how)[0], network


def assert_equal_states(network, other):
    state, expected = state_dict_of(network), state_dict_of(other)
    assert [*state] == [*expected]
    assert (
        max(
            float((state[name] - value).abs().max()) for name, value in expected.items()
        )
        < 1e-9
    )


@pytest.mark.few(4)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("name", EXACT)
def test_each_network_equals_the_users_loop_to_rounding(name, batch_size):
    build = SHAPES[name]
    history = by_engine(build, [3, 8, 5], batch_size=batch_size)
    predictions = history.predict(parts_of_table()[2])
    for place, (seed, network) in enumerate(
        zip(history.seeds, history.networks(), strict=True)
    ):
        curves, alone = by_loop(build, seed, batch_size=batch_size)
        mine = np.stack([getattr(history, curve)[:, place] for curve in CURVES])
        assert_allclose(mine, curves, rtol=0, atol=1e-9)
        assert_equal_states(network, alone)
        outputs = (
            alone.eval()(torch.from_numpy(parts_of_table()[2]))
            .reshape(-1)
            .sigmoid()
            .detach()
        )
        assert_allclose(predictions[:, place], outputs, rtol=0, atol=1e-9)


@pytest.mark.few(2)
@pytest.mark.product
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", EXACT[::3])
def test_a_network_that_diverges_leaves_its_neighbours_exact(name, value):
    def poisoned(n_features, n_outputs):
        network = SHAPES[name](n_features, n_outputs)
        for parameter in network.parameters() if torch.initial_seed() == 8 else ():
            nn.init.constant_(parameter, value)
        return network

    recipe = dict(batch_size=16, clip_norm=0.1, label_smoothing=0.1, schedule="cosine")
    healthy, sick = (
        by_engine(build, [3, 8, 5], **recipe) for build in (SHAPES[name], poisoned)
    )
    assert sick.diverged.tolist() == [False, value != 1e30 or sick.diverged[1], False]
    # of functions that take another path for a vector with a large number
    rounding = 1e-14 if value == 1e30 else 0
    for curve in CURVES:
        mine, others = (
            getattr(history, curve)[:, [0, 2]] for history in (sick, healthy)
        )
        assert_allclose(mine, others, rtol=rounding, atol=0)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", DRAWING)
def test_a_module_that_draws_starts_as_in_loop_and_draws_from_same_distribution(name):
    epochs, build = 150, SHAPES[name]
    # so that all epochs draw for the same parameters
    history = by_engine(build, [3, 8, 5], epochs=epochs, lr=0.0)
    for place, (seed, network) in enumerate(
        zip(history.seeds, history.networks(), strict=True)
    ):
        curves, alone = by_loop(build, seed, epochs=epochs, lr=0.0)
        assert_equal_states(network, alone)
        # which draws nothing
        assert_allclose(history.test_loss[:, place], curves[2], rtol=0, atol=1e-9)
        mine, losses = history.train_loss[:, place], curves[0]
        assert len(set(mine)) == epochs
        assert (
            abs(mine.mean() - losses.mean())
            < 4 * np.hypot(mine.std(), losses.std()) / epochs**0.5
        )
        assert 0.72 < mine.std() / losses.std() < 1.39  # four standard errors


@pytest.mark.few(1)
@pytest.mark.parametrize("name", DRAWING)
def test_networks_that_draw_learn_as_in_the_loop_each_with_draws_of_its_own(name):
    build, seeds = SHAPES[name], range(40)
    history = by_engine(build, seeds, epochs=12)
    losses = np.array(
        [by_loop(build, seed, epochs=12)[0][[0, 2], -1] for seed in seeds]
    )
    gaps = np.stack([history.train_loss[-1], history.test_loss[-1]], 1) - losses
    assert (np.abs(gaps.mean(0)) < 4 * gaps.std(0, ddof=1) / len(seeds) ** 0.5).all()
    start = build(12, 1)
    assert len(
        set(by_engine(lambda: copy.deepcopy(start), seeds, epochs=1).train_loss[0])
    ) == len(seeds)
    if name in (
        "dropout",
        "residual_dropout",
    ):  # other draws also depend on the networks beside
        fewer = by_engine(build, [7, 2], epochs=12)
        assert_allclose(
            fewer.test_loss, history.test_loss[:, [7, 2]], rtol=0, atol=1e-9
        )


@pytest.mark.slow
def test_most_shapes_are_not_trained_one_network_after_the_other():
    data = one_split(parts_of_table()[:2], parts_of_table()[2:], None, "float32")
    recipe = Recipe.tutorial(epochs=5)
    engines = {}
    for name, shape in SHAPES.items():
        build = functools.partial(shape, 12, 1)
        engines[name] = plan_chunks(
            Chunk(build, data, recipe, seeds=range(3), splits=[0] * 3)
        )[0].engine
    assert sum(engine != "plain" for engine in engines.values()) >= LEAST_STACKED, (
        engines
    )


@pytest.mark.few(2)
@pytest.mark.parametrize("name", [*SHAPES][::4])
def test_comparisons_and_estimators_train_every_shape_as_the_plain_loop_does(
    monkeypatch, name
):
    (X, y) = (np.concatenate(parts_of_table()[part::2]) for part in (0, 1))
    build = SHAPES[name]

    def predictions():
        # Adam divides rounding errors by their size
        recipe = dict(epochs=3, optimizer="sgd", lr=0.05)
        classifier = sb.SeedbedClassifier(
            build, n_networks=2, random_state=0, n_jobs=1, **recipe
        ).fit(X, y)
        design = sb.Design(repeats=1, folds=2, n_networks=2, baselines=())
        options = dict(
            recipe="tutorial", epochs=3, design=design, compute=sb.Compute(n_jobs=1)
        )
        return classifier.predict_proba(X), sb.compare(
            X, y, candidates={name: build}, **options
        )[name].predictions

    found = predictions()
    monkeypatch.setattr(
        members,
        "plan_chunks",
        lambda whole: plan_chunks(dataclasses.replace(whole, engine="plain")),
    )
    for mine, alone in zip(found, predictions(), strict=True):
        assert np.isfinite(mine).all()
        assert name in DRAWING or np.abs(mine - alone).max() < 1e-4

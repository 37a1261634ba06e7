"""Schedules of the learning rate equal torch's; the rate depends only on the number of the step."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seedbed.networks import parse_candidate
from seedbed.settings import Recipe
from seedbed.training import Savepoint, plan_stack, train_chunk, train_many
from seedbed.training.data import one_split
from seedbed.training.optimizers import make_torch_schedule, rate_factors

pytestmark = pytest.mark.usefixtures("engine")

COURSES = [
    {"schedule": "cosine"},
    {"schedule": "onecycle"},
    {"warmup": 0.3},
    {"schedule": "cosine", "warmup": 0.2},
]
SEEDS, SPLITS, LRS = [3, 8, 4, 5], [0, 0, 1, 1], [0.1, 0.3, 0.05, 0.2]


def torchs(recipe, steps_an_epoch):
    """Return the rates of torch's scheduler."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], recipe.lr)
    schedule = make_torch_schedule(recipe, optimizer, steps_an_epoch)
    rates = []
    for _ in range(recipe.epochs * steps_an_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return np.array(rates)


@given(
    st.sampled_from(["constant", "cosine", "onecycle"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(0, 20),
)
def test_every_step_has_the_rate_of_torchs_scheduler(schedule, warmup, epochs, steps_an_epoch, more):
    warmup = 0.0 if schedule == "onecycle" else warmup
    recipe = Recipe(lr=0.3, schedule=schedule, warmup=warmup, epochs=epochs, horizon=epochs + more if more else None)
    factors = rate_factors(recipe, steps_an_epoch)
    assert (factors is None) == (schedule == "constant" and warmup == 0)
    if factors is not None:
        np.testing.assert_allclose(0.3 * factors.numpy(), torchs(recipe, steps_an_epoch), rtol=1e-9, atol=1e-12)


def test_schedules_have_the_named_shape():
    def factors(**course):
        return rate_factors(Recipe(epochs=100, **course), 1)

    cosine = factors(schedule="cosine")
    assert cosine[0] == 1
    assert cosine[50] == pytest.approx(0.5)
    assert 0 < cosine[99] < 0.001
    cycle = factors(schedule="onecycle")
    assert [float(cycle[t]) for t in (0, 29, 99)] == pytest.approx([1 / 25, 1, 1 / 25e4])
    rising = factors(warmup=0.04)
    assert rising[:6].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    both = factors(schedule="cosine", warmup=0.04)
    assert both[:5].tolist() == rising[:5].tolist()
    assert both[4:].tolist() == rate_factors(Recipe(epochs=96, schedule="cosine"), 1).tolist()


def test_a_part_of_a_schedule_is_its_beginning():
    for course in COURSES:
        whole = rate_factors(Recipe(epochs=30, **course), 2)
        part = rate_factors(Recipe(epochs=7, horizon=30, **course), 2)
        assert torch.equal(part, whole[:14])


def planned(data, words="relu:4", *, dtype="float64", **recipe):
    def build():
        return parse_candidate(words).architecture(5, 1)

    settings = Recipe(**{"epochs": 12, "lr": 0.1, **recipe})
    return plan_stack(build, data, settings, seeds=SEEDS, splits=SPLITS, lr=LRS, dtype=dtype,
                      keep_networks=True)  # fmt: skip


def trained(plan, data):
    """Curves [4, epoch, network], outputs [row, output, network] and states of a plan."""
    found = {}
    for chunk in plan.chunks:
        result = train_chunk(chunk, data)
        for i, member in enumerate(chunk.members):
            found[member] = result.curves[:, :, i], result.outputs[:, :, i], result.states[i]
    curves, outputs, states = zip(*(found[i] for i in range(len(found))), strict=True)
    return np.stack(curves, -1), np.stack(outputs, -1), states


@pytest.mark.product
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("course", COURSES, ids=str)
def test_networks_with_different_rates_share_a_schedule(two_splits, course, batch_size):
    curves, _, _ = trained(planned(two_splits, batch_size=batch_size, **course), two_splits)
    for i, lr in enumerate(LRS):
        recipe = Recipe(epochs=12, lr=lr, batch_size=batch_size, **course)
        own = {"seeds": SEEDS[i : i + 1], "splits": SPLITS[i : i + 1], "dtype": "float64"}
        (chunk,) = plan_stack(lambda: parse_candidate("relu:4").architecture(5, 1), two_splits, recipe, **own).chunks
        np.testing.assert_allclose(curves[:, :, i], train_chunk(chunk, two_splits).curves[:, :, 0], atol=1e-9)


@pytest.mark.product
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("course", COURSES, ids=str)
def test_a_network_at_an_epoch_equals_a_shorter_training_with_the_same_horizon(two_splits, course, batch_size):
    settings = {"optimizer": "adam", "batch_size": batch_size, **course}
    whole = planned(two_splits, **settings).trained_with(LRS, [5, 12, 5, 5])
    _, taken, _ = trained(whole, two_splits)
    _, shorter, _ = trained(planned(two_splits, epochs=5, horizon=12, **settings), two_splits)
    np.testing.assert_allclose(taken[:, :, [0, 2, 3]], shorter[:, :, [0, 2, 3]], rtol=0, atol=1e-6)
    _, other, _ = trained(planned(two_splits, epochs=5, **settings), two_splits)
    assert np.nanmax(np.abs(other - shorter)) > 1e-3  # a schedule for 5 epochs would differ


@pytest.mark.parametrize("course", COURSES, ids=str)
def test_the_reference_uses_the_horizon(task, reference, course):
    one = task("bce")
    data = one_split(one.parts[:2], one.parts[2:], None, "float64")
    recipe = Recipe(epochs=20, horizon=35, lr=0.1, optimizer="adamw", batch_size=32, loss="bce", **course)

    tanh = parse_candidate("tanh:4").architecture
    plan = plan_stack(lambda: tanh(5, 1), data, recipe, seeds=[3, 8], splits=[0, 0], dtype="float64")
    curves = train_chunk(plan.chunks[0], data).curves
    for i, seed in enumerate([3, 8]):
        np.testing.assert_allclose(curves[:, :, i], reference(tanh, one, seed, recipe)[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("course", COURSES, ids=str)
def test_a_float32_stack_follows_the_plain_loop(task, course):
    settings = {"epochs": 300, "lr": 0.3, "jobs": 1, **course}
    stack = train_many("relu:5", *task("bce").parts, seeds=[42, 7], **settings)
    plain = train_many("relu:5", *task("bce").parts, seeds=[42], **settings)
    assert np.abs(stack.train_loss[:, :1] - plain.train_loss).max() < 1e-4
    assert np.abs(stack.test_loss[:, :1] - plain.test_loss).max() < 1e-4


@pytest.mark.product
@pytest.mark.parametrize("words", ["relu:4", "tanh:4@dropout=0.3"])
@pytest.mark.parametrize("course", COURSES, ids=str)
def test_a_stopped_training_continues_with_the_right_rate(two_splits, tmp_path, monkeypatch, course, words):
    monkeypatch.setattr("seedbed.training.chunk._SECONDS", -1.0)
    monkeypatch.setattr("seedbed.training.loop._SECONDS", 0.0)
    chunk, *_ = planned(two_splits, words, optimizer="adam", batch_size=16, dtype="float32", **course).chunks

    def stop(epochs):
        if epochs > 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_chunk(chunk, two_splits, stop, Savepoint(tmp_path / "a"))
    reported = []
    found = train_chunk(chunk, two_splits, reported.append, Savepoint(tmp_path / "a"))
    expected = train_chunk(chunk, two_splits)
    assert reported[:2] == [0, 8]
    np.testing.assert_array_equal(found.curves, expected.curves)
    np.testing.assert_array_equal(found.outputs, expected.outputs)


def test_chunks_of_different_schedules_differ(two_splits):
    (one,), (other,) = (planned(two_splits, **course).chunks for course in COURSES[:2])
    assert dataclasses.replace(other, recipe=one.recipe, build=one.build) == one
    assert repr(one.recipe) != repr(other.recipe)

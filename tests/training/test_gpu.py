"""Results on a GPU equal those on a CPU up to rounding. Deselected without a CUDA device."""

import functools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.settings.recipe import Recipe
from seedbed.training.data import one_split
from seedbed.training.many import train_many
from seedbed.training.stack import Chunk, Stack
from seedbed.training.torch.torch_engine import TorchEngine

from .shapes import DRAWING, SHAPES

DEVICE = "cuda"
pytestmark = [pytest.mark.gpu, pytest.mark.slow]

WORDS = {
    **{
        words: {}
        for words in "relu:5 relu:160,160 tanh:6,6@layernorm tanh:6@ple=4 tanh:6@plr=3".split()
    },
    "relu:20,20": {"optimizer": "adamw"},
    "tanh:6@dropout=0.2": {"optimizer": "adam"},
    "tanh:6,6@batchnorm": {"momentum": 0.9},
    "tanh:6,6@residual": {"schedule": "cosine", "clip_norm": 0.5},
}
# A decision by a value may change with rounding.
DECIDING = ("step", "one_expert", "two_experts", "depth_by_values")
SMOOTH = [name for name in SHAPES if name not in (*DRAWING, *DECIDING)]


def trained(task, build, device, **options):
    options = {"seeds": 20, "epochs": 30, "lr": 0.02, **options}
    return train_many(build, *task("bce").parts, device=device, **options)


def assert_alike(one, other, X):
    for curve in ("train_loss", "test_loss"):
        assert_allclose(
            getattr(one, curve), getattr(other, curve), rtol=1e-3, atol=1e-4
        )
    assert_allclose(one.predict(X), other.predict(X), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("name", [*WORDS, *SMOOTH])
def test_a_stack_equals_that_on_a_cpu(task, name, batch_size):
    options = {**WORDS.get(name, {}), "batch_size": batch_size}
    there, here = (
        trained(task, SHAPES.get(name, name), device, **options)
        for device in (DEVICE, "cpu")
    )
    assert_alike(there, here, task("bce").X)


def test_an_epoch_never_waits_for_the_device(task):
    X, y, X_test, y_test = task("bce").parts
    data = one_split((X, y), (X_test, y_test), None, "float32")
    build = functools.partial(SHAPES["swiglu"], 5, 1)
    recipe = Recipe.tutorial(
        epochs=6, optimizer="adamw", schedule="cosine", clip_norm=0.5
    )
    chunk = Chunk(build, data, recipe, (0, 1, 2), (0, 0, 0), (0, 1, 2), device=DEVICE)
    engine = TorchEngine(Stack(chunk))
    engine.train(0, 2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        engine.train(2, 6)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert np.isfinite(engine.figures[2:6, 0]).all()


def test_the_same_seeds_give_the_same_bits(task):
    one, other = (trained(task, "relu:20,20", DEVICE, batch_size=16) for _ in range(2))
    assert_array_equal(one.train_loss, other.train_loss)
    assert_array_equal(one.predict(task("bce").X), other.predict(task("bce").X))


def test_a_comparison_and_its_model_are_returned_on_the_cpu(tmp_path):
    design = sb.Design(repeats=1, folds=3, n_networks=2, baselines=())
    options = {"recipe": "tutorial", "epochs": 20, "design": design}
    words = ["relu:5", "tanh:5"]
    there, here = (
        sb.compare(
            "example:iris", candidates=words, compute=sb.Compute(device=way), **options
        )
        for way in (DEVICE, "cpu")
    )
    for name in words:
        assert_allclose(
            there[name].losses("brier"),
            here[name].losses("brier"),
            rtol=1e-2,
            atol=1e-3,
        )
    table = sb.read_table("example:iris")
    model = sb.fit_model(
        table,
        "relu:5",
        recipe=sb.Recipe.tutorial(epochs=20),
        compute=sb.Compute(device=DEVICE),
    )
    model.save(tmp_path / "model.safetensors")
    assert np.isfinite(
        sb.load(tmp_path / "model.safetensors").predict_proba("example:iris")
    ).all()

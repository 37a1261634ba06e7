"""Networks of each shape and with each layer: in a stack they equal the plain module in the plain
loop."""

import pytest
import torch
from numpy.testing import assert_allclose

from seedbed.networks.candidate import candidate_from
from seedbed.networks.mlp import MLP
from seedbed.settings.recipe import Recipe
from seedbed.training import many, planning
from seedbed.training.many import train_many

EXACT = 1e-9
pytestmark = pytest.mark.usefixtures("engine")
WORDS = [
    "tanh:4,4@residual",
    "silu:6,6@residual,layernorm,dropout=0.2",
    "elu:4,4@residual,batchnorm",
]
WORDS += ["silu:4@plr=3", "logistic@plr=4", "silu:4@ple=6", "logistic@ple=16"]
WORDS += [
    "relu:4,4@residual,dropout=0.2,plr=2,plr_frequencies=1,plr_sigma=2",
    "relu:4,4@residual,dropout=0.2,ple=1",
]
SHAPES = "logistic relu:5,4+tanh:3 silu:4@layernorm relu:4@batchnorm relu:4@batchnorm,dropout=0.2".split()
PLACED = [
    MLP((4,), "silu", plr=3, numbers=(0, 2, 3)),
    MLP((), ple=6, numbers=(1, 2), embed=2, categories=((0, 3, 4),)),
    MLP(
        (4, 4),
        "relu",
        residual=True,
        dropout=0.2,
        embed=1,
        numbers=(),
        categories=((4, 1), (2, 3)),
    ),
    MLP((4,), "tanh", plr=2, numbers=(4, 0), embed=3, categories=((1, 2),)),
]


@pytest.mark.few(4)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16, 20, 70, 500])
@pytest.mark.parametrize("loss", ["bce", "cross_entropy", "mse"])
@pytest.mark.parametrize("words", [*SHAPES, *WORDS, *PLACED])
def test_every_shape_in_a_stack_equals_the_reference_by_the_fast_method(
    gap, task, words, loss, batch_size
):
    found = gap(words, task(loss), momentum=0.5, batch_size=batch_size)
    assert max(found.curves, found.parameters, found.outputs) < EXACT
    assert found.history.note == ""


@pytest.mark.slow  # 100 epochs of three networks for each
@pytest.mark.parametrize("words", [*WORDS, *PLACED])
def test_in_float32_a_stack_follows_the_reference(reference, task, words):
    table = task("cross_entropy")
    settings = {"epochs": 100, "lr": 0.05, "loss": "cross_entropy"}
    history = train_many(words, *table.parts, seeds=[3, 8], n_jobs=1, **settings)
    for index, seed in enumerate(history.seeds):
        mlp, recipe = candidate_from(words).architecture, Recipe.tutorial(**settings)
        curves, _ = reference(mlp, table, seed, recipe, torch.float32)
        assert_allclose(history.train_loss[:, index], curves[0], rtol=0, atol=1e-4)
        assert_allclose(history.test_loss[:, index], curves[2], rtol=0, atol=1e-4)


@pytest.mark.few(2)
@pytest.mark.parametrize("words", ["relu:4@plr=3", "relu:4@ple=16", PLACED[2]])
def test_torch_trains_one_network_at_a_time_if_a_step_needs_much_memory(
    task, monkeypatch, words
):
    settings = dict(
        seeds=5, epochs=3, lr=0.05, n_jobs=1, dtype="float64", engine="torch"
    )
    together = train_many(words, *task("bce").parts, **settings)
    monkeypatch.setattr(planning, "_STEP_BYTES", 1)
    sizes = []
    train = many.train_chunks
    monkeypatch.setattr(
        many,
        "train_chunks",
        lambda chunks, *rest: sizes.append(len(chunks)) or train(chunks, *rest),
    )
    apart = train_many(words, *task("bce").parts, **settings)
    assert sizes == [5]
    assert_allclose(apart.test_loss, together.test_loss, rtol=0, atol=EXACT)

"""Law 1: a stack's network equals the plain loop, and the plain loop equals the tutorial's."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from seedbed.networks.activations import ACTIVATIONS
from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import Recipe
from seedbed.training.losses import LOSSES
from seedbed.training.many import train_many
from seedbed.training.torch.reference import PlainRows

from .plain_loop import built_by_hand, train_reference, users_loop
from .shapes import SHAPES

pytestmark = pytest.mark.usefixtures("engine")

EXACT = 1e-9
OWN = SHAPES["scaled"]  # which has a parameter without dimensions
VARIANTS = [
    *(
        {"optimizer": name, **more}
        for name in OPTIMIZERS
        for more in ({}, {"weight_decay": 0.02})
    ),
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.02},
    {"momentum": 0.8, "nesterov": True, "weight_decay": 0.02},
    *(
        {"optimizer": name, "weight_decay": 0.3, "decay_biases": False}
        for name in OPTIMIZERS
    ),
    {"momentum": 0.8, "nesterov": True, "weight_decay": 0.3, "decay_biases": False},
    *(
        {"optimizer": name, "weight_decay": 0.3, "clip_norm": 0.2}
        for name in OPTIMIZERS
    ),
    {"momentum": 0.9, "clip_norm": 0.05},
    {"warmup": 0.25},
    {"schedule": "cosine", "momentum": 0.9},
    {"schedule": "cosine", "warmup": 0.1, "optimizer": "adamw"},
    {"schedule": "onecycle", "optimizer": "adam"},
]
# of labels only
SMOOTHED = [{"optimizer": name, "label_smoothing": 0.1} for name in OPTIMIZERS]


def named(value):
    return (
        value
        if isinstance(value, str)
        else ",".join(f"{key}={one}" for key, one in value.items())
    )


@pytest.mark.few(4)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16])  # 70 rows: the last batch has 6
@pytest.mark.parametrize("words", ["", "@layernorm", "@batchnorm", "@dropout=0.3"])
@pytest.mark.parametrize(
    "name", [*ACTIVATIONS, "linear", "leaky_relu(0.2)", "celu(2)", "softplus(2,10)"]
)
def test_every_activation_in_stack_equals_reference(gap, task, name, words, batch_size):
    found = gap(f"{name}:4{words}", task("bce"), batch_size=batch_size)
    assert max(found.curves, found.parameters, found.outputs) < EXACT
    assert found.history.note == ""  # known layers use the fast method


@pytest.mark.few(4)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize(
    ("loss", "variant"),
    [
        *itertools.product(LOSSES, VARIANTS),
        *itertools.product(("bce", "cross_entropy"), SMOOTHED),
    ],
    ids=named,
)
def test_every_optimizer_with_every_loss_equals_the_reference(
    gap, task, variant, loss, batch_size
):
    found = gap("tanh:4", task(loss), **variant, batch_size=batch_size)
    assert max(found.curves, found.parameters, found.outputs) < EXACT


MORE = dict(
    decay_biases=False,
    weight_decay=0.3,
    schedule="cosine",
    label_smoothing=0.2,
    clip_norm=0.1,
)


@pytest.mark.few(2)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(
    "words", ["relu:5,4+tanh:3", "silu:4@layernorm", "elu:4", "tanh:4@batchnorm", OWN]
)
def test_every_shape_with_a_full_recipe_equals_the_reference(
    gap, task, words, optimizer, batch_size
):
    options = dict(lr=0.02, batch_size=batch_size)
    found = gap(words, task("cross_entropy"), optimizer=optimizer, **MORE, **options)
    assert found.outputs < EXACT
    assert found.curves < EXACT
    assert found.history.note == ""


@pytest.mark.few(2)
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_before_batch_normalisation_gives_the_outputs_of_the_reference(
    gap, task, optimizer
):
    # Normalisation removes the bias before it, so its gradient is zero up to rounding, and Adam
    # divides this rounding error by its size: the parameter drifts freely. No output of the network
    # depends on it.
    found = gap("relu:4@batchnorm", task("bce"), optimizer=optimizer, lr=0.01)
    assert found.outputs < EXACT
    assert found.curves < EXACT


@pytest.mark.few(1)
def test_the_reference_equals_the_tutorials_loop_bit_for_bit(task):
    parts = X_train, y_train, X_test, y_test = [
        torch.from_numpy(part).float() for part in task("bce").parts
    ]
    mine, theirs = (_network(42) for _ in range(2))
    train = PlainRows(X_train, y_train[:, None])
    test = PlainRows(X_test, y_test[:, None])
    options = dict(recipe=Recipe.tutorial(epochs=200), loss=LOSSES["bce"])
    curves = train_reference(mine, train, test, seed=42, **options)
    expected, _ = users_loop(theirs, parts, epochs=200)
    assert_array_equal(curves, expected)
    for value, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(value, other)


def _network(seed, words="relu:5", n_features=5):
    torch.manual_seed(seed)
    return built_by_hand(words, n_features, 1)


@pytest.mark.few(1)
def test_one_seed_of_train_many_equals_the_tutorials_loop_bit_for_bit(task):
    parts = [torch.from_numpy(part).float() for part in task("bce").parts]
    history = train_many("relu:5", *parts, seeds=[42], epochs=100)
    expected, _ = users_loop(_network(42), parts, epochs=100)
    assert_array_equal(history.train_loss[:, 0], expected[0].astype(np.float32))
    assert_array_equal(history.test_accuracy[:, 0], expected[3].astype(np.float32))

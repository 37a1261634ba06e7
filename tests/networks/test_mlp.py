"""Activations are those of torch, and a wrong `MLP` is refused."""

import dataclasses
import inspect

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.activations import ACTIVATIONS, read_activation
from seedbed.networks.candidate import parse_candidate
from seedbed.networks.mlp import MLP
from seedbed.training.torch.modules import started_module


def module(words, n_inputs):
    return started_module(parse_candidate(words).architecture.network(n_inputs, 1), 42)


def test_the_activations_are_all_modules_of_torch_without_required_arguments():
    assert {"relu", "tanh", "elu", "gelu", "silu", "leakyrelu"} <= set(ACTIVATIONS)
    assert not {"threshold", "multiheadattention", "prelu", "softmax"} & set(
        ACTIVATIONS
    )
    for name, entry in ACTIVATIONS.items():
        assert entry.torch.lower() == name
        defaults = inspect.signature(getattr(nn, entry.torch)).parameters
        assert read_activation(name) == (
            name,
            tuple(defaults[key].default for key, _ in entry.arguments),
        )
        x = torch.linspace(-3, 3, 10, dtype=torch.float64)[None]
        expected = module(f"{name}:5", 10)[1].double().eval()(x).detach()
        assert_allclose(
            entry.values(x.numpy(), *read_activation(name)[1]),
            expected,
            rtol=0,
            atol=1e-14,
        )


def test_an_activation_takes_arguments_and_underscores():
    network = module("leaky_relu(0.2):4+softplus(2,10):3+log_sigmoid:3", 3)
    assert [str(layer) for layer in network if not isinstance(layer, nn.Linear)] == [
        "LeakyReLU(negative_slope=0.2)",
        "Softplus(beta=2.0, threshold=10.0)",
        "LogSigmoid()",
    ]
    assert module("leakyrelu:4", 3)[1].negative_slope == 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MLP((5, 0)),
            "a layer of width 0 can't be built. A width is at least 1.",
        ),
        (lambda: MLP((5,), dropout=1.0), "dropout is 1. It must be from 0 to below 1."),
        (
            lambda: MLP((5, 4), residual=True),
            "residual needs two hidden layers of one width, one after the other",
        ),
    ],
)
def test_an_invalid_mlp_is_refused_on_construction(make, message):
    with pytest.raises(CandidateError) as caught:
        make()
    assert message in str(caught.value)


def test_an_mlp_is_hashable_and_compares_by_value():
    assert MLP([5, 4], ["relu", "tanh"]) == MLP((5, 4), ("relu", "tanh"))
    assert len({MLP((5,)), MLP((5,)), MLP((6,))}) == 2
    assert MLP((5, 4), "tanh").by_layer == ("tanh", "tanh")
    with pytest.raises(dataclasses.FrozenInstanceError):
        MLP((5,)).dropout = 0.5

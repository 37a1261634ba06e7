"""Initial parameters: those of many networks at once have the bits of networks built one by one."""

import functools

import pytest
import torch
from torch import nn

from seedbed.networks.activations import ACTIVATIONS
from seedbed.networks.candidate import candidate_from
from seedbed.training.torch.states import build_network, draw_states

SEEDS = [3, 0, 2**63 - 1, -5, 2**64 - 1]
WORDS = ["logistic", "linear:5", "relu:5", "relu:20,1,300", "relu:20+tanh:20", "relu:4@batchnorm"]
WORDS += ["silu:4,4@residual,layernorm,dropout=0.5", "relu:4,4@residual,batchnorm"]


@pytest.mark.parametrize("n_outputs", [1, 7])
@pytest.mark.parametrize("words", [*WORDS, *(f"{name}:4,3" for name in ACTIVATIONS)])
def test_states_that_are_drawn_have_the_bits_of_networks_that_are_built(words, n_outputs):
    build = functools.partial(candidate_from(words).architecture, 12, n_outputs)
    before = torch.get_rng_state()
    found = draw_states(build, build_network(build, SEEDS[0]), SEEDS)
    assert torch.equal(torch.get_rng_state(), before)
    for place, seed in enumerate(SEEDS):
        built = build_network(build, seed).state_dict()
        assert built.keys() == found.keys()
        assert all(torch.equal(found[name][place], value) for name, value in built.items())
        assert all(found[name].dtype == value.dtype for name, value in built.items())


@pytest.mark.parametrize("words", ["relu:4@plr=2", "relu:4@ple=2", lambda n_features, n_outputs: nn.Linear(3, 1)])
def test_embeddings_and_modules_of_users_are_built_one_by_one(words):
    build = functools.partial(candidate_from(words).architecture, 3, 1)
    assert draw_states(build, build_network(build, 0), [0, 1]) is None


def test_another_initialisation_of_torch_is_noticed(monkeypatch):
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda module: nn.init.normal_(module.weight))
    build = functools.partial(candidate_from("relu:4").architecture, 3, 1)
    assert draw_states(build, build_network(build, 0), [0, 1]) is None

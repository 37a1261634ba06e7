"""Start values and outputs: those of NumPy are those of torch."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from seedbed.networks.activations import ACTIVATIONS
from seedbed.networks.mlp import MLP
from seedbed.networks.network import predictor_of
from seedbed.training.torch.modules import module_of

from .plain_loop import built_by_hand, module_in_words, network_in_words

SEEDS = [0, 1, -1, -5, 2**31, 2**32 - 1, 2**32, 2**63 - 1, -(2**63), 2**64 - 1]
SEEDS += np.random.default_rng(0).integers(-(2**63), 2**63, 6).tolist()
WORDS = (
    "logistic linear:5 relu:5 relu:20,1,300 relu:20+tanh:20 relu:4@batchnorm".split()
)
WORDS += [
    "relu:4+tanh:3@layernorm,dropout=0.2",
    "silu:4@batchnorm",
    "silu:12,4,4@residual",
]
WORDS += ["silu:4,4@residual,layernorm,dropout=0.5", "relu:4,4@residual,batchnorm"]
WORDS += [f"{name}:4,3" for name in ACTIVATIONS]
EMBEDDED = [
    *(
        "silu:4@plr=3",
        "relu:4,4@residual,plr=2,plr_frequencies=1,plr_sigma=2",
        "silu:4@ple=6",
        "logistic@ple=16",
    ),
    MLP((4,), "silu", plr=3, numbers=(0, 2, 3)),
    MLP((), ple=6, numbers=(1, 2), embed=2, categories=((0, 3, 4),)),
    MLP((4,), "tanh", plr=2, numbers=(4, 0), embed=3, categories=((1, 2),)),
]


@pytest.mark.few(21)
@pytest.mark.parametrize("n_outputs", [1, 7])
@pytest.mark.parametrize("words", WORDS)
def test_start_values_have_the_bits_of_torchs_layers_under_the_seed(words, n_outputs):
    before = torch.get_rng_state()
    found = network_in_words(words, 12, n_outputs).start(SEEDS)
    module = module_in_words(words, 12, n_outputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert repr(module) == repr(built_by_hand(words, 12, n_outputs))
    for place, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        built = {
            name: value.numpy()
            for name, value in built_by_hand(words, 12, n_outputs).state_dict().items()
        }
        assert [*built] == [*found]
        for name, value in built.items():
            assert value.dtype == found[name].dtype
            assert value.shape == found[name].shape[1:]
            assert value.tobytes() == found[name][place].tobytes()


@pytest.mark.parametrize("words", EMBEDDED)
def test_start_values_of_embeddings_depend_on_their_seed_alone(words):
    network = network_in_words(words)
    rows = np.random.default_rng(1).normal(size=(50, 5))
    three = network.start([3, 8, -1], [rows] * 3)
    for name, value in network.start([8], [rows]).items():
        assert_array_equal(value[0], three[name][1])
        assert name.endswith("edges") or (three[name][0] != three[name][1]).all()


@pytest.mark.parametrize(
    "words",
    [*WORDS, "softplus(2,1):4", "celu(2):4,4", "hardtanh(-2,2):4", *EMBEDDED],
    ids=repr,
)
def test_outputs_without_torch_equal_those_of_the_module(words):
    rng = np.random.default_rng(2)
    network, X = network_in_words(words, 5, 3), rng.normal(size=(40, 5)) * 2
    states = network.start([3, 8, 5], [X[:20], X[20:], X])
    states = {
        name: value if name.endswith("tracked") else value.astype("d")
        for name, value in states.items()
    }
    for name in [name for name in states if "running" in name]:  # as after training
        states[name] += rng.random(states[name].shape)
    for number, outputs in enumerate(predictor_of(network, states)(X)):
        module = module_of(
            network, {name: value[number] for name, value in states.items()}
        ).eval()
        assert_allclose(
            outputs, module(torch.from_numpy(X)).detach(), rtol=0, atol=1e-12
        )
    predictor_of(network, states)(1e300 * X)

"""Blends of networks: their outputs and their descriptions."""

import json

import pytest
import torch
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.mlp import MLP, BlendedMembers, architecture_from_values, architecture_to_values
from seedbed.training.torch.modules import Blend, SmoothClip

MEMBERS = (MLP((4,), "relu"), MLP((), "relu", ple=3), MLP((3, 3), "silu", residual=True, layernorm=True))
NAMES, WEIGHTS = ("a", "b", "c"), (0.5, 0.2, 0.3)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def blended(n_outputs, **options):
    return BlendedMembers(MEMBERS, NAMES, WEIGHTS, **options)(5, n_outputs)


def of_members(network, x):
    x = network[0](x) if len(network) > 1 else x
    return torch.stack([member(x) for member in network[-1]]).double()


def averaged(values):
    return torch.tensordot(values.new_tensor(WEIGHTS), values, 1)


def test_probabilities_of_two_classes_are_averaged():
    network, x = blended(1), torch.randn(7, 5)
    torch.testing.assert_close(network(x).sigmoid(), averaged(of_members(network, x).sigmoid()))


def test_probabilities_of_many_classes_are_averaged():
    network, x = blended(3), torch.randn(7, 5)
    torch.testing.assert_close(network(x).softmax(1), averaged(of_members(network, x).softmax(2)))


def test_numbers_are_averaged():
    network, x = blended(1, numbers=True), torch.randn(7, 5)
    torch.testing.assert_close(network(x), averaged(of_members(network, x)))


def test_a_temperature_divides_the_logits():
    x, plain = torch.randn(7, 5), blended(1)
    softer = blended(1, temperature=2.0)
    softer.load_state_dict(plain.state_dict())
    torch.testing.assert_close(softer(x), plain(x) / 2)


def test_all_members_see_clipped_inputs():
    network, x = blended(1, limit=3.0), torch.tensor([[0.0, 1e4, -1e9, 3.0, 0.1]])
    assert isinstance(network[0], SmoothClip)
    clipped = network[0](x)
    torch.testing.assert_close(clipped, torch.tensor([[0.0, 3.0, -3.0, 3 / 2**0.5, 0.1]]), rtol=0, atol=1e-3)
    torch.testing.assert_close(network(x), network[1](clipped))


def test_certain_members_give_finite_logits():
    certain = [nn.Linear(1, 1) for _ in range(2)]
    for network, weight in zip(certain, (500.0, -500.0), strict=True):
        nn.init.constant_(network.weight, weight)
        nn.init.zeros_(network.bias)
    both = Blend(certain, [0.75, 0.25])(torch.ones(1, 1))
    torch.testing.assert_close(both.sigmoid(), torch.tensor([[0.75]], dtype=torch.float64))


@pytest.mark.parametrize("options", [{}, {"temperature": 1.5, "limit": 3.0}, {"numbers": True}])
def test_a_blend_is_rebuilt_from_its_description(options):
    made = BlendedMembers(MEMBERS, NAMES, WEIGHTS, **options)
    values = json.loads(json.dumps(architecture_to_values(made)))
    found = architecture_from_values(values)
    assert (found.names, found.weights) == (made.names, made.weights)
    assert [architecture_to_values(one) for one in found.members] == [architecture_to_values(one) for one in MEMBERS]
    assert (found.temperature, found.limit, found.numbers) == (made.temperature, made.limit, made.numbers)


@pytest.mark.parametrize(
    "change",
    [
        {"members": []},
        {"members": None},
        {"members": [{"name": "a", "weight": 1.0}]},
        {"members": [{"name": "a", "weight": 1.0, "network": {"kind": "module", "name": "os.system"}}]},
        {"members": [{"name": "a", "weight": 1, "network": {}}]},
        {"temperature": 0.0},
        {"temperature": -1.0},
        {"temperature": 1},
        {"limit": -3.0},
        {"numbers": 0},
        {"more": 1},
    ],
)
def test_a_damaged_description_is_refused(change):
    values = architecture_to_values(BlendedMembers(MEMBERS, NAMES, WEIGHTS))
    with pytest.raises(CandidateError):
        architecture_from_values({**values, **change})


def test_a_blend_in_a_blend_is_refused():
    inner = architecture_to_values(BlendedMembers(MEMBERS, NAMES, WEIGHTS))
    with pytest.raises(CandidateError, match="neither a network in words nor trees"):
        architecture_from_values({**inner, "members": [{"name": "a", "weight": 1.0, "network": inner}]})


@pytest.mark.parametrize("weights", [(0.5, 0.5, 0.0), (0.5, 0.2, 0.2), (1.2, -0.1, -0.1), (0.5, 0.5)])
def test_invalid_weights_are_refused(weights):
    with pytest.raises(CandidateError):
        BlendedMembers(MEMBERS, NAMES, weights)

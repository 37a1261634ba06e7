"""Blends of networks: their outputs and their descriptions."""

import functools
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, softmax

from seedbed.errors import CandidateError
from seedbed.model.stacks import blended, smooth_clip
from seedbed.networks.mlp import (
    MLP,
    BlendedMembers,
    architecture_from_values,
    architecture_to_values,
)

MEMBERS = (
    MLP((4,), "relu"),
    MLP((), "relu", ple=3),
    MLP((3, 3), "silu", residual=True, layernorm=True),
)
NAMES, WEIGHTS = ("a", "b", "c"), (0.5, 0.2, 0.3)


def blend(**options):
    return BlendedMembers(MEMBERS, NAMES, WEIGHTS, **options)


@pytest.fixture
def outputs():
    """Return the outputs of each member [network, row, output]."""
    return lambda n_outputs: list(
        np.random.default_rng(0).normal(size=(3, 2, 7, n_outputs))
    )


SCALES = {
    "two classes": expit,
    "classes": functools.partial(softmax, axis=-1),
    "numbers": lambda z: z,
}


@pytest.mark.parametrize("kind", SCALES)
def test_probabilities_and_numbers_are_averaged(outputs, kind):
    each, scale = outputs(3 if kind == "classes" else 1), SCALES[kind]
    found = scale(blended(each, blend(numbers=kind == "numbers")))
    assert_allclose(found, np.tensordot(WEIGHTS, scale(np.stack(each)), 1), rtol=1e-12)


def test_a_temperature_divides_the_logits(outputs):
    for n_outputs in (1, 3):
        each = outputs(n_outputs)
        assert_allclose(
            blended(each, blend(temperature=2.0)),
            blended(each, blend()) / 2,
            rtol=1e-12,
        )


def test_a_clip_bounds_numbers_and_keeps_small_ones():
    clipped = smooth_clip(np.array([0.0, 1e4, -1e9, 3.0, 0.1]), 3.0)
    assert_allclose(clipped, [0.0, 3.0, -3.0, 3 / 2**0.5, 0.1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [500.0, 1e5])
def test_certain_members_give_finite_logits(size):
    certain = [np.full((1, 1, 1), logit) for logit in (size, -size)]
    two = BlendedMembers(MEMBERS[:2], NAMES[:2], (0.75, 0.25))
    assert_allclose(expit(blended(certain, two)), [[[0.75]]])
    both = blended([np.full((1, 1, 1), size)] * 2, two)
    assert_allclose(both, [[[size]]])


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 1.5, "limit": 3.0}, {"numbers": True}]
)
def test_a_blend_is_rebuilt_from_its_description(options):
    made = BlendedMembers(MEMBERS, NAMES, WEIGHTS, **options)
    values = json.loads(json.dumps(architecture_to_values(made)))
    found = architecture_from_values(values)
    assert (found.names, found.weights) == (made.names, made.weights)
    assert [architecture_to_values(one) for one in found.members] == [
        architecture_to_values(one) for one in MEMBERS
    ]
    assert found.temperature == made.temperature
    assert found.limit == made.limit
    assert found.numbers == made.numbers


BLEND = BlendedMembers(MEMBERS, NAMES, WEIGHTS)


@pytest.mark.parametrize(
    "change",
    [
        {"members": []},
        {"members": None},
        {"members": [{"name": "a", "weight": 1.0}]},
        {
            "members": [
                dict(
                    name="a",
                    weight=1.0,
                    network={"kind": "module", "name": "os.system"},
                )
            ]
        },
        {
            "members": [
                {"name": "a", "weight": 1.0, "network": architecture_to_values(BLEND)}
            ]
        },
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
    with pytest.raises(CandidateError):
        architecture_from_values({**architecture_to_values(BLEND), **change})


@pytest.mark.parametrize(
    "weights", [(0.5, 0.5, 0.0), (0.5, 0.2, 0.2), (1.2, -0.1, -0.1), (0.5, 0.5)]
)
def test_invalid_weights_are_refused(weights):
    with pytest.raises(CandidateError):
        BlendedMembers(MEMBERS, NAMES, weights)

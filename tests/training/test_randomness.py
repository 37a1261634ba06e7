"""Stateless randomness: a draw is a function of its key."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seedbed.networks import draws
from seedbed.networks.draws import derive
from seedbed.training import stack
from seedbed.training.native.library import Kernel
from seedbed.training.stack import shuffle_rows
from seedbed.training.torch.noise import (
    RandomStream,
    apply_dropout,
    drawn_modules,
    layer_noise,
    seeded,
)


def network_keys(seeds, purpose):
    return torch.from_numpy(draws.network_keys(seeds, purpose))


def rows(n):
    return torch.arange(n, dtype=torch.int32)


def test_derived_seeds_never_change_between_versions():
    # Pinned: a change here changes all results. Write a decision page first.
    assert derive(0, "relu:5", 1, 2, 3) == 4137818671642361589
    assert derive(42, "shuffle", 7) == 7187020541963594070
    assert network_keys([42], "draws").tolist() == [-77423848]
    assert shuffle_rows(8, 42, 0).tolist() == [3, 6, 7, 5, 4, 1, 2, 0]
    noise = (
        layer_noise(network_keys([42], "draws"), 3, 1, rows(2), 2).flatten().tolist()
    )
    assert noise == [
        0.2965817451477051,
        0.626575231552124,
        0.18607544898986816,
        0.467818021774292,
    ]


PARTS = st.lists(st.integers() | st.text(max_size=5), max_size=4)


@given(PARTS, PARTS)
def test_derived_seeds_have_63_bits_and_differ_if_their_parts_do(one, other):
    assert 0 <= derive(*one) < 2**63
    assert (derive(*one) == derive(*other)) == (one == other)
    assert derive("1") != derive(1)
    assert derive("ab", "c") != derive("a", "bc")


def largest_gap_to_uniform(values):
    """The Kolmogorov-Smirnov distance."""
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    return np.abs(ordered - (np.arange(len(ordered)) + 0.5) / len(ordered)).max()


@pytest.mark.parametrize(
    ("step", "layer"), [(0, 0), (1, 0), (999, 0), (0, 1), (12345, 7)]
)
def test_layer_noise_is_uniform_over_rows_units_and_networks(step, layer):
    noise = layer_noise(
        network_keys(range(20), "draws"), step, layer, rows(300), 16
    ).numpy()
    assert noise.shape == (300, 16, 20)
    assert noise.min() >= 0
    assert noise.max() < 1
    # exceeded once in about 3,000 uniform draws
    assert largest_gap_to_uniform(noise) < 2 / np.sqrt(noise.size)
    for axis in range(3):  # each row, unit and network has the same mean
        other = tuple(a for a in range(3) if a != axis)
        n = noise.size // noise.shape[axis]
        assert np.abs(noise.mean(other) - 0.5).max() < 5 / np.sqrt(12 * n)


@pytest.mark.parametrize(
    ("seed", "step", "layer"),
    [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
    ids=["network", "step", "layer"],
)
def test_layer_noise_of_another_key_step_or_layer_is_unrelated(seed, step, layer):
    def noise(seed, step, layer):
        return (
            layer_noise(network_keys([seed], "draws"), step, layer, rows(500), 20)
            .numpy()
            .ravel()
        )

    one, other = noise(0, 0, 0), noise(seed, step, layer)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05  # 5 standard deviations
    assert np.mean(one == other) < 0.001
    assert largest_gap_to_uniform((one - other) % 1) < 0.03


def test_neighbouring_rows_units_and_steps_are_unrelated():
    noise = np.stack(
        [
            layer_noise(network_keys([3], "draws"), step, 0, rows(100), 20)[:, :, 0]
            for step in range(20)
        ]
    )
    noise = noise - 0.5
    for axis in range(3):
        for lag in (1, 2, 4, 8):
            ahead, behind = np.roll(noise, lag, axis), noise
            assert abs(np.mean(ahead * behind)) * 12 < 0.03


@given(st.integers(0, 2**31), st.integers(0, 10_000), st.integers(0, 5))
def test_layer_noise_does_not_depend_on_neighbours_or_size(seed, step, layer):
    keys = network_keys([5, seed, 6], "draws")
    together = layer_noise(
        keys, torch.tensor(step, dtype=torch.int32), layer, rows(9), 4
    )
    alone = layer_noise(keys[1], step, layer, rows(6), 3)
    assert torch.equal(together[:6, :3, 1], alone)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_dropout_zeroes_its_share_and_keeps_the_mean(share):
    noise = layer_noise(network_keys(range(30), "draws"), 1, 0, rows(200), 10)
    kept = apply_dropout(torch.ones_like(noise), noise, share)
    assert abs((kept == 0).float().mean().item() - share) < 0.01
    assert share == 1 or set(kept.unique().tolist()) <= {
        0.0,
        torch.tensor(1 / (1 - share)).item(),
    }


@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "torch"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 70, 623, 624, 625, 1247, 1248, 1249, 5000])
def test_the_order_of_rows_has_the_bits_of_torchs_permutation(monkeypatch, n, kernel):
    if not kernel:
        monkeypatch.setattr(stack, "kernel", lambda dtype: Kernel(None, ""))
    for seed in (0, 3, -5, 2**63 - 1, 2**64 - 1):
        for epoch in (0, 1, 29):
            torch.manual_seed(derive(seed, "shuffle", epoch))
            order = shuffle_rows(n, seed, epoch)
            assert torch.equal(torch.from_numpy(order), torch.randperm(n))


def test_seeded_gives_torchs_draws_and_restores_the_callers_state():
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(9):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_modules_draw_by_key_step_and_use():
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 4), nn.Dropout(0.2))
    assert drawn_modules(network) == {"0": 0, "2": 1}
    X, key = torch.ones(3, 4), network_keys([1], "draws")[0]
    stream, passes = RandomStream(network, key), []
    for _ in range(2):
        stream.at(key, 0, None)
        first, second = network(X), network(X)  # used twice in a step, so it draws
        stream.at(key, 1, None)
        passes.append((first, second, network(X)))
    assert all(torch.equal(*pair) for pair in zip(*passes, strict=True))
    assert not torch.equal(passes[0][0], passes[0][1])
    assert not torch.equal(passes[0][0], passes[0][2])
    assert torch.equal(network.eval()(X), network[1](X))

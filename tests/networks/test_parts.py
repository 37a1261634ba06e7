"""The modules that torch doesn't have compute what they say."""

import pytest
import torch
from torch import nn

from seedbed.networks import MLP, PeriodicEmbedding, PiecewiseLinearEncoding, Residual


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_a_residual_layer_adds_to_what_it_is_given():
    layer, x = Residual(nn.Linear(4, 4), nn.Tanh()), torch.randn(3, 4)
    torch.testing.assert_close(layer(x), x + torch.tanh(layer[0](x)))


def test_a_periodic_embedding_is_what_the_paper_writes_with_the_inputs_before_it():
    layer, x = PeriodicEmbedding(2, units=3, n_frequencies=4, sigma=0.5), torch.randn(5, 2)
    found = layer(x)
    torch.testing.assert_close(found[:, :2], x)
    for feature in range(2):
        v = 2 * torch.pi * layer.frequencies[feature] * x[:, feature, None]
        embedded = torch.cat([v.sin(), v.cos()], 1) @ layer.weight[feature].T + layer.bias[feature]
        torch.testing.assert_close(found[:, 2 + 3 * feature : 5 + 3 * feature], embedded.relu())


def test_frequencies_begin_with_the_deviation_that_is_asked_for():
    for sigma in (0.1, 3.0):
        network = MLP((4,), plr=2, plr_frequencies=2000, plr_sigma=sigma)(3, 1)
        assert abs(network[0].frequencies.std() / sigma - 1) < 0.05
    assert MLP((4,), plr=2)(3, 1)[1].in_features == 9


def encoding(column, bins):
    """One that has looked at one input."""
    layer = PiecewiseLinearEncoding(1, bins)
    layer.look_at(torch.tensor(column)[:, None])
    return layer


def encoded(layer, *numbers):
    return layer(torch.tensor(numbers)[:, None]).tolist()


def test_bins_are_filled_one_after_the_other_and_the_outer_ones_go_on_beyond_their_edges():
    layer = encoding([0.0, 1.0, 3.0, 7.0], 3)
    assert layer.edges.tolist() == [[0, 1, 3, 7]]
    assert encoded(layer, 0.5, 2.0, 5.0) == [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]]
    assert encoded(layer, -2.0, 11.0) == [[-2, 0, 0], [1, 1, 2]]


def test_edges_are_the_quantiles_of_the_rows():
    X = torch.randn(1001, 4) * torch.tensor([1.0, 10, 0.1, 3]) + 5
    layer = PiecewiseLinearEncoding(4, 8)
    layer.look_at(X)
    torch.testing.assert_close(layer.edges, X.quantile(torch.linspace(0, 1, 9), 0).T)


def test_equal_edges_are_one_and_a_flag_has_one_bin_that_is_the_flag():
    flag = encoding([0.0, 0.0, 0.0, 1.0, 0.0, 1.0], 4)
    assert sorted(encoded(flag, 0.0, 1.0)) == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert sum(encoded(flag, 0.25)[0]) == 0.25
    counts = encoding([0.0] * 50 + [1.0] * 30 + [2.0] * 15 + [9.0] * 5, 16)
    assert counts.edges.unique().tolist() == [0, 1, 2, 9]
    assert [sum(values) for values in encoded(counts, 0.0, 1.0, 2.0, 9.0)] == [0, 1, 2, 3]


def test_numbers_that_differ_by_rounding_are_not_told_apart():
    layer = encoding([0.1, 0.1 + 1e-7, 0.1 - 1e-7, 0.5, 0.9, 0.9 + 1e-7], 5)
    assert (layer.edges.diff() > 1e-3).sum() == 2


def test_a_constant_says_nothing():
    layer = encoding([3.0] * 7, 5)
    assert encoded(layer, 3.0, -1.0, 1e30) == [[0] * 5] * 3


def test_before_it_has_looked_a_network_computes_already():
    assert MLP((4,), ple=6)(3, 2)(torch.randn(5, 3)).isfinite().all()
    assert MLP((4,), ple=6)(3, 2)[1].in_features == 18

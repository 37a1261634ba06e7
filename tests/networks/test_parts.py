"""seedbed's own layers and modules compute what their documentation says."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.draws import Draws
from seedbed.networks.embedding_layers import Embeddings, Piecewise, quantile_edges
from seedbed.networks.layers import Linear
from seedbed.networks.mlp import MLP
from seedbed.training.torch import modules


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def module(mlp, n_inputs, n_outputs=1, seed=0):
    return modules.started_module(mlp.network(n_inputs, n_outputs), seed)


def test_a_residual_layer_adds_its_input():
    layer, x = modules.Residual(nn.Linear(4, 4), nn.Tanh()), torch.randn(3, 4)
    torch.testing.assert_close(layer(x), x + torch.tanh(layer[0](x)))


def test_a_periodic_embedding_equals_the_papers_formula_after_the_inputs():
    layer = module(MLP(plr=3, plr_frequencies=4, plr_sigma=0.5), 2)[0]
    x = torch.randn(5, 2)
    found = layer(x)
    torch.testing.assert_close(found[:, :2], x)
    for feature in range(2):
        v = 2 * torch.pi * layer.frequencies[feature] * x[:, feature, None]
        embedded = (
            torch.cat([v.sin(), v.cos()], 1) @ layer.weight[feature].T
            + layer.bias[feature]
        )
        torch.testing.assert_close(
            found[:, 2 + 3 * feature : 5 + 3 * feature], embedded.relu()
        )


def test_a_periodic_embedding_takes_little_memory_beside_its_parameters():
    layer = MLP(plr=1, plr_frequencies=500).network(200, 1).layers[0]
    states = {name: np.ones((8, *shape)) for name, shape in layer.parameters.items()}
    tracemalloc.start()
    outputs = layer(np.ones((16, 200)), states)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outputs.shape == (8, 16, 400)
    assert peak < 10e6  # all waves at once take 200 MB


def test_frequencies_start_with_the_given_standard_deviation():
    for sigma in (0.1, 3.0):
        start = (
            MLP((4,), plr=2, plr_frequencies=2000, plr_sigma=sigma)
            .network(3, 1)
            .start([0])
        )
        assert abs(start["0.frequencies"].std() / sigma - 1) < 0.05
    assert MLP((4,), plr=2).network(3, 1).layers[1].n_inputs == 9


def edges_of(column, bins):
    """The edges of bins that are fitted to one input [1, edge]."""
    return quantile_edges(np.array(column, dtype=np.float32)[:, None], bins)


def encoded(edges, *numbers):
    x = np.array(numbers, dtype=np.float32)[:, None]
    layer = Piecewise("", 1, edges.shape[1] - 1)
    same = modules.PiecewiseLinearEncoding(1, layer.bins)
    same.edges = torch.from_numpy(edges)
    (outputs,) = layer(x, {"edges": edges[None]})
    assert_allclose(same(torch.from_numpy(x)), outputs, rtol=1e-6)
    return outputs.tolist()


def test_bins_fill_in_order_and_the_outer_bins_extend_beyond_their_edges():
    edges = edges_of([0.0, 1.0, 3.0, 7.0], 3)
    assert edges.tolist() == [[0, 1, 3, 7]]
    assert encoded(edges, 0.5, 2.0, 5.0) == [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]]
    assert encoded(edges, -2.0, 11.0) == [[-2, 0, 0], [1, 1, 2]]


def test_edges_are_the_quantiles_of_the_rows():
    X = torch.randn(1001, 4) * torch.tensor([1.0, 10, 0.1, 3]) + 5
    torch.testing.assert_close(
        torch.from_numpy(quantile_edges(X.numpy(), 8)),
        X.quantile(torch.linspace(0, 1, 9), 0).T,
    )


def test_equal_edges_are_merged_and_a_flag_has_one_bin():
    flag = edges_of([0.0, 0.0, 0.0, 1.0, 0.0, 1.0], 4)
    assert sorted(encoded(flag, 0.0, 1.0)) == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert sum(encoded(flag, 0.25)[0]) == 0.25
    counts = edges_of([0.0] * 50 + [1.0] * 30 + [2.0] * 15 + [9.0] * 5, 16)
    assert np.unique(counts).tolist() == [0, 1, 2, 9]
    result = [sum(values) for values in encoded(counts, 0.0, 1.0, 2.0, 9.0)]
    assert result == [0, 1, 2, 3]


@pytest.mark.parametrize("heavy", [0.0, 0.5, 1.0])
def test_a_frequent_value_takes_one_bin_and_the_other_edges_cover_remaining_rows(heavy):
    rest = torch.linspace(0, 1, 800)[1:-1]
    edges = edges_of(torch.cat([torch.full((9200,), heavy), rest]).numpy(), 16)
    assert len(np.unique(edges)) == 17
    # one bin ends at the frequent value or starts there
    apart = np.sort(np.diff(edges[0]))
    assert_allclose(apart[2:], np.full(14, 1 / 15), atol=0.01, rtol=0)


def test_each_of_several_frequent_values_has_an_edge():
    numbers = torch.cat([torch.zeros(400), torch.ones(300), torch.rand(300) * 8 + 2])
    edges = edges_of(numbers.numpy(), 8)
    assert edges[0, :2].tolist() == [0, 1]
    assert len(np.unique(edges)) == 9


def test_numbers_that_differ_by_rounding_share_a_bin():
    edges = edges_of([0.1, 0.1 + 1e-7, 0.1 - 1e-7, 0.5, 0.9, 0.9 + 1e-7], 5)
    assert (np.diff(edges) > 1e-3).sum() == 2


def test_a_constant_input_is_encoded_as_zero():
    edges = edges_of([3.0] * 7, 5)
    assert encoded(edges, 3.0, -1.0, 1e30) == [[0] * 5] * 3


def test_a_network_computes_before_its_bins_are_fitted():
    network = module(MLP((4,), ple=6), 3, 2)
    assert network(torch.randn(5, 3)).isfinite().all()
    assert network[1].in_features == 18


def test_embeddings_put_unembedded_inputs_before_the_embedded_ones():
    first, second, x = nn.Linear(2, 4), nn.Tanh(), torch.randn(3, 6)
    found = modules.Embeddings(6, [[4, 1], [5]], [first, second])(x)
    torch.testing.assert_close(
        found, torch.cat([x[:, [0, 2, 3]], first(x[:, [4, 1]]), x[:, [5]].tanh()], 1)
    )


def test_embeddings_pass_each_layer_its_inputs():
    X = np.random.default_rng(0).normal(size=(50, 5))
    layer = Embeddings(
        ((3,), (0, 4)), (1, 2), (Linear("a.", 1, 2), Piecewise("b.", 2, 3))
    )
    assert_array_equal(
        layer.draw(Draws(0), X)["b.edges"], quantile_edges(X[:, [0, 4]], 3)
    )


@pytest.mark.parametrize("words", [{"plr": 2}, {"ple": 3}])
def test_only_numeric_inputs_are_embedded_if_they_are_given(words):
    layers = MLP((4,), **words, numbers=(0, 3)).network(5, 1).layers
    assert layers[0].inputs == ((0, 3),)
    assert layers[1].n_inputs == 3 + 6
    assert isinstance(MLP((4,), **words, numbers=()).network(5, 1).layers[0], Linear)
    assert MLP((4,), **words, numbers=(0, 1, 2)).network(3, 1) == MLP(
        (4,), **words
    ).network(3, 1)


def test_a_category_with_many_levels_uses_an_embedding_table():
    architecture = MLP(
        (4,), embed=2, numbers=(0,), categories=((1, 2, 3), (4, 5), (6, 7, 8, 9))
    )
    network = module(architecture, 10)
    # two levels take no more inputs than two numbers
    assert network[0].inputs == [[1, 2, 3], [6, 7, 8, 9]]
    table = nn.Embedding.from_pretrained(network[0][1].weight.T)
    levels = torch.tensor([3, 0, 2])
    x = torch.zeros(3, 10)
    x[torch.arange(3), 6 + levels] = 1
    torch.testing.assert_close(network[0](x)[:, 5:], table(levels))
    # the numeric inputs are not given
    assert module(MLP((4,), embed=2), 10)[0].in_features == 10
    many = module(MLP((), embed=50, numbers=(), categories=(tuple(range(400)),)), 400)[
        0
    ][0].weight
    assert abs(many.std() - 1) < 0.05


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"ple": 2, "numbers": (1, 1)}, "name an input twice"),
        ({"embed": 2, "numbers": (0,), "categories": ((0, 1),)}, "name an input twice"),
        ({"ple": 2, "numbers": (-1,)}, "below 0"),
        (
            {"ple": 2, "numbers": (), "categories": ((1, 2),)},
            "categories belong to embed",
        ),
        ({"embed": -1}, "embed is -1"),
        ({"ple": 2, "numbers": (3,)}, "aren't among 3"),
    ],
)
def test_invalid_inputs_of_embeddings_are_refused(words, message):
    with pytest.raises(CandidateError, match=message):
        MLP((4,), **words).network(3, 1)

"""seedbed's own modules compute what their documentation says."""

import pytest
import torch
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.mlp import MLP
from seedbed.training.torch.modules import Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding, Residual


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_a_residual_layer_adds_its_input():
    layer, x = Residual(nn.Linear(4, 4), nn.Tanh()), torch.randn(3, 4)
    torch.testing.assert_close(layer(x), x + torch.tanh(layer[0](x)))


def test_a_periodic_embedding_equals_the_papers_formula_after_the_inputs():
    layer, x = PeriodicEmbedding(2, units=3, n_frequencies=4, sigma=0.5), torch.randn(5, 2)
    found = layer(x)
    torch.testing.assert_close(found[:, :2], x)
    for feature in range(2):
        v = 2 * torch.pi * layer.frequencies[feature] * x[:, feature, None]
        embedded = torch.cat([v.sin(), v.cos()], 1) @ layer.weight[feature].T + layer.bias[feature]
        torch.testing.assert_close(found[:, 2 + 3 * feature : 5 + 3 * feature], embedded.relu())


def test_frequencies_start_with_the_given_standard_deviation():
    for sigma in (0.1, 3.0):
        network = MLP((4,), plr=2, plr_frequencies=2000, plr_sigma=sigma)(3, 1)
        assert abs(network[0].frequencies.std() / sigma - 1) < 0.05
    assert MLP((4,), plr=2)(3, 1)[1].in_features == 9


def encoding(column, bins):
    """An encoding whose bins are fitted to one input."""
    layer = PiecewiseLinearEncoding(1, bins)
    layer.look_at(torch.tensor(column)[:, None])
    return layer


def encoded(layer, *numbers):
    return layer(torch.tensor(numbers)[:, None]).tolist()


def test_bins_fill_in_order_and_the_outer_bins_extend_beyond_their_edges():
    layer = encoding([0.0, 1.0, 3.0, 7.0], 3)
    assert layer.edges.tolist() == [[0, 1, 3, 7]]
    assert encoded(layer, 0.5, 2.0, 5.0) == [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]]
    assert encoded(layer, -2.0, 11.0) == [[-2, 0, 0], [1, 1, 2]]


def test_edges_are_the_quantiles_of_the_rows():
    X = torch.randn(1001, 4) * torch.tensor([1.0, 10, 0.1, 3]) + 5
    layer = PiecewiseLinearEncoding(4, 8)
    layer.look_at(X)
    torch.testing.assert_close(layer.edges, X.quantile(torch.linspace(0, 1, 9), 0).T)


def test_equal_edges_are_merged_and_a_flag_has_one_bin():
    flag = encoding([0.0, 0.0, 0.0, 1.0, 0.0, 1.0], 4)
    assert sorted(encoded(flag, 0.0, 1.0)) == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert sum(encoded(flag, 0.25)[0]) == 0.25
    counts = encoding([0.0] * 50 + [1.0] * 30 + [2.0] * 15 + [9.0] * 5, 16)
    assert counts.edges.unique().tolist() == [0, 1, 2, 9]
    assert [sum(values) for values in encoded(counts, 0.0, 1.0, 2.0, 9.0)] == [0, 1, 2, 3]


@pytest.mark.parametrize("heavy", [0.0, 0.5, 1.0])
def test_a_frequent_value_takes_one_bin_and_the_other_edges_cover_the_remaining_rows(heavy):
    rest = torch.linspace(0, 1, 800)[1:-1]
    layer = encoding(torch.cat([torch.full((9200,), heavy), rest]).tolist(), 16)
    assert len(layer.edges.unique()) == 17
    apart = layer.edges[0].diff().sort().values  # one bin ends at the frequent value or starts there
    torch.testing.assert_close(apart[2:], torch.full((14,), 1 / 15), atol=0.01, rtol=0)


def test_each_of_several_frequent_values_has_an_edge():
    numbers = torch.cat([torch.zeros(400), torch.ones(300), torch.rand(300) * 8 + 2])
    layer = encoding(numbers.tolist(), 8)
    assert layer.edges[0, :2].tolist() == [0, 1]
    assert len(layer.edges.unique()) == 9


def test_numbers_that_differ_by_rounding_share_a_bin():
    layer = encoding([0.1, 0.1 + 1e-7, 0.1 - 1e-7, 0.5, 0.9, 0.9 + 1e-7], 5)
    assert (layer.edges.diff() > 1e-3).sum() == 2


def test_a_constant_input_is_encoded_as_zero():
    layer = encoding([3.0] * 7, 5)
    assert encoded(layer, 3.0, -1.0, 1e30) == [[0] * 5] * 3


def test_a_network_computes_before_its_bins_are_fitted():
    assert MLP((4,), ple=6)(3, 2)(torch.randn(5, 3)).isfinite().all()
    assert MLP((4,), ple=6)(3, 2)[1].in_features == 18


def test_embeddings_put_unembedded_inputs_before_the_embedded_ones():
    first, second, x = nn.Linear(2, 4), nn.Tanh(), torch.randn(3, 6)
    found = Embeddings(6, [[4, 1], [5]], [first, second])(x)
    torch.testing.assert_close(found, torch.cat([x[:, [0, 2, 3]], first(x[:, [4, 1]]), x[:, [5]].tanh()], 1))


def test_embeddings_pass_each_layer_its_inputs():
    X, alone = torch.randn(50, 5), PiecewiseLinearEncoding(2, 3)
    layer = Embeddings(5, [[3], [0, 4]], [nn.Linear(1, 2), PiecewiseLinearEncoding(2, 3)])
    layer.look_at(X)
    alone.look_at(X[:, [0, 4]])
    torch.testing.assert_close(layer[1].edges, alone.edges)


@pytest.mark.parametrize("words", [{"plr": 2}, {"ple": 3}])
def test_only_numeric_inputs_are_embedded_if_they_are_given(words):
    network = MLP((4,), **words).with_inputs((0, 3), ((1, 2),))(5, 1)
    assert network[0].inputs == [[0, 3]]
    assert network[1].in_features == 3 + 6
    assert isinstance(MLP((4,), **words).with_inputs((), ((1, 2),))(5, 1)[0], nn.Linear)
    torch.manual_seed(5)
    reported = MLP((4,), **words).with_inputs((0, 1, 2), ())(3, 1).state_dict()
    torch.manual_seed(5)
    for name, value in MLP((4,), **words)(3, 1).state_dict().items():
        torch.testing.assert_close(reported[name], value)


def test_a_category_with_many_levels_uses_an_embedding_table():
    architecture = MLP((4,), embed=2).with_inputs((0,), ((1, 2, 3), (4, 5), (6, 7, 8, 9)))
    network = architecture(10, 1)
    assert network[0].inputs == [[1, 2, 3], [6, 7, 8, 9]]  # two levels take no more inputs than two numbers
    table = nn.Embedding.from_pretrained(network[0][1].weight.T)
    levels = torch.tensor([3, 0, 2])
    x = torch.zeros(3, 10)
    x[torch.arange(3), 6 + levels] = 1
    torch.testing.assert_close(network[0](x)[:, 5:], table(levels))
    assert MLP((4,), embed=2)(10, 1)[0].in_features == 10  # the numeric inputs are not given
    many = MLP((), embed=50).with_inputs((), (tuple(range(400)),))(400, 1)[0][0].weight
    assert abs(many.std() - 1) < 0.05


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"ple": 2, "numbers": (1, 1)}, "name an input twice"),
        ({"embed": 2, "numbers": (0,), "categories": ((0, 1),)}, "name an input twice"),
        ({"ple": 2, "numbers": (-1,)}, "below 0"),
        ({"ple": 2, "numbers": (), "categories": ((1, 2),)}, "categories belong to embed"),
        ({"embed": -1}, "embed is -1"),
    ],
)
def test_invalid_inputs_of_embeddings_are_refused(words, message):
    with pytest.raises(CandidateError, match=message):
        MLP((4,), **words)


def test_inputs_out_of_range_are_refused():
    with pytest.raises(CandidateError, match="aren't among 3"):
        MLP((4,), ple=2, numbers=(3,))(3, 1)

"""Inputs of `compare`: paths, examples, data frames and arrays; words, callables, classes and
files."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import seedbed as sb
from seedbed.data.splits import repeated_folds
from seedbed.errors import CandidateError
from seedbed.experiment import fits
from seedbed.experiment.fits import Group, fit_group
from seedbed.model.member import is_network
from seedbed.networks.candidate import candidate_from
from seedbed.networks.mlp import MLP
from seedbed.training.torch.modules import started_module
from seedbed.training.torch.own_modules import find_final_activation

NAMES = ["a", "b", "c"]


class OneLayer(nn.Linear):
    """A network without arguments."""

    def __init__(self):
        super().__init__(3, 1)


class Fitting(nn.Sequential):
    """A network built from the table's shape."""

    def __init__(self, n_features, n_outputs):
        super().__init__(nn.Linear(n_features, 4), nn.Tanh(), nn.Linear(4, n_outputs))


def embedded(n_features, n_outputs, numbers, categories):
    assert sorted([*numbers, *itertools.chain(*categories)]) == [*range(n_features)]
    words = MLP(
        (3,),
        "relu",
        categories=tuple(map(tuple, categories)),
        embed=2,
        numbers=tuple(numbers),
    )
    return started_module(words.network(n_features, n_outputs), torch.initial_seed())


def four_tanh():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


FILE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
"""


@pytest.fixture(scope="module")
def csv(arrays, tmp_path_factory):
    X, y = arrays
    path = tmp_path_factory.mktemp("tables") / "rows.csv"
    pd.DataFrame(X, columns=NAMES).assign(y=y).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def plain(small):
    return small(candidates="tanh:4")["tanh:4"]


@pytest.mark.parametrize(
    "table_of",
    [
        lambda X, y, path: pd.DataFrame(X, columns=NAMES).assign(y=y),
        lambda X, y, path: pl.DataFrame({"y": y, **dict(zip(NAMES, X.T, strict=True))}),
        lambda X, y, path: pl.DataFrame(X, schema=NAMES).with_columns(y=y).to_arrow(),
        lambda X, y, path: str(path),
        lambda X, y, path: path,
    ],
    ids=["pandas", "polars", "pyarrow", "str", "Path"],
)
def test_a_data_frame_and_a_file_give_the_same_result_as_arrays(
    small, arrays, csv, plain, same, table_of, request
):
    found = small(table_of(*arrays, csv), target="y", candidates="tanh:4")
    assert found.to_dict()["target"] == "y"
    assert (found.to_dict()["table"] == "rows") == (
        request.node.callspec.id in ("str", "Path")
    )
    same(found["tanh:4"], plain)


@pytest.mark.parametrize(
    "kind",
    [
        lambda X, y: (torch.from_numpy(X), torch.from_numpy(y)),
        lambda X, y: (X.tolist(), [bool(label) for label in y]),
        lambda X, y: (pd.DataFrame(X), pd.Series(np.where(y == 1, "sick", "healthy"))),
        lambda X, y: (pl.DataFrame(X), pl.Series("outcome", y)),
    ],
    ids=["tensors", "lists", "pandas, words", "polars"],
)
def test_features_and_labels_may_be_separate_objects_of_any_type(
    small, arrays, plain, same, kind
):
    same(small(*kind(*arrays), candidates="tanh:4")["tanh:4"], plain)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("build", "name"),
    [
        (OneLayer, "OneLayer"),
        (Fitting, "Fitting"),
        (four_tanh, "four_tanh"),
        (lambda: nn.Linear(3, 1), "<lambda>"),
    ],
    ids=["class", "class from shape", "function", "lambda"],
)
def test_a_callable_is_a_candidate_named_after_itself(small, build, name):
    (result,) = small(candidates=[build]).results
    assert result.name == name
    assert result.n_parameters == sum(
        p.numel() for p in (build(3, 1) if build is Fitting else build()).parameters()
    )
    assert 0 <= result.scores["accuracy"].mean <= 1


@pytest.mark.slow
def test_results_of_a_mapping_depend_on_name_and_seed(small, plain, same):
    # With the same name, words and a class that builds the same network give the same results.
    same(small(candidates={"tanh:4": Fitting})["tanh:4"], plain, tolerance=1e-6)
    same(
        small(candidates={"tanh:4": MLP((4,), "tanh")})["tanh:4"], plain, tolerance=1e-6
    )
    found = small(candidates={"plain": "linear:3", "mine": four_tanh}, reference="mine")
    assert [result.name for result in found.results] == ["plain", "mine"]
    assert found.to_dict()["reference"] == "mine"


@pytest.mark.slow
def test_a_class_in_a_file_is_loaded_in_other_processes(small, tmp_path, same):
    (tmp_path / "net.py").write_text(FILE)
    words = {"mine": f"{tmp_path / 'net.py'}:Net", "other": "linear:2"}
    two, one = (small(candidates=words, n_jobs=jobs) for jobs in (2, 1))
    same(two["mine"], one["mine"], tolerance=1e-6)


def test_a_network_that_ends_in_a_sigmoid_must_return_logits(small):
    candidates = dict(
        squashed=lambda: nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()),
        plain=lambda: nn.Linear(3, 1),
        constant=lambda: nn.Sequential(nn.Linear(3, 1), nn.Threshold(1e9, 0.5)),
    )
    message = "candidate 'squashed': forward.. seems to end with a sigmoid"
    with pytest.warns(UserWarning, match=message) as caught:
        found = small(
            candidates=candidates | {"own": "linear:1@lr=0"}, recipe="tutorial", lr=0.5
        )
    assert len(caught) == 1
    assert [
        (check.candidate, check.code)
        for check in found.checks
        if check.code == "confined_outputs"
    ] == [("squashed", "confined_outputs")]
    # one example of all others
    (check,) = [check for check in found.checks if check.candidate == "squashed"]
    assert "forward() seems to end with a sigmoid: return the logit" in check.message
    assert check.message in " ".join(found.details().split())


class Squashed(nn.Linear):
    def __init__(self, n_features, n_outputs, last):
        super().__init__(n_features, n_outputs)
        self.last = last

    def forward(self, x):
        return self.last(super().forward(x))


@pytest.mark.parametrize(
    ("last", "task", "kind"),
    [
        (torch.sigmoid, "binary", "sigmoid"),
        (lambda z: z.clamp(0, 1), "binary", "sigmoid"),
        (lambda z: z.softmax(1), "multiclass", "softmax"),
        (torch.sigmoid, "multiclass", ""),
        (lambda z: z.log_softmax(1), "multiclass", ""),
        (torch.relu, "binary", ""),
        (lambda z: 1e-3 * z + 0.5, "binary", ""),  # within 0 and 1 at first
        (lambda z: 0 * z, "binary", ""),
        (lambda z: z / 0, "binary", ""),
        (lambda z: z.norow, "binary", ""),
    ],
)
def test_a_network_that_returns_probabilities_with_any_parameters_is_reported(
    last, task, kind
):
    assert (
        find_final_activation(
            lambda: Squashed(3, 1 if task == "binary" else 3, last), 3
        )
        == kind
    )


def test_the_search_for_a_last_sigmoid_leaves_layers_that_networks_share_as_they_are(
    small,
):
    shared = nn.Linear(3, 3)
    before = shared.weight.detach().clone()
    found = small(
        candidates={
            "net": lambda: nn.Sequential(shared.requires_grad_(False), nn.Linear(3, 1))
        }
    )
    torch.testing.assert_close(shared.weight, before)
    assert found.results[0].curves[2, 0].max() < 2


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Linear(7, 1), "can't take 3 features"),
        (lambda: nn.Linear(3, 2), "candidate 'mine': the network has 2 outputs"),
        (nn.Linear(3, 1), "built already"),
        (lambda: nn.ReLU(), "no parameter to train"),
        (MLP((3,), ple=2, numbers=(0,)), "indices of an array's inputs"),
    ],
    ids=["features", "outputs", "built", "no parameters", "places"],
)
def test_a_candidate_that_cannot_be_trained_is_refused(small, build, message):
    with pytest.raises(CandidateError, match=message):
        small(candidates={"mine": build})


def predicted(frame, candidate, splits, without=(), recipe=sb.Recipe):
    """Return the predictions of a candidate for the test rows of some splits."""
    group = Group((candidate,), {candidate.name: "line"}, without)
    compute = sb.Compute(n_jobs=1)
    options = dict(
        recipe=recipe(epochs=3), n_networks=2, random_state=1, compute=compute
    )
    return [
        one["line"].predictions
        for one in fit_group(group, sb.read_table(frame, target="y"), splits, **options)
    ]


@pytest.fixture
def mixed():
    """A frame with numbers and categories, and two splits."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=60)}
        | {name: rng.choice(list("uvw"), 60) for name in "bc"}
    )
    frame["y"] = rng.integers(0, 2, 60)
    return frame, repeated_folds(
        frame["y"].to_numpy(), repeats=1, folds=3, random_state=0
    )[:2]


@pytest.mark.parametrize(
    "words", ["relu:3", "relu:3@ple=3", "relu:3@plr=2", "relu:3@embed=2"]
)
def test_a_model_without_a_column_is_that_of_a_table_without_it(words, mixed):
    (frame, splits), candidate = mixed, candidate_from(words)
    fewer = predicted(frame.drop(columns="a"), candidate, splits)
    assert np.array_equal(predicted(frame, candidate, splits, ("a",)), fewer)


@pytest.mark.slow
def test_words_and_modules_that_embed_are_equal(mixed):
    (frame, splits), words = mixed, "relu:3@embed=2"
    for column, split in zip(
        "bc", splits, strict=True
    ):  # each fit lacks a level, of different columns
        frame.loc[split.test[0], column] = "once"
    candidates = candidate_from(words), candidate_from(embedded, words)
    for one in candidates:
        alone = [predicted(frame, one, [split])[0] for split in splits]
        assert_allclose(predicted(frame, one, splits), alone, atol=1e-5)
    in_words, own = (
        predicted(frame, one, splits, recipe=sb.Recipe.tutorial) for one in candidates
    )
    assert_allclose(own, in_words, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("question", ["classes", "numbers", "survival", "columns"])
def test_embeddings_of_every_fit_take_the_inputs_that_its_rows_have(
    question, ask, monkeypatch
):
    rng, seen, real = np.random.default_rng(0), [], fits.trained_members
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=["z1", "z2", "z3"])
    frame.insert(0, "a", [f"level {row % 50}" for row in range(299)] + ["once"])
    frame.insert(1, "b", np.where(np.arange(300) == 7, np.nan, frame["z1"]))
    frame["y"] = (
        frame["z2"] if question == "numbers" else rng.choice(["no", "yes"], 300)
    )
    monkeypatch.setattr(
        fits,
        "trained_members",
        lambda given, **on: seen.extend(given) or real(given, **on),
    )
    kind = {"event": "y", "time": "z3"} if question == "survival" else {"target": "y"}
    frame["z3"] = rng.exponential(size=300)
    design = sb.Design(repeats=1, folds=3, n_networks=2)
    names = ["network-2-bins", "network-2-waves", "relu:3@embed=2"]
    names = names[0] if question == "columns" else [*names, embedded]
    options = dict(
        candidates=names, epochs=1, design=design, compute=sb.Compute(n_jobs=1)
    )
    ask(
        "columns" if question == "columns" else "compare",
        sb.read_table(frame, **kind),
        **options,
    )
    assert len({fit.preprocessor.layout.number_inputs for fit in seen}) > 1
    for fit in seen:
        layout = fit.preprocessor.layout
        for network in (one.architecture for one in fit.members if is_network(one)):
            assert (
                not isinstance(network, MLP) or network.numbers == layout.number_inputs
            )
            assert network.categories == (
                layout.category_inputs if getattr(network, "embed", True) else ()
            )

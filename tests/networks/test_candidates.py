"""The candidate grammar: what it accepts, and the errors for unknown words."""

import dataclasses
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.activations import ACTIVATIONS
from seedbed.networks.candidate import (
    Candidate,
    candidate_from,
    parse_candidate,
    unique_names,
)
from seedbed.networks.mlp import MLP
from seedbed.networks.user import FileArchitecture, UserArchitecture
from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import Recipe


@pytest.mark.parametrize(
    ("text", "mlp"),
    [
        ("logistic", MLP(())),
        ("linear:5", MLP((5,), ("linear",))),
        (
            "relu:64,32+tanh:8@dropout=0.1",
            MLP((64, 32, 8), ("relu", "relu", "tanh"), dropout=0.1),
        ),
        ("relu:5@batchnorm=true,layernorm=false", MLP((5,), ("relu",), batchnorm=True)),
        ("relu:5,5@residual", MLP((5, 5), ("relu", "relu"), residual=True)),
        (
            "relu:5@plr=8,plr_frequencies=4,plr_sigma=.5",
            MLP((5,), plr=8, plr_frequencies=4, plr_sigma=0.5),
        ),
        ("relu:5@ple=16,embed=8", MLP((5,), ple=16, embed=8)),
        (
            " relu:5 + tanh:4, 3 @ dropout = .5 ",
            MLP((5, 4, 3), ("relu", "tanh", "tanh"), dropout=0.5),
        ),
    ],
)
def test_words_are_read_as_an_architecture(text, mlp):
    candidate = parse_candidate(text)
    assert candidate.name == text.strip()
    assert candidate.overrides == ()
    assert candidate.architecture == dataclasses.replace(mlp, activations=mlp.by_layer)


def test_recipe_words_change_only_their_own_settings():
    sgd = parse_candidate("relu:5@momentum=0.9,nesterov,batch_size=full").recipe(
        Recipe.tutorial(batch_size=8, lr=0.2)
    )
    assert sgd == Recipe.tutorial(momentum=0.9, nesterov=True, lr=0.2)
    assert parse_candidate("relu:5@patience=none").recipe(Recipe(patience=3)) == Recipe(
        patience=0
    )
    assert parse_candidate("relu:5@clip_norm=2").recipe(Recipe()) == Recipe(
        clip_norm=2.0
    )
    result = parse_candidate("relu:5@clip_norm=none").recipe(Recipe(clip_norm=2.0))
    assert result == Recipe()
    assert (
        parse_candidate("relu:5@decay_biases=false").recipe(Recipe(decay_biases=True))
        == Recipe()
    )
    assert parse_candidate("relu:5@decay_biases").recipe(Recipe()) == Recipe(
        decay_biases=True
    )
    assert parse_candidate("relu:5@nesterov=false").recipe(Recipe()) == Recipe()


LAYERS = st.lists(
    st.tuples(
        st.sampled_from([*ACTIVATIONS, "linear"]),
        st.lists(st.integers(1, 500), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)
WORDS = st.fixed_dictionaries(
    {},
    optional=dict(
        dropout=st.floats(0.01, 0.99),
        layernorm=st.just(True),
        plr=st.integers(0, 10**6),
        optimizer=st.sampled_from([*OPTIMIZERS]),
        lr=st.floats(0, 10),
        schedule=st.sampled_from(["constant", "cosine"]),
        decay_biases=st.booleans(),
        label_smoothing=st.floats(0, 1, exclude_max=True),
        warmup=st.floats(0, 1, exclude_max=True),
        weight_decay=st.floats(0, 10),
        epochs=st.integers(1, 10**6),
        batch_size=st.integers(0, 10**6),
    ),
)


@given(LAYERS, WORDS)
def test_every_candidate_is_read_back_from_its_text(layers, words):
    text = "+".join(f"{name}:{','.join(map(str, widths))}" for name, widths in layers)
    said = {
        key: "full" if key == "batch_size" and not value else str(value).lower()
        for key, value in words.items()
    }
    candidate = parse_candidate(
        text + ("@" if said else "") + ",".join(f"{k}={v}" for k, v in said.items())
    )
    assert candidate.architecture.widths == tuple(
        width for _, widths in layers for width in widths
    )
    assert candidate.architecture.by_layer == tuple(
        name for name, widths in layers for _ in widths
    )
    assert candidate.architecture.dropout == words.pop("dropout", 0.0)
    assert candidate.architecture.layernorm == words.pop("layernorm", False)
    assert candidate.architecture.plr == words.pop("plr", 0)
    assert dict(candidate.overrides) == words
    assert candidate.recipe(Recipe(loss="bce")) == dataclasses.replace(
        Recipe(loss="bce"), **words
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (f"{name}:5", f"no activation or model '{name}'. Did you mean 'relu'?")
            for name in ("rellu", "ReLU")
        ),
        ("relu", "'relu' has no width. Write relu:5, or relu:64,64 for two layers."),
        *(
            (f"relu:{size}", f"'{size}' isn't a width. Write whole numbers: relu:64")
            for size in ("", "five", "5.5")
        ),
        ("relu:5@lr=.1,lr=.2", "'lr' is duplicated. Leave one out."),
        (
            "relu:5@layernorm=yes",
            "'layernorm=yes' is neither true nor false. Write layernorm alone",
        ),
        (
            "relu:5@plr=8,plr_frequencies=0",
            "plr_frequencies is 0. It must be a whole number from 1 up.",
        ),
        ("relu:5@plr_sigma=0.5", "plr_sigma belongs to plr. Add plr=8."),
        *(
            (f"relu:5@{word}=-1", f"{word} is -1. It must be a whole number from 0 up.")
            for word in ("plr", "ple")
        ),
        (
            "leaky_relu(0.2,1):4",
            "'leaky_relu(0.2,1)' has too many arguments. It takes negative_slope.",
        ),
        ("auto", "auto is a blend of models, not one network"),
        ("auto@lr=0.1", "auto takes no words of its own"),
        ("net.py", "no class is named for net.py. Write net.py:CLASS."),
        (
            "net.py:Net@dropout=.1",
            "'dropout' shapes seedbed's own networks. Build it into yours.",
        ),
    ],
)
def test_a_wrong_word_is_named_with_the_valid_choices(text, message):
    with pytest.raises(CandidateError) as caught:
        parse_candidate(text)
    assert str(caught.value).startswith(f"candidate '{text}': {message}")
    assert "\n" not in str(caught.value)
    assert caught.value.code == "candidate"


PIECES = [
    *"@:+,=. -0159",
    "relu",
    "tanh",
    "logistic",
    "dropout",
    "lr",
    "nesterov",
    "full",
    "x.py",
    "٣",
    "²",
]
NEARLY = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.text(max_size=30) | NEARLY | st.text(alphabet=string.printable, max_size=30))
def test_arbitrary_text_is_a_candidate_or_raises_a_candidate_error(text):
    try:
        candidate = parse_candidate(text)
    except CandidateError:
        return
    assert candidate.name == text.strip()
    assert isinstance(candidate.architecture, MLP | FileArchitecture)


@pytest.mark.parametrize("digits", [10, 5000])
def test_a_number_of_thousands_of_digits_is_refused(digits):
    for text in ("relu:" + "9" * digits, "relu:5@epochs=x" + "9" * digits):
        with pytest.raises(CandidateError):
            parse_candidate(text)


def test_a_contradiction_with_the_common_recipe_names_the_candidate():
    # valid without the common recipe
    candidate = parse_candidate("relu:5@momentum=0.9")
    assert candidate.recipe(Recipe.tutorial()).momentum == 0.9
    message = r"candidate 'relu:5@momentum=0.9': momentum and nesterov belong to sgd"
    with pytest.raises(CandidateError, match=message):
        candidate.recipe(Recipe(optimizer="adam"))
    assert (
        parse_candidate("relu:5@nesterov")
        .recipe(Recipe.tutorial(momentum=0.5))
        .nesterov
    )
    message = r"nesterov needs momentum. Add momentum=0.9"
    with pytest.raises(CandidateError, match=message):
        parse_candidate("relu:5@nesterov").recipe(Recipe.tutorial())


class Net(nn.Module):
    pass


def test_candidates_may_be_text_callables_or_candidates():
    assert candidate_from("relu:5").name == "relu:5"
    assert candidate_from("relu:5", "mine") == Candidate("mine", MLP((5,), ("relu",)))
    assert candidate_from(candidate_from("relu:5"), "mine").name == "mine"
    assert candidate_from(candidate_from("relu:5")) == parse_candidate("relu:5")
    assert candidate_from(Net) == Candidate("Net", UserArchitecture(Net, "Net"))
    assert candidate_from(MLP((5,), "relu"), "mlp").architecture == MLP((5,), "relu")
    assert "widths=(5,)" in candidate_from(MLP((5,), "relu")).name


def test_several_candidates_have_distinct_names():
    named = [candidate_from(spec) for spec in ("relu:5", " relu:5 ", Net)]
    assert [c.name for c in unique_names(named[1:])] == ["relu:5", "Net"]
    message = r"two candidates are named 'relu:5'\. Leave one out, or in Python give a"
    with pytest.raises(CandidateError, match=message):
        unique_names(named)
    message = r"no candidate is given\. Name at least one"
    with pytest.raises(CandidateError, match=message):
        unique_names([])

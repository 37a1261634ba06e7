"""What may help: pairs of models that differ in one thing; and models in a few words."""

import numpy as np
import pytest

from seedbed.data.reading import table_from_arrays
from seedbed.experiment.contrasts import questions_of
from seedbed.experiment.spec import specify
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return table_from_arrays(rng.normal(size=(60, 3)), rng.integers(0, 2, size=60))


def asked(table, *words, baselines=()):
    spec = specify(
        table,
        words or None,
        recipe=Recipe(),
        design=Design(baselines=list(baselines) if words else None, auto=not words),
    )
    return [(thing, one, *others) for thing, one, others in questions_of(spec.lines)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["relu:32,32", "relu:32"], [("a second layer", "relu:32,32", "relu:32")]),
        (
            ["relu:8,8,8", "relu:8,8", "relu:8"],
            [
                ("a third layer", "relu:8,8,8", "relu:8,8"),
                ("a second layer", "relu:8,8", "relu:8"),
            ],
        ),
        (
            ["relu:8", "relu:64", "relu:16"],
            [
                ("16 units, not 8", "relu:16", "relu:8"),
                ("64 units, not 16", "relu:64", "relu:16"),
            ],
        ),
        (
            ["linear:5", "relu:5", "tanh:5"],
            [("relu", "relu:5", "linear:5"), ("tanh", "tanh:5", "linear:5")],
        ),
        (
            ["relu:8", "relu:8@dropout=0.1"],
            [("dropout 0.1", "relu:8@dropout=0.1", "relu:8")],
        ),
        (["relu:8@layernorm", "relu:8"], [("layernorm", "relu:8@layernorm", "relu:8")]),
        (
            ["relu:8@lr=0.01", "relu:8@lr=0.1"],
            [("lr 0.1", "relu:8@lr=0.1", "relu:8@lr=0.01")],
        ),
        (
            ["linear:5", "linear:20,20"],
            [("deeper and wider", "linear:20,20", "linear:5")],
        ),
        (["relu:8", "tanh:16"], []),
    ],
)
def test_candidates_that_differ_in_one_thing_are_neighbours(table, words, expected):
    assert sorted(asked(table, *words)) == sorted(expected)


def test_one_hidden_layer_is_compared_with_logistic_regression(table):
    assert asked(table, "relu:8", baselines=["logistic"]) == [
        ("a hidden layer", "relu:8", "logistic")
    ]


def test_the_default_models_ask_one_question_each(table):
    questions = asked(table)
    assert [thing for thing, *_ in questions] == [
        "a hidden layer",
        "a second layer",
        "numbers in bins",
        "numbers as waves",
        "trees instead of networks",
        "mixing models",
    ]
    expected = ("auto", *(name for name in specify(table, recipe=Recipe()).names[1:-1]))
    assert questions[-1][1:] == expected

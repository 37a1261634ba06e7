"""One split of a table, one seed or many."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

from seedbed.data.reading import read_table
from seedbed.errors import OptionError
from seedbed.experiment.one_split import train_on_one_split
from seedbed.networks.candidate import candidate_from
from seedbed.settings.design import Compute
from seedbed.settings.recipe import Recipe
from seedbed.training.many import train_many


@pytest.fixture
def run():
    def call(candidate="relu:5", **options):
        return train_on_one_split(
            read_table("example:moons"),
            candidate_from(candidate),
            **{"recipe": Recipe.tutorial(epochs=6, lr=0.5), "seeds": [42], **options},
            compute=Compute(n_jobs=1),
        )

    return call


def test_train_equals_train_many_on_a_standardised_split(run):
    X, y = make_moons(n_samples=500, noise=0.3, random_state=0)
    rows, rest = train_test_split(
        np.arange(500), test_size=0.2, random_state=3, stratify=y
    )
    X = ((X - X[rows].mean(0)) / X[rows].std(0)).astype(np.float32)
    expected = train_many(
        "tanh:4", X[rows], y[rows], X[rest], y[rest], seeds=[8, 9], epochs=6, lr=0.5
    )
    found = run("tanh:4", seeds=[8, 9], random_state=3)
    assert_allclose(found.train_loss, expected.train_loss, atol=1e-6)
    assert_allclose(found.test_accuracy, expected.test_accuracy, atol=1e-6)


def test_words_of_the_candidate_overrule_the_recipe(run):
    own = run("relu:5@epochs=3,lr=0.1")
    assert own.train_loss.shape == (3, 1)
    assert_array_equal(
        own.train_loss, run(recipe=Recipe.tutorial(epochs=3, lr=0.1)).train_loss
    )


def test_the_whole_recipe_reaches_the_training(run):
    recipe = Recipe(
        epochs=6,
        lr=0.5,
        schedule="cosine",
        warmup=0.2,
        optimizer="adamw",
        weight_decay=0.1,
        decay_biases=False,
        label_smoothing=0.1,
        clip_norm=2.0,
        batch_size=64,
        patience=0,
    )
    assert run(recipe=recipe, seeds=[1, 2]).recipe == dataclasses.replace(
        recipe, loss="bce"
    )


def test_rows_left_out_belong_to_models(run):
    with pytest.raises(OptionError, match="patience"):
        run(recipe=Recipe(epochs=6, patience=3))

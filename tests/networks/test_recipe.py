"""The recipe: frozen settings that are checked on construction."""

import numpy as np
import pytest

from seedbed.errors import OptionError
from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import RECIPES, Recipe, recipe_named


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("n_rows", "epochs", "batch_size"),
    [
        (1, 200, 64),
        (1_499, 200, 64),
        (1_500, 100, 64),
        (2_000, 100, 128),
        (4_000, 100, 256),
        (12_000, 100, 512),
        (50_000, 60, 1024),
    ],
)
def test_omitted_settings_suit_the_others(optimizer, n_rows, epochs, batch_size):
    recipe = Recipe(optimizer=optimizer).for_rows(n_rows)
    assert recipe.rate == OPTIMIZERS[optimizer].lr
    assert (recipe.n_epochs, recipe.batch_size) == (epochs, batch_size)
    assert [
        Recipe(optimizer=optimizer, weight_decay=decay).decay for decay in (0, 0.3)
    ] == [0, 0.3]
    given = Recipe(
        optimizer=optimizer,
        lr=np.float32(0.5),
        epochs=np.int64(7),
        batch_size=np.int32(0),
    )
    assert given.for_rows(n_rows) == given
    assert given.describe().lower().startswith(optimizer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": "full"}, "batch_size is 'full'"),
        (
            {"optimizer": "adam", "momentum": 0.9},
            "momentum and nesterov belong to sgd, not to adam. Leave them out",
        ),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'. Did you mean 'cosine'"),
        (
            {"label_smoothing": 0.1, "loss": "mse"},
            "requires class targets, and mse is a loss of numbers. Leave",
        ),
    ],
)
def test_settings_out_of_range_or_contradictory_are_refused(settings, message):
    with pytest.raises(OptionError, match=message):
        Recipe(**settings)


def test_given_settings_replace_those_of_a_named_recipe():
    assert recipe_named("tutorial") == RECIPES["tutorial"] == Recipe.tutorial()
    assert recipe_named("default", epochs=50, lr=None) == Recipe(epochs=50)
    assert recipe_named("tutorial", lr=0.5) == Recipe.tutorial(lr=0.5)
    message = r"unknown recipe 'tutoral'\. Did you mean 'tutorial'"
    with pytest.raises(OptionError, match=message):
        recipe_named("tutoral")

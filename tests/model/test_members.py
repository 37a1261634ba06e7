"""Members of several tables, whose networks train together."""

import numpy as np
import pandas as pd

import seedbed as sb
from seedbed.data.splits import Split
from seedbed.experiment.fits import Group, fit_group
from seedbed.model.members import Running
from seedbed.model.portfolio import candidates_for
from seedbed.settings.recipe import Recipe


def test_models_of_splits_with_different_numbers_of_minibatches_are_those_of_each_alone():
    """Seven eighths of 293 rows are up to 257, which make five minibatches of 64, and of 290 rows four."""
    values = np.random.default_rng(0).normal(size=(325, 2))
    table = sb.read_table(pd.DataFrame({"x": values[:, 0], "y": values.sum(axis=1) > 0}), target="y")
    splits = [Split(0, i, np.arange(n), np.arange(n, 325)) for i, n in enumerate((293, 290))]
    group = Group(candidates_for(["relu:4"], table), {"relu:4": "relu:4"})
    options = {"recipe": Recipe(epochs=3), "n_networks": 8, "random_state": 0, "running": Running()}
    together = fit_group(group, table, splits, **options)
    for split, fitted in zip(splits, together, strict=True):
        (alone,) = fit_group(group, table, [split], **options)
        np.testing.assert_array_equal(fitted["relu:4"].predictions, alone["relu:4"].predictions)

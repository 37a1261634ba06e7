"""Tables of many rows and cells are trained in batches."""

import numpy as np
import pytest

from seedbed.data import table_from_arrays
from seedbed.errors import DataError
from seedbed.experiment import make_plan, specify
from seedbed.model import fit_model
from seedbed.scoring import resamples_for
from seedbed.settings import Compute, Design, Recipe
from seedbed.settings.recipe import BATCH_SIZE


@pytest.fixture
def arrays(monkeypatch):
    """A table that counts as large."""
    for name in ("_LARGE_ROWS", "_LARGE_CELLS"):
        monkeypatch.setattr(f"seedbed.data.design.{name}", 1)
    rng = np.random.default_rng(2)
    X = rng.normal(size=(5_000, 3))
    return X, (X[:, 0] + X[:, 1] ** 2 + rng.normal(size=5_000) > 1).astype(np.int64)


def recipe_of(arrays, recipe):
    spec = specify(table_from_arrays(*arrays), ["relu:4"], recipe=recipe, design=Design(baselines=[]))
    return make_plan(spec, Compute(jobs=1)).experiment.recipe


def test_large_tables_use_batches_by_default(arrays, monkeypatch):
    assert recipe_of(arrays, Recipe(epochs=2)).batch_size == BATCH_SIZE
    assert recipe_of(arrays, Recipe(epochs=2, batch_size=256)).batch_size == 256
    monkeypatch.undo()
    assert recipe_of(arrays, Recipe(epochs=2)).batch_size is None


def test_a_model_of_a_large_table_is_fitted_in_batches(arrays):
    recipe = Recipe(epochs=40, lr=0.5)
    model = fit_model(table_from_arrays(*arrays), "relu:4", recipe=recipe, n_networks=2, compute=Compute(jobs=1))
    assert "batches of 4096" in model.training["recipe"]


def test_a_table_that_does_not_fit_in_memory_is_refused_with_its_sizes(arrays, monkeypatch):
    monkeypatch.setattr("seedbed.data.preprocessing._free_bytes", lambda: 1.0)
    monkeypatch.setattr("seedbed.data.preprocessing._LARGE_CELLS", 1)
    with pytest.raises(DataError, match=r"^5,000 rows x 3 inputs need about 0 GiB of memory, and 0 GiB are free"):
        fit_model(table_from_arrays(*arrays), "relu:4")


def test_more_rows_use_fewer_bootstrap_resamples():
    assert [resamples_for(n) for n in (100, 5_000, 5_001, 200_000, 2_000_000)] == [2000, 2000, 500, 500, 200]

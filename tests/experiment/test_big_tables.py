"""Tables on disk are compared like others, in batches and reproducibly."""

import importlib

import numpy as np
import pytest

from seedbed.data import on_disk, read_table, table_from_arrays
from seedbed.experiment import Checkpoint, make_plan, run, specify
from seedbed.model import fit_model
from seedbed.scoring import resamples_for
from seedbed.settings import Compute, Design, Recipe
from seedbed.settings.recipe import BATCH_SIZE

from .conftest import compare_with

RUN = importlib.import_module("seedbed.experiment.run")  # the package exports a function of this name
RECIPE = Recipe(epochs=2, lr=0.1, epoch="inner", batch_size=256)


@pytest.fixture(scope="module", autouse=True)
def _smaller():
    """Rows are locked away from 20,001 on, so that the tests are fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("seedbed.evaluation.protocol"), "_LARGE", 20_000)
        yield


@pytest.fixture(scope="module")
def arrays():
    """Enough rows to hold some out, and more than two windows of the smallest size."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(21_000, 3))
    return X, (X[:, 0] + X[:, 1] ** 2 + rng.normal(size=21_000) > 1).astype(np.int64)


@pytest.fixture
def on_the_disk(monkeypatch):
    """Make every table count as large."""
    for name in ("LARGE_ROWS", "LARGE_CELLS", "LARGE_BYTES"):
        monkeypatch.setattr(on_disk, name, 1)


def planned(arrays, recipe=RECIPE, **options):
    spec = specify(table_from_arrays(*arrays), ["relu:4"], recipe=recipe, design=Design(baselines=[], **options))
    return make_plan(spec, Compute(jobs=1))


def test_held_out_rows_are_held_out_on_disk(arrays, on_the_disk):
    plan = planned(arrays)
    data, locked = plan.choosing.data, plan.splits[0].test
    places = np.argsort(data.order)
    assert not data.train[places[locked]].any()
    assert not data.test[places[locked]].any()
    assert plan.fitting.data.tested(0).nonzero()[0].tolist() == locked.tolist()
    assert isinstance(data.X, np.memmap)
    assert data.X is plan.fitting.data.X
    assert isinstance(plan.inner[0][0].train, np.memmap)


def test_networks_on_disk_perform_like_those_in_memory(arrays, on_the_disk, monkeypatch):
    """Rows come in another order, so results are not equal to the last digit."""
    found = run(planned(arrays, seeds=1))["relu:4"]
    monkeypatch.undo()
    expected = run(planned(arrays, seeds=1))["relu:4"]
    for name in ("accuracy", "brier", "roc_auc"):
        assert found.scores[name].mean == pytest.approx(expected.scores[name].mean, abs=0.01)
    assert np.isfinite(found.predictions).sum() == np.isfinite(expected.predictions).sum() == 4200
    p, q = (one.predictions[0].mean(0)[one.tested] for one in (found, expected))
    assert np.corrcoef(p, q)[0, 1] > 0.99
    assert found.dead.tolist() == expected.dead.tolist()


@pytest.mark.slow
def test_a_large_table_gives_the_same_results_with_any_number_of_jobs(on_the_disk):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6_000, 300))  # windows of 6,990 rows
    X, y = np.concatenate([X, X[:2_000] + 1]), rng.integers(0, 2, 8_000)
    options = {"candidates": ["relu:2", "tanh:2"], "epochs": 1, "folds": 2, "repeats": 1, "seeds": 1,
               "baselines": [], "recipe": "tutorial", "batch_size": 512}  # fmt: skip
    one, two, three = (compare_with(X, y, jobs=jobs, **options) for jobs in (1, 1, 2))
    for name in ("relu:2", "tanh:2"):
        np.testing.assert_array_equal(one[name].predictions, two[name].predictions)
        np.testing.assert_array_equal(one[name].predictions, three[name].predictions)
        np.testing.assert_array_equal(one[name].curves, three[name].curves)


def test_a_regression_is_trained_from_disk(arrays, on_the_disk):
    X, _ = arrays
    y = 1000 + 30 * X[:, 0] - 10 * X[:, 2] + np.random.default_rng(0).normal(size=len(X))
    spec = specify(table_from_arrays(X, y), ["linear:2"], recipe=RECIPE, design=Design(baselines=[], seeds=1))
    plan = make_plan(spec, Compute(jobs=1))
    found = run(plan)["linear:2"]
    assert found.scores["r2"].mean > 0.95
    assert found.curves[3, -1, 0] == pytest.approx(found.scores["r2"].mean, abs=1e-3)


def test_large_tables_use_batches_by_default_and_the_plan_says_so(arrays, on_the_disk, monkeypatch):
    plan = planned(arrays, Recipe(epochs=2))
    assert plan.experiment.recipe.batch_size == BATCH_SIZE
    assert "in batches of 4,096 rows, read from disk" in plan.sentence()
    assert planned(arrays).experiment.recipe.batch_size == 256
    monkeypatch.undo()
    plan = planned(arrays, Recipe(epochs=2))
    assert plan.experiment.recipe.batch_size is None
    assert "disk" not in plan.sentence()


def test_an_interrupted_run_on_disk_continues(arrays, on_the_disk, tmp_path, monkeypatch):
    whole = run(planned(arrays))["relu:4"]
    plan = planned(arrays)
    run(plan, checkpoint=Checkpoint(plan, tmp_path))
    monkeypatch.setattr(RUN, "train_chunks", lambda chunks, *_: (chunk.build for chunk in chunks if pytest.fail("new")))
    plan = planned(arrays)
    checkpoint = Checkpoint(plan, tmp_path)
    assert checkpoint.networks == 18
    again = run(plan, checkpoint=checkpoint)["relu:4"]
    np.testing.assert_array_equal(again.predictions, whole.predictions)
    np.testing.assert_array_equal(again.epochs, whole.epochs)


def test_a_model_is_fitted_from_disk(arrays, on_the_disk, monkeypatch):
    recipe = Recipe(epochs=40, lr=0.5)
    model = fit_model(table_from_arrays(*arrays), "relu:4", recipe=recipe, n_networks=2, compute=Compute(jobs=1))
    assert "batches of 4096" in model.training["recipe"]
    X, y = arrays
    assert ((model.predict_proba(X[:500])[:, 1] > 0.5) == y[:500]).mean() > 0.6


def test_a_file_is_compared_from_disk(arrays, on_the_disk, tmp_path):
    import duckdb

    path = tmp_path / "big.parquet"
    X, y = arrays
    columns = {"a": X[:, 0], "b": X[:, 1], "y": y}
    connection = duckdb.connect()
    connection.register("found", columns)
    connection.execute(f"COPY (SELECT * FROM found) TO '{path}'")
    table = read_table(path, target="y")
    np.testing.assert_array_equal(table.features, X[:, :2])
    found = compare_with(table, candidates=["relu:3"], epochs=1, baselines=[], recipe="tutorial", jobs=1)
    assert found["relu:3"].finite


def test_more_rows_use_fewer_bootstrap_resamples():
    assert [resamples_for(n) for n in (100, 5_000, 5_001, 200_000, 2_000_000)] == [2000, 2000, 500, 500, 200]

"""Fixtures for the tests of comparisons: a small table, and comparisons that take a moment."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from seedbed.data.reading import read_table, table_from_arrays
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.experiment.columns import specify_columns
from seedbed.experiment.compare import compare
from seedbed.experiment.comparison import Comparison, carry_out, comparison_of
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.run import run
from seedbed.experiment.run_folder import open_folder
from seedbed.experiment.saved_run import columns_of_run
from seedbed.experiment.sizes import check_sizes
from seedbed.experiment.spec import specify
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import merge_settings, settings_of
from seedbed.settings.recipe import Recipe, recipe_named

DESIGN = {"repeats": 1, "folds": 3, "n_networks": 2}
SMALL = {
    **DESIGN,
    "recipe": "tutorial",
    "epochs": 4,
    "lr": 0.5,
    "baselines": [],
    "n_jobs": 1,
}


class StopError(Exception):
    """An exception that represents an interrupt."""


@pytest.fixture(scope="session")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """X [60, 3] and y [60]: zeros and ones."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 3))
    return X, (X[:, 0] + 0.7 * rng.normal(size=60) > 0.3).astype(np.int64)


@pytest.fixture(scope="session")
def table_of() -> Callable[..., Table]:
    """A function that makes a table of numbers [row, feature] with a target of any task."""

    def make(X: np.ndarray, y: np.ndarray, task: Any = "binary", **words: Any) -> Table:
        columns = [
            Column(ColumnSchema(f"x{i}", "number", spelling="point"), X[:, i].copy())
            for i in range(X.shape[1])
        ]
        labels = (
            ()
            if task == "regression"
            else tuple(str(code) for code in range(int(y.max()) + 1))
        )
        return Table("made", tuple(columns), "y", y.copy(), labels, task, **words)

    return make


def compare_with(*table: Any, **words: Any) -> Comparison:
    """`compare` with settings given by name, whichever class they belong to."""

    def taken(kind: Any) -> dict[str, Any]:
        return {name: words.pop(name) for name in settings_of(kind) if name in words}

    design = Design(**taken(Design))
    compute = Compute(**taken(Compute))
    lr = words.pop("lr", None)
    recipe = recipe_named(words.pop("recipe", "default"), **taken(Recipe))
    return compare(
        *table, recipe=recipe, lr=lr, design=design, compute=compute, **words
    )


@pytest.fixture(scope="session")
def ask() -> Callable[..., Comparison]:
    """A function that asks a question of a table, or of the folder of a run, as the commands do."""

    def run_it(
        question: Any, source: Any, y: Any = None, *, folder: Any = None, **words: Any
    ) -> Comparison:
        if y is not None:
            source = table_from_arrays(source, y)
        elif not isinstance(source, Path | Table):
            source = read_table(source, target=words.pop("target", None))
        lr = words.pop("lr", None)
        epochs = words.pop("epochs", None)
        quick = words.pop("quick", None)
        recipe = merge_settings(words.pop("recipe", Recipe()), epochs=epochs, lr=lr)
        design = merge_settings(words.pop("design", Design()), quick=quick)
        compute = words.pop("compute", Compute())
        candidates = words.pop("candidates", None)
        shared = {"recipe": recipe, "design": design, **words}
        columns = shared.pop("columns", ())
        if isinstance(source, Path):
            spec = columns_of_run(source, candidates, columns, "")
        elif question == "columns":
            spec = specify_columns(source, candidates, columns, **shared)
        else:
            spec = specify(source, candidates, **shared)
        if question == "rows":
            check_sizes(spec)
        plan = make_plan(spec, compute)
        if folder is None:
            found = carry_out(plan)
            return found.rows(compute=compute) if question == "rows" else found
        with open_folder(plan, folder) as opened:
            found = opened.finished or carry_out(plan, checkpoint=opened.checkpoint)
            if question == "rows":
                found = found.rows(compute=compute, folder=folder)
            if found is not opened.finished:
                opened.save(found)
        return found

    return run_it


@pytest.fixture(scope="session")
def compared() -> Callable[..., Comparison]:
    """A function that compares candidates on a table, with few folds, networks and epochs and
    without baselines."""

    def run_it(
        table: Table,
        *candidates: Any,
        name: str = "tutorial",
        recipe: Any = None,
        **options: Any,
    ) -> Comparison:
        words = {"epochs": 4, "lr": 0.1, **(recipe or {})}
        options = {**DESIGN, "baselines": [], **options}
        spec = specify(
            table,
            candidates,
            recipe=recipe_named(name, **words),
            design=Design(**options),
        )
        return comparison_of(run(make_plan(spec, Compute(n_jobs=1))))

    return run_it


@pytest.fixture(scope="session")
def small(arrays: tuple[np.ndarray, np.ndarray]) -> Callable[..., Comparison]:
    """`compare` with few rows, folds, networks and epochs, without baselines; on `arrays` unless a
    table is given."""

    def run(*table: Any, **options: Any) -> Comparison:
        return compare_with(*(table or arrays), **{**SMALL, **options})

    return run


@pytest.fixture(scope="session")
def planned(arrays: tuple[np.ndarray, np.ndarray]) -> Callable[..., Plan]:
    """A function that returns the plan of a comparison made by `small`; recipe words go into
    `recipe`."""

    def plan(
        *candidates: Any, recipe: Any = None, name: str = "tutorial", **options: Any
    ) -> Plan:
        words = {"epochs": 4, "lr": 0.5} if name == "tutorial" else {"epochs": 4}
        common = recipe_named(name, **{**words, **(recipe or {})})
        options = {**DESIGN, "baselines": [], **options}
        table = table_from_arrays(*arrays)
        spec = specify(table, candidates, recipe=common, design=Design(**options))
        return make_plan(spec, Compute(n_jobs=1))

    return plan


@pytest.fixture(scope="session")
def comparison(small: Callable[..., Comparison]) -> Comparison:
    """A comparison of two candidates and a baseline with two repeats of three folds and three
    networks.

    Tests must not change it.
    """
    options = dict(candidates=["linear:3", "tanh:4"], baselines=["prior"])
    return small(reference="tanh:4", repeats=2, n_networks=3, random_state=7, **options)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of splits of the groups that are really fitted."""
    module = importlib.import_module("seedbed.experiment.run")
    sizes, real = list[int](), module.fit_group

    def fit_group(group: Any, table: Table, splits: Any, **options: Any) -> Any:
        sizes.append(len(splits))
        return real(group, table, splits, **options)

    monkeypatch.setattr(module, "fit_group", fit_group)
    return sizes


def by_fold(
    found: Any, name: str, function: Callable[..., float], *, single: bool = False
) -> np.ndarray:
    """A score of targets and predictions by scikit-learn [split, set]; of single networks [split,
    network]."""
    result, y = found[name], found.experiment.table.target
    p = (result.singles if single else result.predictions).astype(np.float64)
    parts = [(split.test, p[split.repeat][:, split.test]) for split in found.splits]
    return np.array([[function(y[test], one) for one in sets] for test, sets in parts])


@pytest.fixture
def same() -> Callable[..., None]:
    """A function that asserts that two results have the same networks."""

    def check(one: Any, other: Any, tolerance: float = 0.0) -> None:
        assert_allclose(one.curves, other.curves, rtol=0, atol=tolerance)
        assert_allclose(one.predictions, other.predictions, rtol=0, atol=tolerance)

    return check

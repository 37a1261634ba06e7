"""Categories, missing cells, dates and groups, from the table to the trained networks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from seedbed.data.layout import layout_of
from seedbed.data.reading import table_from_arrays
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.errors import DataError
from seedbed.evaluation.estimates import paired_hold_out
from seedbed.experiment.one_split import train_on_one_split
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run
from seedbed.experiment.spec import specify
from seedbed.model.blending import fit_model
from seedbed.networks.candidate import candidate_from
from seedbed.settings.design import Compute, Design
from seedbed.settings.recipe import Recipe, recipe_named

from .conftest import compare_with

N = 120
FAST = dict(
    repeats=1,
    folds=3,
    n_networks=1,
    recipe="tutorial",
    epochs=5,
    lr=0.1,
    n_jobs=1,
    baselines=[],
)


@pytest.fixture(scope="module")
def mixed():
    """A table with gaps, a category with rare levels, a boolean and a date; two labels depend on
    them."""
    rng = np.random.default_rng(3)
    width, flag = rng.normal(50, 10, N), rng.integers(0, 2, N).astype(float)
    paint = rng.choice(6, N, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05]).astype(float)
    target = (width / 10 + flag + (paint == 1) + rng.normal(size=N) > 6).astype(
        np.int64
    )
    width[rng.random(N) < 0.1], paint[rng.random(N) < 0.1] = np.nan, np.nan
    day = rng.integers(0, 400, N) * 86_400.0
    columns = (
        Column(
            ColumnSchema("width", "number", spelling="point", has_missing=True), width
        ),
        Column(
            ColumnSchema("paint", "category", levels=tuple("abcdef"), has_missing=True),
            paint,
        ),
        Column(ColumnSchema("flag", "boolean", levels=("no", "yes")), flag),
        Column(ColumnSchema("day", "date", spelling="ymd"), day),
    )
    return Table("cars", columns, "sold", target, ("no", "yes"))


def planned(table, name="tutorial", **recipe):
    design = {"n_networks": 2, "baselines": ["prior"]} | (
        {} if table.times is not None else {"repeats": 1, "folds": 3}
    )
    spec = specify(
        table,
        ["relu:4"],
        recipe=recipe_named(name, **{"epochs": 5, **recipe}),
        design=Design(**design),
    )
    return make_plan(spec, Compute(n_jobs=1))


def with_noise(table, rows, seed):
    """The same table with other cells of the same kind in the given rows."""
    rng = np.random.default_rng(seed)
    columns = []
    for column in table.columns:
        values = column.values.copy()
        if column.schema.kind in ("category", "boolean"):
            values[rows] = rng.integers(0, len(column.schema.levels), len(rows))
        else:
            by_day = column.schema.kind == "date"
            values[rows] = rng.permutation(values[rows]) + (
                0 if by_day else rng.normal(size=len(rows))
            )
        columns.append(Column(column.schema, values))
    return dataclasses.replace(table, columns=tuple(columns))


def test_all_kinds_of_columns_are_inputs_of_the_same_networks(mixed):
    found = run(planned(mixed))["relu:4"]
    assert found.finite
    assert found.n_parameters == 4 * layout_of(mixed).n_inputs + 4 + 4 + 1


@pytest.mark.parametrize("split", [0, 1, 2])
def test_noise_in_test_rows_changes_the_training_of_other_splits_only(mixed, split):
    rows = planned(mixed).splits[split].test
    one, other = (
        run(planned(table, "default"))["relu:4"]
        for table in (mixed, with_noise(mixed, rows, 7))
    )
    networks, of_others = slice(2 * split, 2 * split + 2), 2 * ((split + 1) % 3)
    assert_array_equal(one.curves[:2, :, networks], other.curves[:2, :, networks])
    assert not np.array_equal(
        one.curves[0, :, of_others], other.curves[0, :, of_others]
    )
    assert one.epochs[split] == other.epochs[split]
    assert not np.array_equal(
        one.predictions[0, 0, rows], other.predictions[0, 0, rows]
    )


def test_the_interval_on_held_out_rows_accounts_for_groups_and_time(mixed):
    table = dataclasses.replace(
        mixed,
        groups=np.arange(N) // 4,
        grouped_by="owner",
        times=np.arange(N, dtype=float),
    )
    found = compare_with(
        table,
        candidates=["linear:2", "relu:4"],
        reference="linear:2",
        **{**FAST, "repeats": None, "folds": None, "n_networks": 2},
    )
    one, other = found.results
    assert not {*table.groups[found.splits[0].train]} & {*table.groups[one.tested.rows]}
    losses = [
        result.row_losses("brier")[0][:, result.tested.rows] for result in (one, other)
    ]
    groups, times = table.groups[one.tested.rows], table.times[one.tested.rows]
    both, by_group = (
        paired_hold_out(*losses, groups=groups, times=at) for at in (times, None)
    )
    assert (found.verdicts[0].low, found.verdicts[0].high) == pytest.approx(
        (both.low, both.high)
    )
    assert both.variance_rows >= by_group.variance_rows
    assert by_group.variance_rows != pytest.approx(
        paired_hold_out(*losses).variance_rows
    )


@pytest.mark.few(1)
@pytest.mark.product
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("design", ["cross-validation", "by time"])
def test_every_task_works_with_every_design_and_kind_of_column(mixed, task, design):
    rng = np.random.default_rng(1)
    targets = dict(
        binary=mixed.target,
        multiclass=rng.integers(0, 3, N),
        regression=rng.normal(1e5, 1e3, N),
    )
    labels = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
    table = dataclasses.replace(
        mixed, target=targets[task], labels=labels[task], task=task
    )
    if design == "by time":
        table = dataclasses.replace(table, times=rng.permutation(N).astype(float))
    words = {
        "n_networks": 2,
        **({"repeats": None, "folds": None} if design == "by time" else {}),
    }
    found = compare_with(
        table,
        candidates=["linear:2", "relu:4"],
        **{**FAST, "baselines": ["standard"], **words},
    )
    assert all(result.finite for result in found.results)
    assert len(found.verdicts) == 4
    assert str(found)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_train_accepts_every_task(mixed, task):
    target = np.arange(N) % 3 if task == "multiclass" else np.linspace(1e5, 2e5, N)
    labels = ("a", "b", "c") if task == "multiclass" else ()
    table = dataclasses.replace(mixed, target=target, labels=labels, task=task)
    options = dict(seeds=(1, 2), recipe=Recipe.tutorial())
    history = train_on_one_split(table, candidate_from("relu:4@epochs=50"), **options)
    assert history.score_name == ("accuracy" if task == "multiclass" else "R2")
    assert (history.train_loss[-1] < history.train_loss[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 5, 10, 15, 20, 40])
def test_small_generated_tables_go_through_the_default_comparison(number, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "benchmarks")
    import fuzz_tables

    steps = fuzz_tables.run(number)["steps"]
    assert {"compare", "columns", "rows", "fit_model", "estimator"} <= steps.keys()
    assert steps["compare"] == "ok"
    assert not [result for result in steps.values() if result.startswith("DEFECT")]


def test_a_table_that_does_not_fit_in_memory_is_refused_with_its_sizes(monkeypatch):
    monkeypatch.setattr("seedbed.data.preprocessing._free_bytes", lambda: 1.0)
    monkeypatch.setattr("seedbed.data.preprocessing._LARGE_CELLS", 1)
    table = table_from_arrays(
        np.random.default_rng(2).normal(size=(5_000, 3)), np.arange(5_000) % 2
    )
    message = r"^5,000 rows x 3 inputs need about 0 GiB of memory, and 0 GiB are free"
    with pytest.raises(DataError, match=message):
        fit_model(table, "relu:4")

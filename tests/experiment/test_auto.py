"""`auto`, the blend, as a candidate of a comparison."""

import dataclasses

import numpy as np
import pytest

from seedbed.data import ColumnSchema, Split, encode, repeated_folds
from seedbed.data.table import Column
from seedbed.errors import CandidateError, OptionError
from seedbed.experiment import specify
from seedbed.experiment.baselines import baselines_from
from seedbed.experiment.fitted import fit_on_splits
from seedbed.model import blend_table
from seedbed.model.members import members_for
from seedbed.settings import Compute, Design, recipe_named

from .conftest import compare_with

SMALL = ("logistic@lr=0.05", "relu:4@ple=3")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Use a portfolio that trains in a moment."""
    monkeypatch.setattr("seedbed.model.fitting.members_for", lambda portfolio, table: members_for(SMALL, table))


def test_auto_is_a_candidate_and_judged_against_the_reference(arrays, table_of, compared):
    comparison = compared(table_of(*arrays), "relu:3", "auto")
    assert comparison.experiment.reference == "relu:3"
    assert [verdict.candidate for verdict in comparison.verdicts] == ["auto"]
    assert "auto" in str(comparison)
    assert comparison["auto"].finite


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_on_each_split_auto_is_the_blend_of_the_training_rows(arrays, table_of, task):
    X, y = arrays
    y = {"binary": y, "multiclass": np.digitize(X[:, 0], [-0.5, 0.5]), "regression": X[:, 0] * 3 + 5}[task]
    table = table_of(X, y, task)
    (auto,) = baselines_from(["auto"], random_state=0, task=task)
    splits = repeated_folds(y, repeats=1, folds=2, random_state=0)
    found = {split: said for _, split, said in fit_on_splits([auto], table, encode(table), splits, jobs=1)}
    assert len(found) == 2
    for number, split in enumerate(splits):
        own = table_of(X[split.train], y[split.train], task)
        model, _ = blend_table(own, random_state=auto.estimator, compute=Compute(jobs=1))
        rows = [{f"x{column}": float(value) for column, value in enumerate(X[row])} for row in split.test]
        expected = model.predictions(rows).values
        np.testing.assert_allclose(found[number], expected, atol=1e-5 * model.target_deviation)


def test_the_blend_of_a_split_receives_columns_groups_and_times(arrays, table_of, monkeypatch):
    X, y = arrays
    levels = ColumnSchema("town", "category", ("Bonn", "Oslo", "Rome"))
    town = Column(levels, (np.arange(60) % 3).astype(np.float64))
    plain = table_of(X, y, groups=np.arange(60) // 2, times=np.arange(60.0))
    table = dataclasses.replace(plain, columns=(*plain.columns, town))
    seen = []

    def spied(own, **options):
        seen.append(own)
        return blend_table(own, n_networks=2, **options)

    monkeypatch.setattr("seedbed.experiment.fitted.blend_table", spied)
    (auto,) = baselines_from(["auto"], random_state=0)
    split = Split(0, 0, np.arange(40), np.arange(40, 60))
    ((_, _, said),) = fit_on_splits([auto], table, encode(table), [split], jobs=1)
    assert said.shape == (20,)
    (own,) = seen
    assert own.columns[3].schema == levels
    np.testing.assert_array_equal(own.features, table.features[:40])
    np.testing.assert_array_equal(own.groups, np.arange(40) // 2)
    np.testing.assert_array_equal(own.times, np.arange(40))


def test_a_fitted_auto_has_its_score(arrays, table_of, compared, monkeypatch):
    comparison = compared(table_of(*arrays), "relu:3", "auto")
    model = comparison.model("auto", n_networks=3, compute=Compute(jobs=1))
    assert (model.candidate, model.n_networks) == ("auto", 3)
    measured = {one["name"]: one["mean"] for one in model.score["scores"]}
    summary = next(one for one in comparison.to_dict()["candidates"] if one["name"] == "auto")
    assert measured["accuracy"] == summary["scores"]["accuracy"]["mean"]
    with pytest.raises(CandidateError, match="is a baseline"):
        compared(table_of(*arrays), "relu:3", baselines=["prior"]).model("prior")


def test_fit_needs_a_name_if_the_prior_is_as_good(arrays, table_of, compared):
    X, y = arrays
    noise = np.random.default_rng(1).permutation(y)
    comparison = compared(table_of(X, noise), "relu:3", baselines=["prior"])
    assert comparison.conclusion.advice.no_gain
    with pytest.raises(OptionError, match=r"advises none of its networks.*Name one: relu:3"):
        comparison.model()
    assert comparison.model("relu:3", n_networks=2, compute=Compute(jobs=1)).n_networks == 2


def test_auto_alone_has_no_verdict(arrays, table_of):
    table, recipe = table_of(*arrays), recipe_named("tutorial")
    for alone in ("auto", ["auto"], {"mine": "auto"}):
        with pytest.raises(CandidateError, match="nothing"):
            specify(table, alone, recipe=recipe, design=Design(baselines=[]))


def test_auto_with_baselines_only_is_the_reference_and_all_files_are_written(arrays, tmp_path):
    given = {"baselines": ["prior", {"mine": "logistic-regression"}], "repeats": 1, "folds": 3, "recipe": "tutorial"}
    found = compare_with(*arrays, candidates=["auto"], **given, folder=tmp_path, jobs=1)
    assert found.experiment.reference == "auto"
    assert found.experiment.names == ("prior", "mine", "auto")
    text = found.details()
    assert "In short, against auto - " in text
    assert "SGD" not in text  # no network candidate, so
    written = {path.name for path in tmp_path.iterdir()}
    assert {"comparison.json", "report.html", "curves.safetensors"} <= written
    assert "curves.png" not in written


def test_auto_may_be_a_baseline_but_only_once(arrays, table_of):
    table, recipe = table_of(*arrays), recipe_named("tutorial")
    assert specify(table, ["relu:3"], recipe=recipe, design=Design(baselines=["auto"])).names == ("relu:3", "auto")
    assert specify(table, ["relu:3", "auto"], recipe=recipe, design=Design(baselines="prior")).names == (
        "relu:3",
        "prior",
        "auto",
    )
    assert specify(table, {"a": "relu:3", "b": "auto"}, recipe=recipe, design=Design(baselines=[])).names == (
        "a",
        "auto",
    )
    with pytest.raises(Exception, match="two baselines"):
        specify(table, ["relu:3", "auto"], recipe=recipe, design=Design(baselines=["auto"]))


def test_training_rows_may_lack_a_class(table_of):
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.r_[np.zeros(14), np.ones(14), 2, 2].astype(np.int64)
    (auto,) = baselines_from(["auto"], random_state=0, task="multiclass")
    table = table_of(X, y, "multiclass")
    rows = np.arange(30)
    split = Split(0, 0, rows[:28], rows[28:])
    ((_, _, said),) = fit_on_splits([auto], table, encode(table), [split], jobs=1)
    assert said.shape == (2, 3)
    np.testing.assert_array_equal(said[:, 2], 0)


def test_auto_is_advised_as_a_network(arrays, table_of, compared):
    advice = compared(table_of(*arrays), "relu:3@lr=1e-6", "auto", seeds=1).to_dict()["advice"]
    assert (advice["best"], advice["first"], advice["network"], advice["as_good"]) == ("auto", "auto", "auto", [])

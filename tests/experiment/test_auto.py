"""`auto`, the blend, as a candidate of a comparison."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from seedbed.experiment.baseline_fits import fit_on_splits
from seedbed.experiment.baselines import baselines_from

import seedbed as sb
from seedbed import scoring
from seedbed.data import ColumnSchema, Split, encode, repeated_folds, table_from_arrays
from seedbed.data.table import Column
from seedbed.errors import CandidateError, OptionError
from seedbed.evaluation import corrected_t, seed_noise
from seedbed.experiment import Checkpoint, make_plan, run, specify
from seedbed.model import blend_table, blend_tables
from seedbed.model.portfolio import members_for
from seedbed.settings import Compute, Design, recipe_named

from .conftest import compare_with

SMALL = ("logistic@lr=0.05", "relu:4@ple=3")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Use a portfolio that trains in a moment."""
    monkeypatch.setattr("seedbed.model.blending.members_for", lambda portfolio, table: members_for(SMALL, table))


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

    def spied(tables, **options):
        seen.extend(tables)
        return blend_tables(tables, n_networks=2, **options)

    monkeypatch.setattr("seedbed.experiment.baseline_fits.blend_tables", spied)
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
    assert "gain over auto" in text
    assert "SGD" not in text  # no network candidate, so
    written = {path.name for path in tmp_path.iterdir()}
    assert {"comparison.json", "report.html", "curves.safetensors"} <= written


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


@pytest.mark.parametrize(
    ("named", "options", "recipe", "why"),
    [
        (None, {}, {}, 2),
        (None, {"repeats": 30}, {}, 5),
        (None, {"repeats": 1}, {}, 1),
        (None, {"seeds": 1, "repeats": 3}, {"epochs": 50}, 2),
        (None, {"quick": True}, {}, "this is a first look"),
        (None, {"time_limit": 600}, {}, "there is a time limit"),
        (None, {"auto": False}, {}, ""),
        (["relu:3"], {}, {}, ""),
    ],
    ids=str,
)
def test_auto_takes_part_where_no_candidate_is_named_and_it_costs_about_as_much_as_the_others(
    table_of, named, options, recipe, why
):
    X = np.random.default_rng(4).normal(size=(299, 12))
    table = table_of(X, (X[:, 0] > 0).astype(np.int64))
    spec = specify(table, named, recipe=recipe_named("trained", **recipe), design=Design(**options))
    blends = [one.repeats for one in spec.fitted if one.name == "auto"]
    assert blends == ([why] if isinstance(why, int) else [])
    assert isinstance(why, int) or spec.no_auto.startswith(why)
    assert bool(spec.no_auto) == (isinstance(why, str) and why != "")


@pytest.mark.parametrize(("operations", "why"), [(1e10, "it would take 5 times as long"), (1e13, 1)])
def test_auto_may_cost_more_than_the_others_if_it_is_quick(monkeypatch, table_of, operations, why):
    monkeypatch.setattr("seedbed.experiment.spec._MOST_OPERATIONS", operations)
    X = np.random.default_rng(4).normal(size=(299, 12))
    table = table_of(X, (X[:, 0] > 0).astype(np.int64))
    spec = specify(table, None, recipe=recipe_named("trained"), design=Design(repeats=1))
    assert [one.repeats for one in spec.fitted if one.name == "auto"] == ([why] if isinstance(why, int) else [])
    assert isinstance(why, int) or spec.no_auto.startswith(why)


def test_a_model_with_fewer_repeats_is_ranked_by_what_it_gains_on_them():
    hard = np.array([0.30, 0.30, 0.20, 0.20])[:, None, None]
    losses = {"whole": hard, "other": hard + 0.01, "few": hard[:2] - 0.02}
    results = {name: SimpleNamespace(losses=lambda metric, values=values: values) for name, values in losses.items()}
    assert scoring._means(results, "brier") == pytest.approx({"whole": 0.25, "other": 0.26, "few": 0.23})


@pytest.fixture(scope="module")
def default(arrays):
    """A comparison without named candidates, with four repeats, in two of which auto takes part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seedbed.experiment.spec._MOST_TIMES", 1e9)
        patch.setattr("seedbed.model.blending.members_for", lambda portfolio, table: members_for(SMALL, table))
        given = {"repeats": 4, "folds": 3, "seeds": 2, "epochs": 4, "lr": 0.1, "recipe": "tutorial"}
        return compare_with(*arrays, baselines=["prior"], jobs=1, **given)


def test_a_model_with_fewer_repeats_is_compared_on_those_that_both_have(default):
    auto, reference = default["auto"], default["linear:5"]
    assert (auto.predictions.shape, reference.predictions.shape) == ((2, 1, 60), (4, 2, 60))
    assert len(auto.splits) == 6
    assert auto.finite
    verdict = next(one for one in default.verdicts if one.candidate == "auto")
    ours = reference.losses("brier")[:2]
    expected = corrected_t(
        ours.mean(axis=2) - auto.losses("brier")[:, :, 0], comparisons=3, seed_noise=seed_noise(ours, auto.losses())
    )
    assert (verdict.low, verdict.high) == pytest.approx((expected.low, expected.high))
    assert "auto was compared on 2 of the 4 repeats, so its range is a little wider" in str(default)
    assert "auto was compared on 2 of the 4 repeats, so its range is a little wider" in default.details()


def test_frames_and_files_hold_the_repeats_that_a_model_has(default, tmp_path):
    predictions, scores = default.predictions(), default.scores()
    counts = {name: len(own) for name, own in predictions.groupby("candidate")}
    assert counts == {"auto": 120, "prior": 240, "linear:5": 480, "linear:20,20": 480, "relu:5": 480}
    assert set(scores[scores["candidate"] == "auto"]["repeat"]) == {0, 1}
    repeats = {one["name"]: one["repeats"] for one in default.to_dict()["candidates"]}
    assert repeats == {"linear:5": 4, "linear:20,20": 4, "relu:5": 4, "prior": 4, "auto": 2}
    default.save(tmp_path)
    assert (tmp_path / "report.html").is_file()
    assert default.to_dict()["lottery"]["difference"]["runs"]


def test_judge_compares_a_model_with_fewer_repeats_on_those_that_both_have(default):
    frame, ours = default.predictions(), default.to_dict()["verdicts"]
    judged = sb.judge(frame, reference="linear:5", target="y")
    theirs = {one["candidate"]: one["difference"] for one in judged.to_dict()["verdicts"]}
    assert theirs["prior"] == pytest.approx({one["candidate"]: one["difference"] for one in ours}["prior"], abs=0.02)
    assert "auto was compared on 2 of the 4 repeats" in str(judged)
    first = frame[frame["repeat"] < 2]
    same = {one["candidate"]: one for one in sb.judge(first, reference="linear:5", target="y").to_dict()["verdicts"]}
    assert theirs["auto"] == pytest.approx(same["auto"]["difference"], rel=1e-9)
    assert theirs["relu:5"] != pytest.approx(same["relu:5"]["difference"], rel=1e-3)
    with pytest.raises(sb.DataError, match=r"Only the last repeats of a cross-validation may be missing"):
        sb.judge(frame[(frame["candidate"] != "auto") | (frame["repeat"] > 0)], target="y")
    scores = sb.judge(default.scores(), reference="linear:5", drop_incomplete=True)
    assert "auto" in str(scores)


def test_fits_of_fewer_repeats_are_planned_kept_and_taken_up(arrays, monkeypatch, tmp_path):
    monkeypatch.setattr("seedbed.experiment.spec._MOST_TIMES", 1e9)
    design = Design(baselines=["prior"], repeats=4, folds=3, seeds=1)
    spec = specify(table_from_arrays(*arrays), recipe=recipe_named("tutorial", epochs=2), design=design)
    plan = make_plan(spec, Compute(jobs=1))
    assert plan.totals()["auto"] == 6 == len([number for number, _ in plan.fits if number == 1])
    assert ", and 1 baseline, and auto on 6 splits; about" in plan.sentence()
    assert plan.specification["baselines"][1]["repeats"] == 2
    whole = run(plan, checkpoint=Checkpoint(plan, tmp_path))
    assert Checkpoint(plan, tmp_path).fits == 12 + 6
    monkeypatch.setattr("seedbed.experiment.baseline_fits.blend_tables", lambda *_, **__: pytest.fail("fitted again"))
    again = run(plan, checkpoint=Checkpoint(plan, tmp_path))
    np.testing.assert_array_equal(again["auto"].predictions, whole["auto"].predictions)


def test_auto_is_advised_as_a_network(arrays, table_of, compared):
    advice = compared(table_of(*arrays), "relu:3@lr=1e-6", "auto", seeds=1).to_dict()["advice"]
    assert (advice["best"], advice["first"], advice["network"], advice["as_good"]) == ("auto", "auto", "auto", [])

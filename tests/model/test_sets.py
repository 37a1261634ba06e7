"""Prediction sets and intervals: they contain the truth as often as they say, and a file keeps them
or has none."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.errors import ModelFileError, OptionError
from seedbed.model.blending import blend_table, fit_model
from seedbed.model.model import load
from seedbed.model.model_file import to_bytes
from seedbed.model.sets import LeftOutErrors, left_out_errors, n_points
from seedbed.outcomes.tasks import outcome_of
from seedbed.settings.recipe import Recipe, recipe_named

from .conftest import FAST, TARGETS
from .onnx_cells import feed_of, run_onnx, sown


def calibrated(errors, codes=None, n_classes=1):
    """The calibration of errors [row], of numbers or of the labels with these codes."""
    target = np.zeros(len(errors)) if codes is None else np.asarray(codes)
    labels = [str(number) for number in range(n_classes)] if codes is not None else []
    task = "regression" if codes is None else "multiclass"
    table = SimpleNamespace(
        outcome=outcome_of(task),
        n_rows=len(errors),
        task=task,
        target=target,
        labels=labels,
    )
    predicted = np.asarray(errors, dtype=float)
    if codes is not None:
        predicted = np.full((len(errors), n_classes), np.nan)
        predicted[np.arange(len(errors)), codes] = 1 - np.asarray(errors)
    return left_out_errors(table, predicted)


def test_reading_the_errors_of_many_classes_takes_time_in_proportion(monkeypatch):
    computed = []
    sizes = n_points
    monkeypatch.setattr(
        "seedbed.model.sets.n_points",
        lambda *args: computed.append(args) or sizes(*args),
    )
    calibration = LeftOutErrors(np.arange(10_000, dtype=np.float32), (2,) * 5000)
    parts = [calibration.of_class(number)[0].tolist() for number in range(5000)]
    assert parts == [[2 * number, 2 * number + 1] for number in range(5000)]
    assert len(computed) == 5000


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("n_rows", "coverage"), [(9, 0.9), (30, 0.8), (99, 0.99), (3000, 0.9)]
)
def test_a_new_error_lies_below_the_threshold_as_often_as_asked_for(n_rows, coverage):
    rng, below = np.random.default_rng(0), []
    for _ in range(1000):
        errors = rng.exponential(size=n_rows + 1)
        below.append(errors[-1] <= calibrated(errors[:-1]).thresholds(coverage)[0])
    extra = 1 / (n_rows + 1) + 1e-3  # the next rank, and the next quantile of many rows
    assert coverage - 0.025 <= np.mean(below) <= coverage + extra + 0.025


def test_each_class_is_covered_and_a_class_of_few_rows_is_in_every_set():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [4000, 300, 5])
    errors = rng.random(len(codes)) * np.array([0.2, 1.0, 0.5])[codes]
    kept = calibrated(errors, codes, 3)
    assert kept.thresholds(0.9, per_class=True) == pytest.approx(
        [0.18, 0.9, np.inf], abs=0.03
    )
    assert kept.thresholds(0.9) == pytest.approx(
        [np.quantile(errors, 0.9)] * 3, abs=0.01
    )
    assert len(kept.errors) == sum(n_points(n, 3) for n in kept.rows) == 333 + 300 + 5
    by_class = kept.describe(["a", "b", "c"])["by_class"]
    assert by_class == pytest.approx({"a": 0.96, "b": 0.21, "c": 0.4}, abs=0.21)


@pytest.mark.parametrize(
    "coverage", [0, 1, 90, -0.1, True, "0.9", None, float("nan"), [0.9]]
)
def test_a_coverage_is_a_share(coverage):
    with pytest.raises(OptionError, match=r"coverage is .*a share between 0 and 1"):
        calibrated(np.ones(50)).thresholds(coverage)


def test_a_coverage_that_needs_more_rows_is_refused():
    assert np.isfinite(calibrated(np.ones(9)).thresholds(0.9)).all()
    assert calibrated(np.ones(8)).describe([]) is None
    message = r"0\.99 needs errors on 99 rows.* 30 rows\. Ask for at most 0\.967"
    with pytest.raises(OptionError, match=message):
        calibrated(np.ones(30)).thresholds(0.99)


def simulated(task, n_rows, rng):
    """Features and a target that depends on them with much noise."""
    X = rng.normal(size=(n_rows, 3))
    noisy = X[:, 0] + X[:, 1] + rng.normal(size=n_rows)
    return X, noisy if task == "regression" else np.digitize(
        noisy, [0.0] if task == "binary" else [-1.0, 1.0]
    )


@pytest.mark.parametrize(
    "candidate", ["relu:8", pytest.param("auto", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_new_rows_are_covered_as_often_as_asked_for(task, candidate):
    rng = np.random.default_rng(1)
    kind = sb.SeedbedRegressor if task == "regression" else sb.SeedbedClassifier
    options = (
        {"epochs": 20}
        if candidate == "auto"
        else {"candidate": candidate, "epochs": 60, "lr": 0.02}
    )
    model = kind(random_state=0, n_networks=8, **options).fit(
        *simulated(task, 400, rng)
    )
    X, y = simulated(task, 2000, rng)
    if task == "regression":
        ends = model.predict_interval(X)
        covered = (ends[:, 0] <= y) & (y <= ends[:, 1])
        assert_allclose(ends.mean(axis=1), model.predict(X))
    else:
        covered = model.predict_set(X)[np.arange(2000), y]
        apart = model.predict_set(X, per_class=True)[np.arange(2000), y]
        assert min(apart[y == label].mean() for label in model.classes_) > 0.83
    assert 0.86 < covered.mean() < 0.94  # 400 rows know the threshold to 1.5 points


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_without_sets_is_read_and_says_so(fitted, frame, tmp_path, target):
    model = fitted("relu:5", target)
    older = dataclasses.replace(model, calibration=None)
    assert b"calibration" not in to_bytes(older)
    again = load(older.save(tmp_path / "older.safetensors"))
    assert_array_equal(again.predictions(frame).values, model.predictions(frame).values)
    ask = again.predict_interval if target == "cost" else again.predict_set
    with pytest.raises(OptionError, match=r"no prediction sets.*Fit it again"):
        ask(frame)
    assert again.card()["sets"] is None
    words = "Interval:" if target == "cost" else "Sets:"
    assert words in str(model)
    assert words not in str(again)


def test_sets_and_intervals_belong_to_their_tasks(fitted, frame):
    with pytest.raises(AttributeError, match="use predict_set"):
        fitted().predict_interval(frame)
    with pytest.raises(AttributeError, match="use predict_interval"):
        fitted(target="cost").predict_set(frame)
    with pytest.raises(OptionError, match="has no classes"):
        fitted(target="cost").covering(
            fitted(target="cost").predictions(frame), per_class=True
        )


def check_export(model, rows, folder, **asked):
    """Compare the sets or intervals of the ONNX file with the model's; return the latter."""
    predicted = model.predictions(rows)
    path = model.export(folder / "m.onnx", **asked).files[0]
    found = run_onnx(path, feed_of(model, rows))
    expected, close = model.covering(predicted, **asked), 1e-5 * model.target_deviation
    if model.task == "regression":
        ends = np.column_stack([found["low"], found["high"]])
        assert_allclose(ends, expected, rtol=1e-5, atol=close)
        return expected
    near = (
        np.abs(1 - predicted.probabilities - model.thresholds_of_sets(**asked)) < close
    )
    assert found["set"].dtype == bool
    assert_array_equal(found["set"] | near, expected | near)
    assert near.mean() < 0.05
    return expected


@pytest.mark.few(2)
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(
    ("candidate", "target"),
    [*(("relu:5", target) for target in TARGETS), ("auto", "grade")],
)
def test_an_export_gives_sets(fitted, frame, tmp_path, candidate, target, per_class):
    model = fitted(candidate, target)
    expected = check_export(
        model,
        sown(frame, model),
        tmp_path,
        coverage=0.8,
        per_class=per_class and target != "cost",
    )
    assert len(np.unique(expected, axis=0)) > 1
    model.export(tmp_path / "m.onnx")
    assert (
        not {"set", "low", "high"}
        & run_onnx(tmp_path / "m.onnx", feed_of(model, frame)).keys()
    )


def test_more_rows_than_can_be_are_refused(fitted, tmp_path):
    errors = fitted().calibration.errors
    forged = LeftOutErrors(errors, (len(errors), 2**60))
    model = dataclasses.replace(fitted(), calibration=forged)
    with pytest.raises(ModelFileError, match="<= 1099511627775"):
        load(model.save(tmp_path / "m.safetensors"))


def test_a_long_table_adds_at_most_1000_errors_to_the_file():
    rng = np.random.default_rng(0)
    table = sb.read_table(
        pd.DataFrame(rng.normal(size=(13_000, 2)), columns=["x", "y"]), target="y"
    )
    kept = fit_model(
        table, "linear:2", recipe=recipe_named("default", lr=0.02, epochs=2), **FAST
    )
    assert len(kept.calibration.errors) == 1000
    # each of three networks leaves out one of eight folds
    assert kept.calibration.rows == (4875,)


def test_errors_of_a_blend_are_by_weights_chosen_without_the_row():
    rng = np.random.default_rng(0)
    table = sb.read_table(
        pd.DataFrame({"x": rng.normal(size=120), "y": rng.choice(["no", "yes"], 120)}),
        target="y",
    )
    options = dict(
        portfolio=["logistic", "relu:32", "tanh:32"],
        n_networks=8,
        recipe=Recipe(epochs=20),
    )
    model, out_of_bag = blend_table(table, **options)
    chosen = left_out_errors(table, out_of_bag.values)
    assert chosen.rows == model.calibration.rows
    assert (
        -np.log(1 - model.calibration.errors).mean()
        > -np.log(1 - chosen.errors).mean() + 1e-4
    )

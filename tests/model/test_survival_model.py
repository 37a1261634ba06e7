"""Models of survival: predictions along time, files, exports, and damaged headers."""

import csv

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.data.sources.memory import read_frame
from seedbed.errors import ModelFileError, OptionError
from seedbed.model.model import load
from seedbed.model.model_file import to_bytes
from seedbed.model.predictions_file import write_predictions
from seedbed.outcomes.hazards import survival_at

from .file_parts import rewritten
from .onnx_cells import run_onnx

N = 120


@pytest.fixture(scope="module")
def rows():
    """Patients with numbers and a category; times are short for a large x."""
    rng = np.random.default_rng(0)
    x, ends = rng.normal(size=N), rng.exponential(200, N)
    times = rng.exponential(100 * np.exp(-x))
    frame = dict(
        x=x.round(3),
        stage=rng.choice(["I", "II"], N),
        days=np.minimum(times, ends).round(1) + 0.1,
    )
    return pd.DataFrame({**frame, "died": np.where(times <= ends, "dead", "alive")})


@pytest.fixture(scope="module", params=["logistic", "relu:3"])
def model(request, rows):
    table = sb.read_table(rows, event="died", time="days")
    recipe = sb.Recipe(epochs=60)
    return sb.fit_model(
        table, request.param, n_networks=2, recipe=recipe, compute=sb.Compute(n_jobs=1)
    )


def test_trees_compare_intervals_with_thresholds_and_split_other_categories(rows):
    table = sb.read_table(rows, event="died", time="days")
    options = {"n_networks": 2, "compute": sb.Compute(n_jobs=1)}
    trees = sb.fit_model(table, "extra-trees:2", **options).architecture.members[0]
    assert len(trees.categories) == 1


def test_predictions_are_those_of_hazards_at_any_time_up_to_the_horizon(model, rows):
    hazards = model.predictions(rows).values
    cuts = model.follow_up.cuts
    clock = model.follow_up.clock
    assert cuts[-1] == clock[-1][0] == model.follow_up.horizon
    assert hazards.shape == (N, len(cuts))
    whole = model.predict_survival(rows)
    assert model.predict_survival(rows[:0]).shape == (0, len(cuts))
    assert_allclose(whole, np.cumprod(1 - hazards, axis=1), atol=1e-6)
    assert_array_equal(whole, model.predict_survival(rows, at=cuts))
    times = np.linspace(0, cuts[-1], 30)
    assert_array_equal(
        model.predict_survival(rows, at=times), survival_at(times, hazards, clock)
    )
    (middle,) = np.flatnonzero(
        np.abs(whole - 0.5).min(axis=1) == np.abs(whole - 0.5).min()
    )[:1]
    median = model.predict(rows)[middle]
    assert model.predict_survival(rows.iloc[[middle]], at=median) == pytest.approx(
        0.5, abs=1e-6
    )
    assert np.corrcoef(whole[:, 3], rows["x"])[0, 1] < -0.5
    assert model.task == "survival"
    assert model.labels == ("alive", "dead")
    assert model.feature_names_in_ == ("x", "stage")


@pytest.mark.parametrize(
    ("at", "hint"),
    [
        (1e9, "Train with"),
        (-1, "Give one from 0 to"),
        (np.nan, "Give one from 0 to"),
        ([1, 1e9], "Train with"),
    ],
)
def test_times_that_the_model_does_not_predict_are_refused(model, rows, at, hint):
    with pytest.raises(OptionError, match="the model predicts up to days") as caught:
        model.predict_survival(rows, at=at)
    assert caught.value.hint.startswith(hint)
    with pytest.raises(OptionError, match="no prediction sets"):
        model.predict_set(rows)
    with pytest.raises(AttributeError, match="use predict_survival"):
        model.predict_proba(rows)


def test_other_columns_of_new_rows_change_no_prediction(model, rows):
    expected = model.predict_survival(rows)
    assert_array_equal(model.predict_survival(rows[["stage", "x"]]), expected)
    assert_array_equal(
        model.predict_survival(rows.assign(days=1.0, died="alive")), expected
    )
    assert_array_equal(
        model.predict_survival(rows.assign(interval=np.arange(N) % 3)), expected
    )
    assert model.predictions(rows).notes == ()


def test_a_loaded_model_predicts_the_same(model, rows, tmp_path):
    again = load(model.save(tmp_path / "model.safetensors"))
    assert again.follow_up == model.follow_up
    for kind in ("values", "ranges"):
        assert_array_equal(
            getattr(again.predictions(rows), kind),
            getattr(model.predictions(rows), kind),
        )
    assert_array_equal(again.predict(rows), model.predict(rows))
    assert to_bytes(again) == to_bytes(model)
    assert "predicts when died comes" in str(again)


HOSTILE = {
    "clock of another table": (
        lambda target: target["follow_up"].update(clock=[[120.0, 1.0]]),
        "doesn't predict what it did when it was saved",
    ),
    "no horizon": (
        lambda target: target["follow_up"].pop("horizon"),
        "missing required field `horizon`",
    ),
    "no follow-up": (
        lambda target: target.pop("follow_up"),
        "don't fit a survival target",
    ),
    "another task": (
        lambda target: target.update(task="binary"),
        "don't fit a binary target",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_description_of_the_time_is_refused(model, tmp_path, what):
    change, message = HOSTILE[what]
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(
        rewritten(to_bytes(model), lambda values, header: change(values["target"]))
    )
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_an_onnx_file_gives_the_hazard_of_each_interval(model, rows, tmp_path):
    path = tmp_path / "model.onnx"
    exported = model.export(path)
    assert exported.files == (path,)
    hazards = model.predictions(rows).values
    for interval in range(1, hazards.shape[1] + 1):
        feed = dict(
            x=rows[["x"]].to_numpy(), stage=rows[["stage"]].to_numpy(dtype=object)
        )
        found = run_onnx(
            path, {**feed, "interval": np.full((N, 1), str(interval), dtype=object)}
        )
        assert_allclose(
            found["probabilities"][:, 1], hazards[:, interval - 1], rtol=0, atol=1e-5
        )
    assert [note.column for note in exported.notes] == ["interval", "interval"]
    with pytest.raises(OptionError, match="no prediction sets"):
        model.export(path, coverage=0.9)


def test_the_file_of_predictions_has_the_median(model, rows, tmp_path):
    def written(**options):
        write_predictions(model, read_frame(rows), tmp_path / "p.csv", **options)
        with (tmp_path / "p.csv").open(encoding="utf-8") as file:
            return list(csv.reader(file))

    header, *lines = written(at=(10, 100.5), keep=("days",))
    assert (
        header
        == "days prediction survival_at_10 survival_at_100.5 range_low range_high flags".split()
    )
    assert len(lines) == N
    found = np.array([[float(cell or "nan") for cell in line[1:4]] for line in lines])
    assert_allclose(found[:, 0], model.predict(rows), rtol=1e-6)
    assert_allclose(
        found[:, 1:], model.predict_survival(rows, at=[10, 100.5]), atol=1e-6
    )
    assert written()[0][1:-3] == [
        f"survival_at_{cut:g}" for cut in model.follow_up.cuts
    ]
    result = written(at=(10, 10, 10.000001))[0][1:-3]
    assert result == ["survival_at_10", "survival_at_10.000001"]
    with pytest.raises(OptionError, match="the model predicts up to"):
        written(at=(1e9,))

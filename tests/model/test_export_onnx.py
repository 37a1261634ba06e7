"""An ONNX file predicts what the model predicts, for every table, network and cell."""

import json

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.errors import CandidateError, OptionError
from seedbed.model import onnx_networks
from seedbed.model.blending import fit_model
from seedbed.model.onnx_file import onnx_of
from seedbed.networks.activations import ACTIVATIONS
from seedbed.settings.recipe import recipe_named

from .conftest import CANDIDATES, FAST, TARGETS
from .onnx_cells import far_off, feed_of, run_onnx, sown

QUICK = recipe_named("default", lr=0.02, epochs=5)
CLOSE = 1e-5


@pytest.mark.few(4)
@pytest.mark.product
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("candidate", CANDIDATES)
def test_the_file_equals_the_model_for_all_tasks_and_layers(
    fitted, frame, tmp_path, candidate, target
):
    model = fitted(candidate, target)
    exported = model.export(tmp_path / "model.onnx")
    assert exported.files == (tmp_path / "model.onnx",)
    for rows in (frame, sown(frame, model), frame.head(1)):
        assert (
            far_off(model, run_onnx(exported.files[0], feed_of(model, rows)), rows)
            < CLOSE
        )


@pytest.mark.few(8)
@pytest.mark.parametrize(
    "name", [*ACTIVATIONS, "leaky_relu(0.2)", "celu(2)", "softshrink(0.3)"]
)
def test_the_file_equals_model_for_every_activation(table_for, frame, tmp_path, name):
    model = fit_model(table_for("grade"), f"{name}:4,3", recipe=QUICK, **FAST)
    rows = sown(frame, model)
    model.export(tmp_path / "model.onnx")
    assert (
        far_off(model, run_onnx(tmp_path / "model.onnx", feed_of(model, rows)), rows)
        < CLOSE
    )


def test_dates_of_two_thousand_years_have_the_right_month_weekday_and_hour(tmp_path):
    rng = np.random.default_rng(0)
    moments = rng.integers(-6e10, 6e10, 400).astype("datetime64[s]").astype(str)
    frame = pd.DataFrame({"when": moments, "y": np.arange(400) % 2})
    model = fit_model(sb.read_table(frame, target="y"), "tanh:8", recipe=QUICK, **FAST)
    assert model.preprocessor.layout.timed == (True,)
    model.export(tmp_path / "model.onnx")
    assert (
        far_off(model, run_onnx(tmp_path / "model.onnx", feed_of(model, frame)), frame)
        < CLOSE
    )


def test_columns_may_have_any_name_even_that_of_an_output(tmp_path):
    rng = np.random.default_rng(1)
    names = [
        "label",
        "spread",
        "spread_",
        "probabilities",
        "set",
        "seedbed/0.Abs",
        "seedbed_",
        "a b\n\"'{}",
        "größe",
        " ",
    ]
    frame = pd.DataFrame(
        {name: rng.normal(size=90) for name in names} | {"y": np.arange(90) % 2}
    )
    model = fit_model(sb.read_table(frame, target="y"), "relu:5", recipe=QUICK, **FAST)
    model.export(tmp_path / "model.onnx", coverage=0.8)
    assert {*names[:5]} < {*model.feature_names_in_}
    found = run_onnx(tmp_path / "model.onnx", feed_of(model, frame))
    assert list(found) == ["probabilities_", "spread__", "label_", "set_"]
    assert_allclose(found["probabilities_"], model.predict_proba(frame), atol=CLOSE)


def test_the_label_follows_the_threshold(table_for, frame, tmp_path):
    model = fit_model(table_for("ill"), "relu:5", recipe=QUICK, threshold=0.6, **FAST)
    model.export(tmp_path / "model.onnx")
    result = run_onnx(tmp_path / "model.onnx", feed_of(model, frame))["label"].tolist()
    assert result == model.predict(frame).tolist()
    numbers = frame.assign(ill=(frame["ill"] == "ill") * 1)[["size", "ill"]]
    model = fit_model(
        sb.read_table(numbers, target="ill"), "relu:5", recipe=QUICK, **FAST
    )
    model.export(tmp_path / "model.onnx")
    result = run_onnx(tmp_path / "model.onnx", feed_of(model, frame))["label"].dtype
    assert result == np.int64
    assert (model.classes_.tolist(), model.predict(frame).dtype) == ([0, 1], np.int64)


def test_levels_beyond_two_hundred_are_hashed_as_in_seedbed(tmp_path):
    rng = np.random.default_rng(2)
    towns = [f"town {number}" for number in rng.geometric(0.01, 600)]
    frame = pd.DataFrame({"town": towns, "y": rng.integers(2, size=600)})
    model = fit_model(
        sb.read_table(frame, target="y", categorical=["town"]),
        "relu:5",
        recipe=QUICK,
        **FAST,
    )
    assert len(model.preprocessor.layout.schemas[0].levels) > 200
    notes = model.export(tmp_path / "model.onnx").notes
    assert [note.column for note in notes] == ["town"]
    assert (
        "predictions differ from seedbed's for a level that the table didn't have"
        in notes[0].message
    )
    assert (
        far_off(model, run_onnx(tmp_path / "model.onnx", feed_of(model, frame)), frame)
        < CLOSE
    )
    new = run_onnx(
        tmp_path / "model.onnx",
        {"town": np.array([["Atlantis"], ["Ys"]], dtype=object)},
    )
    assert new["probabilities"][0].tolist() == new["probabilities"][1].tolist()


def test_an_export_names_a_category_whose_numbers_have_several_spellings(tmp_path):
    frame = pd.DataFrame(
        dict(
            grade=np.arange(90) % 3 + 1, town=["a", "b"] * 45, y=np.arange(90) % 4 // 2
        )
    )
    model = fit_model(
        sb.read_table(frame, target="y", categorical=["grade", "town"]),
        "relu:5",
        recipe=QUICK,
        **FAST,
    )
    (note,) = model.export(tmp_path / "model.onnx").notes
    assert note.column == "grade"
    assert note.message.endswith("exactly as the table does, such as '1'")


def test_codes_for_missing_cells_are_missing_in_new_rows_and_in_the_file(tmp_path):
    frame = pd.DataFrame(
        dict(age=np.arange(90.0), site=["a", "b", "9"] * 30, y=np.arange(90) % 4 // 2)
    )
    frame.loc[::7, "age"] = -999
    table = sb.read_table(frame, target="y", missing=["age=-999,0", "site=9"])
    path = fit_model(table, "relu:5", recipe=QUICK, **FAST).save(
        tmp_path / "model.safetensors"
    )
    gaps = frame.assign(
        age=frame["age"].where(frame["age"] >= 0),
        site=frame["site"].where(frame["site"] != "9"),
    )
    model, expected = sb.load(path), sb.load(path).predict_proba(gaps)
    assert_array_equal(model.predict_proba(frame), expected)
    in_years = frame.assign(age=frame["age"].map("{:g} years".format))
    table = sb.read_table(in_years, target="y", missing=["age=-999", "site=9"])
    of_years = fit_model(table, "relu:5", recipe=QUICK, **FAST)
    assert_array_equal(of_years.predict_proba(in_years), expected)
    model.export(tmp_path / "model.onnx")
    feed = {name: frame[[name]].to_numpy() for name in ("age", "site")}
    assert_allclose(
        run_onnx(tmp_path / "model.onnx", feed)["probabilities"], expected, atol=CLOSE
    )


def test_the_file_describes_itself(fitted):
    sets = {"coverage": 0.8, "per_class": True, "thresholds": [0.5, 0.6, 0.7]}
    made = onnx_of(fitted("relu:5", "grade"), sets)
    reported = {entry.key: entry.value for entry in made.metadata_props}
    assert reported["task"] == "multiclass"
    assert json.loads(reported["labels"]) == ["high", "low", "middle"]
    assert (
        json.loads(reported["card"])["candidate"] == reported["candidate"] == "relu:5"
    )
    assert json.loads(reported["warnings"])[0].startswith(
        "SB203: 'size' alone predicts 'grade'"
    )
    assert reported["coverage"] == "0.8"
    result = {(one.domain, one.version) for one in made.opset_import}
    assert result == {("", 13), ("ai.onnx.ml", 2)}
    assert [one.name for one in made.graph.input] == list(fitted().feature_names_in_)
    assert [
        one.name for one in made.graph.output
    ] == "probabilities spread label set".split()
    assert made.graph.output[3].doc_string.endswith(
        "at a coverage of 0.8 in each class"
    )
    onnx.checker.check_model(made, full_check=True)


def test_models_that_onnx_cannot_represent_are_refused(fitted, tmp_path, monkeypatch):
    model = fitted()
    monkeypatch.setattr(onnx_networks, "_LIMIT", 1_000)
    with pytest.raises(OptionError, match="over 2 GiB"):
        model.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_user_defined_network_is_refused_with_advice(table_for, tmp_path):
    from torch import nn

    model = fit_model(
        table_for("ill"),
        lambda n_features: nn.Linear(n_features, 1),
        recipe=QUICK,
        **FAST,
    )
    message = r"network of your own.*torch\.onnx\.export"
    with pytest.raises(CandidateError, match=message):
        model.export(tmp_path / "own.onnx")
    assert list(tmp_path.iterdir()) == []

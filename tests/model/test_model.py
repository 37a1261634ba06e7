"""A model predicts the mean of its networks, for rows in any form."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.sources.opening import read_new_rows
from seedbed.errors import (
    CandidateError,
    ColumnError,
    DataError,
    OptionError,
    TargetError,
)
from seedbed.model.blending import fit_model
from seedbed.model.predicting import Blocks, network_values
from seedbed.networks.candidate import parse_candidate
from seedbed.networks.draws import derive
from seedbed.settings.recipe import Recipe, recipe_named
from seedbed.training.candidates import with_inputs_of

from .conftest import CANDIDATES, FAST, PARTS, TARGETS, N
from .plain_networks import plain_values


@pytest.mark.parametrize("target", TARGETS)
def test_no_rows_have_predictions_of_the_right_shape(fitted, frame, target):
    model = fitted("auto", target)
    none = frame.assign(day=pd.to_datetime(frame["day"]))[:0]
    assert model.predict(none).shape == (0,)
    assert model.predict_range(none).shape == (0, 2)
    sets = model.predict_interval(none) if target == "cost" else model.predict_set(none)
    assert sets.shape == (0, len(model.labels) or 2)


@pytest.mark.few(3)
@pytest.mark.product
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("candidate", CANDIDATES)
def test_predictions_are_the_mean_over_the_plain_networks(
    fitted, frame, candidate, target, monkeypatch
):
    model = fitted(candidate, target)
    inputs = model.preprocessor.inputs_of_values(read(frame, target).features)
    expected = plain_values(model, inputs)
    monkeypatch.setattr("seedbed.model.stacks._MOST_ROWS", 7)  # in several pieces
    in_parts = network_values(model, inputs, model.made_stacks())
    assert_allclose(network_values(model, inputs), in_parts, rtol=1e-11, atol=1e-11)
    if target == "cost":
        assert_allclose(model.predict(frame), expected.mean(axis=0)[:, 0], rtol=1e-9)
        return
    assert_allclose(
        model.predict_proba(frame), expected.mean(axis=0), rtol=0, atol=1e-10
    )
    spread = model.predictions(frame).spread
    spread = spread if target == "grade" else np.column_stack([spread, spread])
    assert_allclose(spread, expected.std(axis=0), rtol=0, atol=1e-10)


@pytest.mark.few(2)
@pytest.mark.parametrize("candidate", CANDIDATES)
def test_networks_are_modules_that_predict_what_the_model_predicts(
    fitted, frame, candidate
):
    model = fitted(candidate, "grade")
    if candidate == "auto":
        message = r"'auto' isn't a network alone\. Export it to ONNX"
        with pytest.raises(CandidateError, match=message):
            model.networks()
        return
    inputs = torch.from_numpy(
        model.preprocessor.inputs_of_values(read(frame, "grade").features)
    )
    outputs = torch.stack([network(inputs) for network in model.networks()])
    assert isinstance(model.networks()[0], torch.nn.Sequential)
    assert_allclose(
        model.predict_proba(frame), outputs.double().softmax(2).mean(0), atol=1e-6
    )


@pytest.mark.parametrize("candidate", ["logistic", "relu:5", *PARTS, "auto"])
def test_a_prediction_does_not_depend_on_the_position_of_row(fitted, frame, candidate):
    model = fitted(candidate, "grade")
    expected = model.predict_proba(frame)
    order = np.random.default_rng(0).permutation(len(frame))
    for rows in (order, order[:97], order[:3], order[:1], order[:0]):
        assert_allclose(
            model.predict_proba(frame.iloc[rows]), expected[rows], rtol=1e-12
        )


def read(frame, target):
    others = [name for name in TARGETS if name != target]
    return sb.read_table(frame, target=target, drop=others, categorical=["name"])


def test_a_model_is_better_than_the_prior(fitted, frame):
    assert (fitted().predict(frame) == frame["ill"]).mean() > 0.75
    assert (
        np.corrcoef(fitted("relu:5", "cost").predict(frame), frame["cost"])[0, 1] > 0.9
    )


def test_rows_give_the_same_predictions_in_every_form(fitted, frame, tmp_path):
    model = fitted()
    expected = model.predict_proba(frame)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    array = frame[list(model.feature_names_in_)].to_numpy(dtype=object)
    shuffled = frame[sorted(frame.columns)].assign(more=1)
    for rows in (
        str(tmp_path / "rows.csv"),
        tmp_path / "rows.parquet",
        records,
        array,
        shuffled,
    ):
        assert_allclose(model.predict_proba(rows), expected, atol=1e-6)
    assert_allclose(model.predict_proba(records[0]), expected[:1], atol=1e-6)


@pytest.mark.few(2)
@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_blocks_of_any_size_give_the_same_predictions(fitted, frame, tmp_path, rows):
    model = fitted()
    odd = frame.assign(
        size=frame["size"] * 1.0,
        town=frame["town"].where(frame.index % 9 > 0, "Atlantis"),
    )
    odd.loc[[3, 77], "size"] = 1e6
    odd.to_csv(tmp_path / "rows.csv", index=False)
    for source in (odd, tmp_path / "rows.csv"):
        expected = model.predictions(source)
        columns = read_new_rows(source, model.feature_names_in_)
        read, remarks = model.read(columns)
        blocks = Blocks(model, read, rows)
        found = list(blocks)
        assert blocks.notes(columns, remarks) == expected.notes
        assert_allclose(
            np.concatenate([one.values for one in found]), expected.values, atol=1e-6
        )
        assert_array_equal(
            np.concatenate([one.odd.unseen for one in found]), expected.odd.unseen
        )
    assert {"SB301", "SB302", "SB303"} == {note.code for note in expected.notes}


def test_the_threshold_changes_labels_but_not_probabilities(table_for, frame):
    recipe = recipe_named("tutorial", lr=0.05, epochs=5)
    low, high = (
        fit_model(table_for("ill"), "relu:5", recipe=recipe, threshold=t, **FAST)
        for t in (0.0, 1.0)
    )
    assert set(low.predict(frame)) == {"well"}
    assert set(high.predict(frame)) == {"ill"}
    assert_array_equal(low.predict_proba(frame), high.predict_proba(frame))
    with pytest.raises(OptionError, match="threshold is for two labels"):
        fit_model(table_for("cost"), threshold=0.4, **FAST)


def test_a_threshold_may_be_given_to_predict(fitted, frame):
    model = fitted()
    assert set(model.predict(frame, threshold=1.0)) == {"ill"}
    assert_array_equal(model.predict(frame, threshold=0.5), model.predict(frame))
    for target in ("grade", "cost"):
        message = r"a threshold is for two labels\. Leave it out"
        with pytest.raises(OptionError, match=message):
            fitted("relu:5", target).predict(frame, threshold=0.4)
    with pytest.raises(OptionError, match="threshold is 2"):
        model.predict(frame, threshold=2)


def test_a_path_is_read_with_its_target(frame, tmp_path):
    frame[["size", "smokes", "ill"]].to_csv(tmp_path / "t.csv", index=False)
    recipe = recipe_named("tutorial", epochs=3)
    models = [
        fit_model(table, "relu:3", target=target, recipe=recipe, **FAST)
        for table, target in (
            (tmp_path / "t.csv", "ill"),
            (sb.read_table(tmp_path / "t.csv", target="ill"), None),
        )
    ]
    assert_array_equal(*(model.predict_proba(frame) for model in models))
    with pytest.raises(TargetError, match="which column is to be predicted"):
        fit_model(str(tmp_path / "t.csv"), "relu:3")
    with pytest.raises(OptionError, match="Give it to read_table"):
        fit_model(sb.read_table(tmp_path / "t.csv", target="ill"), target="ill")


@pytest.mark.parametrize("words", ["relu:5", "relu:5@ple=6"])
def test_networks_that_leave_no_row_out_equal_the_plain_loop(table_for, words):
    table = table_for("ill")
    model = fit_model(table, words, recipe=Recipe.tutorial(lr=0.1, epochs=20), **FAST)
    preprocessor = Preprocessor.fit(table)
    X = preprocessor.inputs_of_values(table.features)
    seeds = [derive(0, words, "blend", number) for number in range(3)]
    network = with_inputs_of(parse_candidate(words), preprocessor.layout).architecture
    history = sb.train_many(
        network,
        X,
        table.target,
        X[:2],
        table.target[:2],
        seeds=seeds,
        lr=0.1,
        epochs=20,
    )
    for ours, theirs in zip(model.networks(), history.networks(), strict=True):
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(
                value, theirs.state_dict()[name], rtol=1e-4, atol=1e-5
            )


def test_weights_count_rows_in_training_and_equal_ones_change_nothing(table_for, frame):
    table, recipe = table_for("ill"), recipe_named("tutorial", lr=0.05, epochs=30)
    plain = fit_model(table, "relu:5", recipe=recipe, **FAST).predict_proba(frame)
    equal = fit_model(
        table, "relu:5", recipe=recipe, sample_weight=np.full(table.n_rows, 3), **FAST
    )
    assert_allclose(equal.predict_proba(frame), plain, atol=1e-5)
    heavy = fit_model(
        table,
        "relu:5",
        recipe=recipe,
        sample_weight=1 + 9 * (frame["ill"] == "ill"),
        **FAST,
    )
    assert (heavy.predict_proba(frame)[:, 0] > plain[:, 0]).mean() > 0.95
    with pytest.raises(OptionError, match=r"sample_weight has shape \[3\]"):
        fit_model(table, "relu:5", recipe=recipe, sample_weight=[1, 2, 3], **FAST)


def test_a_pickled_model_predicts_the_same(fitted, frame):
    model = fitted()
    model.predict(frame)
    assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict_proba(frame),
        model.predict_proba(frame),
    )


def test_wrong_rows_raise_a_clear_error(fitted, frame):
    model = fitted()
    with pytest.raises(ColumnError, match=r"no column 'town'\. Did you mean 'Town'"):
        model.predict(frame.rename(columns={"town": "Town"}))
    message = r"no column 'town'\. The model needs all its columns; leave cells empty"
    with pytest.raises(ColumnError, match=message):
        model.predict(frame.drop(columns="town"))
    message = r"It has 'Bonn', '3'.*does it lack a header\?"
    with pytest.raises(ColumnError, match=message):
        model.predict(frame[["town", "size"]].set_axis(["Bonn", "3"], axis=1))
    message = "the array has 2 columns, and the model needs 6"
    with pytest.raises(DataError, match=message):
        model.predict(np.zeros((3, 2)))
    message = r"record 2 lacks 'town'\. Give None for what isn't known"
    with pytest.raises(DataError, match=message):
        model.predict([frame.iloc[0].to_dict(), frame.iloc[1].drop("town").to_dict()])
    with pytest.raises(DataError, match="'size' holds a list"):
        model.predict([{**frame.iloc[0].to_dict(), "size": [1, 2]}])
    with pytest.raises(DataError, match="Is it the right table"):
        model.predict(
            frame.assign(
                **dict.fromkeys(["size", "town", "name", "smokes", "day"], "what")
            )
        )
    with pytest.raises(AttributeError, match="has no probabilities"):
        fitted("relu:5", "cost").predict_proba(frame)


def test_the_card_has_means_and_most_frequent_levels_of_table(fitted, frame, tmp_path):
    died = frame.assign(
        died=np.arange(N) % 2, days=np.arange(N) % 13, smoker=np.arange(N) % 3 > 0
    )
    table = sb.read_table(
        died[["size", "weight", "town", "smoker", "died", "days"]],
        event="died",
        time="days",
    )
    for model in (fitted(), fit_model(table, "logistic", **FAST)):
        columns = {
            one["name"]: one
            for one in sb.load(model.save(tmp_path / "m.safetensors")).card()["columns"]
        }
        for name in ("size", "weight"):
            values = frame[name].mean(), frame[name].std(ddof=0), frame[name].median()
            assert [
                columns[name][key] for key in ("mean", "deviation", "median")
            ] == pytest.approx(values)
        assert columns["town"]["usual"] == "Bonn"
    assert columns["smoker"]["usual"] == "True"


@pytest.mark.slow
def test_a_card_counts_only_trainable_parameters(fitted):
    for words in ("relu:5@ple=4", "relu:5@batchnorm"):
        model = fitted(words)
        n_numbers = len(model.preprocessor.layout.number_inputs)
        inputs = model.preprocessor.layout.n_inputs + (
            3 * n_numbers if "ple" in words else 0
        )
        norm = 10 if "batchnorm" in words else 0
        assert model.card()["n_parameters"] == 5 * inputs + 5 + norm + 6

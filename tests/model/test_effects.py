"""Partial dependence, with scikit-learn's as oracle."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import partial_dependence

import seedbed as sb
from seedbed.data.reading import read_table
from seedbed.errors import ColumnError, DataError, OptionError
from seedbed.model import effects
from seedbed.model.blending import fit_model
from seedbed.model.effects import effects_in
from seedbed.settings.recipe import recipe_named

from .conftest import FAST

QUICK = recipe_named("default", lr=0.02, epochs=40)


def of_numbers(n_columns=4, ignored=()):
    """A binary model of numbers c0, c1, ..., which ignores some of them; and its rows."""
    X = np.random.default_rng(0).normal(size=(120, n_columns))
    frame = pd.DataFrame(X, columns=[f"c{place}" for place in range(n_columns)])
    model = fit_model(
        frame.assign(y=(X.sum(axis=1) > 0) * 1),
        "tanh:6",
        target="y",
        recipe=QUICK,
        **FAST,
    )
    states = {name: value.copy() for name, value in model.states.items()}
    first = next(value for value in states.values() if value.ndim == 3)
    for place in ignored:
        first[:, :, place] = 0
    return dataclasses.replace(model, states=states), frame


def test_an_effect_equals_scikit_learns_partial_dependence():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 15, 150), rng.normal(size=(150, 2))]).astype(
        float
    )
    y = X[:, 0] + 5 * X[:, 1] + rng.normal(size=150) > 7
    classifier = sb.SeedbedClassifier(
        candidate="relu:5", epochs=40, lr=0.02, n_networks=3
    ).fit(X, y)
    oracle = partial_dependence(
        classifier,
        X,
        [0],
        method="brute",
        response_method="predict_proba",
        percentiles=(0, 1),
    )
    effect = classifier.model_.effect(classifier.model_.feature_names_in_[0], X)
    np.testing.assert_array_equal(effect.values, oracle["grid_values"][0])
    np.testing.assert_allclose(effect.mean, oracle["average"][0], atol=1e-6)
    other = classifier.model_.effect(effect.column, X, label=False)
    np.testing.assert_allclose(1 - other.mean, effect.mean, atol=1e-12)
    np.testing.assert_allclose(1 - other.low, effect.high, atol=1e-12)


def test_an_effect_has_the_values_of_its_column_and_the_spread_of_the_networks(
    fitted, frame
):
    model = fitted("relu:5", "grade")
    effect = {
        name: model.effect(name, frame, label="low")
        for name in ("size", "smokes", "day", "town", "name")
    }
    assert effect["smokes"].values.tolist() == ["no", "yes"]
    assert effect["town"].values.tolist() == ["Bonn", "Nowhere", "Oslo", "Rome"]
    assert effect["day"].values.dtype == "datetime64[s]"
    assert set(effect["size"].values) <= set(frame["size"])
    assert [len(effect[name].values) for name in ("size", "day", "name")] == [20] * 3
    rows = frame.assign(town="Oslo")
    assert effect["town"].mean[2] == pytest.approx(
        model.predict_proba(rows)[:, 1].mean()
    )
    single = [
        dataclasses.replace(
            model, states={name: value[[k]] for name, value in model.states.items()}
        )
        for k in range(3)
    ]
    deviation = np.std([part.predict_proba(rows)[:, 1].mean() for part in single])
    assert effect["town"].high[2] - effect["town"].mean[2] == pytest.approx(deviation)
    assert effect["town"].mean[2] - effect["town"].low[2] == pytest.approx(deviation)


def test_many_rows_are_sampled_and_the_sample_is_the_same(fitted, frame):
    model, many = fitted(), pd.concat([frame] * 20, ignore_index=True)
    read, inputs = effects._read(model, many)
    assert read.n_rows == len(inputs) == 500
    np.testing.assert_array_equal(
        model.effect("size", many).mean, model.effect("size", many).mean
    )
    assert model.effect("size", many).mean == pytest.approx(
        model.effect("size", frame).mean, abs=0.05
    )


def test_what_has_no_effect_is_refused(fitted, frame, table_for):
    model = fitted()
    with pytest.raises(ColumnError, match=r"no column 'Size'\. Did you mean 'size'"):
        model.effect("Size", frame)
    with pytest.raises(DataError, match="Is it the right table"):
        model.effect(
            "size",
            frame.assign(
                **dict.fromkeys(["size", "town", "name", "smokes", "day"], "what")
            ),
        )
    with pytest.raises(DataError, match=r"'weight' has no number in these rows"):
        model.effect("weight", frame.assign(weight=None))
    with pytest.raises(OptionError, match=r"has 3 labels\. Choose one: label='high'"):
        fitted("relu:5", "grade").effect("size", frame)
    with pytest.raises(OptionError, match="a regression model has no classes"):
        fitted("relu:5", "cost").effect("size", frame, label="ill")
    with pytest.raises(OptionError, match="relu:5 was fitted to another table"):
        effects_in(fitted("relu:5", "grade"), table_for("ill"))


def test_the_effects_in_a_table_are_those_of_its_columns(fitted, frame, table_for):
    effects = effects_in(fitted("relu:5", "grade"), table_for("grade"))
    curves = {curve.column: curve for curve in effects.curves}
    most = frame["grade"].mode()[0]
    assert (effects.model, effects.networks, effects.label, effects.n_rows) == (
        "relu:5",
        3,
        most,
        len(frame),
    )
    alone = fitted("relu:5", "grade").effect("smokes", frame, label=most)
    np.testing.assert_allclose(curves["smokes"].mean, alone.mean, atol=1e-12)
    np.testing.assert_allclose(
        curves["smokes"].spread, alone.high - alone.mean, atol=1e-12
    )
    assert curves["town"].values == (
        "(missing)",
        "Bonn",
        "Oslo",
        "Rome",
    )  # Nowhere has fewer than 2 % of the rows
    assert curves["day"].values[0].startswith("2024-01-")
    low, high = np.quantile(frame["size"], [0.05, 0.95], method="inverted_cdf")
    assert curves["size"].values[:: len(curves["size"].values) - 1] == (low, high)
    assert sorted(curve.change for curve in effects.curves) == [
        curve.change for curve in effects.curves[::-1]
    ]


def test_a_planted_effect_has_its_direction_and_an_ignored_column_is_flat_and_last_or_not_among_twelve():
    model, frame = of_numbers(ignored=[2])
    effects = effects_in(
        model, read_table(frame.assign(y=(frame.sum(axis=1) > 0) * 1), target="y")
    )
    assert effects.curves[-1].column == "c2"
    assert effects.curves[-1].change == pytest.approx(0, abs=1e-12)
    assert effects.words(effects.curves[-1]).endswith("% everywhere")
    for curve in effects.curves[:-1]:
        assert (np.diff(curve.mean) > 0).all()
        assert curve.mean[-1] - curve.mean[0] > 0.1
    model, frame = of_numbers(15, ignored=[0, 7, 14])
    effects = effects_in(
        model, read_table(frame.assign(y=(frame.sum(axis=1) > 0) * 1), target="y")
    )
    assert (effects.n_columns, {one.column for one in effects.curves}) == (
        15,
        set(frame) - {"c0", "c7", "c14"},
    )


def test_a_value_of_most_rows_is_one_of_the_values_and_not_all():
    model, frame = of_numbers()
    gains = frame.assign(c1=np.where(frame["c0"] > 1.3, frame["c1"].abs(), 0.0))
    values = model.effect("c1", gains).values
    assert values[0] == 0
    assert len(values) == 1 + min(20, (gains["c1"] > 0).sum())

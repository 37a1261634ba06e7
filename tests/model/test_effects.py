"""Partial dependence."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from seedbed.data.reading import read_table
from seedbed.errors import OptionError
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


def test_an_effect_is_the_mean_prediction_with_one_value_in_all_rows(
    fitted, frame, table_for
):
    model = fitted("relu:5", "grade")
    effects = effects_in(model, table_for("grade"))
    (town,) = (curve for curve in effects.curves if curve.column == "town")
    place = model.labels.index(effects.label)
    rows = frame.assign(town="Oslo")
    assert town.mean[2] == pytest.approx(model.predict_proba(rows)[:, place].mean())
    single = [
        dataclasses.replace(
            model, states={name: value[[k]] for name, value in model.states.items()}
        )
        for k in range(3)
    ]
    means = [part.predict_proba(rows)[:, place].mean() for part in single]
    assert town.spread[2] == pytest.approx(np.std(means))


def test_effects_in_another_table_are_refused(fitted, table_for):
    with pytest.raises(OptionError, match="relu:5 was fitted to another table"):
        effects_in(fitted("relu:5", "grade"), table_for("ill"))


def test_the_effects_in_a_table_are_those_of_its_columns(fitted, frame, table_for):
    effects = effects_in(fitted("relu:5", "grade"), table_for("grade"))
    curves = {curve.column: curve for curve in effects.curves}
    most = frame["grade"].mode()[0]
    assert effects.model == "relu:5"
    assert effects.networks == 3
    assert effects.label == most
    assert effects.n_rows == len(frame)
    # Nowhere has fewer than 2 % of the rows
    assert curves["town"].values == tuple("(missing) Bonn Oslo Rome".split())
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
    assert effects.n_columns == 15
    assert {one.column for one in effects.curves} == set(frame) - {"c0", "c7", "c14"}


def test_a_value_of_most_rows_is_one_of_the_values_and_not_all():
    model, frame = of_numbers()
    gains = frame.assign(c1=np.where(frame["c0"] > 0.2, frame["c1"].abs(), 0.0))
    table = read_table(gains.assign(y=(frame.sum(axis=1) > 0) * 1), target="y")
    curves = {curve.column: curve for curve in effects_in(model, table).curves}
    assert curves["c1"].values[0] == 0
    assert len(curves["c1"].values) == 21

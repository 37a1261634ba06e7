"""Predictions of the server equal those of the model, in every format and under concurrency."""

import asyncio
import dataclasses
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from seedbed.data.reading import read_table
from seedbed.model.blending import fit_model
from seedbed.serve import predictor
from seedbed.settings.recipe import recipe_named

from .conftest import TARGETS, application, ask, asked, run


def spoilt(record, **cells):
    return {**record, **cells}


def at_once(app, bodies):
    """The answers to concurrent requests."""

    async def together():
        return await asyncio.gather(
            *(asked(app, "POST", "/predict", body) for body in bodies)
        )

    return run(together())


@pytest.mark.parametrize("target", ["ill", "grade", "cost"])
def test_answers_equal_the_predictions_of_the_model(fitted, records, target):
    model = fitted(target)
    found = ask(application(model), "POST", "/predict", {"rows": records}).values[
        "predictions"
    ]
    if model.labels:
        reported = np.array(
            [[one["probabilities"][label] for label in model.labels] for one in found]
        )
        assert np.abs(reported - model.predict_proba(records)).max() < 1e-12
        assert [one["label"] for one in found] == model.predict(records).tolist()
    else:
        assert [one["value"] for one in found] == pytest.approx(
            model.predict(records), rel=1e-12
        )
        assert found[0].keys() == {"value", "range", "flags", "doubtful"}
    ranges = [one["range"] for one in found]
    assert np.array(ranges) == pytest.approx(model.predict_range(records), abs=1e-12)


def test_survival_is_that_of_the_model_at_any_times(fitted, records):
    surviving = fitted("died")
    app = application(surviving)
    for at in ([], [40, 7.5]):
        body = {"rows": records, "at": at} if at else records
        found = ask(app, "POST", "/predict", body).values["predictions"]
        times = at or surviving.follow_up.cuts
        assert [*found[0]["survival"]] == [f"{time:g}" for time in times]
        reported = np.array([[*one["survival"].values()] for one in found])
        assert (
            np.abs(reported - surviving.predict_survival(records, at=times)).max()
            < 1e-6
        )
    medians = np.array(
        [np.nan if one["median"] is None else one["median"] for one in found]
    )
    assert_allclose(medians, surviving.predict(records), rtol=1e-5)


def test_times_that_a_model_does_not_predict_are_refused(fitted, app, records):
    surviving = application(fitted("died"))
    for asked_app, at in ((surviving, [1e9]), (surviving, [-1]), (app, [3])):
        answer = ask(asked_app, "POST", "/predict", {"rows": records[:1], "at": at})
        assert (answer.status, answer.error["code"]) == (422, "option")
    result = ask(app, "POST", "/predict", {"rows": records[:1], "at": [3] * 101}).status
    assert result == 422


def test_rows_may_be_an_object_a_list_or_one_record(app, records):
    reported = [
        ask(app, "POST", "/predict", body).values
        for body in ({"rows": records[:1]}, records[:1], records[0])
    ]
    assert reported[0] == reported[1] == reported[2]
    assert ask(app, "POST", "/predict", {"rows": []}).values == {"predictions": []}


def test_flags_name_the_anomalies_of_a_row(app, records):
    odd = spoilt(records[0], size=1000, town="Atlantis", smokes=None, weight="heavy")
    first, second = ask(app, "POST", "/predict", [odd, records[1]]).values[
        "predictions"
    ]
    kinds = dict(
        unseen=["town"], unreadable=["weight"], outlying=["size"], missing=["smokes"]
    )
    assert first["flags"] == kinds
    assert second["flags"] == {kind: [] for kind in kinds}
    assert not first["doubtful"]


def test_columns_that_the_model_does_not_use_are_named(app, records):
    values = ask(
        app, "POST", "/predict", spoilt(records[0], colour="red", age=3)
    ).values
    assert values["ignored"] == ["age", "colour"]
    assert "ignored" not in ask(app, "POST", "/predict", records[0]).values


def test_a_row_without_known_values_is_flagged_alone_and_among_others(app, records):
    nothing = dict.fromkeys(records[0])
    (alone,) = ask(app, "POST", "/predict", nothing).values["predictions"]
    rows = ask(app, "POST", "/predict", [nothing, *records[:9]]).values["predictions"]
    assert [row["doubtful"] for row in rows] == [True] + [False] * 9
    assert numbers_in(rows[0]) == pytest.approx(numbers_in(alone), abs=1e-6)
    assert words_in(rows[0]) == words_in(alone)


def test_a_missing_column_is_named(app, records):
    lacking = {
        ("sizes" if name == "size" else name): value
        for name, value in records[0].items()
    }
    error = ask(app, "POST", "/predict", [records[1], lacking]).error
    assert error["message"] == "Object missing required field `size` - at `$.rows[1]`"
    assert "every column" in error["hint"]


@pytest.mark.parametrize(
    "cells",
    [{"size": 1e300}, {"size": 10**305}, {"size": -(10**350)}, {"weight": 10**398}],
    ids=lambda cells: str(cells)[:30],
)
def test_an_invalid_cell_is_a_client_error(app, records, cells):
    answer = ask(app, "POST", "/predict", spoilt(records[0], **cells))
    assert answer.status == 422
    assert next(iter(cells)) in answer.error["message"]


@pytest.mark.parametrize("cell", [[1], {"a": 1}, "\ud800"])
def test_a_cell_that_holds_no_value_is_refused(app, records, cell):
    answer = ask(
        app, "POST", "/predict", {"rows": [records[0], spoilt(records[1], town=cell)]}
    )
    assert (answer.status, answer.error["code"]) == (
        (422, "rows") if cell != "\ud800" else (400, "json")
    )


@pytest.mark.parametrize("size", [2**63, 10**300, 1e30, True, "", "1e400", "9" * 900])
def test_an_extreme_number_is_predicted_or_refused(app, records, size):
    assert ask(app, "POST", "/predict", spoilt(records[0], size=size)).status in (
        200,
        422,
    )


def test_a_number_is_read_the_same_beside_gaps_or_text(app, records):
    rows = [spoilt(records[0], price=price) for price in (1.234, None, "2,5", 3)]
    alone = [
        ask(app, "POST", "/predict", row).values["predictions"][0]["probabilities"]
        for row in rows
    ]
    together = ask(app, "POST", "/predict", rows).values["predictions"]
    assert [one["probabilities"]["ill"] for one in together] == pytest.approx(
        [one["ill"] for one in alone], abs=1e-6
    )


def test_a_prediction_that_is_not_finite_is_refused(frame, records):
    table = read_table(frame, target="cost", drop=["ill", "grade"])
    # clips no inputs
    model = fit_model(
        table, "relu:5", recipe=recipe_named("tutorial", epochs=40), n_networks=3
    )
    louder = {name: 1e4 * value for name, value in model.states.items()}
    loud = dataclasses.replace(model, states=louder, target_deviation=1e140)
    bodies = [records[0], spoilt(records[1], size=1e38, weight=1e38), records[2]] * 10

    answers = at_once(application(loud), bodies)
    assert [one.status for one in answers] == [200, 422, 200] * 10
    assert "a number in it is too large" in answers[1].error["message"]


def test_requests_are_predicted_one_by_one_if_batch_fails(fitted, records, monkeypatch):
    predict_rows = predictor.predict_rows

    def fail(model, rows):
        if rows.n_rows > 1:
            raise ZeroDivisionError
        return predict_rows(model, rows)

    monkeypatch.setattr(predictor, "predict_rows", fail)

    assert {
        one.status for one in at_once(application(fitted("ill")), records[:40])
    } == {200}


def bodies_of(records):
    """Valid and invalid requests, and the request that runs beside them."""
    return [
        records[0],
        records[1:4],
        spoilt(records[4], size="171.5", town="Atlantis"),
        spoilt(records[5], weight=None, price=2.5),
        dict.fromkeys(records[0]),
        spoilt(records[6], size=1e300),
        {"size": 3},
        [],
        [dict.fromkeys(records[0]), *records[7:12]],
    ]


@pytest.mark.parametrize("target", [*TARGETS, "died"])
def test_a_request_gets_the_same_answer_alone_and_in_a_batch(fitted, records, target):
    app = application(fitted(target))
    alone = [ask(app, "POST", "/predict", body) for body in bodies_of(records)] * 5
    among = at_once(app, bodies_of(records) * 5)
    assert [one.status for one in among] == [one.status for one in alone]
    result = [one.status for one in alone[:9]]
    assert result == [200, 200, 200, 200, 200, 422, 422, 200, 200]
    for one, other in zip(among, alone, strict=True):
        close = 1e-6 * fitted(target).target_deviation
        assert numbers_in(one.values) == pytest.approx(
            numbers_in(other.values), abs=close
        )
        assert words_in(one.values) == words_in(other.values)


def numbers_in(values):
    parts = (
        values.values()
        if isinstance(values, dict)
        else values
        if isinstance(values, list)
        else ()
    )
    own = [values] if isinstance(values, float) else []
    return own + [number for part in parts for number in numbers_in(part)]


def words_in(values):
    return json.dumps(values, default=str, sort_keys=True).translate(
        str.maketrans("", "", "0123456789.e-")
    )


def test_concurrent_requests_are_predicted_in_one_batch(fitted, records, monkeypatch):
    sizes, predict = [], predictor.predict_rows
    monkeypatch.setattr(
        predictor,
        "predict_rows",
        lambda model, rows: sizes.append(rows.n_rows) or predict(model, rows),
    )

    assert {
        one.status for one in at_once(application(fitted("ill")), records[:60])
    } == {200}
    assert max(sizes) > 1


def test_a_forged_median_of_a_date_ends_no_page(fitted, records):
    model = fitted("ill")
    medians = np.full_like(model.preprocessor.medians, 1e308)
    app = application(
        dataclasses.replace(
            model, preprocessor=dataclasses.replace(model.preprocessor, medians=medians)
        )
    )
    assert [ask(app, "GET", path).status for path in ("/", "/card")] == [200] * 2
    assert ask(app, "GET", "/card").values["columns"][4]["name"] == "day"
    assert ask(app, "POST", "/predict", records[:1]).status == 200


@pytest.mark.parametrize("target", ["ill", "cost"])
def test_the_card_is_that_of_the_model(fitted, target):
    model = fitted(target)
    app = application(model)
    card = ask(app, "GET", "/card").values
    assert card == json.loads(json.dumps(model.card()))
    usual = {column["name"]: column["usual"] for column in card["columns"]}
    assert usual["size"] == pytest.approx(170, abs=3)
    assert (usual["smokes"], usual["town"], usual["day"][:2]) == ("no", "Oslo", "20")

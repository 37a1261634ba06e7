"""Protocols of other servers' clients: the Open Inference Protocol, version 2, and MLflow's scoring server."""

import json

import numpy as np
import pytest

from seedbed.serve.tensors import DATATYPES

from .conftest import application, ask

INFER = "/v2/models/heart/infer"


def tensors_of(records, shape=None):
    """Each column as a tensor of the type in the metadata."""
    return [
        {
            "name": name,
            "shape": shape or [len(records)],
            "datatype": "FP64" if name in ("size", "weight") else "BYTES",
            "data": [record[name] for record in records],
        }
        for name in records[0]
    ]


def test_server_and_model_metadata_follow_the_protocol(app):
    assert ask(app, "GET", "/v2/health/live").values == {"live": True}
    assert ask(app, "GET", "/v2/health/ready").values == {"ready": True}
    assert ask(app, "GET", "/v2").values == {"name": "seedbed", "version": "1.0", "extensions": []}
    assert ask(app, "GET", "/v2/models/heart/ready").values == {"name": "heart", "ready": True}
    about = ask(app, "GET", "/v2/models/heart").values
    assert {one["name"]: one["datatype"] for one in about["inputs"]} == {
        "size": "FP64", "weight": "FP64", "price": "FP64", "smokes": "BYTES", "day": "BYTES", "town": "BYTES"
    }  # fmt: skip
    assert about["outputs"][1] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2],
                                   "parameters": {"labels": ["ill", "well"]}}  # fmt: skip


def test_the_name_of_another_model_is_not_found(app):
    for path in ("/v2/models/other", "/v2/models/other/ready", "/v2/models/heart/versions/1", "/v2/models"):
        answer = ask(app, "GET", path)
        assert (answer.status, answer.values["code"]) == (404, "not_found")
        assert isinstance(answer.values["error"], str)
    assert ask(app, "POST", "/v2/models/other/infer", {}).status == 404


@pytest.mark.parametrize("target", ["ill", "grade"])
def test_inference_returns_the_models_predictions_as_tensors(fitted, records, target):
    model = fitted(target)
    with application(model) as app:
        answer = ask(app, "POST", INFER, {"id": "a1", "inputs": tensors_of(records)}).values
    found = {one["name"]: one for one in answer["outputs"]}
    assert (answer["model_name"], answer["id"]) == ("heart", "a1")
    reported = np.array(found["probabilities"]["data"]).reshape(found["probabilities"]["shape"])
    assert np.abs(reported - model.predict_proba(records)).max() < 1e-12
    assert found["label"]["data"] == model.predict(records).tolist()
    assert [found[name]["shape"] for name in ("label", "spread", "doubtful", "flags")] == [[len(records)]] * 4
    assert json.loads(found["flags"]["data"][0]).keys() == {"unseen", "unreadable", "outlying", "missing"}


def test_inference_of_a_regression_returns_values(fitted, records):
    with application(fitted("cost")) as app:
        found = ask(app, "POST", INFER, {"inputs": tensors_of(records[:5])}).values["outputs"]
    assert [one["name"] for one in found] == ["value", "spread", "doubtful", "flags"]
    assert found[0]["data"] == pytest.approx(fitted("cost").predict(records[:5]))


def test_a_column_may_be_a_matrix_of_one_column(app, records):
    flat, shaped = tensors_of(records[:4]), tensors_of(records[:4], shape=[4, 1])
    nested = [{**one, "data": [[value] for value in one["data"]]} for one in shaped]
    reported = [ask(app, "POST", INFER, {"inputs": inputs}).values["outputs"] for inputs in (flat, shaped, nested)]
    assert reported[0] == reported[1] == reported[2]


def test_only_the_requested_outputs_are_returned(app, records):
    asked_for = {"inputs": tensors_of(records[:2]), "outputs": [{"name": "label"}, {"name": "spread"}]}
    assert [one["name"] for one in ask(app, "POST", INFER, asked_for).values["outputs"]] == ["label", "spread"]


def test_an_input_that_the_model_does_not_use_is_named(app, records):
    extra = {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]}
    answer = ask(app, "POST", INFER, {"inputs": [*tensors_of(records[:1]), extra]}).values
    assert answer["parameters"] == {"ignored": "colour"}


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_each_datatype_accepts_only_its_values(datatype):
    values = {"BOOL": True, "BYTES": "a", **dict.fromkeys(("FP16", "FP32", "FP64", "BF16"), 0.5)}
    own = values.get(datatype, 3)
    others = [value for value in (True, "a", 0.5) if type(value) is not type(own)]
    assert DATATYPES[datatype](own)
    assert not any(DATATYPES[datatype](value) for value in others)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datatype": "FP128"}, "Known: BOOL"),
        ({"datatype": ["FP64"]}, "Known: BOOL"),
        ({"datatype": "INT8", "data": [300]}, "isn't INT8"),
        ({"datatype": "UINT8", "data": [-1]}, "isn't UINT8"),
        ({"data": ["x"]}, "isn't FP64"),
        ({"data": [True]}, "isn't FP64"),
        ({"shape": [2]}, "isn't the shape"),
        ({"shape": "[1]"}, "isn't the shape"),
        ({"shape": None}, "isn't the shape"),
        ({"data": 3}, "lacks its name or data"),
        ({"name": 3}, "lacks its name or data"),
        ({"name": "town"}, "there twice"),
        ({"name": "sizes"}, "Did you mean 'sizes'?"),
        ({"binary": 1}, "a key that isn't known"),
        ({"data": [1, 2], "shape": [2]}, "1 values, and another column 2"),
    ],
)
def test_an_invalid_tensor_is_refused_in_the_protocols_format(app, records, change, words):
    first, *others = tensors_of(records[:1])
    answer = ask(app, "POST", INFER, {"inputs": [{**first, **change}, *others]})
    assert answer.status in (400, 422)
    assert words in answer.values["error"]


@pytest.mark.parametrize("body", [{}, [], 3, {"inputs": {}}, {"inputs": [3]}, {"inputs": []}, {"inputs": [], "x": 1}])
def test_an_invalid_inference_request_is_refused(app, body):
    assert ask(app, "POST", INFER, body).status in (400, 422)


@pytest.mark.parametrize("more", [{"id": 3}, {"outputs": [{"name": "x"}]}, {"outputs": 3}, {"outputs": ["label"]}])
def test_invalid_fields_beside_the_inputs_are_refused(app, records, more):
    assert ask(app, "POST", INFER, {"inputs": tensors_of(records[:1]), **more}).status == 400


def invocations_of(records):
    names = list(records[0])
    lists = [list(record.values()) for record in records]
    return [
        {"dataframe_split": {"columns": names, "data": lists}},
        {"dataframe_split": {"columns": names[::-1], "index": [3, 4], "data": [row[::-1] for row in lists]}},
        {"dataframe_records": records},
        {"instances": records},
        {"instances": lists},
        {"inputs": {name: [record[name] for record in records] for name in names}},
        {"inputs": records},
        {"inputs": lists},
    ]


def test_all_formats_of_an_invocation_give_the_same_predictions(app, records):
    reported = [ask(app, "POST", "/invocations", body).values for body in invocations_of(records[:2])]
    assert reported == [ask(app, "POST", "/predict", records[:2]).values] * 8
    one = ask(app, "POST", "/invocations", {"inputs": records[0]}).values
    assert one["predictions"][0]["label"] == reported[0]["predictions"][0]["label"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"rows": []},
        {"instances": [], "inputs": []},
        {"instances": [], "params": {}},
        {"instances": [[1]]},
        {"instances": [[1], {}]},
        {"inputs": {"size": [1], "weight": 3}},
        {"inputs": 3},
        {"dataframe_split": []},
        {"dataframe_split": {"columns": ["size", "size"], "data": []}},
        {"dataframe_split": {"columns": [1], "data": []}},
        {"dataframe_split": {"columns": ["size"], "data": 3}},
        {"dataframe_split": {"columns": ["size"], "data": [[1]]}},
        {"dataframe_records": {"size": 1}},
    ],
)
def test_an_invalid_invocation_is_refused(app, body):
    assert ask(app, "POST", "/invocations", body).status in (400, 422)


@pytest.mark.parametrize("target", ["ill", "cost"])
def test_the_card_is_that_of_the_model(fitted, target):
    model = fitted(target)
    with application(model) as app:
        card = ask(app, "GET", "/card").values
    assert card == json.loads(json.dumps(model.card()))
    usual = {column["name"]: column["usual"] for column in card["columns"]}
    assert usual["size"] == pytest.approx(170, abs=3)
    assert (usual["smokes"], usual["town"], usual["day"][:2]) == ("no", None, "20")


def test_health_card_and_metrics_are_served(app, records):
    assert ask(app, "GET", "/health").values == {"status": "ok"}
    card = ask(app, "GET", "/card").values
    assert (card["candidate"], card["columns"][4]["usual"][:2]) == ("relu:5", "20")
    assert card["sentences"][0].startswith("Not measured; ")
    ask(app, "POST", "/predict", records[:7])
    text = ask(app, "GET", "/metrics").body.decode()
    assert 'seedbed_requests_total{route="/predict",status="200"}' in text
    assert "seedbed_queue_length 0" in text


def test_metrics_count_rows_and_times_without_unknown_paths(fitted, records):
    with application(fitted("ill")) as app:
        ask(app, "POST", "/predict", records[:7])
        ask(app, "GET", '/x"\n{}')
        text = ask(app, "GET", "/metrics").body.decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["seedbed_rows_total"] == "7"
    assert lines['seedbed_requests_total{route="other",status="404"}'] == "1"
    assert lines['seedbed_request_seconds_bucket{le="+Inf"}'] == lines["seedbed_request_seconds_count"] == "2"

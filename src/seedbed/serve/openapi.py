"""The description of all routes, OpenAPI 3.1, made from the model's own columns."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from seedbed.data import ColumnSchema
from seedbed.model import FLAGS, Model
from seedbed.serve.tensors import DATATYPES, Tensors

__all__ = ["document"]

Values = dict[str, Any]

_LEVELS_SHOWN = 50


def document(model: Model, name: str, version: str, tensors: Tensors, *, token: bool) -> Values:
    """Return the document of a model that is called `name` in paths, and of a server that may need a token."""
    text = {"type": "string"}
    row, prediction = _ref("Row"), _ref("Predictions")
    rows = {"type": "array", "items": row}
    sets = {"coverage": {"type": "number"}, "per_class": {"type": "boolean"}}
    asked = {"anyOf": [{"type": "object", "properties": {"rows": rows, **sets}, "required": ["rows"]}, rows, row]}
    paths = {
        "/": _get("A page with a form for one row", text, media="text/html", open=True),
        "/health": _get("Whether the server lives", _object({"status": {"const": "ok"}}), open=True),
        "/card": _get("What the model is", {"type": "object"}),
        "/openapi.json": _get("This document", {"type": "object"}),
        "/metrics": _get("Counts and times, for Prometheus", text, media="text/plain"),
        "/predict": _post("Predict rows", asked, prediction),
        "/invocations": _post("Predict rows as MLflow's scoring server has them", _invocation(rows), prediction),
        **_protocol_paths(name),
    }
    info = {"title": f"{model.candidate} predicts {model.target_name}", "version": version or "0"}
    components: Values = {"schemas": _schemas(model, tensors.metadata())}
    described: Values = {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _protocol_paths(name: str) -> Values:
    """Return the paths of the inference protocol, which has its own form of errors."""
    at, error = f"/v2/models/{quote(name, safe='')}", "TensorError"
    flag, text = {"type": "boolean"}, {"type": "string"}
    server = _object({"name": text, "version": text, "extensions": {"type": "array"}})
    tensors = {"type": "array", "items": {"type": "object", "required": ["name", "datatype", "shape"]}}
    about = _object({"name": text, "platform": text, "inputs": tensors, "outputs": tensors})
    ready = _object({"name": text, "ready": flag})
    asked, answer = _ref("InferenceRequest"), _ref("InferenceResponse")
    return {
        "/v2": _get("The server", server, error=error),
        "/v2/health/live": _get("Whether the server lives", _object({"live": flag}), open=True, error=error),
        "/v2/health/ready": _get("Whether it is ready", _object({"ready": flag}), open=True, error=error),
        at: _get("The model's tensors", about, error=error),
        f"{at}/ready": _get("Whether the model is ready", ready, error=error),
        f"{at}/infer": _post("Predict columns", asked, answer, error=error),
    }


def _schemas(model: Model, metadata: Values) -> Values:
    schemas = model.preprocessor.layout.schemas
    text, number = {"type": "string"}, {"type": "number"}
    names = [schema.name for schema in schemas]
    columns = {"type": "array", "items": {"type": "string"}}
    answered: Values = {"spread": {**number, "description": "The standard deviation over the networks."}}
    if model.task == "regression":
        answered["value"] = number
        sets: Values = {"low": number, "high": number}
    else:
        answered["label"] = {"enum": list(model.labels)}
        answered["probabilities"] = _object(dict.fromkeys(model.labels, number))
        sets = {"set": {"type": "array", "items": {"enum": list(model.labels)}}}
    answered |= {"flags": _object(dict.fromkeys(FLAGS, columns)), "doubtful": {"type": "boolean"}}
    row = _object(answered)
    row["properties"] |= sets
    answer = _object({"predictions": {"type": "array", "items": row}})
    answer["properties"]["ignored"] = {**columns, "description": "Columns that the model doesn't use."}
    return {
        "Row": {
            "type": "object",
            "properties": {schema.name: _column(schema) for schema in schemas},
            "required": names,
        },
        "Predictions": answer,
        "Error": _object({"error": _object({"code": text, "message": text, "hint": text})}),
        "TensorError": _object({"error": text, "code": text}),
        "InferenceRequest": _inference_request(metadata),
        "InferenceResponse": {
            "type": "object",
            "properties": {
                "model_name": {"const": metadata["name"]},
                "id": text,
                "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "shape", "data"]}},
            },
            "required": ["model_name", "outputs"],
        },
    }


def _column(schema: ColumnSchema) -> Values:
    """Return the schema of a cell, the best form first. Texts are read as in training, where '1,5' may be a number."""
    described = {"description": f"A {schema.kind}; null if it isn't known."}
    if schema.kind == "number":
        return {"anyOf": [{"type": "number"}, {"type": ["number", "null"]}, {"type": "string"}], **described}
    if schema.kind == "date":
        return {"anyOf": [{"type": "string", "format": "date"}, {"type": ["string", "null"]}], **described}
    # Levels aren't a closed list: one that training never saw is flagged, and no error.
    other = {"type": ["boolean", "null"] if schema.kind == "boolean" else ["string", "number", "null"]}
    levels = list(schema.levels[:_LEVELS_SHOWN])
    return {"anyOf": [{"enum": levels}, other] if levels else [other], "examples": levels, **described}


def _invocation(rows: Values) -> Values:
    lists = {"type": "array", "items": {"type": "array"}}
    split = {"columns": {"type": "array", "items": {"type": "string"}}, "data": lists}
    by_column = {"type": "object", "additionalProperties": {"type": "array"}}
    return {
        "oneOf": [
            _object({"dataframe_split": _object(split)}),
            _object({"dataframe_records": rows}),
            _object({"instances": {"anyOf": [rows, lists]}}),
            _object({"inputs": {"anyOf": [by_column, rows, lists]}}),
        ]
    }


def _inference_request(metadata: Values) -> Values:
    tensor = _object(
        {
            "name": {"type": "string", "examples": [about["name"] for about in metadata["inputs"]][:_LEVELS_SHOWN]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array"},
        }
    )
    wanted = _object({"name": {"enum": [about["name"] for about in metadata["outputs"]]}})
    request = _object({"inputs": {"type": "array", "items": tensor}})
    request["properties"] |= {"id": {"type": "string"}, "outputs": {"type": "array", "items": wanted}}
    return request


def _object(properties: Values) -> Values:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> Values:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: Values, media: str = "application/json") -> Values:
    return {"content": {media: {"schema": schema}}}


def _get(
    summary: str, schema: Values, *, media: str = "application/json", open: bool = False, error: str = "Error"
) -> Values:
    about: Values = {
        "summary": summary,
        "responses": {
            "200": {"description": "As asked.", **_content(schema, media)},
            "default": {"description": "Refused.", **_content(_ref(error))},
        },
    }
    return {"get": about | ({"security": []} if open else {})}


def _post(summary: str, asked: Values, answer: Values, *, error: str = "Error") -> Values:
    reasons = {
        "400": "Not JSON, or not in this form.",
        "413": "Too many bytes, or too many rows.",
        "415": "The content type isn't JSON.",
        "422": "Rows that the model can't predict.",
        "503": "Too many requests wait; try again later.",
        "default": "Refused.",
    }
    responses = {status: {"description": words, **_content(_ref(error))} for status, words in reasons.items()}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, **_content(asked)},
            "responses": {"200": {"description": "Predicted.", **_content(answer)}, **responses},
        }
    }

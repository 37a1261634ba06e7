"""The description of all routes, OpenAPI 3.1, made from the model's own columns."""

from __future__ import annotations

from typing import Any

from seedbed.data.table import ColumnSchema
from seedbed.model.model import Model
from seedbed.model.predicting import FLAGS

Values = dict[str, Any]

_LEVELS_SHOWN = 50


def document(model: Model, version: str, *, token: bool) -> Values:
    """Return the document of a model and of a server, which may need a token."""
    text = {"type": "string"}
    row, prediction = _ref("Row"), _ref("Predictions")
    rows = {"type": "array", "items": row}
    sets = {"coverage": {"type": "number"}, "per_class": {"type": "boolean"}}
    request = {"anyOf": [{"type": "object", "properties": {"rows": rows, **sets}, "required": ["rows"]}, rows, row]}
    paths = {
        "/": _get("A page with a form for one row", text, media="text/html", open=True),
        "/health": _get("Whether the server lives", _object({"status": {"const": "ok"}}), open=True),
        "/card": _get("What the model is", {"type": "object"}),
        "/openapi.json": _get("This document", {"type": "object"}),
        "/metrics": _get("Counts and times, for Prometheus", text, media="text/plain"),
        "/predict": _post("Predict rows", request, prediction),
    }
    info = {"title": f"{model.candidate} predicts {model.target_name}", "version": version or "0"}
    components: Values = {"schemas": _schemas(model)}
    described: Values = {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _schemas(model: Model) -> Values:
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


def _object(properties: Values) -> Values:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> Values:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: Values, media: str = "application/json") -> Values:
    return {"content": {media: {"schema": schema}}}


def _get(summary: str, schema: Values, *, media: str = "application/json", open: bool = False) -> Values:
    about: Values = {
        "summary": summary,
        "responses": {
            "200": {"description": "As asked.", **_content(schema, media)},
            "default": {"description": "Refused.", **_content(_ref("Error"))},
        },
    }
    return {"get": about | ({"security": []} if open else {})}


def _post(summary: str, request: Values, answer: Values) -> Values:
    reasons = {
        "400": "Not JSON, or not in this form.",
        "413": "Too many bytes, or too many rows.",
        "415": "The content type isn't JSON.",
        "422": "Rows that the model can't predict.",
        "503": "Too many requests wait; try again later.",
        "default": "Refused.",
    }
    responses = {status: {"description": words, **_content(_ref("Error"))} for status, words in reasons.items()}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, **_content(request)},
            "responses": {"200": {"description": "Predicted.", **_content(answer)}, **responses},
        }
    }

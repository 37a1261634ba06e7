"""The limits of a server, and the forms of requests and answers: types that msgspec checks and OpenAPI shows."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import UNSET, Meta, UnsetType

from seedbed.data.table import ColumnSchema
from seedbed.model.model import Model
from seedbed.model.predicting import FLAGS

Problem: Any = msgspec.defstruct("Problem", [("code", str), ("message", str), ("hint", str)])
OPEN = ("/", "/health")  # they need no token, as their answers say nothing about the model


@dataclass(frozen=True)
class Limits:
    """The limits of one server. Times are in seconds."""

    body: int = 1 << 20  # bytes of a request
    head: int = 1 << 15  # bytes of its first line and headers
    rows: int = 10_000  # of a request
    text: int = 1_000  # characters of a cell
    waiting: int = 256  # requests that wait for the model; one more is refused
    connections: int = 512  # requests on others are refused
    head_seconds: float = 10.0  # from connecting, or from the last answer, to the end of a request's headers
    body_seconds: float = 30.0  # from there to the end of its body
    answer_seconds: float = 60.0  # from there to its answer
    write_seconds: float = 30.0  # for a client to read an answer
    stop_seconds: float = 5.0  # for the server to end


def request_type(model: Model, limits: Limits) -> Any:
    """Return the type of a request, with rows of the model's columns."""
    row: Any = TypedDict("Row", {schema.name: _cell(schema, limits) for schema in model.schemas})  # type: ignore[misc]
    at = Annotated[list[float], Meta(max_length=100, description="Times to predict, of a model of survival.")]
    rows = Annotated[list[row], Meta(max_length=limits.rows)]
    fields: list[Any] = [("rows", rows), ("coverage", float | None, None), ("per_class", bool, False), ("at", at, [])]
    return msgspec.defstruct("Request", fields, forbid_unknown_fields=True)


def _cell(schema: ColumnSchema, limits: Limits) -> Any:
    # Texts are read as in training, where '1,5' may be a number. A level may be unknown to the model.
    number: Any = float if schema.kind in ("number", "boolean") else int | float
    about = Meta(description=f"A {schema.kind}; null if it isn't known.", examples=list(schema.levels[:50]) or None)
    return Annotated[number | Annotated[str, Meta(max_length=limits.text)] | bool | None, about]


def _answer_type(model: Model) -> Any:
    names, number = list[str] | UnsetType, float | UnsetType
    fields: dict[str, list[Any]] = {
        "regression": [("value", float), ("low", number, UNSET), ("high", number, UNSET)],
        "survival": [("median", float | None), ("survival", dict[str, float])],
    }
    of_classes = [("label", str), ("probabilities", dict[str, float]), ("set", names, UNSET)]
    flags: Any = TypedDict("Flags", dict.fromkeys(FLAGS, list[str]))  # type: ignore[misc]
    of_all: list[Any] = [("spread", float), ("flags", flags), ("doubtful", bool)]
    prediction = msgspec.defstruct("Prediction", [*fields.get(model.task, of_classes), *of_all], kw_only=True)
    return msgspec.defstruct("Answer", [("predictions", list[prediction]), ("ignored", names, UNSET)])  # type: ignore[valid-type]


def document(model: Model, limits: Limits, *, token: bool) -> dict[str, Any]:
    """Return the OpenAPI document of a model and of a server, which may need a token."""
    request = request_type(model, limits)
    (answer, problem, *_), schemas = msgspec.json.schema_components(
        (_answer_type(model), dict[str, Problem], request), ref_template="#/components/schemas/{name}"
    )
    row = {"$ref": "#/components/schemas/Row"}
    bodies = [{"$ref": "#/components/schemas/Request"}, {"type": "array", "items": row}, row]
    paths: dict[str, Any] = {}
    for path, method, summary, schema in (
        ("/", "get", "A page with a form for one row", {"type": "string"}),
        ("/health", "get", "Whether the server runs", {"const": {"status": "ok"}}),
        ("/card", "get", "The model card", {"type": "object"}),
        ("/openapi.json", "get", "This document", {"type": "object"}),
        ("/predict", "post", "Predict rows", answer),
    ):
        media = "text/html" if path == "/" else "application/json"
        answers = {"200": _content("As requested.", schema, media), "default": _content("Refused.", problem)}
        security: dict[str, Any] = {"security": []} if token and path in OPEN else {}
        paths[path] = {method: {"summary": summary, "responses": answers, **security}}
    paths["/predict"]["post"]["requestBody"] = _content("Rows.", {"anyOf": bodies})
    described: dict[str, Any] = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}
    described["info"] = {"title": f"{model.candidate} predicts {model.target_name}", "version": version("seedbed")}
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _content(description: str, schema: Any, media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}

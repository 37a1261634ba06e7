"""Requests and answers in JSON. Requests that wait are predicted together: one row takes as long as
a hundred."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import msgspec
import numpy as np
from msgspec import Meta

from seedbed.data.table import ColumnSchema
from seedbed.data.typed import read_values
from seedbed.errors import DataError, SeedbedError, visible
from seedbed.model.model import Model
from seedbed.model.predicting import FLAGS, Predictions, predict_rows

_MOST_IN_BATCH = 64  # requests
_BYTES_IN_BATCH = (
    1 << 17
)  # of their bodies; a longer one is predicted alone, so that short ones don't wait for it
_MOST_TIMES = 100  # of which a request asks survival
_Cell = float | int | str | bool | None
_BODY = msgspec.json.Decoder(
    list[dict[str, _Cell]] | dict[str, _Cell | list[dict[str, _Cell] | float]]
)
Reply = tuple[int, bytes]  # an HTTP status, and a body in JSON


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of one server. Times are in seconds."""

    body: int = 1 << 20  # bytes of a request
    head: int = 1 << 15  # bytes of its first line and headers
    rows: int = 10_000  # of a request
    text: int = 1_000  # characters of a cell
    connections: int = 512  # requests on others are refused
    head_seconds: float = 10.0  # from connecting, or from the last answer, to the end of a request's headers
    body_seconds: float = 30.0  # from there to the end of its body
    answer_seconds: float = 60.0  # from there to its answer
    write_seconds: float = 30.0  # for a client to read an answer
    stop_seconds: float = 5.0  # for the server to end


def request_type(model: Model, limits: Limits) -> Any:
    """Return the type of a request, with rows of the model's columns."""
    cells: Any = {schema.name: _cell(schema, limits) for schema in model.schemas}
    row: Any = TypedDict("Row", cells)  # type: ignore[misc]
    fields: list[Any] = [
        ("rows", Annotated[list[row], Meta(max_length=limits.rows)]),
        ("coverage", float | None, None),
        ("per_class", bool, False),
        ("at", Annotated[list[float], Meta(max_length=_MOST_TIMES)], []),
    ]
    return msgspec.defstruct("Request", fields, forbid_unknown_fields=True)


def _cell(schema: ColumnSchema, limits: Limits) -> Any:
    # Texts are read as in training, where '1,5' may be a number. A level may be unknown to the
    # model.
    number: Any = float if schema.kind in ("number", "boolean") else int | float
    return number | Annotated[str, Meta(max_length=limits.text)] | bool | None


class Predictor:
    """Answers requests with a model in one thread, in batches."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model = model
        self._request = request_type(model, limits)
        self._waiting: deque[tuple[bytes, Future[Reply]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seedbed-predicts")

    def answer(self, body: bytes) -> Future[Reply]:
        """Return the answer to the body of a request, when there is one."""
        answer = Future[Reply]()
        self._waiting.append((body, answer))
        if (
            len(self._waiting) == 1
        ):  # else the thread will take it after those before it
            self._thread.submit(self._answer_waiting)
        return answer

    def _answer_waiting(self) -> None:
        while self._waiting:
            batch = list[tuple[bytes, Future[Reply]]]()
            n_bytes = _BYTES_IN_BATCH
            while (
                self._waiting
                and len(batch) < _MOST_IN_BATCH
                and (not batch or len(self._waiting[0][0]) <= n_bytes)
            ):
                batch.append(self._waiting.popleft())
                n_bytes -= len(batch[-1][0])
            batch = [
                item for item in batch if item[1].set_running_or_notify_cancel()
            ]  # it may be late
            for (_, answer), reply in zip(
                batch, self._answers([body for body, _ in batch]), strict=True
            ):
                answer.set_result(reply)

    def _answers(self, bodies: list[bytes]) -> list[Reply]:
        """Return the answer to each body. If they can't be answered together, halves show whose
        error it is."""
        try:
            requests = [self._read(body) for body in bodies]
            rows = [row for request, _ in requests for row in request.rows]
            predictions = self._predict(rows) if rows else None
            start = 0
            answers = list[Reply]()
            for request, others in requests:
                block = slice(start, start := start + len(request.rows))
                answer = {
                    "predictions": self._predicted(request, predictions, block)
                    if predictions
                    else []
                }
                answers.append(
                    (
                        200,
                        msgspec.json.encode(
                            answer | ({"ignored": others} if others else {})
                        ),
                    )
                )
            return answers
        except Exception as error:  # noqa: BLE001 - an error of one request mustn't end the server
            if half := len(bodies) // 2:
                return [*self._answers(bodies[:half]), *self._answers(bodies[half:])]
            if isinstance(error, SeedbedError):
                return [refusal(422, error.code, error.message, error.hint)]
            if isinstance(error, msgspec.ValidationError):
                hint = "Give each row every column of the model; null means unknown."
                return [refusal(422, "rows", str(error), hint)]
            if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
                return [
                    refusal(
                        400,
                        "json",
                        f"the body isn't JSON: {error}",
                        'Send {"rows": [{"COLUMN": VALUE}]}.',
                    )
                ]
            print(
                visible("".join(traceback.format_exception(error))),
                end="",
                file=sys.stderr,
            )  # not for clients
            return [
                refusal(
                    500, "internal", "the server failed", "This is a bug in seedbed."
                )
            ]

    def _read(self, body: bytes) -> tuple[Any, list[str]]:
        """Return a request, and the names of columns that the model doesn't use."""
        value: Any = _BODY.decode(body)
        has_options = isinstance(value, dict) and isinstance(
            value.get("rows"), list
        )  # a column may be called rows
        value = (
            value
            if has_options
            else {"rows": value if isinstance(value, list) else [value]}
        )
        rows = value["rows"]
        request = msgspec.convert(value, self._request)
        # msgspec takes the last of several equal keys. In valid JSON, each colon outside of texts
        # follows a key.
        outside = b"".join(
            body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
        )
        if outside.count(b":") != sum(map(len, rows)) + has_options * len(value):
            raise msgspec.DecodeError("an object has a duplicate key")
        return request, sorted(
            set().union(*rows).difference(self._model.feature_names_in_)
        )

    def _predict(self, rows: list[dict[str, Any]]) -> Predictions:
        columns = [
            [row[name] for row in rows] for name in self._model.feature_names_in_
        ]
        if self._model.n_levels:
            columns.append(
                ["1"] * len(rows)
            )  # of expanded rows; the model predicts all levels
        predictions = predict_rows(
            self._model, read_values(columns, self._model.preprocessor.layout.schemas)
        )
        # A spread overflows before its number, as it is squared.
        if not (
            np.isfinite(predictions.values).all()
            and np.isfinite(predictions.spread).all()
        ):
            raise DataError(
                "rows: the model has no finite prediction for a row; a number in it is too large"
            )
        return predictions

    def _predicted(
        self, request: Any, predictions: Predictions, block: slice
    ) -> list[dict[str, Any]]:
        """Return the predictions for some of the rows, as an answer has them."""
        parts = {
            name: getattr(predictions, name)[block]
            for name in ("values", "spread", "ranges", "doubtful")
        }
        predictions = dataclasses.replace(
            predictions, odd=predictions.odd.of(block), **parts
        )
        model = self._model
        fields = dict[str, Any]()
        outcome = model.outcome
        labels = model.labelled(predictions).tolist()
        outcome.check_times(request.at, model)
        fields[outcome.answer] = [*map(str, labels)] if outcome.has_classes else labels
        if outcome.parts:
            keys = outcome.keys(model, request.at)
            rows = outcome.parts_of(predictions.values, model, request.at)
            fields[outcome.parts] = [
                dict(zip(keys, row, strict=True)) for row in rows.tolist()
            ]
        if request.coverage is not None or request.per_class:
            covering = model.covering(
                predictions, request.coverage, per_class=request.per_class
            )
            if model.labels:
                fields["set"] = [
                    [model.labels[i] for i in np.flatnonzero(row)] for row in covering
                ]
            else:
                fields["low"], fields["high"] = covering.T.tolist()
        flags = predictions.flags(model.preprocessor.layout.schemas)
        none = {kind: list[str]() for kind in FLAGS}
        fields["flags"] = [
            none | flags.get(row, {}) for row in range(len(predictions.values))
        ]
        has_ranges = np.isfinite(predictions.ranges).all()
        nothing = [None] * len(predictions.values)
        fields["range"] = predictions.ranges.tolist() if has_ranges else nothing
        fields["doubtful"] = predictions.doubtful.tolist()
        return [
            dict(zip(fields, row, strict=True))
            for row in zip(*fields.values(), strict=True)
        ]


def refusal(status: int, code: str, message: str, hint: str = "") -> Reply:
    """Return the answer to a request that is refused."""
    return status, msgspec.json.encode(
        {"error": {"code": code, "message": message, "hint": hint}}
    )

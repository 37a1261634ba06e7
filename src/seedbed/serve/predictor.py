"""Answers to requests in JSON. Requests that wait are predicted together: one row takes as long as a hundred."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import sys
import traceback
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np

from seedbed.data.typed import read_values
from seedbed.errors import DataError, SeedbedError, visible
from seedbed.model.model import Model
from seedbed.model.predicting import FLAGS, Predictions, predict_rows
from seedbed.serve.forms import Limits, Problem, request_type

_MOST_IN_BATCH = 64  # requests
_BYTES_IN_BATCH = 1 << 17  # of their bodies; a longer one is predicted alone, so that short ones don't wait for it
_Cell = float | int | str | bool | None
_BODY = msgspec.json.Decoder(list[dict[str, _Cell]] | dict[str, _Cell | list[dict[str, _Cell] | float]])
Outcome = tuple[int, bytes]  # an HTTP status, and a body in JSON


class Predictor:
    """Answers requests with a model in one thread, in batches."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits, self._request = model, limits, request_type(model, limits)
        self._waiting: deque[tuple[bytes, asyncio.Future[Outcome]]] = deque()
        self._thread, self.batch = ThreadPoolExecutor(1, thread_name_prefix="seedbed-predicts"), Future[Any]()
        self._task: asyncio.Task[None] | None = None

    async def answer(self, body: bytes) -> Outcome:
        """Return the answer to the body of a request."""
        if len(self._waiting) >= self._limits.waiting:
            return refusal(503, "busy", "too many requests are waiting", "Try again later.")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        self._task = self._task or asyncio.create_task(self._answer_batches())
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await future
        except TimeoutError:
            message = f"there was no answer within {self._limits.answer_seconds:g} seconds"
            return refusal(503, "busy", message, "Send fewer rows, or try later.")

    async def _answer_batches(self) -> None:
        try:
            while waiting := self._waiting:
                batch = [waiting.popleft()]
                left = _BYTES_IN_BATCH - len(batch[0][0])
                while waiting and len(batch) < _MOST_IN_BATCH and (left := left - len(waiting[0][0])) >= 0:
                    batch.append(waiting.popleft())
                batch = [(body, future) for body, future in batch if not future.done()]  # its client may have left
                self.batch = self._thread.submit(self._outcomes, [body for body, _ in batch])
                for (_, future), outcome in zip(batch, await asyncio.wrap_future(self.batch), strict=True):
                    if not future.done():
                        future.set_result(outcome)
        finally:
            self._task = None

    def _outcomes(self, bodies: list[bytes]) -> list[Outcome]:
        """Return the answer to each body. If they can't be answered together, halves show whose error it is."""
        try:
            requests = [self._read(body) for body in bodies]
            rows = [row for request, _ in requests for row in request.rows]
            predictions, start, answers = self._predict(rows) if rows else None, 0, list[Outcome]()
            for request, others in requests:
                block = slice(start, start := start + len(request.rows))
                answer = {"predictions": self._predicted(request, predictions, block) if predictions else []}
                answers.append((200, msgspec.json.encode(answer | ({"ignored": others} if others else {}))))
            return answers
        except Exception as error:  # noqa: BLE001 - an error of one request mustn't end the server
            if half := len(bodies) // 2:
                return [*self._outcomes(bodies[:half]), *self._outcomes(bodies[half:])]
            return [_refusal_of(error)]

    def _read(self, body: bytes) -> tuple[Any, list[str]]:
        """Return a request, and the names of columns that the model doesn't use."""
        given: Any = _BODY.decode(body)
        has_options = isinstance(given, dict) and isinstance(given.get("rows"), list)  # a column may be called rows
        rows = given["rows"] if has_options else given if isinstance(given, list) else [given]
        request = msgspec.convert(given if has_options else {"rows": rows}, self._request)
        # msgspec takes the last of several equal keys. In valid JSON, each colon outside of texts follows a key.
        outside = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
        if outside.count(b":") != sum(map(len, rows)) + (len(given) if has_options else 0):
            raise msgspec.DecodeError("an object has a duplicate key")
        return request, sorted(set().union(*rows).difference(self._model.feature_names_in_))

    def _predict(self, rows: list[dict[str, Any]]) -> Predictions:
        columns = [[row[name] for row in rows] for name in self._model.feature_names_in_]
        if self._model.n_levels:
            columns.append(["1"] * len(rows))  # of expanded rows; the model predicts all levels
        predictions = predict_rows(self._model, read_values(columns, self._model.preprocessor.layout.schemas))
        # A spread overflows before its number, as it is squared.
        if not (np.isfinite(predictions.values).all() and np.isfinite(predictions.spread).all()):
            raise DataError("rows: the model has no finite prediction for a row; a number in it is too large")
        return predictions

    def _predicted(self, request: Any, predictions: Predictions, block: slice) -> list[dict[str, Any]]:
        """Return the predictions for some of the rows, as an answer has them."""
        parts = {name: getattr(predictions, name)[block] for name in ("values", "spread", "doubtful")}
        predictions = dataclasses.replace(predictions, odd=predictions.odd.of(block), **parts)
        model, fields = self._model, dict[str, Any]()
        outcome, labels = model.outcome, model.labelled(predictions).tolist()
        outcome.check_times(request.at, model)
        fields[outcome.answer] = [*map(str, labels)] if outcome.has_classes else labels
        if outcome.parts:
            keys, rows = outcome.keys(model, request.at), outcome.parts_of(predictions.values, model, request.at)
            fields[outcome.parts] = [dict(zip(keys, row, strict=True)) for row in rows.tolist()]
        if request.coverage is not None or request.per_class:
            covering = model.covering(predictions, request.coverage, per_class=request.per_class)
            if model.labels:
                fields["set"] = [[*itertools.compress(model.labels, row)] for row in covering.tolist()]
            else:
                fields["low"], fields["high"] = covering.T.tolist()
        flags, none = predictions.flags(model.preprocessor.layout.schemas), {kind: list[str]() for kind in FLAGS}
        fields["flags"] = [none | flags.get(row, {}) for row in range(len(predictions.values))]
        fields["spread"], fields["doubtful"] = predictions.spreads.tolist(), predictions.doubtful.tolist()
        return [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]


def refusal(status: int, code: str, message: str, hint: str = "") -> Outcome:
    """Return the answer to a request that is refused."""
    return status, msgspec.json.encode({"error": Problem(code, message, hint)})


def _refusal_of(error: Exception) -> Outcome:
    if isinstance(error, SeedbedError):
        return refusal(422, error.code, error.message, error.hint)
    if isinstance(error, msgspec.ValidationError):
        return refusal(422, "rows", str(error), "Give each row every column of the model; null means unknown.")
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return refusal(400, "json", f"the body isn't JSON: {error}", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.')
    # The trace is for the maintainer, not for the client.
    print(visible("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    return refusal(500, "internal", "the server failed", "This is a bug in seedbed.")

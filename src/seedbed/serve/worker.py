"""One thread predicts. Waiting requests are predicted together: of small networks, a row costs as much as a hundred."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from seedbed.data.typed import read_values
from seedbed.errors import SeedbedError
from seedbed.model.model import Model
from seedbed.model.predicting import Predictions, predict_rows
from seedbed.serve.limits import Limits, RefusedError, read_json, write_json
from seedbed.serve.request_rows import RequestRows, RowFormat

_MOST_IN_BATCH = 64  # requests
_LAST_SECONDS = 0.5  # for the current request when the server ends
_BYTES_IN_BATCH = 1 << 17  # of their bodies; a longer one is predicted alone, so that short ones don't wait for it


@dataclass(frozen=True, eq=False)
class _Job:
    body: bytes
    future: asyncio.Future[tuple[bytes, int]]


_Outcome = tuple[_Job, "tuple[bytes, int] | Exception"]


class Worker:
    """The thread and its queue, as a context manager.

    At its end, it waits for the current request, but only half a second if the process must end (`SystemExit`).
    Requests in the queue are refused.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits, self._format = model, limits, RowFormat(model, limits)
        self._queue: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="seedbed-predicts", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(_LAST_SECONDS if kind is SystemExit else None)

    @property
    def busy(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def answer(self, body: bytes) -> tuple[bytes, int]:
        """Return the answer to a body as JSON, and its number of rows."""
        job = _Job(body, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._ending:
                raise ending()
            if len(self._queue) >= self._limits.waiting:
                raise _busy("too many requests wait already", "Try again later.")
            self._queue.append(job)
            self._changed.notify()
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await job.future
        except TimeoutError:
            seconds = self._limits.answer_seconds
            raise _busy(f"there was no answer within {seconds:g} seconds", "Send fewer rows, or try later.") from None

    def _work(self) -> None:
        while jobs := self._next_batch():
            _return(list(self._answer_jobs(jobs)))
        _return([(job, ending()) for job in self._queue])

    def _next_batch(self) -> list[_Job]:
        """Return the requests that wait, up to a batch; empty at the end."""
        with self._changed:
            while not self._queue and not self._ending:
                self._changed.wait()
            if self._ending:
                return []
            jobs = [self._queue.popleft()]
            size = len(jobs[0].body)
            while self._queue and len(jobs) < _MOST_IN_BATCH and size + len(self._queue[0].body) <= _BYTES_IN_BATCH:
                jobs.append(self._queue.popleft())
                size += len(jobs[-1].body)
        return jobs

    def _answer_jobs(self, jobs: Sequence[_Job]) -> Iterator[_Outcome]:
        """Yield each job with its answer or error."""
        readable: list[tuple[_Job, RequestRows]] = []
        for job in jobs:
            if job.future.cancelled():
                continue
            try:
                rows = self._format.read(read_json(job.body, self._limits.depth))
            except Exception as error:  # noqa: BLE001 - an error of a job mustn't end the thread
                yield job, error
            else:
                readable.append((job, rows))
        parts = self._predict_batch([request for _, request in readable])
        for place, (job, request) in enumerate(readable):
            try:
                part = parts[place] if parts else self._predict_alone(request)
                yield job, (write_json(self._format.answer(request, part)), request.n_rows)
            except Exception as error:  # noqa: BLE001 - as above
                yield job, error

    def _predict_batch(self, parts: Sequence[RequestRows]) -> list[Predictions]:
        """Return predictions for each; none if they must be predicted one by one, as one of them is refused."""
        counts = [part.n_rows for part in parts]
        if len(parts) <= 1 or not all(counts):
            return []
        try:
            columns = zip(*(part.values for part in parts), strict=True)
            values = [list(itertools.chain.from_iterable(column)) for column in columns]
            predictions = predict_rows(self._model, read_values(values, self._model.schemas))
        except Exception:  # noqa: BLE001 - one by one, it becomes clear whose it is
            return []
        if not _is_finite(predictions):
            return []
        ends = np.cumsum(counts).tolist()
        rows_of_parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        return [
            Predictions(
                predictions.task,
                predictions.values[rows],
                predictions.spread[rows],
                predictions.odd.of(rows),
                predictions.doubtful[rows],
            )
            for rows in rows_of_parts
        ]

    def _predict_alone(self, rows: RequestRows) -> Predictions:
        # A row's answer mustn't depend on other rows, so it is doubtful at most.
        predictions = predict_rows(self._model, read_values(rows.values, self._model.schemas))
        if not _is_finite(predictions):
            message = "rows: the model has no finite prediction for a row; a number in it is too large"
            raise RefusedError(422, "data", message)
        return predictions


def _is_finite(predictions: Predictions) -> bool:
    """Return whether JSON can hold all predictions. A spread overflows before its number, as it is squared."""
    return bool(np.isfinite(predictions.values).all() and np.isfinite(predictions.spread).all())


def ending() -> RefusedError:
    """Return the answer to a request that the end of the server interrupts."""
    return _busy("the server is ending", "Try again later.")


def _busy(message: str, hint: str) -> RefusedError:
    return RefusedError(503, "busy", message, hint, ((b"retry-after", b"1"),))


def _return(outcomes: Sequence[_Outcome]) -> None:
    """Return outcomes to the loops that wait for them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = defaultdict(list)
    for job, outcome in outcomes:
        by_loop[job.future.get_loop()].append((job, outcome))
    for loop, of_loop in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the server has ended, and its loop is closed
            loop.call_soon_threadsafe(_deliver, of_loop)


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in outcomes:
        if job.future.done():  # the client has left
            continue
        if isinstance(outcome, SeedbedError):
            job.future.set_exception(RefusedError(422, outcome.code, outcome.message, outcome.hint))
        elif isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

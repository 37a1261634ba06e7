"""One thread predicts. What waits when it is free is predicted together: with small networks, one row costs what a
hundred do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from seedbed.data import MemoryColumns
from seedbed.errors import SeedbedError
from seedbed.model import Blocks, Model, Predictions
from seedbed.serve.limits import Limits, RefusedError, read_json, refusal_of, write_json
from seedbed.serve.rows import Asked

__all__ = ["Form", "Worker", "ending"]

_TOGETHER = 64  # requests
_LAST_SECONDS = 0.5  # for the request under way when the server ends
_BYTES_TOGETHER = 1 << 17  # of their bodies; a longer one is alone, so that short ones don't wait for its rows


@dataclass(frozen=True)
class Form:
    """How a route has its rows and its answer.

    Attributes:
        read: from the body's values to what is asked.
        write: from what was asked and the predictions to the answer's values.
    """

    read: Callable[[Any], Asked]
    write: Callable[[Asked, Predictions], Any]


@dataclass(frozen=True, eq=False)
class _Job:
    form: Form
    body: bytes
    future: asyncio.Future[tuple[bytes, int]]


_Outcome = tuple[_Job, "tuple[bytes, int] | Exception"]


class Worker:
    """The thread and its queue. It is used as a context, within a running loop or outside.

    The end of the context waits for the request under way, but only half a second if the process must end
    (`SystemExit`). Requests in the queue are refused.

    Args:
        model: what predicts.
        limits: how much is taken.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits = model, limits
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

    async def answer(self, form: Form, body: bytes) -> tuple[bytes, int]:
        """The answer to a body as JSON, and how many rows it had.

        Raises:
            RefusedError: the request can't be answered or takes too long, or too many wait.
        """
        job = _Job(form, body, asyncio.get_running_loop().create_future())
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
        while jobs := self._taken():
            _return(list(self._answered(jobs)))
        _return([(job, ending()) for job in self._queue])

    def _taken(self) -> list[_Job]:
        """The requests that wait, up to a batch; empty at the end."""
        with self._changed:
            while not self._queue and not self._ending:
                self._changed.wait()
            if self._ending:
                return []
            jobs = [self._queue.popleft()]
            size = len(jobs[0].body)
            while self._queue and len(jobs) < _TOGETHER and size + len(self._queue[0].body) <= _BYTES_TOGETHER:
                jobs.append(self._queue.popleft())
                size += len(jobs[-1].body)
        return jobs

    def _answered(self, jobs: Sequence[_Job]) -> Iterator[_Outcome]:
        """Each job with its answer, or with the error of its own."""
        groups: dict[tuple[bool, ...], list[tuple[_Job, Asked]]] = defaultdict(list)
        for job in jobs:
            if job.future.cancelled():
                continue
            try:
                asked = job.form.read(read_json(job.body, self._limits.depth))
            except Exception as error:  # noqa: BLE001 - it is the job's, and mustn't end the thread
                yield job, error
            else:
                # A column of numbers and one of text are read differently, so only like ones can be joined.
                groups[tuple(array.dtype == object for array in asked.columns.arrays)].append((job, asked))
        for group in groups.values():
            parts = self._together([asked.columns for _, asked in group])
            for place, (job, asked) in enumerate(group):
                try:
                    part = parts[place] if parts else self._alone(asked.columns)
                    yield job, (write_json(job.form.write(asked, part)), asked.columns.n_rows)
                except Exception as error:  # noqa: BLE001 - as above
                    yield job, error

    def _together(self, rows: Sequence[MemoryColumns]) -> list[Predictions]:
        """Predictions for each; none where they must be asked one by one, as one of them is refused."""
        counts = [one.n_rows for one in rows]
        if len(rows) == 1 or not all(counts):
            return []
        try:
            arrays = map(np.concatenate, zip(*(one.arrays for one in rows), strict=True))
            (found,) = Blocks(self._model, MemoryColumns("rows", rows[0].names, tuple(arrays)))
        except Exception:  # noqa: BLE001 - whose it is comes out one by one
            return []
        if not _is_finite(found):
            return []
        ends = np.cumsum(counts).tolist()
        return [_part(found, end - count, end) for end, count in zip(ends, counts, strict=True)]

    def _alone(self, columns: MemoryColumns) -> Predictions:
        # A row's answer mustn't depend on those beside it, so it is doubtful at most.
        predictions = self._model.of_columns(columns, refuse=False)
        if not _is_finite(predictions):
            message = "rows: the model has no finite prediction for a row; a number in it is too large"
            raise RefusedError(422, "data", message)
        return predictions


def _is_finite(found: Predictions) -> bool:
    """Whether all of it can be written as JSON; a spread is too large before its number is, as it is squared."""
    return bool(np.isfinite(found.values).all() and np.isfinite(found.spread).all())


def _part(found: Predictions, start: int, stop: int) -> Predictions:
    """The predictions of some of the rows."""
    return Predictions(
        found.task,
        found.values[start:stop],
        found.spread[start:stop],
        found.odd.window(start, stop),
        found.doubtful[start:stop],
    )


def ending() -> RefusedError:
    """The answer to a request that the end of the server cuts off."""
    return _busy("the server is ending", "Try again later.")


def _busy(message: str, hint: str) -> RefusedError:
    return RefusedError(503, "busy", message, hint, ((b"retry-after", b"1"),))


def _return(outcomes: Sequence[_Outcome]) -> None:
    """Hand outcomes over to the loops that wait for them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = defaultdict(list)
    for job, outcome in outcomes:
        by_loop[job.future.get_loop()].append((job, outcome))
    for loop, own in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the server has ended meanwhile, and its loop is closed
            loop.call_soon_threadsafe(_deliver, own)


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in outcomes:
        if job.future.done():  # whoever asked has left
            continue
        if isinstance(outcome, SeedbedError):
            job.future.set_exception(refusal_of(outcome))
        elif isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

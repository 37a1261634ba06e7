"""Chunks side by side, one thread each, through joblib."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence

import joblib
from joblib.externals.loky import get_reusable_executor

from seedbed.errors import OptionError
from seedbed.training.chunk import Chunk, ChunkResult, train_chunk
from seedbed.training.data import TrainingData

__all__ = ["pick_jobs", "train_chunks", "wake_workers"]


def pick_jobs(jobs: int | None) -> int:
    """How many chunks run at a time: `None` or -1 is one a core.

    Raises:
        OptionError: it is zero, or negative but -1.
    """
    if jobs is None or jobs == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise OptionError(f"jobs is {jobs}", "It must be at least 1; leave it out for all cores.")
    return jobs


def wake_workers(jobs: int) -> None:
    """Start the worker processes now: they import torch while the caller is still planning."""
    if jobs > 1:
        threading.Thread(target=_wake, args=(jobs,), daemon=True).start()


def _wake(jobs: int) -> None:
    # Workers that are ended by an interrupt while they wake are nobody's concern.
    with contextlib.suppress(Exception):
        joblib.Parallel(n_jobs=jobs, batch_size=1)(joblib.delayed(_awake)() for _ in range(jobs))


def _awake() -> None:
    """The work is to import this module."""


def train_chunks(chunks: Sequence[Chunk], data: TrainingData, jobs: int) -> Iterator[tuple[int, ChunkResult]]:
    """Train chunks and yield (number, result) as each is done; the order is not that of the chunks.

    With one job, one chunk, or on a GPU everything happens in this process.
    """
    if jobs == 1 or len(chunks) <= 1 or chunks[0].device != "cpu":
        for number, chunk in enumerate(chunks):
            yield number, train_chunk(chunk, data)
        return
    tasks = (joblib.delayed(_numbered)(number, chunk, data) for number, chunk in enumerate(chunks))
    parallel = joblib.Parallel(n_jobs=min(jobs, len(chunks)), return_as="generator_unordered", batch_size=1)
    try:
        yield from parallel(tasks)
    except BaseException:
        # An interrupt mustn't leave workers behind that go on training.
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
        raise


def _numbered(number: int, chunk: Chunk, data: TrainingData) -> tuple[int, ChunkResult]:
    return number, train_chunk(chunk, data)

"""Chunks side by side, one thread each: threads of this process for the kernel, else processes of this machine through
joblib, or a cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing import resource_tracker
from typing import Any

import joblib
import torch
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend import resource_tracker as joblibs_tracker

from seedbed.arguments import shown
from seedbed.errors import OptionError
from seedbed.training.chunk import Board, Chunk, ChunkResult, Place, Savepoint
from seedbed.training.cluster import Cluster, Tasks, pick_cluster
from seedbed.training.data import TrainingData
from seedbed.training.machine import no_collection, ready_to_train
from seedbed.training.native import NativeTraining
from seedbed.training.planning import pick_device
from seedbed.training.stepping import Training

__all__ = [
    "end_workers",
    "pick_jobs",
    "pick_workers",
    "side_by_side",
    "time_chunk",
    "train_chunk",
    "train_chunks",
    "wake_workers",
]

_MOST_JOBS = 1024
_started = threading.Event()  # whether there ever were workers
_preparing = threading.Lock()  # networks are drawn from the one random state of the process


def pick_jobs(jobs: int | None) -> int:
    """How many chunks run at a time: `None` or -1 is one a core.

    Raises:
        OptionError: it is zero, or negative but -1.
    """
    if jobs is None or jobs == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise OptionError(f"jobs is {shown(jobs)}", "It must be at least 1; leave it out for all cores.")
    if jobs > _MOST_JOBS:
        raise OptionError(f"jobs is {shown(jobs)}", f"It must be at most {_MOST_JOBS:,}; leave it out for all cores.")
    return jobs


def pick_workers(jobs: int | None, device: str, cluster: str | None) -> tuple[int, str, Cluster | None]:
    """How many chunks run at a time here, on which device, and the cluster where they run in place of that, if any.

    Raises:
        OptionError: one of them can't be had, or two contradict.
    """
    afar = pick_cluster(cluster, jobs=jobs, device=device)
    return pick_jobs(jobs), pick_device("cpu" if afar else device), afar


def wake_workers(jobs: int) -> None:
    """Start the worker processes now: they import torch while the caller is still planning."""
    if jobs > 1:
        threading.Thread(target=_wake, args=(jobs,), daemon=True).start()


def _wake(jobs: int) -> None:
    # Workers that are ended by an interrupt while they wake are nobody's concern.
    with contextlib.suppress(Exception), _deaf_to_interrupts():
        joblib.Parallel(n_jobs=jobs, batch_size=1)(joblib.delayed(_awake)() for _ in range(jobs))


def end_workers() -> None:
    """End the worker processes now, also those that are still waking."""
    if not _started.is_set():
        return  # joblib would start some, to end them
    with contextlib.suppress(Exception):
        _kill_workers()


def _kill_workers() -> None:
    # Without `reuse`, loky compares its default arguments with joblib's. They differ, so it would wait until joblib's
    # workers have done all their tasks, and return a new executor.
    get_reusable_executor(reuse=True, kill_workers=True).shutdown(wait=True, kill_workers=True)


def _awake() -> None:
    """The work is to import this module."""


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started inside never hear of an interrupt. A terminal sends it to all, and each would print
    where it was; this process hears of it, too, and ends them."""
    _started.set()
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    for tracker in (resource_tracker, joblibs_tracker):
        tracker.ensure_running()  # when it starts, it lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def side_by_side(
    function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...], jobs: int, cluster: Cluster | None = None
) -> Generator[Any, None, None]:
    """What `function(*task, *shared)` returns for each task, as each is done, in any order: in so many processes of
    their own, or on a cluster."""
    if cluster is not None:
        yield from cluster.run(function, tasks, shared)
        return
    delayed = [joblib.delayed(function)(*task, *shared) for task in tasks]
    with _deaf_to_interrupts():
        done = joblib.Parallel(n_jobs=min(jobs, len(tasks)), return_as="generator_unordered", batch_size=1)(delayed)
    told, threading.excepthook = threading.excepthook, _without_joblibs_own
    try:
        for result in done:  # noqa: UP028 - `yield from` would close it while joblib's warnings are on
            yield result
    except BaseException:
        # An interrupt, or whoever stops listening, mustn't leave workers behind that go on.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib counts what it cancels
            done.close()
        _kill_workers()
        raise
    finally:
        threading.excepthook = told


def _without_joblibs_own(args: threading.ExceptHookArgs) -> None:
    """When tasks are taken away from joblib's own thread while it hands them out, it stumbles, and would say so."""
    if args.thread is None or args.thread.name != "ExecutorManagerThread":
        threading.__excepthook__(args)


def train_chunk(
    chunk: Chunk,
    data: TrainingData,
    tell: Callable[[int], None] | None = None,
    savepoint: Savepoint | None = None,
) -> ChunkResult:
    """Train a chunk's networks: their curves, their outputs for their test rows and, if asked, their state.

    Args:
        tell: is called with the number of epochs done, from 0 on; often, so it must be quick.
        savepoint: where it is written down from time to time how far this very training is, and where one that was
            killed goes on, to the same bits. A training with patience has none: it is short.
    """
    tell = tell or (lambda epochs: None)
    tell(0)
    with ready_to_train(chunk.device):
        with _preparing, no_collection():
            training = (NativeTraining if chunk.engine == "native" else Training)(chunk, data)
        return training.run_patiently(tell) if chunk.patience else training.run(tell, savepoint)


def time_chunk(chunk: Chunk, data: TrainingData, seconds: float) -> tuple[float, float]:
    """Return how long it takes to build a chunk's networks and to train them for one epoch [s].

    A few steps are timed, for about so many seconds. What they come to is dropped, so nothing can be decided by it.
    """
    with ready_to_train(chunk.device):
        started = time.perf_counter()
        with _preparing, no_collection():
            training = (NativeTraining if chunk.engine == "native" else Training)(chunk, data)
        built = time.perf_counter() - started
        with torch.no_grad():
            return built, training.epoch_seconds(seconds)


def train_chunks(
    chunks: Sequence[Chunk],
    data: TrainingData,
    jobs: int,
    board: Board | None = None,
    cluster: Cluster | None = None,
    savepoints: Sequence[Savepoint | None] | None = None,
) -> Generator[tuple[int, ChunkResult], None, None]:
    """Train chunks and yield (number, result) as each is done; the order is not that of the chunks.

    With one job, one chunk, or on a GPU everything happens in this process, unless there is a cluster.

    Args:
        board: on which every chunk writes its epochs; those on other machines don't.
        savepoints: of each chunk, see `train_chunk`; other machines write there if they have the same folder.
    """
    with (board or Board()).laid_out(len(chunks)) as places:
        tasks = list(zip(places, chunks, savepoints or [None] * len(chunks), strict=True))
        if cluster is not None:
            waiting = [side_by_side(_placed, tasks, (data,), jobs, cluster)]
        elif jobs == 1 or len(chunks) <= 1 or chunks[0].device != "cpu":
            waiting = [(_placed(*task, data) for task in tasks)]
        else:
            native = [task for task in tasks if task[1].engine == "native"]
            others = [task for task in tasks if task[1].engine != "native"]
            waiting = [_in_threads(native, data, jobs)] if native else []
            waiting += [side_by_side(_placed, others, (data,), jobs)] if others else []
        for one in waiting:
            with contextlib.closing(one) as done:
                yield from done


class _HaltedError(Exception):
    """Nobody waits for the training any more."""


def _in_threads(
    tasks: Sequence[tuple[Place, Chunk, Savepoint | None]], data: TrainingData, jobs: int
) -> Generator[tuple[int, ChunkResult], None, None]:
    """The kernel runs without Python's lock, so threads suffice. After an interrupt they end with their slices."""
    halted = threading.Event()
    with ThreadPoolExecutor(min(jobs, len(tasks))) as pool:
        futures = [pool.submit(_placed, *task, data, halted) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            halted.set()
            pool.shutdown(cancel_futures=True)


def _placed(
    place: Place, chunk: Chunk, savepoint: Savepoint | None, data: TrainingData, halted: threading.Event | None = None
) -> tuple[int, ChunkResult]:
    write = place.pen()

    def tell(epochs: int) -> None:
        if halted is not None and halted.is_set():
            raise _HaltedError
        write(epochs)

    return place.number, train_chunk(chunk, data, tell, savepoint)

"""What training does to its process, and work in other processes through joblib or in a thread of
its own."""

from __future__ import annotations

import contextlib
import functools
import gc
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import Any, Generic, TypeVar

from seedbed.arguments import shown
from seedbed.errors import OptionError, TrainingError, spell
from seedbed.training.undocumented import open_cached_properties

T = TypeVar("T")
_MOST_JOBS = 1024
_started = threading.Event()  # whether there ever were workers


class ProcessLock:
    """A reentrant lock of one process. It is open in a forked child, as the thread that held it
    isn't there; the child also calls `after_fork` at its start."""

    def __init__(self, after_fork: Callable[[], object] = lambda: None) -> None:
        self._lock = threading.RLock()
        self._after_fork = after_fork
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def _renew(self) -> None:
        if self._lock.acquire(
            blocking=False
        ):  # it was open, or the thread that forked holds it
            self._lock.release()
        else:
            self._lock = threading.RLock()
            gc.enable()  # the other thread may be inside `no_collection`
        self._after_fork()


preparing = ProcessLock(open_cached_properties)
"""Held while networks are drawn from the one random state of the process, and while torch.fx traces
modules."""


@contextlib.contextmanager
def one_thread(device: str) -> Iterator[None]:
    """Let torch use one thread inside, on a CPU, if it is loaded.

    torch's own threads cost more time than they save for networks of this size. While another
    process keeps a core busy, they wait for each other many times longer than they compute.
    """
    torch: Any = sys.modules.get("torch")
    if device != "cpu" or not hasattr(
        torch, "set_num_threads"
    ):  # another thread may be importing it
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Turn garbage collection off inside.

    Building many small modules triggers it often, and each time it visits all objects, which takes
    up to a third of a short training.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def pick_jobs(jobs: int | None) -> int:
    """Return how many chunks run at a time; None and -1 mean one per core. OptionError for other
    numbers below 1, and for too large ones."""
    if jobs is None or jobs == -1:
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    if not 1 <= jobs <= _MOST_JOBS:
        raise OptionError(
            f"n_jobs is {shown(jobs)}",
            f"Give 1 to {_MOST_JOBS:,}; leave it out for all cores.",
        )
    return jobs


def end_workers() -> None:
    """End the worker processes now, also those that are still starting."""
    if not _started.is_set():
        return  # joblib would start some in order to end them
    from joblib.externals.loky import get_reusable_executor

    with contextlib.suppress(
        Exception
    ):  # an error in here must not hide the reason to end the workers
        # Without `reuse`, loky compares its default arguments with joblib's. They differ, so loky
        # would wait until joblib's workers have finished all their tasks, and return a new
        # executor.
        get_reusable_executor(reuse=True, kill_workers=True).shutdown(
            wait=True, kill_workers=True
        )


def _in_worker(parent: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, in a worker that has imported this module and ends with its
    parent."""
    _end_with(parent)
    return function(*arguments)


@functools.cache
def _end_with(parent: int) -> None:
    """Let this process end within a second after its parent was killed, if it is a worker of that
    process.

    It would finish its task and wait for another one for minutes. The signal that Linux can send
    (`prctl`) comes too early: when the thread ends that started the worker.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    process = multiprocessing.parent_process()
    if (
        process is not None and process.pid == parent
    ):  # else this is the process itself, or another machine
        threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Make processes that start inside ignore interrupts.

    A terminal sends an interrupt to all processes, and each worker would print a traceback. This
    process receives it, too, and ends the workers.
    """
    _started.set()
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from joblib.externals.loky.backend import resource_tracker as joblibs_tracker

    for tracker in (resource_tracker, joblibs_tracker):
        tracker.ensure_running()  # its start unblocks interrupts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_in_workers(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int
) -> Generator[Any, None, None]:
    """Yield what `function(*task)` returns for each task, in the order in which tasks finish. Tasks
    run in `jobs` workers of the active backend of joblib, which are processes: threads would share
    torch's random state. TrainingError if something can't be sent to another process."""
    import joblib  # loads asyncio, which threads and planning don't need

    delayed = [
        joblib.delayed(_in_worker)(os.getpid(), function, *task) for task in tasks
    ]
    backend = joblib.parallel.get_active_backend()[0]
    one_by_one = (
        backend.supports_return_generator
    )  # else, as with Ray, results come when all tasks have finished
    parallel = joblib.Parallel(
        n_jobs=min(jobs, len(tasks)),
        backend="loky" if getattr(backend, "uses_threads", False) else None,
        return_as="generator_unordered" if one_by_one else "list",
        batch_size=1,
    )
    with _ignore_interrupts() if one_by_one else contextlib.nullcontext():
        done = iter(parallel(delayed))
    hook = threading.excepthook
    threading.excepthook = _hide_error_of_joblib
    try:
        for result in done:  # noqa: UP028 - `yield from` would close it while joblib's warnings are on
            yield result
    except BaseException as error:
        # After an interrupt, or if the caller stops iterating, no worker may keep running.
        end_workers()
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")  # joblib warns of cancelled tasks
            done.close()
        if isinstance(error, pickle.PicklingError):
            why = (
                str(error.__cause__ or error).strip('\n" ').splitlines()[-1]
            )  # below the worker's traceback
            raise TrainingError(
                f"a network can't be sent to worker processes ({why})",
                f"Use {spell('n_jobs', 1)}.",
            ) from None
        raise
    finally:
        threading.excepthook = hook


def _hide_error_of_joblib(args: threading.ExceptHookArgs) -> None:
    """Hide the exception that joblib's own thread raises if tasks are cancelled while it submits
    them."""
    if args.thread is None or args.thread.name != "ExecutorManagerThread":
        threading.__excepthook__(args)


class BackgroundWork(Generic[T]):
    """Work that a thread of its own does during the training, one item after the other.

    The thread isn't waited for when the work is closed: an item may take minutes.
    """

    def __init__(self, work: Iterable[T]) -> None:
        self._results = queue.SimpleQueue[Future[T]]()
        self._over = False
        self._closed = threading.Event()
        threading.Thread(target=self._run, args=(iter(work),), daemon=True).start()

    def finished(self, *, wait: bool) -> Iterator[T]:
        """Yield what is finished by now; with `wait`, until everything is. An error of the work is
        raised here."""
        while not self._over:
            try:
                result = self._results.get(block=wait)
            except queue.Empty:
                return
            self._over = result.exception() is not None
            if isinstance(result.exception(), StopIteration):
                return
            yield result.result()

    def close(self) -> None:
        """Begin no other item."""
        self._closed.set()

    def _run(self, work: Iterator[T]) -> None:
        while not self._closed.is_set():
            result = Future[T]()
            try:
                result.set_result(next(work))
            except BaseException as error:  # noqa: BLE001 - it is raised where the results are taken
                result.set_exception(error)
                self._closed.set()
            self._results.put(result)


class HaltedError(Exception):
    """The caller doesn't wait for the training any more."""

"""What training does to its process, and work in other processes through joblib or in a thread of
its own."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from seedbed.arguments import shown
from seedbed.errors import OptionError, TrainingError, spell

T = TypeVar("T")
_MOST_JOBS = 1024


preparing = threading.RLock()
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
    loky: Any = sys.modules.get("joblib.externals.loky")
    if loky is None:  # there are no workers
        return
    with contextlib.suppress(Exception):  # it must not hide the reason to end them
        # Without `reuse`, loky waits for the tasks of joblib's workers.
        executor = loky.get_reusable_executor(reuse=True, kill_workers=True)
        executor.shutdown(wait=True, kill_workers=True)


def run_in_workers(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int
) -> Generator[Any, None, None]:
    """Yield what `function(*task)` returns for each task, in the order in which tasks finish. Tasks
    run in `jobs` processes: threads would share torch's random state. TrainingError if something
    can't be sent to another process."""
    import joblib  # loads asyncio, which threads and planning don't need

    parallel = joblib.Parallel(
        n_jobs=min(jobs, len(tasks)),
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
    )
    results = parallel(joblib.delayed(function)(*task) for task in tasks)
    try:
        for result in results:  # noqa: UP028 - `yield from` would close it before workers end
            yield result
    except pickle.PicklingError as error:
        end_workers()
        why = str(error.__cause__ or error).strip('\n" ').splitlines()[-1]
        raise TrainingError(
            f"a network can't be sent to worker processes ({why})",
            f"Use {spell('n_jobs', 1)}.",
        ) from None
    except BaseException:
        # After an interrupt, or if the caller stops iterating, no worker may keep running.
        end_workers()
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")  # joblib warns of cancelled tasks
            results.close()
        raise


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

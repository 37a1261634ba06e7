"""Tasks on a Dask cluster: those of a dead worker are begun again elsewhere."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from typing import Any

from seedbed.errors import OptionError, TrainingError, told
from seedbed.training.cluster import Tasks, given_up, library, unreachable
from seedbed.training.node import Asked, done_on_node, packed

__all__ = ["DaskCluster"]

_PATIENCE = 3  # seconds for a first answer


class DaskCluster:
    """A running Dask cluster.

    Args:
        address: of its scheduler, tcp://HOST:PORT; if empty, that of this process's client, or what Dask's own settings
            say (`DASK_SCHEDULER_ADDRESS`).

    Raises:
        OptionError: Dask isn't installed, there is no such cluster, or its workers have several threads.
    """

    def __init__(self, address: str = "") -> None:
        self._dask = library("distributed", "dask")
        self._client = _client(self._dask, address)
        for worker, n_threads in self._client.nthreads().items():
            if n_threads > 1:
                message = f"worker {worker} has {n_threads} threads, and a network is trained by one in a process"
                raise OptionError(message, "Start workers with: dask worker SCHEDULER --nworkers auto --nthreads 1.")

    @property
    def n_cpus(self) -> int:
        return sum(self._client.nthreads().values())

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        submit, asked = self._client.submit, Asked()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            # As a task, for scattered data is lost with the workers that hold it, and a task is done again.
            held = [submit(_given, one, pure=False) for one in shared]
        waiting = {
            submit(done_on_node, asked, packed(function, task), *held, pure=False, priority=-number)
            for number, task in enumerate(tasks)
        }
        try:
            for done in self._dask.as_completed(set(waiting)):
                waiting.discard(done)
                yield self._result(done)
        finally:  # also when nobody listens any more
            with contextlib.suppress(Exception):
                self._client.cancel(list(waiting))

    def _result(self, future: Any) -> Any:
        if future.status != "error":
            try:
                return future.result()
            except (OSError, CancelledError):  # not the task's own, which would be its status
                message = "the Dask cluster was lost on the way"
                raise TrainingError(message, "Its scheduler's log says more.") from None
        error = future.exception()
        if isinstance(error, self._dask.scheduler.KilledWorker) or isinstance(error.__cause__, ModuleNotFoundError):
            raise given_up("Dask", error)
        raise error


def _given(one: Any) -> Any:
    return one


def _client(dask: Any, address: str) -> Any:
    """This process's client, if it is of that address, or a new one."""
    with contextlib.suppress(ValueError):  # there is none
        client = dask.default_client()
        if client.status == "running" and address in ("", client.scheduler.address):
            return client
    where = address or library("dask", "dask").config.get("scheduler-address", None)
    if not where:
        message = "--cluster dask names no scheduler"
        raise OptionError(message, "Say dask:tcp://HOST:PORT, or set DASK_SCHEDULER_ADDRESS.")
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dask.versions.VersionMismatchWarning)  # each node is checked for itself
            return dask.Client(where, timeout=_PATIENCE)
    except Exception as error:  # noqa: BLE001 - an address that can't be read fails otherwise than one without answer
        raise unreachable("Dask", where, told(error)) from None

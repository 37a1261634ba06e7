"""Run tasks on a Ray or Dask cluster, and check that its nodes give the same results.

If a node dies, the cluster runs its tasks again on another node.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import pickle
import platform
import re
import socket
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any, Protocol

from seedbed.errors import OptionError, TrainingError, did_you_mean, error_line
from seedbed.training.hooks import quiet_ray_workers, ray_address
from seedbed.training.machine import processor, versions

__all__ = ["Cluster", "Tasks", "pick_cluster"]

Tasks = Sequence[tuple[Any, ...]]
_RAY_RETRIES = 10  # limited, in case a task kills its process each time
_SECONDS_TO_ANSWER = 3


class Cluster(Protocol):
    """Machines that run tasks. If one dies, another runs its tasks again."""

    @property
    def n_cpus(self) -> int:
        """Return how many tasks can run at a time now."""
        ...

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        """Yield what `function(*task, *shared)` returns for each task, in the order in which tasks finish.

        `shared` is sent to a machine once, not once per task.

        Raises:
            SeedbedError: a task raised it, or the cluster stopped retrying a task.
        """
        ...


def pick_cluster(cluster: str | None, *, jobs: int | None = None, device: str = "auto") -> Cluster | None:
    """Return a running cluster, or None.

    The connection stays open for later runs of the process.

    Args:
        cluster: `ray`, `dask`, or with an address `ray:HOST:PORT`, `dask:tcp://HOST:PORT`; None for no cluster.
        jobs, device: the other options of the user.

    Raises:
        OptionError: there is no such cluster, its library isn't installed, or it contradicts the other options.
    """
    if cluster is None:
        return None
    name, _, address = cluster.partition(":")
    if name not in ("ray", "dask"):
        raise OptionError(f"no cluster '{cluster}'", did_you_mean(name, ("ray", "dask")))
    if jobs is not None:
        raise OptionError("jobs apply to this machine, and a cluster has its own CPUs", "Leave one of them out.")
    if device not in ("auto", "cpu"):
        raise OptionError(f"a cluster trains on CPUs, and device is '{device}'", "Leave one of them out.")
    connected: Cluster = RayCluster(address) if name == "ray" else DaskCluster(address)
    if connected.n_cpus < 1:
        raise OptionError(f"the cluster '{cluster}' has no CPU to train on", "Start a node first.")
    return connected


def _library(module: str, extra: str) -> Any:
    """Import a cluster's library.

    Raises:
        OptionError: it isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"--cluster {extra} needs the package {error.name or module}"
        raise OptionError(message, f"Install it: pip install 'seedbed[{extra}]'.") from None


def _unreachable(name: str, address: str, why: str) -> OptionError:
    """Return the error of a cluster that doesn't answer."""
    return OptionError(f"no {name} cluster answers at {address}: {why}", "Start it, or name another address.")


def _gave_up(name: str, error: Exception) -> TrainingError:
    """Return the error of a task that a cluster couldn't run."""
    if missing := re.search(r"No module named '([\w.]+)'", f"{error} {error.__cause__}"):
        return TrainingError(f"a node of the cluster has no module '{missing[1]}'", "Install it there.")
    return TrainingError(f"{name} stopped a task: {error_line(error)}", "See the logs of its nodes.")


class RayCluster:
    """A running Ray cluster that this machine is a node of.

    Args:
        address: HOST:PORT; if empty, `RAY_ADDRESS` or the cluster that runs on this machine.

    Raises:
        OptionError: Ray isn't installed, or there is no such cluster.
    """

    def __init__(self, address: str = "") -> None:
        self._ray = _library("ray", "ray")
        _connect_ray(self._ray, address)

    @property
    def n_cpus(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        ray = self._ray
        asked, held = Asked(), [ray.put(item) for item in shared]
        on_node = ray.remote(num_cpus=1, max_retries=_RAY_RETRIES)(done_on_node)
        waiting = [on_node.remote(asked, packed(function, task), *held) for task in tasks]
        try:
            while waiting:
                (done,), waiting = ray.wait(waiting)
                yield self._result(done)
        finally:  # also if the caller stops iterating
            for one in waiting:
                with contextlib.suppress(Exception):
                    ray.cancel(one, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):
                raise _gave_up("Ray", error.cause) from None
            raise error.cause from None
        except errors.RayError as error:
            raise _gave_up("Ray", error) from None


def _connect_ray(ray: Any, address: str) -> None:
    """Connect this process, unless it is connected."""
    there = ray.get_runtime_context().gcs_address if ray.is_initialized() else None
    if there and not address:
        return
    try:
        where = ray_address(address)
    except (ConnectionError, ValueError, OSError):
        if address:
            raise _unreachable("Ray", address, "it isn't HOST:PORT") from None
        raise OptionError("no Ray cluster runs on this machine", "Start one: ray start --head.") from None
    if there == where:
        return
    if there:
        raise OptionError(f"this process is connected to the Ray cluster at {there}", "Leave the address out.")
    if where != "auto":
        _check_answers(where)
    quiet_ray_workers()
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # noqa: BLE001 - another version or another program's port raise many types
        raise _unreachable("Ray", where, error_line(error)) from None


def _check_answers(address: str) -> None:
    """Raise OptionError if the address doesn't answer. Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable("Ray", address, str(error)) from None


class DaskCluster:
    """A running Dask cluster.

    Args:
        address: the scheduler's, tcp://HOST:PORT; if empty, that of this process's client or of Dask's own settings
            (`DASK_SCHEDULER_ADDRESS`).

    Raises:
        OptionError: Dask isn't installed, there is no such cluster, or its workers have several threads.
    """

    def __init__(self, address: str = "") -> None:
        self._dask = _library("distributed", "dask")
        self._client = _dask_client(self._dask, address)
        for worker, n_threads in self._client.nthreads().items():
            if n_threads > 1:
                message = f"worker {worker} has {n_threads} threads, but each process may train with one thread only"
                raise OptionError(message, "Start workers with: dask worker SCHEDULER --nworkers auto --nthreads 1.")

    @property
    def n_cpus(self) -> int:
        return sum(self._client.nthreads().values())

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        submit, asked = self._client.submit, Asked()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            # As a task, because a lost worker's task runs again, while scattered data would be lost with it.
            held = [submit(_given, item, pure=False) for item in shared]
        waiting = {
            submit(done_on_node, asked, packed(function, task), *held, pure=False, priority=-number)
            for number, task in enumerate(tasks)
        }
        try:
            for done in self._dask.as_completed(set(waiting)):
                waiting.discard(done)
                yield self._result(done)
        finally:  # also if the caller stops iterating
            with contextlib.suppress(Exception):
                self._client.cancel(list(waiting))

    def _result(self, future: Any) -> Any:
        if future.status != "error":
            try:
                return future.result()
            except (OSError, CancelledError):  # the task's own error would be its status
                message = "the connection to the Dask cluster was lost"
                raise TrainingError(message, "See the log of its scheduler.") from None
        error = future.exception()
        if isinstance(error, self._dask.scheduler.KilledWorker) or isinstance(error.__cause__, ModuleNotFoundError):
            raise _gave_up("Dask", error)
        raise error


def _given(value: Any) -> Any:
    return value


def _dask_client(dask: Any, address: str) -> Any:
    """Return this process's client if it has that address, or a new one."""
    with contextlib.suppress(ValueError):  # there is no client
        client = dask.default_client()
        if client.status == "running" and address in ("", client.scheduler.address):
            return client
    where = address or _library("dask", "dask").config.get("scheduler-address", None)
    if not where:
        message = "--cluster dask has no address of a scheduler"
        raise OptionError(message, "Use dask:tcp://HOST:PORT, or set DASK_SCHEDULER_ADDRESS.")
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dask.versions.VersionMismatchWarning)  # seedbed checks each node
            return dask.Client(where, timeout=_SECONDS_TO_ANSWER)
    except Exception as error:  # noqa: BLE001 - an invalid address raises other types than one without an answer
        raise _unreachable("Dask", where, error_line(error)) from None


@functools.cache
def _kind() -> dict[str, str]:
    """Return everything that decides a result's last digits, by name."""
    return {**versions(), "python": ".".join(platform.python_version_tuple()[:2]), "processor": processor()}


@dataclass(frozen=True)
class Asked:
    """The machine that sends tasks.

    Attributes:
        kind: everything that decides its results' last digits.
        folder: its working directory, for relative paths.
    """

    kind: dict[str, str] = field(default_factory=_kind)
    folder: str = field(default_factory=os.getcwd)

    def refuse_others(self) -> None:
        """Check that this machine is of the same kind.

        Raises:
            TrainingError: its results would differ in their last digits.
        """
        for name, here in _kind().items():
            if here != self.kind[name]:
                what = name if name == "processor" else f"version of {name}"
                message = f"the {what} on node {platform.node()} is {here}, and {self.kind[name]} where seedbed runs"
                raise TrainingError(message, "Results would differ in their last digits; make them the same.")


def packed(function: Callable[..., Any], task: tuple[Any, ...]) -> bytes:
    """Pickle a call, including code from a prompt, a notebook or the main script."""
    import cloudpickle  # a dependency of the clusters' libraries

    sent: bytes = cloudpickle.dumps((function, task))
    return sent


def done_on_node(asked: Asked, call: bytes, *shared: Any) -> Any:
    """Return what `function(*task, *shared)` returns on this machine, for a packed call.

    Raises:
        TrainingError: this machine differs from the one that sent the task, or lacks a module.
    """
    asked.refuse_others()
    try:
        function, task = pickle.loads(call)
    except ModuleNotFoundError as error:
        message = f"node {platform.node()} has no module '{error.name}'"
        raise TrainingError(message, "Install it there, or put the network into a file: FILE.py:CLASS.") from None
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # there is no such folder here
            stack.enter_context(contextlib.chdir(asked.folder))
        return function(*task, *shared)

"""Run tasks on a Ray or Dask cluster whose nodes give the same results: what decides the digits of a result.

A cluster runs the tasks of a dead node again.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import pickle
import platform
import socket
import warnings
from collections.abc import Callable, Generator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from seedbed.errors import OptionError, TrainingError, did_you_mean, error_line
from seedbed.training.native.library import kernel
from seedbed.training.undocumented import quiet_ray_workers

Tasks = Sequence[tuple[Any, ...]]
_SECONDS_TO_ANSWER = 3
_LIBRARIES = ("seedbed", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python and of all libraries that may change a digit of a result."""
    found = {name: _version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **{name: there for name, there in found.items() if there}}


@functools.cache  # parsing a library's metadata takes milliseconds
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """Return the kind of processor that networks are computed for. Another kind may round differently."""
    return f"{platform.machine()} with {kernel('float32').instructions}"


def pick_cluster(cluster: str | None, *, jobs: int | None = None, device: str = "auto") -> Cluster | None:
    """Return a running cluster, or None. The connection stays open for later runs of the process.

    Raises:
        OptionError: there is no such cluster, its library isn't installed, or jobs or device contradict it.
    """
    if cluster is None:
        return None
    name, _, address = cluster.partition(":")
    if name not in ("ray", "dask"):
        raise OptionError(f"no cluster '{cluster}'", did_you_mean(name, ("ray", "dask")))
    if jobs is not None:
        raise OptionError("n_jobs applies to this machine, and a cluster has its own CPUs", "Leave one of them out.")
    if device not in ("auto", "cpu"):
        raise OptionError(f"a cluster trains on CPUs, and device is '{device}'", "Leave one of them out.")
    try:
        connected = RayCluster(address) if name == "ray" else DaskCluster(address)
    except ImportError as error:
        message = f"a cluster of {name.capitalize()} needs the package {error.name or name}"
        raise OptionError(message, f"Install it: pip install 'seedbed[{name}]'.") from None
    except Exception as error:
        if isinstance(error, OptionError):
            raise
        where = address or "its default address"
        message = f"no {name.capitalize()} cluster answers at {where}: {error_line(error)}"
        raise OptionError(message, "Start it, or name its address: ray:HOST:PORT or dask:tcp://HOST:PORT.") from None
    if connected.n_cpus < 1:
        raise OptionError(f"the cluster '{cluster}' has no CPU to train on", "Start a node first.")
    return connected


class RayCluster:
    """A running Ray cluster that this machine is a node of: that of this process, of `RAY_ADDRESS` or of this machine
    if the address is empty."""

    def __init__(self, address: str) -> None:
        self._ray = importlib.import_module("ray")
        if self._ray.is_initialized() and address in ("", self._ray.get_runtime_context().gcs_address):
            return
        if where := address or os.environ.get("RAY_ADDRESS", ""):  # Ray itself would wait for minutes
            host, _, port = where.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()
        quiet_ray_workers()
        self._ray.init(address=where or "auto", log_to_driver=False, logging_level=logging.CRITICAL)

    @property
    def n_cpus(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        """Yield what `function(*task, *shared)` returns for each task, in the order in which tasks finish.

        `shared` is sent to a machine once, not once per task.
        """
        ray, held = self._ray, [self._ray.put(item) for item in shared]
        on_node = ray.remote(num_cpus=1, max_retries=10)(run_on_node)  # a task may kill its process each time
        waiting = [on_node.remote(_pack_call(function, task), *held) for task in tasks]
        try:
            while waiting:
                (done,), waiting = ray.wait(waiting)
                try:
                    yield ray.get(done)
                except ray.exceptions.RayError as error:
                    cause = getattr(error, "cause", None) or error
                    raise (
                        _error_of_stopped_task("Ray", cause) if isinstance(cause, ray.exceptions.RayError) else cause
                    ) from None
        finally:  # also if the caller stops iterating
            for one in waiting:
                with contextlib.suppress(Exception):
                    ray.cancel(one, force=True)


class DaskCluster:
    """A running Dask cluster: that of this process's client or of `DASK_SCHEDULER_ADDRESS` if the address is empty."""

    def __init__(self, address: str) -> None:
        self._dask = importlib.import_module("distributed")
        self._client = self._connected(address)
        for worker, n_threads in self._client.nthreads().items():
            if n_threads > 1:
                message = f"worker {worker} has {n_threads} threads, but each process may train with one thread only"
                raise OptionError(message, "Start workers with: dask worker SCHEDULER --nworkers auto --nthreads 1.")

    def _connected(self, address: str) -> Any:
        with contextlib.suppress(ValueError):  # there is no client
            client = self._dask.default_client()
            if client.status == "running" and address in ("", client.scheduler.address):
                return client
        where = address or importlib.import_module("dask").config.get("scheduler-address", None)
        if not where:
            message = "a Dask cluster needs the address of its scheduler"
            raise OptionError(message, "Use dask:tcp://HOST:PORT, or set DASK_SCHEDULER_ADDRESS.")
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._dask.versions.VersionMismatchWarning)  # seedbed checks each node
            return self._dask.Client(where, timeout=_SECONDS_TO_ANSWER)

    @property
    def n_cpus(self) -> int:
        return sum(self._client.nthreads().values())

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        submit = functools.partial(self._client.submit, pure=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            # As a task, because a lost worker's task runs again, while scattered data would be lost with it.
            held = [submit(_return_value, item) for item in shared]
        calls = [_pack_call(function, task) for task in tasks]
        waiting = {submit(run_on_node, call, *held, priority=-number) for number, call in enumerate(calls)}
        try:
            for done in self._dask.as_completed(set(waiting)):
                waiting.discard(done)
                yield self._result(done)
        finally:  # also if the caller stops iterating
            with contextlib.suppress(Exception):
                self._client.cancel(list(waiting))

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except Exception as error:
            if future.status == "error" and not isinstance(error, self._dask.scheduler.KilledWorker):
                raise  # the task's own
            raise _error_of_stopped_task("Dask", error) from None


Cluster = RayCluster | DaskCluster


def _error_of_stopped_task(name: str, error: Exception) -> TrainingError:
    return TrainingError(f"{name} stopped a task: {error_line(error)}", "See the logs of its nodes.")


def _return_value(value: Any) -> Any:
    return value


@functools.cache
def _kind() -> dict[str, str]:
    """Return everything that decides a result's last digits, by name."""
    return {**versions(), "python": ".".join(platform.python_version_tuple()[:2]), "processor": processor()}


def _pack_call(function: Callable[..., Any], task: tuple[Any, ...]) -> tuple[dict[str, str], str, bytes]:
    """Return what a node needs for a call: the kind of this machine, its folder for relative paths, and the pickled
    call, with code from a prompt, a notebook or the main script."""
    return _kind(), str(Path.cwd()), importlib.import_module("cloudpickle").dumps((function, task))


def run_on_node(packed: tuple[dict[str, str], str, bytes], *shared: Any) -> Any:
    """Return what `function(*task, *shared)` returns here. Raise TrainingError if this machine differs from the sender,
    or lacks a module."""
    kind, folder, call = packed
    own = _kind()
    for name in own | kind:
        if (here := own.get(name, "none")) != (there := kind.get(name, "none")):
            what = name if name == "processor" else f"version of {name}"
            message = f"the {what} on node {platform.node()} is {here}, and {there} where seedbed runs"
            raise TrainingError(message, "Results would differ in their last digits; make them the same.")
    try:
        function, task = pickle.loads(call)
    except ModuleNotFoundError as error:
        message = f"node {platform.node()} has no module '{error.name}'"
        raise TrainingError(message, "Install it there, or put the network into a file: FILE.py:CLASS.") from None
    with contextlib.chdir(folder if Path(folder).is_dir() else "."):
        return function(*task, *shared)

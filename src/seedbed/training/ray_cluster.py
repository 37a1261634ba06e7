"""Tasks on a Ray cluster, as Ray's own tasks: those of a dead node are begun again elsewhere."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Generator
from typing import Any

from seedbed.errors import OptionError, told
from seedbed.training.cluster import Tasks, given_up, library, unreachable
from seedbed.training.node import Asked, done_on_node, packed

__all__ = ["RayCluster"]

_MOST_RETRIES = 10  # a task that ends its process each time must end as well
_PATIENCE = 3.0  # seconds for a first answer


class RayCluster:
    """A running Ray cluster that this machine is a node of.

    Args:
        address: HOST:PORT; if empty, what `RAY_ADDRESS` says, or the cluster that runs on this machine.

    Raises:
        OptionError: Ray isn't installed, or there is no such cluster.
    """

    def __init__(self, address: str = "") -> None:
        self._ray = library("ray", "ray")
        _connect(self._ray, address)

    @property
    def n_cpus(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        ray = self._ray
        asked, held = Asked(), [ray.put(one) for one in shared]
        on_node = ray.remote(num_cpus=1, max_retries=_MOST_RETRIES)(done_on_node)
        waiting = [on_node.remote(asked, packed(function, task), *held) for task in tasks]
        try:
            while waiting:
                (done,), waiting = ray.wait(waiting)
                yield self._result(done)
        finally:  # also when nobody listens any more
            for one in waiting:
                with contextlib.suppress(Exception):
                    ray.cancel(one, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):
                raise given_up("Ray", error.cause) from None
            raise error.cause from None
        except errors.RayError as error:
            raise given_up("Ray", error) from None


def _connect(ray: Any, address: str) -> None:
    """Connects this process, if it isn't yet."""
    there = ray.get_runtime_context().gcs_address if ray.is_initialized() else None
    if there and not address:
        return
    services, worker = (library(f"ray._private.{name}", "ray") for name in ("services", "worker"))
    try:
        where = services.canonicalize_bootstrap_address(address or "auto")
    except (ConnectionError, ValueError, OSError):
        if address:
            raise unreachable("Ray", address, "this is no HOST:PORT") from None
        raise OptionError("no Ray cluster runs on this machine", "Start one: ray start --head.") from None
    if there == where:
        return
    if there:
        raise OptionError(f"this process is connected to the Ray cluster at {there}", "Leave the address out.")
    _try(where)
    worker._worker_logs_enabled = False  # whatever happens to a node, Ray would print it on stdout
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # noqa: BLE001 - another version, a port that isn't Ray's: each fails in its own way
        raise unreachable("Ray", where, told(error)) from None


def _try(address: str) -> None:
    """Ray waits for an address that nobody answers as long as one lets it, so this asks before."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise unreachable("Ray", address, str(error)) from None

"""Tasks on other machines: a running cluster of Ray or Dask, by its name."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from seedbed.errors import OptionError, TrainingError, did_you_mean, told

__all__ = ["Cluster", "given_up", "library", "pick_cluster", "unreachable"]

Tasks = Sequence[tuple[Any, ...]]


class Cluster(Protocol):
    """Machines that do tasks. What a machine had begun when it died, another begins again."""

    @property
    def n_cpus(self) -> int:
        """How many tasks run at a time, by now."""
        ...

    def run(self, function: Callable[..., Any], tasks: Tasks, shared: tuple[Any, ...]) -> Generator[Any, None, None]:
        """What `function(*task, *shared)` returns for each task, as each is done, in any order.

        `shared` is sent to a machine once, not once for each task.

        Raises:
            SeedbedError: a task raised it, or was given up.
        """
        ...


def pick_cluster(cluster: str | None, *, jobs: int | None = None, device: str = "auto") -> Cluster | None:
    """A running cluster: `ray` or `dask`, or with an address `ray:HOST:PORT`, `dask:tcp://HOST:PORT`; none is none.

    A connection stays open as long as the process, for the next run.

    Args:
        jobs, device: what was asked for beside it.

    Raises:
        OptionError: there is none, its library isn't installed, or it contradicts the other options.
    """
    if cluster is None:
        return None
    name, _, address = cluster.partition(":")
    if name not in ("ray", "dask"):
        raise OptionError(f"no cluster '{cluster}'", did_you_mean(name, ("ray", "dask")))
    if jobs is not None:
        raise OptionError("jobs are of this machine, and a cluster has CPUs of its own", "Leave one of them out.")
    if device not in ("auto", "cpu"):
        raise OptionError(f"a cluster trains on CPUs, and device is '{device}'", "Leave one of them out.")
    found: Cluster
    if name == "ray":
        from seedbed.training.ray_cluster import RayCluster

        found = RayCluster(address)
    else:
        from seedbed.training.dask_cluster import DaskCluster

        found = DaskCluster(address)
    if found.n_cpus < 1:
        raise OptionError(f"the cluster '{cluster}' has no CPU to train on", "Start a node first.")
    return found


def library(module: str, extra: str) -> Any:
    """The module of a cluster's library.

    Raises:
        OptionError: it isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"--cluster {extra} needs the package {error.name or module}"
        raise OptionError(message, f"Install it: pip install 'seedbed[{extra}]'.") from None


def unreachable(name: str, address: str, why: str) -> OptionError:
    """The error of a cluster that doesn't answer."""
    return OptionError(f"no {name} cluster answers at {address}: {why}", "Start it, or name another address.")


def given_up(name: str, error: Exception) -> TrainingError:
    """The error of a task that a cluster couldn't do."""
    if missing := re.search(r"No module named '([\w.]+)'", f"{error} {error.__cause__}"):
        return TrainingError(f"a node of the cluster has no module '{missing[1]}'", "Install it there.")
    return TrainingError(f"{name} gave up: {told(error)}", "The logs of its nodes say more.")

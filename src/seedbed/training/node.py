"""What a task does first on the machine of a cluster: makes sure that it is of the kind of the one that asked."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from seedbed.errors import TrainingError
from seedbed.training.versions import versions

__all__ = ["Asked", "done_on_node", "packed", "processor"]


def processor() -> str:
    """The kind of processor that torch computes for: another kind rounds otherwise."""
    return f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"


@functools.cache
def _kind() -> dict[str, str]:
    """What decides a result's last digits, by name."""
    return {**versions(), "python": ".".join(platform.python_version_tuple()[:2]), "processor": processor()}


@dataclass(frozen=True)
class Asked:
    """The machine that asks for tasks.

    Attributes:
        kind: what decides its results' last digits.
        folder: where it looks for files that are named without one.
    """

    kind: dict[str, str] = field(default_factory=_kind)
    folder: str = field(default_factory=os.getcwd)

    def refuse_others(self) -> None:
        """Nothing, on a machine of the same kind.

        Raises:
            TrainingError: this one would give other digits.
        """
        for name, here in _kind().items():
            if here != self.kind[name]:
                what = name if name == "processor" else f"version of {name}"
                message = f"the {what} on node {platform.node()} is {here}, and {self.kind[name]} where seedbed runs"
                raise TrainingError(message, "Results would differ in their last digits; make them the same.")


def packed(function: Callable[..., Any], task: tuple[Any, ...]) -> bytes:
    """A call that can travel, with the code of what was made at a prompt, in a notebook or in the main script."""
    import cloudpickle  # it comes with a cluster's library

    sent: bytes = cloudpickle.dumps((function, task))
    return sent


def done_on_node(asked: Asked, call: bytes, *shared: Any) -> Any:
    """What `function(*task, *shared)` returns on this machine, for a packed call.

    Raises:
        TrainingError: it is of another kind than the one that asked, or lacks a module.
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

"""This process and its machine: versions, processor, threads and memory."""

from __future__ import annotations

import contextlib
import gc
import platform
from collections.abc import Iterator
from importlib.metadata import version

import torch

from seedbed.training.hooks import keep_freed_memory, keep_large_workers

__all__ = ["no_collection", "one_thread", "processor", "ready_to_train", "versions"]


_LIBRARIES = ("seedbed", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Of all that may change a digit."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def processor() -> str:
    """The kind of processor that torch computes for: another kind rounds otherwise."""
    return f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"


@contextlib.contextmanager
def one_thread(device: str) -> Iterator[None]:
    """One thread inside, on a CPU. torch's own threads cost more than they bring to networks of this size, and while
    another process keeps a core busy they wait for each other many times longer than they work."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def ready_to_train(device: str) -> Iterator[None]:
    """One thread inside, and from then on freed memory stays with the process (up to 256 MiB), and a worker process
    lives on however large it grows."""
    keep_freed_memory()
    keep_large_workers()
    with one_thread(device):
        yield


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection inside. Building many small modules sets it off again and again, and each time it looks
    through all objects there are: up to a third of a short training."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

"""What a process that trains sets up for itself: one thread a chunk, and memory that stays at hand."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import sys
from collections.abc import Iterator

import torch
from joblib.externals.loky import process_executor

__all__ = ["no_collection", "one_thread", "ready_to_train"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES = 256 << 20
_FROM_HEAP_BYTES = 32 << 20  # the most that glibc accepts


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
    _keep_freed_memory()
    # Where psutil is installed, joblib ends a worker that has grown by 300 MB, with a warning, and starts another.
    process_executor._USE_PSUTIL = False
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


@functools.cache
def _keep_freed_memory() -> None:
    """A step frees its arrays and the next one asks for the same again. The C library of Linux gives arrays of some
    megabytes back to the system in between, and every page then costs a fault: up to three times the step itself."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_MMAP_THRESHOLD, _FROM_HEAP_BYTES)

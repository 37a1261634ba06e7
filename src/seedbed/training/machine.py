"""This process and its machine: versions, processor, threads and memory."""

from __future__ import annotations

import contextlib
import functools
import gc
import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import torch

from seedbed.training.undocumented import keep_freed_memory, keep_large_workers

_LIBRARIES = ("seedbed", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python and of all libraries that may change a digit of a result."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


_version = functools.cache(version)  # parsing a library's metadata takes milliseconds


def processor() -> str:
    """Return the kind of processor that torch computes for. Another kind may round differently."""
    return f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"


@contextlib.contextmanager
def one_thread(device: str) -> Iterator[None]:
    """Use one thread inside, on a CPU.

    torch's own threads cost more time than they save for networks of this size. While another process keeps a core
    busy, they wait for each other many times longer than they compute.
    """
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def ready_to_train(device: str) -> Iterator[None]:
    """Use one thread inside. From then on, keep up to 256 MiB of freed memory, and keep joblib's large workers."""
    keep_freed_memory()
    keep_large_workers()
    with one_thread(device):
        yield


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Turn garbage collection off inside.

    Building many small modules triggers it often, and each time it visits all objects, which takes up to a third of a
    short training.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def single_threads(user_api: str | None = None) -> contextlib.AbstractContextManager[Any]:
    """Let scikit-learn compute with one thread inside.

    OpenMP has a limit for each thread, BLAS one for the process. So a fit beside others limits "openmp" only, within
    `one_blas_thread` of the main thread: limits of two threads that overlap would leave BLAS with one thread for good.

    The threads of HistGradientBoosting wait for each other many times longer than they work while another process keeps
    a core busy. "sequential" of joblib is for classifiers that were given n_jobs.
    """
    threads = _threads() if user_api is None else _threads().select(user_api=user_api)
    limited: contextlib.AbstractContextManager[Any] = threads.limit(limits=1)
    return limited


@functools.cache
def _threads() -> Any:
    import sklearn.ensemble  # noqa: F401 - loads the libraries that the limit must find
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()

"""Undocumented parts of other libraries, each with its versions, its fallback and its gain.

A hook that a later version lacks does nothing. Measurements are in benchmarks/LOG.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import re
import sys
from pathlib import Path
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)


@functools.cache
def keep_freed_memory() -> None:
    """Keep freed memory in the process, up to 256 MiB.

    glibc on Linux returns arrays of some megabytes to the system, and each page of the next one
    costs a page fault. Fallback: nothing changes on other systems and with other C libraries.
    Gain: a linear layer of 50 networks under `torch.func.vmap` takes 0.4 ms in place of 3.3.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 256 << 20)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # bytes, the most that glibc accepts


def processor_features() -> frozenset[str]:
    """Return the extensions that this x86-64 processor and its system support, by NumPy's names.
    NumPy 2.1 to 2.4.

    Fallback: the flags in /proc/cpuinfo; on other systems none, and torch trains.
    Gain: torch, which tells the same, isn't needed; importing it takes a second.
    """
    with contextlib.suppress(ImportError, AttributeError):
        features = importlib.import_module(
            "numpy._core._multiarray_umath"
        ).__cpu_features__
        return frozenset(name for name, supported in features.items() if supported)
    with contextlib.suppress(OSError):
        flags = re.search(
            r"^flags\s*:(.*)$",
            Path("/proc/cpuinfo").read_text(encoding="latin-1"),
            re.MULTILINE,
        )
        return frozenset(
            (flags[1] if flags else "").upper().replace("SSE4_2", "SSE42").split()
        )
    return frozenset()


def keep_large_workers() -> None:
    """Keep a worker process of joblib that has grown by 300 MB. joblib 1.5 to 1.6, where psutil is
    installed.

    It isn't imported here: a worker has done that, and a thread may be importing joblib at the same
    moment.

    Fallback: joblib ends such a worker, with a warning, and starts another.
    Gain: no warning, and no start of a process, which takes some seconds for torch.
    """
    executor: Any = sys.modules.get("joblib.externals.loky.process_executor")
    if hasattr(executor, "_USE_PSUTIL"):
        executor._USE_PSUTIL = False


def has_hooks(module: object) -> bool:
    """Return whether a module has forward hooks. torch 2.6 to 2.13.

    Fallback: hooks aren't seen, but `module_chains._agrees` finds the difference that they make on
    random rows. Gain: hooks that change no output, such as counters, are kept as well.
    """
    return any(
        getattr(module, name, None) for name in ("_forward_hooks", "_forward_pre_hooks")
    )

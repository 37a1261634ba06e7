"""What may change the last digit of a result: versions of libraries, and the processor."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import PackageNotFoundError, version

from seedbed.training.native.library import kernel

_LIBRARIES = ("seedbed", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python and of all libraries that may change a digit of a result."""
    by_name = {name: _version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **{name: number for name, number in by_name.items() if number}}


@functools.cache  # parsing a library's metadata takes milliseconds
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """Return the kind of processor that networks are computed for. Another kind may round differently."""
    return f"{platform.machine()} with {kernel('float32').instructions}"

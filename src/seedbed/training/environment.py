"""What may change the last digit of a result: versions of libraries, and the processor."""

from __future__ import annotations

import contextlib
import functools
import platform
from importlib.metadata import PackageNotFoundError, version

from seedbed.training.native.library import kernel


@functools.cache  # parsing a library's metadata takes milliseconds
def versions() -> dict[str, str]:
    """Return the versions of Python and of all libraries that may change a digit of a result."""
    found = {"python": platform.python_version()}
    for name in ("seedbed", "torch", "numpy", "scipy", "scikit-learn"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def processor() -> str:
    """Return the kind of processor that networks are computed for. Another kind may round
    differently."""
    return f"{platform.machine()} with {kernel('float32').instructions}"

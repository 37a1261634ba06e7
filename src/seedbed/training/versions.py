"""Which libraries made a thing."""

from __future__ import annotations

import platform
from importlib.metadata import version

__all__ = ["versions"]

_LIBRARIES = ("seedbed", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Of all that may change a digit."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}

"""The kernel trains common networks in one C++ function, without leaving the cache."""

from seedbed.training.native.engine import NativeEngine
from seedbed.training.native.library import kernel

__all__ = ["NativeEngine", "kernel"]

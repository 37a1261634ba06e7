"""The kernel trains common networks in one C++ function, without leaving the cache."""

from seedbed.training.native.library import kernel
from seedbed.training.native.training import NativeTraining

__all__ = ["NativeTraining", "kernel"]

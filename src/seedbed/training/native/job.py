"""The kernel's arguments: `struct Job` and what it points to, as native/job.h has them."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int32, c_int64, c_void_p

_POINTERS = (
    *("layers", "segments", "X", "y", "train", "test", "scale", "shift", "extra", "givers", "takers"),
    *("y_scale", "y_shift", "constants", "keys", "lr", "decay", "factors", "clock", "picked", "ended", "tested"),
    *("params", "moments", "figures", "work"),
)
_NUMBERS = (
    *("n_layers", "n_segments", "n_rows", "n_features", "n_outputs", "n_params", "n_moments"),
    *("n_constants", "n_givers", "n_blocks", "n_tested"),
    *("n_values", "n_gradients", "n_alive", "tile", "loss", "optimizer", "batch_size", "n_batches", "first_epoch"),
    *("n_epochs", "nesterov", "guarded", "same_in_training", "units_in_lanes", "patient"),
)


class Layer(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("kind", "n_in", "n_out", "weight", "bias", "source", "target", "d_in", "d_out")),
        *((name, c_int32) for name in ("spare", "function", "number", "alive")),
        *((name, c_int32) for name in ("first_input", "first_unit", "each", "waves", "frequencies")),
        *((name, c_double) for name in ("a", "b", "c")),
    ]


class Segment(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("start", "count", "decays")]


class Job(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in _POINTERS),
        *((name, c_int32) for name in _NUMBERS),
        *((name, c_double) for name in ("momentum", "smoothing", "clip")),
    ]


def typed(library: ctypes.CDLL) -> ctypes.CDLL:
    """Return the library with the types of its functions. Raise OSError if it has another version."""
    try:
        library.job_bytes.restype = library.layer_bytes.restype = c_int64
        if library.job_bytes() != ctypes.sizeof(Job) or library.layer_bytes() != ctypes.sizeof(Layer):
            raise OSError("the library is of another version")
        library.workspace.restype, library.workspace.argtypes = c_int64, [c_void_p]
        library.train.restype, library.train.argtypes = None, [c_void_p, c_int64, c_int64]
        for function in (library.look, library.look_for_life):
            function.restype, function.argtypes = None, [c_void_p, c_int64, c_void_p, c_void_p]
        array, size = c_void_p, c_int64
        library.walk.restype = None
        library.walk.argtypes = [array, size, size, array, array, array, size, size, size, array]
    except AttributeError as error:
        raise OSError(str(error)) from error
    return library

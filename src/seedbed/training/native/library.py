"""Load the kernel that was compiled when the package was built (`hatch_build.py` in the project's
folder).

Its arguments are `struct Job` and what it points to, as native/job.h has them, and `struct TreeJob`
of native/trees.h. The build loads this file without the package.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import sys
from ctypes import c_double, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent
_SYSTEMS = {"win32": "windows", "darwin": "macos"}
_ENDINGS = {"windows": "dll", "macos": "dylib"}
_X86_64 = {
    "x86_64_v4": {"AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL"},
    "x86_64_v3": {"AVX2"},
    "x86_64_v2": {"SSE42"},
}
_CAPABILITIES = {"default": "x86_64_v2", "avx2": "x86_64_v3"}
_INSTRUCTIONS = {
    "x86_64_v4": "AVX-512",
    "x86_64_v3": "AVX2",
    "x86_64_v2": "SSE4.2",
    "arm64": "NEON",
}

_POINTERS = (
    *(
        "layers",
        "segments",
        "X",
        "y",
        "train",
        "test",
        "scale",
        "shift",
        "extra",
        "givers",
        "takers",
    ),
    *(
        "y_scale",
        "y_shift",
        "constants",
        "keys",
        "lr",
        "decay",
        "factors",
        "clock",
        "picked",
        "ended",
        "tested",
    ),
    *("params", "moments", "figures", "work"),
)
_NUMBERS = (
    *(
        "n_layers",
        "n_segments",
        "n_rows",
        "n_features",
        "n_outputs",
        "n_params",
        "n_moments",
    ),
    *("n_constants", "n_givers", "n_blocks", "n_tested"),
    *(
        "n_values",
        "n_gradients",
        "tile",
        "loss",
        "optimizer",
        "batch_size",
        "n_batches",
        "first_epoch",
    ),
    *(
        "n_epochs",
        "nesterov",
        "guarded",
        "same_in_training",
        "units_in_lanes",
        "patient",
    ),
)


class LayerStruct(ctypes.Structure):
    _fields_ = [
        *(
            (name, c_int32)
            for name in (
                "kind",
                "n_in",
                "n_out",
                "weight",
                "bias",
                "source",
                "target",
                "d_in",
                "d_out",
            )
        ),
        *((name, c_int32) for name in ("spare", "function", "number")),
        *(
            (name, c_int32)
            for name in ("first_input", "first_unit", "each", "waves", "frequencies")
        ),
        *((name, c_double) for name in ("a", "b", "c")),
    ]


class SegmentStruct(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("start", "count", "decays")]


class Job(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in _POINTERS),
        *((name, c_int32) for name in _NUMBERS),
        *((name, c_double) for name in ("momentum", "smoothing", "clip")),
    ]


class TreeJob(ctypes.Structure):
    _fields_ = [
        *(
            (name, c_void_p)
            for name in (
                "X",
                "train",
                "test",
                "y",
                "weights",
                "n_bins",
                "n_levels",
                "counts",
                "targets",
            )
        ),
        *(
            (name, c_void_p)
            for name in (
                "outputs",
                "tested",
                "sizes",
                "feature",
                "left",
                "threshold",
                "value",
                "sets",
                "work",
            )
        ),
        ("halted", c_void_p),
        *(
            (name, c_int64)
            for name in (
                "n_rows",
                "n_train",
                "n_test",
                "n_inputs",
                "n_outputs",
                "n_trees",
                "first",
            )
        ),
        *(
            (name, c_int64)
            for name in (
                "n_sampled",
                "least",
                "n_words",
                "n_leaves",
                "of_classes",
                "count_bits",
                "most",
            )
        ),
        *((name, c_double) for name in ("rate", "penalty", "smoothing", "set_penalty")),
        *((name, c_double) for name in ("slope", "curve", "unit")),
        ("seed", c_uint64),
    ]


_SIZES: dict[str, type[ctypes.Structure]] = {
    "job_bytes": Job,
    "layer_bytes": LayerStruct,
    "tree_job_bytes": TreeJob,
}
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "workspace": (c_int64, [c_void_p]),
    "train": (None, [c_void_p, c_int64, c_int64]),
    "look": (None, [c_void_p, c_int64, c_void_p, c_void_p]),
    "shuffle": (None, [c_uint32, c_int64, c_void_p]),
    "tree_work": (c_int64, [c_void_p]),
    "grow": (None, [c_void_p]),
    "add_leaves": (
        None,
        [
            *(c_void_p, c_int64, c_int64),
            *[c_void_p] * 4,
            *[c_int64] * 4,
            *(c_void_p, c_int64, c_int64, c_int64, c_void_p, c_void_p),
        ],
    ),
}
"""Functions of the library: the type of the result, and of the arguments."""


class Kernel(NamedTuple):
    """The library, or the reason why there is none."""

    library: ctypes.CDLL | None
    reason: str

    @property
    def instructions(self) -> str:
        """The extension of the processor that the library uses, or the reason why there is none."""
        path = self.library._name if self.library else ""
        return next(
            (
                extension
                for level, extension in _INSTRUCTIONS.items()
                if f"-{level}-" in path
            ),
            self.reason,
        )


@functools.cache
def kernel(dtype: str) -> Kernel:
    """Return the kernel for this machine and `float32` or `float64`."""
    system, _ = this_machine()
    reason = "no kernel was built for this processor and system"
    for level in levels():
        path = _FOLDER / file_name(system, level, dtype)
        if path.exists():
            try:
                return Kernel(_with_types(ctypes.CDLL(str(path))), "")
            except OSError as error:
                reason = f"the kernel can't be loaded: {error}; install seedbed again"
        elif any(_FOLDER.glob(f"kernel-{system}-{level}-*")):
            reason = "the kernel was built from other sources; install seedbed again"
    return Kernel(None, reason)


def _with_types(library: ctypes.CDLL) -> ctypes.CDLL:
    """Return the library with the types of its functions. Raise OSError if it has another
    version."""
    try:
        for name, structure in _SIZES.items():
            getattr(library, name).restype = c_int64
            if getattr(library, name)() != ctypes.sizeof(structure):
                raise OSError("the library is of another version")
        for name, (result, arguments) in _FUNCTIONS.items():
            getattr(library, name).restype = result
            getattr(library, name).argtypes = arguments
    except AttributeError as error:
        raise OSError(str(error)) from error
    return library


def this_machine() -> tuple[str, str]:
    """Return the system (linux, macos, windows or another word) and the processor (x86_64, arm64 or
    another word)."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    return _SYSTEMS.get(sys.platform, sys.platform), machine


def file_name(system: str, level: str, dtype: str) -> str:
    """Return the name of a library, with a hash of the sources from which it was compiled."""
    return f"kernel-{system}-{level}-{dtype}-{digest()}.{_ENDINGS.get(system, 'so')}"


@functools.cache
def digest() -> str:
    """Return a hash of the sources. They are part of the package, so that an edited one is
    noticed."""
    whole = hashlib.sha256()
    for path in sorted(
        path for path in _FOLDER.iterdir() if path.suffix in (".h", ".cpp")
    ):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def levels() -> tuple[str, ...]:
    """Return what this processor supports, the fastest first. ATEN_CPU_CAPABILITY limits it, as it
    does torch."""
    _, machine = this_machine()
    if machine != "x86_64":
        return ("arm64",) if machine == "arm64" else ()
    from seedbed.training.undocumented import processor_features

    features = processor_features()
    most = _CAPABILITIES.get(os.environ.get("ATEN_CPU_CAPABILITY", ""), "x86_64_v4")
    return tuple(
        level
        for level, needed in _X86_64.items()
        if needed <= features and level <= most
    )

"""Compile the training kernel when the package is built. A wheel contains the libraries of one
system.

Environment variables:

    SEEDBED_TARGET   the system that a wheel is for: linux-x86_64, linux-arm64, macos-arm64,
                     windows-x86_64, or `any` for a wheel without a kernel; this machine's by
                     default
    SEEDBED_CXX      a compiler to use in place of ziglang, for this machine only: "g++", say
"""

import ctypes
import importlib.util
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path(__file__).parent / "src" / "seedbed" / "training" / "native"
ZIG = "ziglang==0.17.1"  # as in pyproject.toml
# No -ffast-math: a diverged network must stay NaN, and its neighbours exact.
FLAGS = (
    *(
        "-std=c++17",
        "-O3",
        "-shared",
        "-fvisibility=hidden",
        "-fno-exceptions",
        "-fno-rtti",
        "-nostdinc++",
    ),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
)
NUMBERS = {"float32": "float", "float64": "double"}

_spec = importlib.util.spec_from_file_location("library", FOLDER / "library.py")
assert _spec is not None
assert _spec.loader is not None
library = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(library)


class Target(NamedTuple):
    """A system: its name, Zig's name for it, the levels of processors, and the tag of its
    wheels."""

    system: str
    triple: str
    levels: tuple[str, ...]
    tag: str


X86_64 = ("x86_64_v2", "x86_64_v3", "x86_64_v4")
TARGETS = {
    "linux-x86_64": Target(
        "linux", "x86_64-linux-gnu.2.17", X86_64, "manylinux_2_17_x86_64"
    ),
    "linux-arm64": Target(
        "linux", "aarch64-linux-gnu.2.17", ("arm64",), "manylinux_2_17_aarch64"
    ),
    "macos-arm64": Target(
        "macos", "aarch64-macos.11.0", ("arm64",), "macosx_11_0_arm64"
    ),
    "windows-x86_64": Target("windows", "x86_64-windows-gnu", X86_64, "win_amd64"),
}


class KernelHook(BuildHookInterface[Any]):
    """Builds what is missing, and adds it to the wheel."""

    def dependencies(self) -> list[str]:
        target = _target()
        if (
            self.target_name != "wheel"
            or target is None
            or not _missing(target)
            or os.environ.get("SEEDBED_CXX")
        ):
            return []
        return [ZIG]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = _target()
        if self.target_name != "wheel" or target is None:
            return
        if version == "editable":  # for this machine alone, which needs one level
            target = target._replace(levels=_own_levels(target))
        try:
            compile_kernels(
                target, here=version == "editable" and target.system == "linux"
            )
        except (OSError, subprocess.CalledProcessError) as error:
            details = getattr(error, "stderr", "") or error
            if "SEEDBED_TARGET" in os.environ:
                raise SystemExit(
                    f"The training kernel wasn't compiled: {details}"
                ) from None
            self.app.display_warning(
                f"The training kernel wasn't compiled, so PyTorch will train: {details}"
            )
            return
        build_data |= {"pure_python": False, "tag": f"py3-none-{target.tag}"}
        build_data["artifacts"] += [
            f"/{path.relative_to(self.root)}" for path, _, _ in _libraries(target)
        ]


def compile_kernels(target: Target, *, here: bool = False) -> None:
    """Compile the libraries of a target that are missing. Libraries of other sources are removed.

    Args:
        here: for this Linux alone. Zig then doesn't compile a C library to link against, which
            takes longer than the kernel: Python has all three functions of it that the kernel
                calls.
    """
    for path in FOLDER.glob("kernel-*"):
        if library.digest() not in path.name:
            path.unlink()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:

        def build(task: tuple[Path, str, str]) -> None:
            path, level, dtype = task
            made, part = Path(folder) / path.name, path.with_suffix(".part")
            command = [
                *_compiler(target, level),
                f"-DNUMBER={NUMBERS[dtype]}",
                "-o",
                str(made),
            ]
            compile_one([*command, *(["-nostdlib"] if here else [])], target, folder)
            if here:
                try:
                    ctypes.CDLL(str(made))
                except OSError:  # a Python without these functions
                    compile_one(command, target, folder)
            part.write_bytes(made.read_bytes())
            part.replace(path)  # another process may be reading

        list(pool.map(build, _missing(target)))


def _compiler(target: Target, level: str) -> list[str]:
    if cxx := os.environ.get("SEEDBED_CXX"):
        return [
            *shlex.split(cxx),
            *([] if level == "arm64" else [f"-march=x86-64-{level[-2:]}"]),
        ]
    processor = [] if level == "arm64" else [f"-mcpu={level}"]
    return [
        sys.executable,
        "-m",
        "ziglang",
        "c++",
        "-target",
        target.triple,
        "-nostdlib++",
        *processor,
    ]


def compile_one(command: Sequence[str], target: Target, folder: str) -> None:
    """Run a compiler with the flags of the kernel. Zig keeps what it has compiled for a target in
    the folder."""
    position = () if target.system == "windows" else ("-fPIC",)
    caches = {
        "ZIG_GLOBAL_CACHE_DIR": f"{folder}/zig",
        "ZIG_LOCAL_CACHE_DIR": f"{folder}/zig",
    }
    call = [*command, *FLAGS, *position, "-s", "-w", str(FOLDER / "kernel.cpp")]
    subprocess.run(
        call, check=True, capture_output=True, text=True, env={**os.environ, **caches}
    )


def _libraries(target: Target) -> list[tuple[Path, str, str]]:
    """Return the path, level and dtype of each library."""
    every = [(level, dtype) for level in target.levels for dtype in NUMBERS]
    return [
        (FOLDER / library.file_name(target.system, level, dtype), level, dtype)
        for level, dtype in every
    ]


def _own_levels(target: Target) -> tuple[str, ...]:
    """Return the highest level that this machine supports, or all of them if it doesn't say."""
    sys.path.insert(0, str(FOLDER.parents[2]))
    try:
        own = [level for level in library.levels() if level in target.levels]
    finally:
        sys.path.pop(0)
    return tuple(own[:1]) or target.levels


def _missing(target: Target) -> list[tuple[Path, str, str]]:
    return [one for one in _libraries(target) if not one[0].exists()]


def _target() -> Target | None:
    """Return the target that is given, or this machine's; None if there is none."""
    if name := os.environ.get("SEEDBED_TARGET"):
        if name not in TARGETS and name != "any":
            raise SystemExit(
                f"SEEDBED_TARGET={name} isn't a known target; use one of {', '.join(TARGETS)}, any"
            )
        return TARGETS.get(name)
    system, machine = library.this_machine()
    if system == "linux" and platform.libc_ver()[0] != "glibc":
        return None
    return TARGETS.get(f"{system}-{machine}")


if __name__ == "__main__" and (this := _target()) is not None:
    compile_kernels(this)

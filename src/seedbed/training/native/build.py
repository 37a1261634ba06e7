"""Compile the kernel to a library once per machine, keep it in the user's cache folder, and load it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from seedbed.files import is_private, temporary_folder, write_whole
from seedbed.training.native.job import typed

__all__ = ["kernel"]

_SOURCES = (
    *("kernel.cpp", "job.h", "lanes.h", "products.h", "activations.h", "embeddings.h", "block.h"),
    *("networks.h", "units.h"),
)
# No -ffast-math: a diverged network must stay NaN, and its neighbours exact.
_FLAGS = (
    *("-std=c++17", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-nostdinc++"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
)
# Unusual processors or compilers may support the second or none of these.
_PROCESSOR_FLAGS = (("-march=native",), ("-mcpu=native",), ())
_SECONDS = 300.0  # time limit of a compiler
_MOST_KEPT = 10
_NUMBERS = {"float32": "float", "float64": "double"}


class Kernel(NamedTuple):
    """The library, or the reason why there is none."""

    library: ctypes.CDLL | None
    reason: str


@functools.cache
def kernel(dtype: str) -> Kernel:
    """Return the kernel for this machine and `float32` or `float64`, and compile it if necessary."""
    reason = "no C++ compiler was found"
    for command in _compilers():
        try:
            return Kernel(_built([*command, f"-DNUMBER={_NUMBERS[dtype]}"]), "")
        except _BuildError as failure:
            reason = str(failure)
    return Kernel(None, reason)


class _BuildError(Exception):
    """A compiler didn't make a library that can be loaded."""


def _compilers() -> Iterator[list[str]]:
    """Yield commands that may be C++ compilers, the user's choice first."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    for name in filter(None, names):
        try:
            words = shlex.split(name)
        except ValueError:  # an unbalanced quotation mark
            continue
        if words and shutil.which(words[0]):
            yield words
    if importlib.util.find_spec("ziglang"):
        # Without this option it first compiles its own C++ library, which takes minutes.
        yield [sys.executable, "-m", "ziglang", "c++", "-nostdlib++"]


def _built(command: list[str]) -> ctypes.CDLL:
    """Return the library that a compiler makes, or made before.

    Raises:
        _BuildError: the compiler failed, or the library can't be loaded.
    """
    folder = _cache_folder()
    if folder is None:
        with temporary_folder() as place:
            return _loaded(_compiled(command, place / "kernel.so"))
    path = folder / f"{_key(command)}.so"
    with FileLock(folder / f"{path.stem}.lock"):  # waits while another process compiles
        with contextlib.suppress(OSError, _BuildError):
            # Loading a damaged library can kill the process.
            kept = is_private(path) and is_private(path.with_suffix(".sha256"))
            if kept and path.with_suffix(".sha256").read_text() == _digest(path):
                return _loaded(path)
        with temporary_folder() as place:
            made = _compiled(command, place / path.name)
            with contextlib.suppress(OSError):
                write_whole(path, functools.partial(shutil.copyfile, made))
                write_whole(path.with_suffix(".sha256"), lambda part: part.write_text(_digest(made)))
                for part in (path, path.with_suffix(".sha256")):
                    part.chmod(0o600)  # independent of the umask
                _forget_oldest(folder)
            return _loaded(made)


def _compiled(command: list[str], made: Path) -> Path:
    """Compile to a file, for this processor if the compiler supports that."""
    problem = ""
    for own in _PROCESSOR_FLAGS:
        call = [*command, *_FLAGS, *own, "-o", str(made), str(Path(__file__).with_name(_SOURCES[0]))]
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _BuildError(f"the compiler '{shlex.join(command)}' failed: {error}") from error
        if done.returncode == 0 and made.exists():
            return made
        problem = next(iter(done.stderr.splitlines()), f"it ended with {done.returncode}")
    raise _BuildError(f"the compiler '{shlex.join(command)}' failed: {problem}")


def _loaded(path: Path) -> ctypes.CDLL:
    try:
        library = typed(ctypes.CDLL(str(path)))
    except OSError as error:
        raise _BuildError(f"the kernel can't be loaded: {error}") from error
    with contextlib.suppress(OSError):
        os.utime(path)  # marks it as used
    return library


def _key(command: list[str]) -> str:
    """Return a hash of everything that decides what is compiled."""
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _BuildError(f"the compiler '{shlex.join(command)}' failed: {error}") from error
    whole = hashlib.sha256()
    for name in _SOURCES:
        whole.update(Path(__file__).with_name(name).read_bytes())
    whole.update(repr((command, _FLAGS, version.stdout, _processor())).encode())
    return whole.hexdigest()[:32]


def _processor() -> tuple[str, ...]:
    """Return the processor's model and features."""
    names = ("flags", "Features", "model name", "CPU part")
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return (platform.machine(), *sorted({line for line in lines if line.split(":")[0].strip() in names}))
    return (platform.machine(), platform.processor())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _cache_folder() -> Path | None:
    """Return the folder of libraries. None if it can't be written, or if another user could replace a library."""
    folder = Path(importlib.import_module("pooch").os_cache("seedbed")) / "kernel"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = is_private(folder) and not any(_is_strange(parent) for parent in folder.resolve().parents)
    except OSError:
        return None
    return folder if usable and os.access(folder, os.W_OK) else None


def _is_strange(folder: Path) -> bool:
    """Return whether another user, except root, could replace a folder inside this one."""
    found = folder.stat()
    if os.name != "posix":
        return False
    open_to_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    return bool(open_to_all) or found.st_uid not in (0, os.geteuid())


def _forget_oldest(folder: Path) -> None:
    """Delete the least recently used libraries, except the latest `_MOST_KEPT`."""
    for path in sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime)[:-_MOST_KEPT]:
        for suffix in (".so", ".sha256", ".lock"):
            path.with_suffix(suffix).unlink(missing_ok=True)

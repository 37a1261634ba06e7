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
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from seedbed.files import is_private, private_cache, temporary_folder, write_whole
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
_DIGEST = hashlib.sha256().digest_size  # in front of a library in the cache
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
    folder = private_cache("kernel")
    if folder is None:
        return _loaded(_compiled(command))
    path = folder / f"{_key(command)}.kernel"
    with FileLock(path.with_suffix(".lock")):  # waits while another process compiles
        with contextlib.suppress(OSError, _BuildError):
            return _loaded(_kept(path))
        made = _compiled(command)
        with contextlib.suppress(OSError):
            write_whole(path, lambda part: part.write_bytes(hashlib.sha256(made).digest() + made))
            path.chmod(0o600)  # independent of the umask
            _forget_oldest(folder)
        return _loaded(made)


def _compiled(command: list[str]) -> bytes:
    """Return a new library, for this processor if the compiler supports that."""
    problem = ""
    with temporary_folder() as place:
        for own in _PROCESSOR_FLAGS:
            made, source = place / "kernel.so", Path(__file__).with_name(_SOURCES[0])
            call = [*command, *_FLAGS, *own, "-o", str(made), str(source)]
            try:
                done = subprocess.run(call, capture_output=True, text=True, timeout=_SECONDS, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise _BuildError(f"the compiler '{shlex.join(command)}' failed: {error}") from error
            if done.returncode == 0 and made.exists():
                return made.read_bytes()
            problem = next(iter(done.stderr.splitlines()), f"it ended with {done.returncode}")
    raise _BuildError(f"the compiler '{shlex.join(command)}' failed: {problem}")


def _kept(path: Path) -> bytes:
    """Return a library from the cache, and mark it as used.

    Raises:
        _BuildError: it is damaged, or another user could have written it. Loading it could run their code.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NOFOLLOW", 0))) as file:
        content = file.read() if is_private(file.fileno()) else b""
    digest, library = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(library).digest() != digest:
        raise _BuildError("the library in the cache is damaged")
    with contextlib.suppress(OSError):
        os.utime(path)
    return library


def _loaded(library: bytes) -> ctypes.CDLL:
    """Load exactly these bytes. A file that was checked could be replaced before it is loaded by its path.

    Linux loads from memory. Elsewhere, or if that is forbidden, a private temporary file is loaded.
    """
    with contextlib.suppress(AttributeError, OSError):
        # It stays open. Otherwise the next library could get the same name, for which the loader returns this one.
        memory = os.memfd_create("seedbed-kernel")
        with open(memory, "wb", closefd=False) as file:
            file.write(library)
        return typed(ctypes.CDLL(f"/proc/self/fd/{memory}"))
    with temporary_folder() as place:
        (place / "kernel.so").write_bytes(library)
        try:
            return typed(ctypes.CDLL(str(place / "kernel.so")))
        except OSError as error:
            raise _BuildError(f"the kernel can't be loaded: {error}") from error


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


def _forget_oldest(folder: Path) -> None:
    """Delete the least recently used libraries, except the latest `_MOST_KEPT`."""
    for path in sorted(folder.glob("*.kernel"), key=lambda path: path.stat().st_mtime)[:-_MOST_KEPT]:
        for suffix in (".kernel", ".lock"):
            path.with_suffix(suffix).unlink(missing_ok=True)

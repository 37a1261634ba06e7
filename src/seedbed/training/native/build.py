"""The kernel as a library: compiled once on a machine, kept in the user's cache folder, loaded by later processes."""

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
# An unusual processor, or compiler, may know the second or none of these.
_PROCESSOR_FLAGS = (("-march=native",), ("-mcpu=native",), ())
_SECONDS = 300.0  # that a compiler may take
_MOST_KEPT = 10
_NUMBERS = {"float32": "float", "float64": "double"}


class Kernel(NamedTuple):
    """The library, or why there is none."""

    library: ctypes.CDLL | None
    reason: str


@functools.cache
def kernel(dtype: str) -> Kernel:
    """The kernel for this machine and `float32` or `float64`, compiled now if it has to be."""
    reason = "no C++ compiler was found"
    for command in _compilers():
        try:
            return Kernel(_built([*command, f"-DNUMBER={_NUMBERS[dtype]}"]), "")
        except _BuildError as failure:
            reason = str(failure)
    return Kernel(None, reason)


class _BuildError(Exception):
    """A compiler gave no library that can be loaded."""


def _compilers() -> Iterator[list[str]]:
    """Commands that may be C++ compilers, the user's choice first."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    for name in filter(None, names):
        try:
            words = shlex.split(name)
        except ValueError:  # a quotation mark without its end
            continue
        if words and shutil.which(words[0]):
            yield words
    if importlib.util.find_spec("ziglang"):
        # Without these it compiles a C++ library of its own first, for minutes.
        yield [sys.executable, "-m", "ziglang", "c++", "-nostdlib++"]


def _built(command: list[str]) -> ctypes.CDLL:
    """The library that a compiler makes, or has made before.

    Raises:
        _BuildError: it makes none that can be loaded.
    """
    folder = _cache_folder()
    if folder is None:
        with temporary_folder() as place:
            return _loaded(_compiled(command, place / "kernel.so"))
    path = folder / f"{_key(command)}.so"
    with FileLock(folder / f"{path.stem}.lock"):  # another process may be at it; then this one waits, and loads
        with contextlib.suppress(OSError, _BuildError):
            # A damaged library can end the process that loads it.
            kept = is_private(path) and is_private(path.with_suffix(".sha256"))
            if kept and path.with_suffix(".sha256").read_text() == _digest(path):
                return _loaded(path)
        with temporary_folder() as place:
            made = _compiled(command, place / path.name)
            with contextlib.suppress(OSError):
                write_whole(path, functools.partial(shutil.copyfile, made))
                write_whole(path.with_suffix(".sha256"), lambda part: part.write_text(_digest(made)))
                for part in (path, path.with_suffix(".sha256")):
                    part.chmod(0o600)  # whatever the umask
                _forget_oldest(folder)
            return _loaded(made)


def _compiled(command: list[str], made: Path) -> Path:
    """Compile to a file, for this very processor where the compiler can."""
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
        os.utime(path)  # it was of use
    return library


def _key(command: list[str]) -> str:
    """A hash of all that decides what is compiled."""
    try:
        told = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _BuildError(f"the compiler '{shlex.join(command)}' failed: {error}") from error
    whole = hashlib.sha256()
    for name in _SOURCES:
        whole.update(Path(__file__).with_name(name).read_bytes())
    whole.update(repr((command, _FLAGS, told.stdout, _processor())).encode())
    return whole.hexdigest()[:32]


def _processor() -> tuple[str, ...]:
    """What the processor is, and can do."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        told = [line for line in lines if line.split(":")[0].strip() in ("flags", "Features", "model name", "CPU part")]
        return (platform.machine(), *sorted(set(told)))
    return (platform.machine(), platform.processor())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _cache_folder() -> Path | None:
    """Where libraries are kept; None where nothing can be, or where another user could put a library of theirs."""
    folder = Path(importlib.import_module("pooch").os_cache("seedbed")) / "kernel"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = is_private(folder) and not any(_is_strange(parent) for parent in folder.resolve().parents)
    except OSError:
        return None
    return folder if usable and os.access(folder, os.W_OK) else None


def _is_strange(folder: Path) -> bool:
    """Whether another user than the system's may put another folder in the place of one in here."""
    found = folder.stat()
    if os.name != "posix":
        return False
    anybody = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    return bool(anybody) or found.st_uid not in (0, os.geteuid())


def _forget_oldest(folder: Path) -> None:
    """Those that weren't used for longest, beyond so many."""
    for path in sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime)[:-_MOST_KEPT]:
        for suffix in (".so", ".sha256", ".lock"):
            path.with_suffix(suffix).unlink(missing_ok=True)

"""Where an object's behaviour comes from, condensed into a hash: its contents, and the code of whoever wrote it."""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import sysconfig
import types
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from seedbed.networks import FileArchitecture

__all__ = ["origin"]

# Libraries whose versions are part of every specification; the standard library comes with Python's.
_KNOWN = {"seedbed", "torch", "numpy", "scipy", "sklearn", *sys.stdlib_module_names} - {"__main__"}


def origin(thing: Any) -> str | None:
    """A hash that changes with what an object does: none where that can't be known.

    An object is its contents and its code. The libraries that a specification names are known by their versions. Where
    other code has a part in it, all files of the user's that are loaded are taken in, whichever of them it needs, and
    the version of every package that is installed. What was typed at a prompt is nowhere to be read; what a network
    reads from other files is out of sight.
    """
    try:
        contents, roots = _pickled(thing)
    except Exception:  # noqa: BLE001 - a lambda, a local class, a handle: each fails in its own way
        return None
    digest = hashlib.sha256(contents)
    if roots is None:
        return None
    if roots - _KNOWN:
        for path in sorted(_own_files()):
            digest.update(f"{path}\n".encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
        for line in sorted(f"{one.name}=={one.version}" for one in distributions()):
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()


class _Pickler(pickle.Pickler):
    """Notes what code the pickled object refers to."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=4)
        self.roots: set[str] = set()
        self.readable = True

    def persistent_id(self, thing: Any) -> None:
        if isinstance(thing, (type, types.FunctionType, types.BuiltinFunctionType)):
            module = thing.__module__ or "builtins"
            self.roots.add(module.partition(".")[0])
            self.readable = self.readable and (module.partition(".")[0] in _KNOWN or _is_in_a_file(thing))
        elif isinstance(thing, FileArchitecture):
            self.roots.add(thing.path)


def _pickled(thing: Any) -> tuple[bytes, set[str] | None]:
    """An object's bytes, and the names of the packages whose code it refers to: none where some code has no file."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(thing)
    return file.getvalue(), pickler.roots if pickler.readable else None


def _is_in_a_file(thing: Any) -> bool:
    """Whether the code of a class or function was read from a file, and not typed at a prompt or in a notebook."""
    module = sys.modules.get(thing.__module__)
    if getattr(module, "__file__", None) is None:
        return False
    functions = [thing, *(vars(thing).values() if isinstance(thing, type) else ())]
    codes = [one.__code__ for one in functions if isinstance(one, types.FunctionType)]
    # A dataclass's methods are written by Python itself, and say "<string>".
    return all(code.co_filename == "<string>" or Path(code.co_filename).is_file() for code in codes)


def _own_files() -> Iterator[Path]:
    """Files of the modules that are loaded and belong to no installed package."""
    paths = sysconfig.get_paths()
    libraries = {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    libraries.add(Path(__file__).resolve().parents[1])
    found = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    for path in {path.resolve() for path in found}:
        if not any(path.is_relative_to(library) for library in libraries):
            yield path

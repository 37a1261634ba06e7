"""A file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["remove_parts", "write_whole"]

_PART = ".part"


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have a file written by `write`, which is given a path in the same folder, and move it to its place, so that a
    reader never meets half a file, also after a power cut. In the same folder, since a rename is atomic only within one
    file system.

    Raises:
        OSError: it can't be written; it names `path`, and not the one that `write` was given.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
    except OSError as error:
        raise _of(path, error) from None
    os.close(handle)
    try:
        write(Path(name))
        Path(name).chmod(0o644)
        _synced(Path(name))
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, name):
            raise _of(path, error) from None
        raise
    with contextlib.suppress(OSError):  # not every system lets a folder be synced
        _synced(path.parent)


def remove_parts(folder: Path) -> None:
    """Remove what `write_whole` was writing into a folder when its process was killed. Only for who may be sure that no
    other process writes there."""
    for path in folder.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            path.unlink()


def _of(path: Path, error: OSError) -> OSError:
    """The same error, of a path that the user knows."""
    return OSError(error.errno, error.strerror or str(error), str(path))


def _synced(path: Path) -> None:
    """Have what is written reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

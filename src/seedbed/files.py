"""A file appears whole or not at all, and what others may have planted isn't followed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["remove_parts", "write_whole"]

_PART = ".seedbed-part"
_LONGEST = 200  # bytes of a name; most file systems take 255


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have a file written by `write`, which is given a path in the same folder, and move it to its place.

    A reader never meets half a file, also after a power cut. In the same folder, since a rename is atomic only within
    one file system. A file that is replaced keeps its mode; a new one has the mode that the umask leaves. A symbolic
    link is replaced, and not what it leads to; other hard links keep the old content.

    Raises:
        OSError: it can't be written, or is a device or a pipe; it names `path`, and not the one that `write` was given.
    """
    try:
        part, mode = _part_of(path)
    except OSError as error:
        raise _of(path, error) from None
    try:
        write(part)
        part.chmod(mode)  # `write` may have made the file anew
        _synced(part)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(part)):
            raise _of(path, error) from None
        raise
    with contextlib.suppress(OSError):  # not every system lets a folder be synced
        _synced(path.parent)


def remove_parts(folder: Path) -> None:
    """Remove what `write_whole` was writing into a folder when its process was killed.

    Only for a caller that is sure that no other process writes there. Another user's files stay.
    """
    for path in folder.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            if not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid():
                path.unlink()


def _part_of(path: Path) -> tuple[Path, int]:
    """Make an empty file beside `path`; and the mode that the whole file shall have."""
    mode = None
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            mode = stat.S_IMODE(found.st_mode) & 0o777
        elif not stat.S_ISLNK(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EINVAL, "it is a device or a pipe, no file")
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
    while True:
        part = path.parent / f".{name}.{secrets.token_hex(4)}{_PART}"
        try:
            handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else mode)
        except FileExistsError:
            continue
        with os.fdopen(handle) as file:
            made = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        return part, made if mode is None else mode


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

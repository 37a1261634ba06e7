"""Files that are written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PART = ".seedbed-part"
_STALE = 3600.0  # seconds since the last byte of a partial file, after which its process counts as killed
_LONGEST = 200  # bytes of a name; most file systems take 255


def write_whole(
    path: Path,
    write: Callable[[Path], Any],
    *,
    before_move: Callable[[], None] = lambda: None,
) -> None:
    """Write a file through `write`, which gets a temporary path in the same folder, and move it to
    `path`.

    A reader never sees half a file, even after a power cut. The temporary file lies in the same
    folder because a rename is atomic only within one file system. A replaced file keeps its mode; a
    new one gets the mode that the umask leaves. A symbolic link is replaced, not its target; other
    hard links keep the old content. `before_move` is called when the content is on the disk.
    OSError, which names `path`, if it can't be written, or is a device or a pipe.
    """
    try:
        part, mode = _create_part(path)
    except OSError as error:
        raise _naming(path, error) from None
    try:
        write(part)
        part.chmod(mode)  # `write` may have replaced the file
        _sync(part)
        before_move()
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(part)):
            raise _naming(path, error) from None
        raise
    with contextlib.suppress(OSError):  # not every system can sync a folder
        _sync(path.parent)


def remove_parts(folder: Path, name: str | None = None) -> None:
    """Remove what `write_whole` was writing into a folder when its process was killed. Files of
    other users stay. Where other processes write, give the name of a file, whose parts are removed
    after an hour."""
    for path in folder.glob(
        f".*{_PART}" if name is None else f".{glob.escape(name)}.*{_PART}"
    ):
        with contextlib.suppress(OSError):
            status = path.lstat()
            mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
            if mine and (name is None or time.time() - status.st_mtime > _STALE):
                path.unlink()


def read_document(path: Path) -> dict[str, Any]:
    """Return the contents of a JSON file; empty if it doesn't exist, can't be read, or is a device
    or a pipe, which may have no end."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(path.read_bytes()) if path.is_file() else None
        return document if isinstance(document, dict) else {}
    return {}


def _create_part(path: Path) -> tuple[Path, int]:
    """Create an empty file beside `path`. Return it and the mode of the finished file."""
    mode = None
    if path.is_file() and not path.is_symlink():
        mode = path.stat().st_mode & 0o777
    elif path.exists() and not path.is_symlink() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
    part = path.parent / f".{name}.{secrets.token_hex(4)}{_PART}"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(part, flags, 0o666 if mode is None else mode))
    return part, part.stat().st_mode & 0o777 if mode is None else mode


def _naming(path: Path, error: OSError) -> OSError:
    return OSError(error.errno, error.strerror or str(error), str(path))


def _sync(path: Path) -> None:
    """Wait until the content is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Temporary files: they go with their process, and those of a process that was killed go with the next one."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["is_private", "scratch_folder", "temporary_folder"]

_PREFIX, _OWNER = "seedbed-", "owner"
_SECONDS_TO_LOCK = 60.0  # a folder is a moment older than its lock

_locks: list[FileLock] = []


def scratch_folder() -> Path:
    """This process's own folder below the system's one for temporary files, which `TMPDIR` names.

    Raises:
        OSError: there is no room, or no permission.
    """
    return _folder_in(tempfile.gettempdir())


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that goes when the block ends."""
    with tempfile.TemporaryDirectory(dir=scratch_folder(), ignore_cleanup_errors=True) as name:
        yield Path(name)


def is_private(path: Path) -> bool:
    """Return whether a file or folder is this user's own, no link, and nobody else may write to it."""
    found = path.lstat()
    if os.name != "posix":  # access lists say it there
        return not stat.S_ISLNK(found.st_mode)
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and not others


@functools.cache
def _folder_in(place: str) -> Path:
    _sweep(Path(place))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    lock = FileLock(folder / _OWNER)
    lock.acquire()
    _locks.append(lock)  # the system lets go of it when the process ends, however it does
    atexit.register(_leave, folder, os.getpid())
    return folder


def _leave(folder: Path, process: int) -> None:
    if os.getpid() == process:  # and not one that was forked off
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove the folders of this user whose process is no more. What another user could have planted stays."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            owner = folder / _OWNER
            if (
                is_private(folder)
                and owner.is_file()
                and not owner.is_symlink()
                and time.time() - folder.stat().st_mtime > _SECONDS_TO_LOCK
            ):
                with FileLock(owner, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)

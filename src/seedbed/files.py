"""Files that are written completely or not at all, their digests, and temporary folders."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import importlib
import json
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

DIGESTS = "sha256sums.txt"  # the file of the digests of a folder's files, as `sha256sum --check` reads it
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


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, so that they are still there after a power cut."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        with contextlib.suppress(OSError):  # not every system can sync a folder
            _sync(path.parent)


def read_document(path: Path) -> dict[str, Any]:
    """Return the contents of a JSON file; empty if it doesn't exist, can't be read, or is a device
    or a pipe, which may have no end."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(path.read_bytes()) if path.is_file() else None
        return document if isinstance(document, dict) else {}
    return {}


def write_digests(
    paths: Iterable[Path], last: Path | None = None, text: str = ""
) -> Path:
    """Write the SHA-256 of files of one folder into `sha256sums.txt` beside them, and return its
    path. Lines of other files stay. The file `last`, with this text, is written after the digests,
    so that it never exists without them."""
    paths = list(paths)
    content = text.encode()
    folder = paths[0].parent
    file = folder / DIGESTS
    digests = _digests(file) | {path.name: _digest(path) for path in paths}
    if last is not None:
        digests[last.name] = hashlib.sha256(content).hexdigest()
    lines = "".join(
        f"{digest}  {name}\n"
        for name, digest in sorted(digests.items())
        if (folder / name).is_file() or folder / name == last
    )
    write_whole(file, lambda where: where.write_text(lines, encoding="utf-8"))
    if last is not None:
        write_whole(last, lambda where: where.write_bytes(content))
    return file


def altered_files(folder: Path) -> dict[str, bool] | None:
    """Return whether each file with a digest is missing or has changed, by its name; None if the
    folder has no digests. A file of digests that can't be read has changed."""
    if not (folder / DIGESTS).is_file():
        return None
    digests = _digests(folder / DIGESTS) or {DIGESTS: ""}
    return {name: _digest(folder / name) != digest for name, digest in digests.items()}


def _digests(file: Path) -> dict[str, str]:
    """Return the digest of each file; empty if there are none, or a line can't be read."""
    with contextlib.suppress(OSError, ValueError):
        lines = [line.split("  ", 1) for line in file.read_text("utf-8").splitlines()]
        if all(re.fullmatch("[0-9a-f]{64}", line[0]) for line in lines):
            return {name: digest for digest, name in lines if Path(name).name == name}
    return {}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; an empty text if it can't be read."""
    with contextlib.suppress(OSError):
        if path.is_file():  # a device or a pipe may have no end
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def private_cache(name: str) -> Path | None:
    """Return a folder for code in the user's cache folder. None if it can't be written, or if
    another user could replace its files."""
    platformdirs = importlib.import_module("platformdirs")
    folder = Path(platformdirs.user_cache_dir("seedbed")) / name
    try:
        # `parents=True` would create them with the umask's mode.
        for path in (*reversed(folder.parents), folder):
            path.mkdir(exist_ok=True, mode=0o700)
        above = folder.resolve().parents
        is_private = _is_private(folder) and all(
            _is_private(path, sticky=stat.S_ISVTX) for path in above
        )
    except OSError:
        return None
    return folder if is_private and os.access(folder, os.W_OK) else None


def _is_private(folder: Path, *, sticky: int = 0) -> bool:
    """Return whether no other user, except root, can replace what is in a folder; if `sticky` is
    the bit of this name, what belongs to this user."""
    if os.name != "posix":  # access lists decide there
        return True
    status = folder.lstat()
    is_shared = status.st_mode & 0o022 and not status.st_mode & sticky
    return status.st_uid in (0, os.geteuid()) and not is_shared


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can read, which is removed when the block ends."""
    with tempfile.TemporaryDirectory(
        prefix="seedbed-", ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


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

"""What processes share in one folder: the lock of the one that writes, and a ledger of JSON
lines."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout

from seedbed.errors import OptionError, UnreadableError, writing
from seedbed.files import make_folder, write_whole

LEDGER, LOCK = "ledger.jsonl", ".writer"


def lock_folder(folder: Path) -> AcquireReturnProxy[Any]:
    """Create a folder if it doesn't exist, lock it, and return what releases the lock when its
    block ends. OptionError if it can't be written, or another process has the lock."""
    with writing(folder, "Name another folder."):
        make_folder(folder)
        try:
            return FileLock(folder / LOCK).acquire(blocking=False)
        except Timeout:
            message = f"another process is writing to {folder}"
            raise OptionError(message, "Wait until it has ended, or name another folder.") from None


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a ledger. OptionError if there is none; UnreadableError if a line isn't
    as it was written."""
    path, digest, entries = folder / LEDGER, hashlib.sha256(), list[dict[str, Any]]()
    if not path.is_file():
        raise OptionError(
            f"{folder} holds no gate", "Make one: seedbed gate new FOLDER TABLE --target COLUMN."
        )
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True) or [b""], 1):
        entry = None
        with contextlib.suppress(ValueError):
            entry = json.loads(line) if line.endswith(b"\n") else None
        if not isinstance(entry, dict) or entry.get("previous") != digest.hexdigest():
            message = (
                f"{path}, line {number}: it is damaged, or lines before it were removed or changed"
            )
            raise UnreadableError(message, "Restore the file from a copy, or make another gate.")
        digest.update(line)
        entries.append(entry)
    return entries


def append_entry(folder: Path, entry: Mapping[str, Any]) -> None:
    """Append a line to the ledger of a locked folder, with the time and the SHA-256 of all lines
    before it. A process that is killed leaves the ledger without the line, or with all of it."""
    path = folder / LEDGER
    before = path.read_bytes() if path.is_file() else b""
    about = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "previous": hashlib.sha256(before).hexdigest(),
    }
    line = json.dumps({**entry, **about}, allow_nan=False).encode() + b"\n"
    with writing(folder, "Free some space."):
        write_whole(path, lambda where: where.write_bytes(before + line))

"""What processes share in one folder: the lock of the one that writes, and a ledger of JSON
lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
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
            raise OptionError(
                message, "Wait until it has ended, or name another folder."
            ) from None


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of a ledger. OptionError if there is none; UnreadableError if its lines
    aren't as they were written."""
    path = folder / LEDGER
    if not path.is_file():
        raise OptionError(
            f"{folder} holds no gate",
            "Make one: seedbed gate new FOLDER TABLE --target COLUMN.",
        )
    *lines, last = path.read_bytes().splitlines() or [b""]
    if not lines or last != _last_line(lines):
        raise UnreadableError(
            f"{path} is damaged: lines were changed or removed",
            "Restore the file from a copy, or make another gate.",
        )
    return [json.loads(line) for line in lines]


def append_entry(folder: Path, entry: Mapping[str, Any]) -> None:
    """Append an entry with the time to the ledger of a locked folder, and renew its last line, the
    SHA-256 of all others. A process that is killed leaves the ledger without the entry, or with
    all of it."""
    path = folder / LEDGER
    lines = path.read_bytes().splitlines()[:-1] if path.is_file() else []
    time = datetime.now(UTC).isoformat(timespec="seconds")
    lines.append(json.dumps({**entry, "time": time}, allow_nan=False).encode())
    content = b"\n".join([*lines, _last_line(lines), b""])
    with writing(folder, "Free some space."):
        write_whole(path, lambda where: where.write_bytes(content))


def _last_line(lines: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()
    return json.dumps({"kind": "end", "sha256": digest}).encode()

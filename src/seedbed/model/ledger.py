"""The ledger of a gate or of a watched promise: JSON lines, the last of which is a hash of all
others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seedbed.errors import OptionError, UnreadableError, writing
from seedbed.files import write_whole

LEDGER = "ledger.jsonl"


def read_ledger(folder: Path, name: str = LEDGER) -> list[dict[str, Any]]:
    """Return the entries of a ledger. OptionError if there is none; UnreadableError if its lines
    aren't as they were written."""
    path = folder / name
    if not path.is_file():
        raise OptionError(
            f"{folder} holds no gate",
            "Make one: seedbed gate new FOLDER TABLE --target COLUMN.",
        )
    *lines, last = path.read_bytes().splitlines() or [b""]
    if not lines or last != _last_line(lines):
        raise UnreadableError(
            f"{path} is damaged: lines were changed or removed",
            "Restore the file from a copy, or start another one.",
        )
    return [json.loads(line) for line in lines]


def append_entry(folder: Path, entry: Mapping[str, Any], name: str = LEDGER) -> str:
    """Append an entry to the ledger of a locked folder, and renew its last line, the SHA-256 of all
    others. Return the time, which the entry has, too. A process that is killed leaves the ledger
    without the entry, or with all of it."""
    path = folder / name
    lines = path.read_bytes().splitlines()[:-1] if path.is_file() else []
    time = datetime.now(UTC).isoformat(timespec="seconds")
    lines.append(json.dumps({**entry, "time": time}, allow_nan=False).encode())
    content = b"\n".join([*lines, _last_line(lines), b""])
    with writing(folder, "Free some space."):
        write_whole(path, lambda where: where.write_bytes(content))
    return time


def _last_line(lines: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()
    return json.dumps({"kind": "end", "sha256": digest}).encode()

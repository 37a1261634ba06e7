"""How things are written down: files whole, objects without what differs from run to run."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["spelled", "write_whole"]


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have a file written by `write`, which is given a path in the same folder, and move it to its place, so that a
    reader never meets half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def spelled(thing: object) -> str:
    """The `repr` of an object on one line, without addresses in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(thing).split()))

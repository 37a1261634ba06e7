"""How things are written down: JSON for people, too, and objects without what differs from run to run."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["json_text", "spelled"]

_NUMBER = r"(?:-?[\d.]+(?:[eE][-+]?\d+)?|null)"
# A line end can't stand within a JSON string, so no string is touched.
_NUMBERS = re.compile(rf"\[\n\s*({_NUMBER}(?:,\n\s*{_NUMBER})*)\n\s*\]")


def spelled(thing: object) -> str:
    """The `repr` of an object on one line, without addresses in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(thing).split()))


def json_text(value: Any) -> str:
    """Strict JSON to be read by people, too: indented, but lists of numbers stand in one line."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    return _NUMBERS.sub(lambda match: "[" + re.sub(r",\s+", ", ", match[1]) + "]", text) + "\n"

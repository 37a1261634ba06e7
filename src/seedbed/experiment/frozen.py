"""The specification as a file, written before the first fit: nobody can move the goal afterwards unseen."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seedbed.experiment.asked import without_passwords
from seedbed.experiment.origin import origin
from seedbed.experiment.plan import Plan
from seedbed.files import write_whole
from seedbed.networks import FileArchitecture, architecture_to_values

__all__ = [
    "FROZEN",
    "code_of",
    "differences",
    "file_hash",
    "freeze",
    "frozen_in",
]


FROZEN = "experiment.json"
"""The specification's file in the folder of a run."""

_HASHED = {
    "table sha256": "the table's cells have changed",
    "table groups_sha256": "the table's groups have changed",
    "table times_sha256": "the table's times have changed",
    "splits_sha256": "the splits are others",
}


def freeze(plan: Plan, folder: str | Path, options: Mapping[str, Any]) -> Path:
    """Write `experiment.json` into a folder, which is made if need be.

    Args:
        options: those of the command, which `seedbed resume` takes; empty for a call in Python.
    """
    path = Path(folder) / FROZEN
    path.parent.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    document = dict(plan.specification) | {
        "command": plan.experiment.command,
        "options": dict(options),
        "reading": _without_passwords(plan.experiment.table.reading),
        "networks": {one.name: architecture_to_values(one.architecture) for one in plan.experiment.candidates},
        "code": code_of(plan),
        "files": {
            one.architecture.path: file_hash(Path(one.architecture.path))
            for one in plan.experiment.candidates
            if isinstance(one.architecture, FileArchitecture)
        },
        "frozen_at": when,
    }
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda where: where.write_text(text))
    return path


def code_of(plan: Plan) -> dict[str, str | None]:
    """Return a hash of what each candidate and each baseline does, see `origin`; None where that can't be known."""
    spec = plan.experiment
    networks = {one.name: origin(one.architecture) for one in spec.candidates}
    return networks | {one.name: origin(one.estimator) for one in spec.baselines}


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; an empty text where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _without_passwords(reading: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {**reading, "source": without_passwords(reading["source"])}


def frozen_in(folder: Path) -> dict[str, Any]:
    """What `experiment.json` in a folder says; nothing if it isn't there or can't be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / FROZEN).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, where a specification differs from one on disk; nothing where there is none on disk."""
    if not then:
        return []
    return [words for key in now for words in _between(key, _by_name(key, then.get(key)), _by_name(key, now[key]))]


def _between(place: str, then: Any, now: Any) -> list[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        inside = [_between(f"{place} {key}", then.get(key), now.get(key)) for key in {**then, **now}]
        return [difference for differences in inside for difference in differences]
    if then == now:
        return []
    if place in _HASHED:
        return [_HASHED[place]]
    if isinstance(then, dict) or isinstance(now, dict) or None in (then, now):
        return [f"{place} is {'new' if then is None else 'gone'}"]
    return [f"{place} was {then}, is {now}"]


def _by_name(key: str, value: Any) -> Any:
    """A list of things with names as a mapping."""
    return {one["name"]: one for one in value or ()} if key in ("candidates", "baselines", "sweeps") else value

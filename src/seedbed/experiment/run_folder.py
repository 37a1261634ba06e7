"""The folder of a run: one writer at a time, and one specification until its results are written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seedbed.arguments import shown
from seedbed.errors import OptionError
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.frozen import FROZEN, freeze, specification
from seedbed.experiment.kept import Kept
from seedbed.experiment.plan import Plan
from seedbed.files import remove_parts

__all__ = ["RunFolder", "frozen_in", "is_finished", "open_folder"]

_RESULTS = "comparison.json"
_NAMED = 3  # differences that a message names
_HASHED = {
    "table sha256": "the table's cells have changed",
    "table groups_sha256": "the table's groups have changed",
    "table times_sha256": "the table's times have changed",
    "splits_sha256": "the splits are others",
}


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, while this process alone may write into it.

    Attributes:
        frozen: the file of the specification.
        kept: what the run has finished.
    """

    frozen: Path
    kept: Kept

    def save(self, comparison: Comparison, *, pictures: str = "png") -> list[Path]:
        """Write the results, clear away what was kept until now, and return the paths.

        Raises:
            OptionError: they can't be written; what is kept stays.
        """
        folder = self.frozen.parent
        with _written(folder, "What is kept there stays; make room, and the same run goes on from it."):
            paths = comparison.save(folder, pictures=pictures)
        self.kept.remove()
        return [self.frozen, *paths]


@contextlib.contextmanager
def open_folder(
    plan: Plan, folder: str | Path, *, overwrite: bool = False, resumed: bool = False
) -> Iterator[RunFolder]:
    """The folder of a run, which is made if need be, with the specification in it.

    Args:
        overwrite: give up what another, unfinished run has left there.
        resumed: it must be this very run's.

    Raises:
        OptionError: another process is writing there, nothing can be written, or an unfinished run there is another.
    """
    folder = Path(folder)
    if "\0" in str(folder):
        raise OptionError(f"folder is {shown(str(folder))}", "A folder's name can't hold a null character.")
    with _written(folder, "Name another folder."):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".writer")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            message = f"another run is writing to {folder}"
            raise OptionError(message, "Wait until it has ended, or name another folder.") from None
    try:
        for place in (folder, folder / "unfinished"):
            remove_parts(place)
        path, kept = folder / FROZEN, Kept(plan, folder)
        frozen = frozen_in(folder)
        differing = _differences(frozen, specification(plan))
        if differing and (resumed or (kept.others and not overwrite and not is_finished(folder))):
            raise OptionError(*_refusal(folder, differing, resumed))
        if differing or not frozen:
            with _written(folder, "Name another folder."):
                freeze(plan, folder)
        yield RunFolder(path, kept)
    finally:
        # A rival who has opened it by now finds that it is nobody's, and opens it anew.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def frozen_in(folder: Path) -> dict[str, Any]:
    """What `experiment.json` in a folder says; nothing if it isn't there or can't be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / FROZEN).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def is_finished(folder: Path) -> bool:
    """Whether the results in a folder are those of the specification in it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        summary = json.loads((folder / _RESULTS).read_text(encoding="utf-8"))
        return not _differences(frozen_in(folder), summary["specification"])
    return False


@contextlib.contextmanager
def _written(folder: Path, hint: str) -> Iterator[None]:
    """A full disk, a folder that is read-only or a file in the way: errors that say so."""
    try:
        yield
    except OSError as error:
        raise OptionError(f"can't write to {folder}: {error.strerror or error}", hint) from error


def _refusal(folder: Path, differing: list[str], resumed: bool) -> tuple[str, str]:
    shown = "; ".join(differing[:_NAMED])
    if (more := len(differing) - _NAMED) > 0:
        shown += f"; and {more:,} more"
    if resumed:
        message = f"the run in {folder} can't go on as it was begun: {shown}"
        return message, "Put that right, or run seedbed compare with another --out."
    message = f"{folder} holds an unfinished run that isn't this one: {shown}"
    return message, "Name another folder, or give it up with --overwrite (overwrite=True in Python)."


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, where a specification differs from one on disk; nothing where there is none on disk."""
    if not then:
        return []
    now = json.loads(json.dumps(now))
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

"""What a user may name where a comparison is asked for: its folder, and what lies near it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seedbed.errors import OptionError, nearest
from seedbed.experiment.frozen import FROZEN

__all__ = ["check_comparison", "check_no_part_of_a_run"]

_COMPARISON, _TRAINING = "comparison.json", "training.json"
_NAMED = 10
_TABLE = "the table: seedbed train TABLE --target COLUMN --candidate CANDIDATE"


def check_comparison(folder: Path) -> None:
    """An error where a folder doesn't hold a finished comparison.

    Raises:
        OptionError: it doesn't; the hint names those that lie in it.
    """
    if (folder / _COMPARISON).is_file():
        return
    if (folder / FROZEN).is_file():
        message = f"the comparison in {folder} isn't finished"
        raise OptionError(message, f"seedbed resume {folder} goes on from what is kept.")
    if (folder / _TRAINING).is_file():
        message = f"{folder} holds a training on one split, and no comparison"
        raise OptionError(message, f"Name the folder of a comparison, or {_TABLE}.")
    hint = "Name a folder that seedbed compare has written"
    if found := _comparisons_in(folder):
        hint += f": {_listed(found)}"
    raise OptionError(f"{folder} holds no finished run of compare", f"{hint}.")


def check_no_part_of_a_run(table: str) -> None:
    """An error where a file that a run has left is named, and not its folder; or a folder that isn't there, beside
    others of runs.

    Raises:
        OptionError: it is so.
    """
    if ":" in table:  # an example, or an address
        return
    place = Path(table)
    beside = place.parent
    if place.is_file() and any((beside / name).is_file() for name in (_COMPARISON, _TRAINING)):
        left = (_COMPARISON, _TRAINING, FROZEN, "report.html")
        if place.name in left:
            raise OptionError(f"{place} is a file that a run has left", f"Name the folder: {beside}.")
    if not place.exists() and not place.suffix and (found := _comparisons_in(beside)):
        hint = nearest(str(place), map(str, found)) or f"Comparisons beside it: {_listed(found)}."
        raise OptionError(f"there is no folder {place}", hint)


def _comparisons_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one.parent for one in folder.glob(f"*/{_COMPARISON}"))


def _listed(folders: Iterable[Path]) -> str:
    names = [str(folder) for folder in folders]
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")

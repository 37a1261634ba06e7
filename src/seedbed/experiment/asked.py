"""A call or a command as text, so that a reader can make it again."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.data import Table
from seedbed.experiment.spec import TUTORIAL
from seedbed.experiment.writing import spelled
from seedbed.settings import RECIPES, Design, Recipe

__all__ = ["call_of", "without_passwords"]

_LONGEST = 200
# An address is matched to the end of its word, with a password or without: else each :// would be read to that end.
_ADDRESS = re.compile(r"(://[^:/@\s]*):([^\s'\"]+)")
_OPTION = re.compile(r"(?<=[?&\s]password=)[^&\s'\"]+", re.IGNORECASE)


def call_of(table: Table, candidates: Any, recipe: Recipe, lrs: Sequence[float], design: Design) -> str:
    """Return a call of `sb.compare` that asks the same again, such as `sb.compare('t.csv', target='y', quick=True)`.

    Tables and objects that have no short text are shown by their kind, passwords as stars.
    """
    reading = {name: value for name, value in (table.reading or {}).items() if name != "source"}
    if table.reading is None:
        arguments = [repr(table)]
    elif reading.keys() <= {"target"}:
        arguments = [_word(table.reading["source"]), *(f"{name}={_word(value)}" for name, value in reading.items())]
    else:
        words = [_word(table.reading["source"]), *(f"{name}={_word(value)}" for name, value in reading.items())]
        arguments = [f"sb.read_table({', '.join(words)})"]
    words_alone = isinstance(candidates, tuple) and all(isinstance(one, str) for one in candidates)
    if not words_alone or candidates != TUTORIAL:  # an array has no one answer to whether it equals something
        arguments.append(f"candidates={_word(candidates)}")
    names = [name for name, known in RECIPES.items() if known == recipe]
    if names != ["trained"]:
        arguments.append(f"recipe={names[0]!r}" if names else f"recipe=sb.{recipe!r}")
    if lrs:
        arguments.append(f"lr={list(lrs)}")
    if design != Design():
        arguments.append(f"design=sb.{design!r}")
    return without_passwords(f"sb.compare({', '.join(arguments)})")


def without_passwords(text: str) -> str:
    """The text with stars for passwords in the addresses of databases: it goes into files that are passed on."""

    def starred(address: re.Match[str]) -> str:
        password, _, rest = address[2].rpartition("@")
        return f"{address[1]}:***@{rest}" if password else address[0]

    return _OPTION.sub("***", _ADDRESS.sub(starred, text))


def _word(value: Any) -> str:
    """A value as a user would type it; what is too long for that by its kind and shape."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"<{type(value).__name__} {' x '.join(str(size) for size in shape)}>"
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__name__
    if isinstance(value, Mapping):
        words = "{" + ", ".join(f"{key!r}: {_word(one)}" for key, one in value.items()) + "}"
    elif isinstance(value, list | tuple):
        words = "[" + ", ".join(_word(one) for one in value) + "]"
    else:
        words = spelled(value)
    if len(words) <= _LONGEST:
        return words
    many = f" of {len(value)}" if isinstance(value, Mapping | list | tuple) else ""
    return f"<{type(value).__name__}{many}>"

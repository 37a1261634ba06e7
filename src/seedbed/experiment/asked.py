"""A call or a command as text, so that a reader can make it again."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from seedbed.experiment.writing import spelled

__all__ = ["call_of", "without_passwords"]

_HOW_IT_RUNS = ("on_progress", "jobs", "cluster", "device", "folder", "overwrite")
_LONGEST = 200
# An address is matched to the end of its word, with a password or without: else each :// would be read to that end.
_ADDRESS = re.compile(r"(://[^:/@\s]*):([^\s'\"]+)")
_OPTION = re.compile(r"(?<=[?&\s]password=)[^&\s'\"]+", re.IGNORECASE)


def call_of(function: Callable[..., Any], given: Mapping[str, Any]) -> str:
    """`sb.compare('heart_failure.csv', target='DEATH_EVENT')`: what was given, but for what is so anyway and what
    decides no result.

    Args:
        function: what was called.
        given: its arguments by name, as `locals()` has them while none is changed; other names are passed over.
    """
    arguments = []
    for name, parameter in inspect.signature(function).parameters.items():
        value = given[name]
        if name in _HOW_IT_RUNS or value is parameter.default or _same(value, parameter.default):
            continue
        keyword = parameter.kind is parameter.KEYWORD_ONLY
        arguments.append(f"{name}={_word(value)}" if keyword else _word(value))
    return without_passwords(f"sb.{function.__name__}({', '.join(arguments)})")


def without_passwords(text: str) -> str:
    """The text with stars for passwords in the addresses of databases: it goes into files that are passed on."""

    def starred(address: re.Match[str]) -> str:
        password, _, rest = address[2].rpartition("@")
        return f"{address[1]}:***@{rest}" if password else address[0]

    return _OPTION.sub("***", _ADDRESS.sub(starred, text))


def _same(value: Any, default: Any) -> bool:
    return isinstance(value, str | int | float | tuple) and type(value) is type(default) and value == default


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

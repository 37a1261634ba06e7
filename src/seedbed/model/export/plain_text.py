"""Values and calls as source code of Python, laid out as formatters do."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Call", "laid", "literal"]

WIDTH = 88

Call = tuple[str, Sequence["str | Call"], str]
"""What opens, the parts between commas, and what closes: a call or a list."""


def literal(value: str | float | bool) -> str:
    """A value as source code. Whatever a text holds, it is one string on one line, and reads back as the same."""
    found = repr(value)
    plain = isinstance(value, str) and not {"'", '"'} & set(value)
    return f'"{found[1:-1]}"' if plain else found


def laid(call: str | Call, indent: int = 0, after: str = "") -> list[str]:
    """Lines of source code: one if there is room, else the parts on a line of their own, else each of them on one.

    Args:
        indent: spaces before it.
        after: what stands behind it.
    """
    pad = " " * indent
    whole = _flat(call) + after
    if isinstance(call, str) or indent + len(whole) <= WIDTH:
        return [pad + whole]
    opening, parts, closing = call
    inner = ", ".join(map(_flat, parts))
    if indent + 4 + len(inner) <= WIDTH:
        return [pad + opening, f"{pad}    {inner}", pad + closing + after]
    return [pad + opening, *(line for part in parts for line in laid(part, indent + 4, ",")), pad + closing + after]


def _flat(call: str | Call) -> str:
    return call if isinstance(call, str) else call[0] + ", ".join(map(_flat, call[1])) + call[2]

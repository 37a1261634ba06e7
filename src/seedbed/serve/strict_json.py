"""JSON as its standard has it, and no more: no NaN, no key twice, no nesting without an end."""

from __future__ import annotations

import json
import math
from typing import Any

from seedbed.serve.refusal import RefusedError

__all__ = ["read_json", "write_json"]

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_LONGEST_NUMBER = 400  # characters


def read_json(body: bytes, depth: int) -> Any:
    """The values of a request's body.

    Raises:
        RefusedError: it isn't JSON, or nested deeper than `depth`.
    """
    if body.count(b"[") + body.count(b"{") > depth:
        _check_depth(body, depth)
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise RefusedError(400, "json", "the body isn't UTF-8") from None
    except RecursionError:
        raise _too_deep(depth) from None
    except ValueError as error:  # JSONDecodeError, ours, or an integer of thousands of digits
        raise RefusedError(400, "json", f"the body isn't JSON: {error}") from None


def write_json(values: Any) -> bytes:
    """Plain values as JSON; all characters are ASCII, so that half a character, echoed, is no trouble."""
    return _ENCODER.encode(values).encode()


def _check_depth(body: bytes, depth: int) -> None:
    """Refuse deep nesting, level by level from the inside. Each step is one linear pass: a pattern for texts would try
    the end of a text from each of its quotes."""
    outside = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    left = outside.translate(_SQUARE, _NO_BRACKETS)
    for _ in range(depth):
        inner = left.replace(b"[]", b"")
        if len(inner) == len(left):
            break  # no brackets are left, or they don't match and the parser reports it
        left = inner
    if b"[]" in left:
        raise _too_deep(depth)


def _too_deep(depth: int) -> RefusedError:
    return RefusedError(
        400, "json", f"the body is nested more than {depth} deep", "Send rows as records, or as columns."
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} is there twice")
    return found


def _number(text: str) -> float:
    number = float(text) if len(text) <= _LONGEST_NUMBER else math.inf
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]}... is too large, or too long")
    return number


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"the number {text[:20]}... is too long")
    return int(text)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON; null is what isn't known")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_constant
)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

"""How much a server accepts, and the error for what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_LONGEST_NUMBER = 400  # characters
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Limits:
    """The limits of one server.

    Attributes:
        body: bytes of a request's body.
        head: bytes of its first line and headers.
        rows: of a request.
        depth: how deeply its JSON may be nested.
        text: characters of one cell.
        waiting: requests that wait for the model; one more is refused.
        connections: open connections; one more is refused.
        head_seconds: from the first byte of a request, or from connecting, to the end of its headers.
        body_seconds: from there to the end of its body.
        answer_seconds: from the end of a body to its answer.
        idle_seconds: between two requests of a connection.
        write_seconds: for a client to read an answer.
        stop_seconds: for the server to end; it finishes current answers.
    """

    body: int = 1 << 20
    head: int = 1 << 15
    rows: int = 10_000
    depth: int = 8
    text: int = 1_000
    waiting: int = 256
    connections: int = 512
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    answer_seconds: float = 60.0
    idle_seconds: float = 15.0
    write_seconds: float = 30.0
    stop_seconds: float = 5.0


class RefusedError(Exception):
    """An error that is answered with an HTTP status.

    Attributes:
        status: the HTTP status.
        code: a stable, lower-case identifier, for scripts.
        message: what was found.
        hint: what to do; may be empty.
        headers: additional headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.headers = status, code, message, hint, headers

    def values(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def read_json(body: bytes, depth: int) -> Any:
    """Return the values of a request's body. NaN, a key twice and deep nesting are refused."""
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
    """Return plain values as JSON in ASCII, which can echo even half a character."""
    return _ENCODER.encode(values).encode()


def _check_depth(body: bytes, depth: int) -> None:
    """Refuse deep nesting by removing brackets from the inside, in linear passes. A regular expression for texts would
    be quadratic."""
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
    return RefusedError(400, "json", f"the body is nested more than {depth} deep", "Send rows as records.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} is there twice")
    return record


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
    raise ValueError(f"{text} is not JSON; use null for an unknown value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_constant
)

"""What a server accepts: names, pages of other sites and the token; how much; and the error for what it refuses."""

from __future__ import annotations

import hmac
import ipaddress
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seedbed.errors import OptionError

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
    brackets = outside.translate(_SQUARE, _NO_BRACKETS)
    for _ in range(depth):
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            break  # no brackets are left, or they don't match and the parser reports it
        brackets = inner
    if b"[]" in brackets:
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


SHORTEST_TOKEN = 16
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_NAME = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?")
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Gate:
    """The server's names and token.

    Names are checked because of DNS rebinding: a foreign page can give its own name a local address, and the browser
    takes both for one site.

    Attributes:
        hosts: allowed values of the `Host` header, in lower case.
        token: token that requests must contain; None if none is needed.
    """

    hosts: frozenset[bytes]
    token: bytes | None = None

    @classmethod
    def of(cls, host: str, port: int, token: str | None = None, others: Iterable[str] = ()) -> Gate:
        """Return the gate of a server that listens on `host` and `port`.

        Proxies may use other names; a name with a port allows that port only.

        Raises:
            OptionError: an address that other machines can reach, without a token or a name; a bad token or name.
        """
        others = [name.lower() for name in others]
        if token is not None:
            check_token(token)
        elif not is_loopback(host):
            message = f"{host} can be reached from other machines, and there is no token"
            raise OptionError(message, f"Give one of at least {SHORTEST_TOKEN} characters with --token.")
        if _is_wildcard(host) and not others:
            message = f"{host} is every address of this machine, so the server's name must be given"
            raise OptionError(message, "Give one or several names with --allow-host.")
        for name in others:
            if not _NAME.fullmatch(name):
                raise OptionError(f"'{name}' is not a host name", "Give a name or an address, perhaps with a port.")
        hosts = {*_LOCAL} if _is_wildcard(host) else {*_LOCAL, f"[{host}]".lower() if ":" in host else host.lower()}
        names = {f"{name}:{port}" for name in hosts} | (hosts if port == 80 else set())
        names |= {*others, *(f"{name}:{port}" for name in others if not re.search(r":[0-9]+$", name))}
        return cls(frozenset(name.encode() for name in names), token.encode() if token is not None else None)

    def check_host(self, hosts: list[bytes]) -> None:
        """Raise RefusedError unless there is one `Host` header with a name of the server."""
        if len(hosts) != 1:
            raise RefusedError(400, "host", "a request needs one Host header")
        if hosts[0].lower() not in self.hosts:
            hint = "To allow the name, start the server with --allow-host."
            raise RefusedError(421, "host", "the name in the Host header isn't a name of this server", hint)

    def check_origin(self, origins: list[bytes]) -> None:
        """Raise RefusedError if an `Origin` header names another site than the server's own page."""
        for origin in origins:
            scheme, _, host = origin.lower().partition(b"://")
            if scheme not in (b"http", b"https") or host not in self.hosts:
                raise RefusedError(403, "origin", "requests from pages of other sites are refused")

    def check_token(self, headers: list[bytes]) -> None:
        """Raise RefusedError unless there is one `Authorization` header with the token."""
        if self.token is None:
            return
        scheme, _, token = (headers[0] if len(headers) == 1 else b"").partition(b" ")
        if not (hmac.compare_digest(token.strip(), self.token) and scheme.lower() == b"bearer"):
            raise RefusedError(
                401,
                "token",
                "the token is missing or wrong",
                "Send it as a header: Authorization: Bearer TOKEN.",
                ((b"www-authenticate", b"Bearer"),),
            )


def check_token(token: str) -> None:
    """Raise OptionError if a token is easily guessed or can't be sent."""
    if len(token) < SHORTEST_TOKEN:
        message = f"the token has {len(token)} characters"
        raise OptionError(message, f"Give at least {SHORTEST_TOKEN}, such as the output of: openssl rand -hex 16")
    if not _TOKEN.fullmatch(token):
        raise OptionError("the token contains a space or a special character", "Give ASCII letters, digits and signs.")


def is_loopback(host: str) -> bool:
    """Return whether an address, or `localhost`, can be reached from this machine alone."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False

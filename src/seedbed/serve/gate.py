"""Which requests are allowed, by their Host, Origin and Authorization headers."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from seedbed.errors import OptionError
from seedbed.serve.limits import RefusedError

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
        given = [] if _is_wildcard(host) else [f"[{host}]".lower() if ":" in host else host.lower()]
        names = {f"{name}:{port}" for name in (*_LOCAL, *given)} | ({*_LOCAL, *given} if port == 80 else set())
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

    def check_token(self, given: list[bytes]) -> None:
        """Raise RefusedError unless there is one `Authorization` header with the token."""
        if self.token is None:
            return
        scheme, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
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

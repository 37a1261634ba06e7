"""Run a server in this process."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.errors import OptionError
from seedbed.model.model import Model
from seedbed.serve.predictor import Limits

_THREAD = "seedbed-serves"


@dataclass(frozen=True)
class Address:
    """Where a server listens, and which requests it accepts. Invalid values raise OptionError."""

    host: str = "127.0.0.1"  # an address of this machine, or a name of one
    port: int = 8000  # 0 for any free port
    token: str | None = (
        None  # that requests must contain; needed if other machines can reach the host
    )
    names: Sequence[
        str
    ] = ()  # other names of the server; one with a port allows that port only

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise OptionError(f"port is {self.port}", "It must be from 0 to 65535.")
        if self.token is None and not re.fullmatch(
            r"localhost|127(\.\d+){3}|::1", self.host, re.IGNORECASE
        ):
            raise OptionError(
                f"{self.host} can be reached from other machines, and there is no token",
                "Give --token.",
            )
        if self.token is not None and not re.fullmatch("[!-~]{16,}", self.token):
            raise OptionError(
                f"the token has {len(self.token)} characters, or some that aren't ASCII letters, digits or signs",
                "Give at least 16 characters, such as the output of: openssl rand -hex 16",
            )
        if self.host in ("0.0.0.0", "::") and not self.names:
            raise OptionError(
                f"{self.host} is every local address",
                "Give one or several names with --allow-host.",
            )
        for name in self.names:
            if not re.fullmatch(
                r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?", name, re.IGNORECASE
            ):
                raise OptionError(
                    f"'{name}' is not a host name",
                    "Give a name or an address, perhaps with a port.",
                )

    def url(self, port: int) -> str:
        return (
            f"http://[{self.host}]:{port}"
            if ":" in self.host
            else f"http://{self.host}:{port}"
        )

    def accepted(self, port: int) -> frozenset[str]:
        """Return the values of the `Host` header that are accepted, in lower case."""
        names = {
            "127.0.0.1",
            "localhost",
            "[::1]",
            self.url(port)[7:].rpartition(":")[0],
            *self.names,
        }
        with_port = {f"{name}:{port}".lower() for name in names}
        return frozenset(
            with_port | {name.lower() for name in (names if port == 80 else self.names)}
        )


def serve_model(
    model: Model, address: Address, *, started: Callable[[str], None]
) -> None:
    """Serve a model until SIGINT, which raises KeyboardInterrupt, or SIGTERM, which ends the
    process. Current answers are finished first. `started` is called with the address of the server
    when it listens."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with serving(model, address) as url:
            started(url)
            gc.freeze()  # the model stays anyway; collecting it takes a tenth of a second each time
            while any(thread.name == _THREAD for thread in threading.enumerate()):
                time.sleep(1)  # a signal ends it
    except SystemExit:
        os._exit(0)  # Python's own exit would wait for a running prediction
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def serving(
    model: Model, address: Address, *, limits: Limits = Limits()
) -> Iterator[str]:
    """Run a server in a thread of this process while the context is open; yield its address."""
    try:
        import uvicorn

        from seedbed.serve.app import make_app
    except ImportError as error:
        raise OptionError(
            f"serving needs {error.name}, which isn't installed",
            "Install it with: pip install 'seedbed[serve]'.",
        ) from None
    host = "127.0.0.1" if address.host.lower() == "localhost" else address.host
    try:
        bound = socket.create_server(
            (host, address.port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        )
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", error)).partition(" (while")[0]
        raise OptionError(
            f"can't listen on {host}, port {address.port} ({reason})",
            "Give an address of this machine with --host, or another --port, 0 for any that is free.",
        ) from None
    with bound:
        port = bound.getsockname()[1]
        waits = dict[Any, Any]()
        config = uvicorn.Config(
            make_app(model, address.accepted(port), address.token, limits),
            http="h11",
            ws="none",
            log_config=None,
            log_level="critical",  # the predictor prints its own errors
            proxy_headers=False,
            server_header=False,
            headers=[
                ("x-content-type-options", "nosniff"),
                ("cache-control", "no-store"),
            ],
            h11_max_incomplete_event_size=limits.head,
            limit_concurrency=limits.connections + 1,
            timeout_notify=0,
            callback_notify=lambda: _close_slow(
                server.server_state.connections, limits, waits
            ),
            timeout_graceful_shutdown=limits.stop_seconds - 1.5,  # type: ignore[arg-type]
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([bound],), name=_THREAD)
        thread.start()
        try:
            yield address.url(port)
        finally:
            server.should_exit = True
            thread.join()


async def _close_slow(
    connections: set[Any], limits: Limits, waits: dict[Any, tuple[Any, float]]
) -> None:
    """Close connections that wait too long for the headers of a request, or for the client to read
    an answer. The last request of each one that waits, and since when, are kept in `waits`."""
    now = time.monotonic()
    before = waits.copy()
    waits.clear()
    for connection in list(connections):
        cycle = connection.cycle
        is_unread = connection.transport.get_write_buffer_size() > 0
        if is_unread or cycle is None or cycle.response_complete:
            last, since = before.get(connection, (None, now))
            waits[connection] = cycle, since if last is cycle else now
            if now - waits[connection][1] > (
                limits.write_seconds if is_unread else limits.head_seconds
            ):
                connection.transport.abort()

"""Run a server in this process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from seedbed.errors import OptionError
from seedbed.model.model import Model
from seedbed.serve.app import App
from seedbed.serve.limits import Gate, Limits, is_loopback

if TYPE_CHECKING:
    import uvicorn


@dataclass(frozen=True)
class Address:
    """Where a server listens, and which requests it accepts.

    Attributes:
        host: an address of this machine, or a name of one.
        port: 0 for any free port.
        token: token that requests must contain; needed if other machines can reach `host`.
        names: other names of the server.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: Sequence[str] = ()

    def url(self, port: int) -> str:
        """Return the address of the page."""
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"


def check_address(address: Address) -> None:
    """Raise OptionError if the server can't have this address. Called before a model is loaded."""
    if not 0 <= address.port <= 65_535:
        raise OptionError(f"port is {address.port}", "It must be from 0 to 65535.")
    Gate.of(address.host, address.port, address.token, address.names)


def serve_model(
    model: Model,
    address: Address,
    *,
    limits: Limits | None = None,
    version: str = "",
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve a model until the process gets SIGINT, which raises KeyboardInterrupt, or SIGTERM, which ends it.

    Current answers are finished first.

    Args:
        version: of seedbed, as clients see it.
        started: called with the server's address when it listens.

    Raises:
        OptionError: the address isn't available, or other machines can reach it and there is no token; uvicorn isn't
            installed.
    """
    try:
        with _open_server(model, address, limits or Limits(), version) as (app, server, bound):
            before = signal.signal(signal.SIGTERM, _end)
            try:
                started(address.url(bound.getsockname()[1]))
                gc.freeze()  # torch's objects stay anyway; collecting them takes a tenth of a second each time
                _run(server, bound)
            finally:
                signal.signal(signal.SIGTERM, before)
    except SystemExit:
        if app.worker.busy:
            os._exit(0)  # Python's own exit would abort, as torch can't stop a running thread
        raise


@contextlib.contextmanager
def serving(model: Model, address: Address, *, limits: Limits | None = None, version: str = "") -> Iterator[str]:
    """Run a server in a thread of this process while the context is open; yield its address.

    Raises:
        OptionError: as `serve_model`.
    """
    with _open_server(model, address, limits or Limits(), version) as (_, server, bound):
        thread = threading.Thread(target=_run, args=(server, bound), name="seedbed-serves")
        thread.start()
        try:
            yield address.url(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def _open_server(
    model: Model, address: Address, limits: Limits, version: str
) -> Iterator[tuple[App, uvicorn.Server, socket.socket]]:
    """Yield an application, its server that is ready to run, and a socket that accepts connections already."""
    check_address(address)
    with _open_socket(address) as bound:
        gate = Gate.of(address.host, bound.getsockname()[1], address.token, address.names)
        app = App(model, gate, limits, version)
        with app.worker:
            yield app, _http_server(app, limits), bound


def _http_server(app: App, limits: Limits) -> uvicorn.Server:
    """Return the HTTP server of an application, if uvicorn is installed."""
    try:
        import uvicorn

        from seedbed.serve.http_messages import protocol_with
    except ImportError as error:
        message = f"serving needs {error.name}, which isn't installed"
        raise OptionError(message, "Install it with: pip install 'seedbed[serve]'.") from None
    config = uvicorn.Config(
        app,
        http=protocol_with(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # the application prints its own errors
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
        timeout_graceful_shutdown=limits.stop_seconds - 1.5,  # type: ignore[arg-type]  # the rest is for the worker
    )
    return uvicorn.Server(config)


def _run(server: uvicorn.Server, bound: socket.socket) -> None:
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[bound]))


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End the process. uvicorn sends itself the signal again when all requests are answered."""
    raise SystemExit(0)


def _open_socket(address: Address) -> socket.socket:
    """Return a socket that accepts connections. Raise OptionError if the address isn't available."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise OptionError(
            f"{address.host} is not an address ({error})", "Give one of this machine with --host."
        ) from None
    if is_loopback(address.host) and not ipaddress.ip_address(where[0]).is_loopback:
        raise OptionError(
            f"{address.host} leads to {where[0]}, which isn't this machine alone", "Give --host 127.0.0.1."
        )
    bound = socket.socket(family, kind)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.listen(1024)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        message = f"can't listen on {address.host}, port {address.port} ({error.strerror})"
        hint = "Give another --port, or 0 for any that is free."
        if error.errno == errno.EADDRNOTAVAIL:
            hint = "Give an address of this machine with --host, or 0.0.0.0 for all it has."
        raise OptionError(message, hint) from None
    return bound

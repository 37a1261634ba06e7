"""The ASGI application: every request passes one gate to one of a few fixed routes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from seedbed.errors import visible
from seedbed.figures.theme import css_themes
from seedbed.model.model import Model
from seedbed.serve.limits import Gate, Limits, RefusedError, write_json
from seedbed.serve.openapi import document
from seedbed.serve.worker import Worker, ending

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_CLOSED = b"default-src 'none'; frame-ancestors 'none'"
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_JSON = [(b"content-type", b"application/json"), (b"content-security-policy", _CLOSED), *_SAFE]
_TEXT = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8"), *_JSON[1:]]


class Metrics:
    """Counts of requests, rows and times as Prometheus reads them. They are written in the server's thread alone."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0
        self.rows = 0

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request. The route is a path of the server, never a text of the client."""
        self._requests[route, status] += 1
        self._seconds += seconds
        place = next((place for place, limit in enumerate(_SECONDS) if seconds <= limit), len(_SECONDS))
        self._buckets[place] += 1

    def lines(self) -> Iterator[str]:
        """Yield the lines of the page."""
        yield "# HELP seedbed_requests_total Requests that were answered."
        yield "# TYPE seedbed_requests_total counter"
        for (route, status), count in sorted(self._requests.items()):
            yield f'seedbed_requests_total{{route="{route}",status="{status}"}} {count}'
        yield "# HELP seedbed_rows_total Rows that were predicted."
        yield "# TYPE seedbed_rows_total counter"
        yield f"seedbed_rows_total {self.rows}"
        yield "# HELP seedbed_request_seconds From a request's headers to its answer."
        yield "# TYPE seedbed_request_seconds histogram"
        total = 0
        for limit, count in zip((*_SECONDS, "+Inf"), self._buckets, strict=True):
            total += count
            yield f'seedbed_request_seconds_bucket{{le="{limit}"}} {total}'
        yield f"seedbed_request_seconds_sum {self._seconds:.6f}"
        yield f"seedbed_request_seconds_count {total}"
        yield "# HELP seedbed_queue_length Requests that wait for the model."
        yield "# TYPE seedbed_queue_length gauge"
        yield f"seedbed_queue_length {self._waiting()}"


Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Route:
    """What is done at one path.

    Attributes:
        method: the only HTTP method.
        open: whether no token is needed, as the answer contains nothing of the model.
        content: of a GET: returns headers and body; None predicts the rows of a POST.
    """

    method: str
    open: bool = False
    content: Callable[[], tuple[Headers, bytes]] | None = None


class App:
    """An ASGI application that serves one model; its `worker` is a context manager for the thread that predicts."""

    def __init__(self, model: Model, gate: Gate, limits: Limits | None = None, version: str = "") -> None:
        self._gate, self._limits = gate, limits or Limits()
        self.worker = Worker(model, self._limits)
        self._metrics = Metrics(lambda: self.worker.waiting)
        self.routes = self._routes(model, version)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"a connection of the type {scope['type']} isn't served")
        started, path = time.perf_counter(), scope["path"]
        try:
            status = 200
            headers, body = await self._answer(scope, path, receive)
        except (RefusedError, asyncio.CancelledError) as stopped:  # the server cancels requests when it ends
            refusal = stopped if isinstance(stopped, RefusedError) else ending()
            status = refusal.status
            headers, body = [*_JSON, *refusal.headers], write_json(refusal.values())
            if scope["method"] not in ("GET", "HEAD"):
                headers.append((b"connection", b"close"))  # the rest of the body won't be read
        except _GoneError:
            return
        except Exception:  # noqa: BLE001 - the client mustn't see the trace, a maintainer should
            print(visible(traceback.format_exc()), end="", file=sys.stderr)
            failure = RefusedError(500, "internal", "the server failed", "This is a bug in seedbed.")
            status, headers = 500, [*_JSON, (b"connection", b"close")]
            body = write_json(failure.values())
        await send({"type": "http.response.start", "status": status,
                    "headers": [*headers, (b"content-length", b"%d" % len(body))]})  # fmt: skip
        await send({"type": "http.response.body", "body": body})
        self._metrics.add(path if path in self.routes else "other", status, time.perf_counter() - started)

    async def _answer(self, scope: Message, path: str, receive: Receive) -> tuple[Headers, bytes]:
        """Return headers and body of the answer."""
        request_headers: Headers = scope["headers"]
        self._gate.check_host(_values(request_headers, b"host"))
        self._gate.check_origin(_values(request_headers, b"origin"))
        route = self.routes.get(path)
        if route is None or not route.open:
            self._gate.check_token(_values(request_headers, b"authorization"))
        if route is None:
            raise RefusedError(
                404, "not_found", "there is nothing at this path", "POST rows to /predict; GET /openapi.json lists all."
            )
        if scope["method"] != route.method:
            allowed = ((b"allow", route.method.encode()),)
            raise RefusedError(405, "method", f"this path accepts {route.method} only", headers=allowed)
        if route.content is not None:
            return route.content()
        _check_json(request_headers)
        body, rows = await self.worker.answer(await self._body(request_headers, receive))
        self._metrics.rows += rows
        return _JSON, body

    async def _body(self, request_headers: Headers, receive: Receive) -> bytes:
        """Return the whole body. Its length is measured; a header with the length is used only to refuse early."""
        most = self._limits.body
        too_long = RefusedError(
            413, "body", f"the body is longer than {most:,} bytes", "Send the rows in several requests."
        )
        if any(length.isdigit() and int(length[:20]) > most for length in _values(request_headers, b"content-length")):
            raise too_long
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise _GoneError
                    chunks.append(event.get("body", b""))
                    size += len(chunks[-1])
                    if size > most:
                        raise too_long
                    if not event.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            seconds = self._limits.body_seconds
            raise RefusedError(408, "timeout", f"the body didn't arrive within {seconds:g} seconds") from None

    def _routes(self, model: Model, version: str) -> dict[str, Route]:
        has_token = self._gate.token is not None
        page_headers, page_body = form_page(has_token)
        return {
            "/": Route("GET", open=True, content=lambda: ([*page_headers, *_SAFE], page_body)),
            "/health": _fixed_route({"status": "ok"}, open=True),
            "/card": _fixed_route(model.card()),
            "/openapi.json": _fixed_route(document(model, version, token=has_token)),
            "/metrics": Route("GET", content=lambda: (_TEXT, "\n".join([*self._metrics.lines(), ""]).encode())),
            "/predict": Route("POST"),
        }


class _GoneError(Exception):
    """The client has left."""


def _values(headers: Headers, name: bytes) -> list[bytes]:
    """Return all values of a header."""
    return [value for other, value in headers if other == name]


def _check_json(headers: Headers) -> None:
    """Raise RefusedError unless the body is said to be JSON, which a page of another site can't send unasked."""
    kinds = _values(headers, b"content-type")
    kind, _, more = (kinds[0] if len(kinds) == 1 else b"").lower().partition(b";")
    charset = more.replace(b" ", b"").replace(b'"', b"")
    if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8"):
        hint = "Send it as a header: Content-Type: application/json."
        raise RefusedError(415, "content_type", "the content type of the body isn't JSON", hint)
    if any(coding.strip().lower() != b"identity" for coding in _values(headers, b"content-encoding")):
        raise RefusedError(415, "content_type", "the body is compressed", "Send it as it is.")


def _fixed_route(values: Any, *, open: bool = False) -> Route:
    body = write_json(values)
    return Route("GET", open=open, content=lambda: (_JSON, body))


def form_page(token: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of the page with a form for one row, the same for every model.

    Its script requests the card, with the token if there is one, and builds the form from it. It asks for a token if
    the server needs one, and forgets it when closed.
    """
    style, script = css_themes() + _text("page.css"), _text("page.js")
    # Hashes allow these two and nothing else: no other script, no address but the server's own.
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    body = _text("page.html").replace("{token}", "yes" if token else "no")
    body = body.replace("{style}", style).replace("{script}", script)
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode()),
    ], body.encode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return files("seedbed.serve").joinpath("page", name).read_text(encoding="utf-8")

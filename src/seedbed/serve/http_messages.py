"""Limits of time and size that uvicorn lacks.

uvicorn's own limits begin when the headers are complete. A client that sends them a byte a minute, or without an end,
or doesn't read the answer, would keep a connection forever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seedbed.serve.limits import Limits, RefusedError, write_json


def protocol_with(limits: Limits) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with these limits."""
    return type("LimitedProtocol", (_Limited,), {"limits": limits})


class _Limited(HttpToolsProtocol):
    limits: Limits
    _timer: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None
    _in_head = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.limits.connections:
            self._refuse(RefusedError(503, "busy", "too many connections are open", "Try again later."))

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > self.limits.head:
                self._refuse(self._too_long())
            return
        cycle: Any = self.cycle  # None before the first request, despite its type
        if self._timer is None and (cycle is None or cycle.response_complete):
            self._await_head()  # line ends before a request: uvicorn no longer waits for it

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._await_head()

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.head:
            self._refuse(self._too_long())
            raise ValueError("too long a head")  # the parser stops
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what isn't HTTP, in the form of all other errors."""
        self._refuse(RefusedError(400, "http", msg.rstrip(".")))

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timer = None
        if self._in_head:
            seconds = self.limits.head_seconds
            self._refuse(RefusedError(408, "timeout", f"the headers didn't arrive within {seconds:g} seconds"))
        elif not self.transport.is_closing():
            self.transport.close()  # nothing was asked, so nothing is answered

    def _too_long(self) -> RefusedError:
        return RefusedError(431, "head", f"the headers are longer than {self.limits.head:,} bytes")

    def _refuse(self, refusal: RefusedError) -> None:
        """Answer without the application, and close the connection."""
        if self.transport.is_closing():
            return
        body = write_json(refusal.values())
        head = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\ncache-control: no-store\r\n"
        head += "x-content-type-options: nosniff\r\ncontent-security-policy: default-src 'none'\r\n"
        head += "retry-after: 1\r\n" if refusal.status == 503 else ""
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()

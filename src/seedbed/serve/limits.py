"""How much a server takes from whoever asks: nothing is read, kept or waited for without an end."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """The limits of one server.

    Attributes:
        body: bytes of a request's body.
        head: bytes of its first line and headers.
        rows: of a request.
        depth: how deeply its JSON may be nested.
        text: characters of one cell.
        waiting: requests that wait for the model; one more is turned away.
        connections: that are open at once; one more is turned away.
        head_seconds: from the first byte of a request, or from connecting, to the end of its headers.
        body_seconds: from there to the end of its body.
        answer_seconds: from the end of a body to its answer.
        idle_seconds: between two requests of a connection.
        write_seconds: for which a client may leave an answer unread.
        stop_seconds: in which the server ends once it is asked to; answers under way are waited for.
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

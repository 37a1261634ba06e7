"""The application: every request passes the gate to one of a few fixed routes."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from seedbed.figures.theme import css_themes
from seedbed.model.model import Model
from seedbed.serve.predictor import (
    Limits,
    Predictor,
    Reply,
    refusal,
)

OPEN = (
    "/",
    "/health",
)  # they need no token, as their answers say nothing about the model


def make_app(
    model: Model, hosts: frozenset[str], token: str | None, limits: Limits
) -> Starlette:
    """Return an application that serves a model to requests with the token and one of these `Host`
    headers."""
    predictor = Predictor(model, limits)

    async def predict(request: Request) -> Response:
        return _json(await _answer(request, predictor, limits))

    fixed = {
        "/": _page(token=token is not None),
        "/health": _json((200, b'{"status":"ok"}')),
        "/card": _json((200, msgspec.json.encode(model.card()))),
    }
    routes = [
        Route(path, response, methods=["GET"]) for path, response in fixed.items()
    ]
    app = Starlette(
        routes=[*routes, Route("/predict", predict, methods=["POST"])],
        middleware=[Middleware(_gated, hosts=hosts, token=token)],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False
    return app


async def _answer(request: Request, predictor: Predictor, limits: Limits) -> Reply:
    """Return the answer to a request for predictions."""
    # A page of another site can't send this type without permission.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return refusal(
            415,
            "content_type",
            "the content type of the body isn't JSON",
            "Send it as a header: Content-Type: application/json.",
        )
    try:
        async with asyncio.timeout(limits.body_seconds) as reading:
            body = await _body_of(request, limits.body)
        async with asyncio.timeout(limits.answer_seconds):
            return await asyncio.wrap_future(predictor.answer(body))
    except TimeoutError:
        if reading.expired():
            message = f"the body didn't arrive within {limits.body_seconds:g} seconds"
            return refusal(408, "timeout", message)
        message = f"there was no answer within {limits.answer_seconds:g} seconds"
        return refusal(503, "busy", message, "Send fewer rows, or try later.")
    except asyncio.CancelledError:  # by uvicorn, when its time to shut down is over
        return refusal(503, "busy", "the server is stopping", "Try again later.")


async def _body_of(request: Request, most: int) -> bytes:
    """Return the body of a request. HTTPException if it has more bytes, or says so. Starlette's own
    limit would answer without JSON, also where the host or the token is wrong."""
    declared = request.headers.get("content-length", "")
    size = float(declared) if declared.isdecimal() else 0.0
    body = bytearray()
    chunks = request.stream()
    while size <= most and (chunk := await anext(chunks, None)) is not None:
        body += chunk
        size = max(size, len(body))
    if size > most:
        raise HTTPException(413, "Content too large")
    return bytes(body)


def _gated(app: ASGIApp, hosts: frozenset[str], token: str | None) -> ASGIApp:
    """Return the application behind a gate. Names are checked because of DNS rebinding: a foreign
    page can give its own name a local address, and the browser takes both for one site."""

    async def gated(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        answer = app
        sent = headers.get("authorization", "").encode()
        if headers.get("host", "").lower() not in hosts:
            hint = "To allow the name, start the server with --allow-host."
            answer = _json(
                refusal(
                    421,
                    "host",
                    "the name in the Host header isn't a name of this server",
                    hint,
                )
            )
        elif any(
            origin.lower().partition("://")[2] not in hosts
            for origin in headers.getlist("origin")
        ):
            answer = _json(
                refusal(403, "origin", "requests from pages of other sites are refused")
            )
        elif (
            token
            and scope["path"] not in OPEN
            and not hmac.compare_digest(sent, f"Bearer {token}".encode())
        ):
            hint = "Send it as a header: Authorization: Bearer TOKEN."
            answer = _json(refusal(401, "token", "the token is missing or wrong", hint))
        await answer(scope, receive, send)

    return gated


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail.lower()
    hint = "POST rows to /predict, or GET /card, /health or the page /."
    answer = _json(refusal(error.status_code, message.replace(" ", "_"), message, hint))
    answer.headers.update(error.headers or {})
    return answer


def _json(reply: Reply) -> Response:
    status, body = reply
    headers = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
    headers |= (
        {"connection": "close"} if status >= 400 else {}
    )  # the rest of a body won't be read
    headers |= {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "1"}}.get(
        status, {}
    )
    return Response(body, status, headers, "application/json")


def _page(*, token: bool) -> Response:
    """Return the page with a form for one row, the same for every model: its script builds the form
    from the card."""
    folder = Path(__file__).with_name("page")
    page, css, script = (
        (folder / f"page.{end}").read_text("utf-8") for end in ("html", "css", "js")
    )
    style = css_themes() + css
    # Hashes allow these two and nothing else: no other script, no address but the server's own.
    hashes = (
        f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    )
    policy = (
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ).format(*hashes)
    body = (
        page.replace("{token}", "yes" if token else "no")
        .replace("{style}", style)
        .replace("{script}", script)
    )
    return Response(
        body, headers={"content-security-policy": policy}, media_type="text/html"
    )

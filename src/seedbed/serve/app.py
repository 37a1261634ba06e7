"""The application: every request passes the gate to one of a few fixed routes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from importlib.resources import files

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
from seedbed.serve.forms import OPEN, Limits, document
from seedbed.serve.predictor import Outcome, Predictor, refusal


def make_app(model: Model, hosts: Collection[str], token: str | None = None, limits: Limits | None = None) -> Starlette:
    """Return an application that serves one model, at some values of the `Host` header in lower case, to requests with
    the token if there is one. Its `state.predictor` answers."""
    limits = limits or Limits()
    predictor = Predictor(model, limits)

    async def predict(request: Request) -> Response:
        # A page of another site can't send this type without permission.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            hint = "Send it as a header: Content-Type: application/json."
            return _json(refusal(415, "content_type", "the content type of the body isn't JSON", hint))
        try:
            async with asyncio.timeout(limits.body_seconds):
                body = await request.body()
            return _json(await predictor.answer(body))
        except TimeoutError:
            message = f"the body didn't arrive within {limits.body_seconds:g} seconds"
            return _json(refusal(408, "timeout", message))
        except asyncio.CancelledError:  # by uvicorn, when its time to shut down is over
            return _json(refusal(503, "busy", "the server is stopping", "Try again later."))

    fixed = {
        "/": form_page(token=token is not None),
        "/health": _json((200, b'{"status":"ok"}')),
        "/card": _json((200, msgspec.json.encode(model.card()))),
        "/openapi.json": _json((200, msgspec.json.encode(document(model, limits, token=token is not None)))),
    }
    routes = [Route(path, response, methods=["GET"]) for path, response in fixed.items()]
    app = Starlette(
        routes=[*routes, Route("/predict", predict, methods=["POST"])],
        middleware=[Middleware(_gated, hosts=hosts, token=token)],
        exception_handlers={HTTPException: _refuse},
        max_body_size=limits.body,
    )
    app.router.redirect_slashes = False
    app.state.predictor = predictor
    return app


def _gated(app: ASGIApp, hosts: Collection[str], token: str | None) -> ASGIApp:
    """Return the application behind a gate. Names are checked because of DNS rebinding: a foreign page can give its own
    name a local address, and the browser takes both for one site."""

    async def gated(scope: Scope, receive: Receive, send: Send) -> None:
        headers, answer = Headers(scope=scope), app
        sent = headers.get("authorization", "").encode()
        if headers.get("host", "").lower() not in hosts:
            hint = "To allow the name, start the server with --allow-host."
            answer = _json(refusal(421, "host", "the name in the Host header isn't a name of this server", hint))
        elif any(origin.lower().partition("://")[2] not in hosts for origin in headers.getlist("origin")):
            answer = _json(refusal(403, "origin", "requests from pages of other sites are refused"))
        elif token and scope["path"] not in OPEN and not hmac.compare_digest(sent, f"Bearer {token}".encode()):
            hint = "Send it as a header: Authorization: Bearer TOKEN."
            answer = _json(refusal(401, "token", "the token is missing or wrong", hint))
        await answer(scope, receive, send)

    return gated


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message, hint = error.detail.lower(), "POST rows to /predict; GET /openapi.json lists all paths and methods."
    return _json(refusal(error.status_code, message.replace(" ", "_"), message, hint), error.headers)


def _json(outcome: Outcome, headers: Mapping[str, str] | None = None) -> Response:
    status, body = outcome
    own = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
    own |= {"connection": "close"} if status >= 400 else {}  # the rest of a body won't be read
    own |= {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "1"}}.get(status, {})
    return Response(body, status, {**own, **(headers or {})}, "application/json")


def form_page(*, token: bool) -> Response:
    """Return the page with a form for one row, the same for every model: its script requests the card, with the token
    if the server needs one, and builds the form from it."""
    folder = files("seedbed.serve") / "page"
    page, css, script = ((folder / f"page.{end}").read_text("utf-8") for end in ("html", "css", "js"))
    style = css_themes() + css
    # Hashes allow these two and nothing else: no other script, no address but the server's own.
    digests = (hashlib.sha256(text.encode()).digest() for text in (style, script))
    of_style, of_script = (base64.b64encode(digest).decode() for digest in digests)
    policy = (
        f"default-src 'none'; script-src 'sha256-{of_script}'; style-src 'sha256-{of_style}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    body = page.replace("{token}", "yes" if token else "no").replace("{style}", style).replace("{script}", script)
    return Response(body, headers={"content-security-policy": policy}, media_type="text/html")

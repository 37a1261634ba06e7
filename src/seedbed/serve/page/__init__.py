"""The page with a form for one row. It is the same for every model and doesn't contain it.

Its script requests the card, with the token if there is one, and builds the form from it.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from seedbed.figures.theme import DARK, LIGHT, Theme, css_variables


def page(token: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of the page. It asks for a token if the server needs one, and forgets it when closed."""
    style, script = _themes() + _text("page.css"), _text("page.js")
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
    return files("seedbed.serve.page").joinpath(name).read_text(encoding="utf-8")


def _themes() -> str:
    light, dark = (_declared(theme) for theme in (LIGHT, DARK))
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark} }} }}\n"
    )


def _declared(theme: Theme) -> str:
    return " ".join(f"{name}: {value};" for name, value in css_variables(theme).items())

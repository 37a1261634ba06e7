"""The verb that serves a model."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from seedbed.cli.models import loaded
from seedbed.cli.telling import print_stderr

__all__ = ["serve"]


def serve(
    model: Annotated[Path, Parameter(help="A model file, .safetensors.")],
    /,
    *,
    host: Annotated[str, Parameter(help="The address to listen on; another than this machine's own needs --token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, Parameter(help="The port; 0 for any that is free.")] = 8000,
    token: Annotated[
        str | None,
        Parameter(
            env_var="SEEDBED_TOKEN",
            help="What requests must show as Authorization: Bearer TOKEN. The variable isn't seen by other users.",
        ),
    ] = None,
    allow_host: Annotated[
        tuple[str, ...],
        Parameter(help="A name by which the server may be called; may be repeated.", negative=(), show_default=False),
    ] = (),
) -> None:
    """Answer over HTTP with a model's predictions, until Ctrl-C: a page for people, JSON for programs."""
    from seedbed.serve import Address, check_address, serve_model

    address = Address(host, port, token, allow_host)
    check_address(address)
    found = loaded(model)

    def started(url: str) -> None:
        print_stderr(f"serving {found.candidate} at {url} (Ctrl-C ends it)")

    serve_model(found, model.stem, address, version=version("seedbed"), started=started)

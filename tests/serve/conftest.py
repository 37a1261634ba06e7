"""Fixtures for the tests of the server: small models, requests to an application without a network,
and a server in a thread for tests of sockets."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette

from seedbed.data.reading import read_table
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.serve.app import make_app
from seedbed.serve.predictor import Limits
from seedbed.serve.server import Address, serving
from seedbed.settings.design import Compute
from seedbed.settings.recipe import recipe_named

N = 160
HOST = b"127.0.0.1:8000"
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """A table with numbers (with gaps, with commas), booleans, dates, a category and three
    targets."""
    rng = np.random.default_rng(3)
    size = rng.normal(170, 10, N)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 700, N), unit="D"
    )
    return pd.DataFrame(
        dict(
            size=size,
            weight=np.where(
                rng.random(N) < 0.15, np.nan, size - 100 + rng.normal(0, 8, N)
            ),
            price=[f"{value:.3f}".replace(".", ",") for value in rng.normal(3, 1, N)],
            smokes=np.where(rng.random(N) < 0.3, "yes", "no"),
            day=day.strftime("%Y-%m-%d"),
            town=np.where(
                rng.random(N) < 0.1,
                None,
                rng.choice(["Bonn", "<b>Rome</b>", "Oslo"], N),
            ),
            ill=np.where(size + rng.normal(0, 8, N) > 170, "ill", "well"),
            grade=np.where(size < 165, "low", np.where(size < 175, "middle", "high")),
            cost=size * 3.5 + rng.normal(0, 4, N),
        )
    )


TARGETS = ("ill", "grade", "cost")


@pytest.fixture(scope="session")
def fitted(frame: pd.DataFrame) -> Callable[[str], Model]:
    """A function that returns the model of a target, or of survival for `died`; each is fitted
    once."""
    found: dict[str, Model] = {}

    def fit(target: str = "ill") -> Model:
        if target not in found:
            days = np.random.default_rng(5).exponential(60, N).round(1) + 1
            lives = frame.drop(columns=list(TARGETS)).assign(
                days=days, died=(days < 70).astype(int)
            )
            table = (
                read_table(lives, event="died", time="days")
                if target == "died"
                else read_table(
                    frame,
                    target=target,
                    drop=[name for name in TARGETS if name != target],
                )
            )
            recipe = recipe_named("default", lr=0.02, epochs=40)
            found[target] = fit_model(
                table, "relu:5", recipe=recipe, n_networks=3, compute=Compute(n_jobs=1)
            )
        return found[target]

    return fit


@pytest.fixture(scope="session")
def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON values."""
    features = frame.drop(columns=list(TARGETS))
    return json.loads(features.to_json(orient="records"))


@dataclass(frozen=True)
class Answer:
    """The response of an application."""

    status: int
    headers: dict[str, str]
    body: bytes
    values: Any = field(default=None)

    @property
    def error(self) -> dict[str, str]:
        return self.values["error"]


async def asked(
    app: Starlette,
    method: str,
    path: str,
    body: Any = None,
    *,
    query: bytes = b"",
    chunks: list[bytes] | None = None,
    **headers: str | None,
) -> Answer:
    """One request to the application itself. A header given as None isn't sent."""
    content = (
        body
        if isinstance(body, bytes)
        else b""
        if body is None
        else json.dumps(body).encode()
    )
    given = {
        "host": HOST.decode(),
        **({"content_type": "application/json"} if method == "POST" else {}),
        **headers,
    }
    scope = dict(
        type="http",
        method=method,
        path=path,
        query_string=query,
        headers=[
            (name.replace("_", "-").encode(), value.encode())
            for name, value in given.items()
            if value is not None
        ],
    )
    parts = iter(chunks or [content])
    events = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    events[-1]["more_body"] = False
    waiting, said = iter(events), []

    async def receive() -> Any:
        if (event := next(waiting, None)) is None:
            await asyncio.Event().wait()
        return event

    async def send(message: Any) -> None:
        said.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    values = (
        json.loads(said[1]["body"])
        if found.get("content-type") == "application/json" and said[1]["body"]
        else None
    )
    return Answer(said[0]["status"], found, said[1]["body"], values)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine and return its result. This happens in a thread because Playwright's loop
    runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def ask(
    app: Starlette, method: str, path: str, body: Any = None, **options: Any
) -> Answer:
    return run(asked(app, method, path, body, **options))


def application(
    model: Model, token: str | None = None, limits: Limits = Limits(), **options: Any
) -> Starlette:
    """The application as served at 127.0.0.1:8000."""
    return make_app(
        model, Address(token=token, **options).accepted(8000), token, limits
    )


@pytest.fixture(scope="module")
def app(fitted: Callable[[str], Model]) -> Starlette:
    """The application of the binary model, without a token."""
    return application(fitted("ill"))


@pytest.fixture(scope="module")
def guarded(fitted: Callable[[str], Model]) -> Starlette:
    """The same application with a token."""
    return application(fitted("ill"), TOKEN)


@contextlib.contextmanager
def running(
    model: Model, token: str | None = None, limits: Limits = Limits()
) -> Iterator[int]:
    """A server on a free port."""
    with serving(model, Address(port=0, token=token), limits=limits) as url:
        yield int(url.rpartition(":")[2])


def exchange(port: int, *parts: bytes, pause: float = 0.0, wait: float = 10.0) -> bytes:
    """Return what a server answers to these bytes until it closes the connection or sends nothing
    for `wait` seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        said = b""
        with contextlib.suppress(OSError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        with contextlib.suppress(OSError):
            while got := connection.recv(65_536):
                said += got
        return said


def head_of(port: int, length: int | None = None) -> bytes:
    """The head of a POST."""
    size = f"Content-Length: {length}\r\n" if length is not None else ""
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{size}"
    return head.encode()

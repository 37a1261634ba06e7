"""The system's Chromium, driven by Playwright. Any request and any console message fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedbed.report import write_report


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens a file, or a link into it, and waits for its charts.

    At the end, a request, an error or a console message fails the test.
    """
    heard: list[str] = []
    contexts = []

    def go(path: Path, *, link: str = "", width: int = 1200, height: int = 900, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        address = path.as_uri()
        # A worker's program comes out of the page itself.
        own = (address, "blob:")
        page.on("request", lambda request: request.url.startswith(own) or heard.append(f"request: {request.url[:100]}"))
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.goto(address + link)
        page.wait_for_selector("body[data-ready=yes]")
        return page

    yield go
    for context in contexts:
        context.close()
    assert heard == []


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Path]:
    """A function that writes the report of a summary to the disk."""

    def write(summary: Any) -> Path:
        return write_report(summary, tmp_path_factory.mktemp("report") / "report.html")

    return write

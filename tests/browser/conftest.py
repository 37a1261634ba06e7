"""The system's Chromium, driven by Playwright. Any request and any console message fails the
test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedbed.evaluation.summaries import summary_from
from seedbed.report.stored import write_report


@pytest.fixture(scope="session")
def idle(chromium: Any) -> list[Any]:
    """Empty pages that are opened again, because a new one takes twice as long to show a file."""
    return []


@pytest.fixture
def open_page(chromium: Any, idle: list[Any]) -> Iterator[Callable[..., Any]]:
    """A function that opens a file, or a link into it, and waits for its charts.

    At the end, a request, an error or a console message fails the test. Pages with options aren't
    used again.
    """
    heard: list[str] = []
    opened: list[tuple[Any, dict[str, Callable[[Any], Any]]]] = []
    contexts = []

    def go(
        path: Path,
        *,
        link: str = "",
        width: int = 1200,
        height: int = 900,
        **options: Any,
    ) -> Any:
        size, address = {"width": width, "height": height}, path.as_uri()
        if options:
            contexts.append(chromium.new_context(viewport=size, **options))
        page = (
            contexts[-1].new_page()
            if options
            else idle.pop()
            if idle
            else chromium.new_page()
        )
        page.set_viewport_size(size)
        # A worker's program comes out of the page itself.
        own = (address, "blob:")
        hears: dict[str, Callable[[Any], Any]] = dict(
            request=lambda request: (
                request.url.startswith(own)
                or heard.append(f"request: {request.url[:100]}")
            ),
            console=lambda message: heard.append(f"console: {message.text}"),
            pageerror=lambda error: heard.append(f"error: {error}"),
        )
        for event, hear in hears.items():
            page.on(event, hear)
        if not options:
            opened.append((page, hears))
        page.goto(address + link)
        page.wait_for_selector("body[data-ready=yes]")
        return page

    yield go
    for context in contexts:
        context.close()
    for page, hears in opened:
        for event, hear in hears.items():
            page.remove_listener(event, hear)
        page.goto("about:blank")
        page.emulate_media(media="null")
        page.mouse.move(0, 0)
        idle.append(page)
    assert heard == []


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Path]:
    """A function that writes the report of a summary to the disk."""

    def write(summary: Any) -> Path:
        return write_report(
            summary_from(summary), tmp_path_factory.mktemp("report") / "report.html"
        )

    return write

"""Live progress on stderr: the interim result and a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import contextlib
import html
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from seedbed.errors import counted, visible
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.sentences import duration
from seedbed.report.terminal import interim_lines

_LINE_FIRST, _LINE_EVERY = 3.0, 10.0  # seconds
_NOTEBOOK_EVERY = 0.5
_KNOWN = 0.02  # share of all fits after which the time left is shown
_ONE_LINE = 10_000


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a run.

    Attributes:
        done, total: fits of models on splits.
        seconds: since the run began.
        repeats: finished repeats that `so_far` is about.
        so_far: the result of these repeats, without curves and lottery; None before the first.
    """

    done: int
    total: int
    seconds: float = 0.0
    repeats: int = 0
    so_far: Conclusion | None = None

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the rest takes at the present rate; None if too little is done."""
        if self.done < _KNOWN * self.total:
            return None
        return self.seconds * (self.total - self.done) / max(1, self.done)

    def line(self) -> str:
        """Return the progress as one line."""
        left = "" if self.seconds_left is None else f"; at most about {duration(self.seconds_left)} left"
        return f"{self.done:,} of {counted(self.total, 'fit')}{left}"


class ProgressDisplay:
    """Context manager that shows the progress of a run; call it with each `Progress`.

    Args:
        console: where to draw; a terminal gets a bar, anything else a line every ten seconds.
        quiet: draw nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._bar.add_task("fitting", total=None)
        self._so_far: Conclusion | None = None
        self._live: Live | None = None
        self._due, self._repeats = time.monotonic() + _LINE_FIRST, 0

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_interactive:
            self._live = Live(get_renderable=self._screen, console=self._console, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        if self._quiet:
            return
        if self._live is not None:
            self._so_far = progress.so_far
            self._bar.update(self._task, completed=progress.done, total=progress.total)
            return
        if progress.so_far is not None and progress.repeats > self._repeats:
            self._repeats = progress.repeats
            lines = [line.plain for line in interim_lines(progress.so_far, width=_ONE_LINE)]
            # The heading, and the first result if there is one.
            self._print(" ".join(" ".join(lines[:2]).split()))
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LINE_EVERY
            self._print(progress.line())

    def _print(self, line: str) -> None:
        self._console.print(visible(line), highlight=False, markup=False, soft_wrap=True)

    def _screen(self) -> RenderableType:
        if self._so_far is None:
            return self._bar
        lines = interim_lines(self._so_far, width=self._console.width)
        return Group(*lines[: max(1, self._console.height - 3)], self._bar)


@contextlib.contextmanager
def notebook_progress() -> Iterator[Callable[[Progress], None] | None]:
    """Show the progress and the interim result in the cell of a notebook, until the context ends; None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":
        yield None
        return
    output = importlib.import_module("IPython.display")
    handle, due = output.display(output.HTML(""), display_id=True), 0.0

    def show(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _NOTEBOOK_EVERY
            lines = [] if progress.so_far is None else [line.plain for line in interim_lines(progress.so_far)]
            text = "\n".join([*lines, progress.line()])
            handle.update(output.HTML(f"<pre>{html.escape(visible(text))}</pre>"))

    try:
        yield show
    finally:
        handle.update(output.HTML(""))

"""Live progress on stderr: the interim result and a bar on a terminal, else a plain line now and
then."""

from __future__ import annotations

import contextlib
import html
import importlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from seedbed.errors import counted, visible
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.sentences import duration
from seedbed.report.terminal import interim_lines

_LINE_FIRST, _LINE_EVERY = 3.0, 10.0  # seconds
_NOTEBOOK_EVERY = 0.5
_ONE_LINE = 10_000


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a run.

    Attributes:
        done, total: fits of models on splits.
        left: estimate of the seconds left; infinite if unknown.
        seconds: since the run began.
        so_far: the result of the finished repeats, without curves and lottery; None before the
            first.
    """

    done: int
    total: int
    left: float = math.inf
    seconds: float = 0.0
    so_far: Conclusion | None = None

    @property
    def repeats(self) -> int:
        """The number of finished repeats."""
        return 0 if self.so_far is None else self.so_far.plan.repeats

    def line(self) -> str:
        """Return the progress as one line. The run may stop early."""
        left = (
            f"; at most about {duration(self.left)} left"
            if math.isfinite(self.left)
            else ""
        )
        return f"{self.done:,} of {counted(self.total, 'fit')}{left}"


class ProgressDisplay(Bar):
    """Context manager that shows the progress of a run; call it with each `Progress`.

    Args:
        console: where to draw; a terminal gets a bar below the interim result, anything else a line
            every ten seconds.
        quiet: draw nothing.
        warnings: drawn above, on a terminal.
    """

    def __init__(
        self, console: Console, *, quiet: bool = False, warnings: Sequence[str] = ()
    ) -> None:
        self._quiet, self._warnings = quiet, warnings
        self._so_far: Conclusion | None = None
        columns = (BarColumn(), TextColumn("{task.description}"))
        disable = quiet or not console.is_interactive
        super().__init__(
            *columns,
            console=console,
            transient=True,
            disable=disable,
            refresh_per_second=4,
        )
        self._task = self.add_task("", total=None)
        self._due = time.monotonic() + _LINE_FIRST

    def __call__(self, progress: Progress) -> None:
        is_new = progress.so_far is not self._so_far
        self._so_far = progress.so_far
        if not self.disable:
            self.update(
                self._task,
                completed=progress.done,
                total=progress.total,
                description=progress.line(),
            )
            return
        if self._quiet:
            return
        texts = []
        if progress.so_far is not None and is_new:
            lines = [
                line.plain for line in interim_lines(progress.so_far, width=_ONE_LINE)
            ]
            texts = [
                " ".join(" ".join(lines[:2]).split())
            ]  # the heading, and the first result if there is one
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LINE_EVERY
            texts.append(progress.line())
        for text in texts:
            self.console.print(
                visible(text), highlight=False, markup=False, soft_wrap=True
            )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield what is drawn on a terminal."""
        yield from (Text(visible(warning), "bold yellow") for warning in self._warnings)
        if self._so_far is not None:
            lines = interim_lines(self._so_far, width=self.console.width)
            yield from lines[: max(1, self.console.height - 3)]
        yield self.make_tasks_table(self.tasks)


@contextlib.contextmanager
def notebook_progress() -> Iterator[Callable[[Progress], None] | None]:
    """Show the progress and the interim result in the cell of a notebook, until the context ends;
    None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):  # a terminal
        yield None
        return
    output = importlib.import_module("IPython.display")
    handle = output.display(output.HTML(""), display_id=True)
    next_update = 0.0

    def show(progress: Progress) -> None:
        nonlocal next_update
        if time.monotonic() >= next_update:
            next_update = time.monotonic() + _NOTEBOOK_EVERY
            lines = (
                []
                if progress.so_far is None
                else [line.plain for line in interim_lines(progress.so_far)]
            )
            text = "\n".join([*lines, progress.line()])
            handle.update(output.HTML(f"<pre>{html.escape(visible(text))}</pre>"))

    try:
        yield show
    finally:
        handle.update(output.HTML(""))

"""Live progress on stderr: a table on a terminal, else a plain line now and then."""

from __future__ import annotations

import contextlib
import html
import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seedbed.errors import counted, visible
from seedbed.evaluation import Conclusion
from seedbed.report.sentences import duration
from seedbed.report.terminal import so_far_lines

__all__ = ["Progress", "ProgressDisplay", "notebook_progress"]

Band = tuple[float, float, float]

_REDRAWS_A_SECOND = 5
_PLAIN_FIRST = 3.0
_PLAIN_EVERY = 10.0
_NOTEBOOK_EVERY = 0.5
_LOOKS_EVERY = 0.5  # the estimate of the time left needs more frequent updates than a line is printed
_NAMED_IN_A_LINE = 3
_ONE_LINE = 10_000


@dataclass(frozen=True)
class Progress:
    """The progress of one candidate or baseline.

    Attributes:
        name: its name.
        done, total: its networks, or its fits.
        train_score, test_score: of its networks so far at the last epoch: (mean, low, high), low and high bounding the
            middle half; NaN if there is none yet, None if scores aren't computed.
        seconds_left: of the whole run, drawing included; None if nothing is known yet.
        epoch: epochs done by the networks that are being trained; None if none of them is.
        epochs: of how many; None for a baseline.
        stage: of the whole run, `choosing` or `fitting`; empty if there is only one, and for baselines.
        stage_done, stage_total: its networks in this stage; None if there is only one stage.
        repeats: finished repeats of the whole run that `so_far` is about.
        so_far: the answer of these repeats, without curves and lottery; None before the first.
    """

    name: str
    done: int
    total: int
    train_score: Band | None = None
    test_score: Band | None = None
    seconds_left: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    stage: str = ""
    stage_done: int | None = None
    stage_total: int | None = None
    repeats: int = 0
    so_far: Conclusion | None = None


class ProgressDisplay:
    """Context manager that shows the progress of each candidate.

    Args:
        state: returns the progress of each, in order. Another thread calls it a few times a second.
        console: where to draw; a terminal gets a table, anything else a line every ten seconds.
        quiet: draw nothing.
        score_name: the score on training and test rows; accuracy in percent.
    """

    def __init__(
        self,
        state: Callable[[], Sequence[Progress]],
        console: Console,
        *,
        quiet: bool = False,
        score_name: str = "accuracy",
    ) -> None:
        self._named, self._console, self._quiet, self._score_name = state, console, quiet, score_name
        self._live: Live | None = None
        self._over = threading.Event()
        self._lines: threading.Thread | None = None

    def __enter__(self) -> ProgressDisplay:
        if self._quiet:
            return self
        if self._console.is_interactive:
            self._live = Live(
                get_renderable=self._screen, console=self._console, refresh_per_second=_REDRAWS_A_SECOND, transient=True
            )
            self._live.start()
        else:
            self._lines = threading.Thread(target=self._print_lines, daemon=True)
            self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()
        if self._lines is not None:
            self._lines.join()

    def _state(self) -> list[Progress]:
        return [replace(model, name=visible(model.name)) for model in self._named()]

    def _print_lines(self) -> None:
        due, repeats = time.monotonic() + min(_PLAIN_FIRST, _PLAIN_EVERY), 0
        while not self._over.wait(_LOOKS_EVERY):
            state = self._state()
            if state and state[0].repeats > repeats and state[0].so_far is not None:
                repeats = state[0].repeats
                lines = [line.plain for line in so_far_lines(state[0].so_far, width=_ONE_LINE)]
                # The heading, and the first answer if there is one.
                self._console.print(
                    " ".join(" ".join(lines[:2]).split()), highlight=False, markup=False, soft_wrap=True
                )
            if time.monotonic() >= due:
                due += _PLAIN_EVERY
                # One line, even if it is wider than the terminal.
                self._console.print(_line(state), highlight=False, markup=False, soft_wrap=True)

    def _screen(self) -> Group:
        """Return what a terminal shows: a table of progress, and from the first repeat on the answer so far."""
        state = self._state()
        if not state or (so_far := state[0].so_far) is None:
            return self._table(state)
        lines = so_far_lines(so_far, width=self._console.width)
        left = _left(state)
        next_one = "The next repeats are being trained, and models may still change places"
        return Group(
            *lines[: max(1, self._console.height - 3)], Text(f"{next_one}; {left}" if left else next_one, "dim")
        )

    def _table(self, state: Sequence[Progress]) -> Group:
        of = " R2" if self._score_name == "R2" else ""
        headings = ["candidate", "networks", "epoch", f"train{of}", f"test{of}"]
        # As wide as a column will ever be, so that it doesn't move.
        widths = [max(map(cell_len, column)) for column in zip(headings, *map(_widest, state), strict=True)]
        shown = len(headings) if any(model.test_score is not None for model in state) else 3
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading, width in list(zip(headings, widths, strict=True))[:shown]:
            first = heading == "candidate"
            # Only a column that may wrap shrinks on a narrow terminal. So the column of names may, and its cells don't.
            table.add_column(
                heading, justify="left" if first else "right", no_wrap=not first, min_width=None if first else width
            )
        for name, *cells in (_cells(model, self._score_name) for model in state):
            table.add_row(Text(name, no_wrap=True, overflow="ellipsis"), *map(Text, cells[: shown - 1]))
        return Group(table, Text(_summary(state), "dim"))


@contextlib.contextmanager
def notebook_progress() -> Iterator[Callable[[Progress], None] | None]:
    """Show the progress and the answer so far in the cell of a notebook, until the context ends; None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":
        yield None
        return
    output = importlib.import_module("IPython.display")
    handle, due, latest = output.display(output.HTML(""), display_id=True), 0.0, dict[str, Progress]()

    def show(progress: Progress) -> None:
        nonlocal due
        latest[progress.name] = progress
        if time.monotonic() >= due:
            due = time.monotonic() + _NOTEBOOK_EVERY
            lines = [] if progress.so_far is None else [line.plain for line in so_far_lines(progress.so_far)]
            text = "\n".join([*lines, _line([*latest.values()])])
            handle.update(output.HTML(f"<pre>{html.escape(visible(text))}</pre>"))

    try:
        yield show
    finally:
        handle.update(output.HTML(""))


def _widest(model: Progress) -> tuple[str, ...]:
    """Return the cells of a row at their widest."""
    epochs = f"{model.epochs:,} of {model.epochs:,}" if model.epochs else "-"
    return model.name, f"{model.total:,} of {model.total:,}", epochs, "100.0%", "100.0%"


def _cells(model: Progress, score_name: str) -> tuple[str, ...]:
    epoch = "-"
    if model.done >= model.total:
        epoch = "done"
    elif model.epoch is not None and model.epochs:
        epoch = f"{model.epoch:,} of {model.epochs:,}"
    scores = [_score(band, score_name) for band in (model.train_score, model.test_score)]
    return model.name, f"{model.done:,} of {model.total:,}", epoch, *scores


def _line(state: Sequence[Progress]) -> str:
    """Return the progress as one line: networks done, what is being trained, and the time left."""
    networks = [model for model in state if model.epochs]
    done, total = sum(network.done for network in networks), sum(network.total for network in networks)
    staged = [network for network in networks if network.stage_total is not None]
    if staged:  # as in the plan, which counts each stage separately
        done, total = (sum(getattr(network, f"stage_{key}") or 0 for network in staged) for key in ("done", "total"))
    at_work = [f"{network.name} {network.done:,}/{network.total:,}, epoch {network.epoch:,} of {network.epochs:,}"
               for network in networks if network.epoch is not None and network.done < network.total]  # fmt: skip
    if not at_work:  # baselines are fitted beside the networks
        at_work = [
            f"{one.name} {one.done:,}/{one.total:,}" for one in state if not one.epochs and 0 < one.done < one.total
        ]
    if len(at_work) > _NAMED_IN_A_LINE:
        at_work[_NAMED_IN_A_LINE:] = [f"{len(at_work) - _NAMED_IN_A_LINE} more"]
    if not total:  # a blend and baselines only
        fits = sum(model.total for model in state)
        done, total = sum(model.done for model in state), fits
    so_far = f"{done:,} of {counted(total, 'network' if networks else 'fit')}"
    stage, left = _stage(state), _left(state)
    so_far = f"{stage}: {so_far}" if stage else so_far
    return "; ".join(part for part in (so_far, *at_work, left) if part)


def _summary(state: Sequence[Progress]) -> str:
    """Return what holds for all candidates: the stage and the time left."""
    return "; ".join(word for word in (_stage(state), _left(state)) if word)


def _stage(state: Sequence[Progress]) -> str:
    stages = {
        "choosing": "choosing learning rate and epochs",
        "fitting": "training the networks that are compared",
    }
    return stages.get(state[0].stage, "") if state else ""


def _left(state: Sequence[Progress]) -> str:
    left = state[0].seconds_left if state else None
    return "" if left is None else f"about {duration(left)} left"


def _score(band: Band | None, score_name: str) -> str:
    if band is None or band[0] != band[0]:
        return "-"
    return f"{band[0]:.3f}" if score_name == "R2" else f"{100 * band[0]:.1f}%"

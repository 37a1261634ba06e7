"""Live progress on stderr: a table on a terminal, else a plain line now and then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["ProgressDisplay"]

Band = tuple[float, float, float]

_REDRAWS_A_SECOND = 5
_PLAIN_EVERY = 10.0


class ProgressDisplay:
    """Shows how far each candidate is: a context manager that is told of every finished chunk.

    Args:
        totals: networks of each candidate, in the order to show them.
        console: where to draw; a terminal gets a table, anything else a line every ten seconds.
        quiet: draw nothing.
        score_name: what is shown of training and test rows, accuracy in percent.
    """

    def __init__(
        self,
        totals: Mapping[str, int],
        console: Console,
        *,
        quiet: bool = False,
        score_name: str = "accuracy",
    ) -> None:
        self._totals, self._console, self._quiet, self._score_name = dict(totals), console, quiet, score_name
        self._done = dict.fromkeys(totals, 0)
        self._bands: dict[str, tuple[Band, Band]] = {}
        self._left: float | None = None
        self._last_line = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> ProgressDisplay:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(
                self._table(), console=self._console, refresh_per_second=_REDRAWS_A_SECOND, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, name: str, done: int, train: Band, test: Band, seconds_left: float | None) -> None:
        """A candidate has `done` networks; `train` and `test` are (mean, low, high) of their score."""
        self._done[name], self._left = done, seconds_left
        self._bands[name] = train, test
        if self._live is not None:
            self._live.update(self._table())
        elif not self._quiet and time.monotonic() - self._last_line >= _PLAIN_EVERY:
            self._last_line = time.monotonic()
            counts = ", ".join(f"{name} {self._done[name]}/{total}" for name, total in self._totals.items())
            self._console.print(f"{counts}{self._left_words()}", highlight=False, markup=False)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", caption=self._left_words(", ") or None)
        table.caption_justify = "left"
        of = " R2" if self._score_name == "R2" else ""
        headings = ("candidate", "networks", f"train{of}", f"test{of}")
        for heading in headings:
            table.add_column(heading, justify="left" if heading == "candidate" else "right")
        for name, total in self._totals.items():
            train, test = self._bands.get(name, (None, None))
            scores = [_shown(band, self._score_name) for band in (train, test)]
            table.add_row(Text(name), f"{self._done[name]:,} of {total:,}", *scores)
        return table

    def _left_words(self, before: str = "; ") -> str:
        if self._left is None:
            return ""
        return f"{before if before != ', ' else ''}about {max(1, round(self._left)):,} s left"


def _shown(band: Band | None, score_name: str) -> str:
    if band is None or band[0] != band[0]:
        return "-"
    if score_name == "R2":
        return "{:.3f} ({:.3f} to {:.3f})".format(*band)
    mean, low, high = (100 * value for value in band)
    return f"{mean:.1f}% ({low:.1f} to {high:.1f})"

"""What a verb tells on stderr while it works."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from seedbed.cli.options import RunOptions
from seedbed.errors import visible

if TYPE_CHECKING:
    from seedbed.experiment import Watch

__all__ = ["interruptible", "print_stderr", "say", "shown"]


@contextlib.contextmanager
def shown(watch: Watch, run: RunOptions, *, quiet: bool = False, score_name: str = "accuracy") -> Iterator[None]:
    """How far it is, live on stderr."""
    from seedbed.report import ProgressDisplay

    with ProgressDisplay(watch.progress, Console(stderr=True), quiet=quiet or run.quiet, score_name=score_name):
        yield


@contextlib.contextmanager
def interruptible(message: str) -> Iterator[None]:
    """An interrupt says what it leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message) from None


def say(run: RunOptions, *lines: str) -> None:
    """Lines on stderr, unless quiet is asked for."""
    if not run.quiet:
        print_stderr(*lines)


def print_stderr(*lines: str) -> None:
    """Print lines on stderr; whatever the command line says there comes through here."""
    for line in lines:
        print(visible(line), file=sys.stderr, flush=True)

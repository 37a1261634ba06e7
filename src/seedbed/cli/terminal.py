"""The terminal: what the user typed, what a verb prints on stdout, and what it says on stderr while it works."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from seedbed.cli.options import RunOptions
from seedbed.errors import visible

if TYPE_CHECKING:
    from seedbed.experiment import Watch

__all__ = ["command_line", "interruptible", "print_lines", "print_stderr", "say", "shown", "typed", "working"]


@contextlib.contextmanager
def shown(watch: Watch, run: RunOptions, *, quiet: bool = False, score_name: str = "accuracy") -> Iterator[None]:
    """How far it is, live on stderr."""
    from seedbed.report import ProgressDisplay

    with ProgressDisplay(watch.progress, Console(stderr=True), quiet=quiet or run.quiet, score_name=score_name):
        yield


@contextlib.contextmanager
def working(words: str, run: RunOptions) -> Iterator[None]:
    """Show on a terminal what is being done, until it is done."""
    console = Console(stderr=True)
    if run.quiet or not console.is_terminal:
        yield
        return
    with console.status(visible(words), spinner="line"):
        yield


@contextlib.contextmanager
def interruptible(message: str) -> Iterator[None]:
    """An interrupt says what it leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message) from None


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines on stdout, with colours where a terminal shows them and NO_COLOR isn't set."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        if console.is_terminal and not console.no_color:
            console.print(line)
        else:
            print(line.plain)
    sys.stdout.flush()


def say(run: RunOptions, *lines: str) -> None:
    """Lines on stderr, unless quiet is asked for."""
    if not run.quiet:
        print_stderr(*lines)


def print_stderr(*lines: str) -> None:
    """Print lines on stderr; whatever the command line says there comes through here."""
    for line in lines:
        print(visible(line), file=sys.stderr, flush=True)


_TOKENS: ContextVar[tuple[str, ...]] = ContextVar("tokens", default=())


@contextlib.contextmanager
def typed(tokens: Sequence[str]) -> Iterator[None]:
    """While this is open, `command_line` is that of these tokens."""
    before = _TOKENS.set(tuple(tokens))
    try:
        yield
    finally:
        _TOKENS.reset(before)


def command_line() -> str:
    """The command that runs, as a shell takes it, without passwords."""
    command = shlex.join(["seedbed", *_TOKENS.get()])
    if "://" not in command and "password" not in command.lower():
        return command  # without loading torch
    from seedbed.experiment import without_passwords

    return without_passwords(command)

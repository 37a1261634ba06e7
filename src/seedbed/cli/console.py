"""The terminal: the command that was typed, results on stdout, and progress and messages on
stderr."""

from __future__ import annotations

import contextlib
import gc
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from seedbed.cli.options import RunOptions
from seedbed.errors import command_line_options, visible

interrupted = threading.Event()  # by Ctrl-C
_TOKENS: ContextVar[tuple[str, ...]] = ContextVar("tokens", default=())


@contextlib.contextmanager
def working(message: str, run: RunOptions) -> Iterator[None]:
    """Show a message on a terminal until the work is done.

    Meanwhile no garbage is collected: imports then take an eighth less time.
    """
    console = Console(stderr=True, quiet=run.quiet)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with console.status(escape(visible(message)), spinner="line"):
            yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def interruptible(left_behind: Callable[[], tuple[str, ...]]) -> Iterator[None]:
    """Let an interrupt say what it leaves behind: a message and perhaps a hint.

    An error after an interrupt is taken for it: NumPy's C code, for one, turns it into a
    ValueError.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(*(stop.args or left_behind())) from None
    except Exception:
        if interrupted.is_set():
            raise KeyboardInterrupt(*left_behind()) from None
        raise


def text_width() -> int:
    """Return how wide text on stdout may be: as the terminal, and at most 100 letters."""
    return min(100, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 100


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines on stdout, with colours on a terminal unless NO_COLOR is set."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        if console.is_terminal and not console.no_color:
            console.print(line)
        else:
            print(line.plain)
    sys.stdout.flush()


def say(run: RunOptions, *lines: str) -> None:
    """Print lines on stderr, except with --quiet."""
    if not run.quiet:
        print_stderr(*lines)


def print_stderr(*lines: str) -> None:
    """Print lines on stderr, folded for a terminal, without passwords; nothing else in the command
    line does."""
    width = Console(stderr=True).width if sys.stderr.isatty() else sys.maxsize
    for line in map(visible, lines):
        fits = cell_len(line) <= width or "\n" in line
        try:
            print(
                *([line] if fits else _fold_line(line, width)),
                sep="\n",
                file=sys.stderr,
                flush=True,
            )
        except BrokenPipeError:
            raise
        except (
            OSError
        ):  # a full disk, which must neither end a run nor change its status
            return


def _fold_line(line: str, width: int) -> Sequence[str]:
    """Return a sentence as lines; or a label, a command that a shell takes as it is, and a remark
    in parentheses."""
    from seedbed.report.tables import fold_command, fold_text  # loads NumPy

    label, *rest = re.split(r"(?<=:) +(?=seedbed [a-z])", line, maxsplit=1)
    if not rest:
        return fold_text(line, width, hanging=2)
    command, _, remark = rest[0].partition("   (")
    commands = [f"  {part}" for part in fold_command(command, width - 2)]
    return [
        *fold_text(label, width, hanging=2),
        *commands,
        *(fold_text(f"({remark}", width, 2) if remark else ()),
    ]


@contextlib.contextmanager
def remember_tokens(tokens: Sequence[str]) -> Iterator[None]:
    """Let `command_line` return these tokens, and hints name options."""
    before = _TOKENS.set(tuple(tokens))
    try:
        with command_line_options():
            yield
    finally:
        _TOKENS.reset(before)


def command_line() -> str:
    """Return the command that runs, quoted for a shell, without passwords."""
    return shlex.join(["seedbed", *_TOKENS.get()])

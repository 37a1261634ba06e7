"""What the user typed, so that a run can say how to have it again."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

__all__ = ["command_line", "typed"]

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

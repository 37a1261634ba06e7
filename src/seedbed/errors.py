"""All errors that a user can cause.

UsageError and DataError are ValueErrors as well, since scikit-learn's tools expect that of an
estimator.

A message says what was found and where; the hint says what to do. The command line prints both on
one line and exits with the error's status. `spell` names a setting as the user gives it:
`--time-split day` on the command line, `time_split="day"` in Python.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import json
import re
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping

# Characters that move a terminal's cursor, change its state, or reverse the order of text. Also
# code points that aren't characters: surrogates, which come from undecodable bytes of file names,
# and two that XML forbids.
_NONE = [*range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
_CONTROLS = [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*_CONTROLS, *_BIDI, *_NONE)
}
_names_options = False  # of the whole process, as messages are also made in threads


class SeedbedError(Exception):
    """The base of all errors that a user can cause.

    `str(error)` is its message and its hint.

    Attributes:
        code: a stable identifier of the kind of error, for scripts: the name of its class, as
            `table_not_found`.
        message: what was found, and where.
        hint: what to do about it; may be empty.
        option: the option of `read_table` that the hint is about; usually empty.
        status: the exit status of the command line.

    Examples:
        >>> import seedbed as sb
        >>> try:
        ...     sb.read_table("patients.csv", target="age")
        ... except sb.SeedbedError as error:
        ...     print(error.code)
        table_not_found
    """

    code = "error"
    status = 2

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(
            "(?!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")
        ).lower()

    def __init__(self, message: str, hint: str = "", *, option: str = "") -> None:
        super().__init__(message, hint)
        self.message, self.hint, self.option = message, hint, option

    def __str__(self) -> str:
        return one_line(self.message, self.hint)


class UsageError(SeedbedError, ValueError):
    """An option, a candidate or an argument is invalid."""


class CandidateError(UsageError):
    """A candidate isn't valid, or its network can't be built."""


class OptionError(UsageError):
    """The value of an option is out of range, or two options contradict each other."""


class DataError(SeedbedError, ValueError):
    """The table can't be used as it is."""


class TableNotFoundError(DataError):
    """There is no such table."""


class ColumnError(DataError):
    """A column is missing, or contains something that can't be read."""


class TargetError(DataError):
    """The target has one class, is missing, or has too few rows."""


class TooFewRowsError(TargetError):
    """There are too few new rows for an evaluation, which isn't a failure of the model."""

    status = 4


class UnreadableError(DataError):
    """Bytes, rows or a header can't be read."""


class ModelFileError(DataError):
    """A file is damaged, of another version, or not a model file."""


class TrainingError(SeedbedError):
    """A network can't be trained as requested."""


@contextlib.contextmanager
def command_line_options(are_named: bool = True) -> Iterator[None]:
    """Let `spell` name options of the command line, or arguments if not `are_named`."""
    global _names_options
    before, _names_options = _names_options, are_named
    try:
        yield
    finally:
        _names_options = before


@contextlib.contextmanager
def writing(
    path: object, hint: str = "Name another file, or free disk space."
) -> Iterator[None]:
    """Turn errors of the file system inside the block into an OptionError, as on a read-only or a
    full disk. The outer one of two nested blocks decides the message."""
    try:
        yield
    except (OSError, OptionError) as error:
        cause = error.__cause__ if isinstance(error, OptionError) else error
        if not isinstance(cause, OSError):
            raise
        raise OptionError(
            f"can't write to {path}: {cause.strerror or cause}", hint
        ) from cause


def spell(name: str, *values: object) -> str:
    """Return how a user gives a setting: `--drop id --drop age` on the command line, `drop=["id",
    "age"]` in Python.

    Args:
        name: as in Python; without values, the result is the name alone: `--time-split` or
            `time_split`.
        values: text, numbers or True. Of an option, True is no value.
    """
    if _names_options:
        option = "--" + name.replace("_", "-")
        return (
            " ".join(
                f"{option} {shlex.quote(str(value))}"
                for value in values
                if value is not True
            )
            or option
        )
    texts = [
        json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        for value in values
    ]
    return (
        f"{name}={texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'}"
        if texts
        else name
    )


def spell_all(settings: Mapping[str, Iterable[object]]) -> str:
    """Return how a user gives several settings, each with its values."""
    return (" " if _names_options else ", ").join(
        spell(name, *values) for name, values in settings.items()
    )


def visible(text: str) -> str:
    r"""Return a text with control and bidirectional characters as `\x1b` or `\u202e`. Line ends and
    tabs stay."""
    return text.translate(_ESCAPES)


def one_line(message: str, hint: str) -> str:
    """Return message and hint as sentences on one line, without characters that control a
    terminal."""
    text = (
        f"{message} {hint}"
        if message.endswith(("?", "!", "."))
        else f"{message}. {hint}"
    )
    return visible(" ".join((text if hint else message).split("\n")))


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return a hint that names the nearest known word; empty if none is near."""
    options = {option.lower(): option for option in sorted(choices, reverse=True)}
    near = difflib.get_close_matches(word.lower(), options, n=1, cutoff=0.6)
    return f"Did you mean '{options[near[0]]}'?" if near else ""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists the known ones."""
    options = sorted(choices)
    if hint := nearest(word, options):
        return hint
    listed = ", ".join(options[:40]) + (", ..." if len(options) > 40 else "")
    return f"Known: {listed}" if options else ""


def error_line(error: BaseException) -> str:
    """Return the type and the first line of another library's error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def warn(message: str) -> None:
    """Issue a `UserWarning` that names the line of the user's code which called this package."""
    frame = inspect.currentframe()
    level = 1
    while (
        frame is not None
        and str(frame.f_globals.get("__name__")).partition(".")[0]
        == __name__.partition(".")[0]
    ):
        frame = frame.f_back
        level = level + 1
    warnings.warn(message, stacklevel=level)


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: `1 split`, `1,500 networks`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"

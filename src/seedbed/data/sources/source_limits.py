"""How large a source may be, and which of its tables is read."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass

from seedbed.data.cells import first_of
from seedbed.errors import (
    OptionError,
    TableNotFoundError,
    UnreadableError,
    did_you_mean,
    spell,
)
from seedbed.evaluation.summaries import Note


class EveryName(Container[str]):
    """Contains every name. Columns of many fractions are read as numbers all the same, as these
    are no labels."""

    def __contains__(self, name: object) -> bool:
        return True


def choose_sheet(
    names: Sequence[str], wanted: str | None, where: str
) -> tuple[int, tuple[Note, ...]]:
    """Return the position of the wanted sheet. If none is named, return the only one, with a
    note."""
    if not names:
        raise TableNotFoundError(f"{where} has no sheets")
    if wanted is not None:
        if wanted not in names:
            raise TableNotFoundError(
                f"{where}: no sheet '{wanted}'", did_you_mean(wanted, names)
            )
        return names.index(wanted), ()
    if len(names) > 1:
        raise OptionError(
            f"{where} has {len(names)} sheets: {first_of(names, 40)}",
            f"Name one, such as {spell('table', names[0])}.",
            option="table",
        )
    return 0, (
        Note(f"the sheet is '{names[0]}', the only one that is visible and not empty"),
    )


def quote_name(name: str) -> str:
    """Return a name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


MAX_COLUMNS = 10_000  # bytes
MAX_CELL = 1 << 16
SIZE = 4_000_000_000
RATIO = 20  # text of a table rarely shrinks to less than a twentieth
ROW_BYTES, CELL_BYTES = 100, 8
UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
QUANTITY = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*([a-z]+)\s*")


@dataclass(frozen=True)
class SourceLimit:
    """How large a source may be when it is unpacked [bytes].

    A small file can contain a table that fills any memory, so a source is measured before or while
    it is read. A row counts as 100 bytes and a cell as 8, beside its text.
    """

    size: float

    @classmethod
    def of(cls, option: str | None, stored: float = 0) -> SourceLimit:
        """Read a limit such as "50GB"; the default is 4 GB, or 20 times the bytes `stored`.

        Examples:
            >>> SourceLimit.of("50GB")
            SourceLimit(size=50000000000.0)
        """
        if option is None:
            return cls(max(SIZE, RATIO * stored))
        match = QUANTITY.fullmatch(option.lower())
        if match is None or match[2].upper() not in UNITS or float(match[1]) == 0:
            raise OptionError(f"limit is '{option}'", "Give a size, such as 50GB.")
        return cls(float(match[1]) * UNITS[match[2].upper()])

    def check_size(
        self, size: float, where: str, *, measured: str = "unpacks to over"
    ) -> None:
        """Raise UnreadableError if a size in bytes is over the limit."""
        if size > self.size:
            message = (
                f"{where} {measured} {_size(size)}; the limit is {_size(self.size)}"
            )
            digit: float = 10 ** math.floor(math.log10(size * 1.2))
            raise _over(message, _size(math.ceil(size * 1.2 / digit) * digit))

    def check_rows(
        self, n_rows: int, n_columns: int, where: str, *, n_text: int = 0
    ) -> None:
        """Raise UnreadableError if a table with `n_text` bytes of text is over the limit."""
        size = n_rows * (ROW_BYTES + CELL_BYTES * n_columns) + n_text
        self.check_size(
            size,
            f"{where}: {n_rows:,} rows and {n_columns:,} columns",
            measured="need about",
        )


def check_width(n_columns: int, where: str) -> None:
    """Raise UnreadableError if there are too many columns."""
    if n_columns > MAX_COLUMNS:
        raise UnreadableError(
            f"{where} has {n_columns:,} columns; the limit is {MAX_COLUMNS:,}",
            "Is it transposed? Otherwise leave out columns.",
        )


def check_names(names: Sequence[str], where: str) -> None:
    """Raise UnreadableError if there are too many columns, or a name is too long or no valid
    text."""
    check_width(len(names), where)
    for position, name in enumerate(names, start=1):
        subject = f"{where}: column {position} of {len(names)}"
        if len(name) > MAX_CELL:
            raise UnreadableError(
                f"{subject} has a name over 64 KiB",
                "Is a line end missing after the header?",
            )
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise UnreadableError(
                f"{subject} has half a character in its name ({error.reason})"
            ) from error


def long_cell(where: str, location: str, name: str) -> UnreadableError:
    """Return the error for a cell over the limit."""
    return UnreadableError(
        f"{where}: {location}, column '{name}' holds a cell over 64 KiB ({MAX_CELL:,} bytes)",
        "Is a quote left open? Otherwise shorten the cell, or leave its column out of the table.",
    )


def _size(size: float) -> str:
    """Return bytes as people write them: '4 GB'."""
    unit = next((name for name in ("TB", "GB", "MB") if size >= UNITS[name]), "KB")
    return f"{math.floor(size / UNITS[unit]):,} {unit}"


def _over(message: str, larger: str) -> UnreadableError:
    """Return the error for a source over a limit, which advises a larger one."""
    word = larger.replace(" ", "").replace(",", "")
    return UnreadableError(
        message,
        f"If you trust the source, raise it with {spell('limit', word)}.",
        option="limit",
    )

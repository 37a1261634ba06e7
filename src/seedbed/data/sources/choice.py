"""What a user asks of a source: which of its tables, and where that begins."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.data.notes import Note
from seedbed.errors import OptionError, TableNotFoundError, did_you_mean

__all__ = ["NOTHING", "Asked", "choose", "quoted"]


@dataclass(frozen=True)
class Asked:
    """What is asked of a source.

    Attributes:
        table: which table of a database, or which sheet of an Excel file.
        query: a SELECT that a database answers instead.
        skip_rows: rows above the header of a text or an Excel file; None where the header is to be found.
        wanted: names of columns, to find the header by.
        limit: how large the table may be and how long a query may run, as `Limit.of` reads it.

    Raises:
        OptionError: `skip_rows` isn't a number of rows.
    """

    table: str | None = None
    query: str | None = None
    skip_rows: int | None = None
    wanted: tuple[str, ...] = ()
    limit: str | None = None

    def __post_init__(self) -> None:
        rows: Any = self.skip_rows
        if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 0):
            raise OptionError(f"skip_rows is {rows!r}", "Give the number of rows above the header: 0 or more.")

    def check(self, where: str, *takes: str) -> None:
        """Raises OptionError where something is asked that the source doesn't take, or both a table and a query."""
        for option in ("table", "query"):
            if getattr(self, option) is not None and option not in takes:
                raise OptionError(
                    f"{where} is no database, so there is no {option} to choose",
                    "SQLite files and postgresql:// addresses take --table and --query, Excel files --table.",
                )
        if self.skip_rows is not None and "skip_rows" not in takes:
            raise OptionError(
                f"{where} has no rows to skip", "Text (CSV and the like) and Excel files take --skip-rows."
            )
        if self.table is not None and self.query is not None:
            raise OptionError(f"{where}: both a table and a query are given", "Give one of them.")


NOTHING = Asked()


def choose(
    names: Sequence[str], wanted: str | None, where: str, *, kind: str = "table"
) -> tuple[int, tuple[Note, ...]]:
    """The position of the wanted table, or sheet; the only one where none is named, with a note.

    Raises:
        TableNotFoundError: no such table, or none at all.
        OptionError: several, and none is named.
    """
    if not names:
        raise TableNotFoundError(f"{where} has no {kind}s")
    if wanted is not None:
        if wanted not in names:
            raise TableNotFoundError(f"{where}: no {kind} '{wanted}'", did_you_mean(wanted, names))
        return names.index(wanted), ()
    if len(names) > 1:
        some = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
        raise OptionError(
            f"{where} has {len(names)} {kind}s: {some}",
            f"Name one, such as --table {shlex.quote(names[0])}"
            + (
                ", or give a --query (in Python: table=..., query=...)."
                if kind == "table"
                else " (in Python: table=...)."
            ),
        )
    which = "in the database" if kind == "table" else "that is visible and not empty"
    return 0, (Note(f"the {kind} is '{names[0]}', the only one {which}"),)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'

"""Which table of a database is meant."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from seedbed.data.notes import Note
from seedbed.errors import OptionError, TableNotFoundError, did_you_mean

__all__ = ["check_options", "choose", "quoted"]


def check_options(where: str, *, table: str | None, query: str | None, is_database: bool) -> None:
    """Raises OptionError where a table or a query is named and the source has none, or both are."""
    if not is_database and (table is not None or query is not None):
        raise OptionError(
            f"{where} is no database, so there is no {'table' if query is None else 'query'} to choose",
            "Only SQLite files and postgresql:// addresses take --table and --query.",
        )
    if table is not None and query is not None:
        raise OptionError(f"{where}: both a table and a query are given", "Give one of them.")


def choose(names: Sequence[str], wanted: str | None, where: str) -> tuple[int, tuple[Note, ...]]:
    """The position of the wanted table; the only one where none is named, with a note.

    Raises:
        TableNotFoundError: no such table, or none at all.
        OptionError: several, and none is named.
    """
    if not names:
        raise TableNotFoundError(f"{where} has no tables")
    if wanted is not None:
        if wanted not in names:
            raise TableNotFoundError(f"{where}: no table '{wanted}'", did_you_mean(wanted, names))
        return names.index(wanted), ()
    if len(names) > 1:
        some = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
        raise OptionError(
            f"{where} has {len(names)} tables: {some}",
            f"Name one, such as --table {shlex.quote(names[0])}, or give a --query (in Python: table=..., query=...).",
        )
    return 0, (Note(f"the table is '{names[0]}', the only one in the database"),)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'

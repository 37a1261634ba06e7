"""What a user may call a table, opened: a path, an example, a database's address, a data frame."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.data.columns import Columns
from seedbed.data.sources.choice import Asked
from seedbed.data.sources.examples import EXAMPLES, open_example
from seedbed.data.sources.files import SUFFIXES, open_file
from seedbed.data.sources.frames import open_frame
from seedbed.data.sources.postgres import Address, is_address, open_postgres
from seedbed.errors import DataError

__all__ = ["Source", "open_source"]

EXAMPLE_PREFIX = "example:"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, eq=False)
class Source:
    """An opened table that isn't typed yet.

    Attributes:
        columns: what it holds.
        name: what to call it in a report.
        target: the column it predicts where the user names none; examples have one.
    """

    columns: Columns
    name: str
    target: str | None = None


@contextlib.contextmanager
def open_source(
    source: Any,
    *,
    table: str | None = None,
    query: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
    wanted: Sequence[str] = (),
) -> Iterator[Source]:
    """Open a path, `example:NAME`, a `postgresql://` address or a data frame.

    Args:
        source: the table.
        table: which one of a database, or which sheet of an Excel file.
        query: a SELECT that a database shall answer instead.
        skip_rows: rows above the header of a text or an Excel file; found out where it isn't given.
        limit: how large the table may be, how long the query may run, or both: "50GB", "30min", "50GB,30min". By
            default 4 GB, or 20 times the size of the file if that is more, and 10 minutes.
        wanted: names of columns, to find the header by.

    Raises:
        TableNotFoundError: no such file, example or table of a database.
        OptionError: `table`, `query` or `skip_rows` for what has none, a table and a query, or neither where there are
            several tables; a `limit` that can't be understood.
        UnreadableError: bytes, rows or a header that can't be understood, or a table or query over the limit.
        DataError: not a table at all, a database that can't be reached, or a query that it refuses.
    """
    asked = Asked(table, query, skip_rows, tuple(wanted), limit)
    if isinstance(source, str) and is_address(source):
        address = Address.of(source)
        asked.check(address.shown, "table", "query")
        with open_postgres(address, table=table, query=query, limit=limit) as columns:
            yield Source(columns, table or address.database or "query")
    elif isinstance(source, str | Path) and not str(source).startswith(EXAMPLE_PREFIX):
        scheme = SCHEME.match(str(source)) if isinstance(source, str) else None
        if scheme:  # the address isn't quoted: it may hold a password
            raise DataError(f"tables aren't fetched from {scheme[0]}", "Save the table as a file and give its path.")
        path = Path(source)
        with open_file(path, asked) as columns:
            yield Source(columns, table or _stem(path))
    elif isinstance(source, str):
        asked.check(source)
        name = source.removeprefix(EXAMPLE_PREFIX)
        with open_example(name) as columns:
            yield Source(columns, name, EXAMPLES[name].target)
    else:
        asked.check("a data frame")
        with open_frame(source) as columns:
            yield Source(columns, "data frame")


def _stem(path: Path) -> str:
    """The file's name without the suffixes of its format: 'a.b.csv.gz' is 'a.b'."""
    while path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    return path.name

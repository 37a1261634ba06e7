"""Open what a user calls a table: a path, an example, a database's address, a data frame, or rows to predict."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from seedbed.data.columns import Columns, MemoryColumns
from seedbed.data.sources.examples import EXAMPLES, open_example
from seedbed.data.sources.files import SUFFIXES, open_file
from seedbed.data.sources.memory import array_columns, as_frame, open_frame, record_columns
from seedbed.data.sources.options import SourceOptions
from seedbed.data.sources.postgres import DatabaseAddress, is_address, open_postgres
from seedbed.errors import DataError

__all__ = ["open_rows", "open_source"]

EXAMPLE_PREFIX = "example:"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, eq=False)
class Source:
    """An opened table that isn't typed yet.

    Attributes:
        columns: its untyped columns.
        name: its name in reports.
        target: the default target; only examples have one.
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
        table: a table of a database, or a sheet of an Excel file.
        query: a SELECT of a database, instead of a table.
        skip_rows: rows above the header of a text or an Excel file; by default the header is searched.
        limit: how large the table may be, how long the query may run, or both: "50GB", "30min", "50GB,30min". By
            default 4 GB, or 20 times the size of the file if that is more, and 10 minutes.
        wanted: names of columns by which the header is found.

    Raises:
        TableNotFoundError: no such file, example or table of a database.
        OptionError: `table`, `query` or `skip_rows` for a source that has none; a table and a query, or neither if
            there are several tables; a `limit` that can't be understood.
        UnreadableError: bytes, rows or a header that can't be understood, or a table or query over the limit.
        DataError: not a table at all, a database that can't be reached, or a query that it refuses.
    """
    options = SourceOptions(table, query, skip_rows, tuple(wanted), limit)
    if isinstance(source, str) and is_address(source):
        address = DatabaseAddress.of(source)
        options.check(address.shown, "table", "query")
        with open_postgres(address, options) as columns:
            yield Source(columns, table or address.database or "query")
    elif isinstance(source, str | Path) and not str(source).startswith(EXAMPLE_PREFIX):
        scheme = SCHEME.match(str(source)) if isinstance(source, str) else None
        if scheme:  # the address isn't quoted: it may hold a password
            raise DataError(f"tables aren't fetched from {scheme[0]}", "Save the table as a file and give its path.")
        path = Path(source)
        with open_file(path, options) as columns:
            while path.suffix.lower() in SUFFIXES:  # 'a.b.csv.gz' is 'a.b'
                path = path.with_suffix("")
            yield Source(columns, table or path.name)
    elif isinstance(source, str):
        options.check(source)
        name = source.removeprefix(EXAMPLE_PREFIX)
        with open_example(name) as columns:
            yield Source(columns, name, EXAMPLES[name].target)
    else:
        options.check("a data frame")
        with open_frame(source) as columns:
            yield Source(columns, "data frame")


@contextlib.contextmanager
def open_rows(
    rows: Any,
    names: Sequence[str],
    *,
    table: str | None = None,
    query: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> Iterator[Columns]:
    """Open rows to predict.

    Args:
        rows: a path, `example:NAME`, a database's address or a data frame, as `read_table` takes it; records, a list of
            dicts or one of them; or an array [row, feature] in the order of `names`.
        names: the columns of the model.
        table, query, skip_rows, limit: as in `read_table`. The header is also found by `names`.

    Raises:
        DataError: the rows can't be read; see `read_table`.
    """
    if isinstance(rows, Mapping):
        yield record_columns([rows], names)
    elif isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        yield record_columns(rows, names)
    elif isinstance(rows, str | Path | duckdb.DuckDBPyRelation) or as_frame(rows) is not None:
        with open_source(rows, table=table, query=query, skip_rows=skip_rows, limit=limit, wanted=names) as found:
            yield found.columns
    else:
        columns = array_columns(rows, "array")
        if len(columns.names) != len(names):
            message = f"the array has {len(columns.names)} columns, and the model knows {len(names)}"
            raise DataError(message, f"Give them in this order: {', '.join(names[:20])}.")
        yield MemoryColumns("array", tuple(names), columns.arrays)

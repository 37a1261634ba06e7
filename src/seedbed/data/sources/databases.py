"""Tables and queries of SQLite files, and queries of PostgreSQL. Both are opened for reading
only."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

from seedbed.data.frame import Frame
from seedbed.data.sources.loaded import ROWS, Loader, open_loader
from seedbed.data.sources.memory import frame_of_rows
from seedbed.data.sources.source_limits import MAX_CELL, SourceLimit, choose, quote_name
from seedbed.data.table_options import SourceOptions
from seedbed.errors import DataError, OptionError, UnreadableError, spell
from seedbed.evaluation.summaries import Note

SQLITE_MAGIC = b"SQLite format 3\x00"
READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name"
)
MAX_VALUE = (
    4 * MAX_CELL
)  # bytes; a function of two texts can take their lengths' product, and can't be interrupted
INSTRUCTIONS = 100_000  # between two looks at the clock, about a millisecond
READ_ONLY = "It must be one SELECT; nothing in the database is changed."
STORED = 1_000_000_000  # bytes that any PostgreSQL database is taken to hold, for the default limit
LONGEST = 2**31 - 1  # milliseconds, the most that the server takes
# All other types are read as the server's text: `money` would arrive in cents, an `oid` negative,
# an `inet` as bytes.
KEPT = {
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "boolean",
    "text",
    "timestamp with time zone",
}


def read_sqlite(loader: Loader, path: Path, options: SourceOptions) -> Frame:
    """Return a table, a query, or the only table. A query that does more than read is refused."""
    where, limit = loader.where, loader.limit
    query, end, notes = options.query, time.monotonic() + limit.seconds, tuple[Note, ...]()
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as database:
            # Views and generated columns run SQL of the file's author.
            database.execute("PRAGMA trusted_schema = OFF")
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            database.set_progress_handler(lambda: time.monotonic() > end, INSTRUCTIONS)
            if query is None:
                tables = [str(name) for (name,) in database.execute(TABLES)]
                position, notes = choose(tables, options.table, where)
                query = f"SELECT * FROM {quote_name(tables[position])}"
            database.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY
            )
            cursor = database.execute(query)
            names = [column[0].strip() for column in cursor.description or ()]
            if not names:
                raise DataError(f"{where}: the query returns no table", READ_ONLY)
            return frame_of_rows(loader, cursor, names, ROWS, notes)
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        if str(error) == "interrupted":
            raise (
                limit.too_slow(where) if time.monotonic() > end else KeyboardInterrupt()
            ) from None
        if "too big" in str(error):
            raise UnreadableError(
                f"{where}: a value is over {MAX_VALUE:,} bytes",
                f"Leave its column out by a {spell('query')} that names the others.",
                option="query",
            ) from error
        if options.query is None:
            raise UnreadableError(
                f"{where} can't be read ({error})",
                "Is it complete, and not in use by another program?",
            ) from error
        raise DataError(f"{where}: the query can't be run ({error})", READ_ONLY) from error


def read_postgres(address: str, options: SourceOptions, as_text: Container[str]) -> Frame:
    """Return the answer to a query. The driver finds the password in PGPASSWORD or ~/.pgpass."""
    if ":" in address.partition("://")[2].rpartition("@")[0] or "password=" in address.lower():
        raise DataError(
            "the address of the database contains a password",
            "Others can see it there. Leave it out, and set PGPASSWORD or write it to ~/.pgpass.",
        )
    query = (options.query or "").strip("; \n")
    if not query:
        raise OptionError(
            f"{address} has no query",
            f"Give one, such as {spell('query', 'SELECT * FROM patients')}.",
            option="query",
        )
    import duckdb

    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise DataError(
            f"{address} needs the driver of PostgreSQL",
            "Install it: pip install 'seedbed[postgres]'",
        ) from error
    limit = SourceLimit.of(options.limit, STORED)
    patience = (
        ""
        if "connect_timeout=" in address
        else f"{'&' if '?' in address else '?'}connect_timeout=10"
    )
    with open_loader(address, limit, as_text) as loader:
        try:
            with dbapi.connect(address + patience) as server, server.cursor() as cursor:
                for setting in (
                    "TRANSACTION READ ONLY",
                    "LOCAL DateStyle = 'ISO'",
                    "LOCAL TimeZone = 'UTC'",
                ):
                    cursor.execute(f"SET {setting}")
                cursor.execute(
                    f"SET LOCAL statement_timeout = {min(1000 * limit.seconds, LONGEST):.0f}"
                )
                names = _load(loader, cursor, query)
        except (dbapi.Error, duckdb.Error) as error:
            if isinstance(error, duckdb.OutOfMemoryException):
                raise
            if "statement timeout" in str(error):
                raise limit.too_slow(address) from None
            reason = re.search(r"(?:ERROR:|FATAL:|failed:)\s*(.*)", str(error)) or re.match(
                "(.*)", str(error)
            )
            raise DataError(
                f"{address} can't be read ({reason and reason[1]})", READ_ONLY
            ) from error
        return loader.frame(names)


def _load(loader: Loader, cursor: Any, query: str) -> list[str]:
    """Load the answer to a query into DuckDB, which makes repeated names different. Return the
    names."""
    cursor.adbc_statement.set_sql_query(query)
    cursor.adbc_statement.execute_schema().release()  # an error of syntax is one of the query as it is

    def ask(select: str) -> Any:
        cursor.execute(select)
        return cursor.fetch_arrow()

    names = loader.connection.from_arrow(ask(f"SELECT * FROM ({query}\n) AS asked LIMIT 0")).columns
    aliases = [f"c{i}" for i in range(len(names))]
    answer = f"(SELECT * FROM ({query}\n) AS asked({', '.join(aliases)})"
    kinds = ", ".join(f"pg_typeof({alias})::text AS {alias}" for alias in aliases)
    # The join gives a row even if the query has none: the types are those of its NULLs.
    types = ask(f"SELECT {kinds} FROM (SELECT 1) AS one LEFT JOIN {answer} LIMIT 0) AS no ON true")
    [kinds_found] = loader.connection.from_arrow(types).fetchall()
    wanted = [
        alias if kind in KEPT else f"{alias}::text"
        for alias, kind in zip(aliases, kinds_found, strict=True)
    ]
    loader.load_arrow(
        ask(f"SELECT {', '.join(wanted)} FROM {answer}) AS typed"), n_columns=len(names)
    )
    return [name.strip() for name in names]

"""Tables and queries of SQLite files and PostgreSQL, which are opened for reading only."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import duckdb

from seedbed.data.frame import Frame, Note
from seedbed.data.sources.loaded import name_rows, open_loader
from seedbed.data.sources.memory import frame_of_rows
from seedbed.data.sources.options import MAX_CELL, SourceLimit, SourceOptions, check_width, choose, quoted
from seedbed.errors import DataError, SeedbedError, UnreadableError

__all__ = ["SQLITE_MAGIC", "DatabaseAddress", "is_address", "read_postgres", "read_sqlite"]


SQLITE_MAGIC = b"SQLite format 3\x00"
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
SQLITE_TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*' ORDER BY name"
)
MAX_VALUE = 4 * MAX_CELL  # bytes; a function of two texts can take their lengths' product, and can't be interrupted
INSTRUCTIONS = 100_000  # between two looks at the clock, about a millisecond
READ_ONLY = "It must be one SELECT; nothing in the database is changed."
OTHER_COLUMNS = "Leave {} out by a --query that names the others."


def read_sqlite(path: Path, where: str, limit: SourceLimit, options: SourceOptions) -> Frame:
    """Return a table, a query, or the only table. A query that does more than read is refused."""
    query, watch = options.query, _Watch(limit, where)
    notes: tuple[Note, ...] = ()
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            # A file can contain views, which run its author's SQL.
            database.execute("PRAGMA trusted_schema = OFF")
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            database.set_progress_handler(watch, INSTRUCTIONS)
            if query is None:
                tables = [str(name) for (name,) in database.execute(SQLITE_TABLES)]
                position, notes = choose(tables, options.table, where)
                select = f"SELECT * FROM {quoted(tables[position])}"
            else:
                select = query
            database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY)
            cursor = database.execute(select)
            names = [column[0].strip() for column in cursor.description or ()]
            if not names:
                raise DataError(f"{where}: the query gives no table", READ_ONLY)
            return frame_of_rows(
                _no_bytes(cursor, names, where),
                names,
                where,
                limit,
                places=name_rows,
                as_text=options.as_text,
                notes=notes,
            )
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        if watch.reason is not None:
            raise watch.reason from None
        if "too big" in str(error):
            message = f"{where}: a value is over {MAX_VALUE:,} bytes"
            raise UnreadableError(message, OTHER_COLUMNS.format("it")) from error
        if query is None:
            raise UnreadableError(
                f"{where} can't be read ({error})", "Is it complete, and not in use by another program?"
            ) from error
        raise DataError(f"{where}: the query can't be run ({error})", READ_ONLY) from error


class _Watch:
    """Stops a statement that takes too long or fills the disk, when SQLite calls it.

    Attributes:
        reason: why it was stopped: an error of the limit, or another exception such as Ctrl-C.
    """

    def __init__(self, limit: SourceLimit, where: str) -> None:
        self.reason: BaseException | None = None
        self._limit, self._where = limit, where
        self._end, self._next = time.monotonic() + limit.seconds, 0.0

    def __call__(self) -> bool:
        try:
            now = time.monotonic()
            if now > self._end:
                raise self._limit.too_slow(self._where)
            if now > self._next:
                self._next = now + 0.1
                self._limit.check_size(_temporary_bytes(), f"{self._where}: the query", measured="needs over")
        except (SeedbedError, KeyboardInterrupt) as error:  # SQLite would swallow it
            self.reason = error
        return self.reason is not None


def _temporary_bytes() -> int:
    """Return the size of SQLite's temporary files in this process, which no folder lists; 0 without /proc."""
    size = 0
    with contextlib.suppress(OSError):
        for handle in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                size += handle.stat().st_size if "/etilqs_" in str(handle.readlink()) else 0
    return size


def _no_bytes(rows: Iterable[tuple[Any, ...]], names: Sequence[str], where: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows. SQLite types each cell, not each column, so any cell may be bytes, which are refused."""
    for number, row in enumerate(rows, start=1):
        if bytes in map(type, row):
            name = next(name for name, cell in zip(names, row, strict=True) if isinstance(cell, bytes))
            message = f"{where}: row {number}, column '{name}' holds bytes (a BLOB), neither text nor a number"
            raise UnreadableError(message, OTHER_COLUMNS.format("the column"))
        yield row


SCHEMES = ("postgresql://", "postgres://")
PARTS = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<host>[^@/?#\s]*)(?:/(?P<database>[^@/?#\s]*))?(?:\?(?P<options>[^@#\s]*))?"
)
NOT_ESCAPED = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
CONNECT_SECONDS = 10
LONGEST = 2**31 - 1  # milliseconds, the most that the server takes
CANCELLED = "57014"
STORED = 1_000_000_000  # bytes that any database is taken to hold, for the default limit
SETTINGS = ("SET TRANSACTION READ ONLY", "SET LOCAL DateStyle = 'ISO'", "SET LOCAL TimeZone = 'UTC'")
POSTGRES_TABLES = """
SELECT nspname || '.' || relname, CASE WHEN pg_table_is_visible(c.oid) THEN relname ELSE nspname || '.' || relname END,
  quote_ident(nspname) || '.' || quote_ident(relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname NOT IN ('information_schema') AND nspname NOT LIKE 'pg\\_%'
  AND has_table_privilege(c.oid, 'SELECT') ORDER BY 2"""
# All other types are read as text: `money` would arrive in cents, an `oid` negative, an `inet` as bytes, and a
# `numeric` would lose digits.
AS_THEY_ARE = {"smallint", "integer", "bigint", "real", "double precision", "boolean", "text"}
CASTS = {"money": "{}::numeric::text", "timestamp with time zone": "({} AT TIME ZONE 'UTC')::text"}
PASSWORD_ADVICE = (
    "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in a password, write @ as %40, / as %2F, % as %25."
)


@dataclass(frozen=True)
class DatabaseAddress:
    """The address of a database. Messages may contain only `shown`.

    Attributes:
        url: as the user gave it.
        shown: the address without password and options.
        database: name of the database, or empty.
        secrets: texts that no message may contain.
    """

    url: str = field(repr=False)
    shown: str
    database: str
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> DatabaseAddress:
        """Parse an address. It is checked here because libpq's own messages would quote parts of the password."""
        parts = PARTS.fullmatch(url)
        if parts is None or NOT_ESCAPED.search(url):
            raise DataError("the address of the database can't be understood", PASSWORD_ADVICE)
        user, database = parts["user"] or "", parts["database"] or ""
        hidden = [parts["password"] or ""]
        hidden += [value for key, value in parse_qsl(parts["options"] or "") if "password" in key]
        shown = f"postgresql://{user}{':***' if parts['password'] else ''}{'@' if user else ''}{parts['host']}"
        return cls(
            url=url,
            shown=f"{shown}/{database}",
            database=unquote(database),
            secrets=tuple({text for word in hidden for text in (word, unquote(word)) if text}),
        )

    def masked(self, message: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            message = message.replace(secret, "***")
        return message


def is_address(source: str) -> bool:
    return source.lower().startswith(SCHEMES)


def read_postgres(address: DatabaseAddress, options: SourceOptions) -> Frame:
    """Return a table, a query, or the only table of a database."""
    where, limit = address.shown, SourceLimit.of(options.limit, STORED)
    with open_loader(where, limit, options.as_text) as loader:
        connection = loader.connection
        notes: tuple[Note, ...] = ()
        with _server(address, limit) as cursor:
            if options.query is None:
                found = _fetch(connection, cursor, POSTGRES_TABLES)
                full, known = [row[0] for row in found], [row[1] for row in found]
                wanted = known[full.index(options.table)] if options.table in full else options.table
                position, notes = choose(known, wanted, where)
                select = f"SELECT * FROM {found[position][2]}"
            else:
                select = options.query.strip().removesuffix(";").strip()
            if not select:
                raise DataError(f"{where}: the query is empty", READ_ONLY)
            names = _names(cursor, select)
            check_width(len(names), where)
            stream = _as_text(connection, cursor, select, names, where)
            try:
                loader.load_arrow(stream, n_columns=len(names))
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:  # an error of the server, in a later row
                raise _refusal(error, address, limit) from error
        return loader.frame([name.strip() for name in names], notes=notes)


@contextlib.contextmanager
def _server(address: DatabaseAddress, limit: SourceLimit) -> Iterator[Any]:
    """Yield a cursor in a transaction that can only read."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise DataError(
            f"{address.shown} needs the driver of PostgreSQL", "Install it: pip install 'seedbed[postgres]'"
        ) from error
    joint = "" if "connect_timeout=" in address.url else "&" if "?" in address.url else "?"
    patient = f"{address.url}{joint}connect_timeout={CONNECT_SECONDS}" if joint else address.url
    try:
        with dbapi.connect(patient) as server, server.cursor() as cursor:
            for setting in (*SETTINGS, f"SET LOCAL statement_timeout = {min(1000 * limit.seconds, LONGEST):.0f}"):
                cursor.execute(setting)
            yield cursor
    except dbapi.OperationalError as error:
        raise DataError(f"{address.shown} can't be reached ({address.masked(_reason(error))})") from error
    except dbapi.Error as error:
        raise _refusal(error, address, limit) from error


def _refusal(error: Exception, address: DatabaseAddress, limit: SourceLimit) -> DataError:
    """Return the error for a query that the server refused, or stopped because it took too long."""
    if getattr(error, "sqlstate", None) == CANCELLED or "statement timeout" in str(error):
        return limit.too_slow(address.shown)
    return DataError(f"{address.shown} refuses: {address.masked(_reason(error))}", READ_ONLY)


def _fetch(connection: duckdb.DuckDBPyConnection, cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    connection.register("answer", cursor.fetch_arrow())
    rows = connection.execute("SELECT * FROM answer").fetchall()
    connection.unregister("answer")
    return rows


def _names(cursor: Any, select: str) -> list[str]:
    """Return the columns' names. SQL allows two equal ones, and DuckDB would rename one."""
    statement = cursor.adbc_statement
    statement.set_sql_query(select)
    statement.prepare()
    handle = statement.execute_schema()
    schema = _ArrowSchema.from_address(handle.address)
    names = [schema.children[i].contents.name.decode() for i in range(schema.n_children)]
    handle.release()
    return names


class _ArrowSchema(ctypes.Structure):
    """A schema in Arrow's C data interface."""


_ArrowSchema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowSchema))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


def _as_text(connection: duckdb.DuckDBPyConnection, cursor: Any, select: str, names: Sequence[str], where: str) -> Any:
    """Return the answer as an Arrow stream, with every type that DuckDB would change as text."""
    aliases = [f"c{i}" for i in range(len(names))]
    asked = f"SELECT * FROM ({select}\n) AS asked({', '.join(aliases)})"
    kinds = ", ".join(f"pg_typeof({alias})::text AS {alias}" for alias in aliases)
    # The join gives a row even if the query has none: the types are those of its NULLs.
    [types] = _fetch(
        connection, cursor, f"SELECT {kinds} FROM (SELECT 1) AS one LEFT JOIN ({asked} LIMIT 0) AS no ON true"
    )
    casts = []
    for name, alias, kind in zip(names, aliases, types, strict=True):
        if kind == "bytea":
            raise UnreadableError(
                f"{where}: column '{name}' holds bytes (bytea), neither text nor a number",
                "Leave the column out by a --query that names the others.",
            )
        cast = alias if kind in AS_THEY_ARE else CASTS.get(kind, "{}::text").format(alias)
        casts.append(f"{cast} AS {alias}")
    cursor.execute(f"SELECT {', '.join(casts)} FROM ({asked}) AS typed")
    return cursor.fetch_arrow()


def _reason(error: Exception) -> str:
    """Return the server's message in one line."""
    said = str(error).split("\n\nQuery was:")[0].splitlines()
    text = next((line for line in said if "ERROR:" in line or "FATAL:" in line), said[0] if said else "")
    return (
        re.sub(r"\s+", " ", re.sub(r"^.*(?:ERROR:|FATAL:|Failed to connect:)", "", text)).strip() or "no reason given"
    )

"""Tables and queries of PostgreSQL, read in a transaction that can't write."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import duckdb

from seedbed.data.columns import Columns
from seedbed.data.notes import Note
from seedbed.data.sources.loaded import open_loader
from seedbed.data.sources.options import SourceLimit, SourceOptions, check_width, choose
from seedbed.errors import DataError, UnreadableError

__all__ = ["DatabaseAddress", "is_address", "open_postgres"]

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
TABLES = """
SELECT nspname || '.' || relname, CASE WHEN pg_table_is_visible(c.oid) THEN relname ELSE nspname || '.' || relname END,
  quote_ident(nspname) || '.' || quote_ident(relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname NOT IN ('information_schema') AND nspname NOT LIKE 'pg\\_%'
  AND has_table_privilege(c.oid, 'SELECT') ORDER BY 2"""
# All other types are read as text: `money` would arrive in cents, an `oid` negative, an `inet` as bytes, and a
# `numeric` would lose digits.
AS_THEY_ARE = {"smallint", "integer", "bigint", "real", "double precision", "boolean", "text"}
CASTS = {
    "money": "{}::numeric::text",
    "timestamp with time zone": "({} AT TIME ZONE 'UTC')::text",
}
ONE_SELECT = "It must be one SELECT; nothing in the database is changed."
PASSWORD_ADVICE = (
    "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in a password, write @ as %40, / as %2F, % as %25."
)


@dataclass(frozen=True)
class DatabaseAddress:
    """DatabaseAddress of a database. Messages may contain only `shown`.

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
        """Parse an address. It is checked here because libpq's own messages would quote parts of the password.

        Raises:
            DataError: an address that can't be understood.
        """
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


@contextlib.contextmanager
def open_postgres(address: DatabaseAddress, options: SourceOptions) -> Iterator[Columns]:
    """Open a table, a query, or the only table of a database.

    Raises:
        TableNotFoundError: no such table.
        OptionError: several tables, and none is named; or the limit is neither a size nor a time.
        UnreadableError: a column of bytes, or a query or table over the limit.
        DataError: the driver isn't installed, the server can't be reached, or it refuses the query.
    """
    where, limit = address.shown, SourceLimit.of(options.limit, STORED)
    with open_loader(where, limit) as loader:
        connection = loader.connection
        notes: tuple[Note, ...] = ()
        with _server(address, limit) as cursor:
            if options.query is None:
                found = _fetch(connection, cursor, TABLES)
                full, known = [row[0] for row in found], [row[1] for row in found]
                wanted = known[full.index(options.table)] if options.table in full else options.table
                position, notes = choose(known, wanted, where)
                select = f"SELECT * FROM {found[position][2]}"
            else:
                select = options.query.strip().removesuffix(";").strip()
            if not select:
                raise DataError(f"{where}: the query is empty", ONE_SELECT)
            names = _names(cursor, select)
            check_width(len(names), where)
            stream = _as_text(connection, cursor, select, names, where)
            try:
                loader.load_arrow(stream, n_columns=len(names))
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:  # an error of the server, in a later row
                raise _refusal(error, address, limit) from error
        yield loader.columns([name.strip() for name in names], notes=notes)


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
    return DataError(f"{address.shown} refuses: {address.masked(_reason(error))}", ONE_SELECT)


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
                "Leave the column out by a --query that names the others (in Python: query=...).",
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

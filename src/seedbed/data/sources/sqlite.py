"""Tables and queries of SQLite files, which are opened for reading only."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from seedbed.data.cells import number_text
from seedbed.data.notes import Note
from seedbed.data.sources.loaded import LoadedColumns, Loader
from seedbed.data.sources.options import MAX_CELL, SourceLimit, SourceOptions, choose, quoted
from seedbed.errors import DataError, SeedbedError, UnreadableError

__all__ = ["MAGIC", "open_sqlite"]

MAGIC = b"SQLite format 3\x00"
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
TABLES = """SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*' ORDER BY name"""
MAX_VALUE = 4 * MAX_CELL  # bytes; a function of two texts can take their lengths' product, and can't be interrupted
INSTRUCTIONS = 100_000  # between two looks at the clock, about a millisecond
READ_ONLY = "It must be one SELECT; nothing in the database is changed."
OTHER_COLUMNS = "Leave {} out by a --query that names the others (in Python: query=...)."


def open_sqlite(loader: Loader, path: Path, options: SourceOptions) -> LoadedColumns:
    """Return the columns of a table, of a query, or of the only table.

    Raises:
        TableNotFoundError: no such table.
        OptionError: several tables, and none is named.
        UnreadableError: no database, no rows, bytes where text or a number should be, or over the limit.
        DataError: a query that can't be run, or does more than read.
    """
    where, query = loader.where, options.query
    notes: tuple[Note, ...] = ()
    watch = _Watch(loader.limit, where)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            # A file can contain views, which run its author's SQL.
            database.execute("PRAGMA trusted_schema = OFF")
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            database.set_progress_handler(watch, INSTRUCTIONS)
            if query is None:
                tables = [str(name) for (name,) in database.execute(TABLES)]
                position, notes = choose(tables, options.table, where)
                select = f"SELECT * FROM {quoted(tables[position])}"
            else:
                select = query
            database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY)
            cursor = database.execute(select)
            names = [column[0].strip() for column in cursor.description or ()]
            if not names:
                raise DataError(f"{where}: the query gives no table", READ_ONLY)
            loader.load_rows(_text_rows(cursor, names, where), names)
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
    return loader.columns(names, notes=notes)


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


def _text_rows(rows: Iterable[tuple[Any, ...]], names: Sequence[str], where: str) -> Iterator[list[str | None]]:
    """SQLite types each cell, not each column. As text they are typed like those of a file."""
    for number, row in enumerate(rows, start=1):
        for name, cell in zip(names, row, strict=True):
            if isinstance(cell, bytes):
                message = f"{where}: row {number}, column '{name}' holds bytes (a BLOB), neither text nor a number"
                raise UnreadableError(message, OTHER_COLUMNS.format("the column"))
        yield [number_text(cell) if isinstance(cell, float) else cell for cell in row]

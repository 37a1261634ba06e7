"""Load a source into DuckDB, which runs in this process and never uses the network."""

from __future__ import annotations

import contextlib
import csv
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import NUMBER, number_texts
from seedbed.data.columns import Note
from seedbed.data.sources.options import MAX_CELL, SourceLimit, check_names, long_cell
from seedbed.errors import UnreadableError
from seedbed.files import temporary_folder
from seedbed.typing import Bools, Floats

__all__ = ["COLUMNS_A_QUERY", "LoadedColumns", "Loader", "NumberText", "open_loader"]

COLUMNS_A_QUERY = 200  # ten thousand columns in one statement take DuckDB far longer than in pieces
CELLS_A_QUERY = 1_000_000  # a query per column takes half a minute for ten thousand columns
NUMERIC_TYPES = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN|BIGNUM")
FLOAT_TYPES = ("FLOAT", "DOUBLE")
UNLIMITED = SourceLimit(math.inf)
WITH_ZONE = "TIMESTAMP WITH TIME ZONE"
MEMORY = "2GB"  # the default is most of the machine's memory
SHORT_ROW, BUFFER = 1 << 21, 1 << 25  # bytes
LONG_ROW = 1 << 28  # bytes; DuckDB's own limit, 2 MB, is less than ten thousand columns can hold
# DuckDB would fetch extensions from the network at run time.
OFFLINE: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

FindPlaces = Callable[[Iterable[int]], dict[int, str]]


class NumberText(str):
    """The text of a cell that is a number in the source, so that its point is a decimal mark."""


def name_rows(rows: Iterable[int]) -> dict[int, str]:
    """Return where the user finds rows of a source without lines or records."""
    return {row: f"row {row + 1}" for row in rows}


@dataclass(frozen=True, eq=False)
class LoadedColumns:
    """The columns of DuckDB's table `cells`, which are named c0, c1, ... there, in the order of the source.

    Attributes:
        rowid: DuckDB's number of the source's first row; not 0 if a header was deleted.
        first: number of the first of these rows among those of the source.
        rows: SQL condition that selects these rows.
        numeric: columns of text whose cells are numbers in the source.
        lock: of the connection, which one thread at a time may use.
    """

    where: str
    names: tuple[str, ...]
    n_rows: int
    notes: tuple[Note, ...]
    connection: duckdb.DuckDBPyConnection
    types: tuple[str, ...]
    find_places: FindPlaces
    categorical: frozenset[str] = frozenset()
    rowid: int = 0
    first: int = 0
    rows: str = ""
    numeric: frozenset[int] = frozenset()
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _read: dict[int, NDArray[np.object_]] = field(default_factory=dict, init=False, repr=False)

    def numbers(self, columns: Sequence[int]) -> Floats:
        matrix = np.empty((self.n_rows, len(columns)))
        for start in range(0, len(columns), COLUMNS_A_QUERY):
            some = columns[start : start + COLUMNS_A_QUERY]
            found = self._fetch(f"{number_sql(f'c{i}', self.types[i])} AS c{i}" for i in some)
            for position, i in enumerate(some, start=start):
                matrix[:, position] = np.ma.filled(np.ma.asarray(found[f"c{i}"], dtype=np.float64), np.nan)
        return matrix

    def cells(self, column: int) -> list[str | None]:
        if self.types[column] in FLOAT_TYPES:
            return number_texts(self.numbers([column]))
        if column not in self._read:
            self._read.clear()
            width = max(1, min(COLUMNS_A_QUERY, CELLS_A_QUERY // max(1, self.n_rows)))
            some = [i for i in range(column, min(column + width, len(self.names))) if self.types[i] not in FLOAT_TYPES]
            # An empty cell is missing either way; without nulls the array comes back unmasked.
            found = self._fetch(f"coalesce({_text_sql(f'c{i}', self.types[i])}, '') AS c{i}" for i in some)
            self._read.update((i, found[f"c{i}"]) for i in some)
        return list(self._read[column])

    def matches(self, columns: Sequence[int], pattern: str) -> Bools:
        found = np.zeros(len(columns), dtype=bool)
        texts = [
            place
            for place, i in enumerate(columns)
            if i not in self.numeric and not NUMERIC_TYPES.fullmatch(self.types[i])
        ]
        for start in range(0, len(texts), COLUMNS_A_QUERY):
            some = texts[start : start + COLUMNS_A_QUERY]
            cells = (_text_sql(f"c{columns[place]}", self.types[columns[place]]) for place in some)
            wanted = ", ".join(f"coalesce(bool_or(regexp_full_match({cell}, '{pattern}')), false)" for cell in cells)
            found[some] = self.connection.execute(f"SELECT {wanted} FROM cells").fetchone() or ()
        return found

    def places(self, rows: Iterable[int]) -> dict[int, str]:
        found = self.find_places([self.first + row for row in rows])
        return {row - self.first: place for row, place in found.items()}

    def window(self, start: int, stop: int) -> LoadedColumns:
        first, n_rows = self.first + start, min(stop, self.n_rows) - start
        rowid = self.rowid + first
        return replace(self, n_rows=n_rows, first=first, rows=f" WHERE rowid >= {rowid} AND rowid < {rowid + n_rows}")

    def _fetch(self, wanted: Iterable[str]) -> dict[str, NDArray[Any]]:
        with self.lock:
            query = f"SELECT {', '.join(wanted)} FROM cells{self.rows} ORDER BY rowid"
            return self.connection.execute(query).fetchnumpy()


@dataclass(frozen=True, eq=False)
class Loader:
    """Loads one source into DuckDB's table `cells`.

    Attributes:
        connection: to DuckDB.
        folder: for temporary files; it exists as long as the connection.
        where: what messages call the source.
        limit: how large the table may be.
    """

    connection: duckdb.DuckDBPyConnection
    folder: Path
    where: str
    limit: SourceLimit

    def load_csv(self, path: str, *, n_columns: int, delimiter: str = ",", ragged: bool = False) -> None:
        """Load all cells as text, the first row too. Only if `ragged`, rows may be short."""
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
        # DuckDB can't fill up short rows and read in parallel when there are line ends within cells.
        short = "null_padding=true, parallel=false" if ragged else "null_padding=false"
        # A character takes up to four bytes, and a quote is written twice. Its own buffer is 16 such rows.
        longest = min(LONG_ROW, max(SHORT_ROW, 8 * MAX_CELL * n_columns))
        self.connection.execute(
            f"CREATE TEMP TABLE cells AS SELECT * FROM read_csv(?, columns={{{columns}}}, delim=?, "
            "auto_detect=false, header=false, quote='\"', escape='\"', comment='', compression='none', "
            f"new_line='\\n', strict_mode=true, {short}, ignore_errors=false, max_line_size={longest}, "
            f"buffer_size={max(BUFFER, 2 * longest)})",
            [path, delimiter],
        )

    def load_rows(
        self, rows: Iterable[Sequence[str | None]], names: Iterable[str], find_places: FindPlaces = name_rows
    ) -> frozenset[int]:
        """Load rows of text, at least one. A later row may be longer, and `names` then grow.

        Returns:
            The columns that have no text but numbers, as `NumberText` or integers.
        """
        path = self.folder / "rows.csv"
        n_rows, n_text, most, widths, spelled = 0, 0, 0, {0}, set[int]()
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for row in rows:
                try:
                    n_written = writer.writerow(row)  # what `out.write` returns: characters
                except UnicodeEncodeError as error:
                    place = find_places([n_rows])[n_rows]
                    raise UnreadableError(f"{self.where}: {place} holds half a character ({error.reason})") from error
                if n_written > MAX_CELL:
                    for name, cell in zip(names, row, strict=False):
                        if len(str(cell).encode()) > MAX_CELL:
                            raise long_cell(self.where, find_places([n_rows])[n_rows], name)
                n_rows, n_text = n_rows + 1, n_text + n_written
                if len(spelled) < len(row):
                    spelled.update(place for place, cell in enumerate(row) if cell and type(cell) is str)
                if len(row) not in widths:
                    widths.add(len(row))
                    most = self.limit.rows(max(widths))
                if n_rows > most or n_text > self.limit.size:
                    self.limit.check_rows(n_rows, max(widths), self.where, n_text=n_text)
        if n_rows == 0:
            raise UnreadableError(f"{self.where}: there are no rows")
        self.load_csv(str(path), n_columns=max(widths), ragged=len(widths) > 2)
        path.unlink()
        (n_loaded,) = self.connection.execute("SELECT count(*) FROM cells").fetchone() or (0,)
        if n_loaded != n_rows:
            raise UnreadableError(f"{self.where}: of {n_rows} rows, {n_loaded} arrived", "Please report this as a bug.")
        return frozenset(range(max(widths))) - spelled

    def load_arrow(self, stream: Any, *, n_columns: int) -> None:
        """Load an object with an Arrow stream (`__arrow_c_stream__`)."""
        aliases = ", ".join(f"c{i}" for i in range(n_columns))
        self.connection.register("arrow", stream)
        self.connection.execute(f"CREATE TEMP TABLE cells AS SELECT * FROM arrow AS stream({aliases})")
        self.connection.unregister("arrow")

    def columns(
        self,
        names: Sequence[str],
        find_places: FindPlaces = name_rows,
        notes: tuple[Note, ...] = (),
        numeric: frozenset[int] = frozenset(),
    ) -> LoadedColumns:
        """Return the columns of what was loaded, and check their limits. A table without rows is enough to predict."""
        check_names(names, self.where)
        described = self.connection.execute("SELECT column_type FROM (DESCRIBE cells)").fetchall()
        query = "SELECT count(*), coalesce(min(rowid), 0) FROM cells"
        n_rows, rowid = self.connection.execute(query).fetchone() or (0, 0)
        columns = LoadedColumns(
            where=self.where,
            names=tuple(names),
            n_rows=n_rows,
            notes=notes,
            connection=self.connection,
            types=tuple(kind for (kind,) in described),
            find_places=find_places,
            rowid=rowid,
            numeric=numeric,
        )
        self.limit.check_rows(n_rows, len(names), self.where, n_text=_check_cells(columns))
        return columns


@contextlib.contextmanager
def open_loader(where: str, limit: SourceLimit = UNLIMITED) -> Iterator[Loader]:
    """Start DuckDB in memory, with a temporary folder for what doesn't fit there. Its errors name the source."""
    with temporary_folder() as folder, contextlib.closing(duckdb.connect(":memory:", config=OFFLINE)) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET memory_limit = ?", [MEMORY])
        # The default is a folder .tmp in the current folder.
        connection.execute("SET temp_directory = ?", [str(folder / "duckdb")])
        if math.isfinite(limit.size):
            # DuckDB takes 16 bytes for a text cell that is counted as 8.
            connection.execute("SET max_temp_directory_size = ?", [f"{3 * limit.size / 1e6:.0f}MB"])
        try:
            yield Loader(connection, folder, where, limit)
        except duckdb.OutOfMemoryException:
            if math.isinf(limit.size):
                raise
            limit.check_size(2 * limit.size, where, measured="needs over")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UnreadableError(f"{where} can't be read ({reason})", "Is it complete?") from error


def number_sql(column: str, kind: str) -> str:
    """Return SQL for the number of a cell; NULL where `parse_number` returns NaN."""
    if NUMERIC_TYPES.fullmatch(kind):
        return f"CAST({column} AS DOUBLE)"
    text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    return f"CASE WHEN regexp_full_match({text}, '{NUMBER}') THEN TRY_CAST({text} AS DOUBLE) END"


def _text_sql(column: str, kind: str) -> str:
    """Return SQL for a cell as text. A time with a zone is shown in UTC, without the zone."""
    return f"CAST({column if kind != WITH_ZONE else f'CAST({column} AS TIMESTAMP)'} AS VARCHAR)"


def _check_cells(columns: LoadedColumns) -> int:
    """Return the bytes of all cells that are text. Raise UnreadableError if one is too long."""
    texts = [i for i, kind in enumerate(columns.types) if not NUMERIC_TYPES.fullmatch(kind)]
    n_text = 0
    for start in range(0, len(texts), COLUMNS_A_QUERY):
        some = texts[start : start + COLUMNS_A_QUERY]
        cells = [f"strlen(CAST(c{i} AS VARCHAR))" for i in some]
        wanted = ", ".join(f"max({cell}), coalesce(sum({cell}), 0)" for cell in cells)
        found = columns.connection.execute(f"SELECT {wanted} FROM cells").fetchone() or ()
        n_text += int(sum(found[1::2]))
        for column, length in zip(some, found[::2], strict=True):
            if (length or 0) > MAX_CELL:
                # Without its header, the rows of a file begin at 1.
                query = (
                    "SELECT min(rowid) - (SELECT min(rowid) FROM cells) FROM cells "
                    f"WHERE strlen(CAST(c{column} AS VARCHAR)) > {MAX_CELL}"
                )
                (row,) = columns.connection.execute(query).fetchone() or (0,)
                raise long_cell(columns.where, columns.places([row])[row], columns.names[column])
    return n_text

"""Columns loaded into DuckDB, in this process; it never goes to the network."""

from __future__ import annotations

import contextlib
import csv
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import NUMBER, number_text
from seedbed.data.notes import Note
from seedbed.data.sources.asked import MAX_CELL, Limit, check_names, long_cell
from seedbed.errors import UnreadableError
from seedbed.typing import Bools, Floats

__all__ = ["COLUMNS_A_QUERY", "LoadedColumns", "connect", "load_arrow", "load_csv", "load_rows", "loaded"]

# Ten thousand columns in one statement take DuckDB far longer than in pieces.
COLUMNS_A_QUERY = 200
# Columns are asked for one after another, and a query for each of ten thousand takes half a minute.
CELLS_A_QUERY = 1_000_000
NUMERIC_TYPES = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN|BIGNUM")
FLOATS = ("FLOAT", "DOUBLE")
WITH_ZONE = "TIMESTAMP WITH TIME ZONE"
MEMORY = "2GB"
SHORT_ROW, BUFFER = 1 << 21, 1 << 25  # bytes
LONG_ROW = 1 << 28  # bytes; DuckDB's own limit, 2 MB, is less than ten thousand columns can hold


@dataclass(frozen=True, eq=False)
class LoadedColumns:
    """The columns of DuckDB's table `cells`, there called c0, c1, ..., in the order of the source.

    Attributes:
        rowid: DuckDB's number of the source's first row; not 0 where a header was taken away.
        first: the number of the first of these rows among those of the source.
        rows: what picks these rows, in SQL.
        lock: of the connection, which one thread at a time may use.
    """

    where: str
    names: tuple[str, ...]
    n_rows: int
    notes: tuple[Note, ...]
    connection: duckdb.DuckDBPyConnection
    types: tuple[str, ...]
    find_places: Callable[[Iterable[int]], dict[int, str]]
    categorical: frozenset[str] = frozenset()
    rowid: int = 0
    first: int = 0
    rows: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _read: dict[int, NDArray[np.object_]] = field(default_factory=dict, init=False, repr=False)

    def numbers(self, columns: Sequence[int]) -> Floats:
        matrix = np.empty((self.n_rows, len(columns)))
        for start in range(0, len(columns), COLUMNS_A_QUERY):
            some = columns[start : start + COLUMNS_A_QUERY]
            wanted = ", ".join(f"{number_sql(f'c{i}', self.types[i])} AS c{i}" for i in some)
            found = self._arrays(wanted)
            for position, i in enumerate(some, start=start):
                matrix[:, position] = np.ma.filled(np.ma.asarray(found[f"c{i}"], dtype=np.float64), np.nan)
        return matrix

    def cells(self, column: int) -> list[str | None]:
        if self.types[column] in FLOATS:
            levels, codes = np.unique(self.numbers([column]), return_inverse=True)
            texts = [number_text(level) for level in levels.tolist()]
            return [texts[code] for code in codes.ravel().tolist()]
        if column not in self._read:
            self._read.clear()
            width = max(1, min(COLUMNS_A_QUERY, CELLS_A_QUERY // max(1, self.n_rows)))
            some = [i for i in range(column, min(column + width, len(self.names))) if self.types[i] not in FLOATS]
            # An empty cell is missing either way; without nulls the array comes back unmasked.
            wanted = ", ".join(f"coalesce({_text_sql(f'c{i}', self.types[i])}, '') AS c{i}" for i in some)
            found = self._arrays(wanted)
            self._read.update((i, found[f"c{i}"]) for i in some)
        return list(self._read[column])

    def matches(self, columns: Sequence[int], pattern: str) -> Bools:
        found = np.zeros(len(columns), dtype=bool)
        texts = [place for place, i in enumerate(columns) if not NUMERIC_TYPES.fullmatch(self.types[i])]
        for start in range(0, len(texts), COLUMNS_A_QUERY):
            some = texts[start : start + COLUMNS_A_QUERY]
            cells = (_text_sql(f"c{columns[place]}", self.types[columns[place]]) for place in some)
            wanted = ", ".join(f"coalesce(bool_or(regexp_full_match({cell}, '{pattern}')), false)" for cell in cells)
            found[some] = self.connection.execute(f"SELECT {wanted} FROM cells").fetchone() or ()
        return found

    def places(self, rows: Iterable[int]) -> dict[int, str]:
        found = self.find_places([self.first + row for row in rows])
        return {row - self.first: place for row, place in found.items()}

    def _arrays(self, wanted: str) -> dict[str, NDArray[Any]]:
        with self.lock:
            return self.connection.execute(f"SELECT {wanted} FROM cells{self.rows} ORDER BY rowid").fetchnumpy()

    def window(self, start: int, stop: int) -> LoadedColumns:
        first, n_rows = self.first + start, min(stop, self.n_rows) - start
        return replace(self, n_rows=n_rows, first=first, rows=f" WHERE rowid >= {self.rowid + first} AND rowid < "
                       f"{self.rowid + first + n_rows}")  # fmt: skip


@contextlib.contextmanager
def connect(where: str, folder: Path, limit: Limit | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory, with a folder for what doesn't fit there; its errors become those of the table `where`."""
    # DuckDB would fetch extensions from the network at run time.
    offline: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with contextlib.closing(duckdb.connect(":memory:", config=offline)) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        # Its own limit is most of the machine's memory; what doesn't fit goes to the folder.
        connection.execute("SET memory_limit = ?", [MEMORY])
        # Its default is a folder .tmp where the user stands.
        connection.execute("SET temp_directory = ?", [str(folder / "duckdb")])
        if limit is not None:
            # DuckDB takes 16 bytes for a text cell that is counted as 8.
            connection.execute("SET max_temp_directory_size = ?", [f"{3 * limit.size / 1e6:.0f}MB"])
        try:
            yield connection
        except duckdb.OutOfMemoryException:
            if limit is None:
                raise
            limit.check_size(2 * limit.size, where, measured="needs over")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UnreadableError(f"{where} can't be read ({reason})", "Is it complete?") from error


def load_csv(
    connection: duckdb.DuckDBPyConnection, path: str, *, n_columns: int, delimiter: str = ",", ragged: bool = False
) -> None:
    """All cells as text into the table `cells`, the first row too. Only where `ragged` may rows be short."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
    # DuckDB can't fill up short rows and read in parallel when there are line ends within cells.
    short = "null_padding=true, parallel=false" if ragged else "null_padding=false"
    # A character takes up to four bytes, and a quote is written twice. Its own buffer is 16 such rows.
    longest = min(LONG_ROW, max(SHORT_ROW, 8 * MAX_CELL * n_columns))
    connection.execute(
        f"CREATE TEMP TABLE cells AS SELECT * FROM read_csv(?, columns={{{columns}}}, delim=?, "
        "auto_detect=false, header=false, quote='\"', escape='\"', comment='', compression='none', "
        f"new_line='\\n', strict_mode=true, {short}, ignore_errors=false, max_line_size={longest}, "
        f"buffer_size={max(BUFFER, 2 * longest)})",
        [path, delimiter],
    )


def load_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: Iterable[Sequence[str | None]],
    *,
    folder: Path,
    names: Iterable[str],
    find_places: Callable[[Iterable[int]], dict[int, str]],
    where: str,
    limit: Limit,
) -> None:
    """Load rows of text into the table `cells`.

    A later row may be longer: cells that earlier ones lack are missing. `names`, of the columns, may grow meanwhile.

    Raises:
        UnreadableError: no rows, a cell that is no valid text or too long, or a table that is over the limit.
    """
    path = folder / "rows.csv"
    n_rows, n_text, most, widths = 0, 0, 0, {0}
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for row in rows:
            try:
                n_written = writer.writerow(row)  # what `out.write` returns: characters
            except UnicodeEncodeError as error:
                place = find_places([n_rows])[n_rows]
                raise UnreadableError(f"{where}: {place} holds half a character ({error.reason})") from error
            if n_written > MAX_CELL:
                _check_row(row, names, where, find_places([n_rows])[n_rows])
            n_rows, n_text = n_rows + 1, n_text + n_written
            if len(row) not in widths:
                widths.add(len(row))
                most = limit.rows(max(widths))
            if n_rows > most or n_text > limit.size:
                limit.check_rows(n_rows, max(widths), where, n_text=n_text)
    if n_rows == 0:
        raise UnreadableError(f"{where}: there are no rows")
    load_csv(connection, str(path), n_columns=max(widths), ragged=len(widths) > 2)
    path.unlink()
    (n_loaded,) = connection.execute("SELECT count(*) FROM cells").fetchone() or (0,)
    if n_loaded != n_rows:
        raise UnreadableError(f"{where}: of {n_rows} rows, {n_loaded} arrived", "Please report this as a bug.")


def load_arrow(connection: duckdb.DuckDBPyConnection, stream: Any, *, n_columns: int) -> None:
    """What gives an Arrow stream (`__arrow_c_stream__`), into the table `cells`."""
    aliases = ", ".join(f"c{i}" for i in range(n_columns))
    connection.register("arrow", stream)
    connection.execute(f"CREATE TEMP TABLE cells AS SELECT * FROM arrow AS stream({aliases})")
    connection.unregister("arrow")


def loaded(
    connection: duckdb.DuckDBPyConnection,
    *,
    where: str,
    names: Sequence[str],
    find_places: Callable[[Iterable[int]], dict[int, str]],
    notes: tuple[Note, ...] = (),
    limit: Limit | None = None,
) -> LoadedColumns:
    """What is in the table `cells`; perhaps no rows, which is enough to predict.

    Raises:
        UnreadableError: too many columns, or a cell or the table over the limit.
    """
    check_names(names, where)
    described = connection.execute("SELECT column_type FROM (DESCRIBE cells)").fetchall()
    n_rows, rowid = connection.execute("SELECT count(*), coalesce(min(rowid), 0) FROM cells").fetchone() or (0, 0)
    columns = LoadedColumns(
        where=where,
        names=tuple(names),
        n_rows=n_rows,
        notes=notes,
        connection=connection,
        types=tuple(kind for (kind,) in described),
        find_places=find_places,
        rowid=rowid,
    )
    n_text = _check_cells(columns)
    if limit is not None:
        limit.check_rows(n_rows, len(names), where, n_text=n_text)
    return columns


def number_sql(column: str, kind: str) -> str:
    """The number of a cell as DuckDB computes it; NULL where `parse_number` says NaN."""
    if NUMERIC_TYPES.fullmatch(kind):
        return f"CAST({column} AS DOUBLE)"
    text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    return f"CASE WHEN regexp_full_match({text}, '{NUMBER}') THEN TRY_CAST({text} AS DOUBLE) END"


def _text_sql(column: str, kind: str) -> str:
    """A time with a zone is shown in UTC, without the zone."""
    return f"CAST({column if kind != WITH_ZONE else f'CAST({column} AS TIMESTAMP)'} AS VARCHAR)"


def _check_row(row: Sequence[str | None], names: Iterable[str], where: str, place: str) -> None:
    """Raises UnreadableError where a cell is too long."""
    for name, cell in zip(names, row, strict=False):
        if len(str(cell).encode()) > MAX_CELL:
            raise long_cell(where, place, name)


def _check_cells(columns: LoadedColumns) -> int:
    """The bytes of all cells that are text. Raises UnreadableError where one is too long."""
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
                # The rows of a file begin at 1, as row 0, the header, is gone.
                query = (
                    "SELECT min(rowid) - (SELECT min(rowid) FROM cells) FROM cells "
                    f"WHERE strlen(CAST(c{column} AS VARCHAR)) > {MAX_CELL}"
                )
                (row,) = columns.connection.execute(query).fetchone() or (0,)
                raise long_cell(columns.where, columns.places([row])[row], columns.names[column])
    return n_text

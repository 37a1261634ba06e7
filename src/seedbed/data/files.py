"""Files on disk, read through DuckDB in this process, which never goes to the network."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import NUMBER
from seedbed.data.columns import Columns
from seedbed.data.delimited import DELIMITERS, Shape, records, survey, write_plain
from seedbed.data.notes import Note
from seedbed.errors import TableNotFoundError, UnreadableError

__all__ = ["SUFFIXES", "open_file"]

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".gz")
# Ten thousand columns in one statement take DuckDB far longer than in pieces.
COLUMNS_A_QUERY = 200
NUMERIC_TYPES = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN|BIGNUM")


@dataclass(frozen=True, eq=False)
class FileColumns:
    """The columns of a file, loaded into DuckDB's table `cells` as c0, c1, ..., in the order of the file."""

    where: str
    names: tuple[str, ...]
    n_rows: int
    notes: tuple[Note, ...]
    connection: duckdb.DuckDBPyConnection
    types: tuple[str, ...]
    find_places: Callable[[Iterable[int]], dict[int, str]]

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        matrix = np.empty((self.n_rows, len(columns)))
        for start in range(0, len(columns), COLUMNS_A_QUERY):
            some = columns[start : start + COLUMNS_A_QUERY]
            wanted = ", ".join(f"{_number_sql(f'c{i}', self.types[i])} AS c{i}" for i in some)
            found = self.connection.execute(f"SELECT {wanted} FROM cells ORDER BY rowid").fetchnumpy()
            for position, i in enumerate(some, start=start):
                matrix[:, position] = np.ma.filled(np.ma.asarray(found[f"c{i}"], dtype=np.float64), np.nan)
        return matrix

    def cells(self, column: int) -> list[str | None]:
        # An empty cell is missing either way; without nulls the array comes back unmasked.
        query = f"SELECT coalesce(CAST(c{column} AS VARCHAR), '') AS cell FROM cells ORDER BY rowid"
        return list(self.connection.execute(query).fetchnumpy()["cell"])

    def places(self, rows: Iterable[int]) -> dict[int, str]:
        return self.find_places(rows)


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[Columns]:
    """The columns of a CSV, TSV, gzip of them, or Parquet file; the kind is told by its bytes, not by its name.

    Raises:
        TableNotFoundError: no such file.
        UnreadableError: a file that can't be understood.
    """
    where = str(path)
    _check_file(path, where)
    with contextlib.closing(_connect()) as connection:
        try:
            if _starts_with(path, b"PAR1"):
                yield _open_parquet(connection, path, where)
            else:
                yield _open_delimited(connection, path, where)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UnreadableError(f"{where} can't be read ({reason})", "Is the file complete?") from error


def _open_delimited(connection: duckdb.DuckDBPyConnection, path: Path, where: str) -> FileColumns:
    shape = survey(path, where)
    with tempfile.TemporaryDirectory(prefix="seedbed-") as folder:
        readable = path
        if not shape.plain:
            readable = Path(folder) / "plain.csv"
            write_plain(path, readable)
        _load_delimited(connection, readable, shape)
    _check_against_survey(connection, shape, where)

    def find_places(rows: Iterable[int]) -> dict[int, str]:
        wanted = set(rows)
        under_header = itertools.islice(records(path, shape.delimiter, where), 1, max(wanted, default=0) + 2)
        return {row: f"line {line}" for row, (line, _) in enumerate(under_header) if row in wanted}

    usual = shape.delimiter == ","
    return FileColumns(
        where=where,
        names=shape.header,
        n_rows=shape.n_rows,
        notes=() if usual else (Note(f"cells are taken to be separated by {DELIMITERS[shape.delimiter]}"),),
        connection=connection,
        types=("VARCHAR",) * len(shape.header),
        find_places=find_places,
    )


def _load_delimited(connection: duckdb.DuckDBPyConnection, path: Path, shape: Shape) -> None:
    """All cells as text, the header too, as row 0: so the header can be compared with what the survey saw."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(shape.header)))
    connection.execute(
        f"CREATE TEMP TABLE cells AS SELECT * FROM read_csv(?, columns={{{columns}}}, delim=?, "
        "auto_detect=false, header=false, quote='\"', escape='\"', comment='', compression='none', "
        "strict_mode=true, null_padding=false, ignore_errors=false)",
        [_literal(path), shape.delimiter],
    )


def _check_against_survey(connection: duckdb.DuckDBPyConnection, shape: Shape, where: str) -> None:
    header = connection.execute("SELECT * FROM cells WHERE rowid = 0").fetchone() or ()
    (n_loaded,) = connection.execute("SELECT count(*) FROM cells").fetchone() or (0,)
    if tuple((cell or "").strip() for cell in header) != shape.header or n_loaded != shape.n_rows + 1:
        raise UnreadableError(
            f"{where}: two readers disagree on its rows ({n_loaded - 1} and {shape.n_rows})",
            "Look for stray quotes, or save it again with every text cell in quotes.",
        )
    connection.execute("DELETE FROM cells WHERE rowid = 0")


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path, where: str) -> FileColumns:
    names = _parquet_names(connection, path)
    aliases = ", ".join(f"c{i}" for i in range(len(names)))
    connection.execute(
        f"CREATE TEMP TABLE cells AS SELECT * FROM read_parquet(?, hive_partitioning=false) AS file({aliases})",
        [_literal(path)],
    )
    described = connection.execute("SELECT column_type FROM (DESCRIBE cells)").fetchall()
    (n_rows,) = connection.execute("SELECT count(*) FROM cells").fetchone() or (0,)
    return FileColumns(
        where=where,
        names=names,
        n_rows=n_rows,
        notes=(),
        connection=connection,
        types=tuple(kind for (kind,) in described),
        find_places=lambda rows: {row: f"row {row + 1}" for row in rows},
    )


def _parquet_names(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, ...]:
    """The file's own names: DuckDB would quietly rename the second of two columns `a` to `a_1`."""
    query = "SELECT name, coalesce(num_children, 0) FROM parquet_schema(?)"
    nodes = iter(connection.execute(query, [_literal(path)]).fetchall())
    _, n_columns = next(nodes)
    names = []
    for _ in range(n_columns):
        name, unread = next(nodes)
        names.append(name.strip())
        while unread:
            unread += next(nodes)[1] - 1
    return tuple(names)


def _number_sql(column: str, kind: str) -> str:
    if NUMERIC_TYPES.fullmatch(kind):
        return f"CAST({column} AS DOUBLE)"
    text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    return f"CASE WHEN regexp_full_match({text}, '{NUMBER}') THEN TRY_CAST({text} AS DOUBLE) END"


def _connect() -> duckdb.DuckDBPyConnection:
    # DuckDB would fetch extensions from the network at run time.
    offline: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=offline)
    connection.execute("SET enable_progress_bar = false")
    # Its default is a folder .tmp where the user stands; two processes must not share one.
    connection.execute("SET temp_directory = ?", [str(Path(tempfile.gettempdir()) / f"seedbed-duckdb-{os.getpid()}")])
    return connection


def _literal(path: Path) -> str:
    """A path that DuckDB doesn't take for a pattern: 'a[1].csv' would read 'a1.csv'."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.resolve()))


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as raw:
        return raw.read(len(magic)) == magic


def _check_file(path: Path, where: str) -> None:
    try:
        if path.is_file():
            _starts_with(path, b"")
            return
        is_folder, neighbours = path.is_dir(), _table_names(path.parent)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{where} can't be opened ({error})") from error
    if is_folder:
        inside = ", ".join(_table_names(path)[:10]) or "though it has none that looks like a table"
        raise UnreadableError(f"{where} is a folder", f"Name one file in it: {inside}")
    near = difflib.get_close_matches(path.name, neighbours, n=1)
    if near:
        hint = f"Did you mean '{path.parent / near[0]}'?"
    elif neighbours:
        hint = f"Tables in that folder: {', '.join(neighbours[:10])}{', ...' if len(neighbours) > 10 else ''}"
    else:
        hint = "There is no table in that folder." if path.parent.is_dir() else f"There is no folder '{path.parent}'."
    raise TableNotFoundError(f"no such file: {where}", hint)


def _table_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())

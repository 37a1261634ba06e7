"""Files on disk: what a path leads to, told by its bytes."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import re
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from seedbed.data.columns import Columns
from seedbed.data.notes import Note
from seedbed.data.sources import excel, sqlite
from seedbed.data.sources.asked import MAX_CELL, NOTHING, Asked, Limit, check_width, long_cell, quoted
from seedbed.data.sources.delimited import DELIMITERS, Shape, records, survey, write_copy
from seedbed.data.sources.json_records import is_json, open_json
from seedbed.data.sources.loaded import COLUMNS_A_QUERY, LoadedColumns, connect, load_csv, loaded
from seedbed.errors import TableNotFoundError, UnreadableError
from seedbed.files import temporary_folder

__all__ = ["SUFFIXES", "open_file"]

TABS = (".tsv", ".tab")
JSON = (".json", ".jsonl", ".ndjson")
DATABASES = (".sqlite", ".sqlite3", ".db")
EXCEL = (".xlsx", ".xlsm")
SUFFIXES = (".csv", *TABS, ".txt", ".parquet", *JSON, *DATABASES, *EXCEL, ".gz")
LIST_BYTES = 3  # of a number of a list as text, at least: '1, '
PACKED_CHUNK, UNPACKED_CHUNK = 1 << 14, 1 << 20
PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
OTHER_KINDS = {
    b"PK\x03\x04": "a zip file, and no Excel workbook",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel file of the old kind, or one with a password",
    b"\x80\x02": "a pickle file, which seedbed never opens",
    b"\x80\x03": "a pickle file, which seedbed never opens",
    b"\x80\x04": "a pickle file, which seedbed never opens",
    b"\x80\x05": "a pickle file, which seedbed never opens",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"ARROW1": "an Arrow or Feather file",
    b"FEA1": "a Feather file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7z file",
    b"%PDF-": "a PDF file",
    b"$FL2": "an SPSS file",
    b"<stata_dta>": "a Stata file",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
}


@contextlib.contextmanager
def open_file(path: Path, asked: Asked = NOTHING) -> Iterator[Columns]:
    """The columns of a file: CSV, TSV, JSON, Parquet, gzip of them, Excel or SQLite; its bytes tell which, not its
    name.

    Raises:
        TableNotFoundError: no such file, or no such table in it.
        OptionError: something is asked that the file doesn't have, or no table is named where it has several.
        UnreadableError: a file that can't be understood, or is over the limit.
        DataError: a query that can't be run.
    """
    where = str(path).encode(errors="backslashreplace").decode()
    limit = Limit.of(asked.limit, _check_file(path, where))
    with temporary_folder() as folder, connect(where, folder, limit) as connection:
        try:
            readable = _readable(path, where, folder, limit)
            columns = _open(connection, readable, path, where, asked, limit, folder=folder)
        except OSError as error:
            raise UnreadableError(f"{where} can't be read ({error.strerror or error})") from error
        yield columns


def _open(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    named: Path,
    where: str,
    asked: Asked,
    limit: Limit,
    *,
    folder: Path,
) -> LoadedColumns:
    """The columns of a file that isn't compressed; `named` is what the user called it."""
    head = _head(path)
    if head.startswith(sqlite.MAGIC):
        asked.check(where, "table", "query")
        return sqlite.open_sqlite(
            connection, path, where, table=asked.table, query=asked.query, folder=folder, limit=limit
        )
    if head.startswith(excel.MAGIC) and excel.is_workbook(path):
        asked.check(where, "table", "skip_rows")
        return excel.open_workbook(connection, path, where, asked, limit, folder=folder)
    for magic, kind in OTHER_KINDS.items():
        if head.startswith(magic):
            raise UnreadableError(f"{where} is {kind}", "Save the table in it as CSV.")
    if head.startswith(PARQUET):
        asked.check(where)
        return _open_parquet(connection, path, where, limit)
    suffixes = {suffix.lower() for suffix in named.suffixes}
    if suffixes & set(JSON) or is_json(path):
        asked.check(where)
        return open_json(connection, path, where, folder=folder, limit=limit)
    asked.check(where, "skip_rows")
    usual = "\t" if suffixes & set(TABS) else ","
    return _open_delimited(connection, path, where, asked, limit, folder=folder, usual=usual)


def _open_delimited(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    where: str,
    asked: Asked,
    limit: Limit,
    *,
    folder: Path,
    usual: str,
) -> LoadedColumns:
    shape = survey(path, where, limit, asked, usual=usual)
    readable = path
    if shape.copied != "not":
        readable = folder / "copy.csv"
        write_copy(path, shape, readable, where)
    load_csv(connection, _literal(readable), n_columns=len(shape.header), delimiter=shape.delimiter)
    if readable != path:
        readable.unlink()
    _check_against_survey(connection, shape, where)

    def find_places(rows: Iterable[int]) -> dict[int, str]:
        wanted = set(rows)
        found = records(path, shape.delimiter, shape.charset, where, shape.skip)
        under_header = itertools.islice(found, 1, max(wanted, default=0) + 2)
        return {row: f"line {line}" for row, (line, _) in enumerate(under_header) if row in wanted}

    by = DELIMITERS[shape.delimiter]
    notes = () if shape.delimiter == "," else (Note(f"cells are taken to be separated by {by}"),)
    return loaded(
        connection,
        where=where,
        names=shape.header,
        notes=(*shape.charset.notes, *notes, *shape.notes),
        find_places=find_places,
        limit=limit,
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


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path, where: str, limit: Limit) -> LoadedColumns:
    names = _parquet_names(connection, path)
    check_width(len(names), where)
    _check_parquet(connection, path, names, where, limit)
    aliases = ", ".join(f"c{i}" for i in range(len(names)))
    connection.execute(
        f"CREATE TEMP TABLE cells AS SELECT * FROM read_parquet(?, hive_partitioning=false) AS file({aliases})",
        [_literal(path)],
    )
    return loaded(
        connection,
        where=where,
        names=names,
        find_places=lambda rows: {row: f"row {row + 1}" for row in rows},
        limit=limit,
    )


def _check_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, names: tuple[str, ...], where: str, limit: Limit
) -> None:
    """Raises UnreadableError where the table is over the limit.

    A few bytes can stand for any number of rows, for a list of any length, and for a text in each row.
    """
    place = _literal(path)
    (n_rows,) = connection.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [place]).fetchone() or (0,)
    limit.check_rows(n_rows, len(names), where)
    longest = (
        "SELECT num_values / row_group_num_rows AS n, path_in_schema FROM parquet_metadata(?) ORDER BY n DESC LIMIT 1"
    )
    length, name = connection.execute(longest, [place]).fetchone() or (0, "")
    if (length or 0) * LIST_BYTES > MAX_CELL:
        raise long_cell(where, "its rows", name.split(",")[0])
    kinds = connection.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning=false)", [place]).fetchall()
    texts = [f"strlen({quoted(name)})" for name, kind, *_ in kinds if kind == "VARCHAR"]
    n_text = 0
    for start in range(0, len(texts), COLUMNS_A_QUERY):
        wanted = " + ".join(f"coalesce(sum({text}), 0)" for text in texts[start : start + COLUMNS_A_QUERY])
        query = f"SELECT {wanted} FROM read_parquet(?, hive_partitioning=false)"
        n_text += int((connection.execute(query, [place]).fetchone() or (0,))[0])
        limit.check_rows(n_rows, len(names), where, n_text=n_text)


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


def _readable(path: Path, where: str, folder: Path, limit: Limit) -> Path:
    """The path, or that of a copy without compression, or one whose name DuckDB can be told."""
    copy = folder / "source"
    if _head(path).startswith(GZIP):
        _unpack(path, copy, where, limit)
        return copy
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        shutil.copyfile(path, copy)
        return copy
    return path


def _unpack(path: Path, copy: Path, where: str, limit: Limit) -> None:
    """Unpack the members of a gzip file, up to the limit. Zeros may fill up the end, but not without end."""
    size, n_zeros, member = 0, 0, zlib.decompressobj(zlib.MAX_WBITS + 16)
    try:
        with path.open("rb") as packed, copy.open("wb") as out:
            while rest := packed.read(PACKED_CHUNK):
                while rest:
                    if member.eof:
                        rest = rest.lstrip(b"\x00")
                        n_zeros = 0 if rest else n_zeros + PACKED_CHUNK
                        if n_zeros > UNPACKED_CHUNK:
                            raise zlib.error("nothing but zeros follow its end")
                        if not rest:
                            break
                        member = zlib.decompressobj(zlib.MAX_WBITS + 16)
                    chunk = member.decompress(rest, UNPACKED_CHUNK)
                    rest = member.unused_data or member.unconsumed_tail
                    size += len(chunk)
                    limit.check_size(size, where)
                    out.write(chunk)
        if not member.eof:
            raise zlib.error("it is cut off")
    except zlib.error as error:
        raise UnreadableError(f"{where}: the gzip file is damaged ({error})", "Fetch or compress it again.") from error


def _literal(path: Path) -> str:
    """A path that DuckDB doesn't take for a pattern: 'a[1].csv' would read 'a1.csv'."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.resolve()))


def _head(path: Path) -> bytes:
    with path.open("rb") as raw:
        return raw.read(16)


def _check_file(path: Path, where: str) -> int:
    """The bytes of a file on disk. Raises an error for anything else."""
    try:
        found = path.stat() if path.exists() else None
        mode = None if found is None else found.st_mode
        if found is not None and stat.S_ISREG(found.st_mode):
            _head(path)
            return min(found.st_size, 512 * getattr(found, "st_blocks", found.st_size))  # holes take no room
        neighbours = _table_names(path.parent)
        inside = _table_names(path)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{where} can't be opened ({error})") from error
    if mode is not None and stat.S_ISDIR(mode):
        listed = ", ".join(inside[:10]) or "though it has none that looks like a table"
        raise UnreadableError(f"{where} is a folder", f"Name one file in it: {listed}")
    if mode is not None:
        raise UnreadableError(f"{where} is a pipe or a device, no file", "Save the table as a file first.")
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

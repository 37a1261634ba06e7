"""Files on disk, whose first bytes decide what they contain."""

from __future__ import annotations

import difflib
import gzip
import shutil
import zlib
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from seedbed.data.cells import first_of
from seedbed.data.frame import Frame
from seedbed.data.sources import excel
from seedbed.data.sources.charset import GZIP
from seedbed.data.sources.delimited import duckdb_path, read_delimited
from seedbed.data.sources.json_records import BEGINNING, read_json
from seedbed.data.sources.loaded import COLUMNS_A_QUERY, Loader, open_loader
from seedbed.data.sources.source_limits import (
    MAX_CELL,
    SourceLimit,
    check_width,
    long_cell,
)
from seedbed.data.table_options import SourceOptions
from seedbed.errors import TableNotFoundError, UnreadableError

TABS, JSON = (".tsv", ".tab"), (".json", ".jsonl", ".ndjson")
SUFFIXES = (
    ".csv",
    *TABS,
    ".txt",
    ".parquet",
    *JSON,
    ".xlsx",
    ".xlsm",
    ".gz",
)
LIST_BYTES = 3  # of a number of a list as text, at least: '1, '
CHUNK, LARGEST_HOLE = 1 << 20, 1 << 30
PARQUET = b"PAR1"
OTHER_KINDS = {
    b"PK\x03\x04": "a zip file, not an Excel workbook",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel file of the old kind, or one with a password",
    **dict.fromkeys(
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        "a pickle file, which seedbed never opens",
    ),
    b"ARROW1": "an Arrow or Feather file",
    b"SQLite format 3\x00": "an SQLite database",
    b"BZh": "a bzip2 file",
    b"%PDF-": "a PDF file",
    **dict.fromkeys((b"<!DOCTYPE", b"<!doctype", b"<html"), "a web page"),
    b"<?xml": "an XML file",
}
"""Beginnings of other kinds of files. Those left out hold NUL bytes, which no text does."""


def read_file(
    path: Path,
    options: SourceOptions = SourceOptions(),
    wanted: Sequence[str] = (),
    as_text: Container[str] = (),
) -> Frame:
    """Return the table of a file: CSV, TSV, JSON, Parquet, gzip of them, or Excel. Its content
    decides."""
    where = str(path).encode(errors="backslashreplace").decode()
    limit = SourceLimit.of(options.limit, _check_file(path, where))
    with open_loader(where, limit, as_text, wanted) as loader:
        try:
            return _read(loader, _readable(loader, path), path, options)
        except OSError as error:
            raise UnreadableError(
                f"{where} can't be read ({error.strerror or error})"
            ) from error


def _read(loader: Loader, path: Path, named: Path, options: SourceOptions) -> Frame:
    """Return the table of a file that isn't compressed; `named` is the path that the user gave."""
    where = loader.where
    head = _head(path)
    if head.startswith(excel.MAGIC) and excel.is_workbook(path):
        options.check(where, "table", "skip_rows")
        return excel.read_workbook(loader, path, options)
    for magic, kind in OTHER_KINDS.items():
        if head.startswith(magic):
            raise UnreadableError(f"{where} is {kind}", "Save the table in it as CSV.")
    if head.startswith(PARQUET):
        options.check(where)
        return _read_parquet(loader, path)
    suffixes = {suffix.lower() for suffix in named.suffixes}
    if suffixes & set(JSON) or BEGINNING.match(head):
        options.check(where)
        return read_json(loader, path)
    options.check(where, "skip_rows")
    return read_delimited(
        loader, path, named, options, usual="\t" if suffixes & set(TABS) else ","
    )


def _read_parquet(loader: Loader, path: Path) -> Frame:
    """Return the table of a Parquet file, whose size is checked first: few bytes can stand for any
    number of rows."""
    where, limit = loader.where, loader.limit

    def ask(query: str) -> list[tuple[Any, ...]]:
        return loader.ask(query, duckdb_path(path))

    # The file's own names: DuckDB would quietly rename the second of two columns `a` to `a_1`.
    nodes = iter(
        ask("SELECT name, coalesce(num_children, 0) FROM parquet_schema(?)")
    )  # depth first
    names = []
    for _ in range(next(nodes)[1]):
        name, unread = next(nodes)
        names.append(name.strip())
        while unread:
            unread += next(nodes)[1] - 1
    check_width(len(names), where)
    [(n_rows,)] = ask("SELECT sum(num_rows) FROM parquet_file_metadata(?)")
    limit.check_rows(n_rows, len(names), where)
    lengths = "SELECT num_values / row_group_num_rows AS n, path_in_schema FROM parquet_metadata(?)"
    for length, name in ask(f"{lengths} ORDER BY n DESC LIMIT 1"):  # of lists
        if (length or 0) * LIST_BYTES > MAX_CELL:
            raise long_cell(where, "its rows", name.split(",")[0])
    aliases = ", ".join(
        f"c{i}" for i in range(len(names))
    )  # DuckDB names a column without a name, too
    table = f"read_parquet(?, hive_partitioning=false) AS file({aliases})"
    texts = [
        f"strlen({alias})"
        for alias, kind, *_ in ask(f"DESCRIBE SELECT * FROM {table}")
        if kind == "VARCHAR"
    ]
    n_text = 0
    for start in range(0, len(texts), COLUMNS_A_QUERY):
        wanted = " + ".join(
            f"coalesce(sum({text}), 0)"
            for text in texts[start : start + COLUMNS_A_QUERY]
        )
        n_text += int(ask(f"SELECT {wanted} FROM {table}")[0][0])
        limit.check_rows(n_rows, len(names), where, n_text=n_text)
    ask(f"CREATE TEMP TABLE cells AS SELECT * FROM {table}")
    return loader.frame(names)


def _readable(loader: Loader, path: Path) -> Path:
    """Return the path; or a copy if DuckDB can't take its name, or if the file is compressed, up to
    the limit."""
    copy = loader.folder / "source"
    size = 0
    status = path.stat()
    if not _head(path).startswith(GZIP):
        try:
            str(path.resolve()).encode()
        except UnicodeEncodeError:
            return shutil.copyfile(path, copy)
        return path
    try:
        # gzip would skip zeros byte by byte. Some network file systems report no blocks.
        if 0 < 512 * getattr(status, "st_blocks", 0) < status.st_size - LARGEST_HOLE:
            raise EOFError("it has holes")
        with gzip.open(path) as packed, copy.open("wb") as out:
            while chunk := packed.read(CHUNK):
                size += len(chunk)
                loader.limit.check_size(size, loader.where)
                out.write(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(
            f"{loader.where}: the gzip file is damaged ({error})",
            "Fetch or compress it again.",
        ) from error
    return copy


def _head(path: Path) -> bytes:
    with path.open("rb") as raw:
        return raw.read(4096)


def _check_file(path: Path, where: str) -> int:
    """Return the bytes of a file on disk. Raise an error for anything else."""
    try:
        if path.is_file():
            _head(path)
            status = path.stat()
            return min(
                status.st_size, 512 * getattr(status, "st_blocks", status.st_size)
            )  # holes take no space
        exists = path.exists()
        folder = path if path.is_dir() else path.parent
        tables = sorted(
            file.name
            for file in folder.glob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file()
        )
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{where} can't be opened ({error})") from error
    if exists and path.is_dir():
        hint = (
            f"Name one file in it: {', '.join(tables[:10])}"
            if tables
            else "It has no file that looks like a table."
        )
        raise UnreadableError(f"{where} is a folder", hint)
    if exists:
        raise UnreadableError(
            f"{where} is a pipe or a device, not a file",
            "Save the table as a file first.",
        )
    if near := difflib.get_close_matches(path.name, tables, n=1):
        hint = f"Did you mean '{path.parent / near[0]}'?"
    elif tables:
        hint = f"Tables in that folder: {first_of(tables, 10)}"
    else:
        hint = (
            "There is no table in that folder."
            if folder.is_dir()
            else f"There is no folder '{folder}'."
        )
    raise TableNotFoundError(f"no such file: {where}", hint)

"""Files on disk, whose first bytes decide what they contain."""

from __future__ import annotations

import gzip
import re
import shutil
import zlib
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from seedbed.data.cells import first_of
from seedbed.data.frame import Frame, numbered
from seedbed.data.sources import excel
from seedbed.data.sources.delimited import (
    CHUNK,
    GZIP,
    SAVE_UTF8,
    duckdb_path,
    find_charset,
    read_delimited,
)
from seedbed.data.sources.loaded import (
    Loader,
    SourceLimit,
    check_names,
    open_loader,
)
from seedbed.data.table_options import SourceOptions
from seedbed.errors import TableNotFoundError, UnreadableError, did_you_mean

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
PARQUET = b"PAR1"
OTHER_KINDS = {
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
_RECORDS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*[\"}]")


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
        except UnicodeDecodeError as error:
            raise UnreadableError(
                f"{where} holds bytes that aren't {error.encoding}", SAVE_UTF8
            ) from error
        except OSError as error:
            raise UnreadableError(
                f"{where} can't be read ({error.strerror or error})"
            ) from error


def _read(loader: Loader, path: Path, named: Path, options: SourceOptions) -> Frame:
    """Return the table of a file that isn't compressed; `named` is the path that the user gave."""
    where = loader.where
    head = _head(path)
    if head.startswith(excel.MAGIC):
        options.check(where, "table", "skip_rows")
        return excel.read_workbook(loader, path, options)
    for magic, kind in OTHER_KINDS.items():
        if head.startswith(magic):
            raise UnreadableError(f"{where} is {kind}", "Save the table in it as CSV.")
    if head.startswith(PARQUET):
        options.check(where)
        return _read_parquet(loader, path)
    suffixes = {suffix.lower() for suffix in named.suffixes}
    if suffixes & set(JSON) or _RECORDS.match(head):
        options.check(where)
        return _read_json(loader, path)
    options.check(where, "skip_rows")
    return read_delimited(
        loader, path, named, options, usual="\t" if suffixes & set(TABS) else ","
    )


def _read_parquet(loader: Loader, path: Path) -> Frame:
    """Return the table of a Parquet file, whose size is checked first: few bytes can stand for any
    number of rows."""

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
    check_names(names, loader.where)
    [(n_rows,)] = ask("SELECT sum(num_rows) FROM parquet_file_metadata(?)")
    loader.limit.check_rows(n_rows, len(names), loader.where)
    aliases = ", ".join(
        f"c{i}" for i in range(len(names))
    )  # DuckDB names a column without a name, too
    ask(
        "CREATE TEMP TABLE cells AS SELECT * FROM "
        f"read_parquet(?, hive_partitioning=false) AS file({aliases})"
    )
    return loader.frame(names)


def _read_json(loader: Loader, path: Path) -> Frame:
    """Return the records' values by key. The columns are all keys, in the order in which they first
    occur."""
    where = loader.where
    charset = find_charset(path, where)
    text = path
    if not charset.plain:
        text = loader.folder / "copy.json"
        charset.copy(path, text)
    loader.ask(
        "CREATE TEMP TABLE records AS SELECT * FROM read_json(?, records=true, sample_size=-1, "
        "maximum_depth=1, map_inference_threshold=-1, field_appearance_threshold=0)",
        duckdb_path(text),
    )
    described = loader.ask("SELECT column_name FROM (DESCRIBE records)")
    names = [name for (name,) in described]
    check_names(names, where)
    aliases = ", ".join(f"c{i}" for i in range(len(names)))
    loader.ask(f"CREATE TEMP TABLE cells AS FROM records AS file({aliases})")
    stripped = [name.strip() for name in names]
    return loader.frame(stripped, numbered("record {}"), charset.notes)


def _readable(loader: Loader, path: Path) -> Path:
    """Return the path; or a copy if DuckDB can't take its name, or if the file is compressed, up to
    the limit."""
    copy = loader.folder / "source"
    size = 0
    if not _head(path).startswith(GZIP):
        is_utf8 = str(path.resolve()).isprintable()  # no half characters
        return path if is_utf8 else shutil.copyfile(path, copy)
    try:
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
            return path.stat().st_size
        exists = path.exists()
        folder = path if path.is_dir() else path.parent
        tables = [file.name for file in folder.glob("*") if file.suffix in SUFFIXES]
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{where} can't be opened ({error})") from error
    if not exists:
        raise TableNotFoundError(
            f"no such file: {where}",
            did_you_mean(path.name, tables) or f"There is no table in {folder}.",
        )
    if path.is_dir():
        raise UnreadableError(
            f"{where} is a folder",
            f"Name one file in it: {first_of(sorted(tables), 10)}",
        )
    raise UnreadableError(
        f"{where} is a pipe or a device, not a file", "Save the table as a file first."
    )

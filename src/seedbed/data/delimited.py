"""Delimited text before DuckDB sees it: bytes, header and shape, checked by Python's own csv reader.

DuckDB reads the cells, many times faster. But it is lenient where a table must not be: it drops an extra cell that is
empty, takes NUL bytes, and refuses mixed line ends without a reason. So each file is first walked through once, row by
row, by a second reader; rows and cells must agree.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from seedbed.errors import UnreadableError

__all__ = ["Shape", "is_gzip", "records", "survey", "write_plain"]

CHUNK = 1 << 20
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
NOT_TEXT = "A table is CSV or TSV text, gzip of it, or Parquet: save it as one of these."
SAVE_UTF8 = "Save it as UTF-8 (in Excel: 'CSV UTF-8')."


@dataclass(frozen=True)
class Shape:
    """What the walk through a file found.

    Attributes:
        header: the column names, stripped of spaces.
        delimiter: one character.
        n_rows: rows under the header; blank lines are no rows.
        plain: DuckDB can read the file where it lies (UTF-8, no byte order mark, LF line ends, not compressed).
    """

    header: tuple[str, ...]
    delimiter: str
    n_rows: int
    plain: bool


def survey(path: Path, where: str) -> Shape:
    """Walk through the whole file once.

    Raises:
        UnreadableError: no text, no header, no rows, or a row whose cells don't fit the header.
    """
    plain = _check_bytes(path, where)
    delimiter = _find_delimiter(path, where)
    rows = records(path, delimiter, where)
    line, first = next(rows)
    header = tuple(cell.strip() for cell in first)
    n_rows = 0
    for line, row in rows:
        if len(row) != len(header):
            raise UnreadableError(
                f"{where}: line {line} has {len(row)} cell{'s' * (len(row) != 1)}, the header has {len(header)}",
                _ragged_advice(n_rows, len(row) - len(header)),
            )
        n_rows += 1
    if n_rows == 0:
        raise UnreadableError(f"{where}: there is a header but no rows under it")
    return Shape(header=header, delimiter=delimiter, n_rows=n_rows, plain=plain)


def records(path: Path, delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that isn't blank, header included, with the line of the file on which it begins (from 1).

    Raises:
        UnreadableError: quotes that don't close, or a huge cell.
    """
    with _open_text(path, newline="") as text:
        # DuckDB takes a quote after spaces as a quote, hence skipinitialspace.
        reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
        line = 1
        try:
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            if "field limit" in str(error):
                raise UnreadableError(
                    f"{where}: the row that begins in line {line} has a cell over {csv.field_size_limit()} characters",
                    "Is a quote left open? Otherwise shorten the cell, or leave its column out of the file.",
                ) from error
            raise UnreadableError(
                f"{where}: the row that begins in line {line} can't be understood ({error})",
                'A cell in quotes ends with a quote, and a quote inside it is doubled: "a ""b"" c".',
            ) from error


def write_plain(path: Path, copy: Path) -> None:
    """Write the text as UTF-8 with LF line ends and without byte order mark."""
    with _open_text(path, newline=None) as text, copy.open("w", encoding="utf-8", newline="\n") as out:
        while chunk := text.read(CHUNK):
            out.write(chunk)


def is_gzip(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _open_bytes(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb") if is_gzip(path) else path.open("rb"))


def _open_text(path: Path, newline: str | None) -> io.TextIOWrapper:
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline=newline)


def _check_bytes(path: Path, where: str) -> bool:
    """Whether the bytes are plain; an error where they are no UTF-8 text at all."""
    plain = not is_gzip(path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, start = 1, True
    try:
        with _open_bytes(path) as raw:
            while chunk := raw.read(CHUNK):
                if start and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise UnreadableError(f"{where}: the text is UTF-16", SAVE_UTF8)
                plain = plain and b"\r" not in chunk and not (start and chunk.startswith(codecs.BOM_UTF8))
                if b"\x00" in chunk:
                    place = line + _line_ends(chunk[: chunk.index(b"\x00")])
                    raise UnreadableError(f"{where}: line {place} holds a NUL byte, so it is no text", NOT_TEXT)
                decoder.decode(chunk)
                line, start = line + _line_ends(chunk), False
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        byte, place = error.object[error.start], line + _line_ends(error.object[: error.start])
        message = f"{where}: line {place} holds a byte that isn't UTF-8 (0x{byte:02x})"
        raise UnreadableError(message, SAVE_UTF8) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(f"{where}: the gzip file is damaged ({error})", "Fetch or compress it again.") from error
    return plain


def _line_ends(chunk: bytes) -> int:
    return chunk.count(b"\n") or chunk.count(b"\r")


def _find_delimiter(path: Path, where: str) -> str:
    """The delimiter that splits the header into most cells; comma, or tab for TSV, where none does."""
    usual = "\t" if {".tsv", ".tab"} & {suffix.lower() for suffix in path.suffixes} else ","
    order = (usual, *(delimiter for delimiter in DELIMITERS if delimiter != usual))
    cells = {delimiter: _header_cells(path, delimiter, where) for delimiter in order}
    best = max(order, key=lambda delimiter: cells[delimiter])
    if cells[best] == 0:
        # Blank from end to end, or quotes that don't close, of which the rows themselves will tell.
        next(records(path, usual, where), None)
        raise UnreadableError(f"{where} is empty", "A table has a header and rows under it.")
    return best


def _header_cells(path: Path, delimiter: str, where: str) -> int:
    """How many names the header has under this delimiter; 0 where it can't be read so."""
    try:
        return len(next(records(path, delimiter, where), (1, []))[1])
    except UnreadableError:
        return 0  # '"a","b"' is no row of tab-separated cells


def _ragged_advice(rows_before: int, excess: int) -> str:
    if rows_before == 0 and excess == 1:
        return "Is a name missing in the header? A cell that holds the delimiter must be in quotes."
    if excess > 0:
        return "A cell that holds the delimiter must be in quotes."
    return "A cell left out shifts the others: write it as an empty cell."

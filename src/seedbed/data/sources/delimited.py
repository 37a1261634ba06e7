"""Text files: their encoding; and delimited text, such as CSV, read by DuckDB. Python's csv reader
finds the header, and the lines of rows in notes."""

from __future__ import annotations

import codecs
import csv
import functools
import gzip
import io
import itertools
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from seedbed.data.cells import numeral
from seedbed.data.frame import Frame
from seedbed.data.sources.loaded import Loader, check_names
from seedbed.data.table_options import SourceOptions
from seedbed.errors import UnreadableError, counted, spell
from seedbed.evaluation.summaries import Note

ROWS_LOOKED_AT = 50
MOST_TITLES = 20  # rows above the header
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
MAX_ROW = 1 << 28  # characters, as many as DuckDB is asked to read
CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
NOT_TEXT = "A table is CSV, TSV or JSON text, gzip of it, Excel or Parquet: save it as one of these."
SAVE_UTF8 = "Save it as UTF-8 (in Excel: 'CSV UTF-8')."


@dataclass(frozen=True)
class Charset:
    """Encoding of a file; the codec skips a byte order mark.

    A file is `plain` if DuckDB can read it itself: UTF-8 without byte order mark and carriage
    returns.
    """

    codec: str
    plain: bool = False
    notes: tuple[Note, ...] = ()

    def open(self, path: Path) -> io.TextIOWrapper:
        """Open a file, which may be compressed, as text with LF line ends."""
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP
        return io.TextIOWrapper(
            gzip.open(path) if packed else path.open("rb"), encoding=self.codec
        )

    def copy(self, path: Path, to: Path, *, skip: int = 0) -> None:
        """Write the text as UTF-8 with LF line ends and without byte order mark; an empty line
        stands for skipped ones.

        A first cell that begins with U+FEFF would be read as a byte order mark without that line.
        """
        with (
            self.open(path) as text,
            to.open("w", encoding="utf-8", newline="\n") as out,
        ):
            for _ in itertools.islice(text, skip):
                pass
            out.write("\n" if skip else "")
            shutil.copyfileobj(text, out, CHUNK)


def find_charset(path: Path, where: str) -> Charset:
    """Return UTF-8, UTF-16 if a byte order mark says so, or else Windows-1252 with a note."""
    with path.open("rb") as raw:
        head = raw.read(3)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        note = Note("the text is UTF-16, as its first two bytes say")
        return Charset("utf-16", notes=(note,))
    odd = _find_odd_byte(path, "utf-8", where)
    if odd is None:
        with path.open("rb") as raw:
            chunks = iter(functools.partial(raw.read, CHUNK), b"")
            has_returns = any(b"\r" in chunk for chunk in chunks)
        return Charset("utf-8-sig", not has_returns and head != codecs.BOM_UTF8)
    if bad := _find_odd_byte(path, "cp1252", where):
        raise UnreadableError(
            f"{where}: line {bad[0]} holds the byte 0x{bad[1]:02x}, no letter in UTF-8 or Windows-1252",
            SAVE_UTF8,
        )
    message = (
        f"line {odd[0]} holds a byte that isn't UTF-8 (0x{odd[1]:02x}), so the text is read as Windows-1252; "
        "if letters look wrong, save it as UTF-8"
    )
    return Charset("cp1252", notes=(Note(message, rows=(f"line {odd[0]}",)),))


def _find_odd_byte(path: Path, codec: str, where: str) -> tuple[int, int] | None:
    """Return the line and the value of the first byte that can't be decoded, if any. NUL is an
    error, as no text contains it."""
    with path.open("rb") as raw:
        lines = iter(functools.partial(raw.readline, MAX_ROW), b"")
        for number, line in enumerate(lines, start=1):
            if b"\x00" in line:
                raise UnreadableError(
                    f"{where}: line {number} holds a NUL byte, so it is not text",
                    NOT_TEXT,
                )
            try:
                line.decode(codec)
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return None


def find_header(rows: Sequence[Sequence[str]], wanted: Collection[str] = ()) -> int:
    """Return the position of the header among the first rows of a table; 0 if there is no other.

    A row is the header if it has all names that are `wanted`. Otherwise, rows are titles if at
    least two of their cells are empty or lacking (of two columns: one is lacking, or both are
    empty). The first row that isn't a title is the header if it has a text for each column, except
    perhaps the first one, and some row below it has a number. Below the header, all rows have as
    many cells.

    Examples:
        >>> find_header([["Class 10b"], ["name", "grade", "age"], ["Anna", "2", "16"]])
        1
    """
    first = rows[: MOST_TITLES + 1]
    if wanted and (
        places := [
            i
            for i, row in enumerate(first)
            if set(wanted) <= {cell.strip() for cell in row}
        ]
    ):
        return places[0]
    width = len(rows[-1]) if rows else 0
    for position, row in enumerate(first):
        below = rows[position + 1 :]
        if _is_header(row, width) and all(len(other) == width for other in below):
            return (
                position
                if any(map(_is_number, (cell for other in below for cell in other)))
                else 0
            )
        if sum(bool(cell.strip()) for cell in row) > max(
            int(len(row) < width), width - 2
        ):
            return 0
    return 0


def header_note(location: str, title: Sequence[str]) -> Note:
    """Return the note that the header is at a place such as "line 3", below the first row
    `title`."""
    text = " ".join(cell.strip() for cell in title if cell.strip())
    text = text if len(text) <= 40 else text[:37] + "..."
    return Note(
        f"the header is {location}, below {text!r}; if that is wrong, give {spell('skip_rows', 0)}"
    )


def _is_header(row: Sequence[str], width: int) -> bool:
    """Return whether each column has a name of its own; the first may have none."""
    names = [cell.strip() for cell in row]
    is_complete = (
        len(names) == width >= 2 and all(names[1:]) and len(set(names)) == width
    )
    return is_complete and not any(map(_is_number, names))


def _is_number(cell: str) -> bool:
    return not np.isnan(numeral(cell.strip())).all()


def read_delimited(
    loader: Loader, path: Path, named: Path, options: SourceOptions, *, usual: str
) -> Frame:
    """Return the table of a text that isn't compressed, as the user's file, `named`, may be.
    `usual` is the delimiter if the text doesn't decide."""
    where = loader.where
    charset = find_charset(path, where)
    header, delimiter, notes = _find_header(
        loader, path, charset, options.skip_rows, usual
    )
    names = tuple(cell.strip() for cell in header.cells)
    check_names(names, where)
    text = path
    if not charset.plain or header.last_line > 1:  # lines may not be as many records
        text = loader.folder / "copy.csv"
        charset.copy(path, text, skip=header.last_line)
    loader.load_csv(duckdb_path(text), n_columns=len(names), delimiter=delimiter)
    _refuse_rejected(loader, text, header, delimiter)
    if len(names) == 1:
        loader.ask(
            "CREATE OR REPLACE TEMP TABLE cells AS SELECT * FROM cells WHERE c0 IS NOT NULL"
        )  # no blank lines

    def places(rows: Iterable[int]) -> dict[int, str]:
        wanted = set(rows)
        usual_limit = csv.field_size_limit(MAX_ROW)
        try:
            with charset.open(named) as lines:
                records = _records(lines, delimiter, where, header.last_line)
                below = itertools.islice(records, max(wanted, default=-1) + 1)
                return {
                    row: f"line {record.line}"
                    for row, record in enumerate(below)
                    if row in wanted
                }
        finally:
            csv.field_size_limit(usual_limit)

    return loader.frame(names, places, (*charset.notes, *notes))


def duckdb_path(path: Path) -> str:
    """Return a path that DuckDB doesn't take for a pattern: 'a[1].csv' would read 'a1.csv'."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.resolve()))


class _Record(NamedTuple):
    """A row of text, with its first and its last line, counted from 1."""

    line: int
    last_line: int
    cells: list[str]


def _records(
    text: TextIO, delimiter: str, where: str, skip: int = 0
) -> Iterator[_Record]:
    """Yield each row that isn't blank below some lines. Quotes that don't close, and huge cells, are
    errors."""
    lines = iter(functools.partial(text.readline, MAX_ROW), "")
    # DuckDB takes a quote after spaces as a quote, hence skipinitialspace.
    reader = csv.reader(
        itertools.islice(lines, skip, None),
        delimiter=delimiter,
        strict=True,
        skipinitialspace=True,
    )
    line = skip + 1
    try:
        for row in reader:
            if row:
                yield _Record(line, skip + reader.line_num, row)
            line = skip + reader.line_num + 1
    except csv.Error as error:
        raise _unclear(where, line, str(error)) from error


def _unclear(where: str, line: int, reason: str) -> UnreadableError:
    return UnreadableError(
        f"{where}: the row that begins in line {line} can't be understood ({reason})",
        'A cell in quotes ends with a quote, and a quote inside it is doubled: "a ""b"" c".',
    )


def _refuse_rejected(
    loader: Loader, text: Path, header: _Record, delimiter: str
) -> None:
    """Raise UnreadableError for the first row that DuckDB couldn't read. In its file, one line
    stands for those down to the header."""
    facts = "line_byte_position, error_type, csv_line, error_message"
    rejected = loader.ask(f"SELECT {facts} FROM reject_errors ORDER BY 1 LIMIT 1")
    if not rejected:
        return
    [(position, kind, row, reason)] = rejected
    n_blank = len(row) - len(row.lstrip("\n"))  # blank lines belong to the next row
    with text.open("rb") as raw:
        before = raw.read(position + n_blank)
    line = header.last_line + before.count(b"\n")
    if "COLUMNS" not in kind:
        raise _unclear(loader.where, line, reason.splitlines()[0].rstrip("."))
    cells = next(
        csv.reader([row.strip("\n")], delimiter=delimiter, skipinitialspace=True)
    )
    skip = spell("skip_rows", line - 1 if line == header.last_line + 1 else "N")
    raise UnreadableError(
        f"{loader.where}: line {line} has {counted(len(cells), 'cell')}, the header has {len(header.cells)}",
        "Is a name missing in the header, or a delimiter in a cell without quotes? "
        f"If the header is further down: {skip}.",
    )


def _find_header(
    loader: Loader, path: Path, charset: Charset, skip_rows: int | None, usual: str
) -> tuple[_Record, str, list[Note]]:
    """Return the header; the delimiter, which makes the first rows as long as the header; and
    notes.

    The header is the first row if possible. Otherwise, the delimiter is the one that splits the
    header most, or that the rows below agree on.
    """
    where = loader.where
    skip = skip_rows or 0
    first = {}
    fits = {}
    for delimiter in dict.fromkeys((usual, *DELIMITERS)):
        rows = list[_Record]()
        is_whole = True
        try:
            with charset.open(path) as text:
                records = _records(text, delimiter, where, skip)
                rows.extend(itertools.islice(records, ROWS_LOOKED_AT))
        except UnreadableError:  # '"a","b"' isn't tab-separated
            is_whole = False
        position = 0
        if skip_rows is None:
            position = find_header([row.cells for row in rows], loader.wanted)
        lengths = [len(row.cells) for row in rows[position:]] or [0]
        agree = is_whole and lengths[0] > 1 < len(lengths) and len({*lengths}) == 1
        fits[delimiter] = (
            agree,
            position == 0,
            lengths[0],
            len(lengths) > 2 and lengths[-1] == lengths[-2] > 1,
        )
        first[delimiter] = rows, position
    best = max(fits, key=fits.__getitem__)
    rows, position = first[best]
    if not rows:
        # Blank from end to end, or quotes that don't close, which is an error of its own.
        with charset.open(path) as text:
            next(_records(text, usual, where, skip), None)
        below = f" below the {skip} lines to skip" if skip else ""
        raise UnreadableError(
            f"{where} is empty{below}", "A table has a header and rows under it."
        )
    header = rows[position]
    notes = [] if best == "," else [Note(f"cells are separated by {DELIMITERS[best]}")]
    if position:
        notes.append(header_note(f"line {header.line}", rows[0].cells))
    return header, best, notes

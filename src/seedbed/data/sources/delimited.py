"""Delimited text, such as CSV: its header and shape are checked by Python's csv reader, its cells are read by DuckDB.

Two readers are needed. DuckDB is many times faster at filling columns. But it drops an extra cell that is empty (`1,2,`
under `a,b`), accepts NUL bytes, and fails at mixed line ends without naming a line. Reading one column more with
`null_padding` would show extra and missing cells, but not in parallel, and DuckDB still can't say on which line a row
begins, whether it can read the file itself, or which row is the header. So Python walks through each file once. The
rows of both readers must agree.
"""

from __future__ import annotations

import csv
import functools
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np

from seedbed.data.cells import numeral
from seedbed.data.columns import Note
from seedbed.data.sources.charset import CHUNK, Charset, find_charset, open_text
from seedbed.data.sources.loaded import LoadedColumns, Loader
from seedbed.data.sources.options import MAX_CELL, NOTHING, SourceLimit, SourceOptions, check_width, long_cell
from seedbed.errors import UnreadableError

__all__ = ["ROWS_LOOKED_AT", "duckdb_path", "find_header", "header_note", "open_delimited"]

ROWS_LOOKED_AT = 50
MOST_TITLES = 20  # rows above the header
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
MAX_ROW = 1 << 28  # characters, as many as DuckDB is asked to read
CELLS_LOOKED_AT = 1 << 20  # of the first rows
MAX_ROW_CELLS = 1 << 24  # where delimiters in quotes count, too
SEARCHED = 1 << 26  # characters of one row, to name the column of a cell that is too long


def find_header(rows: Sequence[Sequence[str]], wanted: Collection[str] = ()) -> int:
    """Return the position of the header among the first rows of a table; 0 if there is no other.

    A row is the header if it has all names that are `wanted`. Otherwise, rows are titles if at least two of their cells
    are empty or lacking (of two columns: one). The first row that isn't a title is the header if it has a text for each
    column, except perhaps the first one, and some row below it has a number. Below the header, all rows have as many
    cells.

    Examples:
        >>> find_header([["Class 10b"], ["name", "grade", "age"], ["Anna", "2", "16"]])
        1
    """
    first = rows[: MOST_TITLES + 1]
    if wanted and (found := [i for i, row in enumerate(first) if set(wanted) <= {cell.strip() for cell in row}]):
        return found[0]
    width = len(rows[-1]) if rows else 0
    for position, row in enumerate(first):
        below = rows[position + 1 :]
        if _is_header(row, width) and all(len(other) == width for other in below):
            if position and not any(map(_is_number, (cell for other in below for cell in other))):
                return 0
            return position
        if sum(bool(cell.strip()) for cell in row) > max(1, width - 2):
            return 0
    return 0


def header_note(place: str, title: Sequence[str]) -> Note:
    """Return the note that the header is at a place such as "line 3", below the first row `title`."""
    text = " ".join(cell.strip() for cell in title if cell.strip())
    text = text if len(text) <= 40 else text[:37] + "..."
    return Note(
        f"the header is {place}, below {text!r}; if that is wrong, give the number of rows to skip: --skip-rows 0"
    )


def _is_header(row: Sequence[str], width: int) -> bool:
    """Return whether each column has a name of its own; the first may have none."""
    names = [cell.strip() for cell in row]
    if width < 2 or len(names) != width or not all(names[1:]) or len(set(names)) < width:
        return False
    return not any(map(_is_number, names))


def _is_number(cell: str) -> bool:
    return not np.isnan(numeral(cell.strip())).all()


@dataclass(frozen=True)
class Shape:
    """What Python's reader found in a file.

    Attributes:
        header: the column names, stripped of spaces.
        delimiter: one character.
        n_rows: rows under the header; blank lines don't count.
        charset: how the bytes become text.
        skip: lines above the header.
        notes: where the header was found, if it isn't the first row.
        copied: how the file is copied for DuckDB. "not": DuckDB reads the file itself. "text": as text, with one kind
            of line end. "rows": row by row, as line ends may be within cells, or a blank line could be a cell.
    """

    header: tuple[str, ...]
    delimiter: str
    n_rows: int
    charset: Charset
    copied: Literal["not", "text", "rows"]
    skip: int = 0
    notes: tuple[Note, ...] = ()


def open_delimited(loader: Loader, path: Path, options: SourceOptions, *, usual: str) -> LoadedColumns:
    """Return the columns of a text that isn't compressed; `usual` is the delimiter if the text doesn't decide."""
    where, connection = loader.where, loader.connection
    shape = survey(path, where, loader.limit, options, usual=usual)
    readable = path
    if shape.copied != "not":
        readable = loader.folder / "copy.csv"
        write_copy(path, shape, readable, where)
    loader.load_csv(duckdb_path(readable), n_columns=len(shape.header), delimiter=shape.delimiter)
    if readable != path:
        readable.unlink()
    header = connection.execute("SELECT * FROM cells WHERE rowid = 0").fetchone() or ()
    (n_loaded,) = connection.execute("SELECT count(*) FROM cells").fetchone() or (0,)
    if tuple((cell or "").strip() for cell in header) != shape.header or n_loaded != shape.n_rows + 1:
        raise UnreadableError(
            f"{where}: two readers disagree on its rows ({n_loaded - 1} and {shape.n_rows})",
            "Look for stray quotes, or save it again with every text cell in quotes.",
        )
    connection.execute("DELETE FROM cells WHERE rowid = 0")

    def find_places(rows: Iterable[int]) -> dict[int, str]:
        wanted = set(rows)
        found = records(path, shape.delimiter, shape.charset, where, shape.skip)
        under_header = itertools.islice(found, 1, max(wanted, default=0) + 2)
        return {row: f"line {line}" for row, (line, _) in enumerate(under_header) if row in wanted}

    by = DELIMITERS[shape.delimiter]
    notes = () if shape.delimiter == "," else (Note(f"cells are separated by {by}"),)
    return loader.columns(shape.header, find_places, (*shape.charset.notes, *notes, *shape.notes))


def duckdb_path(path: Path) -> str:
    """Return a path that DuckDB doesn't take for a pattern: 'a[1].csv' would read 'a1.csv'."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.resolve()))


def survey(path: Path, where: str, limit: SourceLimit, options: SourceOptions = NOTHING, *, usual: str = ",") -> Shape:
    """Read the whole file once, and check that its rows fit the header and the limit."""
    charset = find_charset(path, where)
    delimiter, skip, notes = _find_header(path, charset, where, options, usual)
    rows = records(path, delimiter, charset, where, skip)
    previous, row = next(rows)
    header = tuple(cell.strip() for cell in row)
    check_width(len(header), where)
    n_rows, most, one_line_each = 0, limit.rows(len(header)), len(header) > 1
    for line, row in rows:
        if len(row) != len(header):
            raise UnreadableError(
                f"{where}: line {line} has {len(row)} cell{'s' * (len(row) != 1)}, the header has {len(header)}",
                _ragged_advice(line, n_rows, len(row) - len(header)),
            )
        if line - previous != 1:
            one_line_each = False
        previous = line
        n_rows += 1
        if n_rows > most:
            limit.check_rows(n_rows, len(header), where)
    ends_in_cells = not one_line_each or any("\r" in cell for cell in row)
    plain = charset.plain and len(header) > 1 and not skip
    copied: Literal["not", "text", "rows"] = "not" if plain else "rows" if ends_in_cells else "text"
    return Shape(header, delimiter, n_rows, charset, copied, skip, notes)


def records(path: Path, delimiter: str, charset: Charset, where: str, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that isn't blank, header included, with the line on which it begins (from 1), below `skip` lines.

    Quotes that don't close, and huge cells and rows, are errors.
    """
    line, size, n_cells, header = 1, 0, 0, None

    def lines(text: TextIO) -> Iterator[str]:
        """Yield the lines of the text, until a row would fill the memory."""
        nonlocal size, n_cells
        for one in iter(functools.partial(text.readline, MAX_ROW), ""):
            size += len(one)
            if size > MAX_ROW_CELLS:
                n_cells += one.count(delimiter)
                if n_cells > MAX_ROW_CELLS or size >= MAX_ROW:
                    found = f"{MAX_ROW_CELLS:,} cells" if n_cells > MAX_ROW_CELLS else f"{MAX_ROW:,} characters"
                    message = f"{where}: the row that begins in line {line} has over {found}"
                    raise UnreadableError(message, "Is it a table, and is each row on a line of its own?")
            yield one

    with open_text(path, charset, newline="") as text:
        # DuckDB takes a quote after spaces as a quote, hence skipinitialspace.
        source = lines(text)
        for _ in itertools.islice(source, skip):
            size = 0
        line, n_cells = skip + 1, 0
        reader = csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            for row in reader:
                if row:
                    header = header or row
                    yield line, row
                line, size, n_cells = skip + reader.line_num + 1, 0, 0
        except csv.Error as error:
            if "field limit" in str(error):
                column = _huge_cell_column(path, delimiter, charset, line)
                name = header[column] if header and column < len(header) else f"number {column + 1}"
                raise long_cell(where, f"line {line}", name.strip()) from error
            raise UnreadableError(
                f"{where}: the row that begins in line {line} can't be understood ({error})",
                'A cell in quotes ends with a quote, and a quote inside it is doubled: "a ""b"" c".',
            ) from error


def write_copy(path: Path, shape: Shape, copy: Path, where: str) -> None:
    """Write a copy that DuckDB can read: UTF-8, LF line ends, no byte order mark."""
    with copy.open("w", encoding="utf-8", newline="\n") as out:
        if shape.copied == "rows":
            writer = csv.writer(out, delimiter=shape.delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerows(row for _, row in records(path, shape.delimiter, shape.charset, where, shape.skip))
            return
        with open_text(path, shape.charset, newline=None) as text:
            for _ in itertools.islice(text, shape.skip):
                pass
            while chunk := text.read(CHUNK):
                out.write(chunk)


def _find_header(
    path: Path, charset: Charset, where: str, options: SourceOptions, usual: str
) -> tuple[str, int, tuple[Note, ...]]:
    """Return the delimiter, the number of lines above the header, and a note if there are such lines.

    The delimiter makes the first rows as long as the header, which is the first row if possible. Otherwise it is the
    one that splits the header most, or that the rows below agree on.
    """
    skip, known = options.skip_rows or 0, options.skip_rows is not None
    order = (usual, *(delimiter for delimiter in DELIMITERS if delimiter != usual))
    found = {delimiter: _first_rows(path, delimiter, charset, where, skip) for delimiter in order}
    places = {
        one: 0 if known else find_header([row for _, row in rows], options.wanted) for one, (rows, _) in found.items()
    }

    def fit(delimiter: str) -> tuple[bool, bool, int, bool]:
        rows, whole = found[delimiter]
        lengths = [len(row) for _, row in rows[places[delimiter] :]] or [0]
        agree = whole and lengths[0] > 1 and len(lengths) > 1 and len(set(lengths)) == 1
        return agree, places[delimiter] == 0, lengths[0], len(lengths) > 2 and lengths[-1] == lengths[-2] > 1

    best = max(order, key=fit)
    rows, place = found[best][0], places[best]
    if not rows:
        # Blank from end to end, or quotes that don't close, which `records` reports.
        next(records(path, usual, charset, where, skip), None)
        below = f" below the {skip} lines to skip" if skip else ""
        raise UnreadableError(f"{where} is empty{below}", "A table has a header and rows under it.")
    if place == 0:
        return best, skip, ()
    line = rows[place][0]
    return best, line - 1, (header_note(f"line {line}", rows[0][1]),)


def _first_rows(
    path: Path, delimiter: str, charset: Charset, where: str, skip: int
) -> tuple[list[tuple[int, list[str]]], bool]:
    """Return the first rows by a delimiter, and whether they can be read: '"a","b"' isn't tab-separated."""
    rows, n_cells = [], 0
    try:
        for row in itertools.islice(records(path, delimiter, charset, where, skip), ROWS_LOOKED_AT):
            rows.append(row)
            n_cells += len(row[1])
            if n_cells > CELLS_LOOKED_AT:
                break
    except UnreadableError:
        return rows, False
    return rows, True


def _huge_cell_column(path: Path, delimiter: str, charset: Charset, line: int) -> int:
    """Return the position of the first cell over csv's limit in the row that begins in this line."""
    limit = min(MAX_CELL, csv.field_size_limit())
    # A cell is a quoted text, or all up to the delimiter.
    cell = re.compile(rf' *"(?:[^"]|"")*|[^{re.escape(delimiter)}\r\n]*')
    with open_text(path, charset, newline="") as text:
        for _ in itertools.islice(text, line - 1):
            pass
        row = text.read(SEARCHED)
    column = position = 0
    while True:
        match = cell.match(row, position)
        if match is None or match.end() - position > limit or match.end() >= len(row):
            return column
        column, position = column + 1, row.find(delimiter, match.end()) + 1 or len(row)


def _ragged_advice(line: int, rows_before: int, excess: int) -> str:
    """Return what to do about a row with `excess` more cells than the header; fewer if negative."""
    if rows_before == 0 and excess == 1:
        return "Is a name missing in the header? A cell that holds the delimiter must be in quotes."
    if rows_before == 0:
        return f"If line {line} is the header: --skip-rows {line - 1}."
    if rows_before < ROWS_LOOKED_AT and excess > 1:
        return "If the header is further down, say how many lines stand above it: --skip-rows N."
    if excess > 0:
        return "A cell that holds the delimiter must be in quotes."
    return "A cell left out shifts the others: write it as an empty cell."

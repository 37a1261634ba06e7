"""Delimited text before DuckDB sees it: header and shape, checked by Python's own csv reader.

DuckDB reads the cells, many times faster. But it is lenient where a table must not be: it drops an extra cell that is
empty, takes NUL bytes, and refuses mixed line ends without a reason. So each file is first walked through once, row by
row, by a second reader; rows and cells must agree.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seedbed.data.sources.charset import CHUNK, Charset, find_charset, open_text
from seedbed.data.sources.limits import MAX_CELL, check_width, long_cell
from seedbed.errors import UnreadableError

__all__ = ["DELIMITERS", "Shape", "records", "survey", "write_copy"]

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
ROWS_COMPARED = 50  # to find the delimiter
SEARCHED = 1 << 26  # characters of one row, to name the column of a cell that is too long


@dataclass(frozen=True)
class Shape:
    """What the walk through a file found.

    Attributes:
        header: the column names, stripped of spaces.
        delimiter: one character.
        n_rows: rows under the header; blank lines are no rows.
        charset: how the bytes become text.
        copied: for DuckDB: "not", it reads the file where it lies; as "text", line ends made one kind; by "rows",
            as some line ends may be within cells, or a blank line would be taken for a cell.
    """

    header: tuple[str, ...]
    delimiter: str
    n_rows: int
    charset: Charset
    copied: Literal["not", "text", "rows"]


def survey(path: Path, where: str, *, usual: str = ",") -> Shape:
    """Walk through the whole file once.

    Args:
        path: the file, not compressed.
        where: what messages call it.
        usual: the delimiter where the text doesn't tell.

    Raises:
        UnreadableError: no text, no header, too many columns, or a row whose cells don't fit the header.
    """
    charset = find_charset(path, where)
    delimiter = _find_delimiter(path, charset, where, usual)
    rows = records(path, delimiter, charset, where)
    previous, row = next(rows)
    header = tuple(cell.strip() for cell in row)
    check_width(len(header), where)
    n_rows, one_line_each = 0, len(header) > 1
    for line, row in rows:
        if len(row) != len(header):
            raise UnreadableError(
                f"{where}: line {line} has {len(row)} cell{'s' * (len(row) != 1)}, the header has {len(header)}",
                _ragged_advice(n_rows, len(row) - len(header)),
            )
        if line - previous != 1:
            one_line_each = False
        previous = line
        n_rows += 1
    ends_in_cells = not one_line_each or any("\r" in cell for cell in row)
    plain = charset.plain and len(header) > 1
    copied: Literal["not", "text", "rows"] = "not" if plain else "rows" if ends_in_cells else "text"
    return Shape(header=header, delimiter=delimiter, n_rows=n_rows, charset=charset, copied=copied)


def records(path: Path, delimiter: str, charset: Charset, where: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that isn't blank, header included, with the line of the file on which it begins (from 1).

    Raises:
        UnreadableError: quotes that don't close, or a huge cell.
    """
    with open_text(path, charset, newline="") as text:
        # DuckDB takes a quote after spaces as a quote, hence skipinitialspace.
        reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
        line, header = 1, None
        try:
            for row in reader:
                if row:
                    header = header or row
                    yield line, row
                line = reader.line_num + 1
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
    """Write the file anew as DuckDB reads it: UTF-8, LF line ends, no byte order mark."""
    with copy.open("w", encoding="utf-8", newline="\n") as out:
        if shape.copied == "rows":
            writer = csv.writer(out, delimiter=shape.delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerows(row for _, row in records(path, shape.delimiter, shape.charset, where))
            return
        with open_text(path, shape.charset, newline=None) as text:
            while chunk := text.read(CHUNK):
                out.write(chunk)


def _find_delimiter(path: Path, charset: Charset, where: str, usual: str) -> str:
    """The delimiter that makes the first rows as long as the header, else the one that splits the header most."""
    order = (usual, *(delimiter for delimiter in DELIMITERS if delimiter != usual))
    fits = {delimiter: _fit(path, delimiter, charset, where) for delimiter in order}
    best = max(order, key=lambda delimiter: fits[delimiter])
    if fits[best] == (False, 0):
        # Blank from end to end, or quotes that don't close, of which the rows themselves will tell.
        next(records(path, usual, charset, where), None)
        raise UnreadableError(f"{where} is empty", "A table has a header and rows under it.")
    return best


def _fit(path: Path, delimiter: str, charset: Charset, where: str) -> tuple[bool, int]:
    """Whether the first rows agree on more than one cell, and how many names the header has; 0 if it can't be read."""
    lengths: list[int] = []
    try:
        for _, row in itertools.islice(records(path, delimiter, charset, where), ROWS_COMPARED):
            lengths.append(len(row))
    except UnreadableError:  # '"a","b"' is no row of tab-separated cells
        return False, lengths[0] if lengths else 0
    return (lengths[0] > 1 and len(lengths) > 1 and len(set(lengths)) == 1, lengths[0]) if lengths else (False, 0)


def _huge_cell_column(path: Path, delimiter: str, charset: Charset, line: int) -> int:
    """The position of the first cell over csv's limit in the row that begins in this line."""
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


def _ragged_advice(rows_before: int, excess: int) -> str:
    if rows_before == 0 and excess == 1:
        return "Is a name missing in the header? A cell that holds the delimiter must be in quotes."
    if excess > 0:
        return "A cell that holds the delimiter must be in quotes."
    return "A cell left out shifts the others: write it as an empty cell."

"""Delimited text, such as CSV, read by DuckDB. Python's csv reader finds the header, and the lines
of rows in notes."""

from __future__ import annotations

import csv
import functools
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from seedbed.data.cells import numeral
from seedbed.data.frame import Frame
from seedbed.data.sources.charset import CHUNK, Charset, find_charset
from seedbed.data.sources.loaded import Loader
from seedbed.data.sources.source_limits import check_width
from seedbed.data.table_options import SourceOptions
from seedbed.errors import UnreadableError, spell
from seedbed.evaluation.summaries import Note

ROWS_LOOKED_AT = 50
MOST_TITLES = 20  # rows above the header
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
MAX_ROW = 1 << 28  # characters, as many as DuckDB is asked to read
MAX_ROW_CELLS = 1 << 24  # where delimiters in quotes count, too
CELLS_LOOKED_AT = 1 << 20  # of the first rows


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
    charset = find_charset(path, loader.where)
    header, delimiter, ambiguous, notes = _find_header(
        loader, path, charset, options.skip_rows, usual
    )
    names = tuple(cell.strip() for cell in header.cells)
    check_width(len(names), where)
    text = path
    skipped = 0
    if not charset.plain or ambiguous:
        text, skipped = loader.folder / "copy.csv", header.last_line - 1
        charset.copy(path, text, skip=header.last_line)
    above = header.last_line - skipped
    loader.load_csv(
        duckdb_path(text), n_columns=len(names), delimiter=delimiter, skip=above
    )
    _refuse_rejected(loader, text, header, delimiter, skipped)
    if text != path:
        text.unlink()
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
    """Yield each row that isn't blank below some lines. Quotes that don't close, and huge rows, are
    errors."""

    def lines() -> Iterator[str]:
        for number, line in enumerate(
            iter(functools.partial(text.readline, MAX_ROW), ""), start=1
        ):
            # It would fill the memory when it is divided into cells.
            if len(line) >= MAX_ROW or (
                len(line) > MAX_ROW_CELLS and line.count(delimiter) > MAX_ROW_CELLS
            ):
                raise UnreadableError(
                    f"{where}: line {number} has over {MAX_ROW_CELLS:,} cells or {MAX_ROW:,} characters",
                    "Is it a table, and is each row on a line of its own?",
                )
            if number > skip:
                yield line

    # DuckDB takes a quote after spaces as a quote, hence skipinitialspace.
    reader = csv.reader(
        lines(), delimiter=delimiter, strict=True, skipinitialspace=True
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
    loader: Loader, text: Path, header: _Record, delimiter: str, skipped: int
) -> None:
    """Raise UnreadableError for the first row that DuckDB couldn't read; `skipped` lines aren't in
    its file."""
    facts = "line_byte_position, error_type, csv_line, error_message"
    rejected = loader.ask(f"SELECT {facts} FROM reject_errors ORDER BY 1 LIMIT 1")
    if not rejected:
        return
    [(position, kind, row, reason)] = rejected
    position = (
        position + len(row) - len(row.lstrip("\n"))
    )  # blank lines belong to the next row
    row = row.strip("\n")
    with text.open("rb") as raw:
        line = (
            1
            + skipped
            + sum(
                raw.read(min(CHUNK, position - at)).count(b"\n")
                for at in range(0, position, CHUNK)
            )
        )
    if "COLUMNS" not in kind:
        raise _unclear(loader.where, line, reason.splitlines()[0].rstrip("."))
    n_cells = len(next(csv.reader([row], delimiter=delimiter, skipinitialspace=True)))
    message = f"{loader.where}: line {line} has {n_cells} cell{'s' * (n_cells != 1)}, the header has {len(header.cells)}"
    hint = "Is a name missing in the header, or a delimiter in a cell without quotes? If the header is further down: "
    skip = spell("skip_rows", line - 1 if line == header.last_line + 1 else "N")
    raise UnreadableError(message, f"{hint}{skip}.")


def _find_header(
    loader: Loader, path: Path, charset: Charset, skip_rows: int | None, usual: str
) -> tuple[_Record, str, bool, list[Note]]:
    """Return the header; the delimiter, which makes the first rows as long as the header; whether
    the lines down to the end of the header may not be as many records, as a quote may contain a
    line end; and notes.

    The header is the first row if possible. Otherwise, the delimiter is the one that splits the
    header most, or that the rows below agree on.
    """
    where = loader.where
    skip = skip_rows or 0
    first, fits = {}, {}
    for delimiter in dict.fromkeys((usual, *DELIMITERS)):
        rows = list[_Record]()
        is_whole = True
        try:
            with charset.open(path) as text:
                for row in itertools.islice(
                    _records(text, delimiter, where, skip), ROWS_LOOKED_AT
                ):
                    rows.append(row)
                    if sum(len(record.cells) for record in rows) > CELLS_LOOKED_AT:
                        break
        except UnreadableError:  # '"a","b"' isn't tab-separated
            is_whole = False
        position = (
            find_header([row.cells for row in rows], loader.wanted)
            if skip_rows is None
            else 0
        )
        lengths = [len(row.cells) for row in rows[position:]] or [0]
        agree = (
            is_whole and lengths[0] > 1 and len(lengths) > 1 and len(set(lengths)) == 1
        )
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
    with charset.open(path) as text:
        titles = "".join(itertools.islice(text, header.line - 1))
    return header, best, header.last_line > header.line or '"' in titles, notes

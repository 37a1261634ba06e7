"""Sheets of Excel workbooks (.xlsx), read by calamine."""

from __future__ import annotations

import functools
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from seedbed.data.cells import first_of
from seedbed.data.frame import Frame, text_of
from seedbed.data.sources.delimited import ROWS_LOOKED_AT, find_header, header_note
from seedbed.data.sources.loaded import Loader
from seedbed.data.sources.memory import frame_of_values
from seedbed.data.table_options import SourceOptions
from seedbed.errors import (
    OptionError,
    TableNotFoundError,
    UnreadableError,
    did_you_mean,
    spell,
)
from seedbed.evaluation.summaries import Note

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

MAGIC = b"PK\x03\x04"
WORKBOOK = "xl/workbook.xml"
# Of memory: a sheet is a full rectangle there, and a short string has an object.
BYTES_A_CELL, BYTES_A_BYTE = 50, 6
_ADDRESS = re.compile(rb' r="([A-Z]{0,3})([0-9]{1,7})"')  # of a cell or a row
CHUNK = 1 << 20
# What zipfile raises for damaged bytes, apart from OSError; RuntimeError if a password is needed.
DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
DAMAGED = "Open it in Excel or LibreOffice and save it again, or save the sheet as CSV."


def read_workbook(loader: Loader, path: Path, options: SourceOptions) -> Frame:
    """Return a sheet: the one that the user names, even a hidden one; or the only visible one that
    isn't empty.

    Numbers, dates, times and booleans are those that Excel shows in other formats; an error such as
    #N/A and a formula without a saved value are empty cells. Rows and columns without any cell are
    left out.
    """
    where = loader.where
    try:
        import python_calamine as calamine
    except ImportError:
        raise OptionError(
            f"{where} is an Excel workbook, and python-calamine isn't installed",
            "Install it: pip install 'seedbed[excel]'. Or save the sheet as CSV.",
        ) from None
    try:
        _check_size(path, loader)
        with calamine.CalamineWorkbook.from_path(path) as workbook:
            sheet, notes = _choose_sheet(workbook, options.table, where)
            return _read_sheet(loader, sheet, notes, options)
    except (calamine.CalamineError, *DAMAGES) as error:
        raise UnreadableError(
            f"{where}: the workbook can't be read ({error})", DAMAGED
        ) from error


def _check_size(path: Path, loader: Loader) -> None:
    """Raise UnreadableError if the file is no workbook, or one over the limit: by the unpacked bytes
    of its parts, and by the rectangle that each sheet fills."""
    with zipfile.ZipFile(path) as packed:
        if WORKBOOK not in packed.namelist():
            raise UnreadableError(
                f"{loader.where} is a zip file, not an Excel workbook",
                "Save the table in it as CSV.",
            )
        size = BYTES_A_BYTE * sum(part.file_size for part in packed.infolist())
        loader.limit.check_size(size, loader.where, measured="needs about")
        for name in packed.namelist():
            if name.startswith("xl/worksheets/"):
                with packed.open(name) as part:
                    size += BYTES_A_CELL * _area(part)
    loader.limit.check_size(size, loader.where, measured="needs about")


def _area(sheet: IO[bytes]) -> int:
    """Return the cells of a sheet down to the last row and column that has one."""
    rows = {0}
    columns = {0}
    chunk = b""
    while more := sheet.read(CHUNK):
        chunk = chunk[-32:] + more  # an address may be in two chunks
        addresses = set(_ADDRESS.findall(chunk))
        rows |= {int(row) for _, row in addresses}
        columns |= {_number(letters) for letters, _ in addresses}
    return max(rows) * max(columns)


@functools.lru_cache(20_000)
def _number(letters: bytes) -> int:
    """Return a column's number: 'A' is 1, 'AB' is 28."""
    return functools.reduce(
        lambda number, letter: 26 * number + letter - 64, letters, 0
    )


def _choose_sheet(
    workbook: CalamineWorkbook, wanted: str | None, where: str
) -> tuple[CalamineSheet, tuple[Note, ...]]:
    """Return the wanted sheet. If none is named, return the only visible one that isn't empty, with
    a note if there are others."""
    import python_calamine as calamine

    sheets = [
        entry
        for entry in workbook.sheets_metadata
        if entry.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    if wanted is not None:
        names = [entry.name for entry in sheets]
        if wanted not in names:
            raise TableNotFoundError(
                f"{where}: no sheet '{wanted}'", did_you_mean(wanted, names)
            )
        return workbook.get_sheet_by_name(wanted), ()
    visible = calamine.SheetVisibleEnum.Visible
    shown = [
        workbook.get_sheet_by_name(entry.name)
        for entry in sheets
        if entry.visible == visible
    ]
    if not shown:
        raise TableNotFoundError(f"{where} has no sheets")
    filled = [sheet for sheet in shown if sheet.start is not None] or shown
    if len(filled) > 1:
        names = [sheet.name for sheet in filled]
        raise OptionError(
            f"{where} has {len(names)} sheets: {first_of(names, 40)}",
            f"Name one, such as {spell('table', names[0])}.",
            option="table",
        )
    message = (
        f"the sheet is '{filled[0].name}', the only one that is visible and not empty"
    )
    return filled[0], (Note(message),) if len(workbook.sheet_names) > 1 else ()


def _read_sheet(
    loader: Loader,
    sheet: CalamineSheet,
    notes: tuple[Note, ...],
    options: SourceOptions,
) -> Frame:
    rows = [
        (number, [None if cell == "" else cell for cell in row])
        for number, row in enumerate(sheet.iter_rows(), start=1)
        if number > (options.skip_rows or 0) and any(cell != "" for cell in row)
    ]
    if options.skip_rows is None:
        texts = [
            [text_of(cell) or "" for cell in row] for _, row in rows[:ROWS_LOOKED_AT]
        ]
        filled = [
            i
            for i in range(len(texts[0]) if texts else 0)
            if any(row[i] for row in texts[1:])
        ]
        if position := find_header(
            [[row[i] for i in filled] for row in texts], loader.wanted
        ):
            notes = (*notes, header_note(f"row {rows[position][0]}", texts[0]))
            rows = rows[position:]
    (_, header), *rows = rows or [(0, [])]
    columns = {i: [row[i] for _, row in rows] for i in range(len(header))}
    names = {
        i: (text_of(header[i]) or "").strip()
        for i, cells in columns.items()
        if header[i] is not None or any(cell is not None for cell in cells)
    }
    frame = frame_of_values(
        [columns[i] for i in names],
        tuple(names.values()),
        f"{loader.where}, sheet '{sheet.name}'",
        as_text=loader.as_text,
    )
    return replace(
        frame,
        notes=notes,
        places=lambda wanted: {row: f"row {rows[row][0]}" for row in wanted},
    )

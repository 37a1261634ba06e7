"""Sheets of Excel workbooks (.xlsx), read by calamine after their unpacked size is checked."""

from __future__ import annotations

import functools
import lzma
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from seedbed.data.frame import Frame, text_of
from seedbed.data.sources.delimited import ROWS_LOOKED_AT, find_header, header_note
from seedbed.data.sources.loaded import Loader
from seedbed.data.sources.memory import frame_of_rows
from seedbed.data.sources.source_limits import SourceLimit, choose_sheet
from seedbed.data.table_options import SourceOptions
from seedbed.errors import OptionError, UnreadableError
from seedbed.evaluation.summaries import Note

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

MAGIC = b"PK\x03\x04"
WORKBOOK, TEXTS = "xl/workbook.xml", "xl/sharedStrings.xml"
CHUNK = 1 << 20
BYTES_A_CELL, BYTES_A_BYTE = (
    50,
    6,
)  # of memory: a sheet is a full rectangle there, and a short string has an object
# What zipfile raises for damaged bytes, apart from OSError; RuntimeError if a password is needed.
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    UnicodeDecodeError,
    RuntimeError,
)
DAMAGED = "Open it in Excel or LibreOffice and save it again, or save the sheet as CSV."


def is_workbook(path: Path) -> bool:
    """Return whether a zip file is an Excel workbook."""
    try:
        with zipfile.ZipFile(path) as packed:
            return WORKBOOK in packed.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


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
    plain = loader.folder / "workbook.xlsx"
    try:
        _unpack(path, plain, where, loader.limit)
        with calamine.CalamineWorkbook.from_path(plain) as workbook:
            wanted, visible = options.table, calamine.SheetVisibleEnum.Visible
            sheets = [
                entry
                for entry in workbook.sheets_metadata
                if entry.typ == calamine.SheetTypeEnum.WorkSheet
            ]
            names = [
                entry.name
                for entry in sheets
                if wanted is not None or entry.visible == visible
            ]
            if wanted is None and len(names) > 1:
                names = [
                    name
                    for name in names
                    if workbook.get_sheet_by_name(name).start is not None
                ] or names
            position, notes = choose_sheet(names, wanted, where)
            sheet = workbook.get_sheet_by_name(names[position])
            notes = notes if wanted is None and len(workbook.sheet_names) > 1 else ()
            return _load(
                replace(loader, where=f"{where}, sheet '{names[position]}'"),
                sheet,
                notes,
                options,
            )
    except (calamine.CalamineError, expat.ExpatError, *DAMAGES) as error:
        raise UnreadableError(
            f"{where}: the workbook can't be read ({error})", DAMAGED
        ) from error


def _unpack(path: Path, plain: Path, where: str, limit: SourceLimit) -> None:
    """Write a copy of the workbook's XML without compression, and check that its sheets fit into
    the limit."""
    with zipfile.ZipFile(path) as packed, zipfile.ZipFile(plain, "w") as out:
        members = [
            member
            for member in packed.infolist()
            if member.filename.endswith((".xml", ".rels"))
        ]
        if len({member.filename for member in members}) < len(members):
            raise zipfile.BadZipFile("a part is duplicated")
        members.sort(
            key=lambda member: member.filename != TEXTS
        )  # cells refer to these
        size = BYTES_A_BYTE * sum(member.file_size for member in members)
        limit.check_size(size, where, measured="needs about")
        texts: list[int] = []
        for member in members:
            extent = _Extent(texts)
            with (
                packed.open(member) as source,
                out.open(member.filename, "w", force_zip64=True) as copy,
            ):
                while chunk := source.read(CHUNK):
                    extent.parser.Parse(chunk, False)
                    copy.write(chunk)
                    limit.check_size(size + extent.size, where, measured="needs about")
            extent.parser.Parse(b"", True)
            size += extent.size


class _Extent:
    """The first and the last row and column of a sheet's filled cells, found while its XML is
    parsed.

    The part that contains the `texts` that cells share fills the list of their sizes in bytes.
    """

    def __init__(self, texts: list[int]) -> None:
        self.texts = texts
        self.text_start = 0
        self.n_text = 0
        self.refers = False  # the cell to a text
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.row = self.column = self.bottom = self.right = 0
        self.top = self.left = 2**31

    @property
    def size(self) -> int:
        """Memory in bytes: of a full rectangle, and of the text of each cell."""
        area = max(0, self.bottom - self.top + 1) * max(0, self.right - self.left + 1)
        return BYTES_A_CELL * area + self.n_text

    def _refuse(self, *_: Any) -> None:
        raise zipfile.BadZipFile("its XML has a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "c":
            self.column += 1
            self.refers = attributes.get("t") == "s"
            if address := attributes.get("r"):
                letters = address.rstrip("0123456789")
                self.column = _number(letters)
                self.row = int(address[len(letters) :][:8] or 0)
        elif name in ("v", "is", "f"):
            self.top = min(self.top, self.row)
            self.bottom = max(self.bottom, self.row)
            self.left = min(self.left, self.column)
            self.right = max(self.right, self.column)
            if name == "v" and self.refers:
                self.parser.CharacterDataHandler, self.parser.EndElementHandler = (
                    self._count,
                    self._end,
                )
        elif name == "row":
            address = attributes.get("r", "")
            self.row = int(address[:8]) if address.isdecimal() else self.row + 1
            self.column = 0
        elif name == "si":
            self.text_start, self.parser.EndElementHandler = (
                self.parser.CurrentByteIndex,
                self._end,
            )
        elif self.parser.CharacterDataHandler is not None:
            raise zipfile.BadZipFile("a value has parts")

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name == "si":
            self.texts.append(self.parser.CurrentByteIndex - self.text_start)
        if name in ("si", "v"):
            self.parser.CharacterDataHandler = self.parser.EndElementHandler = None

    def _count(self, number: str) -> None:
        """Count the shared text that a cell refers to by its number."""
        if number.strip().isdecimal() and int(number) < len(self.texts):
            self.n_text += self.texts[int(number)]


@functools.lru_cache(20_000)
def _number(letters: str) -> int:
    """Return a column's number: 'A' is 1, 'AB' is 28."""
    return functools.reduce(
        lambda number, letter: 26 * number + ord(letter) - 64, letters[:4], 0
    )


def _load(
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
    columns = [
        i
        for i, cell in enumerate(header)
        if cell is not None or any(row[i] is not None for _, row in rows)
    ]
    names = tuple((text_of(header[i]) or "").strip() for i in columns)
    cells = ([row[i] for i in columns] for _, row in rows)
    return frame_of_rows(
        loader,
        cells,
        names,
        lambda some: {row: f"row {rows[row][0]}" for row in some},
        notes,
    )

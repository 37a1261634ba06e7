"""Sheets of Excel workbooks are read as Excel shows them, and unusable ones are refused."""

import datetime as dt
import zipfile

import openpyxl
import pytest

from seedbed import read_table
from seedbed.data.sources.opening import read_source
from seedbed.data.table_options import SourceOptions
from seedbed.errors import OptionError, TableNotFoundError, UnreadableError

HEADER = ["name", "born", "at", "points", "active", "code"]
ROW = ["Anna", dt.date(2009, 2, 1), dt.datetime(2024, 3, 1, 8, 30), 12.5, True, "007"]


@pytest.fixture
def book(tmp_path):
    """A function that writes sheets (name to rows) to a workbook."""

    def to_file(hidden=(), **sheets):
        workbook = openpyxl.Workbook()
        workbook.remove(workbook.active)
        for name, rows in sheets.items():
            sheet = workbook.create_sheet(name)
            sheet.sheet_state = "hidden" if name in hidden else "visible"
            for row in rows:
                sheet.append(row)
        workbook.save(tmp_path / "book.xlsx")
        return tmp_path / "book.xlsx"

    return to_file


def rows_of(path, **options):
    source = read_source(path, SourceOptions(**options))
    return [
        list(source.names),
        *map(list, zip(*map(source.cells, range(len(source.names))), strict=True)),
    ]


def test_cells_are_read_as_excel_shows_them(book):
    path = book(A=[HEADER, ROW, [None, None, "=1/0", 3, False, "#N/A"]])
    assert rows_of(path)[1:] == [
        ["Anna", "2009-02-01", "2024-03-01 08:30:00", "12.5", "True", "007"],
        [None, None, None, "3", "False", None],
    ]


def test_titles_blank_rows_and_unused_columns_are_skipped(book):
    rows = [
        ["Klasse 10b"],
        [],
        [None, *HEADER[:2], None, "points"],
        [None, "Anna", 1, None, 3],
        [],
        [None, "Bo", 2, None, 4],
    ]
    path = book(A=rows)
    expected = [["name", "born", "points"], ["Anna", "1", "3"], ["Bo", "2", "4"]]
    assert rows_of(path) == expected
    source = read_source(path)
    assert source.places([0, 1]) == {0: "row 4", 1: "row 6"}
    assert any(
        "the header is row 3, below 'Klasse 10b'" in note.message
        for note in source.notes
    )
    assert rows_of(path, skip_rows=3)[0] == ["Anna", "1", "3"]


def test_a_sheet_must_be_chosen_among_several(book):
    path = book(Noten=[HEADER, ROW], Adressen=[["a", "b"], [1, 2]])
    message = r"2 sheets: Noten, Adressen.*table=\"Noten\""
    with pytest.raises(OptionError, match=message):
        rows_of(path)
    message = r"no sheet 'noten'.*Did you mean 'Noten'"
    with pytest.raises(TableNotFoundError, match=message):
        rows_of(path, table="noten")
    assert rows_of(path, table="Adressen") == [["a", "b"], ["1", "2"]]
    table = read_table(
        book(Noten=[["a", "y"], *[[i % 4, i % 2] for i in range(20)]], B=[[1]]),
        target="y",
        table="Noten",
    )
    assert table.reading["table"] == "Noten"


def test_empty_and_hidden_sheets_are_ignored(book):
    path = book(
        hidden=["secret"], Noten=[HEADER, ROW], Tabelle2=[], secret=[["a"], [1]]
    )
    source = read_source(path)
    assert source.names == tuple(HEADER)
    assert "the sheet is 'Noten'" in source.notes[0].message
    assert rows_of(path, table="secret") == [["a"], ["1"]]


def changed(path, name, *replacements):
    """The workbook with one of its parts replaced."""
    with zipfile.ZipFile(path) as packed:
        parts = {one: packed.read(one) for one in packed.namelist()}
    for old, new in replacements:
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for one, content in parts.items():
            out.writestr(one, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"
HOSTILE = {
    "a cell far away": [(b'r="A2"', b'r="XFD1048576"')],
    "no XML": [(b"</sheetData>", b"")],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_sheet_is_refused_before_it_uses_memory(book, what):
    path = changed(book(A=[HEADER[:2], ["x", 1]]), SHEET, *HOSTILE[what])
    message = r"needs about [0-9,]+ [GT]B; the limit is 4 GB|can't be read"
    with pytest.raises(UnreadableError, match=message):
        rows_of(path)


def test_a_part_that_unpacks_beyond_the_limit_is_refused(book):
    path = changed(
        book(A=[HEADER, ROW]),
        SHEET,
        (b"</worksheet>", b" " * 5_000_000 + b"</worksheet>"),
    )
    assert path.stat().st_size < 30_000
    message = r"needs about 30 MB; the limit is 10 MB.*limit=\"40MB\""
    with pytest.raises(UnreadableError, match=message):
        rows_of(path, limit="10MB")
    assert rows_of(path, limit="40MB") == rows_of(book(A=[HEADER, ROW]))

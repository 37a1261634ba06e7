"""Delimited text: headers below titles, encodings, and hostile files."""

import codecs
import contextlib
import csv
import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.reading import read_table
from seedbed.data.sources.delimited import find_header
from seedbed.data.sources.opening import read_source
from seedbed.data.table_options import SourceOptions
from seedbed.errors import OptionError, SeedbedError, UnreadableError

# A header that isn't the first line is found, or the error says how to find it


ROWS = "".join(f"Kind {i};{1 + i % 6};{14 + i % 4}\n" for i in range(12))
TABLE = "name;grade;age\n" + ROWS


def opened(path, **options):
    source = read_source(path, SourceOptions(**options))
    return source.names, source.n_rows, source.cells(0)[:1], source.notes


TITLES = {
    "a line of text": "Klasse 10b\n",
    "a line with a delimiter": "Klasse 10b; Schuljahr 2024/25\n".replace(";", ","),
    "lines and blank ones": "Klasse 10b\n\nStand: 1.2.2024\n\n",
    "as Excel writes them": "Klasse 10b;;\n;;\n",
    "a comment": "# exported 2024-02-01\n",
    "a byte order mark": "\ufeffKlasse 10b\r\n",
}


@pytest.mark.parametrize("what", TITLES)
def test_titles_above_the_header_are_skipped_with_a_note(write, what):
    names, n_rows, first, notes = opened(write(TITLES[what] + TABLE))
    assert (names, n_rows, first) == (("name", "grade", "age"), 12, ["Kind 0"])
    assert any(
        "the header is line" in note.message and "skip_rows=0" in note.message
        for note in notes
    )


def test_rows_are_named_by_their_lines_below_titles(write):
    source = read_source(write("Klasse 10b\n\n" + TABLE))
    assert source.places([0, 11]) == {0: "line 4", 11: "line 15"}


@pytest.mark.parametrize("skip", [1, 2])
def test_a_header_that_is_not_found_can_be_given_by_skipped_rows(write, skip):
    path = write(
        'a;b;c "of" that\n\n'[: 16 if skip == 1 else 17]
        + "name;seat;home\nAnna;left;Rome\nBert;right;Bonn\n"
    )
    names, n_rows, _, notes = opened(path, skip_rows=skip)
    assert (names, n_rows) == (("name", "seat", "home"), 2)
    assert not any("the header is" in note.message for note in notes)


NO_TITLES = {
    "an ordinary table": "a,b,y\n1,2,3\n",
    "an index without a name": ",a,y\n0,1,2\n",
    "a name that is missing": "a,y\n9,1,0\n9,2,1\n",
    "two names that are missing": "a,,,y\n1,2,3,4\n",
    "one of two names that is missing": "name,\nu,v\nw,1\n",
    "names that are years": "Class 10b\n2019,2020,2021\n1,2,3\n",
    "text alone": "Class 10b\nname,town,seat\nAnna,Rome,left\n",
    "a short row": "a,b,y\n1,2,0\n1,1\n",
}


@pytest.mark.parametrize("what", NO_TITLES)
def test_no_rows_are_skipped_if_the_header_is_ambiguous(what):
    assert find_header([line.split(",") for line in NO_TITLES[what].splitlines()]) == 0


def test_the_first_line_is_header_if_no_rows_are_skipped_or_those_below_are_text(write):
    message = r"line 2 has 3 cells, the header has 1\. .*skip_rows=1"
    with pytest.raises(UnreadableError, match=message):
        opened(write("Klasse 10b\n" + TABLE.replace(";", ",")), skip_rows=0)
    for title, cells in (
        ("Klasse 10b", "line 2 has 3 cells"),
        ("Klasse 10b, Mathe", "line 2 has 1 cell"),
    ):
        message = rf"{cells}, the header has .* further down.*skip_rows=1"
        with pytest.raises(UnreadableError, match=message):
            opened(write(title + "\nname;town;seat\nAnna;Rome;left\nBert;Bonn;right\n"))


def test_requested_column_names_locate_the_header():
    rows = [["Class 10b"], ["name", "town", "seat"], ["Anna", "Rome", "left"]]
    assert find_header(rows, ["town", "seat"]) == 1
    assert find_header(rows, ["age"]) == 0


@pytest.mark.parametrize("skip", [-1, 1.5, "two", True, 99])
def test_a_number_of_rows_to_skip_is_whole_and_leaves_lines(write, skip):
    message = "is empty below the 99" if skip == 99 else "skip_rows is"
    with pytest.raises((OptionError, UnreadableError), match=message):
        opened(write(TABLE), skip_rows=skip)
    with pytest.raises(OptionError, match="has no rows to skip"):
        opened("example:iris", skip_rows=1)


def test_a_table_is_reread_with_the_same_skipped_rows(write):
    table = read_table(write("x,y\n" + TABLE), target="age", skip_rows=1)
    assert table.reading["skip_rows"] == 1
    again = dict(table.reading)
    assert read_table(again.pop("source"), **again).feature_names == table.feature_names


# Text that isn't UTF-8 is decoded by its bytes, and a note says so


TEXT = "name,y\nJosé,0\nZoë “Z”,1\n"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_without_a_note(write, codec):
    source = read_source(write(TEXT.encode(codec)))
    assert (source.names, source.cells(0)) == (("name", "y"), ["José", "Zoë “Z”"])
    assert source.notes == ()


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf16_is_recognised_by_its_first_bytes(write, mark):
    codec = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    source = read_source(write(mark + TEXT.replace("\n", "\r\n").encode(codec)))
    assert source.cells(0) == ["José", "Zoë “Z”"]
    assert [note.message for note in source.notes] == [
        "the text is UTF-16, as its first two bytes say"
    ]
    assert source.places([1]) == {1: "line 3"}


def test_other_text_is_read_as_windows_1252_and_the_first_such_line_is_named(write):
    source = read_source(write(TEXT.encode("cp1252")))
    (note,) = source.notes
    assert source.cells(0) == ["José", "Zoë “Z”"]
    assert (
        "line 2 holds a byte that isn't UTF-8 (0xe9), so the text is read as Windows-1252"
        in note.message
    )
    assert note.rows == ("line 2",)


BAD = {
    "NUL": (b"a,y\n1,0\n2\x00,1\n", "line 3 holds a NUL byte"),
    "UTF-16 without a mark": (
        "a,y\n1,0\n".encode("utf-16-le"),
        "line 1 holds a NUL byte",
    ),
    "odd UTF-16": (
        "a,y\n1,0\n".encode("utf-16") + b"x",
        "holds bytes that aren't utf-16",
    ),
    "half a pair": (
        codecs.BOM_UTF16_LE + b"a\x00\x00\xd8,\x00",
        "holds bytes that aren't utf-16",
    ),
    "no letter": (
        b"a,y\n1,0\n2,\x81\n",
        "line 3 holds the byte 0x81, no letter in UTF-8 or Windows-1252",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bytes_that_are_not_text_are_refused_with_their_line(write, case):
    content, words = BAD[case]
    with pytest.raises(UnreadableError) as caught:
        read_source(write(content))
    assert words in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "a,b\r\n\ufeffx,1\r\ny,2\r\n",
        '"a",b\r\n\ufeffx,1\r\ny,2',
        "\ufeffa,b\n\ufeffx,1\ny,2\n",
    ],
)
def test_only_the_first_character_of_a_file_is_a_byte_order_mark(write, text):
    source = read_source(write(text))
    assert (source.names, source.cells(0)) == (("a", "b"), ["\ufeffx", "y"])
    with pytest.raises(UnreadableError, match="line 3 has 1 cell, the header has 2"):
        read_source(write(text.replace("y,2", "y")))


def test_a_letter_may_be_split_between_two_blocks(write):
    # the letter's two bytes are on both sides of the first MiB
    text = "a,y\n" + "1,0\n" * 262_142 + "abcü,1\n"
    assert text.encode()[(1 << 20)] == 0xBC
    source = read_source(write(text))
    assert source.cells(0)[-1] == "abcü"
    assert source.notes == ()


# Every file is read completely or refused with a SeedbedError: no shifted cell, no lost row


PIECES = [
    "a",
    "b",
    "y",
    ",",
    ",",
    ",",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    '"',
    '""',
    "1",
    "0",
    " ",
    "\t",
    ";",
    "|",
]
PIECES += [
    "\x00",
    "é",
    "\ufeff",
    "'",
    "\\",
    "#",
    "nan",
    "1e999",
    "-",
    '"u\r\nv"',
    '"u\rv"',
    '"u,v"',
    "\x85",
    "\u2028",
]
BYTES = [piece.encode() for piece in PIECES] + [
    b"\xff",
    b"\xe9",
    b"\x81",
    b"x" * 70_000,
    b"1" * 10**6,
]
HOSTILE = st.lists(st.sampled_from(BYTES), max_size=40).map(b"".join)
BEGINNINGS = b'|a,b,y\n1,2,0\n3,4,1\n|a;b;y\r\n1;2;0\r\n|a,b\r\n"u\r\nv",2\r\n|a,a\n1,2\n|y\n'.split(
    b"|"
)


# each opens a file with DuckDB, which takes 50 to 100 ms
FEWER = settings(max_examples=settings().max_examples // 3)


@contextlib.contextmanager
def on_disk(content: bytes, name: str = "table.csv"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def plain(cell: str | None) -> str:
    return (cell or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def pythons_rows(content: bytes, delimiter: str) -> list[list[str]]:
    # DuckDB recognises a quote after spaces, and ignores empty cells at the end of a row.
    text = io.StringIO(
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read(), newline=""
    )
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    header, *rows = [[plain(cell) for cell in row] for row in reader if row]
    return [
        header,
        *(row[: len(header)] if not any(row[len(header) :]) else row for row in rows),
    ]


@FEWER
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.sampled_from(BEGINNINGS), HOSTILE).map(b"".join),
    )
)
def test_arbitrary_text_is_read_exactly_or_raises_a_seedbed_error(content):
    with on_disk(content) as path, contextlib.suppress(SeedbedError):
        frame = read_source(path, as_text=("a", "b", "y"))
        places = frame.places(range(frame.n_rows))
        lines = [int(places[row].removeprefix("line ")) for row in range(frame.n_rows)]
        assert lines == sorted(set(lines))
        for delimiter in ",;":
            if content.startswith(delimiter.join("aby").encode()) and frame.names == (
                "a",
                "b",
                "y",
            ):
                cells = zip(
                    *(map(plain, frame.cells(i)) for i in range(3)), strict=True
                )
                assert [["a", "b", "y"], *map(list, cells)] == pythons_rows(
                    content, delimiter
                )


CELLS = st.text(
    st.one_of(
        st.characters(exclude_characters="\x00", exclude_categories=["Cs"]),
        st.sampled_from('",;\r\n\t'),
    ),
    max_size=5,
)


@FEWER
@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gzip"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(",;\t|"),
)
def test_every_file_written_by_python_is_read_cell_by_cell(
    rows, codec, ends, delimiter
):
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL
    )
    writer.writerows([("first", "second", "third"), *rows])
    content = (
        gzip.compress(out.getvalue().encode())
        if codec == "gzip"
        else out.getvalue().encode(codec)
    )
    with on_disk(content) as path:
        frame = read_source(path, as_text=("first", "second", "third"))
    cells = [frame.cells(i) for i in range(3)]
    assert [[*map(plain, row)] for row in zip(*cells, strict=True)] == [
        [*map(plain, row)] for row in rows
    ]


NUMBERS = st.lists(
    st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.sampled_from([0, 1])),
    min_size=2,
    max_size=6,
).filter(lambda rows: len({row[-1] for row in rows}) == 2)


@FEWER
@given(NUMBERS, st.data())
def test_every_number_is_read_in_every_format(rows, data):
    dress = st.sampled_from(["{}", '"{}"', " {}", "{} ", '" {} "', ' "{}"'])
    ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
    text = "a,b,y" + data.draw(ends)
    for row in rows:
        text += ",".join(
            data.draw(dress).format(repr(cell)) for cell in row
        ) + data.draw(ends)
    with on_disk(text.encode()) as path:
        frame = read_source(path)
    assert_array_equal(np.column_stack([frame.numbers(i) for i in range(3)]), rows)


@FEWER
@given(NUMBERS, st.data())
def test_a_row_with_too_many_or_too_few_cells_is_always_found(rows, data):
    lines = [",".join(map(repr, row)) for row in rows]
    victim = data.draw(st.integers(0, len(lines) - 1))
    cells = lines[victim].split(",")
    changed = data.draw(
        st.sampled_from(
            [["", *cells], cells[1:], cells[:-1], [*cells, "7"], [*cells, " "]]
        )
    )
    lines[victim] = ",".join(changed)
    words = f"line {victim + 2} has {len(changed)} cells, the header has 3"
    with (
        on_disk("\n".join(["a,b,y", *lines]).encode()) as path,
        pytest.raises(UnreadableError, match=words),
    ):
        read_source(path)


def test_blank_lines_are_no_rows_and_an_empty_cell_at_the_end_is_ignored(write):
    frame = read_source(write('town\n\n\nRome\n\nOslo\n""\n\nBonn\n'))
    assert frame.cells(0) == ["Rome", "Oslo", None, "Bonn"]
    assert frame.places([3]) == {3: "line 9"}
    frame = read_source(write("a,b,y\n1,2,0\n3,4,1,\n"))
    assert [frame.cells(i) for i in range(3)] == [["1", "3"], ["2", "4"], ["0", "1"]]

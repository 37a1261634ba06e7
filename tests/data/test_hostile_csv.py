"""Whatever the bytes, a table comes in whole or is refused with a SeedbedError: never a shift, never a lost row."""

import contextlib
import csv
import gzip
import io
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import read_table
from seedbed.data.sources.delimited import survey
from seedbed.data.sources.opening import open_source
from seedbed.data.sources.options import Limit
from seedbed.errors import SeedbedError, UnreadableError

PIECES = ["a", "b", "y", ",", ",", ",", "\n", "\n", "\n", "\r\n", "\r", '"', '""', "1", "0", " ", "\t", ";", "|"]
PIECES += ["\x00", "é", "\ufeff", "'", "\\", "#", "nan", "1e999", "-", '"u\r\nv"', '"u\rv"', '"u,v"', "\x85", "\u2028"]
BYTES = [piece.encode() for piece in PIECES] + [b"\xff", b"\xe9", b"\x81", b"x" * 70_000, b"1" * 10**6]
HOSTILE = st.lists(st.sampled_from(BYTES), max_size=40).map(b"".join)
BEGINNINGS = [b"", b"a,b,y\n1,2,0\n3,4,1\n", b"a;b;y\r\n1;2;0\r\n", b'a,b\r\n"u\r\nv",2\r\n', b"a,a\n1,2\n", b"y\n"]


@contextlib.contextmanager
def on_disk(content: bytes, name: str = "table.csv"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def rows_of(columns):
    by_column = [[(cell or "").lstrip(" ") for cell in columns.cells(i)] for i in range(len(columns.names))]
    return [list(columns.names), *map(list, zip(*by_column, strict=True))]


def pythons_rows(text: str, delimiter: str):
    # DuckDB keeps spaces before a cell, and takes a quote after them for a quote, as Python does only by this option.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    header, *rows = [[cell.lstrip(" ") for cell in row] for row in reader if row]
    return [[cell.strip() for cell in header], *rows]


@given(st.one_of(st.binary(max_size=200), st.tuples(st.sampled_from(BEGINNINGS), HOSTILE).map(b"".join)))
def test_only_a_seedbed_error_escapes_and_no_cell_moves(content):
    with on_disk(content) as path:
        with contextlib.suppress(SeedbedError):
            read_table(path, target="y")
        with contextlib.suppress(SeedbedError), open_source(path) as source:
            shape = survey(path, "t", Limit.of(None))
            with path.open(encoding=shape.charset.codec, newline="") as text:
                list(itertools.islice(text, shape.skip))
                assert rows_of(source.columns) == pythons_rows(text.read(), shape.delimiter)


CELLS = st.text(
    st.one_of(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), st.sampled_from('",;\r\n\t')),
    max_size=5,
)


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gzip"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(",;\t|"),
)
def test_whatever_python_writes_comes_in_cell_by_cell(rows, codec, ends, delimiter):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second", "third"), *rows])
    content = gzip.compress(out.getvalue().encode()) if codec == "gzip" else out.getvalue().encode(codec)
    with on_disk(content) as path, open_source(path) as source:
        cells = [source.columns.cells(i) for i in range(3)]
    assert [tuple(cell or "" for cell in row) for row in zip(*cells, strict=True)] == rows


NUMBERS = st.lists(
    st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.sampled_from([0, 1])), min_size=2, max_size=6
).filter(lambda rows: len({row[-1] for row in rows}) == 2)


@given(NUMBERS, st.data())
def test_every_number_arrives_however_its_cell_is_dressed(rows, data):
    dress = st.sampled_from(["{}", '"{}"', " {}", "{} ", '" {} "', ' "{}"'])
    ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
    text = "a,b,y" + data.draw(ends)
    for row in rows:
        text += ",".join(data.draw(dress).format(repr(cell)) for cell in row) + data.draw(ends)
    with on_disk(text.encode()) as path, open_source(path) as source:
        np.testing.assert_array_equal(source.columns.numbers([0, 1, 2]), rows)


@given(NUMBERS, st.data())
def test_a_row_with_a_cell_too_many_or_too_few_is_always_found(rows, data):
    lines = [",".join(map(repr, row)) for row in rows]
    victim = data.draw(st.integers(0, len(lines) - 1))
    cells = lines[victim].split(",")
    changed = data.draw(
        st.sampled_from([[*cells, ""], ["", *cells], cells[1:], cells[:-1], [*cells, "7"], [*cells, " "]])
    )
    lines[victim] = ",".join(changed)
    words = f"line {victim + 2} has {len(changed)} cells, the header has 3"
    with (
        on_disk("\n".join(["a,b,y", *lines]).encode()) as path,
        pytest.raises(UnreadableError, match=words),
        open_source(path),
    ):
        pass

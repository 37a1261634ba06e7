"""Whatever the bytes, a table comes in whole or is refused with a SeedbedError: never a shift, never a lost row."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import read_table
from seedbed.data.delimited import records, survey
from seedbed.data.files import open_file
from seedbed.errors import SeedbedError, UnreadableError

PIECES = ["a", "b", "y", ",", ",", ",", "\n", "\n", "\n", "\r\n", "\r", '"', '""', "1", "0", " ", "\t", ";", "|"]
PIECES += ["\x00", "é", "\ufeff", "'", "\\", "#", "nan", "1e999", "-"]
BYTES = [piece.encode() for piece in PIECES] + [b"\xff"]
HOSTILE = st.lists(st.sampled_from(BYTES), max_size=40).map(b"".join)


@contextlib.contextmanager
def on_disk(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        yield path


@given(st.one_of(st.binary(max_size=200), HOSTILE, HOSTILE.map(lambda rest: b"a,b,y\n1,2,0\n3,4,1\n" + rest)))
def test_only_a_seedbed_error_escapes_and_no_cell_moves(content):
    with on_disk(content) as path:
        with contextlib.suppress(SeedbedError):
            read_table(path, target="y")
        with contextlib.suppress(SeedbedError), open_file(path) as columns:
            rows = [row for _, row in records(path, survey(path, "t").delimiter, "t")]
            assert [list(columns.names), *zip_cells(columns)] == [[cell.strip() for cell in row] for row in rows]


def zip_cells(columns):
    by_column = [[(cell or "").strip() for cell in columns.cells(i)] for i in range(len(columns.names))]
    return [list(row) for row in zip(*by_column, strict=True)]


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
    with on_disk(text.encode()) as path:
        table = read_table(path, target="y")
    np.testing.assert_array_equal(table.features, [row[:2] for row in rows])
    assert [int(table.labels[code]) for code in table.target] == [row[-1] for row in rows]


@given(NUMBERS, st.data())
def test_a_row_with_a_cell_too_many_or_too_few_is_always_found(rows, data):
    lines = [",".join(map(repr, row)) for row in rows]
    victim = data.draw(st.integers(0, len(lines) - 1))
    cells = lines[victim].split(",")
    changed = data.draw(
        st.sampled_from([[*cells, ""], ["", *cells], cells[1:], cells[:-1], [*cells, "7"], [*cells, " "]])
    )
    lines[victim] = ",".join(changed)
    with on_disk("\n".join(["a,b,y", *lines]).encode()) as path:
        try:
            read_table(path, target="y")
        except UnreadableError as error:
            assert f"line {victim + 2} has {len(changed)} cells, the header has 3" in error.message  # noqa: PT017
        else:
            raise AssertionError("a ragged row went through")

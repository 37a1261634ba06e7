"""One table gives one typed frame, whichever source it comes from."""

import datetime as dt
import json

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.frame import Numbers, Texts
from seedbed.data.reading import read_table
from seedbed.data.sources.memory import read_frame
from seedbed.data.sources.opening import read_source

ROWS = 40
TABLE = dict(
    whole=[row % 7 for row in range(ROWS)],
    part=[1.234 + row % 11 for row in range(ROWS)],
    gap=[None if row % 5 == 0 else row / 4 for row in range(ROWS)],
    day=[dt.date(2024, 1 + row % 12, 1 + row % 28) for row in range(ROWS)],
    town=[("Rome", "New\r\nYork", "007", None)[row % 4] for row in range(ROWS)],
    large=[2**60 + row % 3 for row in range(ROWS)],
    flag=[row % 3 == 0 for row in range(ROWS)],
    price=[f"{row % 9}.{row % 3}00,5 €" for row in range(ROWS)],
    y=[float(row % 2) for row in range(ROWS)],
)
NAMES, LINES = tuple(TABLE), [*zip(*TABLE.values(), strict=True)]


def as_excel(path):
    book = openpyxl.Workbook()
    for row in [NAMES, *LINES]:
        book.active.append(
            [str(cell) if type(cell) is int and cell > 2**53 else cell for cell in row]
        )
    book.save(path)


RECORDS = [json.dumps(dict(zip(NAMES, row, strict=True)), default=str) for row in LINES]
FILES = {
    "t.csv": lambda path: pd.DataFrame(TABLE).to_csv(path, index=False),
    "t.parquet": lambda path: pl.DataFrame(TABLE).write_parquet(path),
    "t.jsonl": lambda path: path.write_text("\n".join(RECORDS)),
    "t.xlsx": as_excel,
}
FRAMES = dict(
    polars=pl.DataFrame(TABLE),
    pyarrow=pl.DataFrame(TABLE).to_arrow(),
    duckdb=duckdb.from_arrow(pl.DataFrame(TABLE).to_arrow()),
)


def typed(source):
    """Everything that training sees of a table."""
    table = read_table(source, target="y", categorical=["large"])
    columns = {
        column.name: (
            column.schema.kind,
            column.schema.levels,
            column.schema.has_missing,
            column.values.tolist(),
        )
        for column in table.columns
    }
    return repr((columns, table.labels, table.task, table.target.tolist()))


@pytest.mark.parametrize("form", [*FILES, *FRAMES])
def test_the_same_table_is_the_same_typed_frame_from_every_source(tmp_path, form):
    if form in FILES:
        FILES[form](tmp_path / form)
    assert typed(FRAMES.get(form, tmp_path / form)) == typed(pd.DataFrame(TABLE))


WRITTEN = st.one_of(
    st.sampled_from(
        "|NA|nan|x|007|1.234|12.500|0.5|5.|1e3|1e-5|1e999|1,5| 7 ".split("|")
    ),
    st.integers(-(2**60), 2**60).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@given(st.lists(WRITTEN, min_size=1, max_size=8))
def test_a_file_and_a_data_frame_of_same_texts_are_same_frame(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text("a;b\n" + "".join(f"{cell};1\n" for cell in cells))
    frames = (
        read_source(path),
        read_frame(pl.DataFrame({"a": cells}, schema={"a": pl.String})),
    )
    file, frame = (one.columns[0] for one in frames)
    assert type(file) is type(frame)
    assert frames[0].cells(0) == frames[1].cells(0)
    if isinstance(file, Numbers):
        assert_array_equal(file.values, frame.values)
        assert (file.point, file.dotted is None) == (frame.point, frame.dotted is None)


def test_rows_of_a_column_are_those_of_its_cells():
    rows = np.array([5, 0, 2])
    for cells in (
        ["1", "NA", "3", "x", "", "2"],
        ["1", "NA", "3", "4", "", "2.5"],
        ["1.234", "", "75", "2", "3", "4"],
    ):
        frame = read_frame(pl.DataFrame({"a": cells}, schema={"a": pl.String}))
        column, whole = frame.columns[0], frame.cells(0)
        assert frame.rows(rows, "some").cells(0) == [whole[row] for row in rows]
        assert (
            isinstance(column, Texts)
            or column.rows(rows).values.tolist() == column.values[rows].tolist()
        )

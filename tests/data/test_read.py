"""Good tables are read completely from every format."""

import math

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.cells import parse_number
from seedbed.data.reading import read_table
from seedbed.data.sources.loaded import number_sql
from seedbed.errors import UnreadableError


def test_arrays_of_a_table_are_typed_and_read_only(real_table):
    table = read_table(real_table("banknote.csv"), target="forged")
    assert (table.features.dtype, table.target.dtype) == (np.float64, np.int64)
    with pytest.raises(ValueError, match="read-only"):
        table.features[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        table.target[0] = 1


def test_columns_can_be_dropped_and_the_target_may_be_in_any_position(write):
    path = write("a,y,b,c\n1,no,2,x\n3,yes,4,z\n")
    table = read_table(path, target="y", drop=["c"])
    assert table.feature_names == ("a", "b")
    assert table.features.tolist() == [[1, 2], [3, 4]]
    assert (table.labels, table.target.tolist()) == (("no", "yes"), [0, 1])
    assert read_table(path, target="y", drop="c").feature_names == ("a", "b")


def test_a_delimiter_in_quotes_is_text_even_after_a_space(write):
    table = read_table(
        write('a,note,y\n1, "u,v",0\n2,"w,\n""x""",1\n'), target="y", drop=["note"]
    )
    assert (table.features.tolist(), table.target.tolist()) == ([[1], [2]], [0, 1])


CELLS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.text(alphabet="0123456789+-.eE_ \t,xinfa"),
    st.text(max_size=6),
)


@given(st.lists(CELLS.filter(lambda cell: "\x00" not in cell), min_size=1, max_size=20))
def test_duckdb_and_python_recognise_the_same_numbers(cells):
    query = f"SELECT {number_sql('cell', 'VARCHAR')} FROM (SELECT unnest(?) AS cell)"
    found = [row[0] for row in duckdb.execute(query, [cells]).fetchall()]
    for cell, number in zip(cells, found, strict=True):
        expected = parse_number(cell)
        assert (number is None and math.isnan(expected)) or number == expected, cell


@pytest.mark.slow
def test_a_row_keeps_its_place_in_a_file_of_many_blocks(tmp_path):
    n_rows = 300_000  # more than two of DuckDB's row groups
    pl.DataFrame({"a": np.arange(n_rows), "y": np.arange(n_rows) % 2}).write_csv(
        tmp_path / "long.csv"
    )
    table = read_table(tmp_path / "long.csv", target="y", numeric="a")
    assert_array_equal(table.features[:, 0], np.arange(n_rows))
    assert_array_equal(table.target, np.arange(n_rows) % 2)
    frame = pd.DataFrame({"a": table.features[:, 0], "y": table.target})
    assert (
        table.n_features == read_table(frame, target="y", numeric="a").n_features == 1
    )


@pytest.mark.parametrize(
    "index", [range(30), range(1, 31), [*range(30)][::-1], range(5, 95, 3)]
)
def test_an_unnamed_first_column_of_row_numbers_is_dropped(write, index):
    table = read_table(
        write(",a,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in index)), target="y"
    )
    assert table.feature_names == ("a",)
    (note,) = [note for note in table.notes if note.code == "SB101"]
    assert "it only numbers the rows" in note.message


@pytest.mark.parametrize(
    "cells", [["x"] * 30, [1] * 30, [i / 2 for i in range(30)], [*range(29), ""]]
)
def test_any_other_unnamed_first_column_is_refused(write, cells):
    with pytest.raises(UnreadableError, match="column 1 of 3 has no name"):
        read_table(
            write(
                ",a,y\n"
                + "".join(f"{c},{i % 7},{i % 2}\n" for i, c in enumerate(cells))
            ),
            target="y",
        )

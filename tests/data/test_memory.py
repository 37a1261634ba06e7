"""Data frames of every library give the same cells."""

import datetime as dt
import decimal

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.reading import read_table, table_from_arrays
from seedbed.data.sources.memory import read_frame
from seedbed.data.sources.opening import read_source
from seedbed.errors import DataError

DAY, MOMENT = dt.date(2020, 2, 29), dt.datetime(2020, 2, 29, 13, 5, 6)
BOTH = {  # from a type to values and their cells
    "int": ([1, 2], ["1", "2"]),
    "gap": ([1, None], ["1", None]),
    "float": ([1.0, 0.5], ["1", "0.5"]),
    "text": (["x", None], ["x", None]),
    "flag": ([True, False], ["True", "False"]),
    "flag_gap": ([True, None], ["True", None]),
    "day": ([DAY, None], ["2020-02-29", None]),
    "moment": ([MOMENT, None], ["2020-02-29 13:05:06", None]),
    "zoned": (
        [MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))), None],
        ["2020-02-29 11:05:06", None],
    ),
    "decimal": ([decimal.Decimal("1.50"), None], ["1.5", None]),
}
VALUES, CELLS = ({name: both[place] for name, both in BOTH.items()} for place in (0, 1))
TABLE = pa.table(VALUES)
# the default connection may have unread results of other tests
DATABASE = duckdb.connect()
FRAMES = {
    "pandas": pd.DataFrame(VALUES),
    "pandas, nullable": pd.DataFrame(VALUES).convert_dtypes(),
    "pandas, Arrow": TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame(TABLE),
    "polars, lazy": pl.DataFrame(TABLE).lazy(),
    "pyarrow": TABLE,
    "narwhals": nw.from_native(TABLE),
    "duckdb": DATABASE.from_arrow(TABLE),
}


@pytest.mark.parametrize("library", FRAMES)
def test_every_library_gives_the_same_cells(library):
    source = read_source(FRAMES[library])
    found = {
        name: [cell or None for cell in source.cells(i)]
        for i, name in enumerate(source.names)
    }
    numbers = [source.numbers(i) for i in range(3)]
    assert_array_equal(numbers, [[1, 2], [1, np.nan], [1, 0.5]])
    assert source.places([1]) == {1: "row 1 (counted from 0)"}
    assert found == CELLS


def test_a_lazy_frame_that_fails_is_refused(refusal):
    failing = pl.LazyFrame({"a": ["x"]}).select(pl.col("a").cast(pl.Int64))
    assert "the data frame can't be computed" in refusal(failing).message
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT error('it fails') AS a")
        assert isinstance(refusal(relation), DataError)


SERIES = {
    "category": (pd.Series(["b", None, "a"], dtype="category"), ["b", None, "a"]),
    "category of numbers": (
        pd.Series([2.0, 1.0, 2.0], dtype="category"),
        ["2", "1", "2"],
    ),
    "enum": (pl.Series(["b", None], dtype=pl.Enum(["a", "b"])), ["b", None]),
    "period": (
        pd.Series(pd.period_range("2020-01", periods=2, freq="M")),
        ["2020-01", "2020-02"],
    ),
    "objects": (
        pd.Series([1, "x", None, np.nan, 2.0, DAY, pd.NaT], dtype=object),
        ["1", "x", None, None, "2", str(DAY), None],
    ),
    "beyond 2^53": (
        pd.Series([2**60 + 1, None], dtype="Int64"),
        [str(2**60 + 1), None],
    ),
    "least integer": (
        pl.Series([-(2**63), 2**63 - 1]),
        [str(-(2**63)), str(2**63 - 1)],
    ),
    "unsigned": (pl.Series([2**64 - 1], dtype=pl.UInt64), [str(2**64 - 1)]),
    "fractions of a second": (
        pl.Series([MOMENT.replace(microsecond=500_000)]),
        ["2020-02-29 13:05:06.500000"],
    ),
    "midnight": (pl.Series([dt.datetime(2020, 1, 2)]), ["2020-01-02 00:00:00"]),
    "long ago": (
        pl.Series([dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
        ["0001-01-01", "9999-12-31"],
    ),
    "long ago, with a time": (
        pl.Series([dt.datetime(1, 1, 1)]),
        ["0001-01-01 00:00:00"],
    ),
    "time": (pl.Series([dt.time(10, 30)]), ["10:30:00"]),
    "duration": (pl.Series([dt.timedelta(days=1, seconds=0.5)]), ["86400.5"]),
    "lists": (pl.Series([[1, 2], [3]]), ["[1, 2]", "[3]"]),
    "nothing": (pl.Series([None, None]), [None, None]),
    "float32": (pl.Series([0.5], dtype=pl.Float32), ["0.5"]),
    "not a number": (
        pl.Series([float("nan"), None, float("inf")]),
        [None, None, "inf"],
    ),
}


@pytest.mark.parametrize("case", SERIES)
def test_every_type_is_converted_to_readable_text(case):
    series, cells = SERIES[case]
    frame = (
        series.to_frame("a")
        if isinstance(series, pl.Series)
        else pd.DataFrame({"a": series})
    )
    assert read_frame(frame).cells(0) == cells


def test_names_that_are_not_text_are_converted_and_may_then_collide():
    assert read_frame(pd.DataFrame([[1, 2]])).names == ("0", "1")
    assert read_frame(pd.DataFrame([[1, 2]], columns=[1, "1"])).names == ("1", "1")
    with pytest.raises(DataError, match="'a' 2 times"):
        read_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_other_objects_and_too_large_frames_are_refused(refusal):
    assert "can't be read from dict" in refusal({"a": [1]}).message
    assert "can't be read from ndarray" in refusal(np.zeros((2, 2))).message
    result = refusal(pl.DataFrame({f"c{i}": [1] for i in range(10_001)})).message
    assert "10,001 columns" in result
    half = pd.Index(["\ud800"], dtype=object)
    for frame in (
        pd.DataFrame({"a": ["x", "\ud800"]}, dtype=object),
        pd.DataFrame([[1]], columns=half),
    ):
        assert "half a character" in refusal(frame).message


@given(st.lists(st.one_of(st.none(), st.datetimes(allow_imaginary=False)), min_size=1))
def test_every_timestamp_is_written_as_iso_8601(moments):
    cells = read_frame(
        pl.DataFrame({"a": pl.Series(moments, dtype=pl.Datetime("us"))})
    ).cells(0)
    assert [cell and dt.datetime.fromisoformat(cell) for cell in cells] == moments


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_categorical_column_of_numbers_stays_a_category(library):
    codes, target = ["10115", "20095", "80331"] * 8, ["a", "b"] * 12
    if library == "pandas":
        frame = pd.DataFrame(
            {"zip": pd.Categorical([int(code) for code in codes]), "y": target}
        )
    else:
        frame = pl.DataFrame(
            {"zip": pl.Series(codes, dtype=pl.Categorical), "y": target}
        )
    result = read_table(frame, target="y").columns[0].schema.levels
    assert result == ("10115", "20095", "80331")
    assert (
        read_table(frame, target="y", numeric="zip").columns[0].schema.kind == "number"
    )
    assert (
        table_from_arrays(frame[["zip"]], target).columns[0].schema.kind == "category"
    )


def test_names_and_labels_that_are_not_text_are_converted():
    frame = pd.DataFrame({0: np.arange(20) % 7, 1: [True, False] * 10})
    assert read_table(frame, target=1, positive=False).labels[1] == "False"
    assert read_table(frame, target=1, numeric=0).feature_names == ("0",)

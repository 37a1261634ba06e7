"""Dates as people write them."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import read_table
from seedbed.data.cells import moment
from seedbed.data.kinds.typed import type_columns
from seedbed.data.sources.memory import frame_columns


def columns_of(**cells):
    return frame_columns(pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String)))


def seconds(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


IN_ANY_ORDER = {
    "2024-03-01": seconds(2024, 3, 1),
    "2024/3/1": seconds(2024, 3, 1),
    "1969-12-31": -86400,
    "2024-03-01T14:30": seconds(2024, 3, 1, 14, 30),
    "2024-03-01 14:30:15.25": seconds(2024, 3, 1, 14, 30, 15) + 0.25,
    "2024-03-01T14:30:15Z": seconds(2024, 3, 1, 14, 30, 15),
    "2024-03-01T14:30+02:00": seconds(2024, 3, 1, 12, 30),
    "2024-03-01 00:30 -0130": seconds(2024, 3, 1, 2),
    "2024-03-01 00:30:00+00": seconds(2024, 3, 1, 0, 30),
    "1 March 2024": seconds(2024, 3, 1),
    "01-MAR-2024 14:30": seconds(2024, 3, 1, 14, 30),
    "Mar 1, 2024": seconds(2024, 3, 1),
}
BY_ORDER = {
    "1/3/2024": ((2024, 3, 1), (2024, 1, 3)),
    "01-03-2024": ((2024, 3, 1), (2024, 1, 3)),
    "13/2/2024": ((2024, 2, 13), None),
    "2/13/24": (None, (2024, 2, 13)),
    "1.3.2024": ((2024, 3, 1), None),
    "01.03.70": ((1970, 3, 1), None),
    "1/3/2024 2:30 PM": ((2024, 3, 1, 14, 30), (2024, 1, 3, 14, 30)),
}
NO_DATES = [
    "",
    "2024",
    "2024-13-01",
    "2023-02-29",
    "1.2.3",
    "10.0.0.1",
    "1-2-24",
    "2024-03-01T25:00",
    "2024-03/01",
    "x",
]
NO_DATES += ["1/3/2024 13:00 pm", "1 Foo 2024", "0000-01-01", "0001-01-01T00:00+02:00", "1/3", "2024-03-01T", "12:30"]


@pytest.mark.parametrize("text", IN_ANY_ORDER)
def test_a_date_with_the_year_first_or_a_named_month_is_one_in_every_order(text):
    assert moment(text) == (IN_ANY_ORDER[text],) * 3


@pytest.mark.parametrize("text", BY_ORDER)
def test_the_order_of_day_and_month_decides_where_it_can(text):
    expected = [math.nan if parts is None else seconds(*parts) for parts in BY_ORDER[text]]
    np.testing.assert_array_equal(moment(text), [math.nan, *expected])


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_is_none(text):
    assert all(map(math.isnan, moment(text)))


MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, ZONES)
def test_what_python_writes_as_iso_is_read_exactly(when, zone):
    when = when.replace(tzinfo=zone)
    expected = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert math.floor(moment(when.isoformat()).ymd) == expected
    assert math.floor(moment(when.isoformat(" ")).dmy) == expected


ORDERS = {
    "dmy": ["1/3/2024", "13/2/2024", "2024-05-06"],
    "mdy": ["1/3/2024", "2/13/2024", "NA"],
    "ymd": ["2024-05-06", "2024-01-02", ""],
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_columns_certain_cells_decide_its_order(order):
    typed = type_columns(columns_of(d=ORDERS[order] * 8), [0])
    (column,) = typed.columns
    assert (column.schema.kind, column.schema.spelling) == ("date", order)
    expected = [getattr(moment(text), order) for text in ORDERS[order]]
    np.testing.assert_array_equal(column.values[:3], expected)
    assert [note.code for note in typed.notes if note.code] == ["SB204"]


def test_without_certain_cells_other_columns_decide_or_a_warning_names_the_choice():
    unsure, sure = ["1/3/2024", "2/4/2024"] * 5, ["13/3/2024", "14/4/2024"] * 5
    typed = type_columns(columns_of(d=unsure, e=sure), [0, 1])
    assert typed.columns[0].values[0] == seconds(2024, 3, 1)
    assert not [note for note in typed.notes if note.code == "SB108"]
    typed = type_columns(columns_of(d=unsure), [0])
    assert typed.columns[0].values[0] == seconds(2024, 1, 3)
    (note,) = [note for note in typed.notes if note.code == "SB108"]
    assert "month first: '1/3/2024' is 2024-01-03" in note.message
    assert (note.count, note.rows[0]) == (10, "row 0 (counted from 0)")


@pytest.mark.parametrize(("written", "n_notes"), [("2024-{month:02}-01", 0), ("2024/{month}/1", 1)])
def test_a_date_is_explained_unless_it_is_written_as_it_is_shown(write, written, n_notes):
    rows = "".join(f"{written.format(month=1 + i % 12)},{i % 2}\n" for i in range(24))
    notes = read_table(write("day,y\n" + rows), target="y").notes
    assert len([note for note in notes if "is read as dates" in note.message]) == n_notes

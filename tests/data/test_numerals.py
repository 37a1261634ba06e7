"""Numbers as people write them."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import MemoryColumns, read_table
from seedbed.data.cells import numeral
from seedbed.data.kinds.typed import type_columns
from seedbed.data.sources.memory import frame_columns

UNDERSTOOD = {
    "265,000": (265000, 265),
    "1,234,567.5": (1234567.5, math.nan),
    "1.234.567,5": (math.nan, 1234567.5),
    "12,34,567": (1234567, math.nan),
    "$1,234.50": (1234.5, math.nan),
    "1.234,50 €": (math.nan, 1234.5),
    "-$5": (-5, -5),
    "$-5": (-5, -5),
    "US$ 7": (7, 7),
    "7 EUR": (7, 7),
    "5%": (0.05, 0.05),
    "12.3 %": (0.123, math.nan),
    "1,5": (math.nan, 1.5),
    "12,34": (math.nan, 12.34),
    "0,125": (math.nan, 0.125),
    ",5": (math.nan, 0.5),
    "1e-3": (1e-3, 1e-3),
    "1,5e3": (math.nan, 1500),
    "1 234 567": (1234567, 1234567),
    "1\u00a0234,5": (math.nan, 1234.5),
    "1'234.5": (1234.5, math.nan),
    "(1,234)": (-1234, -1.234),
    "−3": (-3, -3),
    "+3": (3, 3),
    "inf": (math.inf, math.inf),
    "-Infinity": (-math.inf, -math.inf),
    "1e400": (math.inf, math.inf),
}
NO_NUMBERS = ["", "x", "1_000", "1,2,3", "1 23", "--1", "(-1)", "(1", "1)", "5%%", "$", "1e3%", "٣", "1:30"]
NO_NUMBERS += ["1-2", "1.2.3", "++inf", "0x10", "$1€2", "1,,000", ".", ",", "1" + " " * 50_000 + "x", "1,000 000"]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_dressed_number_is_understood_by_either_decimal_mark(text):
    np.testing.assert_array_equal(numeral(text), UNDERSTOOD[text])


@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: text[:9])
def test_what_is_no_number_is_none(text):
    assert all(map(math.isnan, numeral(text)))


def columns_of(**cells):
    return frame_columns(pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String)))


def thousands(value: float) -> str:
    return f"{value:,}"


def decimal_comma(value: float) -> str:
    return thousands(value).translate(str.maketrans(",.", ".,"))


AMOUNTS = st.lists(st.integers(-(10**9), 10**9).map(lambda cents: cents / 100), min_size=3, max_size=30)


@given(AMOUNTS, st.data())
def test_thousands_decimal_commas_money_and_missing_words_change_no_value(values, data):
    words = data.draw(st.lists(st.sampled_from(["NA", "n/a", "-", "", "?", None]), max_size=4))
    plain = [1234.5, 0.5, *values, *[math.nan] * len(words)]
    for dress in (thousands, decimal_comma, lambda v: f"${v:,}", lambda v: f"{decimal_comma(v)} €", repr):
        cells = [*map(dress, plain[: len(plain) - len(words)]), *words]
        (column,) = type_columns(columns_of(a=cells), [0]).columns
        assert column.schema.kind == "number"
        np.testing.assert_array_equal(column.values, plain)


def test_a_column_that_could_be_read_in_two_ways_follows_the_table():
    both = ["60,667", "75", "1,234"] * 7
    for others, value, code in (
        ({"b": ["1,5"] * 20 + ["2"]}, 60.667, ""),
        ({"b": ["1,234,567"] * 20 + ["2"]}, 60667, ""),
        ({"b": ["1.5"] * 20 + ["2"]}, 60667, ""),
        ({"b": ["1,5"] * 20 + ["2"], "c": ["1,234.5"] * 20 + ["2"]}, 60667, "SB108"),
        ({}, 60667, "SB108"),
    ):
        typed = type_columns(columns_of(a=both, **others), range(1 + len(others)))
        assert typed.columns[0].values[0] == value
        (note,) = [note for note in typed.notes if note.column == "a"]
        assert (note.code, note.rows) == (
            code,
            ("row 0 (counted from 0)", "row 2 (counted from 0)", "row 3 (counted from 0)") if code else (),
        )


def test_dots_part_thousands_where_other_columns_have_decimal_commas():
    commas = ["1,5"] * 20 + ["2"]
    dotted = {"a": ["1.234", "75", "1.500"] * 7, "b": commas}
    assert type_columns(columns_of(**dotted), [0, 1]).columns[0].values.tolist()[:3] == [1234, 75, 1500]
    pointed = {**dotted, "c": ["0.5", "75", "1.5"] * 7}
    assert type_columns(columns_of(**pointed), [0, 1, 2]).columns[0].values.tolist()[:3] == [1.234, 75, 1.5]
    decimals = {"a": ["1.234", "75", "1.5"] * 7, "b": commas}
    assert type_columns(columns_of(**decimals), [0, 1]).columns[0].values.tolist()[:3] == [1.234, 75, 1.5]
    numbers = MemoryColumns("m", ("a", "b"), (np.array([1.234, 75] * 10), columns_of(b=commas[1:]).arrays[0]))
    assert type_columns(numbers, [0, 1]).columns[0].values.tolist()[:2] == [1.234, 75]


@pytest.mark.parametrize("style", ["thousands", "decimal comma", "decimal comma, quoted", "missing words"])
def test_heart_failure_reads_the_same_however_its_numbers_are_written(real_table, write, style):
    header, *rows = [line.split(",") for line in real_table("heart_failure.csv").read_text().splitlines()]
    expected = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT")
    gone = np.zeros(expected.features.shape, dtype=bool)
    if style == "thousands":
        rows = [[f"{float(c):,}" if "." in c else f"{int(c):,}" for c in row] for row in rows]
    elif style == "missing words":
        gone[::7, [0, 4, 8]] = True
        rows = [
            [("NA", "n/a", "?")[j % 3] if j < 12 and gone[i, j] else c for j, c in enumerate(row)]
            for i, row in enumerate(rows)
        ]
    else:
        rows = [[c.replace(".", ",") for c in row] for row in rows]
    mark = ";" if style == "decimal comma" else ","
    lines = [mark.join(header), *(mark.join(f'"{c}"' if mark in c else c for c in row) for row in rows)]
    table = read_table(write("\n".join(lines)), target="DEATH_EVENT")
    np.testing.assert_array_equal(table.features, np.where(gone, np.nan, expected.features))
    assert (table.feature_names, table.target.tolist()) == (expected.feature_names, expected.target.tolist())
    assert [c.schema.kind for c in table.columns] == [c.schema.kind for c in expected.columns]
    assert not [note for note in table.notes if note.code]

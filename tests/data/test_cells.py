"""Numbers and dates as people write them."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.cells import moment, numeral
from seedbed.data.frame import Frame, Numbers
from seedbed.data.reading import read_table
from seedbed.data.sources.memory import read_frame
from seedbed.data.typed import read_rows, type_columns

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
UNDERSTOOD |= {
    "$250K": (250_000,) * 2,
    "1.5 Mn €": (math.nan,) * 2,
    "€3.2bn": (3.2e9, math.nan),
}
UNDERSTOOD |= {
    "-1,5M USD": (math.nan, -1.5e6),
    "07:35": (27_300,) * 2,
    "1:18:04.5": (4684.5,) * 2,
}
NO_NUMBERS = "|x|1_000|1,2,3|1 23|--1|(-1)|(1|1)|5%%|$|1e3%|٣|1:3|59:10".split("|")
NO_NUMBERS += "250K|1-2|1.2.3|++inf|0x10|$1€2|1,,000|.|,|1,000 000".split("|")
NO_NUMBERS += ["1" + " " * 50_000 + "x"]


def test_formatted_numbers_are_read_with_either_decimal_mark():
    for text, numbers in UNDERSTOOD.items():
        assert_array_equal(numeral(text), numbers, err_msg=text)


def test_text_that_is_no_number_is_not_read_as_one():
    assert [text for text in NO_NUMBERS if not np.isnan(numeral(text)).all()] == []


def columns_of(**cells):
    return read_frame(pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String)))


def thousands(value: float) -> str:
    return f"{value:,}"


def decimal_comma(value: float) -> str:
    return thousands(value).translate(str.maketrans(",.", ".,"))


AMOUNTS = st.lists(
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100), min_size=3, max_size=30
)


@given(AMOUNTS, st.data())
def test_separators_currencies_and_missing_words_do_not_change_values(values, data):
    words = data.draw(
        st.lists(st.sampled_from(["NA", "n/a", "-", "", "?", None]), max_size=4)
    )
    plain = [1234.5, 0.5, *values, *[math.nan] * len(words)]
    for dress in (
        thousands,
        decimal_comma,
        lambda v: f"${v:,}",
        lambda v: f"{decimal_comma(v)} €",
        repr,
    ):
        cells = [*map(dress, plain[: len(plain) - len(words)]), *words]
        (column,) = type_columns(columns_of(a=cells), [0]).columns
        assert column.schema.kind == "number"
        assert_array_equal(column.values, plain)


def test_an_ambiguous_column_follows_the_other_columns():
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
        assert note.code == code
        assert note.rows == (
            (
                "row 0 (counted from 0)",
                "row 2 (counted from 0)",
                "row 3 (counted from 0)",
            )
            if code
            else ()
        )


def test_dots_separate_thousands_if_other_columns_have_decimal_commas():
    commas = ["1,5"] * 20 + ["2"]
    dotted = {"a": ["1.234", "75", "1.500"] * 7, "b": commas}
    assert type_columns(columns_of(**dotted), [0, 1]).columns[0].values.tolist()[
        :3
    ] == [1234, 75, 1500]
    pointed = {**dotted, "c": ["0.5", "75", "1.5"] * 7}
    assert type_columns(columns_of(**pointed), [0, 1, 2]).columns[0].values.tolist()[
        :3
    ] == [1.234, 75, 1.5]
    decimals = {"a": ["1.234", "75", "1.5"] * 7, "b": commas}
    assert type_columns(columns_of(**decimals), [0, 1]).columns[0].values.tolist()[
        :3
    ] == [1.234, 75, 1.5]
    numbers = Frame(
        "m",
        ("a", "b"),
        (Numbers(np.array([1.234, 75] * 10)), columns_of(b=commas[1:]).columns[0]),
    )
    assert type_columns(numbers, [0, 1]).columns[0].values.tolist()[:2] == [1.234, 75]


@pytest.mark.parametrize(
    "options",
    [
        {"target": "rent"},
        {"target": "y", "drop": "rent"},
        {"target": "y", "group": "rent"},
    ],
)
def test_a_decimal_comma_in_a_column_with_any_role_decides_for_features(write, options):
    rows = [f"{n % 7 + 70}.{n:03};{n % 5};{n},5;{'ab'[n % 2]}" for n in range(30)]
    table = read_table(write("\n".join(["people;floor;rent;y", *rows])), **options)
    people, floor = table.columns[:2]
    assert people.values[:2].tolist() == [70000, 71001]
    assert [
        "'70.000' is 70000" in note.message
        for note in table.notes
        if note.column == "people"
    ][:1] == [True]
    for column in (people, floor):  # new rows have no rent that could decide
        assert read_rows(columns_of(a=["1.234", "7"]), [0], [column.schema]).columns[
            0
        ].tolist() == [1234, 7]


def test_dots_that_no_cell_of_the_table_explains_give_a_warning():
    for others, codes in (
        ({}, ["SB108"]),
        ({"b": ["0.5", "7"] * 9}, []),
        ({"b": ["1,234.5"] * 18}, []),
    ):
        typed = type_columns(columns_of(a=["76.586", "75"] * 9, **others), [0])
        assert typed.columns[0].values.tolist()[:2] == [76.586, 75]
        assert [note.code for note in typed.notes if note.code] == codes
        assert all(
            "points are read as decimal marks: '76.586' is 76.586" in note.message
            for note in typed.notes
        )


# Dates as people write them


def seconds(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


IN_ANY_ORDER = {
    "2024-03-01": seconds(2024, 3, 1),
    "2024/3/1": seconds(2024, 3, 1),
    "1969-12-31": -86400,
    "1. März 2024": seconds(2024, 3, 1),
    "11. MAI 2024": seconds(2024, 5, 11),
    "3.Dez. 2024": seconds(2024, 12, 3),
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
IN_ANY_ORDER |= {
    text: seconds(2024, 3, 1)
    for text in ("2024-03", "03/2024", "Mar 2024", "2024 März", "20240301")
}
IN_ANY_ORDER |= {
    text: seconds(2024, 10, 1) for text in ("2024 Q4", "2024q4", "Q4-2024")
}
IN_ANY_ORDER |= {"2024-W01": seconds(2024, 1, 1), "2004W53": seconds(2004, 12, 27)}
BY_ORDER = {
    "1/3/2024": ((2024, 3, 1), (2024, 1, 3)),
    "01-03-2024": ((2024, 3, 1), (2024, 1, 3)),
    "13/2/2024": ((2024, 2, 13), None),
    "2/13/24": (None, (2024, 2, 13)),
    "1.3.2024": ((2024, 3, 1), (2024, 3, 1)),
    "01.03.70": ((1970, 3, 1), (1970, 3, 1)),
    "01032024": ((2024, 3, 1), (2024, 1, 3)),
    "20112012": ((2012, 11, 20), None),
    "1/3/2024 2:30 PM": ((2024, 3, 1, 14, 30), (2024, 1, 3, 14, 30)),
}
NO_DATES = "|2024|2024-13-01|2023-02-29|1.2.3|10.0.0.1|1-2-24|2024-03-01T25:00|2024-03/01".split(
    "|"
)
NO_DATES += (
    "x|1/3/2024 13:00 pm|1 Foo 2024|0000-01-01|0001-01-01T00:00+02:00|1/3|12:30".split(
        "|"
    )
)
NO_DATES += "2024-03-01T|2024-13|1234-05|2024 Foo|Q5 2024|2024-W60|20241301".split("|")


def test_a_date_with_the_year_first_or_a_named_month_is_unambiguous():
    for text, expected in IN_ANY_ORDER.items():
        assert moment(text) == (expected,) * 3, text


@pytest.mark.parametrize("text", BY_ORDER)
def test_the_order_of_day_and_month_decides_ambiguous_dates(text):
    expected = [
        math.nan if parts is None else seconds(*parts) for parts in BY_ORDER[text]
    ]
    assert_array_equal(moment(text), [math.nan, *expected])


def test_text_that_is_no_date_is_not_read_as_one():
    assert [text for text in NO_DATES if not np.isnan(moment(text)).all()] == []


MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))
ZONES = st.integers(-23 * 60, 23 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@given(MOMENTS, ZONES)
@example(datetime(3059, 1, 1, microsecond=999_997), UTC)
@example(datetime(1000, 1, 1, microsecond=999_999), UTC)
def test_dates_in_pythons_iso_format_are_read_exactly(when, zone):
    when = when.replace(tzinfo=zone)
    expected = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert math.floor(moment(when.isoformat()).ymd) == expected
    assert math.floor(moment(when.isoformat(" ")).dmy) == expected


ORDERS = dict(
    dmy=["1/3/2024", "13/2/2024", "2024-05-06"],
    mdy=["1/3/2024", "2/13/2024", "NA"],
    ymd=["2024-05-06", "2024-01-02", ""],
)


@pytest.mark.parametrize("order", ORDERS)
def test_unambiguous_cells_decide_the_order_of_their_column(order):
    typed = type_columns(columns_of(d=ORDERS[order] * 8), [0])
    (column,) = typed.columns
    assert (column.schema.kind, column.schema.spelling) == ("date", order)
    expected = [getattr(moment(text), order) for text in ORDERS[order]]
    assert_array_equal(column.values[:3], expected)
    assert [note.code for note in typed.notes if note.code] == ["SB204"]


def test_without_unambiguous_cells_other_columns_decide_or_a_warning_is_given():
    unsure, sure = ["1/3/2024", "2/4/2024"] * 5, ["13/3/2024", "14/4/2024"] * 5
    typed = type_columns(columns_of(d=unsure, e=sure), [0, 1])
    assert typed.columns[0].values[0] == seconds(2024, 3, 1)
    assert not [note for note in typed.notes if note.code == "SB108"]
    typed = type_columns(columns_of(d=unsure), [0])
    assert typed.columns[0].values[0] == seconds(2024, 1, 3)
    (note,) = [note for note in typed.notes if note.code == "SB108"]
    assert "month first: '1/3/2024' is 2024-01-03" in note.message
    assert (note.count, note.rows[0]) == (10, "row 0 (counted from 0)")


@pytest.mark.parametrize(
    ("slashes", "order", "code"),
    [("2/13/2022", "mdy", ""), ("1/2/2022", "dmy", "SB108")],
)
def test_dates_in_several_spellings_are_read_with_dots_as_day_first_and_noted(
    slashes, order, code
):
    cells = ["2022-01-05", "01.02.2022", slashes, "3 Feb 2022"] * 8
    typed = type_columns(columns_of(d=cells), [0])
    (column,) = typed.columns
    assert (column.schema.kind, column.schema.spelling) == ("date", order)
    expected = [
        seconds(2022, *day)
        for day in ((1, 5), (2, 1), (2, 13 if order == "mdy" else 1), (2, 3))
    ]
    assert column.values[:4].tolist() == expected
    (note,) = [note for note in typed.notes if note.code != "SB204"]
    assert note.code == code
    for text, day in (
        ("01.02.2022", "2022-02-01"),
        (slashes, str(np.datetime64(int(expected[2]), "s"))[:10]),
    ):
        assert f"'{text}' is {day}" in note.message

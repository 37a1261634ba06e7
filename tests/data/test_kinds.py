"""The kind of a column (number, boolean, date or category), and the notes on it."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.frame import Frame, Numbers
from seedbed.data.reading import read_table
from seedbed.data.sources.memory import read_frame
from seedbed.data.table import Column, ColumnSchema
from seedbed.data.typed import Typed, read_rows, type_columns
from seedbed.errors import ColumnError


def columns_of(**cells):
    return read_frame(pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String)))


def read(columns: Frame, position: int, schema: ColumnSchema) -> np.ndarray:
    return read_rows(columns, [position], [schema]).columns[0]


def only(typed: Typed) -> Column:
    (column,) = typed.columns
    return column


def codes_of(typed: Typed, column: str) -> list[str]:
    return [note.code for note in typed.notes if note.column == column and note.code]


KINDS = {
    "numbers": (["1.5", "2", "-3e2"], "number", ()),
    "whole": (["1", "2", "3"], "number", ()),
    "one in twenty is no number": ([*map(str, range(2, 40, 2)), "x"], "number", ()),
    "one in nineteen is no number": (
        [*map(str, range(2, 38, 2)), "x"],
        "category",
        None,
    ),
    "zero and one": (["0", "1.0", "1"], "boolean", ("0", "1")),
    "zero, one and a word": (["0", "1"] * 20 + ["x"], "number", ()),
    "one and two": (["1", "2", "2"], "number", ()),
    "yes": (["Yes", "no", "yes", "yes", "NA"], "boolean", ("no", "yes")),
    "true": (["TRUE", "False", ""], "boolean", ("False", "TRUE")),
    "t": (["t", "f", "-"], "boolean", ("f", "t")),
    "male": (["male", "female"], "boolean", ("female", "male")),
    "M": (["M", "F", None], "boolean", ("F", "M")),
    "yes, no, maybe": (["yes", "no", "maybe"], "category", ("maybe", "no", "yes")),
    "t and n": (["t", "n"], "category", ("n", "t")),
    "codes": (["00123", "12345", "10000"], "category", ("00123", "10000", "12345")),
    "codes and empty": (["00123", "12345", ""], "category", ("00123", "12345")),
    "zeros before a point": (["0.5", "00.25", "1"], "number", ()),
    "spaces at the ends": (["a", " a", "a\t", "b"], "category", ("a", "b")),
    "dates": (["2024-01-01", "2024-02-01"], "date", ()),
    "words": (["a", "b", "c"], "category", ("a", "b", "c")),
    "a unit": ([f"{n:,} sq. ft." for n in range(900, 1300)], "number", ()),
    "a unit in the plural": (["1 day", "2 days", "0 days", "1 day"], "number", ()),
    "two units": (["1 day", "2 weeks", "3 days"], "category", None),
    "codes with a letter": ([f"{n}B" for n in range(30)], "category", None),
    "postal codes": (["1012 AB", "1013 CD", "1012 AB"], "category", None),
    "one word among numbers": ([*map(str, range(40)), "*", "*", "*"], "number", ()),
    "open ends among numbers": (
        [*map(str, range(40)), "40+", "40+", "40+"],
        "category",
        None,
    ),
    "two words among numbers": (
        [*map(str, range(40)), "x", "x", "*", "*"],
        "category",
        None,
    ),
    "one word among few numbers": (["1", "2", "x", "x", "1", "2"], "category", None),
    "clock times": (["07:35", "23:10", ""], "number", ()),
    "quarters": (["2000 Q1", "2000 Q3"], "date", ()),
    "seasons": (["2000-01", "2001-02", "1999-00"], "category", None),
    "dots among two sexes": (["f", "m", "."], "boolean", ("f", "m")),
    "dots among words": (["a", "b", ".", "Missing"], "category", ("a", "b")),
    "one word and missing": (
        ["present", "missing"],
        "category",
        ("missing", "present"),
    ),
    "two missing words only": (["-", "none"], "category", ("-", "none")),
    "NA among codes": (
        ["DE", "FR", "US", "NA", "?"],
        "category",
        ("DE", "FR", "NA", "US"),
    ),
    "NA among two codes": (["DE", "FR", "NA"], "category", ("DE", "FR")),
    "NA among grades": (["Ex", "Gd", "TA", "NA"], "category", ("Ex", "Gd", "TA")),
}


@pytest.mark.parametrize("case", KINDS)
def test_the_cells_decide_the_kind_of_a_column(case):
    cells, kind, levels = KINDS[case]
    column = only(type_columns(columns_of(a=cells), [0]))
    assert column.schema.kind == kind
    assert levels is None or column.schema.levels == levels


WORDS = ["", " ", "NA", "na", "N/A", "NaN", "null", "None", "?", "-", "<NA>"]


def test_missing_words_are_missing_among_numbers_dates_and_booleans():
    for filled in (
        ["1.5", "2"],
        ["yes", "no"],
        ["2024-01-01", "2024-01-02"],
        ["0", "1"],
    ):
        typed = type_columns(columns_of(a=filled * 30 + WORDS * 2), [0])
        column = only(typed)
        assert column.schema.kind != "category"
        assert np.isnan(column.values).tolist() == [False] * 60 + [True] * 2 * len(
            WORDS
        )
        assert column.schema.has_missing
        counts = [
            note.count for note in typed.notes if "count as missing" in note.message
        ]
        assert counts == [2 * (len(WORDS) - 2)]


def test_none_and_minus_are_levels_among_words():
    typed = type_columns(columns_of(a=["u", "v", *WORDS]), [0])
    column = only(typed)
    assert column.schema.levels == ("-", "None", "u", "v")
    assert np.isnan(column.values).sum() == len(WORDS) - 2
    assert any("keeps '-', 'None' as levels" in note.message for note in typed.notes)


def test_cells_that_do_not_fit_are_counted_and_treated_as_missing(write):
    rows = "".join(f"{n}.5,{n % 2}\n" for n in range(60))
    path = write(f"a,y\nx,1\n{rows}about 7,0\n")
    table = read_table(path, target="y")
    (note,) = [note for note in table.notes if note.code == "SB104"]
    assert (note.column, note.count, note.rows) == ("a", 2, ("line 2", "line 63"))
    assert "'x', 'about 7'" in note.message
    assert np.flatnonzero(np.isnan(table.features[:, 0])).tolist() == [0, 61]


def test_the_user_can_set_the_kind_of_a_column():
    cells = columns_of(
        a=["1", "x", "3.0", "1.0"],
        b=["0", "1", "1", "0"],
        z=["01", "2", "3", "3"],
        d=["x"] * 4,
    )
    typed = type_columns(cells, [0, 1, 2], numeric=["a", "b", "z"])
    assert [column.schema.kind for column in typed.columns] == ["number"] * 3
    assert_array_equal(typed.columns[0].values, [1, np.nan, 3, 1])
    assert codes_of(typed, "a") == ["SB104"]
    typed = type_columns(cells, [0, 1], categorical=["a", "b"])
    result = [column.schema.levels for column in typed.columns]
    assert result == [("1", "1.0", "3.0", "x"), ("0", "1")]
    with pytest.raises(ColumnError, match="column 'd' holds no number, but text"):
        type_columns(cells, [3], numeric=["d"])


SQUARES = [str(n * n) for n in range(30)]
IDS = {
    "text": (["name"], [f"p{n}" for n in range(20)], "SB101"),
    "too few rows": (["name"], [f"p{n}" for n in range(19)], None),
    "text that repeats": (["name"], [f"p{n % 19}" for n in range(20)], None),
    "running, in any order": (
        ["n"],
        [str(n) for n in (*range(30, 50), *range(10, 30))],
        "SB101",
    ),
    "running, but one missing": (["n"], [*(str(n) for n in range(30)), ""], "SB107"),
    "by name": (
        "id|uuid|user_id|Id|PassengerId|Unnamed: 0|row number|index".split("|"),
        SQUARES,
        "SB101",
    ),
    "not by name": (["paid", "covid", "width", "n"], SQUARES, "SB107"),
    "gaps, and no order": (
        ["area", "incident", "number of"],
        [str(n * n) for n in (*range(15, 30), *range(15))],
        None,
    ),
    "perhaps by name": (
        ["schid", "bcode", "iso num"],
        [str(n * n) for n in (*range(15, 30), *range(15))],
        "SB107",
    ),
    "that name, but few values": (["id"], [str(n % 9) for n in range(30)], None),
    "fractions": (["id"], [f"{n}.5" for n in range(30)], None),
    "dates": (["day"], [f"2024-01-{n:02}" for n in range(1, 31)], "SB204"),
    "years": (
        ["year", "Yr", "crop_year"],
        [str(n) for n in range(1980, 2010)],
        "SB204",
    ),
    "running from 1": (["year"], [str(n) for n in range(1, 31)], "SB101"),
    "a code far from all": (
        ["a"],
        [*(f"{n}.5" for n in range(30)), *["-999"] * 3],
        "SB109",
    ),
    "years of two digits": (["a"], ["92", "95", "99"] * 9, None),
    "an outlier": (["a"], [*(f"{n}.5" for n in range(30)), "-999", "700", "700"], None),
}


@pytest.mark.parametrize("case", IDS)
def test_identifiers_are_dropped_or_reported(case):
    names, cells, code = IDS[case]
    for name in names:
        typed = type_columns(columns_of(**{name: cells}), [0])
        assert codes_of(typed, name) == ([code] if code else [])
        assert typed.left_out == (frozenset([name]) if code == "SB101" else frozenset())


def test_an_identifier_is_kept_if_the_user_sets_its_kind():
    cells = columns_of(
        id=[str(n) for n in range(30)], name=[f"p{n}" for n in range(30)]
    )
    typed = type_columns(cells, [0, 1], numeric=["id"], categorical=["name"])
    assert (typed.left_out, [note.code for note in typed.notes]) == (frozenset(), [])


def test_constant_and_empty_columns_are_dropped_but_one_value_with_gaps_is_kept():
    cells = columns_of(
        a=["7", "7.0", "7"],
        b=["u", "u ", "u"],
        c=["", None, "NA"],
        d=["7", "", "7"],
        e=["-", "", "NA"],
    )
    typed = type_columns(cells, range(5))
    assert typed.left_out == {"a", "b", "c", "e"}
    result = [codes_of(typed, name) for name in "abcde"]
    assert result == [["SB102"], ["SB102"], ["SB103"], [], ["SB103"]]


def test_over_200_levels_and_levels_that_differ_in_case_or_inner_spaces_give_a_warning():
    typed = type_columns(
        columns_of(
            a=["New York", "new  york", "Rome", "Rome "], b=["u", "v", "w", "u"]
        ),
        [0, 1],
    )
    assert typed.columns[0].schema.levels == ("New York", "Rome", "new  york")
    assert (codes_of(typed, "a"), codes_of(typed, "b")) == (["SB105"], [])
    # a screen joins spaces
    assert "'New York' (1) and 'new␣␣york' (1)" in typed.notes[0].message
    cells = {f"c{n}": [f"v{row % n}" for row in range(603)] for n in (200, 201)}
    typed = type_columns(columns_of(**cells), [0, 1])
    assert (codes_of(typed, "c200"), codes_of(typed, "c201")) == ([], ["SB106"])


CELLS = st.one_of(
    st.sampled_from(
        "3 kg|1.5 kg|07:35|1:02:03|2000 Q1|2000-01|Jan 2000|$2K|20240131|-9".split("|")
    ),
    st.sampled_from(
        [
            *WORDS,
            "0",
            "1",
            "1.0",
            "1,5",
            "1.234",
            "1,234",
            "007",
            "yes",
            "no",
            "f",
            "m",
            "DE",
            "FR",
            "$5",
        ]
    ),
    st.sampled_from(
        "1/2/2024|13/2/2024|2/13/2024|2024-01-01|5%|x|X|1e999|inf|−3| x ".split("|")
    ),
    st.floats(-1e6, 1e6).map(repr),
)
COLUMNS = st.lists(st.lists(CELLS, min_size=1, max_size=6), min_size=1, max_size=4)


@given(COLUMNS, st.integers(0, 3), st.sampled_from(["", "numeric", "categorical"]))
def test_a_column_read_by_its_schema_equals_the_typed_column(drawn, n_forced, forced):
    cells = {
        f"c{i}": list(itertools.islice(itertools.cycle(column), 24))
        for i, column in enumerate(drawn)
    }
    columns = columns_of(**cells)
    options = {forced: list(cells)[:n_forced]} if forced else {}
    try:
        typed = type_columns(columns, range(len(cells)), **options)
    except ColumnError as error:
        assert "infinite" in error.message or "holds no number" in error.message  # noqa: PT017
        return
    for position, column in enumerate(typed.columns):
        assert_array_equal(read(columns, position, column.schema), column.values)
        assert column.schema.has_missing == np.isnan(column.values).any()
        assert not np.isinf(column.values).any()


def test_new_cells_are_read_by_the_existing_schema():
    for schema, cells, expected in (
        (
            ColumnSchema("a", "number", spelling="comma"),
            ["1,5", "1.234", "x", "inf"],
            [1.5, 1234, np.nan, np.nan],
        ),
        (
            ColumnSchema("a", "number", spelling="point"),
            ["$1,234", " 2 ", "1e999"],
            [1234, 2, np.nan],
        ),
        (
            ColumnSchema("a", "boolean", ("no", "yes")),
            ["YES", "true", "0", "2", "m"],
            [1, 1, 0, np.nan, np.nan],
        ),
        (
            ColumnSchema("a", "boolean", ("f", "m")),
            ["M", "f", "1", "yes"],
            [1, 0, np.nan, np.nan],
        ),
        (
            ColumnSchema("a", "date", (), "dmy"),
            ["1/2/1970", "2/13/1970"],
            [31 * 86400, np.nan],
        ),
        (
            ColumnSchema("a", "category", ("u", "v")),
            ["v ", "w", "NA", "None", ""],
            [1, -1, np.nan, -1, np.nan],
        ),
        (
            ColumnSchema("a", "category", ("1", "2")),
            ["2.0", "3", "x", "02"],
            [1, -1, -1, -1],
        ),
        (ColumnSchema("a", "category", ("DE", "FR", "US")), ["NA", "?"], [-1, np.nan]),
    ):
        assert_array_equal(read(columns_of(a=cells), 0, schema), expected)
    floats = Frame("frame", ("a",), (Numbers(np.array([1.234, np.nan])),))
    assert_array_equal(
        read(floats, 0, ColumnSchema("a", "number", spelling="comma")), [1.234, np.nan]
    )


def test_group_and_time_columns_are_not_features_and_give_no_notes(write):
    rows = [f"p{n},{n},{n % 7},{n % 2}" for n in range(30)]
    path = write("who,when,a,y\n" + "\n".join(rows) + "\n,,3,\n,32,3,1\n,33,3,0\n")
    table = read_table(path, target="y", group="who", time_split="when")
    assert table.feature_names == ("a",)
    assert (table.grouped_by, len(set(table.groups.tolist()))) == ("who", 32)
    assert table.times.tolist() == [*range(30), 32, 33]
    assert [note.code for note in table.notes] == ["SB205", "", "SB206"]
    assert "a group of its own" in table.notes[1].message


def test_integers_beyond_float64_are_an_identifier_and_not_constant():
    typed = type_columns(columns_of(pid=[str(2**60 + n // 2) for n in range(60)]), [0])
    (note,) = typed.notes
    assert (note.code, typed.left_out) == ("SB101", {"pid"})
    assert "more digits than float64 holds" in note.message

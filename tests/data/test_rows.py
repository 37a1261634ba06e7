"""Rows to predict that are given as plain values."""

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from seedbed.data.cells import NUMBER, parse_number
from seedbed.data.frame import Numbers
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.reading import read_table
from seedbed.data.sources.memory import frame_of_records, frame_of_values
from seedbed.data.sources.opening import read_new_rows
from seedbed.errors import DataError

WITH_TWO_WAYS = (
    r"[ \t\n\r\f]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\r\f]*"
)


def test_numbers_with_gaps_stay_numbers():
    columns = frame_of_values(
        [[1, None, 2.5], [None, None, None], ["a", 1, None]], ["x", "y", "z"]
    )
    assert_array_equal(columns.numbers(0), [1, np.nan, 2.5])
    result = [isinstance(column, Numbers) for column in columns.columns]
    assert result == [True, True, False]
    result = [columns.cells(place) for place in range(3)]
    assert result == [["1", None, "2.5"], [None] * 3, ["a", "1", None]]


@pytest.mark.parametrize("large", [2**53, 2**63 + 1, 10**400, -(2**60)])
def test_integers_that_a_float_would_change_are_kept_as_text(large):
    assert frame_of_values([[large, None]], ["x"]).cells(0) == [str(large), None]


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1,)])
def test_a_list_or_record_as_a_value_is_refused(value):
    with pytest.raises(DataError, match=r"records: 'x' holds a \w+"):
        frame_of_values([[1, value]], ["x"])
    with pytest.raises(DataError, match=r"records: 'x' holds a \w+"):
        frame_of_records([{"x": value}], ["x"])


def test_a_number_beside_a_gap_is_not_read_with_a_decimal_comma(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "price;y\n" + "".join(f'"{n},{n}5";{n % 2}\n' for n in range(1, 40))
    )
    fitted = Preprocessor.fit(read_table(path, target="y"))
    together = read_new_rows([{"price": np.float64(1.234)}, {"price": None}], ["price"])
    both = fitted.inputs_of(fitted.read(together)[0])[0]
    alone = read_new_rows({"price": 1.234}, ["price"])
    assert_array_equal(both[:1], fitted.inputs_of(fitted.read(alone)[0])[0])


@pytest.mark.parametrize(
    "cell",
    [
        "1" * 1_000_000 + "x",
        "1." + "0" * 1_000_000 + "x",
        " " * 1_000_000,
        "1e" + "1" * 9000,
    ],
)
def test_a_cell_of_a_million_characters_is_read_quickly(cell):
    started = time.process_time()
    assert not np.isfinite(parse_number(cell))
    assert time.process_time() - started < 1


@given(st.text("0123456789+-.eE \t", max_size=12))
def test_the_pattern_of_a_number_equals_a_simple_slow_pattern(text):
    assert bool(re.fullmatch(NUMBER, text)) == bool(re.fullmatch(WITH_TWO_WAYS, text))

"""A column at a glance, as a plain dict."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import ColumnSchema, Note
from seedbed.data.inspection import column_overview, number_overview
from seedbed.data.table import Column

NAN = float("nan")


def column(kind, values, **schema):
    return Column(ColumnSchema("a", kind, **schema), np.array(values, dtype=np.float64))


def test_a_number_is_told_by_its_range_and_its_missing_cells():
    found = column_overview(column("number", [3, NAN, 1, 1, 8]), used=True)
    assert (found["missing"], found["n_unique"]) == (1, 3)
    assert (found["low"], found["median"], found["high"]) == (1, 2, 8)
    assert sum(found["histogram"]) == 4


def test_a_category_is_told_by_its_commonest_levels():
    found = column_overview(column("category", [0, 2, 2, NAN, 1, 2], levels=("x", "y", "z")), used=True)
    assert list(found["levels"].items()) == [("z", 3), ("x", 1), ("y", 1)]
    assert (found["missing"], found["n_unique"]) == (1, 3)


def test_a_boolean_is_told_by_what_the_cells_said():
    found = column_overview(column("boolean", [0, 1, 1], levels=("no", "yes")), used=True)
    assert found["levels"] == {"yes": 2, "no": 1}


@pytest.mark.parametrize(("seconds", "shown"), [(86_400, "1970-01-02"), (86_460, "1970-01-02 00:01:00")])
def test_dates_are_shown_as_dates_and_with_their_time_where_there_is_one(seconds, shown):
    found = column_overview(column("date", [0, seconds]), used=True)
    assert found["high"] == shown


def test_a_column_with_nothing_in_it_has_no_range():
    found = column_overview(column("number", [NAN, NAN]), used=False)
    assert (found["low"], found["histogram"], found["n_unique"], found["used"]) == (None, [], 0, False)


def test_notes_are_sentences():
    found = column_overview(column("number", [1.0]), used=True, notes=[Note("It is so.", "a", count=1)])
    assert found["notes"] == ["It is so."]


def test_one_huge_value_does_not_hide_the_shape_of_the_others():
    values = np.append(np.linspace(0, 1, 1000), 1e9)
    bars = number_overview(values)["histogram"]
    assert min(bars) > 50


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_every_value_is_in_a_bar_and_the_dict_is_fit_for_json(values):
    found = number_overview(np.array(values))
    assert sum(found["histogram"]) == len(values)
    json.dumps(found, allow_nan=False)

"""The overview of a table that `seedbed inspect` shows, as a dict."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data.inspection import column_overview, inspect_table, number_overview
from seedbed.data.table import Column, ColumnSchema
from seedbed.report.card import overview_text

# A column at a glance, as a plain dict


NAN = float("nan")


def column(kind, values, **schema):
    return Column(ColumnSchema("a", kind, **schema), np.array(values, dtype=np.float64))


def test_a_number_is_summarised_by_its_range_and_missing_cells():
    found = column_overview(column("number", [3, NAN, 1, 1, 8]), used=True)
    assert (found["missing"], found["n_unique"]) == (1, 3)
    assert (found["low"], found["median"], found["high"]) == (1, 2, 8)
    assert sum(found["histogram"]) == 4


def test_categories_and_booleans_are_summarised_by_their_levels():
    found = column_overview(
        column("category", [0, 2, 2, NAN, 1, 2], levels=("x", "y", "z")), used=True
    )
    assert list(found["levels"].items()) == [("z", 3), ("x", 1), ("y", 1)]
    assert (found["missing"], found["n_unique"]) == (1, 3)
    found = column_overview(
        column("boolean", [0, 1, 1], levels=("no", "yes")), used=True
    )
    assert found["levels"] == {"yes": 2, "no": 1}


@pytest.mark.parametrize(
    ("seconds", "shown"), [(86_400, "1970-01-02"), (86_460, "1970-01-02 00:01:00")]
)
def test_dates_are_shown_with_a_time_only_if_there_is_one(seconds, shown):
    found = column_overview(column("date", [0, seconds]), used=True)
    assert found["high"] == shown


def test_one_huge_value_does_not_hide_the_shape_of_the_others():
    values = np.append(np.linspace(0, 1, 1000), 1e9)
    bars = number_overview(values)["histogram"]
    assert min(bars) > 50


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50)
)
def test_every_value_is_counted_in_a_bin_and_the_dict_is_valid_json(values):
    found = number_overview(np.array(values))
    assert sum(found["histogram"]) == len(values)
    json.dumps(found, allow_nan=False)


# A table at a glance, from its cells to the dict that is shown


ROWS = [
    f"{i},{'red' if i % 3 else 'blue'},{i / 7:.2f},{'' if i == 5 else i % 2},{'yes' if i % 4 else 'no'}"
    for i in range(40)
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "cars.csv"
    path.write_text("id,paint,width,old,sold\n" + "\n".join(ROWS) + "\n")
    return path


def test_every_column_except_the_target_is_listed_and_dropped_ones_are_marked(table):
    found = inspect_table(table, target="sold")
    assert [(one["name"], one["kind"], one["used"]) for one in found["columns"]] == [
        ("id", "number", False),
        ("paint", "category", True),
        ("width", "number", True),
        ("old", "boolean", True),
    ]
    assert [
        warning["code"] for warning in found["warnings"] if warning["column"] == "id"
    ] == ["SB101"]
    assert not [note for note in found["notes"] if note["code"]]
    assert found["columns"][0]["notes"] == [
        one["message"] for one in found["warnings"] if one["column"] == "id"
    ]
    assert found["columns"][3]["missing"] == 1
    json.dumps(found, allow_nan=False)
    # two levels and "other", the width, old and its missing flag
    assert found["n_inputs"] == 6
    assert found["target"] == dict(
        name="sold", task="binary", labels={"no": 10, "yes": 30}
    )


def test_options_are_those_of_reading_and_a_target_of_numbers_has_a_range(table):
    found = inspect_table(
        table, target="sold", categorical=["width"], numeric="id", group="paint"
    )
    kinds = {one["name"]: (one["kind"], one["used"]) for one in found["columns"]}
    assert kinds == dict(
        id=("number", True), width=("category", True), old=("boolean", True)
    )
    target = inspect_table(table, target="width")["target"]
    assert target["task"] == "regression"
    assert target["low"] == 0.0
    assert sum(target["histogram"]) == 40


def test_only_rows_with_a_target_are_summarised(write):
    rows = [
        f"{'' if i < 20 else 'red'},{i if i < 90 else ''},{i % 2 if i < 90 else ''}"
        for i in range(100)
    ]
    table = write("paint,width,sold\n" + "\n".join([*rows, "blue,3,"]) + "\n")
    found = inspect_table(table, target="sold")
    paint, width = found["columns"]
    assert found["n_rows"] == 90
    assert paint["missing"] == 20
    assert width["missing"] == 0
    assert width["high"] == 89
    assert paint["levels"] == {"red": 70}
    assert "red 100%" in overview_text(found)


def test_a_column_that_is_missing_in_all_rows_with_a_target_is_empty(write):
    rows = (
        "".join(f",{i % 3},{i % 2}\n" for i in range(40)) + "blue,1,\nred,2,\nred,0,\n"
    )
    found = inspect_table(write("paint,width,sold\n" + rows), target="sold")
    assert (found["columns"][0]["missing"], found["columns"][0]["levels"]) == (40, {})
    assert "paint" in overview_text(found)


def test_the_most_severe_warnings_come_first(write):
    rows = [
        f"{i},same,{'late' if i % 2 else 'early'},{'Red' if i % 4 else 'red'},{i % 2}"
        for i in range(60)
    ]
    found = inspect_table(
        write("id,c,outcome,paint,y\n" + "\n".join(rows) + "\n"), target="y"
    )
    assert [one["code"] for one in found["warnings"]][:3] == ["SB203", "SB105", "SB101"]


@pytest.mark.parametrize(("n_columns", "n_times"), [(20, 1), (21, 2)])
def test_warnings_are_repeated_below_a_long_list_of_columns(n_columns, n_times):
    columns = {
        f"x{i}": np.random.default_rng(i).random(30) for i in range(n_columns - 1)
    }
    text = overview_text(inspect_table(pd.DataFrame({"id": range(30)} | columns)))
    assert text.count("SB101: column 'id' is left out") == n_times

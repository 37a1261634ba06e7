"""New rows: columns are matched by name, anomalies are reported, and the state is stored without
pickle."""

import json
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load, save

from seedbed.data.frame import Frame, as_notes
from seedbed.data.preprocessing import Oddities, OddityReport, Preprocessor
from seedbed.data.sources.memory import frame_of_values
from seedbed.data.table import Table
from seedbed.data.typed import type_columns
from seedbed.errors import ColumnError, DataError

N = 60
RNG = np.random.default_rng(0)
CELLS = dict(
    age=[str(20 + row % 50) if row % 9 else "" for row in range(N)],
    weight=[f"{70 + 10 * draw:.1f}" for draw in RNG.normal(size=N)],
    sex=["male" if row % 3 else "female" for row in range(N)],
    town=[["Rome", "York", "Oslo", ""][row % 4] for row in range(N)],
    seen=[f"2024-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(N)],
)


def source(cells: dict[str, list[str | None]], where: str = "new.csv") -> Frame:
    return frame_of_values(list(cells.values()), list(cells), where)


def table_of(columns: Frame) -> Table:
    typed = type_columns(columns, range(len(columns.names)))
    return Table(
        "train.csv", typed.columns, "y", np.arange(columns.n_rows) % 2, ("a", "b")
    )


def some(**changed: list[str | None]) -> Frame:
    """Rows as in training, except for the given columns."""
    n_rows = len(next(iter(changed.values())))
    return source(
        {name: list(cells[:n_rows]) for name, cells in CELLS.items()} | changed
    )


class Transformed(NamedTuple):
    matrix: np.ndarray
    notes: tuple
    unseen: dict
    outliers: dict
    cells: Oddities
    doubtful: np.ndarray


def transform(fitted: Preprocessor, rows: Frame) -> Transformed:
    """Return the inputs of new rows as one block, and all notes about them."""
    read, remarks = fitted.read(rows)
    matrix, odd = fitted.inputs_of(read)
    report = OddityReport(fitted)
    doubtful = report.add(0, read, odd)
    report.refuse_unknown(rows.where)
    unseen, outliers = (
        {
            name: n
            for name, n in zip(
                fitted.feature_names_in_, cells.sum(axis=0).tolist(), strict=True
            )
            if n
        }
        for cells in (odd.unseen, odd.outlying)
    )
    return Transformed(
        matrix,
        as_notes(rows, [*remarks, *report.remarks()]),
        unseen,
        outliers,
        odd,
        doubtful,
    )


@pytest.fixture(scope="module")
def table():
    return table_of(source(CELLS, "train.csv"))


@pytest.fixture(scope="module")
def fitted(table):
    return Preprocessor.fit(table, np.arange(50))


def test_the_training_rows_give_the_same_inputs_without_notes(table, fitted):
    found = transform(fitted, source(CELLS))
    assert_array_equal(found.matrix, fitted.inputs_of_values(table.features))
    assert found.matrix.dtype == np.float32
    assert (found.notes, found.unseen, found.outliers) == ((), {}, {})
    assert not found.doubtful.any()


def test_columns_may_come_in_any_order_and_others_are_ignored_with_a_note(fitted):
    shuffled = {name: CELLS[name] for name in reversed(CELLS)}
    found = transform(
        fitted, source({"note": ["x"] * N} | shuffled | {"id": ["7"] * N})
    )
    assert_array_equal(found.matrix, transform(fitted, source(CELLS)).matrix)
    (note,) = found.notes
    assert (note.code, note.count) == ("SB301", 2)
    assert (
        note.message == "2 columns that the model doesn't use are ignored: 'note', 'id'"
    )
    # the index as pandas writes it
    (index,) = transform(fitted, source({"": ["7"] * N} | CELLS)).notes
    assert (
        index.message
        == "1 column that the model doesn't use is ignored: one without a name"
    )


def test_missing_columns_are_all_named_with_the_nearest_names(fitted):
    cells = dict(
        Age=CELLS["age"], wieght=CELLS["weight"], seen=CELLS["seen"], town=CELLS["town"]
    )
    with pytest.raises(ColumnError) as caught:
        transform(fitted, source(cells))
    assert caught.value.message == "new.csv: no columns 'age', 'weight', 'sex'"
    assert "Did you mean 'Age'? Did you mean 'wieght'?" in caught.value.hint
    cells["age"] = CELLS["age"]
    twice = Frame(
        "new.csv", (*CELLS, "age"), source(CELLS).columns + source(CELLS).columns[:1]
    )
    with pytest.raises(ColumnError, match="two columns are named 'age'"):
        transform(fitted, twice)


def test_unseen_levels_are_encoded_like_rare_ones_and_counted(fitted):
    found = transform(fitted, some(town=["Rome", "Bonn", "Bonn", "Kyiv"]))
    assert found.unseen == {"town": 3}
    result = found.cells.unseen.tolist()
    assert result == [[False] * 5] + [[False, False, False, True, False]] * 3
    towns = [
        place
        for place, name in enumerate(fitted.layout.places.names)
        if name.startswith("town=")
    ]
    # no level was rare in training, so the bucket's input is zero
    assert not found.matrix[1:, towns].any()
    (note,) = found.notes
    assert note.column == "town"
    assert note.code == "SB302"
    assert note.count == 3
    assert note.rows[0] == "row 1 (counted from 0)"
    assert "'Bonn', 'Kyiv'" in note.message


def test_unseen_levels_of_a_hashed_column_use_the_bucket_of_their_text():
    words = [f"town {row % 250}" for row in range(2000)]
    fitted = Preprocessor.fit(table_of(source({"town": words})))
    assert len(fitted.layout.places.names) == 32
    found = transform(
        fitted, source({"town": ["nowhere 1", "nowhere 2", " nowhere 1 ", *words[:4]]})
    )
    places = found.matrix.argmax(axis=1)
    assert (found.matrix.sum(axis=1) == 1).all()
    assert places[0] == places[2] != places[1]
    assert found.unseen == {"town": 3}


def test_numbers_far_from_training_are_reported(table, fitted):
    found = transform(fitted, some(weight=["70", "500", "-300"]))
    assert found.outliers == {"weight": 2}
    assert found.cells.outlying.sum() == 2
    (note,) = found.notes
    assert (note.code, note.column, note.count) == ("SB303", "weight", 2)
    column = table.features[:50, 1]
    bound = column.mean() + 5 * column.std()
    nearly = transform(fitted, some(weight=[str(bound - 0.01), str(bound + 0.01)]))
    assert nearly.cells.outlying[:, 1].tolist() == [False, True]


def test_rare_binary_values_and_weekdays_are_not_reported_as_far():
    mondays = [
        f"2024-{month:02}-{day:02}" for month, day in [(1, 1), (4, 1), (7, 1)] * 20
    ]
    cells = {"ill": ["yes"] + ["no"] * 59, "seen": ["2024-04-02", *mondays[1:]]}
    columns = source(cells)
    fitted = Preprocessor.fit(table_of(columns))
    found = transform(fitted, columns)
    first = dict(zip(fitted.layout.places.names, found.matrix[0].tolist(), strict=True))
    assert min(first["ill"], first["seen.weekday"]) > 5
    assert found.outliers == {}
    cells["seen"][5] = "2044-04-04"
    assert transform(fitted, source(cells)).outliers == {"seen": 1}


def test_missing_cells_in_a_column_without_gaps_become_median_with_note(table, fitted):
    found = transform(fitted, some(weight=["", "heavy", "70"], age=["", "30", "30"]))
    place = fitted.layout.places.names.index("weight")
    middle = (np.median(table.features[:50, 1]) - fitted.means[1]) / fitted.deviations[
        1
    ]
    assert_allclose(found.matrix[:2, place], middle, rtol=1e-6)
    unread, missing = found.notes  # age has missing cells in training
    assert (unread.code, unread.column, unread.count) == ("SB305", "weight", 1)
    assert (missing.code, missing.column, missing.count) == ("SB304", "weight", 1)
    result = found.cells.missing[:, :2].tolist()
    assert result == [[True, True], [False, False], [False, False]]
    result = found.cells.unreadable[:, :2].tolist()
    assert result == [[False, False], [False, True], [False, False]]


def test_unreadable_cells_are_reported_also_in_columns_with_gaps(fitted):
    found = transform(
        fitted, some(age=["old", "", "n/a"], sex=["divers", "male", "female"])
    )
    assert found.cells.unreadable[:, 0].tolist() == [True, False, False]
    assert found.cells.missing[:, 0].tolist() == [False, True, True]
    assert found.unseen == {"sex": 1}
    assert [(note.code, note.message) for note in found.notes] == [
        ("SB305", "'age': 1 cell not a number ('old')"),
        (
            "SB302",
            "'sex': 1 cell with a level that the training table didn't have ('divers')",
        ),
    ]
    gone = transform(fitted, some(age=["", "", ""]))
    assert [(note.code, note.message) for note in gone.notes] == [
        ("SB304", "'age': all 3 cells missing")
    ]


def test_new_levels_are_not_reported_if_all_levels_are_rare():
    cells = dict(
        cabin=[f"C{i // 5}" if i < 800 else "" for i in range(2000)],
        town=["Bonn", "Rome"] * 1000,
    )
    fitted = Preprocessor.fit(table_of(source(cells)))
    found = transform(fitted, source({"cabin": ["X1", "C3"], "town": ["Oslo", "Bonn"]}))
    cabin = [
        place
        for place, name in enumerate(fitted.layout.places.names)
        if name.startswith("cabin=")
    ]
    assert_array_equal(found.matrix[0, cabin], found.matrix[1, cabin])
    assert found.unseen == {"town": 1}


def test_rows_with_more_than_half_unknown_cells_are_refused(fitted):
    half = {"age": [""] * 2, "weight": ["?"] * 2}
    assert transform(fitted, some(**half)).matrix.shape == (2, fitted.layout.n_inputs)
    with pytest.raises(DataError, match=r"new\.csv: 6 of 10 cells are missing"):
        transform(fitted, some(**half, town=["Bonn"] * 2))
    found = transform(
        fitted,
        some(**{name: ["", cells[1], cells[2]] for name, cells in CELLS.items()}),
    )
    assert found.doubtful.tolist() == [True, False, False]


def test_an_almost_empty_training_row_is_not_refused():
    cells = {name: column[:40] + [""] * 20 for name, column in CELLS.items()} | {
        "sex": CELLS["sex"]
    }
    fitted = Preprocessor.fit(table_of(source(cells)))
    found = transform(
        fitted, source({name: column[-1:] for name, column in cells.items()})
    )
    assert not found.doubtful.any()
    assert fitted.least_known == 0.2


def test_a_state_through_json_and_safetensors_gives_the_same_bits(table, fitted):
    values, arrays = fitted.to_state()
    again = Preprocessor.from_state(json.loads(json.dumps(values)), load(save(arrays)))
    assert again.layout == fitted.layout
    assert again.to_state()[0] == values
    assert_array_equal(
        again.inputs_of_values(table.features), fitted.inputs_of_values(table.features)
    )
    odd = some(town=["Bonn", "", "Rome"], weight=["1e6", "", "70"])
    before, after = transform(fitted, odd), transform(again, odd)
    assert_array_equal(before.matrix, after.matrix)
    assert before.notes == after.notes

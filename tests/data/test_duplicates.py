"""Equal rows stay together, unless they are equal by chance or too many."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import ColumnSchema, Table, checks, repeated_folds
from seedbed.data.checks import duplicate_groups, find_duplicates, merged_groups
from seedbed.data.table import Column


def table_of(features, target, task=None):
    columns = tuple(
        Column(ColumnSchema(f"x{i}", "number", spelling="point"), np.array(values, dtype=np.float64))
        for i, values in enumerate(np.asarray(features, dtype=np.float64).T)
    )
    target = np.array(target)
    return Table("t", columns, "y", target, (), task or ("binary" if target.max() < 2 else "multiclass"))


def typed(path):
    """A real table with its texts as numbers of levels."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    codes = [
        column.to_numpy(dtype=float)
        if pd.api.types.is_numeric_dtype(column)
        else np.where(column.isna(), np.nan, pd.factorize(column)[0].astype(float))
        for _, column in frame.items()
    ]
    return table_of(np.column_stack(codes[:-1]), pd.factorize(frame.iloc[:, -1])[0])


def codes_of(notes):
    return [(note.code, note.count) for note in notes]


CELLS = st.sampled_from([0.0, -0.0, 1.0, float("nan"), -float("nan"), 1e300])


@given(st.lists(st.tuples(CELLS, CELLS, st.sampled_from([0, 1])), min_size=1, max_size=30))
def test_numbers_are_shared_by_equal_rows_and_no_others(rows):
    def plain(row):
        return tuple("missing" if cell != cell else float(cell) for cell in row)

    features = np.array([row[:2] for row in rows])
    for found, keys in (
        (duplicate_groups(features), [plain(row[:2]) for row in rows]),
        (duplicate_groups(features, np.array([row[2] for row in rows])), [plain(row) for row in rows]),
    ):
        assert found.dtype == np.int64
        for i, one in enumerate(keys):
            assert (found == found[i]).tolist() == [one == other for other in keys]


def test_rows_that_only_share_a_hash_are_told_apart(monkeypatch):
    features = np.random.default_rng(0).integers(0, 3, (200, 3)) * 1.0
    expected = duplicate_groups(features)
    assert len(np.unique(expected)) == 27
    monkeypatch.setattr(checks, "_hashes", lambda bits: np.zeros(len(bits), dtype=np.uint64))
    found = duplicate_groups(features)
    np.testing.assert_array_equal(found[:, None] == found, expected[:, None] == expected)


def test_copies_and_disagreeing_rows_are_counted_and_stay_in_one_fold():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(100, 3))
    features[[40, 41, 90]] = features[[7, 7, 8]]  # two copies; a row with another target
    features[50, 1] = features[51, 1] = np.nan
    target = np.arange(100) % 2
    target[[40, 41, 90]] = target[7], target[7], 1 - target[8]
    groups, notes = find_duplicates(table_of(features, target))
    assert len(np.unique(groups)) == 97
    assert groups[7] == groups[40] == groups[41]
    assert groups[8] == groups[90]
    assert groups[50] != groups[51]
    assert codes_of(notes) == [("SB201", 2), ("SB202", 2)]
    assert [list(note.rows) for note in notes] == [[40, 41], [8, 90]]
    assert notes[0].message == "2 rows are exact copies of an earlier one; rows with equal features stay in one fold"


def test_rows_that_all_differ_say_nothing():
    features = np.random.default_rng(0).normal(size=(60, 2))
    assert find_duplicates(table_of(features, np.arange(60) % 2)) == (None, ())


def test_numbers_to_predict_may_differ_where_features_are_equal():
    features = np.random.default_rng(0).normal(size=(60, 2))
    features[30:33] = features[:3]
    target = np.random.default_rng(1).normal(size=60)
    target[30] = target[0]
    groups, notes = find_duplicates(table_of(features, target, "regression"))
    assert len(np.unique(groups)) == 57
    assert codes_of(notes) == [("SB201", 1)]
    assert notes[0].message.startswith("1 row is an exact copy")


@pytest.mark.parametrize(("n_columns", "n_levels"), [(4, 2), (8, 2), (4, 4), (3, 10)])
def test_rows_that_are_equal_by_chance_are_dealt_like_others(n_columns, n_levels):
    rng = np.random.default_rng(0)
    table = table_of(rng.integers(0, n_levels, (300, n_columns)), rng.integers(0, 2, 300))
    groups, (note,) = find_duplicates(table)
    assert groups is None
    assert note.code == "SB206"
    assert "by chance in columns of few values" in note.message
    assert note.count > 20


def test_a_table_that_stands_in_its_file_three_times_stays_together_though_its_columns_are_coarse():
    rng = np.random.default_rng(0)
    features, target = rng.integers(0, 8, (100, 6)), rng.integers(0, 2, 100)
    groups, notes = find_duplicates(table_of(np.tile(features, (3, 1)), np.tile(target, 3)))
    assert groups.tolist() == groups[:100].tolist() * 3
    assert codes_of(notes) == [("SB201", 200)]


def test_a_row_that_fills_a_fold_is_dealt_over_all_and_others_stay_together():
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(200, 3)), np.arange(200) % 2
    features[:30], target[:30] = 0.0, 0
    features[100:110] = features[110:120]
    groups, notes = find_duplicates(table_of(features, target))
    assert codes_of(notes) == [("SB201", 39), ("SB206", 30)]
    assert len(np.unique(groups)) == 190
    assert len(np.unique(groups[:30])) == 30
    assert (groups[100:110] == groups[110:120]).all()
    alone = find_duplicates(table_of(features[:100], target[:100]))
    assert alone[0] is None
    assert codes_of(alone[1]) == [("SB201", 29), ("SB206", 30)]


@pytest.mark.parametrize(
    ("n_different", "n_outside", "kept"),
    [(19, 9, False), (20, 10, True), (60, 1, False), (60, 2, False), (60, 10, True)],
)
def test_too_few_different_rows_are_not_kept_together(n_different, n_outside, kept):
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(n_different, 3)), 10, axis=0)
    target = np.repeat(np.arange(n_different) < n_outside, 10).astype(np.int64)
    groups, notes = find_duplicates(table_of(features, target))
    assert (groups is not None) == kept
    assert [note.code for note in notes] == ["SB201" if kept else "SB206"]
    if kept:
        assert len(repeated_folds(target, repeats=1, folds=10, random_state=0, groups=groups)) == 10


@pytest.mark.parametrize(
    ("name", "n_groups", "expected"),
    [
        ("blood_transfusion.csv", 502, [("SB201", 215), ("SB202", 200)]),
        ("breast_w.csv", 463, [("SB201", 236)]),
        ("kc1.csv", 1192, [("SB201", 897), ("SB202", 253)]),
        ("mammography.csv", 11_176, [("SB201", 3334), ("SB202", 3329), ("SB206", 3329)]),
        ("titanic.csv", 772, [("SB201", 107), ("SB202", 43)]),
        ("wine_quality.csv", 5320, [("SB201", 1177)]),
        ("haberman.csv", None, [("SB206", 23)]),
        ("cmc.csv", None, [("SB206", 115)]),
        ("mushroom.csv.gz", None, []),
        ("heart_failure.csv", None, []),
    ],
)
def test_real_tables(real_table, name, n_groups, expected):
    groups, notes = find_duplicates(typed(real_table(name)))
    assert (None if groups is None else len(np.unique(groups))) == n_groups
    assert codes_of(notes) == expected


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25))
def test_merged_groups_are_the_finest_that_part_neither(pairs):
    named, duplicates = np.array(pairs).T
    merged = merged_groups(named, duplicates)
    reached = (named[:, None] == named) | (duplicates[:, None] == duplicates)
    for _ in range(len(pairs)):
        reached = reached @ reached
    np.testing.assert_array_equal(merged[:, None] == merged, reached)


def test_fifty_thousand_rows_of_a_hundred_columns_take_about_a_second():
    features = np.random.default_rng(0).normal(size=(50_000, 100))
    features[25_000:] = features[:25_000]
    table = table_of(features, np.arange(50_000) // 2 % 2)
    assert table.features.shape == (50_000, 100)
    start = time.process_time()
    groups, _ = find_duplicates(table)
    assert time.process_time() - start < 3
    assert len(np.unique(groups)) == 25_000

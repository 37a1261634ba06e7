"""A column that knows the outcome is asked about; a good one isn't."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from seedbed.data import ColumnSchema, Table
from seedbed.data.checks import _binned, find_leaks
from seedbed.data.table import Column


def table_of(columns, target, task=None, kind="number"):
    features = tuple(
        Column(ColumnSchema(name, kind), np.array(values, dtype=np.float64)) for name, values in columns.items()
    )
    target = np.array(target)
    return Table("t", features, "y", target, (), task or ("binary" if target.max() < 2 else "multiclass"))


def leaks(*arguments, **options):
    return [note.column for note in find_leaks(table_of(*arguments, **options))]


@pytest.mark.parametrize(("n_rows", "n_classes"), [(300, 2), (2000, 2), (900, 3), (60_000, 2), (5000, 7)])
def test_what_knows_the_outcome_is_found_and_what_only_helps_is_not(n_rows, n_classes):
    rng = np.random.default_rng(0)
    target = rng.choice(n_classes, size=n_rows, p=np.append(0.7, np.full(n_classes - 1, 0.3 / (n_classes - 1))))
    flipped = np.where(rng.random(n_rows) < 0.005, (target + 1) % n_classes, target)
    columns = {
        "copy": target * 7 - 3,
        "noisy copy": flipped,
        "sum": 10 * target + rng.normal(size=n_rows),
        "missing for one class": np.where(target == 0, np.nan, 20 * target + rng.normal(size=n_rows)),
        "helps": target + rng.normal(size=n_rows) / 2,
        "noise": rng.normal(size=n_rows),
        "five in a hundred": np.where(rng.random(n_rows) < 0.05, (target + 1) % n_classes, target),
    }
    assert leaks(columns, target) == ["copy", "noisy copy", "sum", "missing for one class"]
    as_levels = {name: columns[name] for name in ("copy", "noisy copy", "five in a hundred")}
    assert leaks(as_levels, target, kind="category") == ["copy", "noisy copy"]


def test_the_question_says_how_to_leave_the_column_out():
    target = np.arange(100) % 2
    (note,) = find_leaks(table_of({"day's end": target}, target))
    assert (note.code, note.column, note.count, note.rows) == ("SB203", "day's end", None, ())
    assert note.message == (
        "'day's end' alone predicts 'y' almost perfectly (balanced accuracy 1 on rows not looked at): is it known "
        """before the outcome? If not, leave it out: --drop 'day'"'"'s end'"""
    )


def test_a_rare_class_of_a_large_table_is_looked_at_whole():
    rng = np.random.default_rng(0)
    target = (rng.random(200_000) < 0.0005).astype(np.int64)
    assert 50 < target.sum() < 150
    columns = {"amount paid back": np.where(target, 1 + rng.random(200_000), 0), "noise": rng.random(200_000)}
    assert leaks(columns, target) == ["amount paid back"]


def test_levels_of_single_rows_predict_nothing():
    target = np.arange(400) % 2
    names = np.random.default_rng(0).permutation(400)
    assert leaks({"name": names, "pair": names // 2 * 2 + target}, target, kind="category") == []
    # A level of two rows has one of them among the others.
    assert leaks({"couple": np.arange(400) // 4 * 2 + target}, target, kind="category") == ["couple"]


def test_unknown_levels_are_taken_for_no_class():
    target = np.arange(400) % 2
    assert leaks({"name where known": np.where(target == 0, np.arange(400), -5)}, target, kind="category") == []
    numbers = np.random.default_rng(0).normal(size=400)
    assert leaks({"name": np.arange(400)}, numbers, "regression", kind="category") == []


def test_missing_cells_are_one_level():
    target = np.arange(400) % 2
    known = np.where(target == 0, np.nan, np.arange(400) // 100)
    assert leaks({"known": known}, target, kind="category") == ["known"]
    assert leaks({"known": known}, target) == ["known"]


def test_frequent_values_and_missing_cells_have_bins_of_their_own():
    values = np.array([4.0] + [5.0] * 39 + [7.0] * 40 + list(range(10, 26)) + [np.nan, np.nan])
    shuffled = np.random.default_rng(0).permutation(98)
    (column,) = table_of({"x": values[shuffled]}, np.arange(98) % 2).columns
    bins, fold = _binned(column, np.arange(98), 10)
    in_order = np.argsort(shuffled)
    assert bins[in_order].tolist() == [0] + [1] * 39 + [2] * 40 + [3] * 9 + [4] * 7 + [5] * 2
    for one in range(6):
        assert np.ptp(np.bincount(fold[bins == one], minlength=5)) <= 1


def test_a_rare_class_does_not_drown_in_one_bin():
    rng = np.random.default_rng(0)
    target = (rng.random(20_000) < 0.01).astype(np.int64)
    assert leaks({"sum": 10 * target + rng.normal(size=20_000)}, target) == ["sum"]


def test_numbers_to_predict_are_known_by_their_ranks():
    rng = np.random.default_rng(0)
    target = rng.standard_cauchy(500)
    columns = {
        "copy": target * -3 + 1,
        "bent": np.arctan(target),
        "noise": rng.normal(size=500),
        "helps": np.arctan(target) + rng.normal(size=500) / 3,
    }
    assert leaks(columns, target, "regression") == ["copy", "bent"]
    levels = np.round(9 * np.arctan(target))
    assert leaks({"level": levels}, target, "regression", kind="category") == ["level"]
    assert leaks({"copy": np.ones(50)}, np.ones(50), "regression") == []
    assert leaks({"copy": target[:19]}, target[:19], "regression") == []


@pytest.mark.parametrize(("n_rare", "found"), [(9, []), (10, ["copy"])])
def test_two_classes_of_ten_rows_are_needed(n_rare, found):
    target = (np.arange(60) < n_rare).astype(np.int64)
    assert leaks({"copy": target}, target) == found
    of_three = np.append(target, [2, 2])
    assert leaks({"copy": of_three}, of_three) == found


def test_a_class_of_few_rows_spares_no_column():
    target = np.array([0] * 100 + [1] * 100 + [2] * 9)
    column = np.where(target == 2, np.arange(209) % 2, target)
    assert leaks({"all but the rare": column}, target) == ["all but the rare"]


@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize("n_rows", [20, 30, 60])
def test_thousands_of_columns_of_a_tiny_table_raise_no_false_alarm(n_rows, kind):
    rng = np.random.default_rng(n_rows)
    target = np.arange(n_rows) % 2
    columns = {f"flag{i}": rng.integers(0, 2, n_rows) for i in range(2000)}
    columns |= {f"word{i}": rng.integers(0, 5, n_rows) for i in range(2000)}
    if kind == "number":
        columns |= {f"number{i}": rng.normal(size=n_rows) for i in range(2000)}
    assert leaks(columns, target, kind=kind) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("banknote.csv", []),
        ("heart_failure.csv", []),
        ("breast_w.csv", []),
        ("bank_marketing.csv.gz", []),
        ("adult.csv.gz", []),
        ("wine_quality.csv", []),
        ("mushroom.csv.gz", ["odor"]),  # .985: the smell of a mushroom nearly settles it, and is known before
    ],
)
def test_real_tables(real_table, name, expected):
    frame = pd.read_csv(real_table(name), keep_default_na=False, na_values=[""])
    columns = []
    for word, series in frame.iloc[:, :-1].items():
        numeric = pd.api.types.is_numeric_dtype(series)
        values = series.to_numpy(float) if numeric else np.where(series.isna(), np.nan, pd.factorize(series)[0])
        columns.append(Column(ColumnSchema(word, "number" if numeric else "category"), values.astype(float)))
    target = pd.factorize(frame.iloc[:, -1])[0]
    table = Table("t", tuple(columns), "y", target, (), "binary" if target.max() < 2 else "multiclass")
    start = time.process_time()
    assert [note.column for note in find_leaks(table)] == expected
    assert time.process_time() - start < 1


def test_irises_are_told_apart_by_no_single_measure():
    iris = load_iris()
    assert leaks(dict(zip(iris.feature_names, iris.data.T, strict=True)), iris.target) == []


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_ten_thousand_columns_take_a_few_seconds(task):
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 500) if task == "binary" else rng.normal(size=500)
    table = table_of({f"x{i}": values for i, values in enumerate(rng.normal(size=(10_000, 500)))}, target, task)
    start = time.process_time()
    assert find_leaks(table) == ()
    assert time.process_time() - start < 8

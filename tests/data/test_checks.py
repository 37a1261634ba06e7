"""Checks of a whole table: duplicates, leaks, totals."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.signal import lfilter

from seedbed import read_table
from seedbed.data.inspection import inspect_table
from seedbed.data.reading import table_from_arrays
from seedbed.data.splits import duplicate_groups, merge_groups, repeated_folds
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.data.table_checks import CheckedTable, find_best_columns, find_duplicates
from seedbed.data.table_options import ColumnRoles

# Equal rows stay in one fold, unless they are equal by chance or too many


def table_with(columns, target, task=None, kind="number", labels=()):
    features = tuple(
        Column(ColumnSchema(name, kind), np.array(values, dtype=np.float64))
        for name, values in columns.items()
    )
    target = np.array(target)
    return Table(
        "t",
        features,
        "y",
        target,
        labels,
        task or ("binary" if target.max() < 2 else "multiclass"),
    )


def table_of(features, target, task=None):
    return table_with(
        {f"x{i}": values for i, values in enumerate(np.transpose(features))},
        target,
        task,
    )


def codes_of(notes):
    return [(note.code, note.count) for note in notes]


CELLS = st.sampled_from([0.0, -0.0, 1.0, float("nan"), -float("nan"), 1e300])


@given(
    st.lists(st.tuples(CELLS, CELLS, st.sampled_from([0, 1])), min_size=1, max_size=30)
)
def test_two_rows_have_the_same_number_if_and_only_if_they_are_equal(rows):
    def plain(row):
        return tuple("missing" if cell != cell else float(cell) for cell in row)

    features = np.array([row[:2] for row in rows])
    for found, keys in (
        (duplicate_groups(features), [plain(row[:2]) for row in rows]),
        (
            duplicate_groups(features, np.array([row[2] for row in rows])),
            [plain(row) for row in rows],
        ),
    ):
        assert found.dtype == np.int64
        for i, one in enumerate(keys):
            assert (found == found[i]).tolist() == [one == other for other in keys]


def test_duplicates_and_contradictory_rows_are_counted_and_stay_in_one_fold():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(100, 3))
    features[[40, 41, 90]] = features[[7, 7, 8]]  # two duplicates; a row with another
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
    assert (
        notes[0].message
        == "2 rows are exact copies of an earlier one; rows with equal features stay in one fold"
    )


def test_numeric_targets_of_equal_rows_may_differ():
    features = np.random.default_rng(0).normal(size=(60, 2))
    features[30:33] = features[:3]
    target = np.random.default_rng(1).normal(size=60)
    target[30] = target[0]
    groups, notes = find_duplicates(table_of(features, target, "regression"))
    assert len(np.unique(groups)) == 57
    assert codes_of(notes) == [("SB201", 1)]
    assert notes[0].message.startswith("1 row is an exact copy")


@pytest.mark.parametrize(("n_columns", "n_levels"), [(4, 2), (8, 2), (4, 4), (3, 10)])
def test_rows_that_are_equal_by_chance_are_split_like_others(n_columns, n_levels):
    rng = np.random.default_rng(0)
    table = table_of(
        rng.integers(0, n_levels, (300, n_columns)), rng.integers(0, 2, 300)
    )
    groups, (note,) = find_duplicates(table)
    assert groups is None
    assert note.code == "SB206"
    assert "by chance in columns with few values" in note.message
    assert note.count > 20


def test_a_row_with_very_many_copies_is_split_and_others_stay_together():
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
def test_copies_are_split_if_there_are_too_few_different_rows(
    n_different, n_outside, kept
):
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(n_different, 3)), 10, axis=0)
    target = np.repeat(np.arange(n_different) < n_outside, 10).astype(np.int64)
    groups, notes = find_duplicates(table_of(features, target))
    assert (groups is not None) == kept
    assert [note.code for note in notes] == (["SB201", "SB217"] if kept else ["SB206"])
    apart, (said,) = find_duplicates(table_of(features, target), split=True)
    assert (apart, said.code, "as requested" in said.message) == (None, "SB206", True)
    if kept:
        assert (
            len(
                repeated_folds(
                    target, repeats=1, folds=10, random_state=0, groups=groups
                )
            )
            == 10
        )


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25)
)
def test_merged_groups_are_the_finest_that_split_neither_grouping(pairs):
    named, duplicates = np.array(pairs).T
    merged = merge_groups(named, duplicates)
    reached = (named[:, None] == named) | (duplicates[:, None] == duplicates)
    for _ in range(len(pairs)):
        reached = reached @ reached
    assert_array_equal(merged[:, None] == merged, reached)
    lowest = [named[merged == group].min() for group in range(merged.max() + 1)]
    assert lowest == sorted(lowest)  # other numbers would give other folds


# A column that contains the outcome is reported; a merely good one isn't


def best(table):
    labels = tuple(map(str, np.unique(table.target)))
    table = replace(table, labels=() if table.task == "regression" else labels)
    return find_best_columns(CheckedTable(table, (), None, None, ColumnRoles()))


def leaks(*arguments, **options):
    notes = best(table_with(*arguments, **options))
    return [note.column for note in notes if note.code == "SB203"]


@pytest.mark.parametrize(
    ("n_rows", "n_classes"), [(300, 2), (2000, 2), (900, 3), (60_000, 2), (5000, 7)]
)
def test_a_column_that_contains_the_outcome_is_reported(n_rows, n_classes):
    rng = np.random.default_rng(0)
    target = rng.choice(
        n_classes,
        size=n_rows,
        p=np.append(0.7, np.full(n_classes - 1, 0.3 / (n_classes - 1))),
    )
    flipped = np.where(rng.random(n_rows) < 0.005, (target + 1) % n_classes, target)
    columns = {
        "copy": target * 7 - 3,
        "noisy copy": flipped,
        "sum": 10 * target + rng.normal(size=n_rows),
        "missing for one class": np.where(
            target == 0, np.nan, 20 * target + rng.normal(size=n_rows)
        ),
        "helps": target + rng.normal(size=n_rows) / 2,
        "noise": rng.normal(size=n_rows),
        "five in a hundred": np.where(
            rng.random(n_rows) < 0.05, (target + 1) % n_classes, target
        ),
    }
    assert leaks(columns, target) == "copy|noisy copy|sum|missing for one class".split(
        "|"
    )
    as_levels = {
        name: columns[name] for name in ("copy", "noisy copy", "five in a hundred")
    }
    assert leaks(as_levels, target, kind="category") == ["copy", "noisy copy"]


def test_the_column_that_alone_has_most_of_a_score_is_named_with_its_share():
    target = np.arange(1000) % 2
    column = np.where(np.arange(1000) % 20 == 0, 1 - target, target)
    noise = np.random.default_rng(0).normal(size=1000)
    columns = {"noise": noise, "x": column}
    (note,) = best(table_with(columns, target))
    assert (note.code, note.column) == ("SB212", "x")
    assert note.share == pytest.approx(0.81, abs=0.02)  # 1 - 4 x .05 x .95
    assert best(table_with({"noise": noise}, target)) == []
    assert note.message.endswith('If not, leave it out with drop="x"')


def test_all_rows_of_a_rare_class_are_checked_in_a_large_table():
    rng = np.random.default_rng(0)
    target = (rng.random(200_000) < 0.0005).astype(np.int64)
    assert 50 < target.sum() < 150
    columns = {
        "amount paid back": np.where(target, 1 + rng.random(200_000), 0),
        "noise": rng.random(200_000),
    }
    assert leaks(columns, target) == ["amount paid back"]


def test_levels_with_a_single_row_and_unknown_ones_predict_nothing_and_missing_cells_are_one_level():
    target = np.arange(400) % 2
    names = np.random.default_rng(0).permutation(400)
    assert (
        leaks({"name": names, "pair": names // 2 * 2 + target}, target, kind="category")
        == []
    )
    # If a level has two rows, one of them is among the other rows.
    assert leaks(
        {"couple": np.arange(400) // 4 * 2 + target}, target, kind="category"
    ) == ["couple"]
    assert (
        leaks(
            {"name where known": np.where(target == 0, np.arange(400), -5)},
            target,
            kind="category",
        )
        == []
    )
    numbers = np.random.default_rng(0).normal(size=400)
    assert leaks({"name": np.arange(400)}, numbers, "regression", kind="category") == []
    known = {"known": np.where(target == 0, np.nan, np.arange(400) // 100)}
    assert leaks(known, target, kind="category") == leaks(known, target) == ["known"]


def test_a_column_that_gives_a_numeric_target_is_reported():
    rng = np.random.default_rng(0)
    target = rng.standard_cauchy(500)
    columns = dict(
        copy=target * -3 + 1,
        noise=rng.normal(size=500),
        helps=np.arctan(target) + rng.normal(size=500) / 3,
    )
    assert leaks(columns, target, "regression") == ["copy"]
    assert leaks({"copy": np.ones(50)}, np.ones(50), "regression") == []
    assert leaks({"copy": target[:19]}, target[:19], "regression") == []
    few = {"copy": np.exp(target[:20] / 99), "noise": np.arange(20.0)}
    assert leaks(few, target[:20], "regression") == ["copy"]


@pytest.mark.slow
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


REAL = [("heart_failure.csv", "DEATH_EVENT"), ("mushroom.csv.gz", "class")]
LARGE = [("bank_marketing.csv.gz", "target"), ("wine_quality.csv", "quality")]
REAL += [pytest.param(*table, marks=pytest.mark.slow) for table in LARGE]


@pytest.mark.parametrize(("name", "target"), REAL)
def test_the_leaks_of_real_tables_are_found(real_table, name, target):
    table = read_table(real_table(name), target=target)
    start = time.process_time()
    found = [note.column for note in best(table) if note.code == "SB203"]
    assert time.process_time() - start < 1
    # .985: the smell is known in advance
    assert found == (["odor"] if "mushroom" in name else [])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_thousands_of_columns_take_a_few_seconds(task):
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 500) if task == "binary" else rng.normal(size=500)
    table = table_with(
        {f"x{i}": values for i, values in enumerate(rng.normal(size=(2_500, 500)))},
        target,
        task,
    )
    start = time.process_time()
    assert best(table) == []
    assert time.process_time() - start < 2


# Rows that aren't data (totals), and a row that outweighs all others


N = 40
AMOUNTS = np.round(np.random.default_rng(0).uniform(10, 99, N), 2)


def sales(*last, label="region"):
    """A table with a numeric target, with further rows appended."""
    rows = [
        f"{'north' if i % 2 else 'south'},{i % 7 + 1},{amount}"
        for i, amount in enumerate(AMOUNTS)
    ]
    return "\n".join([f"{label},staff,sales", *rows, *last]) + "\n"


def warnings(path, **options):
    return {
        one["code"]: one
        for one in inspect_table(path, **{"target": "sales"} | options)["warnings"]
    }


def test_a_row_with_over_half_of_the_targets_variance_is_the_first_warning(write):
    found = inspect_table(write(sales("north,3,229888596")), target="sales")["warnings"]
    assert found[0]["code"] == "SB207"
    assert "97.6 % of the variance" in found[0]["message"]
    assert "229,888,596" in found[0]["message"]
    assert found[0]["rows"] == [f"line {N + 2}"]


INCOMES = np.exp(np.random.default_rng(1).normal(size=2000))
ORDINARY = {
    "no further row": sales(),
    "an ordinary row": sales("north,3,120.5"),
    "a missing cell": sales("south,,99.9"),
    "a heavy tail": "x,sales\n"
    + "".join(f"{i % 9},{value}\n" for i, value in enumerate(INCOMES)),
    "a word for total in other rows": sales("total,3,45").replace("south", "total"),
    "a total without a target, which is dropped": sales(f"Summe,{N * 4},"),
}


@pytest.mark.parametrize("what", ORDINARY)
def test_ordinary_rows_give_no_warning(write, what):
    found = warnings(write(ORDINARY[what]))
    assert {"SB205", "SB207", "SB208"} & set(found) == (
        {"SB205"} if "dropped" in what else set()
    )


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "word",
    "Total|SUM|Summe:|Gesamt|Insgesamt|Total general|Grand total|Durchschnitt".split(
        "|"
    ),
)
def test_last_rows_named_total_give_a_warning(write, word):
    found = warnings(write(sales(f"{word},5,50")))["SB208"]
    assert f"'{word}' in column 'region'" in found["message"]
    assert found["rows"] == [f"line {N + 2}"]
    found = warnings(write(sales(f"{word},5,50", "Mittelwert,5,50")))["SB208"]
    assert (found["count"], found["rows"]) == (2, [f"line {N + 2}", f"line {N + 3}"])


def in_order(rng, n=300):
    """Features and targets of tables whose rows are in some order, by what it is."""
    steps = rng.normal(size=(n, 5))
    walks, level = steps.cumsum(axis=0), lfilter([1.0], [1.0, -0.8], steps[:, 4])
    signal = steps[:, 0] + steps[:, 1] ** 2 + rng.normal(size=n)
    coarse = np.round(2 * steps[:, :4])
    by_two = np.lexsort((coarse[:, 1], coarse[:, 0]))
    labels, by_feature = np.where(signal > 1, "b", "a"), np.argsort(steps[:, 0])
    return {
        "random walks": (walks[:, :4], walks[:, 4]),
        "classes of random walks": (
            walks[:, :4],
            np.where(walks[:, 4] > np.median(walks[:, 4]), "b", "a"),
        ),
        "AR(0.8) beside independent features": (steps[:, :4], level),
        "classes of AR(0.8)": (steps[:, :4], np.where(level > 0, "b", "a")),
        "independent": (steps[:, :4], signal),
        "rare class": (steps[:, :4], np.where(signal > np.sort(signal)[-15], "b", "a")),
        "sorted by class": (steps[:, :4][np.argsort(labels)], np.sort(labels)),
        "sorted by many classes": (
            steps[:, :4],
            [f"c{row * 20 // n:02}" for row in range(n)],
        ),
        "sorted by the target": (steps[:, :4][np.argsort(signal)], np.sort(signal)),
        "sorted by a feature": (steps[by_feature, :4], signal[by_feature]),
        "sorted by two features": (coarse[by_two], signal[by_two]),
        "classes sorted by a feature": (steps[by_feature, :4], labels[by_feature]),
    }


@pytest.mark.slow
def test_targets_alike_in_neighbouring_rows_are_warned_of_unless_sorting_explains_them():
    alike = {
        "random walks",
        "classes of random walks",
        "AR(0.8) beside independent features",
        "classes of AR(0.8)",
    }
    rng = np.random.default_rng(3)
    for n in (300, 300, 300, 1000, 1000, 1000):
        tables = {
            kind: table_from_arrays(*table) for kind, table in in_order(rng, n).items()
        }
        assert {
            kind
            for kind, one in tables.items()
            if any(note.code == "SB209" for note in one.notes)
        } == alike


def test_a_table_split_by_time_or_by_groups_of_neighbours_is_not_warned_of_their_order():
    X, _ = in_order(np.random.default_rng(0))["independent"]
    # of five rows each, one site after the other
    level = np.repeat(np.random.default_rng(1).normal(size=60), 5)
    frame = (
        pd.DataFrame(X)
        .add_prefix("x")
        .assign(y=level + 0.1 * X[:, 0], day=np.arange(300.0) + 0.5)
    )
    frame["site"] = np.arange(300) // 5
    for roles, warns in (
        ({}, True),
        ({"time_split": "day"}, False),
        ({"group": "site"}, False),
    ):
        table = read_table(
            frame,
            target="y",
            drop=[one for one in ("day", "site") if one not in roles.values()],
            **roles,
        )
        assert ("SB209" in [note.code for note in table.notes]) == warns

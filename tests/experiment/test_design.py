"""The design for a table of a given size, by default and with options."""

import dataclasses

import numpy as np
import pytest

from seedbed.data import inner_holdout, table_from_arrays
from seedbed.errors import OptionError, TargetError
from seedbed.experiment import specify
from seedbed.experiment.plan import inner_of
from seedbed.settings import Design, Recipe


def design_of(n_rows, rare=None, **options):
    target = np.zeros(n_rows, dtype=int)
    target[: n_rows // 2 if rare is None else rare] = 1
    table = table_from_arrays(np.arange(2.0 * n_rows).reshape(-1, 2), target)
    return specify(table, "relu:3", recipe=Recipe(), design=Design(baselines=[], **options)).design


def counts(design):
    return design.kind, design.repeats, design.folds, design.seeds, design.df


@pytest.mark.parametrize(
    ("n_rows", "rare", "expected"),
    [
        (40, None, ("scores_only", 1, 10, 5, None)),
        (300, 8, ("scores_only", 1, 8, 5, None)),
        (60, None, ("cross_validation", 10, 10, 5, 9)),
        (300, None, ("cross_validation", 10, 10, 5, 9)),
        (300, 15, ("cross_validation", 10, 7, 5, 6)),
        (2500, None, ("cross_validation", 3, 10, 3, 9)),
        (25_000, None, ("cross_validation", 2, 10, 3, 9)),
        (100_001, None, ("held_out", 1, 5, 3, None)),
    ],
)
def test_the_size_of_the_table_decides(n_rows, rare, expected):
    assert counts(design_of(n_rows, rare)) == expected


@pytest.mark.parametrize(
    ("n_rows", "options", "expected"),
    [
        (300, {"repeats": 4}, ("cross_validation", 4, 10, 5, 9)),
        (300, {"folds": 5}, ("cross_validation", 10, 5, 5, 4)),
        (300, {"seeds": 1}, ("cross_validation", 10, 10, 1, 9)),
        (300, {"repeats": 2, "folds": 3, "seeds": 4}, ("cross_validation", 2, 3, 4, 2)),
        (300, {"quick": True}, ("cross_validation", 1, 10, 5, 9)),
        (300, {"quick": True, "seeds": 2}, ("cross_validation", 1, 10, 2, 9)),
        (300, {"quick": True, "repeats": 2}, ("cross_validation", 2, 10, 5, 9)),
        (40, {"seeds": 2, "folds": 4}, ("scores_only", 1, 4, 2, None)),
        (100_001, {"seeds": 7}, ("held_out", 1, 5, 7, None)),
        (100_001, {"repeats": 2}, ("cross_validation", 2, 5, 3, 4)),
        (100_001, {"folds": 10}, ("cross_validation", 1, 10, 3, 9)),
    ],
    ids=str,
)
def test_given_options_replace_the_defaults(n_rows, options, expected):
    design = design_of(n_rows, **options)
    assert counts(design) == expected
    assert design.locked_share == (0.2 if design.kind == "held_out" else 0.0)
    assert design.quick == (options.get("quick", False) and "repeats" not in options)


@pytest.mark.parametrize(
    ("n_rows", "options", "words"),
    [
        (300, {}, "300 rows: up to 10 x 10 folds x 5 seeds"),
        (300, {"seeds": 2}, "300 rows: up to 10 x 10 folds x 2 seeds, as asked for"),
        (300, {"quick": True}, "300 rows: a first look, 1 x 10 folds x 5 seeds"),
        (40, {"seeds": 2}, "40 rows are too few for a verdict (it needs 50 rows)"),
        (
            100_001,
            {"seeds": 7},
            "100001 rows: a fifth is locked away and looked at once, the rest chooses in 5 folds x 7",
        ),
    ],
    ids=str,
)
def test_the_reason_describes_the_design(n_rows, options, words):
    assert design_of(n_rows, **options).reason.startswith(words)


def test_splits_and_held_out_rows_follow_the_design():
    rng = np.random.default_rng(0)
    designs = ((40, 10, 4), (300, 100, 30), (2500, 30, 250), (25_000, 20, 2500), (100_010, 1, 20_002))
    for n_rows, n_splits, n_test in designs:
        table = table_from_arrays(rng.normal(size=(n_rows, 2)), np.arange(n_rows) % 2)
        spec = specify(table, "relu:3", recipe=Recipe(), design=Design(baselines=[]))
        splits = spec.splits()
        assert len(splits) == n_splits
        assert {len(split.test) for split in splits} == {n_test}
        assert all((np.diff(split.train) > 0).all() and (np.diff(split.test) > 0).all() for split in splits)


def test_impossible_designs_are_refused():
    with pytest.raises(TargetError, match="Too few rows: 1 outside the largest class"):
        design_of(100, rare=1)
    with pytest.raises(OptionError, match="seeds is 0"):
        design_of(300, seeds=0)
    with pytest.raises(OptionError, match="repeats is 0"):
        design_of(25_000, repeats=0)


def spec_of(n_rows, options=None, **fields):
    """A function that makes an experiment on a table with groups or times."""
    rng = np.random.default_rng(0)
    table = table_from_arrays(rng.normal(size=(n_rows, 2)), np.arange(n_rows) % 2)
    fields["grouped_by"] = "patient" if fields.pop("named", False) else ""
    return specify(
        dataclasses.replace(table, **fields), "relu:3", recipe=Recipe(), design=Design(baselines=[], **(options or {}))
    )


@pytest.mark.parametrize(
    ("n_rows", "n_groups", "named", "expected"),
    [
        (300, 19, True, ("scores_only", 1, 9, 5, None)),
        (300, 20, True, ("cross_validation", 10, 10, 5, 9)),
        (300, 19, False, ("cross_validation", 10, 10, 5, 9)),
        (100_001, 900, True, ("cross_validation", 1, 10, 3, 9)),
        (100_001, 900, False, ("held_out", 1, 5, 3, None)),
    ],
)
def test_a_group_column_counts_its_groups_but_equal_rows_do_not(n_rows, n_groups, named, expected):
    assert counts(spec_of(n_rows, groups=np.arange(n_rows) // 3 % n_groups, named=named).design) == expected


@pytest.mark.parametrize(
    ("n_rows", "options", "n_splits", "n_inner"),
    [(40, {}, 10, 5), (120, {}, 100, 5), (100_500, {}, 1, 15)],
    ids=str,
)
def test_neither_outer_nor_inner_splits_divide_a_group(n_rows, options, n_splits, n_inner):
    groups = np.random.default_rng(1).integers(0, n_rows // 3, n_rows)
    spec = spec_of(n_rows, options, groups=groups)
    splits = spec.splits()
    inner = inner_of(spec, splits)
    assert (len(splits), {len(parts) for parts in inner}) == (n_splits, {n_inner})
    for split, parts in zip(splits, inner, strict=True):
        assert not set(groups[split.train]) & set(groups[split.test])
        for part in parts:
            assert sorted([*part.train, *part.test]) == split.train.tolist()
            assert not set(groups[part.train]) & set(groups[part.test])


@pytest.mark.parametrize(
    ("n_rows", "options", "expected"),
    [
        (300, {}, ("held_out", 1, 5, 5, None)),
        (25_000, {}, ("held_out", 1, 5, 3, None)),
        (40, {}, ("scores_only", 1, 5, 5, None)),
        (300, {"folds": 3, "seeds": 2}, ("held_out", 1, 3, 2, None)),
        (300, {"repeats": 1}, ("held_out", 1, 5, 5, None)),
        (40, {"folds": 2}, ("scores_only", 1, 2, 5, None)),
        (300, {"quick": True}, ("held_out", 1, 5, 3, None)),
    ],
    ids=str,
)
def test_with_times_the_latest_fifth_is_held_out_and_given_folds_choose(n_rows, options, expected):
    times = np.random.default_rng(1).permutation(n_rows).astype(float)
    spec = spec_of(n_rows, options, times=times)
    assert counts(spec.design) == expected
    assert "since rows are split by time" in spec.design.reason
    (split,) = spec.splits()
    assert split.test.tolist() == np.flatnonzero(times >= n_rows * 0.8).tolist()
    (inner,) = inner_of(spec, (split,))
    assert len(inner) == min(expected[2], max(1, len(split.train) // 20))
    assert [part.fold for part in inner] == list(range(len(inner)))
    for part in inner:
        assert times[part.train].max() < times[part.test].min()
        assert set(part.train) | set(part.test) <= set(split.train)


def test_the_reason_of_a_split_by_time_names_options_and_dropped_rows():
    times = np.arange(300.0)
    assert spec_of(300, {"folds": 3}, times=times).design.reason.endswith(
        "; chosen by up to 3 folds x 5 seeds, as asked for"
    )
    groups = np.append(np.arange(299), 7)
    spec = spec_of(300, groups=groups, times=times)
    assert spec.design.reason.endswith("since rows are split by time; 1 earlier row of its groups can't be trained on")
    assert 7 not in spec.splits()[0].train


def test_windows_by_time_do_not_divide_groups():
    times, groups = np.arange(300.0), np.append(np.arange(200) // 2, np.arange(100, 200))
    groups[130:140] = groups[100:110]
    spec = spec_of(300, groups=groups, times=times)
    splits = spec.splits()
    (inner,) = inner_of(spec, splits)
    assert len(inner) == 5
    for part in (*splits, *inner):
        assert not set(groups[part.train]) & set(groups[part.test])


def test_designs_that_times_make_impossible_are_refused():
    times = np.arange(300.0)
    with pytest.raises(OptionError, match="repeats is 2, but rows can be split by time in one way only"):
        spec_of(300, {"repeats": 2}, times=times)
    with pytest.raises(OptionError, match="repeats is 0"):
        spec_of(300, {"repeats": 0}, times=times)
    of_one_class = np.arange(300) % 2 * 1000.0  # class 1 comes after class 0
    with pytest.raises(TargetError, match="all 150 rows to train on are of the class with code 0"):
        spec_of(300, times=of_one_class).splits()


def test_training_rows_of_one_time_are_divided_at_random():
    times = np.where(np.arange(300) < 200, 1.0, 2.0)
    spec = spec_of(300, times=times)
    splits = spec.splits()
    ((only,),) = inner_of(spec, splits)
    assert splits[0].train.tolist() == list(range(200))
    assert sorted([*only.train, *only.test]) == splits[0].train.tolist()
    assert len(only.test) == 40


def test_without_groups_and_times_inner_splits_equal_scikit_learns():
    spec = spec_of(300)
    splits = spec.splits()
    same = spec_of(300, groups=np.arange(300)[::-1])
    assert [one.test.tolist() for one in splits] == [one.test.tolist() for one in same.splits()]
    expected = [[part.test.tolist() for part in parts] for parts in inner_of(spec, splits[:3])]
    assert [[part.test.tolist() for part in parts] for parts in inner_of(same, splits[:3])] == expected
    assert inner_holdout(spec.table.target, splits[0].train)[1].tolist() not in expected[0]  # other random states


@pytest.mark.parametrize(("n_rare", "expected"), [(1, "cross_validation"), (5, "cross_validation")])
def test_a_tiny_class_among_several_does_not_prevent_verdicts(n_rare, expected):
    table = table_from_arrays(np.arange(600.0).reshape(-1, 2), np.arange(300) % 2)
    target = np.arange(300) % 2
    target[:n_rare] = 2
    table = dataclasses.replace(table, target=target, labels=("a", "b", "c"), task="multiclass")
    spec = specify(table, "relu:3", recipe=Recipe(), design=Design(baselines=[]))
    assert spec.design.kind == expected
    assert {len(split.test) for split in spec.splits()} == {30}


def test_a_regression_has_no_rare_class():
    table = table_from_arrays(np.arange(600.0).reshape(-1, 2), np.arange(300) % 2)
    table = dataclasses.replace(table, target=np.arange(300.0) ** 2, labels=(), task="regression")
    spec = specify(table, "relu:3", recipe=Recipe(), design=Design(baselines=[]))
    assert counts(spec.design) == ("cross_validation", 10, 10, 5, 9)
    assert len(inner_of(spec, spec.splits())) == 100

"""Rows of a group never lie on both sides, and what can be even is even."""

import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from seedbed.data import holdout, inner_holdout, repeated_folds
from seedbed.data.group_folds import group_rows
from seedbed.errors import OptionError, TargetError


@st.composite
def grouped(draw):
    """A target of classes or numbers, and groups, a few of them large."""
    n = draw(st.integers(12, 80))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    target = rng.integers(0, draw(st.integers(2, 5)), n)
    target[:4] = 0, 0, 1, 1
    groups = rng.integers(0, draw(st.integers(2, n)), n)
    groups[:4] = 100, 101, 102, 103  # two groups of either class
    groups[4 : 4 + draw(st.integers(0, n // 2))] = 104
    return (target if draw(st.booleans()) else target + rng.random(n)), groups


def sizes_and_shares(target, splits):
    sizes = np.array([len(split.test) for split in splits])
    return sizes, np.array([np.bincount(target[split.test], minlength=target.max() + 1) for split in splits])


@given(grouped(), st.integers(2, 4), st.integers(0, 99))
def test_all_rows_are_tested_once_a_repeat_and_no_group_is_parted(table, folds, state):
    target, groups = table
    try:
        splits = repeated_folds(target, repeats=2, folds=folds, random_state=state, groups=groups)
    except TargetError:  # the classes, not the groups
        assume(False)
    for repeat in range(2):
        own = [split for split in splits if split.repeat == repeat]
        assert sorted(np.concatenate([split.test for split in own])) == list(range(len(target)))
        assert [split.fold for split in own] == list(range(folds))
    for split in splits:
        assert len(split.test)
        assert sorted([*split.train, *split.test]) == list(range(len(target)))
        assert not set(groups[split.train]) & set(groups[split.test])


@given(grouped(), st.floats(0.1, 0.6), st.integers(0, 99))
def test_holdouts_part_no_group_either(table, test_size, state):
    target, groups = table
    try:
        split = holdout(target, test_size=test_size, random_state=state, groups=groups)
    except TargetError:
        assume(False)
    rows = np.flatnonzero(np.arange(len(target)) % 3 > 0)
    inner = inner_holdout(target, rows, test_size=test_size, random_state=state, groups=groups)
    for (train, test), every in (((split.train, split.test), np.arange(len(target))), (inner, rows)):
        assert sorted([*train, *test]) == every.tolist()
        assert len(train)
        assert len(test)
        assert not set(groups[train]) & set(groups[test])


def test_the_same_state_deals_the_same_and_another_deals_anew():
    rng = np.random.default_rng(3)
    target, groups = rng.integers(0, 2, 200), rng.integers(0, 90, 200)

    def dealt(state):
        folds = repeated_folds(target, repeats=2, folds=5, random_state=state, groups=groups)
        one = holdout(target, random_state=state, groups=groups)
        inner = inner_holdout(target, np.arange(150), random_state=state, groups=groups)
        return [split.test.tolist() for split in (*folds, one)] + [inner[1].tolist()]

    assert dealt(7) == dealt(7)
    for mine, other in zip(dealt(7), dealt(8), strict=True):
        assert mine != other
    assert dealt(7)[:5] != dealt(7)[5:10]


def test_single_rows_are_dealt_as_without_groups():
    target = np.array([0] * 70 + [1] * 30)

    def dealt(groups):
        splits = repeated_folds(target, repeats=1, folds=10, random_state=4, groups=groups)
        one = holdout(target, random_state=4, groups=groups)
        inner = inner_holdout(target, np.arange(90), random_state=4, groups=groups)
        return [split.test.tolist() for split in (*splits, one)] + [inner[1].tolist()]

    assert dealt(np.random.default_rng(0).permutation(100)) == dealt(None)


@pytest.mark.parametrize("n_classes", [1, 2, 7])
def test_many_small_groups_make_even_folds_with_even_shares(n_classes):
    rng = np.random.default_rng(n_classes)
    groups = rng.integers(0, 900, 2000)
    target = rng.choice(n_classes, size=2000, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    values = target if n_classes > 1 else target + rng.random(2000)
    splits = repeated_folds(values, repeats=2, folds=10, random_state=0, groups=groups)
    for repeat in range(2):
        sizes, shares = sizes_and_shares(target, splits[10 * repeat : 10 * repeat + 10])
        assert np.ptp(shares, axis=0).max() <= 2
        assert np.ptp(sizes) <= 3


def test_folds_are_more_even_than_scikit_learns():
    spreads = np.zeros((2, 3))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(120), rng.integers(1, 12, 120))
        target = (rng.random(len(groups)) < rng.beta(1, 3, 120)[groups]).astype(np.int64)  # groups differ in shares
        mine = [split.test for split in repeated_folds(target, repeats=1, folds=8, random_state=0, groups=groups)]
        theirs = StratifiedGroupKFold(8, shuffle=True, random_state=0).split(target, target, groups)
        for place, tests in enumerate((mine, [test for _, test in theirs])):
            counts = np.array([np.bincount(target[test]) for test in tests])
            spreads[place] += *counts.std(axis=0), counts.sum(axis=1).std()
    assert (spreads[0] < 0.6 * spreads[1]).all()


def test_a_group_larger_than_a_fold_fills_one_and_single_rows_fill_the_others():
    target = np.arange(100) % 2
    groups = np.where(np.arange(100) < 40, -1, np.arange(100))
    splits = repeated_folds(target, repeats=3, folds=5, random_state=0, groups=groups)
    for repeat in range(3):
        sizes, shares = sizes_and_shares(target, splits[5 * repeat : 5 * repeat + 5])
        assert sorted(sizes) == [15, 15, 15, 15, 40]
        assert (np.abs(shares[:, 0] - shares[:, 1]) <= 1).all()


@pytest.mark.parametrize("sizes", [(50, 1, 1, 1), (1, 1, 1, 1), (30, 20, 10, 1), (9, 9, 9, 9)], ids=str)
def test_no_fold_is_empty_where_there_are_as_many_groups(sizes):
    groups = np.repeat(np.arange(4), sizes)
    target = np.random.default_rng(0).normal(size=len(groups))
    splits = repeated_folds(target, repeats=5, folds=4, random_state=0, groups=groups)
    assert all(len(np.unique(groups[split.test])) == 1 for split in splits)


def test_a_holdout_takes_groups_of_all_sizes_and_meets_its_share():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(100), np.arange(1, 101))
    target = rng.integers(0, 2, len(groups))
    for state in range(5):
        split = holdout(target, test_size=0.2, random_state=state, groups=groups)
        assert abs(len(split.test) / len(groups) - 0.2) < 0.01
        assert abs(target[split.test].mean() - target.mean()) < 0.02
        assert 12 <= len(np.unique(groups[split.test])) <= 28  # neither a few large ones nor all the small ones


def test_a_side_without_a_group_gets_the_smallest():
    groups = np.repeat([0, 1, 2], [50, 40, 45])
    split = holdout(np.arange(135.0), test_size=0.05, groups=groups)
    assert np.unique(groups[split.test]).tolist() == [1]


def test_too_few_groups_are_counted():
    target, groups = np.arange(40) % 2, np.arange(40) % 3
    with pytest.raises(OptionError, match=r"40 rows form 3 group\(s\), too few for 5 parts .* at most 3 folds"):
        repeated_folds(target, repeats=1, folds=5, random_state=0, groups=groups)
    with pytest.raises(OptionError, match=r"form 1 group\(s\)"):
        holdout(target, groups=groups * 0)
    with pytest.raises(OptionError, match=r"the 20 rows form 1 group\(s\)"):
        inner_holdout(target, np.arange(20), groups=np.arange(40) // 20)


def test_a_class_that_lies_in_one_group_leaves_training_without_it():
    target = np.array([0] * 30 + [1] * 10)
    groups = np.where(target == 1, 99, np.arange(40))
    with pytest.raises(TargetError, match=r"all \d+ rows to train on are of the class with code 0"):
        repeated_folds(target, repeats=1, folds=5, random_state=0, groups=groups)
    with pytest.raises(TargetError, match=r"all \d+ rows to train on are of the class with code 0"):
        holdout(target, test_size=0.8, groups=groups)
    assert target[holdout(target, groups=groups).train].any()


@pytest.mark.parametrize(("n_groups", "n_classes"), [(230_000, 2), (16_000, 7), (100, 2)])
def test_fifty_thousand_rows_are_dealt_in_well_under_a_second(n_groups, n_classes):
    rng = np.random.default_rng(0)
    groups, target = rng.integers(0, n_groups, 50_000), rng.integers(0, n_classes, 50_000)
    start = time.process_time()
    splits = repeated_folds(target, repeats=1, folds=10, random_state=0, groups=groups)
    assert time.process_time() - start < 1
    sizes, shares = sizes_and_shares(target, splits)
    assert np.ptp(sizes) <= max(7, 50_000 // n_groups)
    assert (shares > 0).all()


def test_the_order_of_the_table_decides_nothing():
    groups, target = np.arange(600) // 2, np.arange(600) // 2 % 2
    splits = repeated_folds(target, repeats=1, folds=3, random_state=0, groups=groups)
    assert all(abs(split.test.mean() - 299.5) < 50 for split in splits)
    assert abs(holdout(target, random_state=0, groups=groups).test.mean() - 299.5) < 50


def test_kinds_hold_every_group_once():
    rng = np.random.default_rng(0)
    codes, groups = rng.integers(0, 3, 300), rng.integers(0, 120, 300)
    grouped = group_rows(codes, groups)
    assert sorted(grouped.members) == list(range(grouped.n_groups))
    for kind in range(len(grouped.counts)):
        for group in grouped.members[grouped.first[kind] : grouped.first[kind + 1]]:
            own = codes[grouped.group == group]
            assert grouped.counts[kind].tolist() == [*np.bincount(own, minlength=3), len(own)]

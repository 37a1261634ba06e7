"""Splits are scikit-learn's, so that anybody can deal the same rows."""

import numpy as np
import pytest
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split

from seedbed.data import fold_pairs, holdout, inner_holdout, read_table, repeated_folds
from seedbed.errors import OptionError, TargetError

TARGET = np.array([0] * 70 + [1] * 30)


@pytest.mark.parametrize(("test_size", "random_state"), [(0.2, 0), (0.33, 7), (0.02, 1), (0.5, 42)])
def test_the_holdout_is_scikit_learns_rows_in_its_order(test_size, random_state):
    split = holdout(TARGET, test_size=test_size, random_state=random_state)
    train, test = train_test_split(np.arange(100), test_size=test_size, random_state=random_state, stratify=TARGET)
    assert split.train.tolist() == train.tolist()
    assert split.test.tolist() == test.tolist()
    assert (split.repeat, split.fold, split.train.dtype) == (0, 0, np.int64)


def test_heart_failure_is_dealt_239_to_60(real_table):
    table = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT")
    split = holdout(table.target)
    assert (len(split.train), len(split.test)) == (239, 60)
    assert table.target[split.test].sum() == 19


def test_folds_are_scikit_learns_sorted_and_each_row_tests_once_a_repeat():
    splits = repeated_folds(TARGET, repeats=3, folds=5, random_state=11)
    theirs = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=11).split(TARGET, TARGET)
    assert [(s.repeat, s.fold) for s in splits] == [(r, f) for r in range(3) for f in range(5)]
    for mine, (train, test) in zip(splits, theirs, strict=True):
        assert mine.train.tolist() == sorted(train)
        assert mine.test.tolist() == sorted(test)
        assert TARGET[mine.test].sum() == 6
    for repeat in range(3):
        tested = np.concatenate([s.test for s in splits if s.repeat == repeat])
        assert sorted(tested) == list(range(100))


def test_repeats_deal_anew_and_rows_cannot_be_changed():
    first, second = (s for s in repeated_folds(TARGET, repeats=2, folds=2, random_state=0) if s.fold == 0)
    assert first.test.tolist() != second.test.tolist()
    with pytest.raises(ValueError, match="read-only"):
        first.train[0] = 5


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.2, 20, float("nan"), 0.001, 0.999])
def test_a_test_size_that_leaves_no_test_or_no_training_is_refused(test_size):
    with pytest.raises(OptionError, match="test_size"):
        holdout(TARGET, test_size=test_size)


def test_folds_repeats_and_seeds_out_of_range_are_refused():
    with pytest.raises(OptionError, match="folds is 1"):
        repeated_folds(TARGET, repeats=1, folds=1, random_state=0)
    with pytest.raises(OptionError, match="repeats is 0"):
        repeated_folds(TARGET, repeats=0, folds=5, random_state=0)
    with pytest.raises(OptionError, match="random_state is -1"):
        holdout(TARGET, random_state=-1)


def test_too_few_rows_outside_the_largest_class_are_counted_with_advice():
    target = np.array([0] * 20 + [1] * 3)
    with pytest.raises(TargetError, match=r"3 of 23 rows lie outside the largest class; at least 5 .*\(at most 3\)"):
        repeated_folds(target, repeats=1, folds=5, random_state=0)
    assert len(repeated_folds(target, repeats=1, folds=3, random_state=0)) == 3
    with pytest.raises(TargetError, match="1 of 21 rows lie outside the largest class"):
        holdout(target[:21])
    with pytest.raises(TargetError, match="1 class"):
        holdout(target[:20])


@pytest.mark.parametrize(
    "counts", [(40, 30, 4, 1), (1, 50, 1, 1, 1, 1), (6,) * 5, (5, 6), (9, 1, 9), (1, 7, 1)], ids=str
)
def test_a_rare_class_is_dealt_over_the_folds_as_evenly_as_can_be(counts):
    target = np.repeat(np.arange(len(counts)) * 3, counts)  # codes may have gaps
    folds = min(7, sum(counts) - max(counts))
    splits = repeated_folds(target, repeats=3, folds=folds, random_state=2)
    for repeat in range(3):
        own = [split for split in splits if split.repeat == repeat]
        assert sorted(np.concatenate([split.test for split in own])) == list(range(len(target)))
        shares = np.array([[(target[split.test] == code).sum() for code in np.unique(target)] for split in own])
        assert np.ptp(shares, axis=0).max() <= 1
        assert np.ptp(shares.sum(axis=1)) <= 1
    assert splits[0].test.tolist() != splits[folds].test.tolist()


@pytest.mark.parametrize(
    ("counts", "test_size"), [((30, 20, 1), 0.2), ((9, 9, 9, 9, 9, 9), 0.1), ((40, 1, 1), 0.3)], ids=str
)
def test_a_holdout_of_rare_classes_is_exact_in_size_and_fair_to_each(counts, test_size):
    target = np.repeat(np.arange(len(counts)), counts)
    for state in range(20):
        split = holdout(target, test_size=test_size, random_state=state)
        assert sorted([*split.train, *split.test]) == list(range(len(target)))
        assert len(split.test) == np.ceil(test_size * len(target))
        expected = np.array(counts) * len(split.test) / len(target)
        assert (np.abs(np.bincount(target[split.test], minlength=len(counts)) - expected) < 1).all()


def test_a_row_alone_in_its_class_is_tested_as_often_as_others():
    target = np.array([0] * 30 + [1] * 20 + [2])
    tested = [50 in holdout(target, random_state=state).test for state in range(300)]
    assert 0.14 < np.mean(tested) < 0.3  # 11 of 51 rows


def test_numbers_are_dealt_by_scikit_learns_plain_splitters():
    target = np.random.default_rng(0).normal(size=53)
    theirs = RepeatedKFold(n_splits=4, n_repeats=2, random_state=9).split(target)
    mine = repeated_folds(target, repeats=2, folds=4, random_state=9)
    assert [(s.train.tolist(), s.test.tolist()) for s in mine] == [(a.tolist(), b.tolist()) for a, b in theirs]
    split = holdout(target, test_size=0.3, random_state=5)
    train, test = train_test_split(np.arange(53), test_size=0.3, random_state=5)
    assert [split.train.tolist(), split.test.tolist()] == [train.tolist(), test.tolist()]
    rows = np.arange(10, 40)
    inner = train_test_split(rows, test_size=0.2, random_state=1)
    assert [part.tolist() for part in inner_holdout(target, rows, random_state=1)] == [sorted(part) for part in inner]


def test_too_few_numbers_for_the_folds_are_refused():
    with pytest.raises(OptionError, match="3 rows can't be dealt over 4 folds"):
        repeated_folds(np.arange(3.0), repeats=1, folds=4, random_state=0)
    with pytest.raises(OptionError, match="leaves 0 rows to train on and 1 to test on"):
        holdout(np.ones(1))


def test_an_inner_holdout_divides_the_given_rows_alone_stratified_and_sorted():
    rows = np.arange(0, 100, 2)  # 35 and 15 of the two classes
    train, rest = inner_holdout(TARGET, rows, random_state=3)
    expected = train_test_split(rows, test_size=0.2, random_state=3, stratify=TARGET[rows])
    assert [train.tolist(), rest.tolist()] == [sorted(part) for part in expected]
    assert sorted([*train, *rest]) == rows.tolist()
    assert (len(rest), TARGET[rest].sum()) == (10, 3)
    assert inner_holdout(TARGET, rows, random_state=4)[1].tolist() != rest.tolist()


@pytest.mark.parametrize(("n", "m"), [(20, 1), (3, 2), (2, 2), (20, 0)], ids=str)
def test_an_inner_holdout_of_a_class_too_small_to_be_stratified_is_still_made(n, m):
    target = np.array([0] * n + [1] * m)
    train, rest = inner_holdout(target, np.arange(n + m), random_state=0)
    assert sorted([*train, *rest]) == list(range(n + m))
    assert len(rest) == -(-(n + m) // 5)


def test_a_pair_of_folds_tests_both_and_trains_on_the_rest():
    splits = repeated_folds(TARGET, repeats=2, folds=4, random_state=5)
    pairs = fold_pairs(splits)
    every = [(repeat, one, other) for repeat in range(2) for one in range(4) for other in range(one + 1, 4)]
    assert [(split.repeat, one, other) for one, other, split in pairs] == every
    for one, other, split in pairs:
        both = np.concatenate([splits[split.repeat * 4 + fold].test for fold in (one, other)])
        assert split.test.tolist() == sorted(both)
        assert split.train.tolist() == sorted(set(range(100)) - set(both))

"""Splits are scikit-learn's, so that anybody can deal the same rows."""

import numpy as np
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

from seedbed.data import holdout, read_table, repeated_folds
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


def test_a_class_smaller_than_the_folds_is_named_with_advice():
    target = np.array([0] * 20 + [1] * 3)
    with pytest.raises(TargetError, match=r"class with code 1 has 3 of 23 rows; at least 5 .*at most 3"):
        repeated_folds(target, repeats=1, folds=5, random_state=0)
    assert len(repeated_folds(target, repeats=1, folds=3, random_state=0)) == 3
    with pytest.raises(TargetError, match="class with code 1 has 1 of 21 rows"):
        holdout(target[:21])

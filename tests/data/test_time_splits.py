"""The past trains, what follows is tested."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data.splits import time_folds, time_holdout
from seedbed.errors import OptionError


@st.composite
def timed(draw):
    """Times, many of them equal, and groups or none."""
    n = draw(st.integers(4, 90))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    times = rng.integers(0, draw(st.integers(1, 2 * n)), n) * 0.5 - 3
    return times, (rng.integers(0, draw(st.integers(1, n)), n) if draw(st.booleans()) else None)


def test_the_latest_fifth_is_tested_in_the_order_of_the_table():
    times = np.random.default_rng(0).permutation(50).astype(float)
    split = time_holdout(times)
    assert (split.repeat, split.fold, split.train.dtype, split.test.dtype) == (0, 0, np.int64, np.int64)
    assert split.test.tolist() == np.flatnonzero(times >= 40).tolist()
    assert split.train.tolist() == np.flatnonzero(times < 40).tolist()


@given(timed(), st.floats(0.05, 0.9))
def test_all_that_is_tested_is_later_than_all_that_trains(table, test_size):
    times, groups = table
    try:
        split = time_holdout(times, test_size=test_size, groups=groups)
    except OptionError:
        assert groups is not None or len(set(times)) == 1
        return
    assert times[split.train].max() < times[split.test].min()
    left_out = np.setdiff1d(np.arange(len(times)), [*split.train, *split.test])
    if groups is None:
        assert len(left_out) == 0
    else:
        assert not set(groups[split.train]) & set(groups[split.test])
        assert set(groups[left_out]) <= set(groups[split.test])
        assert (times[left_out] < times[split.test].min()).all()


@given(timed(), st.integers(1, 6))
def test_windows_expand_and_look_at_what_follows(table, folds):
    times, groups = table
    rows = np.flatnonzero(np.arange(len(times)) % 4 > 0)
    windows = time_folds(times, rows, folds=folds, groups=groups)
    assert len(windows) <= folds
    assert groups is not None or (len(windows) > 0) == (len(set(times[rows])) > 1)
    for train, block in windows:
        assert set(train) | set(block) <= set(rows)
        assert (np.diff(train) > 0).all()
        assert (np.diff(block) > 0).all()
        assert times[train].max() < times[block].min()
        assert groups is None or not set(groups[train]) & set(groups[block])
    blocks = np.concatenate([block for _, block in windows] or [[]])
    assert len(set(blocks)) == len(blocks)
    if groups is None:
        for (train, block), (longer, _) in itertools.pairwise(windows):
            assert sorted([*train, *block]) == longer.tolist()


def test_windows_begin_with_half_of_the_rows_and_end_with_the_last():
    rows = np.arange(300, 100, -1)
    windows = time_folds(np.arange(400.0), np.sort(rows), folds=5)
    assert [(len(train), len(block)) for train, block in windows] == [(n, 20) for n in (100, 120, 140, 160, 180)]
    assert windows[0][0][0] == 101
    assert windows[-1][1][-1] == 300


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (12, 1), (39, 1), (40, 2), (60, 3), (500, 5)])
def test_few_rows_make_fewer_windows_but_one(n, expected):
    windows = time_folds(np.arange(float(n)), np.arange(n), folds=5)
    assert len(windows) == expected
    assert all(len(block) >= min(10, n // 2) for _, block in windows)


@pytest.mark.parametrize(
    ("times", "n_test"),
    [
        ([0, 1, 2, 3, 4, 4, 4, 5, 5, 5], 3),  # five is nearest to the two that were wanted
        ([0, 1, 2, 3, 4, 5, 6, 9, 9, 9], 3),
        ([0, 1, 2, 3, 4, 5, 9, 9, 9, 10], 1),
        ([0, 9, 9, 9, 9, 9, 9, 9, 9, 9], 9),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 1),
    ],
    ids=str,
)
def test_the_cut_is_the_nearest_that_parts_no_equal_times(times, n_test):
    assert len(time_holdout(np.array(times, dtype=float)).test) == n_test


def test_rows_of_groups_that_are_tested_are_left_out_of_training():
    groups = np.array([0, 1, 2, 3, 4, 5, 6, 7, 1, 2])
    split = time_holdout(np.arange(10.0), groups=groups)
    assert split.test.tolist() == [8, 9]
    assert split.train.tolist() == [0, 3, 4, 5, 6, 7]


def test_what_has_no_past_is_refused():
    with pytest.raises(OptionError, match="all 10 rows have the same time"):
        time_holdout(np.full(10, 3.0))
    with pytest.raises(OptionError, match="each of the 8 earlier rows is of a group with rows among the latest 2"):
        time_holdout(np.arange(10.0), groups=np.arange(10) % 2)
    for test_size in (0.0, 1.0, float("nan")):
        with pytest.raises(OptionError, match="test_size"):
            time_holdout(np.arange(10.0), test_size=test_size)
    assert time_folds(np.full(10, 3.0), np.arange(10), folds=5) == ()

"""Splits: every row is tested once per repeat, groups stay together, the past trains; samples are
stratified."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import (
    RepeatedKFold,
    RepeatedStratifiedKFold,
    train_test_split,
)

from seedbed.data.splits import (
    holdout,
    repeated_folds,
    sample_rows,
    time_folds,
    time_holdout,
)
from seedbed.errors import OptionError, TargetError

# Splits equal scikit-learn's, so that they can be reproduced elsewhere


TARGET = np.array([0] * 70 + [1] * 30)


@given(
    st.lists(st.integers(0, 4), min_size=20, max_size=90),
    st.sampled_from([0.1, 0.2, 0.33]),
    st.integers(0, 2**32 - 1),
)
def test_splits_equal_scikit_learns_rows_in_same_order(codes, test_size, random_state):
    target = np.array(codes) * 2  # codes may have gaps
    counts = np.unique(target, return_counts=True)[1]
    assume(
        len(counts) > 1 and counts.min() >= 5 and test_size * len(codes) >= len(counts)
    )
    split = holdout(target, test_size=test_size, random_state=random_state)
    options = dict(random_state=random_state, stratify=target)
    wanted = train_test_split(np.arange(len(codes)), test_size=test_size, **options)
    assert [split.train.tolist(), split.test.tolist()] == [
        part.tolist() for part in wanted
    ]
    assert (split.repeat, split.fold, split.train.dtype) == (0, 0, np.int64)
    theirs = RepeatedStratifiedKFold(
        n_splits=5, n_repeats=2, random_state=random_state
    ).split(target, target)
    mine = repeated_folds(target, repeats=2, folds=5, random_state=random_state)
    assert [(one.train.tolist(), one.test.tolist()) for one in mine] == [
        (a.tolist(), b.tolist()) for a, b in theirs
    ]


SIZES = [0.0, 1.0, -0.2, 20, float("nan"), 0.001, 0.999]
WRONG = [
    (lambda size=size: holdout(TARGET, test_size=size), "test_size") for size in SIZES
]
WRONG += [
    (lambda size=size: time_holdout(np.arange(10.0), test_size=size), "test_size")
    for size in (0.0, 1.0, SIZES[4])
]
WRONG += [
    (lambda: repeated_folds(TARGET, repeats=1, folds=1, random_state=0), "folds is 1"),
    (
        lambda: repeated_folds(TARGET, repeats=0, folds=5, random_state=0),
        "repeats is 0",
    ),
    (lambda: holdout(TARGET, random_state=-1), "random_state is -1"),
    (
        lambda: repeated_folds(np.arange(3.0), repeats=1, folds=4, random_state=0),
        "3 rows can't be divided",
    ),
    (lambda: holdout(np.ones(1)), "leaves 0 rows to train on and 1 to test on"),
    (
        lambda: repeated_folds(
            np.arange(40) % 2,
            repeats=1,
            folds=5,
            random_state=0,
            groups=np.arange(40) % 3,
        ),
        r"40 rows form 3 groups, too few for 5 parts .* at most 3 folds",
    ),
    (lambda: holdout(np.arange(40) % 2, groups=np.zeros(40, int)), "form 1 group"),
    (lambda: time_holdout(np.full(10, 3.0)), "all 10 rows have the same time"),
    (
        lambda: time_holdout(np.arange(10.0), groups=np.arange(10) % 2),
        "each of the 8 earlier rows is of a group with rows among the latest 2",
    ),
]


@pytest.mark.parametrize(("split", "message"), WRONG, ids=range(len(WRONG)))
def test_options_that_leave_side_empty_or_are_out_of_range_are_refused(split, message):
    with pytest.raises(OptionError, match=message):
        split()


def test_too_few_rows_outside_the_largest_class_are_refused_with_advice():
    target = np.array([0] * 20 + [1] * 3)
    message = r"3 of 23 rows lie outside the largest class; at least 5 .*\(at most 3\)"
    with pytest.raises(TargetError, match=message):
        repeated_folds(target, repeats=1, folds=5, random_state=0)
    assert len(repeated_folds(target, repeats=1, folds=3, random_state=0)) == 3
    with pytest.raises(TargetError, match="1 of 21 rows lie outside the largest class"):
        holdout(target[:21])
    with pytest.raises(TargetError, match="1 class"):
        holdout(target[:20])


@pytest.mark.parametrize(
    "counts",
    [(40, 30, 4, 1), (1, 50, 1, 1, 1, 1), (6,) * 5, (5, 6), (9, 1, 9), (1, 7, 1)],
    ids=str,
)
def test_a_rare_class_is_spread_evenly_over_the_folds(counts):
    target = np.repeat(np.arange(len(counts)) * 3, counts)  # codes may have gaps
    folds = min(7, sum(counts) - max(counts))
    splits = repeated_folds(target, repeats=3, folds=folds, random_state=2)
    for repeat in range(3):
        own = [split for split in splits if split.repeat == repeat]
        assert sorted(np.concatenate([split.test for split in own])) == list(
            range(len(target))
        )
        shares = np.array(
            [
                [(target[split.test] == code).sum() for code in np.unique(target)]
                for split in own
            ]
        )
        assert np.ptp(shares, axis=0).max() <= 1
        assert np.ptp(shares.sum(axis=1)) <= 1
    assert splits[0].test.tolist() != splits[folds].test.tolist()


@pytest.mark.parametrize(
    ("counts", "test_size"),
    [((30, 20, 1), 0.2), ((9, 9, 9, 9, 9, 9), 0.1), ((40, 1, 1), 0.3)],
    ids=str,
)
def test_a_holdout_of_rare_classes_has_exact_size_and_keeps_shares(counts, test_size):
    target = np.repeat(np.arange(len(counts)), counts)
    for state in range(20):
        split = holdout(target, test_size=test_size, random_state=state)
        assert sorted([*split.train, *split.test]) == list(range(len(target)))
        assert len(split.test) == np.ceil(test_size * len(target))
        expected = np.array(counts) * len(split.test) / len(target)
        assert (
            np.abs(np.bincount(target[split.test], minlength=len(counts)) - expected)
            < 1
        ).all()


def test_the_only_row_of_a_class_is_tested_as_often_as_others():
    target = np.array([0] * 30 + [1] * 20 + [2])
    tested = [50 in holdout(target, random_state=state).test for state in range(300)]
    assert 0.14 < np.mean(tested) < 0.3  # 11 of 51 rows


def test_numeric_targets_use_scikit_learns_plain_splitters():
    target = np.random.default_rng(0).normal(size=53)
    theirs = RepeatedKFold(n_splits=4, n_repeats=2, random_state=9).split(target)
    mine = repeated_folds(target, repeats=2, folds=4, random_state=9)
    assert [(s.train.tolist(), s.test.tolist()) for s in mine] == [
        (a.tolist(), b.tolist()) for a, b in theirs
    ]
    split = holdout(target, test_size=0.3, random_state=5)
    train, test = train_test_split(np.arange(53), test_size=0.3, random_state=5)
    result = [split.train.tolist(), split.test.tolist()]
    assert result == [train.tolist(), test.tolist()]


# A group is never split between both sides, and folds are as even as possible


@st.composite
def grouped(draw):
    """A target of classes or numbers, and groups, a few of which are large."""
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
    return sizes, np.array(
        [
            np.bincount(target[split.test], minlength=target.max() + 1)
            for split in splits
        ]
    )


@given(grouped(), st.integers(2, 4), st.floats(0.1, 0.6), st.integers(0, 99))
def test_all_rows_are_tested_once_per_repeat(table, folds, test_size, state):
    target, groups = table
    try:
        splits = repeated_folds(
            target, repeats=2, folds=folds, random_state=state, groups=groups
        )
        one = holdout(target, test_size=test_size, random_state=state, groups=groups)
    except TargetError:  # the classes, not the groups
        assume(False)
    for repeat in range(2):
        own = [split for split in splits if split.repeat == repeat]
        assert sorted(np.concatenate([split.test for split in own])) == list(
            range(len(target))
        )
        assert [split.fold for split in own] == list(range(folds))
    for split in (*splits, one):
        assert min(len(split.train), len(split.test)) > 0
        assert sorted([*split.train, *split.test]) == list(range(len(target)))
        assert not set(groups[split.train]) & set(groups[split.test])


def test_the_random_state_decides_the_splits_and_groups_of_single_rows_are_split_as_without_groups():
    rng = np.random.default_rng(3)
    target, groups = rng.integers(0, 2, 200), rng.integers(0, 90, 200)

    def rows_of(state, groups=groups):
        folds = repeated_folds(
            target, repeats=2, folds=5, random_state=state, groups=groups
        )
        one = holdout(target, random_state=state, groups=groups)
        with pytest.raises(ValueError, match="read-only"):
            one.train[0] = 5
        return [split.test.tolist() for split in (*folds, one)]

    assert rows_of(7) == rows_of(7)
    assert all(
        mine != other for mine, other in zip(rows_of(7), rows_of(8), strict=True)
    )
    assert rows_of(7)[:5] != rows_of(7)[5:10]
    assert rows_of(4, rng.permutation(200)) == rows_of(4, None) != rows_of(4)


@pytest.mark.parametrize("n_classes", [1, 2, 7])
def test_many_small_groups_give_even_folds_with_even_class_shares(n_classes):
    rng = np.random.default_rng(n_classes)
    groups = rng.integers(0, 900, 2000)
    target = rng.choice(
        n_classes,
        size=2000,
        p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum(),
    )
    values = target if n_classes > 1 else target + rng.random(2000)
    splits = repeated_folds(values, repeats=2, folds=10, random_state=0, groups=groups)
    for repeat in range(2):
        sizes, shares = sizes_and_shares(target, splits[10 * repeat : 10 * repeat + 10])
        assert np.ptp(shares, axis=0).max() <= 2
        assert np.ptp(sizes) <= 3


def test_a_group_larger_than_a_fold_fills_one_fold():
    target = np.arange(100) % 2
    groups = np.where(np.arange(100) < 40, -1, np.arange(100))
    splits = repeated_folds(target, repeats=3, folds=5, random_state=0, groups=groups)
    for repeat in range(3):
        sizes, shares = sizes_and_shares(target, splits[5 * repeat : 5 * repeat + 5])
        assert sorted(sizes) == [15, 15, 15, 15, 40]
        assert (np.abs(shares[:, 0] - shares[:, 1]) <= 1).all()


@pytest.mark.parametrize(
    "sizes", [(50, 1, 1, 1), (1, 1, 1, 1), (30, 20, 10, 1), (9, 9, 9, 9)], ids=str
)
def test_no_fold_is_empty_if_there_are_as_many_groups_as_folds(sizes):
    groups = np.repeat(np.arange(4), sizes)
    target = np.random.default_rng(0).normal(size=len(groups))
    splits = repeated_folds(target, repeats=5, folds=4, random_state=0, groups=groups)
    assert all(len(np.unique(groups[split.test])) == 1 for split in splits)


def test_a_holdout_mixes_group_sizes_and_meets_its_share():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(100), np.arange(1, 101))
    target = rng.integers(0, 2, len(groups))
    for state in range(5):
        split = holdout(target, test_size=0.2, random_state=state, groups=groups)
        assert abs(len(split.test) / len(groups) - 0.2) < 0.01
        assert abs(target[split.test].mean() - target.mean()) < 0.02
        # neither a few large ones nor all the small ones
        assert 12 <= len(np.unique(groups[split.test])) <= 28


def test_an_empty_side_gets_the_smallest_group():
    groups = np.repeat([0, 1, 2], [50, 40, 45])
    split = holdout(np.arange(135.0), test_size=0.05, groups=groups)
    assert np.unique(groups[split.test]).tolist() == [1]


def test_a_class_in_a_single_group_may_be_missing_from_training():
    target = np.array([0] * 30 + [1] * 10)
    groups = np.where(target == 1, 99, np.arange(40))
    message = r"all \d+ training rows are of the class with code 0"
    with pytest.raises(TargetError, match=message):
        repeated_folds(target, repeats=1, folds=5, random_state=0, groups=groups)
    message = r"all \d+ training rows are of the class with code 0"
    with pytest.raises(TargetError, match=message):
        holdout(target, test_size=0.8, groups=groups)
    assert target[holdout(target, groups=groups).train].any()


@pytest.mark.parametrize(
    ("n_groups", "n_classes"), [(230_000, 2), (16_000, 7), (100, 2)]
)
def test_fifty_thousand_rows_are_split_in_well_under_a_second(n_groups, n_classes):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, n_groups, 50_000)
    target = rng.integers(0, n_classes, 50_000)
    start = time.process_time()
    splits = repeated_folds(target, repeats=1, folds=10, random_state=0, groups=groups)
    assert time.process_time() - start < 1
    sizes, shares = sizes_and_shares(target, splits)
    assert np.ptp(sizes) <= max(7, 50_000 // n_groups)
    assert (shares > 0).all()


def test_splits_do_not_depend_on_the_order_of_groups():
    groups, target = np.arange(600) // 2, np.arange(600) // 2 % 2
    splits = repeated_folds(target, repeats=1, folds=3, random_state=0, groups=groups)
    assert all(abs(split.test.mean() - 299.5) < 50 for split in splits)
    assert abs(holdout(target, random_state=0, groups=groups).test.mean() - 299.5) < 50


# Split by time: earlier rows train, later rows


@st.composite
def timed(draw):
    """Times with many ties, with or without groups."""
    n = draw(st.integers(4, 90))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    times = rng.integers(0, draw(st.integers(1, 2 * n)), n) * 0.5 - 3
    return times, (
        rng.integers(0, draw(st.integers(1, n)), n) if draw(st.booleans()) else None
    )


@given(timed(), st.floats(0.05, 0.9))
def test_all_test_rows_are_later_than_all_training_rows(table, test_size):
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
def test_windows_expand_and_test_the_rows_that_follow(table, folds):
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


def test_windows_start_with_half_of_the_rows_and_end_with_the_last():
    rows = np.arange(300, 100, -1)
    windows = time_folds(np.arange(400.0), np.sort(rows), folds=5)
    assert [(len(train), len(block)) for train, block in windows] == [
        (n, 20) for n in (100, 120, 140, 160, 180)
    ]
    assert windows[0][0][0] == 101
    assert windows[-1][1][-1] == 300


@pytest.mark.parametrize(
    ("n", "expected"), [(2, 1), (12, 1), (39, 1), (40, 2), (60, 3), (500, 5)]
)
def test_few_rows_give_fewer_windows_but_at_least_one(n, expected):
    windows = time_folds(np.arange(float(n)), np.arange(n), folds=5)
    assert len(windows) == expected
    assert time_folds(np.full(n, 3.0), np.arange(n), folds=5) == ()
    assert all(len(block) >= min(10, n // 2) for _, block in windows)


@pytest.mark.parametrize(
    ("times", "n_test"),
    [
        (
            [0, 1, 2, 3, 4, 4, 4, 5, 5, 5],
            3,
        ),  # five is nearest to the two that were requested
        ([0, 1, 2, 3, 4, 5, 6, 9, 9, 9], 3),
        ([0, 1, 2, 3, 4, 5, 9, 9, 9, 10], 1),
        ([0, 9, 9, 9, 9, 9, 9, 9, 9, 9], 9),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 1),
    ],
    ids=str,
)
def test_the_cut_is_the_nearest_that_does_not_split_equal_times(times, n_test):
    assert len(time_holdout(np.array(times, dtype=float)).test) == n_test


# A sample of rows for a first look is stratified, has whole groups, covers the whole period and
# depends only on the seed


@given(n=st.integers(50, 900), seed=st.integers(0, 99), share=st.floats(0.05, 0.95))
def test_classes_keep_their_shares_and_rows_their_order(n, seed, share):
    target = (np.random.default_rng(seed).random(1000) < share).astype(np.int64)
    rows = sample_rows(target, n, random_state=seed)
    assert (np.diff(rows) > 0).all()
    for code in (0, 1):
        wanted = (target == code).sum() * n / 1000
        assert (
            abs(
                (target[rows] == code).sum()
                - max(wanted, min(20, (target == code).sum()))
            )
            <= 1
        )
    assert_array_equal(rows, sample_rows(target, n, random_state=seed))


@given(seed=st.integers(0, 99))
def test_groups_are_sampled_whole(seed):
    rng = np.random.default_rng(seed)
    groups, target = rng.integers(0, 150, 1000), rng.integers(0, 3, 1000)
    rows = sample_rows(target, 300, random_state=seed, groups=groups)
    assert not set(groups[rows]) & set(np.delete(groups, rows))
    assert abs(len(rows) - 300) <= 3 * np.bincount(groups).max()


def test_numeric_targets_are_stratified_by_deciles():
    target = np.random.default_rng(0).lognormal(size=5000)
    rows = sample_rows(target, 500, random_state=0)
    tenths = np.searchsorted(np.quantile(target, np.arange(1, 10) / 10), target[rows])
    assert np.bincount(tenths).tolist() == [50] * 10


def test_a_rare_class_keeps_enough_rows_for_the_folds_and_a_small_table_all():
    target = np.repeat([0, 1, 2], [9900, 93, 7])
    result = np.bincount(target[sample_rows(target, 500, random_state=0)]).tolist()
    assert result == [495, 20, 7]
    for n in (10_000, 20_000):
        assert_array_equal(sample_rows(target, n, random_state=0), np.arange(10_000))

"""A sample of rows for a first look: stratified, of whole groups, over the whole period, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.data import sample_rows


@given(n=st.integers(50, 900), seed=st.integers(0, 99), share=st.floats(0.05, 0.95))
def test_classes_keep_their_shares_and_rows_their_order(n, seed, share):
    target = (np.random.default_rng(seed).random(1000) < share).astype(np.int64)
    rows = sample_rows(target, n, random_state=seed)
    assert (np.diff(rows) > 0).all()
    for code in (0, 1):
        wanted = (target == code).sum() * n / 1000
        assert abs((target[rows] == code).sum() - max(wanted, min(20, (target == code).sum()))) <= 1
    np.testing.assert_array_equal(rows, sample_rows(target, n, random_state=seed))


@given(seed=st.integers(0, 99))
def test_groups_are_taken_whole(seed):
    rng = np.random.default_rng(seed)
    groups, target = rng.integers(0, 150, 1000), rng.integers(0, 3, 1000)
    rows = sample_rows(target, 300, random_state=seed, groups=groups)
    assert not set(groups[rows]) & set(np.delete(groups, rows))
    assert abs(len(rows) - 300) <= 3 * np.bincount(groups).max()


def test_numbers_are_stratified_by_their_tenths():
    target = np.random.default_rng(0).lognormal(size=5000)
    rows = sample_rows(target, 500, random_state=0)
    tenths = np.searchsorted(np.quantile(target, np.arange(1, 10) / 10), target[rows])
    assert np.bincount(tenths).tolist() == [50] * 10


def test_a_rare_class_keeps_rows_enough_for_folds():
    target = np.repeat([0, 1, 2], [9900, 93, 7])
    assert np.bincount(target[sample_rows(target, 500, random_state=0)]).tolist() == [495, 20, 7]


@pytest.mark.parametrize("n", [100, 1000])
def test_a_table_that_is_no_larger_is_taken_as_it_is(n):
    np.testing.assert_array_equal(sample_rows(np.zeros(100, dtype=np.int64), n, random_state=0), np.arange(100))

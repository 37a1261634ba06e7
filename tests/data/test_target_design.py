"""A target of numbers, standardised by training rows and brought back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from seedbed.data import Split, target_design
from seedbed.errors import TargetError

PRICES = np.random.default_rng(0).normal(250_000, 100_000, 60).round()


def deal(n_rows: int, seed: int) -> Split:
    rows = np.random.default_rng(seed).permutation(n_rows)
    return Split(0, seed, np.sort(rows[n_rows // 4 :]), np.sort(rows[: n_rows // 4]))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=30), st.sampled_from([1, 0.1, 1e-200, 1e200]))
def test_each_split_sees_the_target_as_its_training_rows_standardise_it(cells, unit):
    target = np.array(cells) * unit
    splits = [deal(len(target), seed) for seed in range(2)]
    design = target_design(target, splits)
    for number, split in enumerate(splits):
        seen = design.scale[number] * design.values + design.shift[number]
        if np.ptp(target[split.train]) > 0:
            near_one = np.array(cells, dtype=np.float64)[:, None]
            expected = StandardScaler().fit(near_one[split.train]).transform(near_one)[:, 0]
            np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(design.restore(seen, number), target, rtol=1e-9, atol=1e-9 * np.abs(target).max())


def test_a_target_constant_in_training_is_only_centred():
    target = np.array([5.0, 5, 5, 8])
    design = target_design(target, [Split(0, 0, np.arange(3), np.arange(3, 4))])
    assert (design.scale[0] * design.values + design.shift[0]).tolist() == [0, 0, 0, 3]
    assert design.restore(np.zeros((2, 3)), 0).tolist() == [[5, 5, 5]] * 2
    huge = target_design(target * 2.0**700, [Split(0, 0, np.arange(3), np.arange(3, 4))])
    assert huge.scale.tolist() == [1]
    assert huge.restore(huge.values + huge.shift, 0).tolist() == (target * 2.0**700).tolist()


def test_outputs_of_float32_come_back_in_float64_and_in_the_targets_units():
    split = deal(60, 0)
    design = target_design(PRICES, [split])
    narrow = (design.values.astype(np.float32) * np.float32(design.scale[0])) + np.float32(design.shift[0])
    restored = design.restore(narrow, 0)
    assert restored.dtype == np.float64
    np.testing.assert_allclose(restored, PRICES, atol=1e-5 * design.deviations[0])
    assert design.means[0] == pytest.approx(PRICES[split.train].mean(), rel=1e-14)


def test_no_test_row_changes_a_bit_of_what_the_training_rows_target_becomes():
    split = deal(60, 1)
    other = PRICES.copy()
    other[split.test] = PRICES[split.test] * 1.5 + 7
    before, after = (target_design(target, [split]) for target in (PRICES, other))
    np.testing.assert_array_equal(before.values[split.train], after.values[split.train])
    assert (before.scale[0], before.shift[0]) == (after.scale[0], after.shift[0])


def test_a_target_that_float32_cannot_hold_is_refused():
    with pytest.raises(TargetError, match="differ too much in size"):
        target_design(np.array([1.0, 2, 3, 1e200]), [Split(0, 0, np.arange(3), np.arange(3, 4))])

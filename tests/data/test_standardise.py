"""Standardised by the training rows alone, and all splits through one matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from seedbed.data import Split, fold_standardisation, read_table, repeated_folds, standardise
from seedbed.errors import ColumnError

SIZES = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
MATRICES = arrays(np.float64, st.tuples(st.integers(4, 12), st.integers(1, 4)), elements=st.one_of(SIZES, st.just(0.1)))


def plain(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The definition; a column constant in training is zero."""
    varies = train.min(axis=0) != train.max(axis=0)
    return np.where(varies, (rows - train.mean(axis=0)) / np.where(varies, train.std(axis=0), 1), 0)


def deal(n_rows: int, seed: int) -> Split:
    rows = np.random.default_rng(seed).permutation(n_rows)
    return Split(repeat=0, fold=seed, train=np.sort(rows[n_rows // 3 :]), test=np.sort(rows[: n_rows // 3]))


def test_real_rows_are_bit_for_bit_what_plain_numpy_gives(real_table):
    features = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT").features
    train, test = standardise(features[:239], features[239:])
    assert (train.dtype, test.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(train, plain(features[:239], features[:239]).astype(np.float32))
    np.testing.assert_array_equal(test, plain(features[:239], features[239:]).astype(np.float32))
    np.testing.assert_allclose(test, StandardScaler().fit(features[:239]).transform(features[239:]), rtol=1e-5)


@given(MATRICES, st.integers(0, 9))
def test_the_design_gives_each_split_its_own_standardised_features(features, seed):
    splits = [deal(len(features), seed), deal(len(features), seed + 1)]
    design = fold_standardisation(features, splits)
    assert design.scale.shape == design.shift.shape == (features.shape[1], 2)
    for number, split in enumerate(splits):
        expected = plain(features[split.train], features)
        folded = design.matrix * design.scale[:, number] + design.shift[:, number]
        sizes = np.abs(design.matrix * design.scale[:, number]) + np.abs(design.shift[:, number]) + 1
        # A column of 1e6 whose training rows differ in the third decimal has lost nine digits before we see it.
        noise = np.abs(features).max(axis=0) * 1e-15 / np.maximum(features[split.train].std(axis=0), 1e-12)
        assert (np.abs(folded - expected) <= 1e-12 * sizes + 8 * noise * (expected != 0)).all()


@given(MATRICES, st.integers(0, 9))
def test_a_test_row_never_changes_what_training_rows_become(features, seed):
    split = deal(len(features), seed)
    train, _ = standardise(features[split.train], features[split.test])
    other, _ = standardise(features[split.train], features[split.test] * 3 + 5)
    np.testing.assert_array_equal(train, other)
    varies = features[split.train].min(axis=0) != features[split.train].max(axis=0)
    assert (np.abs(train.std(axis=0, dtype=np.float64) - varies) < 1e-3).all()


@pytest.mark.parametrize("value", [0.1, 1e300, -7.0, 5e-324])
def test_a_column_constant_in_training_is_exactly_zero_everywhere(value):
    features = np.column_stack([np.full(9, value), np.arange(9.0)])
    features[8, 0] = 3.0
    train, test = standardise(features[:7], features[7:])
    assert not train[:, 0].any()
    assert not test[:, 0].any()
    design = fold_standardisation(features, [Split(0, 0, np.arange(7), np.arange(7, 9))])
    assert design.scale[0, 0] == design.shift[0, 0] == 0.0
    assert design.scale[1, 0] > 0


@pytest.mark.parametrize("power", [1e-300, 1e-30, 1e30, 1e200, 1e300])
def test_numbers_of_any_size_are_standardised_without_overflow(power):
    features = np.random.default_rng(0).normal(size=(20, 2))
    small, _ = standardise(features[:15], features[15:])
    large, _ = standardise(features[:15] * power, features[15:] * power)
    np.testing.assert_allclose(large, small, rtol=1e-6)
    design = fold_standardisation(features * power, [deal(20, 0)])
    assert np.isfinite(design.matrix).all()


def test_one_huge_test_cell_leaves_float32_what_the_split_needs():
    features = np.random.default_rng(0).normal(size=(50, 1))
    features[49] = 1e12
    split = Split(0, 0, np.arange(40), np.arange(40, 50))
    design = fold_standardisation(features, [split])
    folded = design.matrix.astype(np.float32) * design.scale[:, 0].astype(np.float32) + design.shift[:, 0]
    np.testing.assert_allclose(folded[:49], plain(features[:40], features[:49]), atol=1e-5)


def test_a_test_cell_beyond_float32_is_refused_by_its_column():
    features = np.column_stack([np.arange(6.0), np.arange(6.0)])
    features[5, 1] = 1e200
    with pytest.raises(ColumnError, match="feature 1 "):
        standardise(features[:4], features[4:])
    with pytest.raises(ColumnError, match="feature 1 "):
        fold_standardisation(features, [Split(0, 0, np.arange(4), np.arange(4, 6))])


def test_the_design_of_a_real_experiment_is_the_one_by_one_standardisation(real_table):
    table = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT")
    splits = repeated_folds(table.target, repeats=2, folds=10, random_state=0)
    design = fold_standardisation(table.features, splits)
    for number, split in enumerate(splits):
        train, test = standardise(table.features[split.train], table.features[split.test])
        folded = design.matrix * design.scale[:, number] + design.shift[:, number]
        np.testing.assert_allclose(folded[split.train], train, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(folded[split.test], test, rtol=1e-5, atol=1e-6)

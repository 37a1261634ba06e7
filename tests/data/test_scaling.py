"""Numbers are standardised by the training rows alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from seedbed.data.preprocessing import Preprocessor, medians_of, target_moments
from seedbed.data.reading import read_table
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.errors import TargetError


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=30),
    st.sampled_from([1, 0.1, 1e-200, 1e200]),
)
def test_a_target_has_the_mean_and_deviation_of_its_rows(cells, unit):
    mean, deviation = target_moments(np.array(cells) * unit)
    expected = StandardScaler().fit(np.array(cells, dtype=np.float64)[:, None])
    assert mean == pytest.approx(expected.mean_[0] * unit, abs=1e-9 * unit)
    assert deviation == pytest.approx(np.sqrt(expected.var_[0]) * unit or 1.0)


def test_a_constant_target_is_only_centred():
    assert target_moments(np.full(3, 0.1)) == (0.1, 1.0)
    assert target_moments(np.full(3, 5.0 * 2.0**700)) == (5.0 * 2.0**700, 1.0)


@pytest.mark.parametrize(
    "values", [[1.0, 2, 3, 1e200], [1.7e308, -1.7e308, -1.7e308, 1.0]]
)
def test_a_target_beyond_the_range_of_float32_is_refused(values):
    with pytest.raises(TargetError, match="differ too much in size"):
        target_moments(np.array(values))


def test_medians_are_those_of_the_filled_cells():
    numbers = np.random.default_rng(0).normal(size=(500, 4)) * [1, 1, 1e307, 1]
    numbers[::7, 1], numbers[:, 3] = np.nan, np.nan
    found = medians_of(numbers)
    assert_allclose(
        found[:3],
        [np.nanmedian(column / 4) * 4 for column in numbers.T[:3]],
        rtol=1e-15,
    )
    assert np.isnan(found[3])


NORMAL = np.random.default_rng(0).normal(size=(60, 1))
AWKWARD = {
    "timestamps": 1.7e9 + (10 * NORMAL).round(),
    "years": 1990 + (8 * NORMAL).round(),
    "far and narrow": -5e4 + NORMAL / 100,
    "mostly zero": np.where(NORMAL > 1.3, np.exp(NORMAL), 0.0),
    "mostly 1000": np.where(NORMAL > 2, 1001.0, 1000.0),
    "two clusters": np.where(NORMAL > 0, 1e6, 0.0) + NORMAL,
    "long tail": np.exp(5 * NORMAL),
    "huge": 1e200 * NORMAL,
    "tiny": 1e-200 * NORMAL,
    "one huge cell": np.where(np.arange(60)[:, None] == 59, 1e12, NORMAL),
    "one huge cell, far": np.where(np.arange(60)[:, None] == 59, -1e12, 300 + NORMAL),
}


def plain(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Standardise by the definition; a column that is constant in training is zero."""
    varies = train.min(axis=0) != train.max(axis=0)
    return np.where(
        varies, (rows - train.mean(axis=0)) / np.where(varies, train.std(axis=0), 1), 0
    )


def table_of(features: np.ndarray) -> Table:
    columns = tuple(
        Column(ColumnSchema(f"x{j}", "number"), column.copy())
        for j, column in enumerate(features.T)
    )
    return Table("by hand", columns, "y", np.arange(len(features)) % 2, ("a", "b"))


def alone(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    table = table_of(features)
    return Preprocessor.fit(table, rows).inputs_of_values(table.features)


def test_real_rows_equal_plain_numpy_bit_for_bit(real_table):
    table = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT")
    train = np.arange(239)
    inputs = Preprocessor.fit(table, train).inputs_of_values(table.features)
    assert inputs.dtype == np.float32
    assert_array_equal(
        inputs, plain(table.features[:239], table.features).astype(np.float32)
    )
    expected = StandardScaler().fit(table.features[:239]).transform(table.features)
    assert_allclose(inputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", AWKWARD)
def test_float32_keeps_the_digits_of_columns_with_extreme_scales(name):
    features = AWKWARD[name]
    unit = np.abs(features[:45]).max()
    expected = plain(features[:45] / unit, features / unit)
    assert_allclose(alone(features, np.arange(45)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1e300, -7.0, 5e-324])
def test_a_column_constant_in_training_is_exactly_zero_everywhere(value):
    features = np.column_stack([np.full(9, value), np.arange(9.0)])
    features[8, 0] = 2 * value
    assert not alone(features, np.arange(7))[:, 0].any()

"""Numbers are standardised by the training rows alone; all splits share one matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from seedbed.data import ColumnSchema, Preprocessor, Split, Table, encode, read_table, repeated_folds, target_design
from seedbed.data.scaling import medians_of
from seedbed.data.table import Column
from seedbed.errors import TargetError

# A numeric target, standardised by training rows and transformed back


PRICES = np.random.default_rng(0).normal(250_000, 100_000, 60).round()


def quarter_tested(n_rows: int, seed: int) -> Split:
    rows = np.random.default_rng(seed).permutation(n_rows)
    return Split(0, seed, np.sort(rows[n_rows // 4 :]), np.sort(rows[: n_rows // 4]))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=30), st.sampled_from([1, 0.1, 1e-200, 1e200]))
def test_each_split_standardises_the_target_by_its_training_rows(cells, unit):
    target = np.array(cells) * unit
    splits = [quarter_tested(len(target), seed) for seed in range(2)]
    design = target_design(target, splits)
    for number, split in enumerate(splits):
        seen = design.scale[number] * design.values + design.shift[number]
        if np.ptp(target[split.train]) > 0:
            near_one = np.array(cells, dtype=np.float64)[:, None]
            expected = StandardScaler().fit(near_one[split.train]).transform(near_one)[:, 0]
            np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(design.restore(seen, number), target, rtol=1e-9, atol=1e-9 * np.abs(target).max())


def test_a_target_that_is_constant_in_training_is_only_centred():
    target = np.array([5.0, 5, 5, 8])
    design = target_design(target, [Split(0, 0, np.arange(3), np.arange(3, 4))])
    assert (design.scale[0] * design.values + design.shift[0]).tolist() == [0, 0, 0, 3]
    assert design.restore(np.zeros((2, 3)), 0).tolist() == [[5, 5, 5]] * 2
    huge = target_design(target * 2.0**700, [Split(0, 0, np.arange(3), np.arange(3, 4))])
    assert huge.scale.tolist() == [1]
    assert huge.restore(huge.values + huge.shift, 0).tolist() == (target * 2.0**700).tolist()


def test_outputs_are_converted_to_float64_in_the_targets_units():
    split = quarter_tested(60, 0)
    design = target_design(PRICES, [split])
    narrow = (design.values.astype(np.float32) * np.float32(design.scale[0])) + np.float32(design.shift[0])
    restored = design.restore(narrow, 0)
    assert restored.dtype == np.float64
    np.testing.assert_allclose(restored, PRICES, atol=1e-5 * design.deviations[0])
    assert design.means[0] == pytest.approx(PRICES[split.train].mean(), rel=1e-14)


def test_standardised_targets_of_training_rows_do_not_depend_on_test_rows():
    split = quarter_tested(60, 1)
    other = PRICES.copy()
    other[split.test] = PRICES[split.test] * 1.5 + 7
    before, after = (target_design(target, [split]) for target in (PRICES, other))
    np.testing.assert_array_equal(before.values[split.train], after.values[split.train])
    assert (before.scale[0], before.shift[0]) == (after.scale[0], after.shift[0])


def test_a_target_beyond_the_range_of_float32_is_refused():
    with pytest.raises(TargetError, match="differ too much in size"):
        target_design(np.array([1.0, 2, 3, 1e200]), [Split(0, 0, np.arange(3), np.arange(3, 4))])


def test_medians_do_not_depend_on_how_many_splits_are_computed_together(monkeypatch):
    monkeypatch.setattr("seedbed.data.scaling._CELLS_COUNTED", 1000)
    numbers = np.random.default_rng(0).normal(size=(500, 2))
    numbers[::7, 1] = np.nan
    member = np.random.default_rng(1).random((500, 9)) < 0.7
    found = medians_of(numbers, member)
    expected = [[np.nanmedian(column[own]) for own in member.T] for column in numbers.T]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


# Numbers standardised by the training rows alone, and all splits through one matrix of coarse sizes


SIZES = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
MATRICES = arrays(np.float64, st.tuples(st.integers(4, 12), st.integers(1, 4)), elements=st.one_of(SIZES, st.just(0.1)))
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
    "smallest numbers": 5e-324 * (100 * NORMAL).round(),
}


def plain(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Standardise by the definition; a column that is constant in training is zero."""
    varies = train.min(axis=0) != train.max(axis=0)
    return np.where(varies, (rows - train.mean(axis=0)) / np.where(varies, train.std(axis=0), 1), 0)


def third_tested(n_rows: int, seed: int) -> Split:
    rows = np.random.default_rng(seed).permutation(n_rows)
    return Split(repeat=0, fold=seed, train=np.sort(rows[n_rows // 3 :]), test=np.sort(rows[: n_rows // 3]))


def table_of(features: np.ndarray) -> Table:
    columns = tuple(Column(ColumnSchema(f"x{j}", "number"), column.copy()) for j, column in enumerate(features.T))
    return Table("by hand", columns, "y", np.arange(len(features)) % 2, ("a", "b"))


def alone(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    table = table_of(features)
    return Preprocessor.fit(table, rows).inputs_of_values(table.features)


def test_real_rows_equal_plain_numpy_bit_for_bit(real_table):
    table = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT")
    train = np.arange(239)
    inputs = Preprocessor.fit(table, train).inputs_of_values(table.features)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, plain(table.features[:239], table.features).astype(np.float32))
    expected = StandardScaler().fit(table.features[:239]).transform(table.features)
    np.testing.assert_allclose(inputs, expected, rtol=1e-5, atol=1e-6)


@given(MATRICES, st.integers(0, 9))
def test_the_design_gives_each_split_its_own_standardised_features(features, seed):
    splits = [third_tested(len(features), seed), third_tested(len(features), seed + 1)]
    design = encode(table_of(features)).design(splits)
    assert design.scale.shape == design.shift.shape == (features.shape[1], 2)
    for number, split in enumerate(splits):
        expected = plain(features[split.train], features)
        folded = design.matrix * design.scale[:, number] + design.shift[:, number]
        sizes = np.abs(design.matrix * design.scale[:, number]) + np.abs(design.shift[:, number]) + 1
        # In a column of 1e6 whose training rows differ in the third decimal, nine digits are lost before scaling.
        noise = np.abs(features).max(axis=0) * 1e-15 / np.maximum(features[split.train].std(axis=0), 1e-12)
        assert (np.abs(folded - expected) <= 1e-12 * sizes + 8 * noise * (expected != 0)).all()


@pytest.mark.parametrize("name", AWKWARD)
def test_float32_keeps_the_digits_of_columns_with_extreme_scales(name):
    features = AWKWARD[name]
    split = Split(0, 0, np.arange(45), np.arange(45, 60))
    design = encode(table_of(features)).design([split])
    matrix, scale, shift = (part.astype(np.float32) for part in (design.matrix, design.scale[:, 0], design.shift[:, 0]))
    unit = np.abs(features[:45]).max()
    expected = plain(features[:45] / unit, features / unit)
    assert (np.abs(matrix * scale + shift - expected) / np.maximum(1, np.abs(expected))).max() < 1e-5
    if name != "smallest numbers":  # the mean isn't a multiple
        np.testing.assert_allclose(alone(features, split.train), expected, rtol=1e-6, atol=1e-6)


@given(MATRICES, st.integers(0, 9))
def test_inputs_of_training_rows_do_not_depend_on_test_rows(features, seed):
    split = third_tested(len(features), seed)
    other = features.copy()
    other[split.test] = features[split.test] * 3 + 5
    train = alone(features, split.train)[split.train]
    np.testing.assert_array_equal(train, alone(other, split.train)[split.train])
    varies = features[split.train].min(axis=0) != features[split.train].max(axis=0)
    assert (np.abs(train.std(axis=0, dtype=np.float64) - varies) < 1e-3).all()


@pytest.mark.parametrize(
    ("name", "target"),
    [("heart_failure", "DEATH_EVENT"), ("pima_diabetes", "diabetes"), ("sonar", "Class"), ("wine_quality", "quality")],
)
def test_noise_in_a_fifth_of_the_rows_leaves_the_other_rows_of_the_shared_matrix_unchanged(real_table, name, target):
    values = np.genfromtxt(real_table(f"{name}.csv"), delimiter=",", skip_header=1)[:, :-1]
    values = values[:, ~np.isnan(values).any(axis=0)]
    changed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(values))
        split = Split(0, 0, np.sort(rows[len(rows) // 5 :]), np.sort(rows[: len(rows) // 5]))
        other = values.copy()
        for column in range(values.shape[1]):
            other[split.test, column] = rng.choice(values[:, column], len(split.test))
        before, after = (encode(table_of(features)).design([split]) for features in (values, other))
        same = [
            np.array_equal(before.matrix[split.train], after.matrix[split.train]),
            np.array_equal(before.scale, after.scale),
            np.array_equal(before.shift, after.shift),
        ]
        changed += not all(same)
    assert changed <= 4


@pytest.mark.parametrize("value", [0.1, 1e300, -7.0, 5e-324])
def test_a_column_constant_in_training_is_exactly_zero_everywhere(value):
    features = np.column_stack([np.full(9, value), np.arange(9.0)])
    features[8, 0] = 2 * value
    assert not alone(features, np.arange(7))[:, 0].any()
    design = encode(table_of(features)).design([Split(0, 0, np.arange(7), np.arange(7, 9))])
    assert design.scale[0, 0] == design.shift[0, 0] == 0.0
    assert design.scale[1, 0] > 0


@pytest.mark.parametrize("power", [1e-300, 1e-30, 1e30, 1e200, 1e300])
def test_numbers_of_any_size_are_standardised_without_overflow(power):
    features = np.random.default_rng(0).normal(size=(20, 2))
    small, large = (alone(part, np.arange(15)) for part in (features, features * power))
    np.testing.assert_allclose(large, small, rtol=1e-6)
    assert np.isfinite(encode(table_of(features * power)).design([third_tested(20, 0)]).matrix.astype(np.float32)).all()


def test_the_design_of_a_real_experiment_equals_standardising_each_split_alone(real_table):
    table = read_table(real_table("heart_failure.csv"), target="DEATH_EVENT")
    splits = repeated_folds(table.target, repeats=2, folds=10, random_state=0)
    design = encode(table).design(splits)
    for number, split in enumerate(splits):
        folded = design.matrix * design.scale[:, number] + design.shift[:, number]
        one = Preprocessor.fit(table, split.train).inputs_of_values(table.features)
        np.testing.assert_allclose(folded, one, rtol=1e-5, atol=1e-6)

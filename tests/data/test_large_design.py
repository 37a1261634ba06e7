"""The inputs of a large table: those of a small one, shuffled once."""

import numpy as np

from seedbed.data import encode, read_table, repeated_folds
from seedbed.data.encoding.scaling import medians_of


def test_the_inputs_of_a_large_table_are_those_of_a_small_one_shuffled(mixed_parquet, tiny_windows, monkeypatch):
    table = read_table(mixed_parquet, target="y")
    splits = repeated_folds(table.target, repeats=1, folds=5, random_state=0, groups=table.groups)
    large = encode(table).design(splits)
    monkeypatch.undo()
    small = encode(table).design(splits)
    assert sorted(large.order) == list(range(table.n_rows)) != large.order.tolist()
    np.testing.assert_array_equal(large.matrix, small.matrix.astype(np.float32)[large.order])
    np.testing.assert_array_equal(large.also, small.also)
    for part in ("scale", "shift", "extra"):
        np.testing.assert_allclose(getattr(large, part), getattr(small, part), rtol=1e-9, atol=1e-12)


def test_medians_do_not_depend_on_how_many_splits_are_counted_at_a_time(tiny_windows):
    numbers = np.random.default_rng(0).normal(size=(500, 2))
    numbers[::7, 1] = np.nan
    member = np.random.default_rng(1).random((500, 9)) < 0.7
    found = medians_of(numbers, member)
    expected = [[np.nanmedian(column[own]) for own in member.T] for column in numbers.T]
    np.testing.assert_allclose(found, expected, rtol=1e-15)

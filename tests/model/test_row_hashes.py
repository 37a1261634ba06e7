"""Hashes of the training rows: which rows a model knows again."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import seedbed as sb
from seedbed.model.row_hashes import MOST_HASHES, kept_hashes, row_hashes


def hashes_of(*arrays, deviation=0.0):
    """Hashes of rows by the first array, a column, and the others, the outcome."""
    return [*row_hashes(arrays[:1], np.array([deviation]), *arrays[1:])]


def test_equal_rows_have_equal_hashes_and_another_target_gives_another():
    column, zeros = np.array([0.0, -0.0, np.nan, -np.nan, 1.5]), np.zeros(5)
    *_, of_rows = hashes_of(column, zeros, None)
    assert (of_rows[0], of_rows[2]) == (of_rows[1], of_rows[3])
    assert len(set(of_rows.tolist())) == 3
    for others in ((zeros + 1,), (zeros, zeros + 7)):
        assert not np.isin(hashes_of(column, *others)[-1], of_rows).any()


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_rounded_numbers_have_the_hash_of_the_number_and_others_dont(size):
    column = size * np.random.default_rng(0).normal(5, 1, 1000)
    target = column[::-1] * 3
    again = column.astype("float32").astype("float64")
    exact, rounded = (hashes_of(one, target, deviation=size) for one in (column, again))
    assert [
        (one == two).mean() > 0.99 for one, two in zip(exact, rounded, strict=True)
    ] == [True, True, True, False]
    others = hashes_of(column + 0.2 * size, target, deviation=size)
    assert all((one != two).all() for one, two in zip(exact, others, strict=True))


def test_no_hashes_are_kept_of_long_tables_and_where_rows_equal_each_other():
    hashes = np.arange(MOST_HASHES + 1)
    assert kept_hashes([hashes], len(hashes)) is None
    few, some, many = (np.append(hashes[:5000], hashes[:n]) for n in (4, 50, 60))
    assert len(kept_hashes([few] * 4, len(few))) == 5000
    assert kept_hashes([some] * 3 + [hashes[:5050]], len(some))[-1] == 5049
    assert kept_hashes([many] * 4, len(many)) is None


def test_a_file_keeps_the_hashes_and_loads_without_them(tmp_path):
    model = sb.fit_model("example:iris", "relu:3", n_networks=2)
    loaded = sb.load(model.save(tmp_path / "iris.safetensors"))
    assert_array_equal(loaded.training_rows, model.training_rows)
    object.__setattr__(model, "training_rows", None)
    assert sb.load(model.save(tmp_path / "earlier.safetensors")).training_rows is None

"""Hashes of the training rows: which rows a model knows again."""

import numpy as np
import pytest

import seedbed as sb
from seedbed.errors import ModelFileError
from seedbed.model.row_hashes import MOST_HASHES, kept_hashes, row_hashes


def test_equal_rows_have_equal_hashes_and_another_target_gives_another():
    column = np.array([0.0, -0.0, np.nan, -np.nan, 1.5])
    of_rows = row_hashes([column, np.zeros(5)], np.zeros(5), None)
    assert (of_rows[0], of_rows[2]) == (of_rows[1], of_rows[3])
    assert len(set(of_rows.tolist())) == 3
    assert not np.isin(row_hashes([column, np.zeros(5)], np.ones(5), None), of_rows).any()
    assert not np.isin(row_hashes([column], np.zeros(5), np.arange(5.0) + 7), of_rows).any()


def test_no_hashes_are_kept_of_long_tables_and_where_rows_equal_each_other():
    column = np.random.default_rng(0).normal(size=MOST_HASHES + 1)
    hashes = row_hashes([column], np.zeros(len(column)), None)
    assert kept_hashes(hashes) is None
    assert len(kept_hashes(np.append(hashes[:5000], hashes[:50]))) == 5000
    assert kept_hashes(np.append(hashes[:5000], hashes[:60])) is None


def test_a_file_keeps_the_hashes_loads_without_them_and_must_have_them_in_order(tmp_path):
    model = sb.fit_model("example:iris", "relu:3", n_networks=2)
    loaded = sb.load(model.save(tmp_path / "iris.safetensors"))
    np.testing.assert_array_equal(loaded.training_rows, model.training_rows)
    object.__setattr__(model, "training_rows", model.training_rows[::-1].copy())
    with pytest.raises(ModelFileError, match="hashes of its training rows aren't sorted"):
        sb.load(model.save(tmp_path / "unsorted.safetensors"))
    object.__setattr__(model, "training_rows", None)
    assert sb.load(model.save(tmp_path / "earlier.safetensors")).training_rows is None

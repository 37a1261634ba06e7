"""Large tables on disk have the same columns, groups, hashes and inputs as small ones in memory."""

from pathlib import Path

import numpy as np
import pytest

from seedbed.data import ArrayWriter, on_disk, read_table, rows_of, spill
from seedbed.data.checks import duplicate_groups
from seedbed.data.on_disk import is_large
from seedbed.errors import DataError
from seedbed.experiment.spec import hashed


def columns(table):
    return [(column.schema, column.values.tolist()) for column in table.columns]


def test_a_large_table_is_read_like_a_small_one(mixed_parquet, tiny_windows, monkeypatch):
    large = read_table(mixed_parquet, target="y")
    monkeypatch.undo()
    small = read_table(mixed_parquet, target="y")
    assert str(columns(large)) == str(columns(small))  # compared as text because NaN differs from NaN
    assert large.notes == small.notes
    for part in ("target", "groups", "features"):
        np.testing.assert_array_equal(getattr(large, part), getattr(small, part))
    assert all(isinstance(column.values, np.memmap) for column in large.columns)
    assert not any(isinstance(column.values, np.memmap) for column in small.columns)


def test_duplicates_and_hashes_do_not_depend_on_windows(tiny_windows, monkeypatch):
    features = np.random.default_rng(0).integers(0, 3, size=(400, 4)).astype(float)
    target = np.arange(400) % 2
    found = duplicate_groups(features), duplicate_groups(features, target), hashed(features, target)
    monkeypatch.undo()
    whole = duplicate_groups(features), duplicate_groups(features, target), hashed(features, target)
    assert [part.tolist() for part in found[:2]] == [part.tolist() for part in whole[:2]]
    assert found[2] == whole[2]


def test_rows_are_gathered_in_any_order(tiny_windows):
    array = spill(np.arange(3000.0).reshape(1000, 3))
    rows = np.random.default_rng(0).permutation(1000)[:800]
    np.testing.assert_array_equal(on_disk.gather_rows(array, rows), np.asarray(array)[rows])
    np.testing.assert_array_equal(on_disk.column_of(array, 1), np.asarray(array)[:, 1])


def test_a_file_is_deleted_with_its_array_also_if_writing_fails(tiny_windows):
    array = spill(np.arange(10.0))
    part = array[3:]
    path = Path(array.filename)
    assert spill(part) is part
    del array
    assert rows_of(part, slice(0, 2)).tolist() == [3.0, 4.0]
    assert path.exists()
    del part
    assert not path.exists()
    unfinished = ArrayWriter((2,), np.float32)
    path = Path(unfinished._path)
    assert path.exists()
    del unfinished
    assert not path.exists()


def test_a_full_disk_is_an_error_that_says_what_to_do(monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    writer = ArrayWriter((1,), np.float64)
    monkeypatch.setattr(writer, "_file", type("Full", (), {"write": staticmethod(full)})())
    with pytest.raises(DataError, match="No space left") as caught:
        writer.write(np.zeros((3, 1)))
    assert "TMPDIR" in caught.value.hint


def test_rows_and_cells_decide_whether_a_table_is_large():
    assert is_large(10_000_000, 12)
    assert not is_large(10_000_000, 1)
    assert not is_large(2_000, 10_000)

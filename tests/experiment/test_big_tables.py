"""Tables of many rows are trained in larger batches, judged with fewer resamples, and refused without memory."""

import numpy as np
import pytest

from seedbed.data.reading import table_from_arrays
from seedbed.errors import DataError
from seedbed.model.blending import fit_model
from seedbed.scoring import resamples_for


def test_a_table_that_does_not_fit_in_memory_is_refused_with_its_sizes(monkeypatch):
    monkeypatch.setattr("seedbed.data.preprocessing._free_bytes", lambda: 1.0)
    monkeypatch.setattr("seedbed.data.preprocessing._LARGE_CELLS", 1)
    table = table_from_arrays(np.random.default_rng(2).normal(size=(5_000, 3)), np.arange(5_000) % 2)
    with pytest.raises(DataError, match=r"^5,000 rows x 3 inputs need about 0 GiB of memory, and 0 GiB are free"):
        fit_model(table, "relu:4")


def test_more_rows_use_fewer_bootstrap_resamples():
    assert [resamples_for(n) for n in (100, 5_000, 5_001, 200_000, 2_000_000)] == [2000, 2000, 500, 500, 200]

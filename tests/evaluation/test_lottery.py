"""Single runs are counted in bins that all candidates share."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.single_runs import lottery

numbers = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
counted = functools.partial(lottery, name="accuracy", words="accuracy")
tables = st.dictionaries(
    st.text(max_size=5), st.lists(numbers, max_size=20), max_size=4
)


@given(tables)
def test_every_finite_run_is_counted_exactly_once(values):
    found = counted(values)
    finite = {
        name: [run for run in runs if np.isfinite(run)] for name, runs in values.items()
    }
    assert [one.name for one in found.runs] == [
        name for name, runs in finite.items() if runs
    ]
    assert len(found.edges) <= 52
    for one in found.runs:
        runs = finite[one.name]
        assert sum(one.counts) == one.n == len(runs)
        assert len(one.counts) == len(found.edges) - 1
        assert (one.lowest, one.highest) == (min(runs), max(runs))
        assert list(one.quantiles) == sorted(one.quantiles)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_bins_have_equal_width_and_cover_all_typical_runs(runs):
    values = [*runs, *np.linspace(-1, 1, 100)]
    edges = np.array(counted({"a": values}).edges)
    assert edges[0] <= min(values)
    assert edges[-1] >= max(values)
    assert np.diff(edges) == pytest.approx(edges[1] - edges[0])
    assert np.abs(edges).min() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [7, 29, 30, 60, 100])
def test_accuracies_lie_in_the_middle_of_their_bins(n):
    hits = np.arange(n // 2, n + 1)
    found = counted({"a": hits / n}, step=1 / n)
    edges = np.array(found.edges)
    width = edges[1] - edges[0]
    assert width * n == pytest.approx(round(width * n))
    assert set(found.runs[0].counts[1:-1]) <= {round(width * n)}
    assert ((edges * n) % 1).tolist() == pytest.approx([0.5] * len(edges))


def test_an_outlier_does_not_change_the_bins_of_other_runs():
    runs = np.linspace(0.2, 0.3, 50)
    found = counted({"a": [-900.0, *runs], "b": runs})
    assert found.edges[0] > -1
    assert found.runs[0].counts[0] == 1
    assert found.runs[0].lowest == -900
    assert sum(count > 0 for count in found.runs[1].counts) >= 4


@pytest.mark.parametrize("value", [0.0, 0.8, -3e-9, 1e9])
def test_equal_runs_have_one_bin(value):
    found = counted({"a": [value] * 3})
    assert found.runs[0].counts == (3,)
    assert found.runs[0].quantiles == pytest.approx([value] * 5)


def test_without_a_finite_run_there_are_no_bins():
    found = counted({"a": [np.nan], "b": []})
    assert (found.edges, found.runs) == ((), ())

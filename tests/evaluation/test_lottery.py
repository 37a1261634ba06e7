"""Single runs of each candidate, and how they are spread."""

import functools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.single_runs import lottery

numbers = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
spread = functools.partial(lottery, name="accuracy", words="accuracy")
tables = st.dictionaries(
    st.text(max_size=5), st.lists(numbers, max_size=20), max_size=4
)


@given(tables)
def test_every_finite_run_counts(values):
    finite = {
        name: [run for run in runs if np.isfinite(run)] for name, runs in values.items()
    }
    found = spread(values, differences=True).runs
    assert [one.name for one in found] == [
        name for name, runs in finite.items() if runs
    ]
    for one in found:
        runs = finite[one.name]
        assert one.n == len(runs)
        assert (one.lowest, one.highest) == (min(runs), max(runs))
        assert list(one.quantiles) == sorted(one.quantiles)
        assert one.better == np.mean(np.array(runs) > 0)


def test_a_run_far_off_does_not_change_the_ends():
    found = spread({"a": [-900.0, *np.linspace(0.2, 0.3, 50)], "b": [0.1, 0.4]})
    low, high = found.ends
    assert -1.5 < low < 0.1
    assert high == 0.4

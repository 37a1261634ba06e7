"""The text on one candidate trained on one split."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.single_runs import RunLottery
from seedbed.evaluation.summaries import Lotteries, SplitSizes, TrainedNetworks, TrainingSummary
from seedbed.report.sentences import headline


@pytest.fixture
def summary(make):
    """A function that makes a summary of a training with networks, some of which diverged."""

    def of(n=1, diverged=0, score=("accuracy", "accuracy")):
        runs = make.runs(*score, *(["relu:5"] if n > diverged else []), counts=(0, n - diverged))
        one = TrainedNetworks(
            name="relu:5",
            kind="network",
            description="",
            n_parameters=1,
            n_networks=n,
            n_diverged=diverged,
            epochs=1000,
            note="",
        )
        return TrainingSummary(
            kind="training",
            table="t",
            specification={},
            split=SplitSizes(n_train=1, n_test=1, by_time=False),
            seeds=(),
            candidates=(one,),
            lottery=Lotteries(score=msgspec.convert(runs, RunLottery)),
        )

    return of


@given(n=st.integers(20, 300))
def test_the_stated_range_contains_nine_of_ten_seeds(n):
    low, high = np.quantile(np.arange(n), (0.05, 0.95))
    assert 0.8 <= np.mean([low <= place <= high for place in range(n)]) <= 0.95


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({}, "Test accuracy 80.0%, once."),
        ({"n": 2}, "Test accuracy 80.0%; both seeds between 55.0% and 95.0%."),
        ({"n": 19}, "Test accuracy 80.0%; all 19 seeds between 55.0% and 95.0%."),
        ({"n": 20}, "Test accuracy 80.0%; about nine of ten seeds between 60.0% and 90.0%."),
        ({"n": 2, "diverged": 2}, "All networks diverged."),
        ({"score": ("r2", "R2")}, "Test R2 0.800, once."),
    ],
    ids=str,
)
def test_the_headline_gives_the_range_that_the_seeds_show(summary, of, expected):
    assert headline(summary(**of)) == expected

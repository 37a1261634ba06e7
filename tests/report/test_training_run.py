"""The text on one candidate trained on one split."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.single_runs import RunLottery
from seedbed.evaluation.summaries import Lotteries, SplitSizes, TrainedNetworks, TrainingSummary
from seedbed.report.sentences import headline, training_sentences


@pytest.fixture
def summary(make):
    """A function that makes a summary of a training with networks, some of which diverged."""

    def of(n=1, diverged=0, score=("accuracy", "accuracy")):
        runs = make.runs(*score, *(["relu:5"] if n > diverged else []), counts=(0, n - diverged))
        one = TrainedNetworks(
            name="relu:5", kind="network", description="", n_parameters=1, n_networks=n, n_diverged=diverged,
            epochs=1000, note="",
        )  # fmt: skip
        return TrainingSummary(
            kind="training", table="t", specification={}, split=SplitSizes(n_train=1, n_test=1, by_time=False),
            seeds=(), candidates=(one,), lottery=Lotteries(score=msgspec.convert(runs, RunLottery)),
        )  # fmt: skip

    return of


def test_one_network_is_described_as_one_of_many_possible_results(summary):
    assert headline(summary()) == "Test accuracy 80.0%, once."
    assert list(training_sentences(summary())) == [
        "One network on one split, after 1,000 epochs: another seed or split may give another result.",
        "More 'seeds' show other random starts, a comparison other splits.",
    ]


def test_the_range_of_many_networks_is_described_as_that_of_seeds(summary):
    assert headline(summary(100)) == "Test accuracy 80.0%; about nine of ten seeds between 60.0% and 90.0%."
    first, last = training_sentences(summary(100))
    assert first == (
        "100 networks that differ only in their seed, after 1,000 epochs: the lowest at 55.0%, the highest at 95.0%."
    )
    assert last.startswith("All share one split, so this shows other seeds and not other rows")


@pytest.mark.parametrize(("n", "which"), [(2, "both"), (3, "all 3"), (19, "all 19")])
def test_the_range_of_few_seeds_covers_all_of_them(summary, n, which):
    assert headline(summary(n)) == f"Test accuracy 80.0%; {which} seeds between 55.0% and 95.0%."
    assert next(training_sentences(summary(n))) == f"{n} networks that differ only in their seed, after 1,000 epochs."
    assert "nine of ten seeds" in headline(summary(20))


@given(n=st.integers(20, 300))
def test_the_stated_range_contains_nine_of_ten_seeds(n):
    low, high = np.quantile(np.arange(n), (0.05, 0.95))
    assert 0.8 <= np.mean([low <= place <= high for place in range(n)]) <= 0.95


def test_networks_that_diverged_are_counted(summary):
    assert "3 of 10 networks diverged and are left out. Give a lower learning rate." in training_sentences(
        summary(10, 3)
    )
    assert headline(summary(2, 2)) == "All networks diverged."
    assert list(training_sentences(summary(2, 2))) == [
        "Their losses became infinite or NaN. Give a lower learning rate."
    ]


def test_a_regression_shows_r2(summary):
    assert headline(summary(score=("r2", "R2"))) == "Test R2 0.800, once."

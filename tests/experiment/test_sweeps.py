"""Several learning rates: each candidate once at each, and what the winner is worth after the choice."""

import numpy as np
import pytest

from seedbed.evaluation import bbc_cv

NAMES = ("linear:3@lr=0.1", "linear:3@lr=1", "tanh:4@lr=0.1", "tanh:4@lr=1")


@pytest.fixture(scope="module")
def swept(small):
    return small(candidates=["linear:3", "tanh:4", "relu:3@lr=0.3"], lr=[0.1, 1.0], epochs=8, baselines=["prior"])


def by_row(found, names):
    return np.stack([found[name].row_losses().mean(axis=(0, 1)) for name in names])


def test_every_candidate_stands_once_at_each_rate_but_those_with_one_of_their_own(swept):
    assert [result.name for result in swept.networks] == [*NAMES, "relu:3@lr=0.3"]
    assert [result.recipe.lr for result in swept.networks] == [0.1, 1.0, 0.1, 1.0, 0.3]
    assert [(sweep.name, sweep.members) for sweep in swept.experiment.sweeps] == [
        ("linear:3", NAMES[:2]),
        ("tanh:4", NAMES[2:]),
    ]
    assert len(swept.verdicts) == 5


def test_rates_join_the_words_a_candidate_has_and_their_numbers_are_those_it_has_alone(small, same):
    found = small(candidates={"relu:3@momentum=0.9": "relu:3@momentum=0.9"}, lr=(0.01, 0.5))
    assert [result.name for result in found.results] == ["relu:3@momentum=0.9,lr=0.01", "relu:3@momentum=0.9,lr=0.5"]
    same(found.results[1], small(candidates="relu:3@momentum=0.9,lr=0.5").results[0], tolerance=1e-6)


@pytest.mark.parametrize(
    ("reference", "expected"), [(None, NAMES[0]), ("tanh:4", NAMES[2]), (NAMES[3], NAMES[3]), ("prior", "prior")]
)
def test_a_swept_candidate_as_reference_is_its_first_rate(planned, reference, expected):
    plan = planned("linear:3", "tanh:4", lrs=(0.1, 1.0), reference=reference, baselines=["prior"])
    assert plan.experiment.reference == expected


def test_what_the_winner_of_a_sweep_is_worth_is_corrected_for_the_choice(swept):
    for one, sweep in zip(swept.conclusions.sweeps, swept.experiment.sweeps, strict=True):
        expected = bbc_cv(by_row(swept, sweep.members))
        assert (one.name, one.winner, one.among) == (sweep.name, sweep.members[expected.winner], 2)
        shown = one.apparent, one.expected, one.low, one.high
        assert shown == pytest.approx((expected.apparent, expected.value, expected.low, expected.high))
        assert one.expected != one.apparent
        assert one.apparent == pytest.approx(swept[one.winner].scores["brier"].mean, abs=1e-6)


def test_the_top_of_the_ranking_was_chosen_of_all(swept):
    ranking = swept.conclusions.ranking
    expected = bbc_cv(by_row(swept, ranking))
    top = swept.conclusions.top
    assert (top.name, top.winner, top.among) == ("", ranking[0], 6)
    assert (top.expected, top.low, top.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert f"not its own {top.apparent:.3f}" in " ".join(swept.details().split())


def test_a_metric_that_is_better_when_greater_is_turned_round(small):
    found = small(candidates="tanh:4", lr=[0.01, 1.0], epochs=8, metric="accuracy")
    (one,) = found.conclusions.sweeps
    losses = [found[name].row_losses("accuracy").mean(axis=(0, 1)) for name in found.experiment.sweeps[0].members]
    expected = bbc_cv(np.stack(losses))
    assert (one.low, one.expected, one.high) == pytest.approx((1 - expected.high, 1 - expected.value, 1 - expected.low))
    assert 0 <= one.low <= one.expected <= one.high <= 1
    assert one.apparent >= one.expected


def test_a_rate_that_diverges_leaves_the_others_of_its_sweep_to_choose_from(small):
    found = small(candidates="linear:3", lr=[0.1, 0.5, 1e30], epochs=8)
    (one,) = found.conclusions.sweeps
    expected = bbc_cv(by_row(found, found.experiment.sweeps[0].members[:2]))
    assert (one.among, one.expected) == (2, pytest.approx(expected.value))


def test_one_rate_in_a_list_is_a_sweep_of_one_and_none_is_no_sweep(planned):
    plan = planned("linear:3", lrs=(0.1,))
    assert plan.experiment.names == ("linear:3@lr=0.1",)
    assert planned("linear:3").experiment.sweeps == ()

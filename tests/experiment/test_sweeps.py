"""Several learning rates: each candidate at each rate, and the corrected score of the best."""

import numpy as np
import pytest

from seedbed.evaluation.ranking import bbc_cv

NAMES = ("linear:3@lr=0.1", "linear:3@lr=1", "tanh:4@lr=0.1", "tanh:4@lr=1")


@pytest.fixture(scope="module")
def swept(small):
    return small(candidates=["linear:3", "tanh:4", "relu:3@lr=0.3"], lr=[0.1, 1.0], epochs=8, baselines=["prior"])


def by_row(found, names):
    return np.stack([found[name].row_losses().mean(axis=(0, 1)) for name in names])


def test_every_candidate_without_its_own_rate_appears_once_at_each_rate(swept):
    assert [result.name for result in swept.networks] == [*NAMES, "relu:3@lr=0.3"]
    assert [result.recipe.lr for result in swept.networks] == [0.1, 1.0, 0.1, 1.0, 0.3]
    assert [(sweep.name, sweep.members) for sweep in swept.experiment.sweeps] == [
        ("linear:3", NAMES[:2]),
        ("tanh:4", NAMES[2:]),
    ]
    assert len(swept.verdicts) == 5


def test_a_swept_candidate_has_the_results_that_it_has_alone(small, same):
    found = small(candidates={"relu:3@momentum=0.9": "relu:3@momentum=0.9"}, lr=(0.01, 0.5))
    assert [result.name for result in found.results] == ["relu:3@momentum=0.9,lr=0.01", "relu:3@momentum=0.9,lr=0.5"]
    alone = small(candidates="relu:3@momentum=0.9,lr=0.5", baselines=["prior"]).results[0]
    same(found.results[1], alone, tolerance=1e-6)


@pytest.mark.parametrize(
    ("reference", "expected"), [(None, NAMES[0]), ("tanh:4", NAMES[2]), (NAMES[3], NAMES[3]), ("prior", "prior")]
)
def test_a_swept_candidate_as_reference_is_its_first_rate(planned, reference, expected):
    plan = planned("linear:3", "tanh:4", lrs=(0.1, 1.0), reference=reference, baselines=["prior"])
    assert plan.experiment.reference == expected


def test_the_score_of_the_best_of_a_sweep_is_corrected_for_the_selection(swept):
    for one, sweep in zip(swept.conclusion.sweeps, swept.experiment.sweeps, strict=True):
        losses = by_row(swept, sweep.members)
        expected, means = bbc_cv(losses), losses.mean(axis=1)
        assert (one.name, one.winner, one.among) == (sweep.name, sweep.members[means.argmin()], 2)
        shown = one.apparent, one.expected, one.low, one.high
        assert shown == pytest.approx((means.min(), expected.value, expected.low, expected.high))
        assert one.expected != one.apparent
        assert one.apparent == pytest.approx(swept[one.winner].scores["brier"].mean, abs=1e-6)


def test_the_score_of_the_first_in_the_ranking_is_corrected_for_all_candidates(swept):
    ranking = swept.conclusion.ranking
    expected = bbc_cv(by_row(swept, ranking))
    top = swept.conclusion.top
    assert (top.name, top.winner, top.among) == ("", ranking[0], 6)
    assert (top.expected, top.low, top.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert f"not its own {top.apparent:.3f}" in " ".join(swept.details().split())


def test_a_metric_that_is_better_when_greater_is_negated(small):
    found = small(candidates="tanh:4", lr=[0.01, 1.0], epochs=8, metric="accuracy")
    (one,) = found.conclusion.sweeps
    losses = [found[name].row_losses("accuracy").mean(axis=(0, 1)) for name in found.experiment.sweeps[0].members]
    expected = bbc_cv(np.stack(losses))
    assert (one.low, one.expected, one.high) == pytest.approx((1 - expected.high, 1 - expected.value, 1 - expected.low))
    assert 0 <= one.low <= one.expected <= one.high <= 1
    assert one.apparent >= one.expected


def test_a_diverging_rate_does_not_prevent_the_choice_among_others(small):
    found = small(candidates="linear:3", lr=[0.1, 0.5, 1e30], epochs=8)
    (one,) = found.conclusion.sweeps
    expected = bbc_cv(by_row(found, found.experiment.sweeps[0].members[:2]))
    assert (one.among, one.expected) == (2, pytest.approx(expected.value))


def test_a_list_of_one_rate_is_a_sweep_and_an_empty_one_is_none(planned):
    plan = planned("linear:3", lrs=(0.1,), baselines=["prior"])
    assert plan.experiment.names == ("linear:3@lr=0.1", "prior")
    assert planned("linear:3", baselines=["prior"]).experiment.sweeps == ()

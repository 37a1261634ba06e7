"""Several learning rates are several candidates; and the corrected score of the best."""

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
    assert len(swept.verdicts) == 5


def test_a_swept_candidate_has_the_results_that_it_has_alone(small, same):
    found = small(candidates={"relu:3@momentum=0.9": "relu:3@momentum=0.9"}, lr=(0.01, 0.5))
    assert [result.name for result in found.results] == ["relu:3@momentum=0.9,lr=0.01", "relu:3@momentum=0.9,lr=0.5"]
    alone = small(candidates="relu:3@momentum=0.9,lr=0.5", baselines=["prior"]).results[0]
    same(found.results[1], alone, tolerance=1e-6)


def test_the_score_of_the_first_in_the_ranking_is_corrected_for_all_candidates(swept):
    ranking, top = swept.conclusion.ranking, swept.conclusion.top
    expected = bbc_cv(by_row(swept, ranking))
    assert (top.winner, top.among) == (ranking[0], 6)
    assert (top.expected, top.low, top.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert f"not its own {top.apparent:.3f}" in " ".join(swept.details().split())


def test_a_metric_that_is_better_when_greater_is_negated(small):
    found = small(candidates="tanh:4", lr=[0.01, 1.0], epochs=8, metric="accuracy")
    top = found.conclusion.top
    losses = [found[name].row_losses("accuracy").mean(axis=(0, 1)) for name in found.conclusion.ranking]
    expected = bbc_cv(np.stack(losses))
    assert (top.low, top.expected, top.high) == pytest.approx((1 - expected.high, 1 - expected.mean, 1 - expected.low))
    assert 0 <= top.low <= top.expected <= top.high <= 1


def test_a_list_of_one_rate_is_in_the_name_and_an_empty_one_is_not(planned):
    assert planned("linear:3", lrs=(0.1,), baselines=["prior"]).experiment.names == ("linear:3@lr=0.1", "prior")
    assert planned("linear:3", baselines=["prior"]).experiment.names == ("linear:3", "prior")

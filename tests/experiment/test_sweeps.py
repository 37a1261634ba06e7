"""Several learning rates are several candidates; and the corrected score of the best."""

import pytest

from seedbed.evaluation.metrics import measure

NAMES = ("linear:3@lr=0.1", "linear:3@lr=1", "tanh:4@lr=0.1", "tanh:4@lr=1")


@pytest.fixture(scope="module")
def swept(small):
    return small(
        candidates=["linear:3", "tanh:4", "relu:3@lr=0.3"],
        lr=[0.1, 1.0],
        epochs=8,
        baselines=["prior"],
    )


def test_every_candidate_without_its_own_rate_appears_once_at_each_rate(swept):
    assert [result.name for result in swept.networks] == [*NAMES, "relu:3@lr=0.3"]
    assert [result.recipe.lr for result in swept.networks] == [0.1, 1.0, 0.1, 1.0, 0.3]
    assert len(swept.verdicts) == 5


def test_the_score_of_the_first_in_the_ranking_is_corrected_as_expect_is(swept):
    conclusion, use = swept.conclusion, swept.conclusion.ranking[0]
    score, expected = conclusion.score(use), conclusion.expected_score(use, "brier")
    assert expected.mean - score.mean == pytest.approx(conclusion.optimism["brier"])
    assert expected.mean > score.mean
    assert conclusion.expected_score(conclusion.ranking[1], "brier") == conclusion.score(
        conclusion.ranking[1]
    )
    shown = conclusion.metric.shown
    expected = measure(shown, shown.score_of(expected.mean))
    assert f"expect score {expected} (" in " ".join(swept.details().split())


def test_a_list_of_one_rate_is_in_the_name_and_an_empty_one_is_not(planned):
    assert planned("linear:3", lrs=(0.1,), baselines=["prior"]).experiment.names == (
        "linear:3@lr=0.1",
        "prior",
    )
    assert planned("linear:3", baselines=["prior"]).experiment.names == ("linear:3", "prior")
    assert planned("relu:3@momentum=0.9", lrs=(0.1,)).experiment.names == (
        "relu:3@momentum=0.9,lr=0.1",
    )

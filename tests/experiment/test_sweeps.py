"""Several learning rates are several candidates; and the corrected score of the best."""

import numpy as np
import pytest

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


def test_the_score_of_a_model_that_beats_the_reference_is_corrected_as_expect_is(small):
    X = np.random.default_rng(0).normal(size=(120, 3))
    words = ["linear:3@lr=1e-9", "linear:3@lr=1", "tanh:4@lr=1"]
    found = small(X, (X[:, 0] > 0).astype(np.int64), candidates=words, epochs=100, repeats=2)
    conclusion, use = found.conclusion, found.conclusion.advice.use
    assert conclusion.reference == "linear:3@lr=1e-9" != use
    score, expected = conclusion.score(use), conclusion.expected_score(use, "brier")
    assert expected.mean - score.mean == pytest.approx(conclusion.optimism["brier"])
    other = conclusion.reference
    assert conclusion.expected_score(other, "brier") == conclusion.score(other)
    assert f"{use} (a network with 1 layer). It is shown to be better than" in str(found)


def test_a_list_of_one_rate_is_in_the_name_and_an_empty_one_is_not(planned):
    assert planned("linear:3", lrs=(0.1,), baselines=["prior"]).experiment.names == (
        "linear:3@lr=0.1",
        "prior",
    )
    assert planned("linear:3", baselines=["prior"]).experiment.names == ("linear:3", "prior")
    assert planned("relu:3@momentum=0.9", lrs=(0.1,)).experiment.names == (
        "relu:3@momentum=0.9,lr=0.1",
    )

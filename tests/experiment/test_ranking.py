"""The ranking by loss."""

import dataclasses

import numpy as np
import pytest

from seedbed.experiment.comparison import conclude
from seedbed.experiment.run import Results


@pytest.fixture(scope="module")
def found(small):
    """Four candidates of different quality on 300 rows; the reference is the last of the good ones."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=300) > 0).astype(int)
    names = ["linear:3", "tanh:4", "logistic", "relu:3@lr=0.001"]
    return small(X, y, candidates=names, reference="logistic", folds=5, repeats=2, epochs=30, baselines=["prior"])


def test_candidates_and_baselines_are_sorted_by_loss(found):
    losses = {result.name: result.losses().mean() for result in found.results}
    assert list(found.conclusion.ranking) == sorted(losses, key=losses.get)
    assert set(found.conclusion.ranking) == {"linear:3", "tanh:4", "logistic", "relu:3@lr=0.001", "prior"}


def test_the_ranking_does_not_depend_on_order_or_reference(found):
    turned = dataclasses.replace(found.experiment, reference="prior")
    again = conclude(Results(turned, found.splits, tuple(reversed(found.results)), 1.0))
    assert again.conclusion.ranking == found.conclusion.ranking
    assert again.conclusion.optimism == found.conclusion.optimism


def test_a_single_candidate_has_no_verdict(small):
    found = small(candidates="tanh:4")
    assert found.conclusion.ranking == ("tanh:4",)
    assert (found.conclusion.contrasts, found.conclusion.optimism, found.verdicts) == ((), {}, ())
    assert found.details()

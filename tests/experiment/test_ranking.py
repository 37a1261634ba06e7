"""The ranking by loss, with brackets that join candidates without a significant difference."""

import dataclasses
import itertools

import numpy as np
import pytest

from seedbed.evaluation.estimates import corrected_t, holm
from seedbed.evaluation.verdicts import decide, fold_differences
from seedbed.experiment.comparison import conclude
from seedbed.experiment.run import Results

DIFFERENT = ("better_by_margin", "better", "worse")


@pytest.fixture(scope="module")
def found(small):
    """Four candidates of different quality on 300 rows; the reference is the last of the good ones."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=300) > 0).astype(int)
    names = ["linear:3", "tanh:4", "logistic", "relu:3@lr=0.001"]
    return small(X, y, candidates=names, reference="logistic", folds=5, repeats=2, epochs=30, baselines=["prior"])


def by_hand(found, one, other):
    x = fold_differences(found[one].losses(), found[other].losses())
    return corrected_t(x, alpha=found.experiment.alpha, comparisons=len(found.results) - 1)


def separated(found):
    """Pairs that differ significantly: by the verdict for the reference, otherwise by the same rules with Holm's
    adjustment."""
    ranking, reference = found.conclusion.ranking, found.experiment.reference
    pairs = [pair for pair in itertools.combinations(ranking, 2) if reference not in pair]
    estimates = [by_hand(found, *pair) for pair in pairs]
    margin = found.conclusion.metric.margin
    p = [one.p if decide(low=one.low, high=one.high, margin=margin) in DIFFERENT else 1.0 for one in estimates]
    apart = [set(pair) for pair, adjusted in zip(pairs, holm(p), strict=True) if adjusted < found.experiment.alpha]
    return apart + [{v.candidate, reference} for v in found.verdicts if v.rule in DIFFERENT]


def test_candidates_and_baselines_are_sorted_by_loss(found):
    losses = {result.name: result.losses().mean() for result in found.results}
    assert list(found.conclusion.ranking) == sorted(losses, key=losses.get)
    assert set(found.conclusion.ranking) == {"linear:3", "tanh:4", "logistic", "relu:3@lr=0.001", "prior"}


def test_two_candidates_share_a_bracket_if_and_only_if_they_do_not_differ(found):
    ranking, apart = found.conclusion.ranking, separated(found)
    assert apart
    for one, other in itertools.combinations(ranking, 2):
        assert found.conclusion.joined(one, other) == ({one, other} not in apart)


@pytest.mark.parametrize("reference", ["linear:3", "logistic", "prior"])
def test_no_bracket_contradicts_a_verdict(found, reference):
    turned = dataclasses.replace(found.experiment, reference=reference)
    again = conclude(Results(turned, found.splits, found.results, 1.0))
    rules = {verdict.rule for verdict in again.verdicts}
    assert rules & set(DIFFERENT)
    for verdict in again.verdicts:
        assert again.conclusion.joined(verdict.candidate, reference) == (verdict.rule not in DIFFERENT)


def test_the_ranking_does_not_depend_on_order_or_reference(found):
    turned = dataclasses.replace(found.experiment, reference="prior")
    again = conclude(Results(turned, found.splits, tuple(reversed(found.results)), 1.0))
    assert again.conclusion.ranking == found.conclusion.ranking
    assert again.conclusion.top == found.conclusion.top


def test_a_single_candidate_has_no_brackets(small):
    found = small(candidates="tanh:4")
    assert found.conclusion.ranking == ("tanh:4",)
    assert (found.conclusion.brackets, found.conclusion.top, found.verdicts) == ((), None, ())
    assert found.to_dict()["top"] is None
    assert found.details()

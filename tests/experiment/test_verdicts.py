"""Verdicts of a comparison equal those of the evaluation for its losses, and the ranking is by
loss."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from torch import nn

from seedbed.evaluation.conclusion import Evidence, decide_all
from seedbed.evaluation.estimates import corrected_t, holm
from seedbed.evaluation.verdicts import fold_differences
from seedbed.experiment.comparison import comparison_of
from seedbed.experiment.run import Results

NAMES = ("linear:3", "tanh:4", "prior")


@pytest.fixture(scope="module")
def three(small):
    """Three candidates and a baseline; the reference is in the middle."""
    options = dict(candidates=["linear:3", "tanh:4", "relu:3"], reference="tanh:4")
    return small(repeats=2, baselines=["prior"], **options)


def test_verdicts_equal_decide_all_on_the_losses(comparison):
    ours = comparison["tanh:4"]

    def estimates(metric):
        pairs = {
            name: (ours.losses(metric), comparison[name].losses(metric))
            for name in NAMES[::2]
        }
        return {
            name: corrected_t(fold_differences(*pair)) for name, pair in pairs.items()
        }

    errors = estimates("accuracy")
    evidence = Evidence(
        in_accuracy=lambda ours, theirs, n: errors[theirs],
        folds={},
        means={},
        difference=None,
        n_rows=60,
        n_train=40,
    )
    by_hand = decide_all(comparison.conclusion, evidence, estimates("brier"))
    assert comparison.verdicts == by_hand
    assert [verdict.candidate for verdict in by_hand] == ["linear:3", "prior"]
    assert comparison.conclusion.no_verdict == ()


def test_all_candidates_except_the_reference_are_judged_in_order(three):
    result = [verdict.candidate for verdict in three.verdicts]
    assert result == ["linear:3", "relu:3", "prior"]
    assert [verdict.comparisons for verdict in three.verdicts] == [2, 2, 1]
    assert {verdict.reference for verdict in three.verdicts} == {"tanh:4"}
    assert {(verdict.n_rows, verdict.n_train) for verdict in three.verdicts} == {
        (60, 40)
    }
    p, adjusted = (
        np.array([getattr(v, name) for v in three.verdicts])
        for name in ("p", "p_adjusted")
    )
    assert_allclose(adjusted, [*holm(p[:2]), p[2]])


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_another_metric_can_judge_and_rank(small, metric):
    found = small(candidates=["linear:3", "tanh:4"], baselines=["prior"], metric=metric)
    for verdict in found.verdicts:
        ours, theirs = (
            found[name].losses(metric).mean()
            for name in ("linear:3", verdict.candidate)
        )
        assert verdict.difference == pytest.approx(ours - theirs)
        assert (verdict.metric, verdict.margin) == (metric, found.experiment.margin)
    losses = [found[name].losses(metric).mean() for name in found.conclusion.ranking]
    assert losses == sorted(losses)
    assert found.to_dict()["metric"]["name"] == metric


def test_on_an_easy_table_the_margin_is_a_tenth_of_the_references_error(small):
    X = np.random.default_rng(0).normal(size=(80, 3))
    easy = (X, (X[:, 0] > 0).astype(np.int64))
    options = {"candidates": ["linear:3", "tanh:4"], "epochs": 200}
    found = small(*easy, **options)
    error = found["linear:3"].losses().mean()
    assert found.conclusion.metric.margin == pytest.approx(error / 10)
    assert found.conclusion.metric.margin_source == "tenth_of_error"
    assert (
        found.verdicts[0].margin
        == found.to_dict()["metric"]["margin"]
        == found.conclusion.metric.margin
    )
    assert found.conclusion.metric.margin < found.experiment.margin
    assert "a tenth of the error of linear:3, which is less than" in " ".join(
        found.details().split()
    )
    given = small(*easy, **options, margin=found.experiment.margin)
    assert given.conclusion.metric.margin == found.experiment.margin
    assert given.conclusion.metric.margin_source == "given"


@pytest.mark.slow
def test_margin_and_alpha_can_be_given(small):
    options = {"candidates": ["linear:3", "tanh:4"], "repeats": 2}
    plain = small(**options).verdicts[0]
    wide = small(**options, margin=1.0).verdicts[0]
    assert (wide.rule, wide.margin) == ("no_practical_difference", 1.0)
    assert (wide.low, wide.high) == (plain.low, plain.high)
    timid = small(**options, alpha=0.001).verdicts[0]
    assert timid.low < plain.low < plain.high < timid.high
    assert timid.difference == plain.difference


def constant(logit):
    """A network with a constant output."""

    def build():
        network = nn.Linear(3, 1)
        nn.init.zeros_(network.weight)
        nn.init.constant_(network.bias, logit)
        return network

    return build


def test_without_named_reference_it_is_first_candidate_if_nothing_can_be_blended(small):
    found = small(candidates=["linear:3", "tanh:4"], repeats=2, baselines=["prior"])
    losses = {result.name: result.losses().mean() for result in found.results}
    assert found.conclusion.reference == "linear:3"
    for verdict in found.verdicts:
        assert verdict.reference == "linear:3"
        assert verdict.difference == pytest.approx(
            losses["linear:3"] - losses[verdict.candidate]
        )


def test_candidates_with_equal_predictions_have_no_practical_difference(small):
    found = small(candidates={"one": constant(0.0), "other": constant(0.0)}, lr=0.0)
    (verdict,) = found.verdicts
    assert (verdict.difference, verdict.low, verdict.high) == (0, 0, 0)
    assert (verdict.rule, verdict.p) == ("no_practical_difference", 1.0)
    assert verdict.rows_needed is None
    assert found.to_dict()["verdicts"][0]["rows_needed"] is None
    assert "no difference that matters" in found.details()


def test_the_ranking_is_by_loss_and_does_not_depend_on_order_or_reference(comparison):
    losses = {result.name: result.losses().mean() for result in comparison.results}
    assert list(comparison.conclusion.ranking) == sorted(losses, key=losses.get)
    turned = dataclasses.replace(comparison.experiment, reference="prior")
    again = comparison_of(
        Results(turned, comparison.splits, tuple(reversed(comparison.results)), 1.0)
    )
    assert again.conclusion.ranking == comparison.conclusion.ranking
    assert again.conclusion.optimism == comparison.conclusion.optimism


def test_a_single_candidate_has_no_verdict(small):
    found = small(candidates="tanh:4")
    assert found.conclusion.ranking == ("tanh:4",)
    assert found.conclusion.contrasts == ()
    assert found.conclusion.optimism == {}
    assert found.verdicts == ()
    assert found.details()


def test_the_score_of_a_model_that_beats_the_reference_is_corrected_as_expect_is(small):
    X = np.random.default_rng(0).normal(size=(120, 3))
    words = ["linear:3@lr=1e-9", "linear:3@lr=1", "tanh:4@lr=1"]
    found = small(
        X, (X[:, 0] > 0).astype(np.int64), candidates=words, epochs=100, repeats=2
    )
    conclusion, use = found.conclusion, found.conclusion.advice.use
    assert conclusion.reference == "linear:3@lr=1e-9" != use
    score, expected = conclusion.score(use), conclusion.expected_score(use, "brier")
    assert expected.mean - score.mean == pytest.approx(conclusion.optimism["brier"])
    other = conclusion.reference
    assert conclusion.expected_score(other, "brier") == conclusion.score(other)
    assert f"{use} (a network with 1 layer). It is shown to be better than" in str(
        found
    )

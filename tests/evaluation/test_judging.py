"""From losses of single runs to verdicts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.conclusion import Evidence, decide_all
from seedbed.evaluation.estimates import corrected_t, holm
from seedbed.evaluation.metrics import METRICS, Margin
from seedbed.evaluation.summaries import Conclusion, DecidingScore, PlanSummary
from seedbed.evaluation.verdicts import fold_differences, seed_noise


def runs(shift=0.0, noise=0.01, seeds=5, seed=0, repeats=4, folds=10):
    split = np.random.default_rng(99).normal(0.2, 0.02, (repeats, folds, 1))
    return (
        split
        - shift
        + np.random.default_rng(seed).normal(0, noise, (repeats, folds, seeds))
    )


TABLE = dict(
    a=runs(), b=runs(0.02, seed=1), c=runs(-0.02, seed=2), d=runs(noise=0.2, seed=3)
)


def estimates(losses, reference="a", tried=0):
    others = [name for name in losses if name != reference]
    return {
        name: estimate(losses[reference], losses[name], comparisons=len(others) + tried)
        for name in others
    }


def estimate(ours, theirs, comparisons=1):
    return corrected_t(
        fold_differences(ours, theirs),
        comparisons=comparisons,
        seed_noise=seed_noise(ours, theirs),
    )


def judged(
    losses=TABLE,
    reference="a",
    errors=None,
    known=None,
    tried=0,
    metric="brier",
    margin=0.005,
    **changed,
):
    asked = dict(
        kind="comparison",
        table="made",
        specification={},
        alpha=0.05,
        reference=reference,
    )
    deciding = DecidingScore.of(METRICS[metric], Margin(margin, "given"))
    asked |= dict(
        metric=deciding, plan=PlanSummary(kind="cross_validation", tried=tried)
    )
    asked |= {"task": changed.pop("task", "binary")}
    in_accuracy = errors and (
        lambda ours, theirs, n: estimate(errors[ours], errors[theirs], n)
    )
    evidence = Evidence(
        **dict(folds={}, means={}, difference=None, in_accuracy=in_accuracy, n_rows=300)
        | changed
    )
    return decide_all(
        Conclusion(**asked), evidence, known or estimates(losses, reference, tried)
    )


def test_every_candidate_is_judged_against_the_reference_in_order():
    found = judged(errors=TABLE)
    result = [(v.candidate, v.rule) for v in found]
    assert result == [("b", "better"), ("c", "worse"), ("d", "cannot_tell")]
    assert {v.comparisons for v in found} == {3}
    json.dumps([v.as_dict() for v in found], allow_nan=False)


def test_intervals_are_simultaneous_and_p_values_are_adjusted_by_holm():
    found = judged(errors={name: 2 * losses for name, losses in TABLE.items()})
    alone = [estimate(TABLE["a"], TABLE[name], comparisons=3) for name in "bcd"]
    assert [(v.low, v.high) for v in found] == [(t.low, t.high) for t in alone]
    assert [v.p_adjusted for v in found] == pytest.approx(
        list(holm([t.p for t in alone]))
    )
    assert [v.accuracy.low for v in found] == pytest.approx([2 * t.low for t in alone])


@given(st.permutations(["b", "c", "d"]))
def test_the_order_of_candidates_does_not_matter(order):
    shuffled = judged({"a": TABLE["a"], **{name: TABLE[name] for name in order}})
    assert {v.candidate: v for v in shuffled} == {v.candidate: v for v in judged()}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_in_accuracy_is_at_most_one(sign):
    wrong, right = np.array([[[1.0], [0.5]]]), np.zeros((1, 2, 1))
    losses = dict(a=runs(repeats=1, folds=2), b=runs(0.02, seed=1, repeats=1, folds=2))
    errors = dict(zip("ab" if sign > 0 else "ba", (wrong, right), strict=True))
    shown = judged(losses, errors=errors)[0].accuracy
    assert abs(corrected_t(fold_differences(wrong, right)).low) > 1
    assert (shown.difference, shown.low, shown.high) == (sign * 0.75, -1, 1)
    near = judged({"a": TABLE["a"], "b": TABLE["b"]}, errors=TABLE)[0].accuracy
    assert -1 < near.low < near.high < 1


@pytest.mark.parametrize(
    ("task", "most"), [("binary", 1), ("multiclass", 2), ("regression", np.inf)]
)
def test_a_difference_in_loss_stays_within_the_range_of_the_task(task, most):
    metric = "squared_error" if task == "regression" else "brier"
    losses = {"a": np.array([[[2.0], [0.2]]]), "b": np.zeros((1, 2, 1))}
    plain = corrected_t(fold_differences(losses["a"], losses["b"]))
    (found,) = judged(losses, metric=metric, margin=0.1, n_rows=40, task=task)
    assert plain.high > 2
    assert (found.low, found.high) == (max(-most, plain.low), min(most, plain.high))


def test_the_rows_needed_are_half_to_double_of_the_factor_and_unknown_of_unknown_rows():
    (*_, one), (*_, unknown) = judged(), judged(n_rows=None)
    expected = (math.ceil(150 * one.rows_factor), math.ceil(600 * one.rows_factor))
    assert one.rows_needed == expected
    assert unknown.rows_needed is None
    (equal,) = judged({"a": TABLE["a"], "b": TABLE["a"]})
    assert (equal.rows_needed, equal.rows_factor) == (None, 0)

"""The ranking: by loss, with brackets around what is not told apart."""

import dataclasses
import itertools

import numpy as np
import pytest

from seedbed.evaluation import corrected_t, fold_differences, holm
from seedbed.experiment import Comparison


@pytest.fixture(scope="module")
def found(small):
    """Four candidates of different worth on 300 rows; the reference is the last of those that are good."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=300) > 0).astype(int)
    names = ["linear:3", "tanh:4", "logistic", "relu:3@lr=0.001"]
    return small(X, y, candidates=names, reference="logistic", folds=5, repeats=2, epochs=30, baselines=["prior"])


def by_hand(found, one, other):
    x = fold_differences(found[one].losses(), found[other].losses())
    return corrected_t(x, alpha=found.experiment.alpha)


def separated(found):
    """Pairs of names that are told apart: against the reference by the verdict, others by Holm over all pairs."""
    ranking, reference = found.conclusions.ranking, found.experiment.reference
    pairs = [{one, other} for one, other in itertools.combinations(ranking, 2)]
    p = [1.0 if reference in pair else by_hand(found, *pair).p for pair in pairs]
    apart = [pair for pair, adjusted in zip(pairs, holm(p), strict=True) if adjusted < found.experiment.alpha]
    return apart + [{v.candidate, reference} for v in found.verdicts if v.low > 0 or v.high < 0]


def test_names_stand_in_the_order_of_their_loss_baselines_among_them(found):
    losses = {result.name: result.losses().mean() for result in found.results}
    assert list(found.conclusions.ranking) == sorted(losses, key=losses.get)
    assert set(found.conclusions.ranking) == {"linear:3", "tanh:4", "logistic", "relu:3@lr=0.001", "prior"}


def test_a_bracket_holds_places_of_which_no_two_are_told_apart_and_can_not_be_longer(found):
    ranking, apart = found.conclusions.ranking, separated(found)
    assert apart
    runs = [
        (first, last)
        for first, last in itertools.combinations(range(len(ranking)), 2)
        if not any({one, other} in apart for one, other in itertools.combinations(ranking[first : last + 1], 2))
    ]
    longest = [(a, b) for a, b in runs if not any(c <= a and b <= d and (a, b) != (c, d) for c, d in runs)]
    assert list(found.conclusions.brackets) == longest
    assert longest


def test_brackets_against_the_reference_agree_with_the_verdicts(found):
    assert {verdict.rule for verdict in found.verdicts} & {"worse", "better", "better_by_margin"}
    places = {name: place for place, name in enumerate(found.conclusions.ranking)}
    reference = places[found.experiment.reference]
    for verdict in found.verdicts:
        first, last = sorted((places[verdict.candidate], reference))
        together = any(a <= first and last <= b for a, b in found.conclusions.brackets)
        if verdict.low > 0 or verdict.high < 0:
            assert not together
        elif last == first + 1:
            assert together


def test_the_order_of_candidates_and_the_reference_leave_the_ranking_alone(found):
    turned = dataclasses.replace(found.experiment, reference="prior")
    again = Comparison(turned, found.splits, tuple(reversed(found.results)), seconds=1.0)
    assert again.conclusions.ranking == found.conclusions.ranking
    assert again.conclusions.top == found.conclusions.top


def test_the_text_shows_the_ranking_with_its_brackets(found):
    lines = str(found).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(" ranking"))
    rows = [line.split()[0] for line in lines[start + 2 : start + 7]]
    assert rows == list(found.conclusions.ranking)
    assert sum(line.count("┐") for line in lines) == len(found.conclusions.brackets)
    assert sum(line.count("┘") for line in lines) == len(found.conclusions.brackets)


def test_one_candidate_alone_has_neither_brackets_nor_a_top(small):
    found = small(candidates="tanh:4")
    assert found.conclusions.ranking == ("tanh:4",)
    assert (found.conclusions.brackets, found.conclusions.top, found.verdicts) == ((), None, ())
    assert found.to_dict()["top"] is None
    assert str(found)

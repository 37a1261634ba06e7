"""The answers of the first screen: which model to use, how sure that is, what to expect, and what would settle it."""

import itertools
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.ranking import advise, brackets
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import count_range
from seedbed.report.advice import answers
from seedbed.report.terminal import glance_text


def of_document(function):
    """The same function of the plain dict of a conclusion."""
    return lambda document, *rest, **words: function(msgspec.convert(document, Conclusion), *rest, **words)


answers = of_document(answers)
glance_text = of_document(glance_text)

SIZES = {"small": 10, "large": 2000}
GUESSING = "predicting the same for every row"
CHANCE = "the lowest Brier score, but its lead over {} may be chance"
NONE = "if it must be one; no network is shown to be better"


@pytest.fixture(scope="module")
def document(make):
    """A function that makes a summary from errors, the lowest first; the pairs in `alike` don't differ
    significantly."""

    def build(losses, *alike, margin=0.01, rival=(-0.1, 0.1), **changes):
        apart = ~np.eye(len(losses), dtype=bool)
        for one, other in alike:
            pair = list(losses).index(one), list(losses).index(other)
            apart[pair] = apart[pair[::-1]] = False
        found = vars(advise(losses, apart, SIZES, margin=margin))
        use = list(losses).index(found["use"])
        models = [
            (make.network if name in SIZES else make.baseline)(
                name,
                scores=make.scores(brier=(loss, loss - 0.1, loss + 0.1)),
                **({"n_parameters": SIZES[name]} if name in SIZES else {}),
            )
            for name, loss in losses.items()
        ]
        names = list(losses)
        rivals = [
            make.verdict(names[use], *rival, reference=name) | {"rows_factor": 20.0}
            for name, differs in zip(names, apart[use], strict=True)
            if not differs and name != names[use]
        ]
        verdicts = [make.verdict(name, -0.1, 0.1) for name in names[1:]]
        given = {"advice": found, "verdicts": verdicts, "rivals": rivals}
        return make.document(*models, **given, **{"brackets": [list(one) for one in brackets(apart)], **changes})

    return build


def test_without_verdicts_no_model_is_recommended(make):
    assert answers(make.document(make.network("small"), make.baseline("trees"))) == []
    labels = [label for label, _ in answers(make.document(make.network("small")))]
    assert labels == ["How sure", "Expect"]


FOUR = {"small": 0.1, "large": 0.2, "trees": 0.3, "prior": 0.4}
TREES = {"trees": 0.1, "large": 0.2, "small": 0.205, "prior": 0.4}
LARGE = {"large": 0.1, "small": 0.105, "logistic": 0.2, "prior": 0.4}
TIED = {"large": 0.1, "logistic": 0.105, "small": 0.2, "prior": 0.4}


@pytest.mark.parametrize(
    ("losses", "alike", "use", "network"),
    [
        (FOUR, [], "small: shown to be better than all others", None),
        (FOUR, [("small", "trees")], f"small: {CHANCE.format('trees')}", None),
        (LARGE, [("large", "small")], "small: simpler than large, whose small lead may be chance", None),
        (TREES, [], "trees: shown to be better than all others",
         "large, if it must be one; trees is shown to be better"),
        (TREES, [("trees", "large"), ("trees", "small"), ("large", "small")],
         f"trees: {CHANCE.format('large')}", f"small, {NONE}"),
        (TIED, [("large", "logistic")], "logistic: no network is needed, as the small lead of large may be chance",
         f"large, {NONE}"),
        ({"trees": 0.1, "small": 0.3, "prior": 0.4}, [("small", "prior")], "trees: shown to be better than all others",
         f"small, but it isn't shown to be better than {GUESSING}"),
        ({"small": 0.1, "trees": 0.2, "prior": 0.4}, [("small", "trees"), ("small", "prior"), ("trees", "prior")],
         f"small: {CHANCE.format('trees')}; it isn't shown to be better than {GUESSING}", None),
        ({"prior": 0.1, "small": 0.2}, [("prior", "small")], f"no model: none did better than {GUESSING}",
         f"small, but it isn't shown to be better than {GUESSING}"),
        ({"prior": 0.1, "small": 0.2}, [], f"no model: none is shown to do better than {GUESSING}",
         f"small, but it isn't shown to be better than {GUESSING}"),
    ],
)  # fmt: skip
def test_one_model_is_named_with_the_reason_and_a_network_beside_a_baseline(document, losses, alike, use, network):
    said = dict(answers(document(losses, *alike)))
    assert (said["Use"], said.get("Network")) == (use, network)


def test_the_models_that_may_be_best_are_named_and_those_that_are_worse_are_not(document):
    found = document(FOUR, ("small", "trees"), ("small", "large"))  # trees is worse than large
    assert dict(answers(found))["How sure"] == "can't tell which is best of small and large"
    losses = {"small": 0.1, "trees": 0.2, "prior": 0.4}
    within = dict(answers(document(losses, ("small", "trees"))))["How sure"]
    assert within == "can't tell which is best of small and trees; a network may not be needed"
    settled = dict(answers(document(losses)))["How sure"]
    assert settled == "if the models were equally good, at most one table in 20 would show such a lead"


def test_a_model_that_is_not_shown_to_be_better_than_guessing_is_named_with_that_doubt(document):
    losses = {"trees": 0.1, "small": 0.2, "prior": 0.4}
    said = dict(answers(document(losses, *itertools.combinations(losses, 2))))
    assert said["Use"] == f"trees: {CHANCE.format('small')}; it isn't shown to be better than {GUESSING}"
    assert said["How sure"] == "can't tell which is best of trees and small"
    assert "between trees and prior four times in five" in said["To settle"]


def test_an_open_difference_and_one_that_does_not_matter_have_different_sentences(document):
    losses = {"small": 0.1, "large": 0.105, "trees": 0.3}
    alike = dict(answers(document(losses, ("small", "large"), rival=(-0.005, 0.005))))
    assert alike["Use"] == "small: the lowest Brier score, by a lead too small to matter"
    assert alike["How sure"] == "there is no difference that matters between small and large"
    assert alike["To settle"] == "nothing; more rows or a longer run aren't needed"
    assert "can't tell" in dict(answers(document(losses, ("small", "large"))))["How sure"]


def test_the_expected_accuracy_and_a_count_of_rows_are_given(document, make):
    expect = dict(answers(document(TREES)))["Expect"]
    assert expect == "average accuracy 82.5% (95% interval 72 to 92); of the next 100 rows 70 to 95 right"
    sure = make.scores(accuracy=(0.999, 0.997, 1.0))
    found = document({"small": 0.1, "prior": 0.4})
    found["candidates"][0]["scores"] = sure
    assert dict(answers(found))["Expect"].endswith("of the next 1,000 rows 996 to 1,000 right")
    sure["accuracy"] |= {"low": None, "high": None}
    assert "Expect" not in dict(answers(found))


def test_the_expected_accuracy_of_the_best_is_corrected_for_the_selection(document):
    top = {"name": "", "winner": "small", "among": 2, "apparent": 0.9, "expected": 0.8, "low": 0.7, "high": 0.85}
    found = document({"small": 0.1, "prior": 0.4}, top=top, metric="accuracy")
    assert "average accuracy 80.0% (95% interval 70 to 85)" in dict(answers(found))["Expect"]


def test_of_a_rare_label_the_share_that_is_found_is_given(document):
    found = document(TREES, labels={"0": 1461, "yes": 39}, majority_share=0.974)
    recall = "finds on average 60.0% (95% interval 50 to 70) of the rows with DEATH_EVENT yes"
    assert dict(answers(found))["Expect"] == f"{recall}; ROC AUC 0.900 (95% interval 0.800 to 1.000)"


@pytest.mark.parametrize("share", [0.6, 0.84, 0.95, 0.99])
def test_the_count_of_new_rows_lies_in_its_range_in_95_of_100_cases(share):
    random = np.random.default_rng(0)
    n, trials, inside = 300, 4000, 0
    for hits, right in zip(random.binomial(n, share, trials), random.binomial(100, share, trials), strict=True):
        estimate = hits / n
        half = 1.96 * math.sqrt(estimate * (1 - estimate) / n)
        low, high = count_range(estimate, estimate - half, min(1.0, estimate + half), of=100, alpha=0.05)
        inside += low <= right <= high
    assert 0.935 < inside / trials < 0.99


def settle(document):
    return dict(answers(document))["To settle"]


PAIR = [("small", "trees")]


@pytest.mark.parametrize(
    ("needed", "words"),
    [(20_000, "about 20,000 rows in all would"), (1_000, "somewhat more than 1,299 rows would"),
     (20_000_000, "over 10,000,000 rows would")],
)  # fmt: skip
def test_the_rows_that_settle_it_are_about_the_margin_and_the_next_rival(document, needed, words):
    found = document(FOUR, *PAIR)
    found["rivals"][0] |= {"rows_needed": [needed // 2, needed * 2]}
    what = "show a true difference of 0.01 (the margin) between small and trees four times in five"
    assert settle(found).startswith(f"{words} {what}; you have 1,299")
    found["plan"]["sample_of"] = 4_000
    assert "; the table has 4,000;" in settle(found)


@given(difference=st.floats(-0.09, 0.09))
def test_a_longer_run_is_advised_by_the_width_of_the_interval_and_never_by_the_difference(document, difference):
    found = document(FOUR, *PAIR)
    verdict = found["rivals"][0] | {"difference": difference, "low": difference - 0.1, "high": difference + 0.1}

    def last(factor, seeds, ratio=0.98, **plan):
        changed = {"rivals": [verdict | {"rows_factor": factor, "seed_share": seeds}], "more_repeats_ratio": ratio}
        return settle(found | changed | {"plan": found["plan"] | plan}).split("; ")[-1]

    assert last(5, None) == "more repeats won't help"
    assert last(5, 0.01) == "more repeats or seeds won't help"
    assert last(5, None, None) == "you have 1,299"
    assert last(1.5, 0.5) == "more seeds may show a true difference of 0.01 (the margin) between small and trees"
    assert last(1.5, 0.5, 0.7).startswith("more repeats or seeds may show")
    assert last(3, 0.5, 0.7).startswith("more repeats and seeds may show")
    assert last(3, 0.5) == "more repeats or seeds would narrow the ± by 31% at most, which isn't enough"
    assert last(5, 0.0, quick=True) == "a full run makes this reliable, but will hardly separate them"
    assert (
        last(1.5, 0.5, quick=True)
        == "a full run may show a true difference of 0.01 (the margin) between small and trees"
    )


def test_if_all_is_decided_nothing_more_is_advised(document, make):
    assert settle(document(FOUR)) == "nothing; more rows or a longer run aren't needed"
    unfinished = document(FOUR, checks=[make.check("small", "under_trained")])
    assert settle(unfinished).startswith("nothing for networks trained like this;")
    assert settle(document(FOUR, plan={"quick": True})) == "nothing in this first look; a full run makes it reliable"
    check = make.check("small", "under_trained") | {"evidence": {"training_loss": 0.7}}
    assert settle(document(FOUR, *PAIR, checks=[check])) == "first train small until it has learnt something"


def test_a_first_look_a_sample_and_missing_baselines_are_named(document):
    found = document({"small": 0.1, "large": 0.2}, ("small", "large"), plan={"quick": True, "repeats": 1})
    sure = dict(answers(found))["How sure"]
    assert "a first look with 1 repeat: run it without quick before you rely on it" in sure
    assert sure.endswith("no baseline was compared, so this doesn't show whether a network is needed")
    found["plan"]["sample_of"] = 48_842
    words = "a sample of 1,299 of 48,842 rows, and all rows may change any of this"
    assert words in dict(answers(found))["How sure"]


@given(
    order=st.permutations(["trees", "logistic", "large", "small", "prior"]),
    bits=st.lists(st.booleans(), min_size=10, max_size=10),
    steps=st.lists(st.floats(0.0, 0.02), min_size=5, max_size=5),
)
def test_no_answer_contradicts_the_errors_or_verdicts(document, order, bits, steps):
    losses = dict(zip(order, (0.1 + np.cumsum(steps)).tolist(), strict=True))
    alike = [pair for pair, bit in zip(itertools.combinations(order, 2), bits, strict=True) if bit]
    found = document(losses, *alike)
    said = dict(answers(found))
    text = " ".join(glance_text(found).split())
    assert [label for label, words in said.items() if words not in text] == []
    use = said["Use"].partition(":")[0]
    assert ("shown to be better than all others" in said["Use"]) <= (not any(use in pair for pair in alike))
    assert ("Network" in said) == (use not in SIZES)


def test_the_error_of_a_number_has_the_unit_of_the_target(document, make):
    found = document({"small": 0.1, "trees": 0.2}, task="regression", target="alcohol")
    score = make.scores()["brier"]
    found["candidates"][0]["scores"] |= {"r2": score, "mae": score | {"mean": 0.3, "low": 0.2, "high": 0.4}}
    expect = dict(answers(found))["Expect"]
    assert expect.endswith("mean absolute error 0.3000 (95% interval 0.2000 to 0.4000), in units of alcohol")

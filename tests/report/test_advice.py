"""The answers of the first screen: which model to use, what to expect, and how many rows would show which is better."""

import math

import msgspec
import numpy as np
import pytest

from seedbed.evaluation.conclusion import advise
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import Verdict, count_range
from seedbed.report.advice import answers

SIZES = {"prior": -2, "logistic": -1, "small": 10, "large": 2000}
RULES = {"worse": (-0.1, -0.02), "open": (-0.1, 0.02), "alike": (-0.005, 0.005)}


@pytest.fixture(scope="module")
def document(make):
    """A function that makes a summary of models, the recommended one first; of each other one whether it is worse,
    alike, or open."""

    def build(rules, **changes):
        (use, _), *others = rules.items()
        behind = [
            make.verdict(name, *RULES[rule], reference=use) | {"rows_factor": 20.0}
            | ({"rule": "cannot_tell"} if rule == "open" else {})
            for name, rule in others
        ]  # fmt: skip
        advice = advise(list(rules), msgspec.convert(behind, list[Verdict]), SIZES)
        models = [(make.network if name in ("small", "large") else make.baseline)(name) for name in rules]
        given = {"advice": vars(advice), "verdicts": behind, "reference": use, "reference_named": False}
        return make.document(*models, **given, **changes)

    return build


def said(document):
    return dict(answers(msgspec.convert(document, Conclusion)))


def test_without_verdicts_no_model_is_recommended(make):
    assert said(make.document(make.network("small"), make.baseline("trees"))) == {}
    assert list(said(make.document(make.network("small")))) == ["Note", "Expect"]


@pytest.mark.parametrize(
    ("rules", "use"),
    [
        ({"small": "", "large": "worse", "prior": "worse"}, "small: shown to be better than large"),
        ({"small": "", "large": "worse", "trees": "worse", "prior": "worse"},
         "small: shown to be better than all others that were compared"),
        ({"trees": "", "large": "open", "small": "worse", "prior": "worse"}, "trees; large may be as good"),
        ({"trees": "", "large": "open", "small": "open", "prior": "worse"}, "trees; large and small may be as good"),
        ({"trees": "", **dict.fromkeys("abcd", "open"), "prior": "worse"}, "trees; four others may be as good"),
        ({"large": "", "small": "alike", "prior": "worse"},
         "large; small is simpler, with no difference that matters"),
        ({"small": "", "large": "alike", "prior": "worse"}, "small; no difference that matters to large"),
        ({"small": "", "trees": "worse", "prior": "open"},
         "small: shown to be better than trees; it isn't shown to be better than always answering 0"),
        ({"prior": "", "small": "open"}, "no model: none did better than always answering 0"),
        ({"prior": "", "small": "worse"}, "no model: none is shown to do better than always answering 0"),
    ],
)  # fmt: skip
def test_one_model_is_named_with_those_that_may_be_as_good(document, rules, use):
    assert said(document(rules))["Use"] == use


TWO = {"small": "", "prior": "worse"}


def test_the_expected_accuracy_a_count_of_rows_and_guessing_are_given(document, make):
    expect = said(document(TWO))["Expect"]
    assert expect == "82% right (72 to 92); of the next 100 rows, 70 to 95 right; always answering 0 gets 82.5%"
    found = document({"small": "", "trees": "worse"})
    found["candidates"][0]["scores"] = make.scores(accuracy=(0.999, 0.997, 1.0))
    assert said(found)["Expect"].endswith("of the next 1,000 rows, 996 to 1,000 right")
    found["candidates"][0]["scores"]["accuracy"] |= {"low": None, "high": None}
    assert "Expect" not in said(found)


def test_what_the_choice_of_the_best_adds_is_subtracted(document):
    assert said(document(TWO, optimism={"accuracy": 0.04}))["Expect"].startswith(
        "78% right (68 to 88), corrected for choosing the best; "
    )
    numbers = {"task": "regression", "target": "alcohol", "optimism": {"mae": 0.1}}
    found = document(TWO, **numbers)
    for one in found["candidates"]:
        one["scores"] |= {"mae": one["scores"]["brier"] | {"mean": 0.3, "low": 0.2, "high": 0.4}}
    words = "off by 0.4000 (0.3000 to 0.5000) on average, in units of alcohol, corrected for choosing the best"
    assert said(found)["Expect"] == f"{words}; always answering the mean gets 0.3000"


def test_of_a_rare_label_the_share_that_is_found_is_given(document):
    found = document(TWO, labels={"0": 1461, "yes": 39}, majority_share=0.974)
    recall = "finds 60% of the rows with DEATH_EVENT yes (50 to 70)"
    assert said(found)["Expect"] == f"{recall}; ROC AUC 0.900 (0.800 to 1.000)"


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


OPEN = {"small": "", "trees": "open", "prior": "worse"}


def test_the_rows_that_would_show_which_is_better_are_ranges_for_the_margin_and_for_what_is_seen(document):
    found = document(OPEN)
    assert said(found)["More rows"] == (
        "1,300 to 3,200 rows in all would show which of small and trees is better, if they differ by 0.04 in Brier "
        "score, as it looks; 13,000 to 52,000 rows if by 0.01, the least that matters; you have 1,299"
    )
    found["plan"]["sample_of"] = 4_000
    found["verdicts"][0] |= {"difference": -0.005, "rows_factor": 90.0}
    what = "in all would show which of small and trees is better, if they differ by 0.01 in Brier score"
    assert said(found)["More rows"] == f"58,000 to 230,000 rows {what}; the table has 4,000"
    found["verdicts"][0] |= {"rows_factor": 1e6}
    assert said(found)["More rows"].startswith("over 10,000,000 rows in all would show")


def test_even_a_prior_that_may_be_as_good_is_the_rival(document):
    assert "would show which of small and prior is better" in said(document(OPEN | {"prior": "open"}))["More rows"]


def test_a_longer_run_is_named_where_it_may_be_enough(document):
    found = document(OPEN, more_repeats_ratio=0.5)
    found["verdicts"][0] |= {"rows_factor": 3.0}
    assert said(found)["More rows"] == "more repeats may show which of small and trees is better"
    found["plan"] |= {"quick": True}
    assert said(found)["More rows"] == "a full run may show which of small and trees is better"


def test_if_all_is_decided_no_rows_are_named(document, make):
    decided = {"small": "", "trees": "worse", "large": "alike", "prior": "worse"}
    assert said(document(decided))["More rows"] == "not needed to choose a model"
    quick = said(document(decided, plan={"quick": True, "repeats": 1}))
    assert quick["More rows"] == "not needed to choose a model; a full run makes it reliable"
    assert quick["Note"] == "a first look with 1 repeat: run it without quick before you rely on it"
    check = make.check("small", "under_trained") | {"evidence": {"training_loss": 0.7}}
    assert said(document(OPEN, checks=[check]))["More rows"] == "first train small until it has learnt something"


def test_a_sample_and_missing_baselines_are_named(document):
    found = document({"small": "", "large": "open"}, plan={"sample_of": 48_842})
    note = said(found)["Note"]
    assert "this is a sample of 1,299 of 48,842 rows, and all rows may change any of this" in note
    assert note.endswith("no baseline was compared, so this doesn't show whether a network is needed")

"""Which model to use, in words."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import advise, brackets
from seedbed.report import comparison_text
from seedbed.report.advice import advice_sentences, sureness_sentences

SIZES = {"small": 10, "large": 2000}


@pytest.fixture(scope="module")
def document(make):
    """A document by errors, the lowest first; `alike` are the pairs that no test tells apart."""

    def build(losses, *alike, margin=0.01, **changes):
        apart = ~np.eye(len(losses), dtype=bool)
        for one, other in alike:
            pair = list(losses).index(one), list(losses).index(other)
            apart[pair] = apart[pair[::-1]] = False
        found = vars(advise(losses, apart, SIZES, margin=margin))
        models = [
            (make.network if name in SIZES else make.baseline)(
                name,
                scores=make.scores(brier=(loss, loss - 0.1, loss + 0.1)),
                **({"n_parameters": SIZES[name]} if name in SIZES else {}),
            )
            for name, loss in losses.items()
        ]
        verdicts = [make.verdict(name, -0.1, 0.1) for name in list(losses)[1:]]
        return make.document(
            *models, advice=found, verdicts=verdicts, brackets=[list(one) for one in brackets(apart)], **changes
        )

    return build


def test_without_a_verdict_nothing_is_advised(make):
    found = make.document(make.network("small"), make.network("large"))
    assert advice_sentences(found) == []
    assert list(sureness_sentences(found)) == []


def test_a_network_that_is_shown_to_be_better_than_all_others_is_recommended(document):
    found = document({"small": 0.1, "large": 0.2, "trees": 0.3, "prior": 0.4})
    assert advice_sentences(found) == [
        "Use small: it has the lowest error, and it is shown to be better than all others."
    ]


def test_a_network_that_only_leads_is_recommended_and_said_to_lead(document):
    found = document({"small": 0.1, "large": 0.2, "trees": 0.3, "prior": 0.4}, ("small", "trees"), ("small", "large"))
    assert advice_sentences(found) == [
        "Use small: it has the lowest error, but only leads.",
        "It isn't shown to be better than large and trees.",
    ]


def test_a_simpler_network_is_recommended_within_the_margin_with_both_sizes(document):
    found = document({"large": 0.1, "small": 0.105, "prior": 0.4}, ("large", "small"))
    headline, why = advice_sentences(found)
    assert headline == "Use small: it is simpler than the best guess, large, and as good to within the margin."
    assert why.startswith("large has 2,000 parameters instead of 10 and an error lower by 0.005, but it isn't shown to")


def test_where_a_baseline_leads_no_network_is_needed_and_the_best_network_comes_second(document):
    losses = {"trees": 0.1, "large": 0.2, "small": 0.205, "prior": 0.4}
    assert advice_sentences(document(losses)) == [
        "No network is needed: trees has the lowest error, and it is shown to be better than all others.",
        "The best network is large, which is shown to be worse.",
    ]
    assert advice_sentences(document(losses, ("trees", "small"), ("large", "small"))) == [
        "No network is needed: trees has the lowest error, but only leads.",
        "It isn't shown to be better than small.",
        "The best network is small, which may be as good.",
        "large has 2,000 parameters instead of 10 and an error lower by 0.005, which is within the margin.",
    ]


def test_where_a_baseline_ties_no_network_is_needed_either(document):
    found = document({"large": 0.1, "logistic": 0.105, "small": 0.2, "prior": 0.4}, ("large", "logistic"))
    assert advice_sentences(found) == [
        "No network is needed: logistic is within the margin of the best guess, large.",
        "large has an error lower by 0.005, but it isn't shown to be better than logistic.",
    ]


def test_nothing_is_recommended_where_nothing_is_shown_to_be_better_than_guessing(document):
    losses = {"small": 0.1, "trees": 0.2, "prior": 0.4}
    found = document(losses, *itertools.combinations(losses, 2))
    assert advice_sentences(found) == [
        "No model is shown to be better than predicting the class frequencies; the best guess is small."
    ]
    guess = advice_sentences(document({"prior": 0.1, "small": 0.2}))
    assert guess[0].startswith("No model is needed: predicting the class frequencies has the lowest error, and")


def test_networks_that_are_no_better_than_guessing_are_named_where_a_baseline_is(document):
    found = document({"trees": 0.1, "small": 0.3, "prior": 0.4}, ("small", "prior"))
    assert advice_sentences(found)[1:] == [
        "No network is shown to be better than predicting the class frequencies; the best one is small."
    ]


def test_what_to_expect_is_said_of_what_is_recommended_accuracy_first(document):
    found = document({"trees": 0.1, "small": 0.2, "prior": 0.4}, ("trees", "small"))
    assert list(sureness_sentences(found)) == [
        "On new rows like these, expect of trees accuracy 82.5% (72.5 to 92.5%) and Brier score 0.100 (0.000 to 0.200)."
    ]


@given(
    order=st.permutations(["trees", "logistic", "large", "small", "prior"]),
    bits=st.lists(st.booleans(), min_size=10, max_size=10),
    steps=st.lists(st.floats(0.0, 0.02), min_size=5, max_size=5),
)
def test_no_recommendation_contradicts_the_errors_or_what_is_shown(document, order, bits, steps):
    losses = dict(zip(order, (0.1 + np.cumsum(steps)).tolist(), strict=True))
    alike = [pair for pair, bit in zip(itertools.combinations(order, 2), bits, strict=True) if bit]
    found = document(losses, *alike)
    headline, text = advice_sentences(found)[0], comparison_text(found)
    assert " ".join(headline.split()) in " ".join(text.split())
    assert order[0] in headline or "predicting the class frequencies" in headline
    assert ("shown to be better than all others" in headline) <= (not any(order[0] in pair for pair in alike))
    if headline.startswith("Use "):
        assert order[0] in SIZES


def test_what_to_expect_of_the_first_allows_for_its_having_been_chosen(document):
    top = {"name": "", "winner": "small", "among": 2, "apparent": 0.1, "expected": 0.13, "low": 0.05, "high": 0.21}
    found = document({"small": 0.1, "prior": 0.4}, top=top)
    assert "Brier score 0.130 (0.050 to 0.210)" in " ".join(sureness_sentences(found))

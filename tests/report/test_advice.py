"""The sentences that advise which model to use."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import advise, brackets
from seedbed.report import comparison_text, glance_text
from seedbed.report.advice import advice_sentences, expected_sentences

SIZES = {"small": 10, "large": 2000}


@pytest.fixture(scope="module")
def document(make):
    """A function that makes a summary from errors, the lowest first; the pairs in `alike` don't differ
    significantly."""

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


def test_without_verdicts_there_is_no_advice(make):
    found = make.document(make.network("small"), make.network("large"))
    assert advice_sentences(found) == []
    assert list(expected_sentences(found)) == []


def test_a_network_that_is_better_than_all_others_is_recommended(document):
    found = document({"small": 0.1, "large": 0.2, "trees": 0.3, "prior": 0.4})
    assert advice_sentences(found) == ["Use small: it is shown to be better than all others."]


def test_a_network_that_leads_perhaps_by_chance_is_recommended_as_such(document):
    found = document({"small": 0.1, "large": 0.2, "trees": 0.3, "prior": 0.4}, ("small", "trees"), ("small", "large"))
    assert advice_sentences(found) == [
        "Use small: it has the lowest Brier score, but its lead may be chance.",
        "These 1,299 rows don't show which of the first two is best.",  # trees is worse
        "Whether a network is needed is open: the lead of small over trees would matter, but may be chance.",
    ]


def test_a_simpler_network_within_the_margin_is_recommended_with_the_size_of_the_other(document):
    found = document({"large": 0.1, "small": 0.105, "prior": 0.4}, ("large", "small"))
    assert advice_sentences(found) == [
        "Use small: it is simpler than large, whose small lead may be chance.",
        "large (82.5%) isn't shown to be better than small, and has 200 times as many parameters.",
        "These 1,299 rows don't show which of the first two is best.",
    ]


def test_a_baseline_among_the_first_leaves_open_whether_a_network_is_needed(document):
    losses = {"small": 0.1, "trees": 0.2, "prior": 0.4}
    _, doubt = advice_sentences(document(losses, ("small", "trees")))
    assert doubt == "These 1,299 rows don't show which of the first two is best, so a network may not be needed."
    assert "needed" not in " ".join(advice_sentences(document(losses)))


def test_if_a_baseline_leads_it_is_recommended_before_the_best_network(document):
    losses = {"trees": 0.1, "large": 0.2, "small": 0.205, "prior": 0.4}
    assert advice_sentences(document(losses)) == [
        "No network is needed: use trees, which is shown to be better than large.",
        "Among networks, use large (82.5%).",
    ]
    assert advice_sentences(document(losses, ("trees", "large"), ("trees", "small"), ("large", "small"))) == [
        "No network is needed: use trees, as no network is shown to be better.",
        "Among networks, use small (82.5%); large (82.5%) is larger and isn't shown to be better.",
        "These 1,299 rows don't show which of the first three is best.",
    ]


def test_if_a_baseline_ties_no_network_is_needed(document):
    found = document({"large": 0.1, "logistic": 0.105, "small": 0.2, "prior": 0.4}, ("large", "logistic"))
    assert advice_sentences(found) == [
        "No network is needed: use logistic, as the small lead of large may be chance.",
        "Among networks, use large (82.5%).",
        "These 1,299 rows don't show which of the first two is best.",
    ]


def test_the_best_guess_is_named_if_nothing_is_shown_to_be_better_than_the_class_frequencies(document):
    losses, same = {"small": 0.1, "trees": 0.2, "prior": 0.4}, "predicting the same for every row"
    assert advice_sentences(document(losses, *itertools.combinations(losses, 2))) == [
        f"Best guess by the Brier score: use small, which isn't shown to be better than {same}.",
    ]
    losses = {"trees": 0.1, "small": 0.2, "prior": 0.4}
    words = "Among networks, the best guess is small (82.5%)."
    assert words in advice_sentences(document(losses, *itertools.combinations(losses, 2)))


def test_an_undecided_gain_is_not_called_needless(document):
    losses = {"prior": 0.1, "small": 0.2}
    open_headline, *_ = advice_sentences(document(losses, ("prior", "small")))
    assert (
        open_headline
        == "No recommendation by the Brier score: no model did better than predicting the same for every row."
    )
    settled, *_ = advice_sentences(document(losses))
    assert settled == "Use no model: all of them are shown to be worse than predicting the same for every row."


def test_networks_no_better_than_the_class_frequencies_are_named_if_a_baseline_is_better(document):
    found = document({"trees": 0.1, "small": 0.3, "prior": 0.4}, ("small", "prior"))
    assert advice_sentences(found)[1:] == [
        "No network is shown to be better than predicting the same for every row; the best one is small."
    ]


def test_undecided_and_no_practical_difference_have_different_sentences(document, make):
    found = document({"small": 0.1, "large": 0.105, "prior": 0.4}, ("small", "large"))
    alike = make.verdict("large", -0.005, 0.005, reference="small")
    alike = found | {"verdicts": [alike, make.verdict("prior", -0.4, -0.3, reference="small")], "reference": "small"}
    assert "There is no practical difference between small and large." in advice_sentences(alike)
    assert "don't show" not in " ".join(advice_sentences(alike))
    assert "no practical difference" not in " ".join(advice_sentences(found))


def test_the_expected_accuracy_of_the_recommended_model_is_given_in_rows(document):
    found = document({"trees": 0.1, "small": 0.2, "prior": 0.4}, ("trees", "small"))
    assert list(expected_sentences(found)) == [
        "Of 100 new rows like these, trees gets about 82 right (plausibly 72 to 92)."
    ]


@given(
    order=st.permutations(["trees", "logistic", "large", "small", "prior"]),
    bits=st.lists(st.booleans(), min_size=10, max_size=10),
    steps=st.lists(st.floats(0.0, 0.02), min_size=5, max_size=5),
)
def test_no_recommendation_contradicts_the_errors_or_verdicts(document, order, bits, steps):
    losses = dict(zip(order, (0.1 + np.cumsum(steps)).tolist(), strict=True))
    alike = [pair for pair, bit in zip(itertools.combinations(order, 2), bits, strict=True) if bit]
    found = document(losses, *alike)
    headline, text = advice_sentences(found)[0], " ".join(glance_text(found).split())
    assert " ".join(headline.split()) in text
    assert " ".join(headline.split()) in " ".join(comparison_text(found).split())
    assert ("shown to be better than all others" in headline) <= (not any(order[0] in pair for pair in alike))
    if headline.startswith("Use ") and "no model" not in headline:
        assert found["advice"]["use"] in SIZES
    if headline.startswith("No network is needed"):
        assert found["advice"]["use"] in ("trees", "logistic")


def test_the_expected_accuracy_of_the_best_is_corrected_for_the_selection(document, make):
    top = {"name": "", "winner": "small", "among": 2, "apparent": 0.9, "expected": 0.8, "low": 0.7, "high": 0.85}
    by_accuracy = make.document(make.network("small"), metric="accuracy")["metric"]
    found = document({"small": 0.1, "prior": 0.4}, top=top, metric="accuracy")
    assert found["metric"] == by_accuracy
    assert "about 80 right (plausibly 70 to 85)" in " ".join(expected_sentences(found))

"""Which network to use, in words."""

import pytest

from seedbed.report.advice import advice_sentences, sureness_sentences


@pytest.fixture
def told(make):
    """The sentences on `a` and `b`, with a baseline between or above; changes go into the advice."""

    def tell(**changes):
        advice = {"network": "a", "among": ["a", "b"], "first": "a", "as_good": [], "ahead": [], "no_gain": False}
        small, large = make.network("a", n_parameters=10), make.network("b", n_parameters=2000)
        found = make.document(small, large, make.baseline("logistic-regression"), advice=advice | changes)
        return advice_sentences(found)

    return tell


def test_without_a_verdict_nothing_is_advised(make):
    found = make.document(make.network("a"), make.network("b"))
    assert advice_sentences(found) == []
    assert list(sureness_sentences(found)) == []


def test_the_smaller_of_two_that_are_not_told_apart_is_advised_with_its_size(told):
    why = "These rows can't tell it from b, which comes first among the networks, and it is smaller"
    assert told(first="b") == ["Use a.", f"{why} (10 parameters, not 2,000)."]


def test_of_three_or_more_it_says_that_none_has_fewer_parameters(told):
    assert told(first="b", among=["b", "a", "c"])[1] == (
        "These rows can't tell it from b, which comes first among the networks with 2,000 parameters; it has 10, and "
        "none that can't be told from the first has fewer."
    )


def test_the_first_one_is_advised_where_no_other_like_it_is_smaller(told):
    assert told()[1] == "It comes first among the networks; these rows can't tell it from b, which is no smaller."


def test_the_one_that_is_told_apart_is_said_to_be_ahead(told):
    assert told(among=["a"])[1] == "It is told apart from the other network, and ahead of it."


def test_a_baseline_that_does_as_well_is_named(told):
    assert told(as_good=["logistic-regression"])[-1] == (
        "But logistic-regression can't be told from it either: as far as these rows show, no network is needed."
    )


def test_a_baseline_that_is_ahead_comes_first(told):
    assert told(ahead=["logistic-regression"])[0] == (
        "Use logistic-regression, which comes out ahead of the networks. If it must be a network, use a."
    )


def test_where_nothing_beats_always_guessing_no_network_is_advised(told):
    assert told(no_gain=True) == [
        "Use none of these networks: a isn't told apart from always guessing the class shares."
    ]
    (ahead,) = told(no_gain=True, ahead=["auto"])
    assert ahead.startswith("Use auto, which comes out ahead, and none of these networks: a isn't told apart from")


def test_how_sure_it_is_stands_with_what_to_expect(make):
    advice = {"network": "b", "among": ["a", "b"], "first": "a", "as_good": [], "ahead": [], "no_gain": False}
    verdicts = [make.verdict("b", -0.01, 0.02, reference="a", p_better=0.55), make.verdict("prior", -0.2, -0.1)]
    found = make.document(
        make.network("a"), make.network("b"), make.baseline("prior"), advice=advice, verdicts=verdicts
    )
    assert list(sureness_sentences(found)) == [
        "Of b on new rows like these, expect Brier score 0.125 (0.025 to 0.225) and accuracy 82.5% (72.5 to 92.5%).",
        "How sure is that? Probability of a lower error than a, each comparison taken alone: b 55%.",
    ]

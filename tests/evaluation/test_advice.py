"""Which model is recommended: the one with the lowest mean loss, with the simpler ones that make no
difference."""

from types import SimpleNamespace

from seedbed.evaluation.conclusion import advise

SIZES = {"prior": -2, "logistic": -1, "small": 10, "large": 2000}


def found(**rules):
    """The advice on models in this order, the first of which is recommended, by the rule of each of
    the others."""
    first, *others = rules
    behind = [SimpleNamespace(candidate=name, rule=rules[name]) for name in others]
    return advise([first, *others], behind, SIZES, gains=lambda name: name == "large")


def test_the_model_with_the_lowest_loss_is_recommended_and_those_not_shown_to_be_worse_are_named():
    advice = found(
        trees="",
        large="cannot_tell",
        small="no_practical_difference",
        logistic="worse",
        prior="worse",
    )
    assert (advice.use, advice.others, advice.guess) == ("trees", ("large", "small"), False)


def test_the_simplest_model_without_a_difference_that_matters_is_named():
    alike = "no_practical_difference"
    assert found(large="", small=alike, logistic=alike, prior="worse").simpler == "logistic"
    assert found(large="", small=alike, logistic="cannot_tell", prior="worse").simpler == "small"
    assert found(small="", large=alike, prior="worse").simpler == ""
    assert (
        found(trees="", large=alike, prior="worse").simpler == "large"
    )  # the size of trees isn't known
    assert found(large="", trees=alike, prior="worse").simpler == ""


def test_a_model_that_is_not_shown_to_be_better_than_the_prior_is_a_guess():
    assert found(small="", prior="cannot_tell").guess
    assert not found(prior="", small="cannot_tell").guess
    assert found(small="", large="worse").guess  # as `gains` says
    assert not found(large="", small="worse").guess

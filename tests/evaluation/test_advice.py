"""Which model is recommended: the reference, unless another is shown to be better; and the simplest
one that may be as good."""

from types import SimpleNamespace

import pytest

from seedbed.evaluation.conclusion import recommended, simplest

SIZES = {"prior": 0, "logistic": 1, "trees": 2, "small": 4, "large": 5}


def concluded(reference, **rules):
    """A conclusion on models in the order of their losses, by the rule of each but the reference."""
    verdicts = [
        SimpleNamespace(candidate=name, rule=rule)
        for name, rule in rules.items()
        if name != reference
    ]
    return SimpleNamespace(reference=reference, ranking=tuple(rules), verdicts=verdicts)


def test_the_reference_stays_unless_another_is_shown_to_be_better():
    result = recommended(concluded("auto", large="cannot_tell", auto="", prior="worse"))
    assert result == "auto"
    assert recommended(concluded("auto", large="likely_better", auto="")) == "auto"
    better = concluded(
        "auto", small="cannot_tell", large="better", trees="better", auto=""
    )
    assert recommended(better) == "large"


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (
            {"auto": "", "large": "no_practical_difference", "trees": "cannot_tell"},
            "trees",
        ),
        ({"auto": "", "logistic": "likely_worse", "small": "cannot_tell"}, "small"),
        ({"auto": "", "small": "worse", "prior": "likely_worse"}, ""),
        ({"auto": "", "prior": "cannot_tell", "logistic": "cannot_tell"}, "logistic"),
        ({"auto": "", "prior": "cannot_tell", "logistic": "worse"}, ""),
        ({"auto": "", "own": "cannot_tell"}, ""),  # its size isn't known
    ],
)
def test_the_simplest_model_that_is_not_likely_worse_is_named(rules, name):
    assert simplest(concluded("auto", **rules), SIZES) == name


def test_a_model_is_named_only_if_it_is_simpler_than_the_reference():
    rules = {"logistic": "", "large": "cannot_tell", "prior": "worse"}
    assert simplest(concluded("logistic", **rules), SIZES) == ""

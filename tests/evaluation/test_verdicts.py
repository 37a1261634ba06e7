"""The seven rules of a verdict, in order, and their wording."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.estimates import Difference
from seedbed.evaluation.verdicts import Verdict, decide


def verdict(low, high, margin=1.0, **changed):
    shown = {
        "candidate": "relu:5",
        "reference": "linear:5",
        "metric": "brier",
        "n_rows": 299,
        "n_train": 269,
    }
    sizes = {
        "difference": (low + high) / 2,
        "low": low,
        "high": high,
        "margin": margin,
        "rows_needed": (1234, 4936),
    }
    chances = {
        "p": 0.01,
        "p_adjusted": 0.02,
        "p_better": 0.9,
        "p_better_by_margin": 0.5,
        "opposite_share": 0.12,
    }
    others = {"seed_share": 0.1, "comparisons": 2, "accuracy": Difference(0.031, 0.01, 0.052)}
    fields = shown | sizes | chances | others | {"rule": decide(low=low, high=high, margin=margin)}
    return Verdict(**(fields | changed))


@pytest.mark.parametrize(
    ("low", "high", "rule"),
    [
        *(
            (1.0, 3.0, "better_by_margin"),
            (0.1, 1.2, "better"),
            (-3.0, -0.1, "worse"),
            (-0.9, 1.0, "no_worse"),
        ),
        *(
            (-0.5, 0.9, "no_practical_difference"),
            (-1.0, 0.9, "no_better"),
            (-1.0, 2.0, "cannot_tell"),
        ),
        (1.0, 1.0, "better_by_margin"),  # also L > 0
        (0.1, 0.9, "no_practical_difference"),  # also L > 0
        (-0.9, -0.1, "no_practical_difference"),  # also U < 0
        (0.0, 0.0, "no_practical_difference"),
        (-1.0, 0.5, "no_better"),  # L = -m is not above -m
        (-1.0, 1.0, "cannot_tell"),  # nor is U = m below m
        (-1.0, -0.1, "worse"),
        (0.0, 1.0, "no_worse"),  # 0 is not above 0
        (-2.0, 0.0, "no_better"),  # and not below 0
    ],
)
def test_the_rules_apply_in_order_with_exact_bounds(low, high, rule):
    assert decide(low=low, high=high, margin=1.0) == rule


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0.1, 2))
def test_swapping_two_models_gives_the_mirrored_verdict(low, width, margin):
    one = decide(low=low, high=low + width, margin=margin)
    other = decide(low=-(low + width), high=-low, margin=margin)
    mirrored = {"better": "worse", "better_by_margin": "worse", "no_worse": "no_better"}
    mirrored |= {other: rule for rule, other in mirrored.items() if rule != "better_by_margin"}
    assert mirrored.get(one, one) == other.removesuffix("_by_margin")

"""The strict rules of a verdict, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.verdicts import decide


@pytest.mark.parametrize(
    ("low", "high", "is_small", "rule"),
    [
        (0.1, 1.2, False, "better"),
        (-3.0, -0.1, False, "worse"),
        (-0.5, 0.9, False, "cannot_tell"),
        (0.1, 0.9, True, "no_practical_difference"),  # also above 0
        (-0.9, -0.1, True, "no_practical_difference"),  # also below 0
        (0.0, 0.0, True, "no_practical_difference"),
        (0.0, 1.0, False, "cannot_tell"),  # 0 is not above 0
        (-2.0, 0.0, False, "cannot_tell"),  # and not below 0
    ],
)
def test_the_rules_apply_in_order_with_exact_bounds(low, high, is_small, rule):
    assert decide(low=low, high=high, is_small=is_small) == rule


@given(st.floats(-5, 5), st.floats(0, 5))
def test_swapping_two_models_gives_the_mirrored_verdict(low, width):
    one = decide(low=low, high=low + width)
    other = decide(low=-(low + width), high=-low)
    assert {"better": "worse", "worse": "better"}.get(one, one) == other

"""The protocol for every size of table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import TargetError
from seedbed.evaluation.protocol import protocol


@pytest.mark.parametrize(
    ("n_rows", "outside", "expected"),
    [
        (49, 20, ("scores_only", 1, 10, None)),
        (300, 9, ("scores_only", 1, 9, None)),
        (50, 20, ("cross_validation", 10, 10, 9)),
        (299, 96, ("cross_validation", 10, 10, 9)),
        (1999, None, ("cross_validation", 10, 10, 9)),
        (2000, 900, ("cross_validation", 3, 10, 9)),
        (20_000, None, ("cross_validation", 3, 10, 9)),
        (20_001, 500, ("cross_validation", 1, 10, 9)),
        (200_000, 500, ("cross_validation", 1, 10, 9)),
        (200_001, 500, ("held_out", 1, 1, None)),
        (300_000, 49, ("cross_validation", 1, 10, 9)),
        (300, 19, ("cross_validation", 10, 9, 8)),
        (5000, 10, ("cross_validation", 3, 5, 4)),
    ],
)
def test_the_protocols_equal_the_table_in_the_documentation(n_rows, outside, expected):
    design = protocol(n_rows, outside)
    assert (design.kind, design.repeats, design.folds, design.df) == expected
    assert design.has_verdict == (expected[0] != "scores_only")


def test_a_fifth_of_a_large_table_is_held_out():
    assert protocol(200_001).locked_share == 0.2
    assert protocol(200_000).locked_share == 0


@pytest.mark.parametrize(("n_rows", "most"), [(2_000, 1.15), (20_001, 1.21)])
def test_a_row_more_widens_an_interval_by_as_little_as_documentation_says(n_rows, most):
    before, after = protocol(n_rows - 1), protocol(n_rows)
    assert before.repeats > after.repeats
    assert before.df == after.df == 9
    overlap = 1 / 9
    widths = [
        (1 / (one.repeats * one.folds) + overlap) ** 0.5 for one in (before, after)
    ]
    assert 1 < widths[1] / widths[0] < most


def test_a_protocol_without_verdict_has_a_reason():
    few = "are too few for a verdict (it needs"
    assert (
        protocol(40, 12).reason == f"40 rows {few} 50 rows), so only scores are shown"
    )
    assert (
        protocol(300, 7).reason
        == f"7 rows outside the largest class {few} 10 rows), so only scores are shown"
    )
    result = protocol(300, 100, n_groups=19).reason
    assert result == f"19 groups {few} 20 groups), so only scores are shown"
    assert protocol(300, 15).reason.endswith(
        "no more folds, since there are 15 rows outside the largest class"
    )


def test_a_quick_look_is_one_repeat_and_marked():
    design = protocol(300, 100, quick=True)
    assert (design.repeats, design.folds, design.df, design.quick) == (1, 10, 9, True)
    assert "first look" in design.reason


@pytest.mark.parametrize(
    ("n_rows", "outside", "n_groups", "found"),
    [
        (3, None, None, "3 rows"),
        (0, None, None, "0 rows"),
        (100, 1, None, "1 outside the largest class"),
        (100, 0, None, "0 outside the largest class"),
        (100, 50, 1, "they form 1 group"),
    ],
)
@pytest.mark.parametrize("by_time", [False, True])
def test_a_target_that_cannot_be_split_is_refused(
    n_rows, outside, n_groups, found, by_time
):
    message = rf"^Too few rows: {found}\. To be split, a table needs 4, "
    with pytest.raises(TargetError, match=message):
        protocol(n_rows, outside, n_groups=n_groups, by_time=by_time)


@given(
    st.integers(4, 300_000),
    st.one_of(st.none(), st.integers(2, 150_000)),
    st.one_of(st.none(), st.integers(2, 300_000)),
)
def test_every_fold_can_hold_a_group(n_rows, outside, n_groups):
    outside = None if outside is None else min(outside, n_rows // 2)
    n_groups = None if n_groups is None else min(n_groups, n_rows)
    design = protocol(n_rows, outside, n_groups=n_groups)
    assert (1 if design.locked_share else 2) <= design.folds <= min(n_rows // 2, 10)
    assert outside is None or design.folds <= outside
    assert n_groups is None or design.folds <= n_groups
    assert design.df is None or design.df == design.folds - 1

"""The design for every size of table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import TargetError
from seedbed.evaluation import protocol


@pytest.mark.parametrize(
    ("n_rows", "smallest", "expected"),
    [
        (49, 20, ("scores_only", 1, 10, 5, None)),
        (300, 9, ("scores_only", 1, 9, 5, None)),
        (50, 20, ("cross_validation", 10, 10, 5, 9)),
        (299, 96, ("cross_validation", 10, 10, 5, 9)),
        (1999, None, ("cross_validation", 10, 10, 5, 9)),
        (2000, 900, ("cross_validation", 3, 10, 3, 9)),
        (20_000, None, ("cross_validation", 3, 10, 3, 9)),
        (20_001, 500, ("held_out", 1, 5, 3, None)),
        (300, 19, ("cross_validation", 10, 9, 5, 8)),
        (5000, 10, ("cross_validation", 3, 5, 3, 4)),
    ],
)
def test_the_table_of_the_statistics_page(n_rows, smallest, expected):
    design = protocol(n_rows, smallest)
    assert (design.kind, design.repeats, design.folds, design.seeds, design.df) == expected
    assert design.has_verdict == (expected[0] != "scores_only")


def test_a_fifth_of_a_large_table_is_locked_away():
    assert protocol(50_000).locked_share == 0.2
    assert protocol(20_000).locked_share == 0


def test_it_says_why_there_is_no_verdict():
    few = "are too few to tell candidates apart (a verdict needs"
    assert protocol(40, 12).reason == f"40 rows {few} 50 rows), so only scores are shown"
    of_a_class = f"7 rows of the rarest class {few} 10 rows of each class), so only scores are shown"
    assert protocol(300, 7).reason == of_a_class
    assert "rarest class has 15 rows" in protocol(300, 15).reason


def test_a_quick_look_is_one_repeat_and_marked():
    design = protocol(300, 100, quick=True)
    assert (design.repeats, design.folds, design.seeds, design.df, design.quick) == (1, 10, 3, 9, True)
    assert "first look" in design.reason


@pytest.mark.parametrize(
    ("n_rows", "smallest", "found"),
    [
        (3, None, "Too few rows: 3 rows"),
        (0, None, "Too few rows: 0 rows"),
        (100, 1, "Too few rows: 1 of the rarest class"),
        (100, 0, "Too few rows: 0 of the rarest class"),
    ],
)
def test_what_cannot_be_split_is_an_error_of_the_target(n_rows, smallest, found):
    with pytest.raises(TargetError, match=rf"^{found}\. Each class needs at least 2 rows to be split, the table 4\.$"):
        protocol(n_rows, smallest)


@given(st.integers(4, 100_000), st.one_of(st.none(), st.integers(2, 50_000)))
def test_every_fold_can_hold_a_row_of_every_class(n_rows, smallest):
    smallest = None if smallest is None else min(smallest, n_rows // 2)
    design = protocol(n_rows, smallest)
    assert 2 <= design.folds <= min(n_rows // 2, 10)
    assert smallest is None or design.folds <= smallest
    assert design.df is None or design.df == design.folds - 1

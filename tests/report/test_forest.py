"""The forest plot of the first screen: its axis, and what leaves it."""

import msgspec
import pytest

from seedbed.evaluation.summaries import Conclusion
from seedbed.report.glance import _limits, first_screen, forest_of


def test_the_axis_contains_zero_the_margin_and_all_typical_intervals():
    assert _limits([(0.1, 0.2), (0.3, 0.4)], least=0.05) == pytest.approx(
        (-0.4 / 3 - 0.64 / 30, 0.4 + 0.64 / 30)
    )
    low, high = _limits([(0.1, 0.2), (0.0, 0.1), (-90, -80)], least=0.05)
    assert -1 < low < -0.05
    assert high < 1
    assert _limits([(-90, -80)], least=0.05)[0] < -90
    assert _limits([(0.0, 0.0)], least=0.0) == (-1, 1)


def test_an_extreme_range_is_cut_off_and_its_numbers_are_kept(make):
    verdicts = [
        make.verdict("a", 0.01, 0.03),
        make.verdict("b", -0.01, 0.03),
        make.verdict("far", -900.0, -800.0),
    ]
    models = [make.network(name) for name in ("linear:5", "a", "b", "far")]
    plot = forest_of(
        first_screen(
            msgspec.convert(make.document(*models, verdicts=verdicts), Conclusion)
        )
    )
    assert (
        plot.marks["far"].cut_left,
        plot.marks["far"].point,
        plot.marks["far"].width,
    ) == (True, None, 0)
    assert 25 <= plot.zero <= 75
    assert plot.marks["far"].words.startswith("−850.0")
    assert (
        0
        < plot.marks["b"].left
        < plot.zero
        < plot.marks["a"].left
        < plot.marks["a"].point
        < 100
    )
    assert not any(
        plot.marks[name].cut_left or plot.marks[name].cut_right for name in "ab"
    )

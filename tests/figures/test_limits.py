"""The limits of value axes."""

import numpy as np
import pytest

from seedbed.figures.curves import Line, robust_limits


def _line(values):
    return Line(list(values), list(values), list(values))


def test_without_outliers_the_axis_contains_everything():
    low, high = robust_limits([[_line([1.0, 5.0])], [_line([-2.0, 900.0])]])
    assert low < -2.0
    assert high > 900.0


def test_a_spike_is_cut_off():
    spiky = np.linspace(0.7, 0.3, 400)
    spiky[100] = 1000.0
    assert robust_limits([[_line(spiky)]], cut_high=True)[1] < 4


@pytest.mark.parametrize("value", [0.0, 0.693, -3.0, 1e6])
def test_a_constant_curve_has_an_axis_with_extent(value):
    low, high = robust_limits([[_line([value] * 5)]], cut_high=True)
    assert low < value < high


def test_an_empty_chart_has_an_axis():
    assert robust_limits([]) == (0.0, 1.0)

"""The limits of a value axis."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.figures.limits import Line, robust_limits


def _line(values):
    return Line(list(values), list(values), list(values))


def test_without_a_cut_everything_is_within():
    low, high = robust_limits([[_line([1.0, 5.0])], [_line([-2.0, 900.0])]])
    assert low < -2.0
    assert high > 900.0


def test_a_loss_that_falls_at_once_shows_its_beginning():
    falling = 0.1 + 0.6 * np.exp(-np.arange(400) / 40)
    assert robust_limits([[_line(falling)]], cut_high=True)[1] > 0.7


def test_a_spike_leaves_the_picture():
    spiky = np.linspace(0.7, 0.3, 400)
    spiky[100] = 1000.0
    assert robust_limits([[_line(spiky)]], cut_high=True)[1] < 4


def test_test_loss_of_networks_that_learn_by_heart_stays_in_the_picture():
    training, test = np.exp(-np.arange(400) / 10), np.linspace(0.7, 3.0, 400)
    assert robust_limits([[_line(training), _line(test)]], cut_high=True)[1] > 3.0


def test_one_network_that_carries_the_mean_away_does_not_set_the_axis():
    middle = np.linspace(0.7, 0.3, 400)
    line = Line(list(middle * 1e6), list(middle - 0.1), list(middle + 0.1))
    assert robust_limits([[line, line]], cut_high=True)[1] < 6


def test_nothing_below_the_floor_is_shown_and_what_is_above_it_sets_the_axis():
    curve = np.linspace(-50.0, 0.7, 400)
    low, high = robust_limits([[_line(curve)]], floor=-0.5)
    assert (low, high) == pytest.approx((-0.5 - 0.04 * 1.2, 0.7 + 0.04 * 1.2))
    assert robust_limits([[_line(curve[300:])]], floor=-60.0) == robust_limits([[_line(curve[300:])]])


@pytest.mark.parametrize("value", [0.0, 0.693, -3.0, 1e6])
def test_a_flat_curve_still_has_room(value):
    low, high = robust_limits([[_line([value] * 5)]], cut_high=True)
    assert low < value < high


def test_nothing_drawn_has_an_axis_too():
    assert robust_limits([]) == (0.0, 1.0)

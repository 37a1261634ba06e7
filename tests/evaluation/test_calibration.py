"""The reliability curve, its decomposition, and the ECE with its reference value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from seedbed.evaluation.calibration import consistency_band, expected_calibration_error, reliability

rng = np.random.default_rng(3)
P = rng.random(200).round(2)
Y = (rng.random(200) < P**2).astype(int)

shares = st.integers(0, 10_000).map(lambda n: n / 10_000)  # what a picture's five digits keep
tables = st.lists(st.tuples(st.integers(0, 1), shares), min_size=1, max_size=30)


def test_the_curve_is_isotonic_regression_with_ties_pooled():
    found = reliability(Y, P)
    theirs = IsotonicRegression().fit(P, Y).predict(found.forecast)
    assert found.observed == pytest.approx(theirs, abs=1e-6)
    assert found.rows.sum() == 200
    assert (np.diff(found.forecast) > 0).all()


@given(tables)
def test_the_parts_add_up_to_the_brier_score_and_are_not_negative(rows):
    y, p = zip(*rows, strict=True)
    found = reliability(y, p)
    parts = found.miscalibration - found.discrimination + found.uncertainty
    assert parts == pytest.approx(np.mean((np.array(p) - y) ** 2), abs=1e-10)
    assert found.miscalibration >= -1e-12
    assert found.discrimination >= -1e-12
    assert (np.diff(found.observed) >= 0).all()


def test_a_monotone_distortion_costs_calibration_but_not_discrimination():
    honest, bent = reliability(Y, P), reliability(Y, P**3)
    assert bent.discrimination == pytest.approx(honest.discrimination, abs=1e-12)
    assert reliability(Y, 1 - P).discrimination < honest.discrimination / 3


@pytest.mark.parametrize(("n", "expected"), [(300, 0.06), (100, 0.10)])
def test_perfect_probabilities_have_the_documented_error(n, expected):
    p = (np.arange(n) + 0.5) / n
    assert expected_calibration_error(rng.random(n) < p, p)[1] == pytest.approx(expected, abs=0.006)


def test_ece_is_the_plain_sum_over_bins():
    y, bins = (np.random.default_rng(4).random(200) < P).astype(int), np.minimum((P * 10).astype(int), 9)
    by_hand = sum((bins == b).mean() * abs(y[bins == b].mean() - P[bins == b].mean()) for b in np.unique(bins))
    assert expected_calibration_error(y, P)[0] == pytest.approx(by_hand, abs=1e-10)


def test_only_miscalibrated_probabilities_exceed_the_reference_value():
    honest = [expected_calibration_error(rng.random(200) < P, P, n_simulations=200) for _ in range(100)]
    assert np.mean([one > high for one, _, high in honest]) == pytest.approx(0.05, abs=0.05)
    bent, _, high = expected_calibration_error(Y, P)
    assert bent > high


@pytest.mark.parametrize(("y", "p"), [([0, 2], [0.1, 0.2]), ([0, 1], [0.1, 1.2]), ([0, 1], [0.1, np.nan]), ([], [])])
def test_invalid_probabilities_are_refused(y, p):
    with pytest.raises(ValueError, match=r"y must be|y and p"):
        reliability(y, p)


@given(tables, st.integers(2, 60))
def test_corners_keep_the_ends_and_all_rows_and_respect_the_maximum(rows, most):
    found = reliability(*zip(*rows, strict=True))
    corners = found.corners(most)
    assert len(corners.forecast) == len(corners.observed) == len(corners.rows) <= max(most, 2)
    ends = (found.forecast[0], found.forecast[-1])
    assert (corners.forecast[0], corners.forecast[-1]) == pytest.approx(ends, abs=1e-5)
    assert sum(corners.rows) == len(rows)
    assert all(count > 0 for count in corners.rows)
    many = found.corners(most=1000)  # between which interpolation is exact
    assert np.interp(found.forecast, many.forecast, many.observed) == pytest.approx(found.observed, abs=1e-5)


def test_the_band_has_its_nominal_coverage():
    band, draws = consistency_band(P), np.random.default_rng(5)
    inside = []
    for _ in range(200):
        found = reliability(draws.random(len(P)) < P, P)
        at = found.observed[np.searchsorted(found.forecast, np.array(band.forecast) - 1e-6)].round(5)
        inside.append((np.array(band.low) <= at) & (at <= np.array(band.high)))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_the_curve_of_bent_probabilities_leaves_the_band():
    p = np.linspace(0, 1, 1000)
    found, band = reliability(np.random.default_rng(6).random(1000) < p**3, p), consistency_band(p)
    at = np.interp(band.forecast, found.forecast, found.observed)
    assert np.mean((at < np.array(band.low)) | (at > np.array(band.high))) > 0.5


def test_the_band_is_monotone_and_works_with_one_forecast():
    band = consistency_band(P, points=10)
    assert len(band.forecast) == 10
    assert (np.diff([band.forecast, band.low, band.high]) >= 0).all()
    one = consistency_band(np.full(100, 0.3))
    assert one.forecast == (0.3,)
    assert one.low[0] < 0.3 < one.high[0]

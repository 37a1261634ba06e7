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

tables = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


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


def test_the_prior_is_calibrated_and_has_no_discrimination():
    found = reliability(Y, np.full(200, Y.mean()))
    assert found.miscalibration == pytest.approx(0, abs=1e-12)
    assert found.discrimination == pytest.approx(0, abs=1e-12)


def test_a_monotone_distortion_costs_calibration_but_not_discrimination():
    honest, bent = reliability(Y, P), reliability(Y, P**3)
    assert bent.discrimination == pytest.approx(honest.discrimination, abs=1e-12)
    assert reliability(Y, 1 - P).discrimination < honest.discrimination / 3


def test_recalibrated_predictions_need_no_further_calibration():
    found = reliability(Y, P)
    again = reliability(Y, found.observed[np.searchsorted(found.forecast, P)])
    assert again.miscalibration == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "expected"), [(300, 0.06), (100, 0.10)])
def test_perfect_probabilities_have_the_documented_error(n, expected):
    p = (np.arange(n) + 0.5) / n
    assert expected_calibration_error(rng.random(n) < p, p).if_calibrated == pytest.approx(expected, abs=0.006)


def test_ece_is_the_plain_sum_over_bins():
    y, bins = (np.random.default_rng(4).random(200) < P).astype(int), np.minimum((P * 10).astype(int), 9)
    by_hand = sum((bins == b).mean() * abs(y[bins == b].mean() - P[bins == b].mean()) for b in np.unique(bins))
    assert expected_calibration_error(y, P).value == pytest.approx(by_hand, abs=1e-10)


def test_only_miscalibrated_probabilities_exceed_the_reference_value():
    honest = [expected_calibration_error(rng.random(200) < P, P, n_simulations=200) for _ in range(100)]
    assert np.mean([one.value > one.if_calibrated_high for one in honest]) == pytest.approx(0.05, abs=0.05)
    bent = expected_calibration_error(Y, P)
    assert bent.value > bent.if_calibrated_high


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    order = list(range(200))
    random.shuffle(order)
    one, other = reliability(Y, P), reliability(Y[order], P[order])
    assert other.miscalibration == pytest.approx(one.miscalibration, abs=1e-12)
    assert expected_calibration_error(Y[order], P[order], n_simulations=1).value == pytest.approx(
        expected_calibration_error(Y, P, n_simulations=1).value, abs=1e-12
    )


@pytest.mark.parametrize(("y", "p"), [([0, 2], [0.1, 0.2]), ([0, 1], [0.1, 1.2]), ([0, 1], [0.1, np.nan]), ([], [])])
def test_invalid_probabilities_are_refused(y, p):
    with pytest.raises(ValueError, match=r"y must be|y and p"):
        reliability(y, p)


@given(tables, st.integers(2, 60))
def test_corners_keep_the_ends_and_all_rows_and_respect_the_maximum(rows, most):
    found = reliability(*zip(*rows, strict=True))
    forecast, observed, counts = found.corners(most)
    assert len(forecast) == len(observed) == len(counts) <= max(most, 2)
    assert (forecast[0], forecast[-1]) == (found.forecast[0], found.forecast[-1])
    assert sum(counts) == len(rows)
    assert all(count > 0 for count in counts)


@given(tables)
def test_interpolation_between_corners_is_exact(rows):
    found = reliability(*zip(*rows, strict=True))
    forecast, observed, _ = found.corners(most=1000)
    assert np.interp(found.forecast, forecast, observed) == pytest.approx(found.observed, abs=1e-9)


def test_the_band_has_its_nominal_coverage():
    band, draws = consistency_band(P, level=0.9), np.random.default_rng(5)
    inside = []
    for _ in range(200):
        found = reliability(draws.random(len(P)) < P, P)
        at = found.observed[np.searchsorted(found.forecast, band.forecast)]
        inside.append((band.low <= at) & (at <= band.high))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_the_curve_of_bent_probabilities_leaves_the_band():
    p = np.linspace(0, 1, 1000)
    found, band = reliability(np.random.default_rng(6).random(1000) < p**3, p), consistency_band(p)
    at = np.interp(band.forecast, found.forecast, found.observed)
    assert np.mean((at < band.low) | (at > band.high)) > 0.5


def test_the_band_is_monotone_and_works_with_one_forecast():
    band = consistency_band(P, points=10)
    assert len(band.forecast) == 10
    assert (np.diff([band.forecast, band.low, band.high]) >= 0).all()
    one = consistency_band(np.full(100, 0.3))
    assert one.forecast.tolist() == [0.3]
    assert one.low[0] < 0.3 < one.high[0]

"""The reliability curve, its decomposition, and the ECE with its reference value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from seedbed.evaluation.calibration import (
    consistency_band,
    expected_calibration_error,
    reliability,
)

rng = np.random.default_rng(3)
P = rng.random(200).round(2)
Y = (rng.random(200) < P**2).astype(int)

# what a picture's five digits keep
shares = st.integers(0, 10_000).map(lambda n: n / 10_000)
tables = st.lists(st.tuples(st.integers(0, 1), shares), min_size=1, max_size=30)


def test_the_curve_is_isotonic_regression_with_ties_pooled():
    curve, _ = reliability(Y, P, most=200)
    theirs = IsotonicRegression().fit(P, Y).predict(P)
    assert np.interp(P, curve.forecast, curve.observed) == pytest.approx(
        theirs, abs=1e-5
    )
    assert sum(curve.rows) == 200
    assert (np.diff(curve.forecast) > 0).all()


@given(tables)
def test_the_parts_add_up_to_the_brier_score_and_are_not_negative(rows):
    y, p = np.array(rows).T
    curve, parts = reliability(y, p)
    brier = parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"]
    assert brier == pytest.approx(np.mean((p - y) ** 2), abs=1e-10)
    assert min(parts["miscalibration"], parts["discrimination"]) >= -1e-12
    assert (np.diff(curve.observed) >= 0).all()


def test_a_monotone_distortion_costs_calibration_but_not_discrimination():
    honest, bent, reverse = (
        reliability(Y, p)[1]["discrimination"] for p in (P, P**3, 1 - P)
    )
    assert bent == pytest.approx(honest, abs=1e-12)
    assert reverse < honest / 3


@pytest.mark.parametrize(("n", "expected"), [(300, 0.06), (100, 0.10)])
def test_perfect_probabilities_have_the_documented_error(n, expected):
    p = (np.arange(n) + 0.5) / n
    assert expected_calibration_error(rng.random(n) < p, p)[1] == pytest.approx(
        expected, abs=0.006
    )


def test_ece_is_the_plain_sum_over_bins():
    y = (np.random.default_rng(4).random(200) < P).astype(int)
    bins = np.minimum((P * 10).astype(int), 9)
    by_hand = sum(
        (bins == b).mean() * abs(y[bins == b].mean() - P[bins == b].mean())
        for b in np.unique(bins)
    )
    assert expected_calibration_error(y, P)[0] == pytest.approx(by_hand, abs=1e-10)


def test_only_miscalibrated_probabilities_exceed_the_reference_value():
    honest = [
        expected_calibration_error(rng.random(200) < P, P, n_simulations=200)
        for _ in range(100)
    ]
    assert np.mean([one > high for one, _, high in honest]) == pytest.approx(
        0.05, abs=0.05
    )
    bent, _, high = expected_calibration_error(Y, P)
    assert bent > high


@given(tables, st.integers(2, 60))
def test_corners_keep_the_ends_and_all_rows_and_respect_the_maximum(rows, most):
    y, p = np.array(rows).T
    corners, _ = reliability(y, p, most=most)
    assert (
        len(corners.forecast)
        == len(corners.observed)
        == len(corners.rows)
        <= max(most, 2)
    )
    assert (corners.forecast[0], corners.forecast[-1]) == pytest.approx(
        (p.min(), p.max()), abs=1e-5
    )
    assert sum(corners.rows) == len(rows)
    assert all(count > 0 for count in corners.rows)


def test_the_band_has_its_nominal_coverage():
    band, draws = consistency_band(P), np.random.default_rng(5)
    inside = []
    for _ in range(200):
        curve, _ = reliability(draws.random(len(P)) < P, P, most=200)
        at = np.interp(band.forecast, curve.forecast, curve.observed)
        inside.append((np.array(band.low) <= at) & (at <= np.array(band.high)))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_the_curve_of_bent_probabilities_leaves_the_band():
    p = np.linspace(0, 1, 1000)
    (curve, _) = reliability(np.random.default_rng(6).random(1000) < p**3, p)
    band = consistency_band(p)
    at = np.interp(band.forecast, curve.forecast, curve.observed)
    assert np.mean((at < np.array(band.low)) | (at > np.array(band.high))) > 0.5


def test_the_band_is_monotone_and_works_with_one_forecast():
    band = consistency_band(P, points=10)
    assert len(band.forecast) == 10
    assert (np.diff([band.forecast, band.low, band.high]) >= 0).all()
    one = consistency_band(np.full(100, 0.3))
    assert one.forecast == (0.3,)
    assert one.low[0] < 0.3 < one.high[0]


def test_many_rows_are_simulated_less_often_with_like_results(monkeypatch):
    p = np.random.default_rng(5).beta(1, 4, 3000)
    y = np.zeros(3000)
    errors = [expected_calibration_error(y, p)]
    highs = [consistency_band(p).high]
    monkeypatch.setattr("seedbed.evaluation.calibration._CELLS_DRAWN", 3000)
    errors.append(expected_calibration_error(y, p))
    highs.append(consistency_band(p).high)
    assert errors[1] == pytest.approx(errors[0], rel=0.1)
    assert highs[1] == pytest.approx(highs[0], abs=0.1)

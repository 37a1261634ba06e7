"""The verdict on a promise, calibration against statsmodels, and net benefit against its
definition."""

import numpy as np
import pytest

from seedbed.evaluation.calibration import of_two_classes
from seedbed.evaluation.conclusion import against_promise
from seedbed.evaluation.estimates import student_quantile
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.summaries import Score


def drawn(n, slope=1.0, shift=0.0, seed=0):
    """Classes, and probabilities whose logits would have to be stretched and shifted."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, n)
    return (rng.random(n) < 1 / (1 + np.exp(-slope * logits - shift))).astype(
        np.int64
    ), 1 / (1 + np.exp(-logits))


FIVES = {"groups": np.arange(400) // 5}
FITS = [
    (60, 1, 0, {}),
    (400, 0.4, 1, {}),
    (400, 2.5, -2, {}),
    (5000, 1, 0.3, {}),
    (400, 1, 0, FIVES),
]


@pytest.mark.parametrize(("n", "slope", "shift", "group"), FITS)
def test_slope_and_intercept_are_those_of_statsmodels_with_the_sandwich_error_of_groups(
    n, slope, shift, group
):
    import statsmodels.api as sm

    y, p = drawn(n, slope, shift)
    logits, found = np.log(p / (1 - p)), of_two_classes(y, p, 0.5, alpha=0.1, **group)
    error = (
        {"cov_type": "cluster", "cov_kwds": {**group, "use_correction": False}}
        if group
        else {}
    )
    stretched = sm.Logit(y, sm.add_constant(logits)).fit(
        disp=False, tol=1e-13, maxiter=200, **error
    )
    shifted = sm.GLM(
        y, np.ones((n, 1)), family=sm.families.Binomial(), offset=logits
    ).fit(tol=1e-13, **error)
    for ours, fit, place in (
        (found.slope, stretched, 1),
        (found.intercept, shifted, 0),
    ):
        low, high = fit.conf_int(alpha=0.1)[place]
        half = (
            (high - low) / 2
            if not group
            else student_quantile(0.95, 79) * fit.bse[place] * np.sqrt(80 / 79)
        )
        assert [ours.mean, ours.half] == pytest.approx(
            [fit.params[place], half], abs=1e-6
        )


@pytest.mark.parametrize("change", ["one class", "separated", "constant", "sure"])
def test_there_is_no_slope_where_none_is_finite(change):
    y, p = drawn(100)
    p = {"constant": np.full(100, 0.4), "sure": (p > 0.5).astype(float)}.get(change, p)
    y = {
        "one class": y * 0,
        "separated": (p > 0.5).astype(np.int64),
        "sure": (p > 0.5).astype(np.int64),
    }.get(change, y)
    found = of_two_classes(y, p, 0.5)
    assert (found.slope, found.intercept) == (None, None)


@pytest.mark.parametrize("shift", [0, -4])
def test_net_benefit_counts_wrong_calls_at_the_odds_of_the_threshold(shift):
    y, p = drawn(300, shift=shift)
    found = of_two_classes(y, p, 0.2)
    right, wrong = ((p > 0.2) & (y == 1)).mean(), ((p > 0.2) & (y == 0)).mean()
    assert found.net_benefit == pytest.approx(right - wrong * 0.25)
    assert found.treating_all == pytest.approx(y.mean() - (1 - y.mean()) * 0.25)
    treats_all = found.treating_all > 0
    assert treats_all == (shift == 0)
    assert found.gain.mean == pytest.approx(
        found.net_benefit - treats_all * found.treating_all
    )
    of_row = np.where(y == 1, 1, -0.25) * ((p > 0.2) - 1.0 * treats_all)
    one_more = (1 + 0.25**2) / 300**2  # row of each class
    assert found.gain.half == pytest.approx(
        1.968 * np.sqrt(of_row.var(ddof=1) / 300 + one_more), rel=1e-3
    )


def test_ranges_are_off_where_probabilities_are_wrong_and_seldom_elsewhere():
    assert (
        sum(
            bool(of_two_classes(*drawn(300, seed=seed), 0.5).miscalibrated_fifths)
            for seed in range(200)
        )
        <= 20
    )
    ranges = of_two_classes(*drawn(2000, slope=0.3), 0.5).miscalibrated_fifths
    assert [one[3] > one[2] for one in (ranges[0], ranges[-1])] == [True, False]


FOUND = [
    ((0.8, 0.76, 0.84), "as"),
    ((0.6, 0.5, 0.7), "below the"),
    ((0.99, 0.98, 1), "above the"),
]


@pytest.mark.parametrize(("found", "verdict"), FOUND)
def test_the_verdict_allows_for_the_errors_of_promise_and_finding(found, verdict):
    promised, score = Score(0.85, 0.8, 0.9), Score(*found)
    difference, said = against_promise(promised, score, METRICS["accuracy"])
    assert said.removesuffix(" promised").removesuffix(" promise") == verdict
    assert difference.half == pytest.approx(np.hypot(found[0] - found[1], 0.05))
    assert against_promise(Score(0.85), score, METRICS["accuracy"]) == (None, None)
    assert (
        against_promise(promised, score, METRICS["accuracy"], comparisons=5)[0].low
        < difference.low
    )
    assert (against_promise(promised, score, METRICS["mae"])[1] == said) == (
        verdict == "as"
    )

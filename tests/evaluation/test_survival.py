"""Survival: estimates, weights and scores, compared with scikit-survival and statsmodels on real
tables."""

import contextlib
import csv
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sksurv.datasets import load_gbsg2, load_whas500
from sksurv.exceptions import NoComparablePairException
from sksurv.metrics import (
    brier_score,
    concordance_index_censored,
    concordance_index_ipcw,
    integrated_brier_score,
)
from sksurv.nonparametric import CensoringDistributionEstimator, kaplan_meier_estimator
from sksurv.util import Surv
from statsmodels.duration.survfunc import SurvfuncRight

from seedbed.evaluation.metrics import prior_loss, row_losses
from seedbed.evaluation.survival import censored_truth, kaplan_meier, uno_c

_MOMENT = 1e-6


@pytest.fixture(
    scope="module", params=[load_whas500, load_gbsg2], ids=["whas500", "gbsg2"]
)
def rows(request):
    """A table with tied times, with training rows and, within their times, test rows.

    `y` is the outcome. In `before`, events come a moment earlier: of equal times seedbed counts
    them before censored rows, and scikit-survival weights both as if they were censored first.
    """
    usual_limit = csv.field_size_limit()
    y = request.param()[1]
    csv.field_size_limit(usual_limit)  # reading ARFF raises it for the whole process
    events, times = (y[name] for name in y.dtype.names)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[::2], order[1::2]
    test = test[times[test] < times[train].max()]
    grid = np.linspace(0, np.quantile(times[test], 0.8), 25)[1:]
    known = kaplan_meier(times[train], events[train], censoring=True)
    before = Surv.from_arrays(events, times - _MOMENT * events)
    rows = dict(
        y=y,
        before=before,
        events=events,
        times=times.astype(float),
        train=train,
        test=test,
    )
    return SimpleNamespace(**rows, grid=grid, known=known)


def test_the_kaplan_meier_estimate_equals_scikit_survivals_and_statsmodels(rows):
    found = kaplan_meier(rows.times, rows.events)
    times, shares = kaplan_meier_estimator(rows.events, rows.times)
    assert_array_equal(found.times, times)
    assert_allclose(found.values, shares, rtol=0, atol=1e-9)
    other = SurvfuncRight(rows.times, rows.events.astype(int))
    at = np.searchsorted(found.times, other.surv_times)
    assert_allclose(found.values[at], other.surv_prob, rtol=0, atol=1e-9)
    some = other.surv_prob > 0  # where no patient is left, statsmodels has no error
    assert_allclose(
        found.deviations[at][some], other.surv_prob_se[some], rtol=0, atol=1e-9
    )
    # the share that is not censored
    found = kaplan_meier(rows.times, rows.events, censoring=True)
    between = np.concatenate([times[:1] / 2, times, times[:-1] + np.diff(times) / 2])
    known = CensoringDistributionEstimator().fit(rows.y).predict_proba(between)
    assert_allclose(found.at(between), known, rtol=0, atol=1e-9)


def test_brier_scores_equal_scikit_survivals(rows):
    p = -np.sort(
        -np.random.default_rng(1).random((len(rows.test), len(rows.grid))), axis=1
    )
    train, test = rows.before[rows.train], rows.before[rows.test]
    truth = censored_truth(
        rows.times[rows.test], rows.events[rows.test], rows.grid, rows.known
    )
    each = (np.abs(truth) * (p - (truth > 0)) ** 2).mean(axis=0)
    expected = brier_score(train, test, p, rows.grid)[1]
    assert_allclose(each, expected, rtol=0, atol=1e-6)
    integrated = integrated_brier_score(train, test, p, times=rows.grid)
    assert row_losses("integrated_brier", truth, p).mean() == pytest.approx(
        integrated, abs=1e-6
    )
    assert row_losses("brier_at_horizon", truth, p).mean() == pytest.approx(
        expected[-1], abs=1e-6
    )


@pytest.mark.parametrize("decimals", [9, 1], ids=["distinct", "tied"])
def test_unos_c_equals_scikit_survivals(rows, decimals):
    times = rows.times[rows.test]
    events = rows.events[rows.test]
    horizon = float(rows.grid[-1])
    risks = (
        np.random.default_rng(2).random(len(times)) - times / times.max() / 3
    ).round(decimals)
    train, test = rows.before[rows.train], rows.before[rows.test]
    expected = concordance_index_ipcw(train, test, risks, tau=horizon - 2 * _MOMENT)[0]
    found = uno_c(times, events, risks, horizon=horizon, known=rows.known)
    assert found == pytest.approx(expected, abs=1e-6)
    for other in (
        uno_c(times, events, risks, horizon=horizon),
        uno_c(times, events, risks, horizon=horizon / 2),
    ):
        assert abs(found - other) > 1e-4


def test_harrells_c_equals_scikit_survivals(rows):
    risks = np.round(np.sin(rows.times) - rows.times / rows.times.max(), 1)
    expected = concordance_index_censored(rows.events, rows.times, risks)[0]
    assert uno_c(rows.times, rows.events, risks, horizon=np.inf) == pytest.approx(
        expected, abs=1e-9
    )
    assert np.isnan(uno_c(rows.times, rows.events & False, risks, horizon=np.inf))
    assert np.isnan(uno_c(rows.times, rows.events, risks, horizon=rows.times.min()))


@pytest.mark.parametrize("distinct", [1, 3, 30, 10_000])
@pytest.mark.parametrize("n", [1, 2, 33, 400])
def test_c_equals_that_of_all_pairs_counted_one_by_one(n, distinct):
    rng = np.random.default_rng((n, distinct))
    times = rng.integers(1, distinct + 1, n) / 7
    risks = rng.integers(0, distinct, n) / 10 + rng.choice([0, 4e-9], n)
    events, horizon = rng.random(n) < 0.6, float(np.quantile(times, 0.8))
    known = kaplan_meier(times, events, censoring=True)
    weights = (events & (times < horizon)) / np.maximum(
        known.at(times, before=True), 1e-300
    ) ** 2
    later = (times > times[:, None]) | ((times == times[:, None]) & ~events)
    ahead = risks[:, None] - risks
    better = (ahead > 1e-8) + 0.5 * (np.abs(ahead) <= 1e-8)
    total = (weights[:, None] * later).sum()
    expected = (weights[:, None] * later * better).sum() / total if total else np.nan
    found = uno_c(times, events, risks, horizon=horizon, known=known)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


few = st.tuples(
    st.integers(1, 4), st.booleans(), st.sampled_from([0.0, 0.5, 0.5 + 1e-9, 1.0])
)


@given(st.lists(few, min_size=2, max_size=9))
def test_c_of_few_tied_rows_equals_scikit_survivals_and_is_nan_without_a_pair(drawn):
    times, events, risks = (np.array(column) for column in zip(*drawn, strict=True))
    expected = np.nan
    with np.errstate(invalid="ignore"), contextlib.suppress(NoComparablePairException):
        expected = (
            concordance_index_censored(events, times, risks)[0]
            if events.any()
            else np.nan
        )
    for sign, known in ((1, expected), (-1, 1 - expected)):
        assert uno_c(times, events, sign * risks, horizon=np.inf) == pytest.approx(
            known, abs=1e-12, nan_ok=True
        )


def test_the_loss_of_the_prior_is_that_of_the_kaplan_meier_estimate_for_everybody(rows):
    truth = censored_truth(rows.times, rows.events, rows.grid)
    everybody = np.tile(
        kaplan_meier(rows.times, rows.events).at(rows.grid), (len(rows.y), 1)
    )
    assert_allclose(np.maximum(truth, 0).mean(axis=0), everybody[0], atol=1e-9)
    for name in ("integrated_brier", "brier_at_horizon"):
        assert prior_loss(name, truth) == pytest.approx(
            row_losses(name, truth, everybody).mean(), abs=1e-9
        )
        assert prior_loss(name, truth) < row_losses(name, truth, everybody * 0.9).mean()
    expected = integrated_brier_score(
        rows.before, rows.before, everybody, times=rows.grid
    )
    assert prior_loss("integrated_brier", truth) == pytest.approx(expected, abs=1e-6)
    assert prior_loss("uno_c", truth) == 0.5


@pytest.mark.parametrize("unit", [0.001, 1.0, 3.0])
def test_weights_add_up_to_the_rows_and_the_true_curve_scores_best(unit):
    rng = np.random.default_rng(0)
    ends = rng.exponential([[3.0], [6.0]], (2, 20_000))
    times, events = np.ceil(ends.min(axis=0) / unit) * unit, ends[0] <= ends[1]
    grid = np.ceil(np.linspace(0.5, 6, 12) / unit) * unit
    truth = censored_truth(times, events, grid)
    assert_allclose(np.abs(truth).mean(axis=0), 1, atol=1e-9)
    curve = kaplan_meier(times, events).at(grid)
    losses = [
        row_losses("integrated_brier", truth, np.tile(curve**power, (20_000, 1))).mean()
        for power in (0.9, 1, 1.1)
    ]
    assert losses[1] == min(losses)

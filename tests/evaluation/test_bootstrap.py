"""Weighted scores, compared with scikit-learn, and bootstrap intervals."""

import numpy as np
import pytest
from scipy import stats

from seedbed.evaluation.bootstrap import (
    bootstrap_interval,
    resample_weights,
    row_mean_se,
    score_interval,
)
from seedbed.evaluation.metrics import METRICS

rng = np.random.default_rng(2)
N = 60
Y, P = rng.integers(2, size=N), rng.random((3, N)).round(1)
Y3, P3 = rng.integers(3, size=N), rng.dirichlet([1, 1, 1], size=(3, N))
W = rng.integers(0, 4, size=(5, N)).astype(float)
WEIGHTED = {name: metric for name, metric in METRICS.items() if metric.weighted}


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_weight_is_a_number_of_copies(name):
    drawn = [np.repeat(np.arange(N), w.astype(int)) for w in W]
    several = "multiclass" in WEIGHTED[name].tasks and WEIGHTED[name].influence is None
    # class 1 stays the rarer one in every resample, as recall needs it
    rare = Y * (np.arange(N) % 3 > 0)
    for y, p in [(rare, P), *[(Y3, P3)] * several]:
        found = METRICS[name].weighted(y, p)(W)
        copies = [
            np.mean(
                [
                    METRICS[name].weighted(y[rows], one[None, rows])(
                        np.ones((1, len(rows)))
                    )
                    for one in p
                ]
            )
            for rows in drawn
        ]
        assert found == pytest.approx(copies, abs=1e-10)


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_resample_without_a_class_is_undefined_and_does_not_warn(name):
    weights = np.stack([np.where(Y == 1, 1.0, 0.0), np.ones(N)])
    assert np.isnan(METRICS[name].weighted(Y, P)(weights)).tolist() == [True, False]


def test_every_resample_draws_as_many_rows_as_there_are():
    weights = np.concatenate(list(resample_weights(700, n_resamples=101)))
    assert weights.shape == (101, 700)
    assert (weights.sum(axis=1) == 700).all()
    assert np.mean(weights == 0) == pytest.approx(np.exp(-1), abs=0.01)


def test_the_bootstrap_of_a_mean_has_its_standard_error_in_closed_form():
    losses = rng.normal(size=(4, N))
    rows = losses.mean(axis=0)
    found = bootstrap_interval(lambda w: w @ rows / N, N, None, n_resamples=4000)
    assert (found.high - found.low) / 2 / stats.norm.ppf(0.975) == pytest.approx(
        row_mean_se(losses), rel=0.05
    )
    assert row_mean_se(losses) == pytest.approx(stats.sem(rows, ddof=0), abs=1e-10)


def test_copies_of_a_rows_predictions_do_not_narrow_the_interval():
    one = score_interval("roc_auc", Y, P[:1])
    many = score_interval("roc_auc", Y, np.repeat(P[:1], 50, axis=0))
    assert (many.low, many.high) == pytest.approx((one.low, one.high), abs=1e-9)


def test_the_multiclass_auc_has_the_standard_error_of_a_bootstrap():
    several = np.random.default_rng(0).dirichlet([1, 1, 1], size=(3, 300))
    truth = np.random.default_rng(1).integers(3, size=300)
    shares = (several + 0.4 * np.eye(3)[truth]) / 1.4
    pairs = [
        (i, j, np.isin(truth, (i, j))) for i in range(3) for j in range(3) if i != j
    ]
    areas = [
        METRICS["roc_auc"].weighted(truth[own] == i, shares[:, own, i])
        for i, _, own in pairs
    ]
    resampled = bootstrap_interval(
        lambda w: np.mean(
            [area(w[:, own]) for area, (_, _, own) in zip(areas, pairs, strict=True)],
            axis=0,
        ),
        300,
        None,
        n_resamples=2000,
    )
    found = score_interval("roc_auc", truth, shares)
    assert found.mean == pytest.approx(resampled.mean, abs=1e-12)
    assert (found.low, found.high) == pytest.approx(
        (resampled.low, resampled.high), abs=0.005
    )
    assert score_interval(
        "roc_auc", truth, shares, alpha=0.5, widened_by=2.0
    ).low == pytest.approx(
        found.mean - 2 * stats.norm.ppf(0.75) * found.half / stats.norm.ppf(0.975)
    )


def test_scores_stay_within_their_range_and_are_undefined_without_a_class():
    sure = np.eye(3)[Y3][None] * 0.9 + 0.1 / 3
    assert score_interval("roc_auc", Y3, sure, widened_by=5.0).high == 1
    assert score_interval("roc_auc", np.minimum(Y3, 1), P3) is None
    perfect = score_interval("roc_auc", Y, (0.2 + 0.6 * Y)[None], widened_by=3.0)
    assert (perfect.mean, perfect.high) == (1, 1)
    assert score_interval("balanced_accuracy", Y, P, widened_by=50.0).low == 0


def test_widening_stretches_both_sides_around_the_value():
    plain, wide = (score_interval("mcc", Y, P, widened_by=w) for w in (1.0, 1.5))
    assert wide.mean == plain.mean
    assert wide.mean - wide.low == pytest.approx(1.5 * (plain.mean - plain.low))
    assert wide.high - wide.mean == pytest.approx(1.5 * (plain.high - plain.mean))


def test_few_resamples_give_a_normal_interval_like_the_percentiles_of_many():
    few, many = (score_interval("mcc", Y, P, n_resamples=n) for n in (199, 4000))
    assert few.high - few.low == pytest.approx(many.high - many.low, rel=0.15)
    assert few.high - few.mean == pytest.approx(few.mean - few.low)


def test_undefined_resamples_are_left_out_and_an_undefined_score_is_none():
    rare = np.array([1] + [0] * 9)
    found = score_interval("roc_auc", rare, P[:1, :10], n_resamples=1000)
    assert (found.mean, found.low, found.high) == (0, 0, 0)
    assert (
        score_interval("roc_auc", np.zeros(10, int), P[:1, :10], n_resamples=100)
        is None
    )


@pytest.mark.parametrize(("y", "p"), [(Y, P), (Y3, P3)])
def test_copies_of_rows_in_one_group_change_no_interval(y, p):
    once, groups = score_interval("roc_auc", y, p), np.repeat(np.arange(len(y)), 4)
    copies = np.repeat(y, 4), np.repeat(p, 4, axis=1)
    together = score_interval("roc_auc", *copies, groups=groups)
    alone = score_interval("roc_auc", *copies)
    assert (together.low, together.high) == pytest.approx((once.low, once.high))
    assert alone.high - alone.low < 0.6 * (once.high - once.low)
    assert row_mean_se(copies[1][0].T, groups) == pytest.approx(row_mean_se(p[0].T))

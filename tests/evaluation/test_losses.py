"""Losses per row, compared with scikit-learn and hand calculations."""

from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import (
    balanced_accuracy_score,
    matthews_corrcoef,
    mean_absolute_error,
    mean_squared_error,
    recall_score,
    roc_auc_score,
)

from seedbed.errors import TargetError
from seedbed.evaluation.metrics import (
    METRICS,
    Margin,
    default_margin,
    fold_losses,
    margin_beside,
    prior_loss,
    row_losses,
)
from seedbed.evaluation.summaries import Task
from seedbed.outcomes.tasks import outcome_of

rng = np.random.default_rng(0)
Y, P = rng.integers(2, size=80), rng.random(80)
Y3, P3 = rng.integers(3, size=80), rng.dirichlet([1, 1, 1], size=80)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("roc_auc", roc_auc_score),
        (
            "recall",
            lambda y, p: recall_score(y, p > 0.5, pos_label=int(2 * Y.sum() <= len(Y))),
        ),
        ("balanced_accuracy", lambda y, p: balanced_accuracy_score(y, p > 0.5)),
        ("mcc", lambda y, p: matthews_corrcoef(y, p > 0.5)),
    ],
)
def test_scores_of_folds_equal_scikit_learns(name, function):
    folds = [np.arange(20), np.arange(30, 80)]
    sets = np.stack([P, 1 - P, np.full(80, np.nan)])
    losses = fold_losses(name, Y, sets, folds)
    expected = [[1 - function(Y[rows], p[rows]) for p in sets[:2]] for rows in folds]
    assert_allclose(losses[:, :2], expected, atol=1e-12)
    assert np.isnan(losses[:, 2]).all()


def test_the_auc_of_several_classes_needs_all_of_them_in_a_fold():
    folds = [np.arange(40), np.flatnonzero(Y3 != 2)]
    (whole,), (lacking,) = fold_losses("roc_auc", Y3, P3[None], folds)
    assert whole == pytest.approx(
        1 - roc_auc_score(Y3[:40], P3[:40], multi_class="ovo"), abs=1e-12
    )
    assert np.isnan(lacking)
    assert np.isnan(fold_losses("roc_auc", Y, P[None], [np.flatnonzero(Y)])).all()


def test_predicting_the_frequencies_has_an_auc_of_one_half_and_no_recall():
    assert [prior_loss("roc_auc", y) for y in (Y, Y3)] == [0.5, 0.5]
    assert (prior_loss("recall", [0, 0, 1]), prior_loss("mcc", Y3)) == (1, 1)
    assert prior_loss("balanced_accuracy", Y3) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["brier", "log_loss", "accuracy"])
def test_two_columns_give_the_same_losses_as_one(name):
    both = np.column_stack([1 - P, P])
    assert row_losses(name, Y, both) == pytest.approx(row_losses(name, Y, P), abs=1e-12)


def test_a_certain_error_costs_sixteen_at_most_and_one_half_predicts_class_zero():
    assert row_losses("log_loss", [0, 1], [1.0, 1.0]) == pytest.approx(
        [-np.log(1e-7), 1e-7], rel=1e-6
    )
    assert row_losses("accuracy", [0, 1], [0.5, 0.5]).tolist() == [0, 1]
    assert row_losses("accuracy", [0, 1], [[0.5, 0.5], [0.5, 0.5]]).tolist() == [0, 1]


def test_errors_of_regression_are_relative_to_the_variance_or_in_units_of_the_target():
    y, guess = rng.normal(3, 5, 50), rng.normal(3, 5, 50)
    assert row_losses("squared_error", y, guess).mean() == pytest.approx(
        mean_squared_error(y, guess) / y.var()
    )
    assert row_losses("squared_error", y, guess, variance=4.0).mean() == pytest.approx(
        mean_squared_error(y, guess) / 4
    )
    assert prior_loss("squared_error", y) == pytest.approx(1)
    assert row_losses("mae", y, guess).mean() == pytest.approx(
        mean_absolute_error(y, guess)
    )
    assert row_losses("mae", 1000 * y, 1000 * guess, variance=4.0) == pytest.approx(
        1000 * row_losses("mae", y, guess)
    )
    assert prior_loss("mae", y) == pytest.approx(np.abs(y - y.mean()).mean())
    assert default_margin("mae", 1e-12 * y) == pytest.approx(
        0.02e-12 * np.abs(y - y.mean()).mean()
    )
    assert np.isnan(row_losses("mae", [1.0], [np.inf])).all()


@pytest.mark.parametrize("name", ["mae", "squared_error"])
def test_a_constant_target_has_no_margin_and_no_squared_error(name):
    with pytest.raises(TargetError):
        default_margin(name, np.ones(5))
    if name == "squared_error":
        with pytest.raises(TargetError, match="constant"):
            row_losses(name, [1.0, 1.0], [0.0, 1.0])


@pytest.mark.parametrize("name", ["brier", "accuracy", "log_loss"])
def test_the_largest_loss_is_the_documented_maximum(name):
    assert row_losses(name, [0], [1.0])[0] <= METRICS[name].largest_loss("binary")
    assert row_losses(name, [0], [[0.0, 1.0, 0.0]])[0] <= METRICS[name].largest_loss(
        "multiclass"
    )
    if name != "log_loss":
        assert row_losses(name, [0], [1.0])[0] == METRICS[name].largest_loss("binary")
        assert row_losses(name, [0], [[0.0, 1.0, 0.0]])[0] == METRICS[
            name
        ].largest_loss("multiclass")


def test_each_task_has_a_metric_that_can_be_tested():
    for task in get_args(Task):
        found = METRICS[outcome_of(task).metric]
        assert found.row_loss
        assert task in found.tasks


def test_seeds_may_be_leading_dimensions():
    seeds = np.stack([P, P[::-1]])
    found = row_losses("brier", np.broadcast_to(Y, (2, 80)), seeds)
    assert found.shape == (2, 80)
    assert found[1] == pytest.approx(row_losses("brier", Y, P[::-1]))


@pytest.mark.parametrize("name", ["brier", "log_loss", "accuracy"])
def test_a_diverged_prediction_has_no_loss(name):
    assert np.isnan(row_losses(name, [0, 1], [np.nan, 0.2])).tolist() == [True, False]
    result = np.isnan(row_losses(name, [0, 1], [[np.nan, 1.0], [0.5, 0.5]])).tolist()
    assert result == [True, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_a_diverged_regression_has_no_loss_and_gives_no_warning(value):
    result = np.isnan(row_losses("squared_error", [0.0, 1.0], [value, 0.2])).tolist()
    assert result == [True, False]


def test_the_loss_of_the_prior_is_that_of_the_class_frequencies_and_decides_the_default_margin():
    y = np.array([0] * 7 + [1] * 3)
    assert prior_loss("brier", y) == pytest.approx(0.21)
    assert prior_loss("log_loss", y) == pytest.approx(
        -0.7 * np.log(0.7) - 0.3 * np.log(0.3)
    )
    assert prior_loss("accuracy", y) == pytest.approx(0.3)
    assert prior_loss("brier", [0, 1, 2]) == pytest.approx(2 / 3)
    assert default_margin("accuracy", y) == 0.01
    assert default_margin("brier", y) == pytest.approx(0.0042)
    with pytest.raises(TargetError):
        default_margin("brier", np.zeros(5, int))


def test_the_margin_is_at_most_a_tenth_of_the_error_and_at_least_a_part_of_the_default():
    assert (
        margin_beside("brier", 0.02, 0.5)
        == margin_beside("brier", 0.02, 0.2)
        == Margin(0.02, "default")
    )
    assert margin_beside("brier", 0.02, 0.03) == Margin(
        pytest.approx(0.003), "tenth_of_error"
    )
    assert (
        margin_beside("brier", 0.02, 0.019)
        == margin_beside("accuracy", 0.02, 0.0)
        == Margin(0.002, "floor")
    )
    assert margin_beside("squared_error", 0.02, 0.019) == Margin(
        pytest.approx(0.0019), "tenth_of_error"
    )
    assert margin_beside("squared_error", 0.02, 0.0) == Margin(0.0002, "floor")

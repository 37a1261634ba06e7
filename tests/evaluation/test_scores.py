"""Scores against scikit-learn, their laws, and None where there is nothing to say."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from seedbed.errors import OptionError
from seedbed.evaluation import confusion_matrix, fold_auc
from seedbed.evaluation.scores import scores

rng = np.random.default_rng(1)
Y, P = rng.integers(2, size=90), rng.random(90)
Y3, P3 = rng.integers(3, size=90), rng.dirichlet([1, 1, 1], size=90)

tables = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])), min_size=1, max_size=20)


def test_binary_scores_are_scikit_learns():
    found, guess = scores(Y, P, "binary"), P > 0.5
    expected = {
        "accuracy": sk.accuracy_score(Y, guess),
        "majority_share": max(Y.mean(), 1 - Y.mean()),
        "balanced_accuracy": sk.balanced_accuracy_score(Y, guess),
        "mcc": sk.matthews_corrcoef(Y, guess),
        "roc_auc": sk.roc_auc_score(Y, P),
        "brier": sk.brier_score_loss(Y, P),
        "brier_skill": 1 - sk.brier_score_loss(Y, P) / sk.brier_score_loss(Y, np.full(90, Y.mean())),
        "log_loss": sk.log_loss(Y, P),
        "pr_auc": sk.average_precision_score(Y, P),
        "base_rate": Y.mean(),
    }
    assert found == pytest.approx(expected, abs=1e-10)


def test_multiclass_scores_are_scikit_learns():
    found = scores(Y3, P3, "multiclass")
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(Y3, P3, multi_class="ovo"), abs=1e-10)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(Y3, P3.argmax(1)), abs=1e-10)
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(Y3, P3.argmax(1)), abs=1e-10)
    assert found["pr_auc"] is None
    shares = np.bincount(Y3) / 90
    assert found["brier_skill"] == pytest.approx(1 - found["brier"] / (1 - (shares**2).sum()), abs=1e-10)


def test_regression_scores_are_scikit_learns():
    y, guess = rng.normal(size=50), rng.normal(size=50)
    found = scores(y, guess, "regression")
    assert found["r2"] == pytest.approx(sk.r2_score(y, guess), abs=1e-10)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, guess), abs=1e-10)
    assert found["squared_error"] == pytest.approx(1 - found["r2"], abs=1e-12)


@given(tables)
def test_no_score_is_ever_nan(rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    json.dumps(scores(y, p, "binary"), allow_nan=False)
    json.dumps(scores(y.astype(float), p, "regression"), allow_nan=False)


@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (scores(*zip(*part, strict=True), "binary") for part in (rows, shuffled))
    assert other == pytest.approx(one, abs=1e-9)


@given(tables)
def test_the_names_of_the_two_classes_do_not_matter(rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    p = np.where(p == 0.5, 0.6, p)  # at 0.5 the second class wins no tie, whatever it is called
    one, other = scores(y, p, "binary"), scores(1 - y, 1 - p, "binary")
    for name in ("accuracy", "majority_share", "balanced_accuracy", "mcc", "roc_auc", "brier", "brier_skill"):
        assert other[name] == pytest.approx(one[name], abs=1e-9)


def test_with_one_class_only_what_is_defined_is_given():
    found = scores(np.zeros(5, int), P[:5], "binary")
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {"balanced_accuracy", "mcc", "roc_auc", "brier_skill", "pr_auc"}


def test_constant_predictions_are_worth_nothing_but_defined():
    found = scores([0, 0, 1, 1, 1], np.full(5, 0.6), "binary")
    assert (found["roc_auc"], found["mcc"], found["balanced_accuracy"]) == (0.5, 0, 0.5)
    assert found["brier_skill"] == pytest.approx(0)


def test_a_missing_class_leaves_the_multiclass_auc_undefined():
    found = scores(np.where(Y3 == 2, 0, Y3), P3, "multiclass")
    assert found["roc_auc"] is None
    assert found["accuracy"] is not None


def test_a_diverged_network_has_no_scores():
    found = scores(Y, np.where(np.arange(90) == 3, np.nan, P), "binary")
    assert {name for name, value in found.items() if value is not None} == {"majority_share", "base_rate"}
    assert set(scores([1.0, 2.0], [np.inf, 0.0], "regression").values()) == {None}


def test_a_constant_regression_target_leaves_only_the_absolute_error():
    assert scores([2.0, 2.0], [1.0, 4.0], "regression") == {"squared_error": None, "r2": None, "mae": 1.5}


def test_an_unknown_task_is_refused():
    with pytest.raises(OptionError, match="regression"):
        scores(Y, P, "regresion")


def test_fold_auc_is_the_mean_over_folds():
    folds = np.arange(90) % 3
    expected = np.mean([sk.roc_auc_score(Y[folds == j], P[folds == j]) for j in range(3)])
    assert fold_auc(Y, P, folds) == (pytest.approx(expected, abs=1e-10), False)


def test_fold_auc_is_pooled_and_marked_where_a_fold_has_four_rows_of_a_class():
    y = np.array([0] * 20 + [1] * 9)
    folds = np.concatenate([np.arange(20) % 2, [0] * 5 + [1] * 4])
    value, pooled = fold_auc(y, P[:29], folds)
    assert (value, pooled) == (pytest.approx(sk.roc_auc_score(y, P[:29]), abs=1e-10), True)
    assert fold_auc(np.append(y, 1), P[:30], np.append(folds, 1)).pooled is False


def test_fold_auc_of_one_class_is_none():
    assert fold_auc(np.zeros(12, int), P[:12], np.arange(12) % 2) == (None, True)


def test_fold_auc_reads_several_classes_too():
    value, pooled = fold_auc(Y3, P3, np.arange(90) % 2)
    halves = [sk.roc_auc_score(Y3[j::2], P3[j::2], multi_class="ovo") for j in (0, 1)]
    assert (value, pooled) == (pytest.approx(np.mean(halves), abs=1e-10), False)


def test_the_confusion_matrix_is_scikit_learns_and_leaves_out_what_diverged():
    assert (confusion_matrix(Y3, P3) == sk.confusion_matrix(Y3, P3.argmax(1))).all()
    assert (confusion_matrix(Y, P) == sk.confusion_matrix(Y, P > 0.5)).all()
    assert confusion_matrix([0, 1, 1], [0.1, np.nan, 0.9]).tolist() == [[1, 0], [0, 1]]

"""Areas under ROC curves and the confusion matrix, compared with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn import metrics as sk
from sklearn.metrics import roc_auc_score

from seedbed.errors import DataError
from seedbed.evaluation.classification import (
    check_probabilities,
    confusion_matrix,
    fold_auc,
    multiclass_auc,
    two_class_auc,
)


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 6))
def test_each_area_equals_scikit_learns_also_with_ties(seed, n_rows, n_levels):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n_rows - 2)]
    p = rng.integers(0, n_levels, n_rows) / n_levels
    (area,) = two_class_auc(y == 1, p)(np.ones((1, n_rows)))
    assert area == pytest.approx(roc_auc_score(y, p), abs=1e-12)


def classes(seed, n_rows=40, n_levels=1000):
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(4), rng.integers(0, 4, n_rows - 4)]
    p = rng.integers(1, n_levels + 1, (n_rows, 4)).astype(float)
    return y, p / p.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_multiclass_area_equals_scikit_learns_mean_over_pairs(seed, n_levels):
    y, p = classes(seed, n_levels=n_levels)
    expected = roc_auc_score(y, p, multi_class="ovo", average="macro")
    assert multiclass_auc(y, p)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_the_influence_of_a_row_is_the_derivative_with_respect_to_its_weight():
    y, p = classes(3, n_levels=5)
    step = 1e-5

    def area(weights):  # Hand & Till 2001
        pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
        kept = [np.isin(y, pair) for pair in pairs]
        return np.mean(
            [
                roc_auc_score(y[own] == i, p[own, i], sample_weight=weights[own])
                for (i, _), own in zip(pairs, kept, strict=True)
            ]
        )

    weights = 1 + step * np.eye(len(y))[::5]
    slope = [(area(up) - area(2 - up)) / (2 * step) for up in weights]
    influence = multiclass_auc(y, p)[1]
    assert_allclose(influence[::5], slope, atol=1e-8)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


rng = np.random.default_rng(1)
Y, P = rng.integers(2, size=90), rng.random(90)
Y3, P3 = rng.integers(3, size=90), rng.dirichlet([1, 1, 1], size=90)


def test_fold_auc_is_the_mean_over_folds_also_of_several_classes():
    folds = np.arange(90) % 3
    expected = np.mean(
        [sk.roc_auc_score(Y[folds == j], P[folds == j]) for j in range(3)]
    )
    assert fold_auc(Y, P, folds) == (pytest.approx(expected, abs=1e-10), False)
    value, pooled = fold_auc(Y3, P3, np.arange(90) % 2)
    halves = [sk.roc_auc_score(Y3[j::2], P3[j::2], multi_class="ovo") for j in (0, 1)]
    assert (value, pooled) == (pytest.approx(np.mean(halves), abs=1e-10), False)


def test_fold_auc_is_pooled_and_marked_if_a_fold_has_few_rows_of_a_class_or_none():
    y = np.array([0] * 20 + [1] * 9)
    folds = np.concatenate([np.arange(20) % 2, [0] * 5 + [1] * 4])
    value, pooled = fold_auc(y, P[:29], folds)
    expected = (pytest.approx(sk.roc_auc_score(y, P[:29]), abs=1e-10), True)
    assert (value, pooled) == expected
    assert fold_auc(np.append(y, 1), P[:30], np.append(folds, 1))[1] is False
    assert fold_auc(np.zeros(12, int), P[:12], np.arange(12) % 2) == (None, True)


def test_the_confusion_matrix_equals_scikit_learns_and_excludes_diverged_networks():
    assert (confusion_matrix(Y3, P3) == sk.confusion_matrix(Y3, P3.argmax(1))).all()
    assert (confusion_matrix(Y, P) == sk.confusion_matrix(Y, P > 0.5)).all()
    assert confusion_matrix([0, 1, 1], [0.1, np.nan, 0.9]).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([[0.5, 0.5], [1, 1]], "row 1 has probabilities that sum to 2 and not to 1"),
        ([[0.5, 0.502]], "row 0 has probabilities that sum to 1.002 and not to 1"),
        ([[0.5, 0.5], [-0.1, 1.1]], "row 1 has a probability of -0.1, outside 0 to 1"),
        (
            [[0.5], [70]],
            "row 1 has a probability of 70, outside 0 to 1. Divide percentages by 100",
        ),
    ],
)
def test_values_that_are_no_probabilities_are_refused_with_the_row(rows, found):
    with pytest.raises(DataError) as caught:
        check_probabilities(np.array(rows, dtype=float), lambda row: f"row {row}")
    assert str(caught.value).startswith(found)


def test_probabilities_rounded_to_three_decimals_and_missing_ones_pass():
    p = np.round(P3, 3)
    check_probabilities(np.vstack([p, np.full((1, 3), np.nan)]), str)
    check_probabilities(P[:, None], str)

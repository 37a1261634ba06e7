"""The area under many ROC curves at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from seedbed.evaluation.ranking import auc_influence, multiclass_auc, roc_auc
from seedbed.evaluation.weighted import row_score


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 6))
def test_each_area_is_that_of_scikit_learn_ties_included(seed, n_rows, n_levels):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n_rows - 2)]
    p = rng.integers(0, n_levels, (2, 3, n_rows)) / n_levels
    areas = roc_auc(y, p)
    expected = [[roc_auc_score(y, p[i, j]) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(areas, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1]])
def test_a_missing_class_has_no_area(y):
    assert np.isnan(roc_auc(y, [[0.1, 0.2, 0.3]])).all()


def test_a_prediction_that_is_not_finite_has_no_area_and_others_keep_theirs():
    areas = roc_auc([0, 1], [[0.1, np.nan], [0.1, 0.2], [0.2, np.inf]])
    np.testing.assert_array_equal(areas, [np.nan, 1.0, np.nan])


def classes(seed, n_rows=40, n_levels=1000):
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(4), rng.integers(0, 4, n_rows - 4)]
    p = rng.integers(1, n_levels + 1, (n_rows, 4)).astype(float)
    return y, p / p.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_of_several_classes_it_is_scikit_learns_mean_over_pairs_ties_included(seed, n_levels):
    y, p = classes(seed, n_levels=n_levels)
    expected = roc_auc_score(y, p, multi_class="ovo", average="macro")
    assert multiclass_auc(y, p) == pytest.approx(expected, abs=1e-12)


def test_the_influence_of_a_row_is_the_derivative_by_its_weight():
    y, p = classes(3, n_levels=5)
    step = 1e-5
    weights = 1 + step * np.eye(len(y))
    score = row_score("roc_auc", y, p[None])
    slope = (score(weights) - score(2 - weights)) / (2 * step)
    np.testing.assert_allclose(auc_influence(y, p), slope, atol=1e-8)
    assert auc_influence(y, p).sum() == pytest.approx(0, abs=1e-12)

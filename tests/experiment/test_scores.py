"""Scores against scikit-learn, from the probabilities that a comparison keeps."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from seedbed.data import Split
from seedbed.experiment import Score
from seedbed.experiment.results import SCORES, score_networks

SKLEARN = {
    "accuracy": lambda y, p: accuracy_score(y, p > 0.5),
    "log_loss": lambda y, p: log_loss(y, p, labels=[0, 1]),
    "brier": brier_score_loss,
    "roc_auc": roc_auc_score,
}


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("name", ["linear:3", "tanh:4"])
def test_scores_are_what_scikit_learn_makes_of_the_probabilities(comparison, arrays, name, score):
    _, y = arrays
    p = comparison[name].probabilities.astype(np.float64)  # [repeat, seed, row]
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=7).split(y, y)
    values = np.array(
        [
            [SKLEARN[score](y[test], p[number // 3, seed, test]) for seed in range(3)]
            for number, (_, test) in enumerate(folds)
        ]
    )
    found = comparison[name].scores[score]
    assert found.mean == pytest.approx(values.mean(1).mean(), abs=1e-12)
    assert found.fold_sd == pytest.approx(values.mean(1).std(ddof=1), abs=1e-12)
    assert found.seed_sd == pytest.approx(np.sqrt(values.var(axis=1, ddof=1).mean()), abs=1e-12)


def test_every_row_is_predicted_once_a_repeat_and_seed(comparison, arrays):
    p = comparison["tanh:4"].probabilities
    assert p.shape == (2, 3, len(arrays[1]))
    assert p.dtype == np.float32
    assert ((p > 0) & (p < 1)).all()
    assert len(np.unique(p[:, :, 0])) == 6  # no two networks are one


def test_the_last_test_accuracy_of_the_curves_is_that_of_the_probabilities(comparison, arrays):
    result, y = comparison["linear:3"], arrays[1]
    for number, split in enumerate(comparison.splits):
        for seed in range(3):
            p = result.probabilities[split.repeat, seed, split.test]
            accuracy = result.curves[3, -1, number * 3 + seed]
            assert accuracy == pytest.approx(accuracy_score(y[split.test], p > 0.5), abs=1e-6)


def test_a_diverged_network_is_left_out_of_its_fold_alone():
    y = np.array([0, 1, 0, 1])
    splits = [Split(0, 0, np.array([2, 3]), np.array([0, 1])), Split(0, 1, np.array([0, 1]), np.array([2, 3]))]
    p = np.array([[[0.1, 0.8, 0.6, 0.7], [np.nan, np.nan, 0.2, 0.3], [0.4, 0.4, 0.2, 0.9]]], dtype=np.float32)
    score = score_networks(y, splits, p)["accuracy"]
    # Fold 0: 1, none, 1/2. Fold 1: 1/2, 1/2, 1.
    assert score.mean == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert score.fold_sd == pytest.approx(np.std([3 / 4, 2 / 3], ddof=1))
    assert score.seed_sd == pytest.approx(np.sqrt((1 / 8 + 1 / 12) / 2))


def test_a_fold_in_which_all_networks_diverged_is_left_out():
    y = np.array([0, 1, 0, 1])
    splits = [Split(0, 0, np.array([2, 3]), np.array([0, 1])), Split(0, 1, np.array([0, 1]), np.array([2, 3]))]
    p = np.array([[[np.nan, np.nan, 0.6, 0.7]]], dtype=np.float32)
    assert score_networks(y, splits, p)["accuracy"] == Score(0.5, None, None)


def test_what_cannot_be_told_from_one_seed_is_none(small):
    score = small(candidates="linear:2", seeds=1)["linear:2"].scores["accuracy"]
    assert score.seed_sd is None
    assert score.fold_sd is not None

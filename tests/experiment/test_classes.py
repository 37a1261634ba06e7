"""Several classes: probabilities, scores and verdicts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics as sk

from seedbed.experiment.fits import split_seed
from seedbed.experiment.summary import guessing_like
from seedbed.networks.draws import derive
from seedbed.training.many import train_many

from .conftest import by_fold

pytestmark = pytest.mark.usefixtures("plain_charts")


@pytest.fixture(scope="module")
def rows():
    """X [90, 3] and y [90] of three classes, one of them rarer."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(90, 3))
    return X, np.digitize(X[:, 0] + 0.6 * rng.normal(size=90), [-0.2, 1.0])


@pytest.fixture(scope="module")
def found(compared, table_of, rows):
    table = table_of(*rows, "multiclass")
    return compared(
        table,
        "linear:3",
        "tanh:4",
        baselines=["standard"],
        repeats=2,
        recipe={"lr": 0.5, "epochs": 20},
    )


def brier(y, p):
    return ((p - np.eye(3)[y]) ** 2).sum(axis=1).mean()


@pytest.mark.slow
def test_predictions_equal_the_probabilities_of_the_plain_loop(found, rows):
    (X, y), split = rows, found.splits[4]
    Z = ((X - X[split.train].mean(0)) / X[split.train].std(0)).astype(np.float32)
    own = derive(split_seed(0, split), "tanh:4", "blend", 1)
    history = train_many(
        "tanh:4",
        Z[split.train],
        y[split.train],
        Z[split.test],
        y[split.test],
        seeds=[own],
        epochs=20,
        lr=0.5,
        loss="cross_entropy",
    )
    p = found["tanh:4"].singles
    assert (p.shape, p.dtype) == ((2, 2, 90, 3), np.float32)
    assert_allclose(found["tanh:4"].predictions[:, 0], p.mean(axis=1), atol=1e-6)
    assert_allclose(
        p[1, 1, split.test], history.predict(Z[split.test])[:, :, 0], atol=1e-5
    )
    assert_allclose(p.sum(axis=3), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["linear:3", "prior", "logistic", "boosted-trees"])
def test_scores_equal_scikit_learns(found, rows, name):
    sets = found[name].predictions.astype(np.float64).reshape(-1, 90, 3)
    means = {key: score.mean for key, score in found[name].scores.items()}
    folds = dict(
        accuracy=lambda y, p: sk.accuracy_score(y, p.argmax(1)),
        log_loss=lambda y, p: sk.log_loss(
            y, p / p.sum(1, keepdims=True), labels=[0, 1, 2]
        ),
        brier=brier,
        roc_auc=lambda y, p: sk.roc_auc_score(
            y, p / p.sum(1, keepdims=True), multi_class="ovo"
        ),
    )
    expected = {
        key: by_fold(found, name, function).mean() for key, function in folds.items()
    }
    expected["mcc"] = np.mean(
        [sk.matthews_corrcoef(rows[1], p.argmax(1)) for p in sets]
    )
    expected["balanced_accuracy"] = np.mean(
        [sk.balanced_accuracy_score(rows[1], p.argmax(1)) for p in sets]
    )
    shares = np.bincount(rows[1]) / 90
    expected["brier_skill"] = 1 - expected["brier"] / (1 - (shares**2).sum())
    assert {key: means[key] for key in expected} == pytest.approx(expected, abs=1e-6)


def test_confusion_and_calibration_use_the_most_likely_class(found, rows):
    y, p = rows[1], found["linear:3"].predictions.astype(np.float64)
    truth, guess = np.broadcast_to(y, p.shape[:3]).ravel(), p.argmax(axis=3).ravel()
    assert_allclose(
        found["linear:3"].confusion(),
        sk.confusion_matrix(truth, guess, normalize="all"),
    )
    mean = p.mean(axis=(0, 1))
    right, top = mean.argmax(axis=1) == y, mean.max(axis=1)
    calibration = found["linear:3"].calibration
    own = (
        calibration.miscalibration
        - calibration.discrimination
        + calibration.uncertainty
    )
    assert own == pytest.approx(np.mean((top - right) ** 2))
    assert calibration.ece >= abs(np.mean(top - right)) - 1e-12


def test_the_margin_and_the_checks_use_the_loss_of_the_prior(found, rows):
    shares = np.bincount(rows[1]) / 90
    assert found.to_dict()["metric"]["of_prior"] == pytest.approx(1 - (shares**2).sum())
    assert found.experiment.margin == pytest.approx(0.02 * (1 - (shares**2).sum()))
    assert_allclose(
        found["prior"].predictions[0, 0, found.splits[0].test][0],
        np.bincount(rows[1][found.splits[0].train]) / 60,
        atol=1e-6,
    )
    assert_allclose(
        guessing_like(found["tanh:4"]).predictions,
        found["prior"].predictions,
        atol=1e-6,
    )

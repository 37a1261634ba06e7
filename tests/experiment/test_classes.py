"""Several classes: probabilities, scores and verdicts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics as sk

from seedbed.experiment.summary import guessing_like

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
    options = dict(repeats=2, recipe={"lr": 0.5, "epochs": 20})
    return compared(table, "linear:3", "tanh:4", baselines=["standard"], **options)


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

"""Blends of several members or of one: weights, out-of-bag predictions and epochs."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification, make_regression

from seedbed import SeedbedClassifier, SeedbedRegressor
from seedbed.errors import CandidateError, OptionError
from seedbed.model.portfolio import LINES

SMALL = "extra-trees:4 relu:5@lr=0.05 silu:6,6@layernorm,residual relu:6@ple=3".split()
FAST = {"portfolio": SMALL, "n_networks": 8, "epochs": 15, "random_state": 0}


@pytest.fixture(scope="module")
def blobs():
    return make_classification(
        150, 4, n_informative=2, n_redundant=0, n_clusters_per_class=1, random_state=0
    )


@pytest.fixture(scope="module")
def blended(blobs):
    return SeedbedClassifier(**FAST).fit(*blobs)


def test_by_default_the_blend_suits_the_number_of_rows(blobs):
    classifier = SeedbedClassifier(random_state=0, epochs=2).fit(*blobs)
    assert classifier.model_.candidate == "auto"
    assert classifier.model_.n_networks == 8
    assert sum(classifier.weights_.values()) == pytest.approx(1)
    # which may be dropped early
    assert {*LINES} - set(classifier.oob_losses_) <= {"prior", "extra-trees"}


@pytest.mark.parametrize(
    "words", ["relu:4", "network-1", "logistic", "boosted-trees:3", "prior"]
)
def test_a_candidate_is_a_blend_of_one_with_out_of_bag_predictions(blobs, words):
    classifier = SeedbedClassifier(words, epochs=5, random_state=0).fit(*blobs)
    assert classifier.weights_ == {words: 1.0}
    assert list(classifier.oob_losses_) == [words]
    assert (classifier.model_.candidate, classifier.model_.n_networks) == (words, 8)
    said = classifier.oob_decision_function_[np.arange(150), blobs[1]]
    assert -np.log(said).mean() == pytest.approx(classifier.oob_losses_[words])
    assert classifier.n_iter_ == (max(1, classifier.model_.training["epochs"]))
    alone = SeedbedClassifier(portfolio=[words], epochs=5, random_state=0).fit(*blobs)
    assert_array_equal(
        alone.predict_proba(blobs[0]), classifier.predict_proba(blobs[0])
    )


@pytest.mark.parametrize("n_networks", [1, 2, 3])
def test_fewer_networks_than_folds_leave_rows_without_out_of_bag_predictions(
    blobs, n_networks
):
    classifier = SeedbedClassifier("relu:4", n_networks=n_networks, epochs=3).fit(
        *blobs
    )
    left_out = np.isfinite(classifier.oob_decision_function_).all(axis=1).sum()
    assert left_out == pytest.approx(
        150 * n_networks / 8 if n_networks > 1 else 0, abs=3
    )
    assert classifier.predict(blobs[0]).shape == (150,)


def test_groups_stay_together_in_the_bags():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    X = rng.normal(size=(60, 3))[groups] + rng.normal(scale=0.01, size=(240, 3))
    y = rng.permutation(np.arange(60) % 2)[groups]  # chance, but alike within a group
    shuffled = rng.permutation(240)
    options = {**FAST, "portfolio": ("silu:32@lr=0.03",), "epochs": 60}

    def losses(groups):
        return [
            *SeedbedClassifier(**options)
            .fit(X[shuffled], y[shuffled], groups=groups)
            .oob_losses_.values()
        ]

    apart = losses([f"p{group}" for group in groups[shuffled]])
    assert min(losses(None)) < 0.6 < 0.65 < min(apart)
    with pytest.raises(ValueError, match=r"groups has shape \(2, 2\)"):
        SeedbedRegressor(**FAST).fit(X, X[:, 0], groups=[[1, 2], [3, 4]])


def test_each_member_has_its_own_loss(blended, blobs):
    assert list(blended.oob_losses_) == list(SMALL)
    assert 0 < min(blended.oob_losses_.values()) < np.log(2)
    best = min(blended.oob_losses_, key=blended.oob_losses_.get)
    assert blended.weights_[best] > 0
    assert blended.model_.training["out_of_bag_loss"] < blended.oob_losses_[best] + 1e-3
    X, y = blobs
    said = blended.oob_decision_function_
    assert said.shape == (150, 2)
    assert_allclose(said.sum(axis=1), 1)
    out_of_bag = -np.log(said[np.arange(150), y]).mean()
    assert out_of_bag == pytest.approx(blended.model_.training["out_of_bag_loss"])
    assert out_of_bag > -np.log(blended.predict_proba(X)[np.arange(150), y]).mean()
    assert (said.argmax(axis=1) == y).mean() > 0.8


def test_a_regressor_fits_a_curve_and_has_out_of_bag_predictions():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(300, 2))
    y = 40 + 10 * np.sin(2 * X[:, 0]) + rng.normal(size=300)
    regressor = SeedbedRegressor(**{**FAST, "epochs": 60, "lr": 0.01}).fit(
        X[:200], y[:200]
    )
    assert regressor.score(X[200:], y[200:]) > 0.85
    error = np.mean((regressor.oob_prediction_ - y[:200]) ** 2)
    assert error == pytest.approx(regressor.model_.training["out_of_bag_loss"])
    assert error < 25


def test_refitting_replaces_the_attributes_of_the_earlier_fit(blobs):
    regressor = SeedbedRegressor(**FAST).fit(*blobs)
    regressor.set_params(candidate="relu:4", portfolio=None, epochs=3).fit(*blobs)
    assert list(regressor.weights_) == list(regressor.oob_losses_) == ["relu:4"]


def test_a_time_limit_ends_the_fit(blobs):
    quick = SeedbedClassifier(**{**FAST, "epochs": 10_000}, time_limit=1e-6).fit(*blobs)
    assert list(quick.weights_) == list(SMALL[1:2])


@pytest.mark.few(1)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_verbose_fit_reports_each_member_on_stderr_and_a_silent_fit_nothing(
    blobs, capsys, monkeypatch, n_jobs
):
    verbose = SeedbedClassifier(**FAST, n_jobs=n_jobs, verbose=1).fit(*blobs)
    out, err = capsys.readouterr()
    found = re.findall(r"(.*): out-of-bag loss (.*), of the model so far (.*)", err)
    assert {name: float(loss) for name, loss, _ in found} == pytest.approx(
        verbose.oob_losses_, rel=1e-3
    )
    assert float(found[-1][2]) == pytest.approx(
        verbose.model_.training["out_of_bag_loss"], rel=1e-3
    )
    monkeypatch.setattr(
        "seedbed.report.progress.ProgressDisplay",
        lambda *_: pytest.fail("a silent fit shows something"),
    )
    silent = SeedbedClassifier(**FAST, n_jobs=n_jobs).fit(*blobs)
    assert (out, *capsys.readouterr()) == ("", "", "")
    assert (silent.predict_proba(blobs[0]) == verbose.predict_proba(blobs[0])).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"n_networks": 1},
            OptionError,
            "a blend of single networks has no rows left out",
        ),
        (
            {"candidate": "relu:4", "portfolio": SMALL},
            OptionError,
            "portfolio belongs to candidate='auto'",
        ),
        ({"time_limit": -1}, OptionError, "time_limit"),
        ({"portfolio": ("rleu:4",)}, CandidateError, "no activation"),
        ({"portfolio": ("relu:4", "relu:4")}, CandidateError, "two candidates"),
    ],
)
def test_invalid_options_raise_a_clear_error(blobs, options, error, message):
    with pytest.raises(error, match=message) as raised:
        SeedbedClassifier(**options).fit(*blobs)
    assert isinstance(raised.value, ValueError)


def test_predictions_of_extreme_inputs_are_bounded():
    X, y = make_regression(120, 3, noise=5, random_state=0)
    regressor = SeedbedRegressor(**FAST).fit(X, y)
    far = regressor.predict(X[:1] * 1e6)
    assert abs(far - y.mean()) < 20 * y.std()

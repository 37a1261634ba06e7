"""The estimator of survival, with the conventions of scikit-survival and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

import seedbed as sb
from seedbed.errors import DataError, TargetError

N = 120
QUICK = dict(candidate="logistic", n_networks=2, epochs=30, random_state=0, n_jobs=1)


@pytest.fixture(scope="module")
def data():
    """X [row, 2] and y; times are short for a large first column."""
    rng = np.random.default_rng(0)
    X, ends = rng.normal(size=(N, 2)), rng.exponential(200, N)
    times = rng.exponential(100 * np.exp(-X[:, 0]))
    return X, Surv.from_arrays(times <= ends, np.minimum(times, ends))


@pytest.fixture(scope="module")
def fitted(data):
    return sb.SeedbedSurvival(**QUICK).fit(*data)


def test_the_score_is_harrells_c_of_the_predicted_risks(fitted, data):
    X, y = data
    expected = concordance_index_censored(y["event"], y["time"], fitted.predict(X))[0]
    assert fitted.score(X, y) == pytest.approx(expected, abs=1e-12)
    assert 0.65 < expected < 1
    hazards = fitted.predict_cumulative_hazard_function(X, return_array=True)
    assert_array_equal(fitted.predict(X), hazards[:, -1])
    assert np.corrcoef(fitted.predict(X), X[:, 0])[0, 1] > 0.5


def test_functions_of_rows_are_arrays_at_the_unique_times(fitted, data):
    X, times = data[0][:5], fitted.unique_times_
    survival = fitted.predict_survival_function(X, return_array=True)
    hazards = fitted.predict_cumulative_hazard_function(X, return_array=True)
    assert_allclose(hazards, -np.log(survival), rtol=1e-12)
    assert survival.shape == (5, len(times))
    assert times[-1] == fitted.model_.follow_up.horizon
    result = fitted.predict_survival_function(X[:0], return_array=True).shape
    assert result == (0, len(times))
    assert (
        fitted.predict(X[:0]).shape
        == fitted.predict_survival_function(X[:0]).shape
        == (0,)
    )
    # so many rows are under observation after it
    assert np.count_nonzero(data[1]["time"] > times[-1]) == 10
    several = np.array([[0.0, times[2]], [1.0, 1e9]])
    both = zip(
        fitted.predict_survival_function(X),
        fitted.predict_cumulative_hazard_function(X),
        strict=True,
    )
    for row, (function, hazard) in enumerate(both):
        for one, values in ((function, survival), (hazard, hazards)):
            assert_array_equal([one.x, one.y], [times, values[row]])
            assert_allclose(one(times), values[row], rtol=1e-9)
        inside = fitted.model_.predict_survival(X[[row]], at=1.0)[0, 0]
        assert_allclose(
            function(several),
            [[1, survival[row, 2]], [inside, survival[row, -1]]],
            rtol=1e-9,
        )
        assert hazard(1.0) == pytest.approx(-np.log(function(1.0)), rel=1e-9)


def test_it_works_in_a_pipeline_cross_validation_and_a_search(data):
    X, y = data
    assert (
        make_pipeline(StandardScaler(), sb.SeedbedSurvival(**QUICK))
        .fit(100 * X, y)
        .score(100 * X, y)
        > 0.65
    )
    scores = cross_val_score(
        sb.SeedbedSurvival(**QUICK), pd.DataFrame(X, columns=["a", "b"]), y, cv=3
    )
    assert ((scores > 0.5) & (scores < 1)).all()
    search = GridSearchCV(
        sb.SeedbedSurvival(**QUICK), {"candidate": ["boosted-trees", "logistic"]}, cv=2
    ).fit(X, y)
    assert search.best_params_ == {"candidate": "logistic"}
    assert 0.5 < search.cv_results_["mean_test_score"][0] < search.best_score_


def at_first(y, time):
    return Surv.from_arrays(y["event"], np.concatenate([[time], y["time"][1:]]))


BAD = {
    "numbers": (lambda y: y["time"], DataError, "structured array of two fields"),
    "codes of events": (
        lambda y: y.astype([("event", int), ("time", float)]),
        DataError,
        "two fields",
    ),
    "three fields": (
        lambda y: np.zeros(N, [("a", bool), ("b", float), ("c", float)]),
        DataError,
        "two fields",
    ),
    "no event": (
        lambda y: Surv.from_arrays(np.zeros(N, bool), y["time"]),
        TargetError,
        "y has no event",
    ),
    "a negative time": (
        lambda y: at_first(y, -1),
        DataError,
        "a time that is negative",
    ),
    "no time": (lambda y: at_first(y, np.nan), DataError, "not finite"),
    "times of zero": (
        lambda y: Surv.from_arrays(y["event"], 0 * y["time"]),
        DataError,
        "only zeros",
    ),
    "too few rows": (lambda y: y[:-1], ValueError, "inconsistent numbers of samples"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_outcome_that_cannot_be_used_is_refused(data, what):
    make, kind, message = BAD[what]
    with pytest.raises(kind, match=message) as caught:
        sb.SeedbedSurvival(**QUICK).fit(data[0], make(data[1]))
    assert isinstance(caught.value, ValueError)


def test_before_a_fit_it_says_so(data, fitted):
    with pytest.raises(NotFittedError):
        sb.SeedbedSurvival(**QUICK).predict(data[0])
    for X, y in ((data[0][:10], data[1]), (data[0], data[1][:10])):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            fitted.score(X, y)


def test_parameters_are_those_of_the_other_estimators_and_survive_a_clone(fitted, data):
    copy = clone(fitted)
    assert (
        copy.get_params()
        == fitted.get_params()
        == {**sb.SeedbedSurvival().get_params(), **QUICK}
    )
    assert {*copy.get_params()} == {*sb.SeedbedClassifier().get_params()} - {
        "class_weight"
    }
    assert_array_equal(copy.fit(*data).predict(data[0]), fitted.predict(data[0]))
    other = clone(fitted).set_params(random_state=1).fit(*data)
    assert not np.array_equal(other.predict(data[0]), fitted.predict(data[0]))

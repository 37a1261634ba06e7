"""The scikit-learn estimators: scikit-learn's checks, and typical uses."""

import functools
import subprocess
import sys
from contextlib import nullcontext

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import seedbed as sb
from seedbed import SeedbedClassifier, SeedbedRegressor
from seedbed.data.reading import table_from_arrays
from seedbed.errors import (
    CandidateError,
    DataError,
    OptionError,
    SeedbedError,
    TargetError,
)

QUICK = {"candidate": "relu:8", "n_networks": 2, "epochs": 30, "lr": 0.02, "n_jobs": 1}
BLEND = dict(
    portfolio=("boosted-trees:3", "relu:8@ple=3"), n_networks=3, epochs=25, lr=0.05
)
DEFAULT = {"n_networks": 2, "epochs": 3}
BOTH = (SeedbedClassifier, SeedbedRegressor)
ESTIMATORS = [SeedbedClassifier(**QUICK), SeedbedRegressor(**DEFAULT)]
ESTIMATORS += [SeedbedClassifier(**BLEND)]
EXPECTED = {
    f"check_sample_weight_equivalence_on_{kind}_data": "training is in float32, and the check wants 1e-7; and numbers "
    "are standardised by their rows, not by what these count"
    for kind in ("dense", "sparse")
}
ARRAY_API = "check_array_api_input"


@pytest.fixture
def quick():
    """A function that makes a classifier that is fitted in a moment."""
    return lambda **options: SeedbedClassifier(
        **{**QUICK, "random_state": 0, **options}
    )


@pytest.fixture(scope="module")
def blobs():
    """Two classes that a line mostly separates."""
    return make_classification(160, 5, n_informative=3, class_sep=1.5, random_state=0)


@functools.cache
def check_with_array_api(options, estimators):
    """Run the check in a new process because SciPy reads the necessary variable on import; once for
    all estimators."""
    code = (
        "import os; os.environ['SCIPY_ARRAY_API'] = '1'\n"
        "from seedbed import SeedbedClassifier, SeedbedRegressor\n"
        f"from sklearn.utils.estimator_checks import {ARRAY_API} as check\n"
        f"for estimator in {estimators}: check(type(estimator).__name__, estimator, **dict({options!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@parametrize_with_checks(ESTIMATORS[:1], expected_failed_checks=lambda _: EXPECTED)
def test_every_check_of_scikit_learn_passes(estimator, check):
    if check.func.__name__ != ARRAY_API:
        check(estimator)


@pytest.mark.slow  # up to eight members
@parametrize_with_checks(ESTIMATORS[1:], expected_failed_checks=lambda _: EXPECTED)
def test_every_check_of_scikit_learn_passes_for_regressors_and_blends(estimator, check):
    if check.func.__name__ == ARRAY_API:
        check_with_array_api(tuple(check.keywords.items()), repr(ESTIMATORS))
    else:
        check(estimator)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"candidate": "rleu:5"},
            CandidateError,
            "no activation or model 'rleu'. Did you mean 'relu'",
        ),
        ({"candidate": torch.nn.Linear(5, 1)}, CandidateError, "built already"),
        (
            {"epochs": "many"},
            OptionError,
            "epochs is 'many'. It must be a whole number or None",
        ),
        (
            {"label_smoothing": 0.1},
            OptionError,
            "label_smoothing requires class targets",
        ),
        ({"class_weight": "balance"}, OptionError, "'class_weight' parameter"),
        ({"class_weight": {0: -1, 1: 1}}, OptionError, "a weight is negative"),
        ({"numeric": ["x9"]}, OptionError, "there is no column 'x9'"),
    ],
)
def test_fit_raises_value_error_for_wrong_option(quick, blobs, options, error, message):
    estimator = (
        SeedbedRegressor(**QUICK, **options)
        if "label_smoothing" in options
        else quick(**options)
    )
    with pytest.raises(error, match=message) as raised:
        estimator.fit(*blobs)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, SeedbedError)


def test_epochs_are_common_and_the_rate_suits_the_optimizer_or_is_given(quick, blobs):
    usual = quick(epochs=None, lr=None, n_networks=8).fit(*blobs)
    assert 1 <= usual.n_iter_ <= 200
    assert usual.lr_ == sb.Recipe().for_rows(160).lr
    assert (
        usual.predict_proba(blobs[0][:0]).shape
        == usual.predict_set(blobs[0][:0]).shape
        == (0, 2)
    )
    assert usual.model_.training["chosen"] == "by the rows that each network left out"
    given = quick(candidate="relu:4@lr=0.5", epochs=7, patience=0).fit(*blobs)
    assert (given.n_iter_, given.lr_) == (7, 0.5)
    assert given.model_.training["chosen"] == "all epochs, as no rows are left out"


class Wide(torch.nn.Sequential):
    """A user-defined network."""

    def __init__(self, n_features, n_outputs):
        super().__init__(
            torch.nn.Linear(n_features, 6),
            torch.nn.Tanh(),
            torch.nn.Linear(6, n_outputs),
        )


def test_a_candidate_may_be_a_callable_that_builds_a_module(quick, blobs):
    classifier = quick(candidate=Wide).fit(*blobs)
    assert classifier.score(*blobs) > 0.8
    assert isinstance(classifier.model_.networks()[0], Wide)
    assert clone(classifier).candidate is Wide
    message = (
        "candidate '.*': forward.. seems to end with a sigmoid; it must return logits"
    )
    with pytest.warns(UserWarning, match=message):
        quick(
            candidate=lambda n_features: torch.nn.Sequential(
                Wide(n_features, 1), torch.nn.Sigmoid()
            )
        ).fit(*blobs)


def test_an_integer_random_state_gives_the_same_networks(quick, blobs):
    X, _ = blobs
    same = [quick(random_state=3).fit(*blobs).predict_proba(X) for _ in range(2)]
    assert_array_equal(*same)
    others = [quick(random_state=None).fit(*blobs).predict_proba(X) for _ in range(2)]
    assert np.abs(others[0] - others[1]).max() > 1e-3
    drawn = [
        quick(random_state=np.random.RandomState(1)).fit(*blobs).predict_proba(X)
        for _ in range(2)
    ]
    assert_array_equal(*drawn)


def test_fit_model_makes_the_same_model(quick, blobs):
    X, y = blobs
    classifier = quick(random_state=4).fit(X, y)
    recipe = sb.Recipe(lr=0.02, epochs=30)
    table = table_from_arrays(X, y)
    options = dict(random_state=4, compute=sb.Compute(n_jobs=1))
    model = sb.fit_model(table, "relu:8", recipe=recipe, n_networks=2, **options)
    assert_allclose(classifier.predict_proba(X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (2, 10),
        ("10", "2"),
        ("NA", "a"),
        (" a", "a"),
        (False, True),
        (np.int8(3), np.int8(7)),
        (2**62, 2**62 + 1),
    ],
)
def test_labels_of_any_type_are_returned_unchanged(quick, blobs, first, second):
    X, codes = blobs
    y = np.where(codes == 1, second, first)
    classifier = quick().fit(X, y)
    assert classifier.classes_.tolist() == [first, second]
    found = classifier.predict(X)
    assert found.dtype == classifier.classes_.dtype == y.dtype
    assert (found == y).mean() > 0.8
    assert_allclose(
        classifier.predict_proba(X), quick().fit(X, codes).predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize(
    "labels", [[2, 10, 100], ["low", "high", "mid"], [1.0, 10.0, 9.0]], ids=str
)
def test_several_labels_keep_their_order(quick, labels):
    X, codes = load_iris(return_X_y=True)
    y = pd.Series(np.array(labels)[codes], name="kind")
    classifier = quick(epochs=100).fit(X, y)
    assert classifier.classes_.tolist() == sorted(labels)
    assert classifier.score(X, y) > 0.9
    assert (
        classifier.classes_[classifier.predict_proba(X).argmax(axis=1)]
        == classifier.predict(X)
    ).all()
    reported = pd.Series(classifier.model_.predict(X)).astype(str)
    assert (reported == y.map(lambda label: str(label).removesuffix(".0"))).mean() > 0.9
    assert classifier.model_.target_name == "kind"


def test_the_limit_of_labels_in_tables_does_not_apply(quick):
    y = np.repeat(np.arange(60), 3)
    X = np.column_stack([y, np.ones(180)]) + np.random.default_rng(0).normal(
        0, 0.1, (180, 2)
    )
    classifier = quick().fit(X, y)
    assert classifier.predict_proba(X).shape == (180, 60)


def test_an_invalid_target_raises_a_clear_error(quick, blobs):
    X, y = blobs
    with pytest.raises(TargetError, match="one class only, '0'"):
        quick().fit(X, np.zeros(len(X), dtype=int))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        quick().fit(X, np.linspace(0, 1, len(X)))
    with pytest.raises(ValueError, match="could not convert string to float"):
        SeedbedRegressor(**QUICK).fit(X, np.where(y, "a", "b"))
    message = r"y holds a number over 1e\+30, which is too large"
    with pytest.raises(TargetError, match=message):
        SeedbedRegressor(**QUICK).fit(X, y * 1.7e308)


def mixed(n=120):
    """A frame with numbers, gaps, text, categories, booleans and dates, and a label that depends on
    three of them."""
    rng = np.random.default_rng(1)
    size = rng.normal(0, 1, n)
    town = rng.choice(["Bonn", "Oslo", "Rome"], n)
    flag = rng.random(n) < 0.5
    frame = pd.DataFrame(
        dict(
            size=np.where(rng.random(n) < 0.1, np.nan, size),
            number=np.arange(n),
            town=town,
            flag=flag,
            day=pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            grade=pd.Categorical.from_codes(rng.integers(0, 3, n), ["a", "b", "c"]),
        )
    )
    return frame, np.where(size + 2 * (town == "Rome") + flag > 1, "yes", "no")


@pytest.mark.parametrize(
    "convert",
    [
        pd.DataFrame,
        pl.from_pandas,
        pa.Table.from_pandas,
        lambda f: pl.from_pandas(f).lazy(),
    ],
)
def test_frames_of_any_library_give_the_same_predictions(quick, convert):
    frame, y = mixed()
    expected = quick().fit(frame, y)
    found = quick().fit(convert(frame), y)
    assert found.feature_names_in_.tolist() == list(frame)
    assert found.n_features_in_ == 6
    assert_allclose(
        found.predict_proba(convert(frame)), expected.predict_proba(frame), atol=1e-6
    )
    assert expected.score(frame, y) > 0.8
    kinds = {
        schema.name: schema.kind
        for schema in expected.model_.preprocessor.layout.schemas
    }
    assert kinds == dict(
        size="number",
        number="number",
        town="category",
        flag="boolean",
        day="date",
        grade="category",
    )


@pytest.mark.parametrize("dtype", [np.float64, np.int64, object])
def test_every_column_of_numbers_is_numeric(quick, dtype):
    rng = np.random.default_rng(0)
    columns = [
        np.arange(100),
        rng.integers(0, 2, 100),
        np.full(100, 7),
        rng.permutation(100) + 2**40,
    ]
    X = np.column_stack(columns).astype(dtype)
    y = X[:, 1] + (X[:, 0] > 50) > 1
    classifier = quick(epochs=100).fit(X, y)
    schemas = classifier.model_.preprocessor.layout.schemas
    assert [(schema.name, schema.kind) for schema in schemas] == [
        (f"x{i}", "number") for i in range(4)
    ]
    assert classifier.score(X, y) > 0.9
    assert_array_equal(classifier.predict_proba(X), classifier.model_.predict_proba(X))


def test_constant_and_empty_columns_are_accepted_even_if_all_are(quick):
    frame = pd.DataFrame(
        {"one": 1.0, "none": np.nan, "word": "same", "yes": True}, index=range(30)
    )
    y = np.arange(30) % 3 > 0
    classifier = quick(epochs=200, n_networks=8).fit(frame, y)
    probabilities = classifier.predict_proba(frame)
    # BLAS may add up the last rows of a matrix in another order
    assert np.ptp(probabilities[:, 1]) < 1e-15
    assert abs(probabilities[0, 1] - 2 / 3) < 0.05
    assert (
        SeedbedClassifier(**DEFAULT, random_state=0).fit(frame, y).predict(frame).all()
    )


def test_a_sparse_matrix_gives_the_predictions_of_a_dense_one(quick, blobs):
    X, y = np.where(np.abs(blobs[0]) < 0.5, 0, blobs[0]), blobs[1]
    dense = quick().fit(X, y)
    for kind in (sparse.csr_matrix, sparse.coo_array, sparse.csc_array):
        found = quick().fit(kind(X), y)
        assert_array_equal(found.predict_proba(kind(X)), dense.predict_proba(X))
        assert_array_equal(found.model_.predict(kind(X)), dense.model_.predict(X))
    X = sparse.eye_array(10_000, format="csr")
    message = r"X is a sparse matrix of 10,000 x 10,000 cells, .* at most 67,108,864"
    with pytest.raises(DataError, match=message):
        quick().fit(X, np.arange(10_000) % 2)


def test_text_identifiers_are_dropped_unless_they_are_named(quick):
    frame, y = mixed()
    frame["name"] = [f"n{number}" for number in range(len(frame))]
    assert "name" not in quick().fit(frame, y).model_.feature_names_in_
    assert "name" in quick(categorical="name").fit(frame, y).model_.feature_names_in_
    with pytest.raises(DataError, match="no feature is left"):
        quick().fit(frame[["name"]], y)


def test_columns_are_numbers_or_categories_by_name_or_position(quick):
    frame, y = mixed()
    X = frame[["number", "size"]].assign(number=frame["number"] % 4)
    for given, columns in (
        (X, ["number"]),
        (X, [0]),
        (X.to_numpy(), [0]),
        (X.to_numpy(), "x0"),
    ):
        schema, other = (
            quick(categorical=columns).fit(given, y).model_.preprocessor.layout.schemas
        )
        assert schema.kind == "category"
        assert schema.levels == ("0", "1", "2", "3")
        assert other.kind == "number"
    codes = pd.DataFrame(
        {"code": np.where(frame["flag"], "007", "12"), "size": frame["size"]}
    )
    kinds = [
        quick(numeric=n).fit(codes, y).model_.preprocessor.layout.schemas[0].kind
        for n in ((), ["code"])
    ]
    assert kinds == ["category", "number"]


@pytest.mark.parametrize("kind", BOTH)
def test_infinite_numbers_are_refused_and_missing_ones_are_not(kind, blobs):
    X, y = blobs
    gaps, bad = X.copy(), X.copy()
    gaps[::7, 1], bad[3, 2] = np.nan, -np.inf
    estimator = kind(**QUICK).fit(gaps, y)
    assert np.isfinite(estimator.predict(gaps)).all()
    for wrong in (bad, bad.astype(object), pd.DataFrame(bad), pl.DataFrame(bad)):
        with pytest.raises(ValueError, match="inf"):
            kind(**QUICK).fit(wrong, y)
    for wrong in (bad, bad.astype(object)):
        with pytest.raises(ValueError, match="inf"):
            estimator.predict(wrong)


def test_rows_without_names_are_those_of_fit_in_order(quick):
    frame, y = mixed()
    classifier = quick().fit(frame, y)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found = classifier.predict_proba(frame.to_numpy(dtype=object))
    assert_allclose(found, classifier.predict_proba(frame), atol=1e-6)


def test_a_row_of_weight_zero_is_ignored(quick, blobs):
    X, y = blobs
    weights = np.random.default_rng(0).integers(0, 2, len(X))
    apart = quick().fit(X[weights > 0], y[weights > 0])
    for kind in (np.asarray, list, pd.Series):
        weighted = quick().fit(X, y, sample_weight=kind(weights))
        assert_array_equal(weighted.predict_proba(X), apart.predict_proba(X))
    frame, labels = mixed()
    frame.loc[0, "town"] = "Atlantis"
    counted = quick(categorical=["town"]).fit(
        frame, labels, sample_weight=np.arange(len(frame))
    )
    assert "Atlantis" not in counted.model_.preprocessor.layout.schemas[2].levels


def test_weights_of_classes_multiply_those_of_rows(quick, blobs):
    X, y = blobs
    rows = 1 + np.arange(len(X)) % 3
    expected = (
        quick()
        .fit(X, y, sample_weight=rows * np.where(y == 1, 5.0, 0.5))
        .predict_proba(X)
    )
    found = (
        quick(class_weight={0: 0.5, 1: 5})
        .fit(X, y, sample_weight=rows)
        .predict_proba(X)
    )
    assert_allclose(found, expected, atol=1e-6)
    tiny = (
        quick(class_weight={0: 0.5e-300, 1: 5e-300})
        .fit(X, y, sample_weight=rows)
        .predict_proba(X)
    )
    assert_allclose(tiny, expected, atol=1e-6)
    assert expected[:, 1].mean() > quick().fit(X, y).predict_proba(X)[:, 1].mean() + 0.1
    rows = np.where(y == 1, 1.0, 9.0)
    balanced = (
        quick(class_weight="balanced").fit(X, y, sample_weight=rows).predict_proba(X)
    )
    sums = np.bincount(y, rows)
    by_hand = quick().fit(X, y, sample_weight=rows / sums[y]).predict_proba(X)
    assert_allclose(balanced, by_hand, atol=1e-6)


def test_invalid_weights_are_refused(quick, blobs):
    X, y = blobs
    alone = np.zeros(len(X))
    alone[0] = 1
    wrong = {
        "negative, or zero": [-np.ones(len(X)), np.zeros(len(X))],
        "inconsistent numbers": [np.ones(3)],
        "NaN": [np.full(len(X), np.nan)],
        "shape": [np.ones((len(X), 2))],
        "1 sample": [alone],
        "one class": [y],
    }
    for message, cases in wrong.items():
        for weights in cases:
            with pytest.raises(ValueError, match=message):
                quick().fit(X, y, sample_weight=weights)


def test_estimators_work_in_pipelines(quick):
    frame, y = mixed()
    encoded = ColumnTransformer(
        [
            ("words", OneHotEncoder(), ["town"]),
            ("rest", "passthrough", ["size", "flag"]),
        ]
    )
    pipeline = make_pipeline(encoded, StandardScaler(), quick())
    assert pipeline.fit(frame, y).score(frame, y) > 0.8
    weights = np.arange(len(frame)) % 2
    weighted = pipeline.fit(frame, y, seedbedclassifier__sample_weight=weights)
    assert "SeedbedClassifier" in weighted._repr_html_()
    assert weighted.predict_proba(frame).shape == (120, 2)


def test_a_grid_search_tries_candidates_and_keeps_the_best(quick, blobs):
    X, y = blobs
    grid = {"candidate": ["logistic", "relu:4"], "epochs": [1, 60]}
    search = GridSearchCV(quick(), grid, cv=2, error_score="raise").fit(X, y)
    scores = dict(
        zip(
            map(str, search.cv_results_["params"]),
            search.cv_results_["mean_test_score"],
            strict=True,
        )
    )
    assert (
        scores[str({"candidate": "relu:4", "epochs": 60})]
        > scores[str({"candidate": "relu:4", "epochs": 1})]
    )
    assert search.best_estimator_.candidate == search.best_params_["candidate"]
    assert search.score(X, y) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, -1])
def test_parallel_cross_validation_gives_the_same_scores(quick, blobs, n_jobs):
    X, y = blobs
    classifier = quick(n_networks=4, n_jobs=n_jobs)
    alone = cross_val_score(classifier.set_params(n_jobs=1), X, y, cv=3)
    classifier.set_params(n_jobs=n_jobs)
    assert_allclose(
        cross_val_score(classifier, X, y, cv=3, n_jobs=2, error_score="raise"), alone
    )


@pytest.mark.slow
def test_threads_can_fit_and_predict_concurrently(quick, blobs):
    X, y = blobs
    classifier = quick(epochs=5)
    alone = cross_val_score(classifier, X, y, cv=8)
    with joblib.parallel_config("threading", n_jobs=4):
        for _ in range(5):  # without a lock, a third of these differ
            assert_allclose(
                cross_val_score(classifier, X, y, cv=8, error_score="raise"), alone
            )


def test_a_regressor_fits_a_line_in_any_units():
    X, y = make_regression(200, 4, noise=1.0, random_state=0)
    regressor = SeedbedRegressor(
        **{**QUICK, "candidate": "linear:4", "epochs": 300}, random_state=0
    )
    assert regressor.fit(X, y * 1e6 + 1e9).score(X, y * 1e6 + 1e9) > 0.99
    assert not hasattr(regressor, "classes_")
    assert not hasattr(regressor, "predict_proba")


@pytest.mark.parametrize("kind", ["gradient", "bfloat16"])
def test_tensors_of_every_kind_are_taken(kind):
    X = np.arange(20.0)[:, None]
    tensor = (
        torch.tensor(X).bfloat16()
        if kind == "bfloat16"
        else torch.tensor(X, requires_grad=True)
    )
    options = {"n_networks": 2, "epochs": 1, "random_state": 0}
    found, expected = (
        SeedbedRegressor("relu:3", **options).fit(x, x[:, 0], x[:, 0] + 1)
        for x in (tensor, X)
    )
    assert_array_equal(found.predict(tensor), expected.predict(X))


@pytest.mark.parametrize(
    ("most", "fits"), [(1e37, True), (1e-300, True), (1e308, True), (1e300, False)]
)
def test_weights_that_float32_cannot_hold_are_scaled_or_refused(most, fits):
    X, y, weights = np.arange(20.0)[:, None], np.arange(20) % 2, np.full(20, most)
    weights[2:] = most / 2 if fits else 1
    with (
        nullcontext()
        if fits
        else pytest.raises(DataError, match=r"sample_weight ranges from 1 to 1e\+300")
    ):
        SeedbedClassifier("relu:3", n_networks=2, epochs=1).fit(X, y, weights)
    with (
        nullcontext()
        if fits
        else pytest.raises(DataError, match=r"sample_weight ranges from 1 to 1e\+300")
    ):
        sb.train_many(
            "relu:3", X, y, X, y, seeds=2, epochs=1, sample_weight=weights, loss="bce"
        )

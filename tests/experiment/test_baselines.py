"""scikit-learn models of the user as baselines: how they are named, and fitted on the same
splits."""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from seedbed.data.splits import repeated_folds
from seedbed.errors import OptionError
from seedbed.experiment.fits import fit_estimator
from seedbed.experiment.spec import specify
from seedbed.experiment.user_estimators import estimators_from
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe

from ..cases import with_texts


class Odd(ClassifierMixin, BaseEstimator):
    """A classifier whose `fit` does what its argument says."""

    def __init__(self, does="nothing"):
        self.does = does

    def fit(self, X, y):
        if self.does == "fail":
            raise ValueError("\nthe first line\nthe second line")
        if self.does == "warn":
            warnings.warn("not converged", ConvergenceWarning, stacklevel=1)
            np.log(np.zeros(1))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        n_columns = 1 if self.does == "one column" else len(self.classes_)
        return np.full(
            (len(X), n_columns), np.nan if self.does == "nan" else 1 / n_columns
        )


@pytest.fixture(scope="module")
def rows():
    """X [150, 5], y [150] and six splits."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(150, 5)) * [1, 10, 1000, 1, 0.1]
    y = (X[:, 0] + X[:, 1] / 20 + 0.8 * rng.normal(size=150) > 0.3).astype(np.int64)
    return X, y, repeated_folds(y, repeats=2, folds=3, random_state=1)


@pytest.fixture(scope="module")
def fitted(rows, table_of):
    """A function that returns probabilities by numbers of baseline and split."""

    def fit(*specs, X=rows[0], y=rows[1], splits=rows[2], task="binary"):
        table = table_of(X, y, task)
        models = estimators_from(specs, random_state=0, task=task)
        places = [
            (number, place)
            for number in range(len(models))
            for place in range(len(splits))
        ]
        return {
            (n, place): fit_estimator(models[n], table, splits[place]).predictions
            for n, place in places
        }

    return fit


def test_fits_do_not_depend_on_test_rows(fitted, rows):
    X, y, splits = rows
    split = splits[2]
    half = len(split.test) // 2
    labels, features = y.copy(), X.copy()
    labels[split.test] = 1 - labels[split.test]
    features[split.test[half:]] = (
        np.random.default_rng(0).normal(size=(len(split.test) - half, 5)) * 1e6
    )
    clean = fitted(LogisticRegression(), splits=[split])[0, 0]
    result = fitted(LogisticRegression(), y=labels, splits=[split])[0, 0].tobytes()
    assert result == clean.tobytes()
    changed = fitted(LogisticRegression(), X=features, splits=[split])[0, 0]
    assert changed[:half].tobytes() == clean[:half].tobytes()


def test_no_warning_of_a_baseline_escapes(fitted, rows, capfd):
    forest = make_pipeline(
        StandardScaler(), RandomForestClassifier(n_estimators=5, n_jobs=2)
    )
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        fitted(forest, LogisticRegression(max_iter=1), Odd("warn"), splits=rows[2][:2])
    assert reported == []
    assert "Warning" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("spec", "name", "settings"),
    [
        (
            "sklearn.ensemble.RandomForestClassifier",
            "RandomForestClassifier",
            {"n_estimators": 100},
        ),
        ("sklearn.naive_bayes:GaussianNB", "GaussianNB", {}),
        (" sklearn.naive_bayes.GaussianNB() ", "GaussianNB", {}),
        (
            "sklearn.svm.SVC(probability=True, C=2.0, class_weight={0: 1, 1: 2}, gamma='scale')",
            "SVC(probability=True, C=2.0, class_weight={0: 1, 1: 2}, gamma='scale')",
            {"C": 2.0, "class_weight": {0: 1, 1: 2}},
        ),
        (
            "sklearn.tree:DecisionTreeClassifier(max_depth=2)",
            "DecisionTreeClassifier(max_depth=2)",
            {"max_depth": 2},
        ),
        (LinearDiscriminantAnalysis, "LinearDiscriminantAnalysis", {}),
        (
            DecisionTreeClassifier(max_depth=3),
            "DecisionTreeClassifier",
            {"max_depth": 3},
        ),
    ],
    ids=str,
)
def test_a_classifier_is_given_by_import_path_or_object(
    fitted, rows, spec, name, settings
):
    (baseline,) = estimators_from([spec], random_state=0)
    assert baseline.name == name
    steps = [step for _, step in baseline.estimator.steps]
    assert [isinstance(step, StandardScaler) for step in steps] == [True, False]
    assert all(
        steps[-1].get_params()[word] == value for word, value in settings.items()
    )
    assert baseline.description.endswith(", standardised features")
    assert "\n" not in baseline.description
    assert fitted(spec, splits=rows[2][:1])[0, 0].shape == rows[2][0].test.shape


def test_baselines_are_standardised_except_for_pipelines(fitted, rows):
    X, y, splits = rows
    split = splits[0]
    words = "sklearn.neighbors.KNeighborsClassifier"
    plain = KNeighborsClassifier()
    scaled = make_pipeline(StandardScaler(), KNeighborsClassifier())
    unscaled = make_pipeline(KNeighborsClassifier())
    by_hand = [
        one.fit(X[split.train], y[split.train]).predict_proba(X[split.test])[:, 1]
        for one in (scaled, unscaled)
    ]
    assert by_hand[0].tolist() != by_hand[1].tolist()
    for spec, p in [
        *((spec, by_hand[0]) for spec in (words, KNeighborsClassifier, plain, scaled)),
        (unscaled, by_hand[1]),
    ]:
        assert (
            fitted(spec, splits=[split])[0, 0].tolist() == p.astype(np.float32).tolist()
        )
    for own in (scaled, unscaled):
        (baseline,) = estimators_from([own], random_state=0)
        assert len(baseline.estimator.steps) == len(own.steps)
        assert "standardised features" not in baseline.description


def test_a_missing_random_state_is_set_on_a_copy():
    forest, seeded = RandomForestClassifier(), DecisionTreeClassifier(random_state=5)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier())
    specs = [forest, seeded, pipeline, LinearDiscriminantAnalysis()]
    one, other = (estimators_from(specs, random_state=state) for state in (0, 1))
    seeds = {
        found[number].estimator[-1].random_state
        for found in (one, other)
        for number in (0, 2)
    }
    assert len(seeds) == 4
    assert None not in seeds
    assert [len(found.seeds) for found in one] == [1, 0, 1, 0]
    again = estimators_from([forest], random_state=0)[0].estimator[-1]
    assert one[0].estimator[-1].random_state == again.random_state
    assert one[1].estimator[-1].random_state == 5
    assert (forest.random_state, pipeline[-1].random_state) == (None, None)


NAMED = {"a": GaussianNB()}
INVALID = {
    "a name": "boosted-tree",
    "a module": "sklearn.svmm.SVC",
    "an import": "breaks_on_import.Model",
    "a class": "sklearn.svm.SVD",
    "arguments": "sklearn.svm.SVC(C=float('inf'))",
    "a regressor": "sklearn.linear_model.Ridge",
    "labels alone": LinearSVC,
    "prior": {"prior": GaussianNB()},
    "auto": {"auto": GaussianNB()},
    "twice": [NAMED, "a=sklearn.naive_bayes.GaussianNB"],
    "a classifier": GaussianNB(),
}
INVALID = with_texts(
    INVALID,
    """
a name: no baseline 'boosted-tree'. Did you mean 'boosted-trees'?
a module: sklearn.svmm can't be imported: ModuleNotFoundError: No module named 'sklearn.svmm'
an import: breaks_on_import can't be imported: ZeroDivisionError: division by zero. Check
a class: baseline 'sklearn.svm.SVD': no class 'SVD' in sklearn.svm. Did you mean 'SVC'?
arguments: '(C=float('inf'))' can't be read. Write each argument once
a regressor: baseline 'Ridge' isn't a scikit-learn classifier. Give one, such as
labels alone: baseline 'LinearSVC' has no predict_proba. Wrap it in sklearn.calibration.
prior: a baseline can't be named 'prior'
auto: a baseline can't be named 'auto'
twice: two baselines are named 'a'
a classifier: isn't a scikit-learn regressor. Give one, such as sklearn.ensemble.
""",
)


@pytest.mark.parametrize("case", INVALID)
def test_invalid_baselines_are_refused(tmp_path, monkeypatch, case):
    spec, message = INVALID[case]
    (tmp_path / "breaks_on_import.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    task = "regression" if "regressor" in message else "binary"
    with pytest.raises(OptionError, match=re.escape(message)):
        estimators_from(
            spec if isinstance(spec, list | dict) else [spec], random_state=0, task=task
        )


def test_only_the_constructor_of_a_classifier_is_called(tmp_path):
    trap = tmp_path / "trap"
    message = "baseline 'Popen' isn't a scikit-learn classifier"
    with pytest.raises(OptionError, match=message):
        estimators_from(
            [f"subprocess.Popen(args=['touch', {str(trap)!r}])"], random_state=0
        )
    for arguments in (
        f"(C=open({str(trap)!r}, 'w'))",
        f"(C=[open({str(trap)!r}, 'w')][0])",
    ):
        with pytest.raises(OptionError, match="can't be read"):
            estimators_from([f"sklearn.svm.SVC{arguments}"], random_state=0)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Odd("fail"), "ValueError: the first line"),
        (
            "sklearn.neighbors.KNeighborsClassifier(n_neighbors=1000)",
            "ValueError: Expected n_neighbors <= n_samples",
        ),
        (Odd("nan"), "ValueError: predict_proba gave ["),
        (Odd("one column"), "ValueError: predict_proba gave ["),
    ],
    ids=str,
)
def test_a_baseline_that_no_split_suits_is_left_out_with_the_reason(small, spec, words):
    found = small(candidates="linear:2", baselines=[spec]).results[-1]
    assert found.failure.startswith(
        f"left out, as it can't be fitted on 3 of 3 splits: {words}"
    )


def test_a_class_without_training_rows_gets_no_probability(fitted, rows):
    _, y, _ = rows
    for code in (0, 1):
        split = SimpleNamespace(train=np.flatnonzero(y == code), test=np.arange(10))
        assert fitted(GaussianNB(), splits=[split])[0, 0].tolist() == [code] * 10


def test_a_user_defined_regressor_is_standardised_and_may_return_a_column(fitted, rows):
    X, split = rows[0], rows[2][0]
    y = 1e5 + 1e3 * (X[:, 0] + 0.3 * np.random.default_rng(5).normal(size=150))
    specs = "sklearn.neighbors.KNeighborsRegressor(n_neighbors=3)", PLSRegression(2)
    found = fitted(*specs, y=y, splits=[split], task="regression")
    by_hand = make_pipeline(StandardScaler(), KNeighborsRegressor(3)).fit(
        X[split.train], y[split.train]
    )
    assert_allclose(found[0, 0], by_hand.predict(X[split.test]))
    assert found[1, 0].shape == split.test.shape


def test_baselines_are_named_and_combined_with_the_usual_ones(table_of, rows):
    forest, table = RandomForestClassifier(n_estimators=3), table_of(*rows[:2])
    for specs, names in (
        ({"mine": forest, "path": "sklearn.naive_bayes.GaussianNB"}, ["mine", "path"]),
        (
            ["standard", {"mine": forest}],
            ["prior", "logistic", "boosted-trees", "mine"],
        ),
        ("extra-trees", ["extra-trees"]),
        (
            [
                "one=sklearn.svm.SVC(probability=True)",
                "two=sklearn.svm.SVC(probability=True)",
            ],
            ["one", "two"],
        ),
    ):
        design = Design(baselines=specs, auto=False)
        spec = specify(table, "relu:3", recipe=Recipe(), design=design)
        assert spec.names == ("relu:3", *names)

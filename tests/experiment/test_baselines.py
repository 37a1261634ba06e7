"""Baselines: scikit-learn models on the same splits, and how they are named."""

import itertools
import multiprocessing
import re
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from seedbed.experiment.baseline_fits import Baseline, _grouped, fit_on_splits
from seedbed.experiment.baselines import STANDARD, baselines_from
from seedbed.experiment.logistic import TunedLogisticRegression, tuned_linear_regression
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from seedbed.data import encode, repeated_folds
from seedbed.errors import OptionError, TrainingError
from seedbed.experiment import logistic


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
        return np.full((len(X), n_columns), np.nan if self.does == "nan" else 1 / n_columns)


class OddNumbers(RegressorMixin, BaseEstimator):
    """A regressor that predicts invalid values."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.full(len(X), np.nan)


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

    def fit(*specs, X=rows[0], y=rows[1], splits=rows[2], jobs=1, random_state=0):
        table = table_of(X, y)
        found = fit_on_splits(baselines_from(specs, random_state=random_state), table, encode(table), splits, jobs=jobs)
        return {(baseline, split): p for baseline, split, p in found}

    return fit


def test_the_prior_is_the_share_of_training_rows(fitted, rows):
    _, y, splits = rows
    found = fitted("prior")
    for number, split in enumerate(splits):
        assert found[0, number].dtype == np.float32
        np.testing.assert_allclose(found[0, number], np.full(len(split.test), y[split.train].mean()), rtol=1e-6)


def test_boosted_trees_and_user_defined_baselines_equal_scikit_learn(fitted, rows):
    X, y, splits = rows
    split = splits[4]
    own = make_pipeline(StandardScaler(), GaussianNB())
    found = fitted("boosted-trees", own, splits=splits[4:5])
    for number, by_hand in enumerate([HistGradientBoostingClassifier(random_state=0), clone(own)]):
        p = by_hand.fit(X[split.train], y[split.train]).predict_proba(X[split.test])[:, 1]
        assert found[number, 0].tolist() == p.astype(np.float32).tolist()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # LogisticRegressionCV will change its arguments
def test_the_logistic_regression_equals_scikit_learns_search(fitted, rows):
    X, y, splits = rows
    (baseline,) = baselines_from(["logistic-regression"], random_state=0)
    seed = clone(baseline.estimator).random_state
    found = fitted("logistic-regression", splits=splits[:1])
    for number, split in enumerate(splits[:1]):
        scaler = StandardScaler().fit(X[split.train])
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        exact = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}
        search = LogisticRegressionCV(Cs=10, cv=folds, scoring="neg_log_loss", **exact)
        search.fit(scaler.transform(X[split.train]), y[split.train])
        p = search.predict_proba(scaler.transform(X[split.test]))[:, 1]
        np.testing.assert_allclose(found[0, number], p, atol=1e-6)


def test_a_stronger_signal_gives_a_larger_c(rows):
    X, y, _ = rows
    noise = np.random.default_rng(0).integers(0, 2, size=150)
    strong = TunedLogisticRegression(random_state=0).fit(X, (X[:, 0] > 0).astype(int)).C_
    weak = TunedLogisticRegression(random_state=0).fit(X, noise).C_
    assert weak < TunedLogisticRegression(random_state=0).fit(X, y).C_ < strong


@pytest.mark.parametrize("name", STANDARD["binary"])
def test_fits_do_not_depend_on_test_rows(fitted, rows, name):
    X, y, splits = rows
    split = splits[2]
    half = len(split.test) // 2
    labels, features = y.copy(), X.copy()
    labels[split.test] = 1 - labels[split.test]
    features[split.test[half:]] = np.random.default_rng(0).normal(size=(len(split.test) - half, 5)) * 1e6
    clean = fitted(name, splits=[split])[0, 0]
    assert fitted(name, y=labels, splits=[split])[0, 0].tobytes() == clean.tobytes()
    assert fitted(name, X=features, splits=[split])[0, 0][:half].tobytes() == clean[:half].tobytes()


def test_results_do_not_depend_on_jobs_and_no_warning_escapes(fitted, rows, capfd):
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=5, n_jobs=2))
    specs = ["standard", forest, LogisticRegression(max_iter=1), "sklearn.svm.SVC(probability=True)"]
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        one, two = (fitted(*specs, splits=rows[2][:2], jobs=jobs) for jobs in (1, 2))
        fitted(Odd("warn"))
    assert reported == []
    assert "Warning" not in capfd.readouterr().err
    assert sorted(one) == sorted(two) == [(baseline, split) for baseline in range(6) for split in range(2)]
    for key, p in one.items():
        assert p.tobytes() == two[key].tobytes()


@pytest.mark.parametrize(("n_splits", "jobs"), [(1, 1), (10, 1), (10, 2), (100, 2), (100, 64), (7, 3)])
def test_tasks_contain_every_pair_once_with_the_slowest_first(n_splits, jobs):
    names = ["prior", "boosted-trees", "my own", "logistic-regression"]
    places = list(itertools.product(range(4), range(n_splits)))
    tasks = _grouped([Baseline(name, None, "") for name in names], places, jobs)
    pairs = [(number, split) for number, group in tasks for split in group]
    assert sorted(pairs) == [(number, split) for number in range(4) for split in range(n_splits)]
    assert list(dict.fromkeys(number for number, _ in tasks)) == [2, 1, 3, 0]
    assert max(len(group) for _, group in tasks) <= max(1, n_splits / jobs / 4)


@pytest.mark.parametrize(
    ("spec", "name", "settings"),
    [
        ("sklearn.ensemble.RandomForestClassifier", "RandomForestClassifier", {"n_estimators": 100}),
        ("sklearn.naive_bayes:GaussianNB", "GaussianNB", {}),
        (" sklearn.naive_bayes.GaussianNB() ", "GaussianNB", {}),
        (
            "sklearn.svm.SVC(probability=True, C=2.0, class_weight={0: 1, 1: 2}, gamma='scale')",
            "SVC(probability=True, C=2.0, class_weight={0: 1, 1: 2}, gamma='scale')",
            {"C": 2.0, "class_weight": {0: 1, 1: 2}},
        ),
        ("sklearn.tree:DecisionTreeClassifier(max_depth=2)", "DecisionTreeClassifier(max_depth=2)", {"max_depth": 2}),
        (LinearDiscriminantAnalysis, "LinearDiscriminantAnalysis", {}),
        (DecisionTreeClassifier(max_depth=3), "DecisionTreeClassifier", {"max_depth": 3}),
        (Baseline("a stump", DecisionTreeClassifier(max_depth=1), "one cut"), "a stump", {"max_depth": 1}),
    ],
    ids=str,
)
def test_a_classifier_is_given_by_import_path_or_object(fitted, rows, spec, name, settings):
    (baseline,) = baselines_from([spec], random_state=0)
    assert baseline.name == name
    as_it_is = isinstance(spec, Baseline)  # all others follow a scaler
    steps = [baseline.estimator] if as_it_is else [step for _, step in baseline.estimator.steps]
    assert [isinstance(step, StandardScaler) for step in steps] == ([False] if as_it_is else [True, False])
    assert all(steps[-1].get_params()[word] == value for word, value in settings.items())
    assert as_it_is != baseline.description.endswith(", standardised features")
    assert "\n" not in baseline.description
    assert fitted(spec, splits=rows[2][:1])[0, 0].shape == rows[2][0].test.shape


def test_baselines_are_standardised_except_for_pipelines(fitted, rows):
    X, y, splits = rows
    split = splits[0]
    words = "sklearn.neighbors.KNeighborsClassifier"
    plain, scaled = KNeighborsClassifier(), make_pipeline(StandardScaler(), KNeighborsClassifier())
    unscaled = make_pipeline(KNeighborsClassifier())
    by_hand = [one.fit(X[split.train], y[split.train]).predict_proba(X[split.test])[:, 1] for one in (scaled, unscaled)]
    assert by_hand[0].tolist() != by_hand[1].tolist()
    for spec, p in [*((spec, by_hand[0]) for spec in (words, KNeighborsClassifier, plain, scaled)),
                    *((spec, by_hand[1]) for spec in (unscaled, Baseline("near", plain, "as it is")))]:  # fmt: skip
        assert fitted(spec, splits=[split])[0, 0].tolist() == p.astype(np.float32).tolist()
    for own in (scaled, unscaled):
        (baseline,) = baselines_from([own], random_state=0)
        assert len(baseline.estimator.steps) == len(own.steps)
        assert "standardised features" not in baseline.description


def test_names_and_descriptions_of_the_included_baselines():
    found = baselines_from("standard", random_state=0)
    assert [(each.name, each.description) for each in found] == [
        ("prior", "predicts the class frequencies of the training rows"),
        ("logistic-regression", "logistic regression, C by inner 5-fold cross-validation, standardised features"),
        ("boosted-trees", "HistGradientBoostingClassifier, defaults"),
    ]
    assert baselines_from([], random_state=0) == ()
    assert [each.name for each in baselines_from("prior", random_state=0)] == ["prior"]


def test_a_missing_random_state_is_set_on_a_copy():
    forest, seeded = RandomForestClassifier(), DecisionTreeClassifier(random_state=5)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier())
    specs = [forest, seeded, pipeline, LinearDiscriminantAnalysis()]
    one, other = (baselines_from(specs, random_state=state) for state in (0, 1))
    seeds = {found[number].estimator[-1].random_state for found in (one, other) for number in (0, 2)}
    assert len(seeds) == 4
    assert None not in seeds
    again = baselines_from([forest], random_state=0)[0].estimator[-1]
    assert one[0].estimator[-1].random_state == again.random_state
    assert one[1].estimator[-1].random_state == 5
    assert (forest.random_state, pipeline[-1].random_state) == (None, None)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("boosted-tree", "no baseline 'boosted-tree'. Did you mean 'boosted-trees'?"),
        ("RandomForestClassifier", "no baseline 'RandomForestClassifier'. Did you mean 'sklearn.ensemble.RandomForest"),
        ("sklearn.svmm.SVC", "sklearn.svmm can't be imported: ModuleNotFoundError: No module named 'sklearn.svmm'"),
        ("..svm.SVC", "can't be imported: "),
        ("breaks_on_import.Model", "breaks_on_import can't be imported: ZeroDivisionError: division by zero. Check"),
        ("sklearn.svm.SVD", "baseline 'sklearn.svm.SVD': no class 'SVD' in sklearn.svm. Did you mean 'SVC'?"),
        ("sklearn.svm:", "no class '' in sklearn.svm."),
        ("sklearn.base.clone", "no class 'clone' in sklearn.base."),
        ("sklearn.svm.SVC(c=2.0)", "SVC has no argument 'c'. Did you mean 'C'?"),
        ("sklearn.svm.SVC(C=float('inf'))", "'(C=float('inf'))' can't be read. Write each argument once"),
        ("sklearn.svm.SVC(2.0)", "'(2.0)' can't be read"),
        ("sklearn.svm.SVC(**{'C': 2.0})", "can't be read"),
        ("sklearn.svm.SVC(C=1, C=2)", "can't be read"),
        ("sklearn.svm.SVC(C=1)(C=2)", "can't be read"),
        ("sklearn.svm.SVC(C=1", "can't be read"),
        ("sklearn.svm.SVC(C=1).fit", "can't be read"),
        ("sklearn.ensemble.VotingClassifier", "it can't be created: TypeError: "),
        ("sklearn.linear_model.Ridge", "baseline 'Ridge' isn't a scikit-learn classifier. Give one, such as"),
        (Ridge(), "baseline 'Ridge' isn't a scikit-learn classifier"),
        ("pathlib.PurePath", "baseline 'PurePath' isn't a scikit-learn classifier"),
        (3, "baseline 'int' isn't a scikit-learn classifier"),
        (LinearSVC, "baseline 'LinearSVC' has no predict_proba. Wrap it in sklearn.calibration."),
        ("sklearn.svm.SVC(C=2.0)", "has no predict_proba. Write SVC(probability=True), or wrap it in Calibrated"),
        (make_pipeline(StandardScaler(), LinearSVC()), "baseline 'Pipeline' has no predict_proba. Wrap it"),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_baselines_are_refused_with_advice(tmp_path, monkeypatch, spec, message):
    (tmp_path / "breaks_on_import.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OptionError, match=re.escape(message)):
        baselines_from([spec], random_state=0)


def test_duplicate_names_of_baselines_are_refused():
    with pytest.raises(OptionError, match=r"two baselines are named 'SVC'\. Leave one out, or give it a name: "):
        baselines_from(["prior", SVC(probability=True), SVC(C=2.0, probability=True)], random_state=0)


def test_only_the_constructor_of_a_classifier_is_called(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(OptionError, match="baseline 'Popen' isn't a scikit-learn classifier"):
        baselines_from([f"subprocess.Popen(args=['touch', {str(trap)!r}])"], random_state=0)
    for arguments in (f"(C=open({str(trap)!r}, 'w'))", f"(C=[open({str(trap)!r}, 'w')][0])"):
        with pytest.raises(OptionError, match="can't be read"):
            baselines_from([f"sklearn.svm.SVC{arguments}"], random_state=0)
    assert not trap.exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fit_that_fails_names_the_baseline_and_the_first_line(fitted, jobs):
    spec = "sklearn.neighbors.KNeighborsClassifier(n_neighbors=1000)" if jobs == 2 else Odd("fail")
    line = "Expected n_neighbors <= n_samples_fit" if jobs == 2 else "the first line. Change it"
    name = "KNeighborsClassifier(n_neighbors=1000)" if jobs == 2 else "Odd"
    with pytest.raises(TrainingError, match=re.escape(f"baseline '{name}' can't be fitted: ValueError: {line}")):
        fitted(spec, jobs=jobs)


@pytest.mark.parametrize("does", ["nan", "one column"])
def test_invalid_probabilities_are_refused(fitted, does):
    with pytest.raises(TrainingError, match=r"baseline 'Odd' can't be fitted: ValueError: predict_proba gave \["):
        fitted(Odd(does))


@pytest.mark.parametrize("n_rare", [1, 2, 3])
def test_a_class_with_few_training_rows_gets_fewer_inner_folds(fitted, rows, n_rare):
    X, y, _ = rows
    train = np.concatenate([np.flatnonzero(y == 0)[:30], np.flatnonzero(y == 1)[:n_rare]])
    split = SimpleNamespace(train=train, test=np.arange(20))
    p = fitted("logistic-regression", splits=[split])[0, 0]
    assert ((p > 0) & (p < 1)).all()
    if n_rare == 1:
        scaler = StandardScaler().fit(X[train])
        plain = LogisticRegression(C=1.0, tol=1e-8).fit(scaler.transform(X[train]), y[train])
        np.testing.assert_allclose(p, plain.predict_proba(scaler.transform(X[:20]))[:, 1], atol=1e-4)


def test_a_class_without_training_rows_gets_no_probability(fitted, rows):
    _, y, _ = rows
    for code in (0, 1):
        split = SimpleNamespace(train=np.flatnonzero(y == code), test=np.arange(10))
        found = fitted("prior", GaussianNB(), splits=[split])
        assert found[0, 0].tolist() == found[1, 0].tolist() == [code] * 10


def test_a_column_that_is_constant_in_the_training_rows_is_harmless(fitted, rows):
    X, _, splits = rows
    split = splits[0]
    column = np.full((len(X), 1), 0.1)
    column[split.test[:5]] = 7.0
    wide = fitted("standard", X=np.hstack([X, column]), splits=[split])
    for key, p in fitted("standard", splits=[split]).items():
        np.testing.assert_allclose(wide[key], p, atol=1e-6)


@pytest.mark.parametrize("kind", ["noise", "separable", "copies", "one row of a class a fold"])
def test_newton_steps_end_where_scikit_learn_ends(rows, kind):
    X, y, _ = rows
    if kind == "separable":
        y = (X[:, 0] > 0).astype(int)
    X = np.hstack([X, X[:, :1], 1e6 * X[:, 1:2]]) if kind == "copies" else X
    if kind.startswith("one"):
        y = (np.arange(len(X)) < 5).astype(int)
    model = TunedLogisticRegression(random_state=0).fit(X, y)
    Z = StandardScaler().fit_transform(X)
    exact = LogisticRegression(C=model.C_, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(Z, y)
    np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(Z), atol=1e-6)


def test_scikit_learn_fits_where_newton_steps_do_not_converge(rows, monkeypatch):
    X, y, _ = rows
    usual = TunedLogisticRegression(random_state=0).fit(X, y)
    monkeypatch.setattr(logistic, "_MOST_STEPS", 1)
    other = TunedLogisticRegression(random_state=0).fit(X, y)
    assert other.C_ == usual.C_
    np.testing.assert_allclose(other.predict_proba(X), usual.predict_proba(X), atol=1e-3)


def test_many_features_can_be_fitted(rows):
    X = np.random.default_rng(0).normal(size=(150, 70))
    wide = TunedLogisticRegression(random_state=0).fit(X, rows[1])
    narrow = TunedLogisticRegression(random_state=0).fit(X[:, :64], rows[1])
    assert (wide.solver_, narrow.solver_) == ("lbfgs", "newton-cholesky")
    assert wide.predict_proba(X).shape == (150, 2)


def test_a_wrapped_classifier_is_a_baseline(fitted, rows):
    p = fitted(CalibratedClassifierCV(LinearSVC(), ensemble=False), splits=rows[2][:1])[0, 0]
    assert ((p > 0) & (p < 1)).all()


def test_long_fits_go_on_in_workers_which_end_if_they_are_stopped_early(fitted, rows, table_of, monkeypatch):
    monkeypatch.setattr("seedbed.experiment.baseline_fits._WORTH_PROCESSES", 0.0)
    table = table_of(rows[0], rows[1])
    baselines = baselines_from([RandomForestClassifier(100)], random_state=0)
    found = fit_on_splits(baselines, table, encode(table), rows[2], jobs=2)
    next(found)
    assert not any("Loky" in child.name for child in multiprocessing.active_children())
    next(found)
    assert any("Loky" in child.name for child in multiprocessing.active_children())
    found.close()
    assert not any("Loky" in child.name for child in multiprocessing.active_children())


@pytest.fixture(scope="module")
def numbers(rows, table_of):
    """A function that returns predictions of y = 1e5 + 1e3 (x0 + noise), by numbers of baseline and split."""
    X, _, splits = rows
    y = 1e5 + 1e3 * (X[:, 0] + 0.3 * np.random.default_rng(5).normal(size=150))

    def fit(*specs, splits=splits):
        baselines = baselines_from(specs, random_state=0, task="regression")
        table = table_of(X, y, "regression")
        return {(b, s): p for b, s, p in fit_on_splits(baselines, table, encode(table), splits, jobs=1)}

    return X, y, fit


def test_the_standard_baselines_of_a_regression_are_regressors(numbers, rows):
    X, y, fit = numbers
    split = rows[2][1]
    found = fit("standard", splits=[split])
    X_train, y_train, X_test = X[split.train], y[split.train], X[split.test]
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 6, 19))).fit(X_train, y_train)
    trees = HistGradientBoostingRegressor(random_state=0).fit(X_train, y_train)
    assert found[0, 0].tolist() == [y_train.mean()] * len(split.test)
    np.testing.assert_allclose(found[1, 0], ridge.predict(X_test))
    np.testing.assert_allclose(found[2, 0], trees.predict(X_test))
    assert {p.dtype for p in found.values()} == {np.dtype(np.float64)}
    names = [one.name for one in baselines_from("standard", random_state=0, task="regression")]
    assert names == list(STANDARD["regression"]) == ["prior", "linear-regression", "boosted-trees"]


def test_a_stronger_signal_gives_less_regularisation(rows):
    X = rows[0]
    noise = np.random.default_rng(1).normal(size=150)
    weak, strong = (tuned_linear_regression().fit(X, y)[-1].alpha_ for y in (noise, X[:, 0] + 0.1 * noise))
    assert strong < 10 < weak


def test_a_user_defined_regressor_is_standardised_and_may_return_a_column(numbers, rows):
    X, y, fit = numbers
    found = fit("sklearn.neighbors.KNeighborsRegressor(n_neighbors=3)", PLSRegression(2), splits=rows[2][:1])
    split = rows[2][0]
    by_hand = make_pipeline(StandardScaler(), KNeighborsRegressor(3)).fit(X[split.train], y[split.train])
    np.testing.assert_allclose(found[0, 0], by_hand.predict(X[split.test]))
    assert found[1, 0].shape == split.test.shape


@pytest.mark.parametrize(
    ("spec", "task", "message"),
    [
        (GaussianNB(), "regression", "isn't a scikit-learn regressor. Give one, such as sklearn.ensemble."),
        (GaussianNB(), "regression", "RandomForestRegressor, as the target holds numbers."),
        (Ridge(), "multiclass", "'Ridge' isn't a scikit-learn classifier. Give one, such as sklearn.ensemble."),
        (Ridge(), "multiclass", "RandomForestClassifier, as the target holds classes."),
        ("sklearn.naive_bayes.GaussianNB", "regression", "'GaussianNB' isn't a scikit-learn regressor"),
        ("sklearn.svm.SVT", "regression", "no class 'SVT' in sklearn.svm. Did you mean 'SVR'?"),
        ("logistic-regression", "regression", "predicts classes, but the target holds numbers. Give linear-reg"),
        ("linear-regression", "binary", "predicts a number, but the target holds classes. Give logistic-regression."),
        ("linear-regresion", "regression", "no baseline 'linear-regresion'. Did you mean 'linear-regression'?"),
    ],
    ids=str,
)  # fmt: skip
def test_a_model_of_another_task_is_refused_with_the_right_kind(spec, task, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        baselines_from([spec], random_state=0, task=task)


def test_standard_and_user_defined_baselines_can_be_combined():
    found = baselines_from(["standard", GaussianNB()], random_state=0)
    assert [one.name for one in found] == ["prior", "logistic-regression", "boosted-trees", "GaussianNB"]
    with pytest.raises(OptionError, match="two baselines are named 'prior'"):
        baselines_from(["prior", "standard"], random_state=0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_rare", [0, 1, 3])
def test_classes_may_be_rare_or_missing_in_the_training_rows(rows, table_of, n_rare):
    X, y, _ = rows
    y = y + (X[:, 3] > 1)
    rare, others = np.flatnonzero(y == 2), np.flatnonzero(y < 2)
    split = SimpleNamespace(train=np.concatenate([others, rare[:n_rare]]), test=rare[n_rare:])
    baselines = baselines_from(["standard"], random_state=0, task="multiclass")
    table = table_of(X, y, "multiclass")
    found = fit_on_splits(baselines, table, encode(table), [split], jobs=1)
    for _, _, p in found:
        assert p.shape == (len(split.test), 3)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
        assert (p[:, 2] == 0).all() == (n_rare == 0)


@pytest.mark.parametrize("absent", [[0], [1], [0, 1], [1, 2]], ids=str)
def test_classes_without_training_rows_get_zero_and_others_keep_their_columns(rows, table_of, absent):
    X, y, _ = rows
    y = y + (X[:, 3] > 1)
    split = SimpleNamespace(train=np.flatnonzero(~np.isin(y, absent)), test=np.arange(20))
    baselines = baselines_from(["standard"], random_state=0, task="multiclass")
    table = table_of(X, y, "multiclass")
    found = fit_on_splits(baselines, table, encode(table), [split], jobs=1)
    for _, _, p in found:
        assert (p[:, absent] == 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)


def test_boosted_trees_accept_many_rows_with_a_class_of_one_row(table_of):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_050, 2))
    y = (X[:, 0] > 0).astype(np.int64)
    y[0] = 2
    split = SimpleNamespace(train=np.arange(10_020), test=np.arange(10_020, 10_050))
    (baseline,) = baselines_from("boosted-trees", random_state=0, task="multiclass")
    baseline = replace(baseline, estimator=clone(baseline.estimator).set_params(max_iter=2))
    table = table_of(X, y, "multiclass")
    ((_, _, p),) = fit_on_splits([baseline], table, encode(table), [split], jobs=1)
    assert p.shape == (30, 3)


def test_invalid_predictions_of_a_regressor_are_refused(numbers):
    _, _, fit = numbers
    with pytest.raises(TrainingError, match=r"baseline 'OddNumbers' can't be fitted: ValueError: predict gave \["):
        fit(OddNumbers())


def test_baselines_can_have_names_alone_and_with_the_standard_ones():
    forest = RandomForestClassifier(n_estimators=3)
    given = {"mine": forest, "path": "sklearn.naive_bayes.GaussianNB", "guess": "prior"}
    for specs, names in (
        (given, ["mine", "path", "guess"]),
        (["standard", {"mine": forest}], [*STANDARD["binary"], "mine"]),
        ({"standard": "standard", "mine": forest}, [*STANDARD["binary"], "mine"]),
        (["one=sklearn.svm.SVC(probability=True)", "two=sklearn.svm.SVC(probability=True)"], ["one", "two"]),
    ):
        assert [one.name for one in baselines_from(specs, random_state=0)] == names


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ({5: "prior"}, "a baseline is named 5. Give it a text"),
        ({"prior": "boosted-trees"}, "a baseline can't be named 'prior'"),
        ({"blend": "auto"}, "auto can't be named 'blend'"),
        ([{"a": "prior"}, "a=boosted-trees"], "two baselines are named 'a'"),
    ],
)
def test_misleading_names_of_baselines_are_refused(specs, message):
    with pytest.raises(OptionError, match=message):
        baselines_from(specs, random_state=0)

"""Decision trees as members of a blend."""

import dataclasses
import functools
import itertools
import json
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from threadpoolctl import threadpool_limits

from seedbed.data.splits import Split
from seedbed.errors import ModelFileError, OptionError, TrainingError
from seedbed.estimators import SeedbedClassifier, SeedbedRegressor
from seedbed.model import model_file, trees
from seedbed.model.blending import blend_table
from seedbed.model.portfolio import candidates_for
from seedbed.model.tree_data import TreeData
from seedbed.model.trees import DecisionTrees, fit_trees, pad_trees, tree_shapes
from seedbed.networks.mlp import Trees, architecture_from_values, architecture_to_values
from seedbed.settings.design import Compute
from seedbed.settings.recipe import Recipe
from seedbed.training import tree_growth
from seedbed.training.native import library
from seedbed.training.native.library import Kernel
from seedbed.training.parallel import HaltedError

from .numpy_trees import grow_by_numpy
from .plain_networks import plain_trees

BOOSTED, EXTRA = Trees("boosted", 30), Trees("extra", 5)
SOME = ("boosted-trees:20", "extra-trees:5")
fit = functools.partial(fit_trees, random_state=0, jobs=1)


def data_of(kind: str, n: int = 400, n_folds: int = 4) -> TreeData:
    """Return rows with classes or numbers to which trees suit."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[:, 4:] = X[:, 4:] > 0.5
    score = (
        np.sign(X[:, 0] * X[:, 1]) + X[:, 4] * (X[:, 2] > 0) + 0.3 * rng.normal(size=n)
    )
    y = dict(
        numbers=score.astype(np.float32),
        two=(score > 0) * 1,
        three=np.digitize(score, [-0.5, 1]),
    )[kind]
    folds, rows = rng.permutation(n) % n_folds, np.arange(n)
    splits = [
        Split(0, fold, rows[folds != fold], rows[folds == fold])
        for fold in range(n_folds)
    ]
    return TreeData(X, y, None, splits, 3 if kind == "three" else 1, kind != "numbers")


def trees_of(fitted: trees.FittedMember) -> list[DecisionTrees]:
    return DecisionTrees.stacked(fitted.architecture, fitted.states)


def assert_left_out(
    fitted: trees.FittedMember, number: int, split: Split, said: np.ndarray
) -> None:
    """Assert that outputs are those of the trees for the rows that their split leaves out, and no
    others."""
    assert_allclose(fitted.outputs[split.test, :, number], said[split.test], atol=1e-6)
    assert np.isnan(fitted.outputs[split.train, :, number]).all()


@pytest.fixture(scope="module")
def few(table_for):
    """A model of two networks of extra trees."""
    options = dict(n_networks=2, recipe=Recipe(epochs=2), compute=Compute(n_jobs=1))
    return blend_table(table_for("ill"), portfolio=["extra-trees:2"], **options)[0]


@pytest.mark.parametrize("kind", ["two", "three", "numbers"])
def test_extra_trees_are_those_of_scikit_learn(kind, monkeypatch):
    """Of inputs with two values, where nodes try all inputs, and leaves have the 20 rows of those
    of person-periods."""
    monkeypatch.setattr(trees, "_SHARE", 1.0)
    weights = np.random.default_rng(1).uniform(0.5, 2, size=400).astype(np.float32)
    data = dataclasses.replace(
        data_of(kind),
        X=(data_of(kind).X > 0) * np.float32(1),
        weights=weights,
        n_cases=100,
    )
    fitted = fit(EXTRA, data)
    for number, (made, split) in enumerate(
        zip(trees_of(fitted), data.splits, strict=True)
    ):
        assert_left_out(fitted, number, split, made(data.X))
        peer = ExtraTreesRegressor if kind == "numbers" else ExtraTreesClassifier
        peer = peer(1, max_features=1.0, min_samples_leaf=20)
        peer.fit(
            data.X[split.train], data.y[split.train], sample_weight=weights[split.train]
        )
        if kind == "numbers":
            assert_allclose(made(data.X)[:, 0], peer.predict(data.X), atol=1e-5)
        else:
            shares = peer.predict_proba(data.X).clip(
                1e-4, 1 - 1e-4 if kind == "two" else 1
            )
            shares /= shares.sum(axis=1, keepdims=True)
            assert_allclose(data.predicted(made(data.X)), shares, atol=1e-5)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "n"), [("two", 400), ("two", 1_600), ("three", 400), ("numbers", 400)]
)
def test_boosted_trees_are_those_of_scikit_learn(kind, n, monkeypatch):
    """Where nodes look at all inputs, which have few values."""
    monkeypatch.setattr(trees, "_SHARE", 1.0)
    data = data_of(kind, n)
    data = dataclasses.replace(data, X=data.X.clip(-1, 1).round(1))
    fitted, (n_leaves, rate, least) = fit(BOOSTED, data), trees.growth(BOOSTED, data)
    kind_of = (
        HistGradientBoostingRegressor
        if kind == "numbers"
        else HistGradientBoostingClassifier
    )
    options = dict(
        max_leaf_nodes=n_leaves,
        learning_rate=rate,
        min_samples_leaf=least,
        l2_regularization=1.0,
    )
    for number, (made, split) in enumerate(
        zip(trees_of(fitted), data.splits, strict=True)
    ):
        assert_left_out(fitted, number, split, made(data.X))
        peer = kind_of(
            max_iter=fitted.architecture.n_trees // data.n_outputs,
            early_stopping=False,
            **options,
        )
        with threadpool_limits(1):
            peer.fit(data.X[split.train], data.y[split.train])
        theirs = (
            peer.predict(data.X) if kind == "numbers" else peer.predict_proba(data.X)
        )
        assert_allclose(data.predicted(made(data.X)), theirs, atol=1e-5)


def strange_data(seed: int) -> TreeData:
    """Return few rows with everything that may be in tables: equal rows and inputs, infinity, NaN,
    weights of 0, categories of one or many levels."""
    rng = np.random.default_rng(seed)
    n, n_inputs = rng.integers(2, 120), rng.integers(1, 14)
    X = rng.normal(size=(n, n_inputs)).round(rng.integers(0, 6)) * 10.0 ** rng.integers(
        -3, 31, size=n_inputs
    )
    X[rng.random(X.shape) < 0.02] = rng.choice([np.inf, -np.inf, np.nan, 0.0])
    X[:, rng.random(n_inputs) < 0.2] = 1.0
    n_classes = rng.choice([0, 2, 3, 20])
    y = (
        rng.normal(size=n).astype(np.float32)
        if n_classes == 0
        else rng.integers(0, n_classes, n)
    )
    weights = (
        (rng.exponential(size=n) * (rng.random(n) > 0.1)).astype(np.float32)
        if rng.random() < 0.5
        else None
    )
    folds = np.arange(n) % 2
    splits = [
        Split(0, fold, np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
        for fold in range(2)
    ]
    n_cases = int(rng.choice([n, 1_500])) if rng.random() < 0.5 else None
    X, categories = with_categories(X, rng.choice([1, 2, 5, 200], rng.integers(3)), rng)
    return TreeData(
        X.astype(np.float32),
        y,
        weights,
        splits,
        n_classes if n_classes > 2 else 1,
        n_classes > 0,
        n_cases,
        categories,
    )


def with_categories(X, n_levels, rng):
    """Return inputs with further ones of categories' levels, and the places of these. A tenth of
    the rows has no known level."""
    categories = []
    for n in n_levels:
        categories.append(tuple(range(X.shape[1], X.shape[1] + n)))
        is_level = rng.integers(n, size=(len(X), 1)) == np.arange(n)
        is_known = rng.random((len(X), 1)) > 0.1
        X = np.concatenate([X, is_level & is_known], axis=1)
    return X, tuple(categories)


@pytest.mark.parametrize("wanted", [BOOSTED, EXTRA])
def test_one_split_separates_any_set_of_levels(wanted):
    rng = np.random.default_rng(0)
    X, categories = with_categories(np.zeros((600, 1)), [60], rng)
    level = X[:, 1:].argmax(axis=1)
    plain = data_of("two", 600)
    data = dataclasses.replace(
        plain, X=X.astype(np.float32), y=level % 3 % 2, categories=categories
    )
    known = X[:, 1:].any(axis=1)
    for made in trees_of(fit(wanted, data)):
        assert ((made(X)[:, 0] > 0) == data.y)[known].mean() > 0.97
        # unknown levels: always the same side
        assert len(np.unique(made(0 * X[:3]))) == 1
        if wanted is BOOSTED:
            assert ((made(X)[:, 0] > 0) == data.y)[known].all()


@pytest.mark.parametrize("wanted", [BOOSTED, EXTRA])
def test_categories_are_predicted_alike_by_numpy_row_by_row(wanted, monkeypatch):
    rng = np.random.default_rng(0)
    plain = data_of("three")
    X, categories = with_categories(plain.X, [3, 200], rng)
    data = dataclasses.replace(plain, X=X.astype(np.float32), categories=categories)
    fitted = fit(wanted, data)
    assert {
        name: values.shape[1:] for name, values in fitted.states.items()
    } == tree_shapes(fitted.architecture, 3)
    values = architecture_to_values(fitted.architecture)
    assert (
        architecture_from_values(json.loads(json.dumps(values))) == fitted.architecture
    )
    each = trees_of(fitted)
    said = [made(data.X) for made in each]
    for made, outputs in zip(each, said, strict=True):
        alone = [made(row[None])[0] for row in data.X]
        assert_array_equal(alone, outputs)
    monkeypatch.setattr(trees, "kernel", lambda _: Kernel(None, ""))
    assert_array_equal([made(data.X) for made in each], said)


@pytest.mark.parametrize(
    "seeds", [range(2), pytest.param(range(2, 40), marks=pytest.mark.slow)]
)
def test_the_kernel_of_each_processor_grows_trees_of_numpy_to_bit(seeds, monkeypatch):
    kernels = []
    for level in library.levels():
        monkeypatch.setattr(library, "levels", lambda level=level: (level,))
        kernels.append(library.kernel.__wrapped__("float32"))
    monkeypatch.setattr(trees, "MOST_ROWS", 50)
    for seed, wanted in itertools.product(
        seeds, (Trees("boosted", 8), Trees("extra", 3))
    ):
        data, fits = strange_data(seed), []
        if any(data.counts[split.train].sum() == 0 for split in data.splits):
            continue
        for one in kernels:
            monkeypatch.setattr(tree_growth, "kernel", lambda _, one=one: one)
            fits.append(fit(wanted, data))
        with monkeypatch.context() as patch:
            patch.setattr(tree_growth, "_run", grow_by_numpy)
            fits.append(fit(wanted, data))
        assert np.isfinite(fits[0].states["0.value"]).all()
        for other in fits[1:]:
            assert other.architecture == fits[0].architecture
            for name, values in fits[0].states.items():
                assert_array_equal(
                    values, other.states[name], err_msg=f"{seed} {wanted.method} {name}"
                )


@pytest.mark.parametrize("wanted", [BOOSTED, EXTRA])
def test_trees_without_a_kernel_are_refused_with_the_reason(wanted, monkeypatch):
    monkeypatch.setattr(tree_growth, "kernel", lambda _: Kernel(None, "it is lost"))
    with pytest.raises(OptionError, match="need the training kernel: it is lost"):
        fit(wanted, data_of("two"))


@pytest.mark.parametrize("wanted", [BOOSTED, EXTRA])
def test_trees_that_are_not_needed_any_more_end_after_a_slice(wanted, monkeypatch):
    halted, calls, real = np.zeros(1, dtype=np.int32), [], trees.grow
    monkeypatch.setattr(
        trees,
        "grow",
        lambda *given, **more: calls.append(halted.fill(1)) or real(*given, **more),
    )
    for limit in ("_MOST_READ", "_MOST_NODES"):
        monkeypatch.setattr(trees, limit, 1)
    with pytest.raises(HaltedError):
        fit(wanted, data_of("two"), halted=halted)
    assert len(calls) <= 4  # one of each network


def test_rows_left_out_decide_how_many_iterations_there_are():
    """With targets of pure chance, more iterations only memorise the training rows."""
    chance = dataclasses.replace(
        data_of("two"), y=np.random.default_rng(0).integers(0, 2, 400)
    )
    of_chance = fit(Trees("boosted", 300), chance)
    of_signal = fit(Trees("boosted", 300), data_of("two"))
    assert of_chance.architecture.n_trees < 10 < of_signal.architecture.n_trees < 300


def test_trees_that_were_fitted_before_grow_to_the_same_number():
    before = fit(BOOSTED, data_of("three"))
    other = dataclasses.replace(
        data_of("three"), y=np.random.default_rng(0).integers(0, 3, 400)
    )
    result = fit(before.architecture, other).architecture.n_trees
    assert result == before.architecture.n_trees


@pytest.mark.parametrize("wanted", [BOOSTED, EXTRA])
def test_threads_and_slices_of_growth_change_no_tree(wanted, monkeypatch):
    one = fit(wanted, data_of("three"))
    for limit in ("_MOST_READ", "_MOST_NODES"):
        monkeypatch.setattr(trees, limit, 1)
    two = fit_trees(wanted, data_of("three"), random_state=0, jobs=2)
    assert one.architecture == two.architecture
    assert all(
        np.array_equal(one.states[name], two.states[name]) for name in one.states
    )


@pytest.mark.parametrize("wanted", [Trees("boosted", 5), EXTRA])
def test_weights_count_as_copies(wanted, monkeypatch):
    """A row of weight 0 changes nothing, whatever its target."""
    data, weights = data_of("two"), np.ones(400, dtype=np.float32)
    weights[:40] = 0
    wrong = dataclasses.replace(
        data, y=np.where(weights > 0, data.y, 1 - data.y), weights=weights
    )
    right = dataclasses.replace(data, weights=weights)
    a, b = fit(wanted, right), fit(wanted, wrong)
    assert all(np.array_equal(a.states[name], b.states[name]) for name in a.states)


@pytest.mark.parametrize("wanted", [BOOSTED, Trees("extra", 50)])
def test_thresholds_keep_a_distance_from_the_values_of_rows(wanted):
    """So a row goes the same way in single and double precision."""
    data = data_of("two", n=4_000)
    data.X[:] = data.X.round(5)  # neighbours are a few roundings apart
    fitted = fit(wanted, data)
    inner = fitted.states["0.left"] != np.arange(fitted.architecture.n_nodes)
    thresholds = fitted.states["0.threshold"][inner]
    features = fitted.states["0.feature"][inner]
    for feature in range(6):
        values = np.unique(data.X[:, feature])
        of_feature = thresholds[features == feature]
        above = np.searchsorted(values, of_feature)
        gap, low = values[above] - values[above - 1], of_feature - values[above - 1]
        distance = np.minimum(low, values[above] - of_feature)
        assert (distance > np.minimum(gap / 2, 4e-6) - 6e-7).all()


@pytest.mark.few(6)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "n_rows", [15, 16, 301]
)  # fewer than a vector has lanes, as many, and a few more
@pytest.mark.parametrize(
    ("kind", "method"), [("two", "extra"), ("three", "boosted"), ("numbers", "boosted")]
)
def test_the_kernel_adds_same_leaves_as_numpy(monkeypatch, dtype, kind, method, n_rows):
    # not a multiple of the trees that walk side by side
    fitted = fit(Trees(method, 19), data_of(kind, 1_600))
    made = trees_of(fitted)[0]
    X = np.random.default_rng(0).normal(size=(n_rows, 6)).astype(dtype)
    inner = made.left != np.arange(len(made.left))
    # neither below nor above
    X[:10, made.feature[inner][:6]] = made.threshold[inner][:6]
    X[::7, 1] = np.nan
    X[3] = np.inf  # above the threshold of leaves, which stay
    outputs = made(X)
    monkeypatch.setattr(trees, "kernel", lambda _: Kernel(None, "there is none"))
    assert_array_equal(outputs, made(X))
    state = {name: value[0] for name, value in fitted.states.items()}
    assert_allclose(outputs, plain_trees(fitted.architecture, state, X), rtol=1e-12)


@pytest.mark.parametrize("n_trees", [2, 9])
@pytest.mark.parametrize("has_kernel", [True, False])
@pytest.mark.parametrize("n_rows", [2, 20])
def test_rows_never_leave_the_nodes(n_rows, has_kernel, n_trees, monkeypatch):
    """A file that was made to harm may lead anywhere."""
    if not has_kernel:
        monkeypatch.setattr(trees, "kernel", lambda _: Kernel(None, "there is none"))
    n = 5
    left = np.array([4, 3, -7, 2**31 - 1, 4], np.int32)
    feature = np.array([0, -9, 2**31 - 1, 0, 5], np.int32)
    threshold, value = np.full(n, -1e30, np.float32), np.ones((n, 1), np.float32)
    damaged = DecisionTrees(
        Trees("extra", n_trees, n, 1_000), feature, threshold, left, value
    )
    assert_array_equal(damaged(np.zeros((n_rows, 1), np.float32)), min(n_trees, n))


def test_unused_nodes_lead_to_themselves():
    small = fit(Trees("extra", 2), data_of("two"))
    large = fit(Trees("extra", 2), data_of("two", n=800))
    both, states = pad_trees(
        [small.architecture, large.architecture], [small.states, large.states]
    )
    assert both.n_nodes == large.architecture.n_nodes
    X = data_of("two").X
    assert_array_equal(
        DecisionTrees.stacked(both, states[0])[0](X), trees_of(small)[0](X)
    )
    added = np.arange(small.architecture.n_nodes, both.n_nodes)
    assert_array_equal(states[0]["0.left"][0, -len(added) :], added)


def test_extra_trees_without_weight_beside_boosted_ones_end_after_the_first_split(
    monkeypatch,
):
    rng, data = np.random.default_rng(1), data_of("two")
    # that splits at random drown in
    X = np.hstack([data.X, rng.normal(size=(400, 60)).astype(np.float32)])
    noisy = dataclasses.replace(
        data, X=X, y=np.where(rng.random(400) < 0.3, 1 - data.y, data.y)
    )
    calls, real = [], trees._extra
    monkeypatch.setattr(
        trees, "_extra", lambda *given, **more: calls.append(1) or real(*given, **more)
    )
    rival = fit(BOOSTED, noisy)
    assert fit(EXTRA, noisy, rival=rival) is None
    assert len(calls) == 1
    assert fit(EXTRA, data, rival=fit(Trees("boosted", 1), data)) is not None


@pytest.mark.parametrize("kind", ["two", "three"])
@pytest.mark.parametrize("of", [BOOSTED, EXTRA])
def test_a_class_that_training_rows_lack_gets_a_small_probability(of, kind):
    data, rare = data_of(kind), 1 if kind == "two" else 2
    row = data.splits[0].test[0]  # the only one of its class
    y = np.where(data.y == rare, 0, data.y)
    y[row] = rare
    fitted = fit(of, dataclasses.replace(data, y=y))
    p = data.predicted(fitted.outputs[data.splits[0].test, :, 0])
    assert np.allclose(p.sum(axis=1), 1)
    assert 0 < p[:, rare].min() <= p[:, rare].max() < 0.01


@pytest.mark.parametrize("kind", [BOOSTED, EXTRA])
def test_trees_are_fitted_if_one_of_them_shows_that_time_suffices(kind, monkeypatch):
    data, now = data_of("two"), time.monotonic()
    monkeypatch.setattr(trees, "tree_seconds", lambda kind, data: 1.0)
    n_least = len(data.splits) * (50 if kind is BOOSTED else kind.n_trees)
    assert fit(kind, data, until=now + n_least) is None
    assert fit(kind, data, until=now + n_least + 600) is not None


@pytest.mark.parametrize(
    "word",
    ["extra-trees:", "extra-trees:0", "boosted-trees:many", "extra-trees:1000000"],
)
def test_a_word_needs_a_number_of_trees(table_for, word):
    with pytest.raises(OptionError, match="has no number of trees"):
        candidates_for([word], table_for("ill"))


@pytest.mark.slow
def test_a_time_limit_leaves_trees_out_that_would_take_half_of_it(table_for):
    options = dict(n_networks=8, recipe=Recipe(epochs=2), compute=Compute(n_jobs=1))
    members = ["logistic", "extra-trees:10000"]
    model, _ = blend_table(
        table_for("ill"), portfolio=members, time_limit=1.0, **options
    )
    assert model.architecture.names == ("logistic",)


@pytest.mark.parametrize(
    "target",
    ["ill", *(pytest.param(one, marks=pytest.mark.slow) for one in ("grade", "cost"))],
)
def test_rows_of_weight_zero_have_no_predictions(table_for, monkeypatch, target):
    monkeypatch.setattr(trees, "_LEAST_WEIGHT", -1)
    options = dict(portfolio=["relu:4", *SOME], n_networks=8, recipe=Recipe(epochs=5))
    weights = np.where(np.arange(160) % 3 == 0, 0.0, 1.0)
    _, whole = blend_table(table_for(target), sample_weight=weights, **options)
    _, small = blend_table(table_for(target), sample_weight=weights * 1e-4, **options)
    assert np.isfinite([*whole.losses.values(), whole.loss]).all()
    assert (
        np.isfinite(whole.values.reshape(160, -1)).all(axis=1) == (weights > 0)
    ).all()
    for name in SOME:
        assert small.losses[name] == pytest.approx(whole.losses[name], rel=1e-3)


def test_trees_alone_that_cannot_be_fitted_say_so(table_for):
    table = dataclasses.replace(table_for("ill"), groups=np.zeros(160, dtype=np.int64))
    message = "no member of the portfolio could be fitted"
    with pytest.raises(TrainingError, match=message):
        blend_table(table, portfolio=SOME, n_networks=8, compute=Compute(n_jobs=1))


def test_the_card_counts_the_numbers_of_trees(few):
    assert few.card()["n_parameters"] == 2 * few.architecture.members[0].n_nodes
    assert "142 inputs of 2 sets of" in str(few)


def test_trees_that_are_deeper_than_they_have_nodes_are_refused(few):
    values = architecture_to_values(few.architecture)
    values["members"][0]["network"].update(depth=10**9)
    with pytest.raises(ModelFileError, match="other sizes than trees can have"):
        model_file._architecture(values, None, few.preprocessor.layout)


BAD_INPUT = {
    "constant inputs": lambda X, y, w: (X * 0, y, w),
    "one class in a bag": lambda X, y, w: (X, np.arange(60) == 0, w),
    "thirty classes": lambda X, y, w: (X, np.arange(60) % 30, w),
    "weights of 0": lambda X, y, w: (X, y, w * (np.arange(60) < 3)),
    "two rows": lambda X, y, w: (X[:2], np.arange(2), w[:2]),
    "many inputs": lambda X, y, w: (np.tile(X, (1, 700)), y, w),
    "large inputs": lambda X, y, w: (X * 1e30, y, w),
    "one large input": lambda X, y, w: (np.where(X.max() == X, 1e30, X), y * 1.5, w),
    "one target": lambda X, y, w: (X, y * 0.0, w),
}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "name",
    [
        *(name for name in BAD_INPUT if name != "many inputs"),
        pytest.param("many inputs", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("trees", ["boosted-trees:3", "extra-trees:3"])
def test_bad_input_gives_finite_predictions_with_the_kernel(trees, name, monkeypatch):
    rng = np.random.default_rng(0)
    X, y, weights = BAD_INPUT[name](
        rng.normal(size=(60, 3)), rng.integers(0, 2, 60), np.ones(60)
    )
    kind = SeedbedRegressor if y.dtype == np.float64 else SeedbedClassifier
    predictions = []
    for run in (tree_growth._run, grow_by_numpy):
        monkeypatch.setattr(tree_growth, "_run", run)
        fitted = kind(portfolio=[trees], random_state=0).fit(
            X, y, sample_weight=weights
        )
        predictions.append(
            fitted.predict(X) if y.dtype == np.float64 else fitted.predict_proba(X)
        )
    assert np.isfinite(predictions[0]).all()
    assert_array_equal(*predictions)


def test_boosted_trees_have_as_many_leaves_as_they_may():
    data = data_of("two")
    options = {"random_state": 0, "jobs": 1}
    usual, large = (
        fit_trees(Trees("boosted", 10, most_leaves=most), data, **options)
        for most in (0, 60)
    )
    assert large.architecture.most_leaves == 60
    assert large.architecture.n_nodes > 3 * usual.architecture.n_nodes
    again = fit_trees(large.architecture, data, **options)
    assert_array_equal(again.outputs, large.outputs)

"""The default comparison opens the blend: its members are the lines of the table, and `auto` is
made of them."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

import seedbed as sb
from seedbed.data.reading import table_from_arrays
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.errors import OptionError
from seedbed.experiment.fits import split_seed
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run
from seedbed.experiment.spec import specify
from seedbed.model.blending import blend_table, fit_model
from seedbed.model.portfolio import LINES
from seedbed.settings.design import Compute, Design
from seedbed.settings.recipe import Recipe

RECIPE = Recipe(epochs=3)
DESIGN = Design(repeats=1, folds=2, n_networks=3)
ONE = Compute(n_jobs=1)


def target_of(X, task):
    return dict(
        binary=(X[:, 0] > 0.1).astype(np.int64),
        multiclass=np.digitize(X[:, 0] + 0.3 * X[:, 1], [-0.5, 0.5]),
        regression=X[:, 0] * 3 + np.sin(3 * X[:, 1]) + 5,
    )[task]


@pytest.fixture(
    scope="module",
    params=["binary", pytest.param("multiclass", marks=pytest.mark.slow), "regression"],
)
def default(request, table_of):
    """The default comparison of 90 rows."""
    X = np.random.default_rng(4).normal(size=(90, 3))
    table = table_of(X, target_of(X, request.param), request.param)
    return run(make_plan(specify(table, recipe=RECIPE, design=DESIGN), ONE))


def rows_of(table: Table, split) -> list[dict[str, float]]:
    return [
        dict(zip(table.feature_names, map(float, row), strict=True))
        for row in table.features[split.test]
    ]


def test_the_lines_are_the_members_and_their_blend(default):
    regression = default.experiment.table.task == "regression"
    lines = tuple(
        "linear" if regression and name == "logistic" else name for name in LINES
    )
    assert default.experiment.names == (*lines, "auto")
    assert default.experiment.reference == "auto"
    assert all(result.finite for result in default.results)
    assert [result.name for result in default.networks] == [
        name for name in LINES if name.startswith("network")
    ]


def test_the_blend_of_a_split_is_the_weighted_mean_of_the_lines(default):
    table = default.experiment.table
    for split in default.splits:
        options = dict(n_networks=3, random_state=split_seed(0, split), compute=ONE)
        model, out_of_bag = blend_table(
            table.of_rows(split.train), recipe=RECIPE, **options
        )
        each = {
            name: default[name].singles[0][:, split.test] for name in out_of_bag.weights
        }
        mean = sum(weight * each[name] for name, weight in out_of_bag.weights.items())
        if table.task != "regression":
            shares = (
                np.stack([1 - mean, mean], axis=-1) if table.task == "binary" else mean
            )
            powers = np.clip(shares, 1e-30, None) ** (
                1 / model.architecture.temperature
            )
            mean = powers / powers.sum(axis=-1, keepdims=True)
            mean = mean[..., 1] if table.task == "binary" else mean
        assert sum(out_of_bag.weights.values()) == pytest.approx(1)
        assert_allclose(
            default["auto"].predictions[0, 0, split.test], mean.mean(axis=0), atol=1e-5
        )
    parts = default["auto"].summary().parts
    assert sum(parts.values()) == pytest.approx(1)
    assert {*parts} <= {*default.experiment.names}
    assert [*parts.values()] == sorted(parts.values(), reverse=True)


@pytest.mark.parametrize(
    "name",
    ["linear", "network-1", "network-2-bins", "boosted-trees", "extra-trees", "auto"],
)
def test_what_is_judged_is_what_is_handed_over(default, name):
    table, split = default.experiment.table, default.splits[1]
    if name == "linear" and table.task != "regression":
        name = "logistic"
    options = {"n_networks": 3, "random_state": split_seed(0, split), "compute": ONE}
    model = fit_model(table.of_rows(split.train), name, recipe=RECIPE, **options)
    values = model.predictions(rows_of(table, split)).values
    judged = default[name].predictions[0, 0, split.test]
    assert_allclose(judged, values, rtol=0, atol=1e-6 * model.target_deviation)


class Own(nn.Sequential):
    def __init__(self, n_features, n_outputs):
        super().__init__(
            nn.Linear(n_features, 4),
            nn.Tanh(),
            nn.Dropout(0.2),
            nn.Linear(4, n_outputs),
        )


@pytest.mark.product
@pytest.mark.parametrize(
    "recipe", [RECIPE, Recipe.tutorial(epochs=3, lr=0.5)], ids=["default", "tutorial"]
)
@pytest.mark.parametrize("spec", ["relu:3", "relu:3@dropout=0.3", Own], ids=str)
@pytest.mark.parametrize("n_networks", [1, 2, 8])
def test_named_networks_are_judged_as_they_are_handed_over(
    arrays, recipe, spec, n_networks
):
    table = table_from_arrays(*arrays)
    design = Design(repeats=1, folds=3, n_networks=n_networks, baselines=[])
    found = run(
        make_plan(specify(table, [spec], recipe=recipe, design=design), ONE)
    ).results[0]
    split = found.tested.splits[2]
    options = dict(
        n_networks=n_networks, random_state=split_seed(0, split), compute=ONE
    )
    model = fit_model(table.of_rows(split.train), spec, recipe=recipe, **options)
    p = model.predict_proba(table.features[split.test])[:, 1]
    assert_allclose(found.predictions[0, 0, split.test], p, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_jobs_stacks_and_looks_change_nothing(arrays, monkeypatch):
    table, design = table_from_arrays(*arrays), Design(repeats=2, folds=2, n_networks=3)
    spec = specify(table, recipe=RECIPE, design=design)
    whole = run(make_plan(spec, ONE))
    others = [
        run(make_plan(spec, Compute(n_jobs=2))),
        run(
            make_plan(
                specify(
                    table, recipe=RECIPE, design=dataclasses.replace(design, repeats=1)
                ),
                ONE,
            )
        ),
    ]
    monkeypatch.setattr("seedbed.experiment.plan._MOST_SPLITS", 1)
    monkeypatch.setattr("seedbed.model.members._MOST_FITS", 1)
    others.append(run(make_plan(spec, ONE)))
    for other in others:
        for result in other.results:
            n = len(result.predictions)
            assert_array_equal(result.predictions, whole[result.name].predictions[:n])


@pytest.mark.slow
def test_a_table_s_missing_lines_are_named_with_the_reason(table_of):
    X = np.random.default_rng(0).normal(size=(120, 2))
    table = table_of(X, np.arange(120) % 13, "multiclass")
    spec = specify(table, recipe=RECIPE, design=DESIGN)
    assert not {"boosted-trees", "extra-trees"} & {*spec.names}
    result = make_plan(spec, ONE).sentence()
    assert "without boosted-trees, as there are more than 12 classes" in result
    levels = ColumnSchema("town", "category", ("Bonn", "Oslo", "Rome"))
    towns = dataclasses.replace(
        table_of(X, np.arange(120) % 2),
        columns=(Column(levels, (np.arange(120) % 3).astype(np.float64)),),
    )
    spec = specify(towns, recipe=RECIPE, design=DESIGN)
    assert spec.missing == dict.fromkeys(
        ("network-2-bins", "network-2-waves"), "there are no numbers"
    )
    assert "auto" in spec.names
    wide = table_from_arrays(
        np.random.default_rng(0).normal(size=(60, 1001)), np.arange(60) % 2
    )
    assert set(specify(wide, recipe=RECIPE).missing.values()) == {
        "there are more than 1,000 inputs"
    }


@pytest.mark.parametrize(
    ("n_rows", "options"),
    [(60, {}), (60, {"quick": True}), (60, {"time_limit": 9}), (3000, {})],
)
def test_auto_is_never_left_out_of_the_default_comparison(n_rows, options):
    table = table_from_arrays(
        np.random.default_rng(4).normal(size=(n_rows, 3)), np.arange(n_rows) % 2
    )
    assert specify(table, recipe=RECIPE, design=Design(**options)).names[-1] == "auto"


def test_a_member_that_fails_is_named_and_the_others_go_on(arrays, monkeypatch):
    monkeypatch.setattr(
        "seedbed.model.members.fit_trees", lambda *arguments, **options: None
    )
    found = sb.compare(*arrays, recipe=RECIPE, design=DESIGN, compute=ONE)
    expected = {"boosted-trees", "extra-trees"}
    assert {result.name for result in found.results if not result.finite} == expected
    for name in ("boosted-trees", "extra-trees"):
        assert (
            f"No verdict on {name}: some of its predictions aren't finite."
            in found.details().replace("\n", " ")
        )
    assert "auto" in {
        found.conclusion.reference,
        *(verdict.candidate for verdict in found.verdicts),
    }


def test_named_candidates_are_compared_with_anchors_and_their_blend(arrays, table_of):
    table, alone = table_of(*arrays), Design(baselines=[])
    blended = specify(table, "relu:3", recipe=RECIPE)
    assert blended.names == ("relu:3", "prior", "logistic", "boosted-trees", "auto")
    assert blended.reference == "auto"
    without = specify(table, "relu:3", recipe=RECIPE, design=Design(auto=False))
    assert without.names == ("relu:3", "prior", "logistic", "boosted-trees")
    assert without.reference == "relu:3"
    single = specify(table, "relu:3", recipe=RECIPE, design=alone)  # nothing to blend
    assert (single.names, single.reference) == (("relu:3",), "relu:3")
    both = specify(table, ["relu:3", "auto"], recipe=RECIPE, design=alone)
    assert (both.reference, {*both.names}) == ("auto", {"relu:3", *LINES, "auto"})
    assert specify(table, "auto", recipe=RECIPE, design=alone).names == (*LINES, "auto")


@pytest.mark.parametrize(
    ("recipe", "n"),
    [(Recipe.tutorial(), 8), (Recipe(), 1)],
    ids=["tutorial", "one network"],
)
def test_auto_needs_rows_that_networks_leave_out(arrays, recipe, n):
    with pytest.raises(OptionError, match="auto needs rows that networks leave out"):
        specify(
            table_from_arrays(*arrays),
            ["auto"],
            recipe=recipe,
            design=Design(n_networks=n),
        )


def test_use_says_where_nothing_is_shown_to_beat_the_prior(arrays, table_of, compared):
    noise = np.random.default_rng(1).permutation(arrays[1])
    comparison = compared(table_of(arrays[0], noise), "relu:3", baselines=["prior"])
    advice = comparison.conclusion.advice
    assert (advice.use, advice.guess, advice.simpler) == ("relu:3", True, "")
    assert "No model is shown to beat" in str(comparison)
    assert comparison.model(compute=ONE).n_networks == 2


# Bad input: rows that can hardly be divided among the networks of a bag.


def judged(table, *candidates, n_networks=8, recipe=RECIPE, **options):
    options = {"repeats": 1, "folds": 2, "baselines": "standard", **options}
    spec = specify(
        table,
        candidates or None,
        recipe=recipe,
        design=Design(n_networks=n_networks, **options),
    )
    return run(make_plan(spec, ONE))


@pytest.mark.slow
def test_a_class_with_fewer_rows_than_folds_of_the_bag_is_judged(table_of):
    X = np.random.default_rng(0).normal(size=(60, 2))
    for n_rare in (2, 5):
        y = np.where(np.arange(60) < n_rare, 2, np.arange(60) % 2)
        found = judged(table_of(X, y, "multiclass"))
        assert all(
            result.finite
            for result in found.results
            if not result.name.endswith("trees")
        )
        assert found["auto"].finite


def test_training_rows_may_lack_a_class(table_of):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.where(np.arange(60) < 2, 2, np.arange(60) % 2)
    table = dataclasses.replace(
        table_of(X, y, "multiclass"), times=np.arange(60.0)[::-1].copy()
    )
    found = judged(table, repeats=None, folds=None)
    for result in found.results:
        assert (result.predictions[0, 0, result.tested.rows][:, 2] == 0).all(), (
            result.name
        )


@pytest.mark.parametrize("n_groups", [2, 3, 6])
def test_groups_that_can_hardly_be_divided_are_judged(arrays, n_groups):
    # a single group may be left to train on
    table = dataclasses.replace(
        table_from_arrays(*arrays), groups=np.arange(60) % n_groups, grouped_by="clinic"
    )
    found = judged(table)
    for result in found.results:  # trees need rows left out
        assert result.finite or (n_groups < 4 and result.name.endswith("trees")), (
            result.name
        )


@pytest.mark.product
@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_sixty_rows_and_one_column_are_enough_for_the_default_comparison(
    table_of, n_columns, task
):
    X = np.random.default_rng(1).normal(size=(60, 3))
    table = table_of(X[:, :n_columns], target_of(X, task), task)
    assert all(result.finite for result in judged(table, n_networks=3).results)


@pytest.mark.slow
def test_the_target_may_be_constant_for_a_network(table_of):
    X = np.random.default_rng(1).normal(size=(60, 2))
    numbers = judged(table_of(X, np.where(np.arange(60) == 7, 9.0, 1.0), "regression"))
    assert all(result.finite for result in numbers.results)
    # each fold trains on a single row of class 1
    classes = judged(table_of(X, (np.arange(60) < 2).astype(int)))
    assert classes["auto"].finite
    assert classes["network-1"].finite


@pytest.mark.parametrize(
    "n_networks", [1, 2, pytest.param(100, marks=pytest.mark.slow)]
)
def test_any_number_of_networks_is_judged_and_none_leaves_out_half(arrays, n_networks):
    found = judged(table_from_arrays(*arrays), "relu:3", n_networks=n_networks)
    assert found["relu:3"].finite
    assert found["relu:3"].singles.shape == (1, n_networks, 60)
    assert set(found["relu:3"].epochs) == {3} or n_networks > 1
    if n_networks == 2:
        table = found.experiment.table.of_rows(found.splits[0].train)
        assert (
            fit_model(table, "relu:3", recipe=RECIPE, n_networks=2).training[
                "n_networks"
            ]
            == 2
        )
        from seedbed.model.member import splits_of_networks

        # of 30 rows
        assert {len(split.test) for split in splits_of_networks(table, 2, 0)} <= {3, 4}

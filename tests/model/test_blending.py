"""Models that are blends: their members, the rows that each is fitted to, and out-of-bag
predictions."""

import time

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from seedbed.data.reading import read_table
from seedbed.data.splits import Split
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.errors import CandidateError, OptionError, SeedbedError
from seedbed.model import blending, members, trees
from seedbed.model.blending import blend_table, fit_model
from seedbed.model.member import Fit, splits_of_networks
from seedbed.model.members import trained_members
from seedbed.model.portfolio import candidates_for
from seedbed.settings.design import Compute
from seedbed.settings.recipe import Recipe

from .plain_networks import plain_values

QUICK = dict(n_networks=8, recipe=Recipe(epochs=15, lr=0.01), compute=Compute(n_jobs=1))
SMALL = ("linear:1", "silu:8,8@layernorm,residual", "linear:1@ple=4")
SMALL += ("relu:6@ple=4", "relu:6@plr=2,plr_frequencies=3")
TREES = ("extra-trees:3", "boosted-trees:20")
OTHERS = ("grade", "torch"), ("cost", "native")


@pytest.fixture(scope="module", params=["ill", "grade", "cost"])
def blended(request, table_for):
    table = table_for(request.param)
    return table, *blend_table(table, portfolio=SMALL + TREES, **QUICK)


@pytest.mark.few(1)
def test_out_of_bag_predictions_use_only_networks_that_left_the_row_out(blended):
    """Compute the predictions again from the model, network by network."""
    table, model, out_of_bag = blended
    said = plain_values(model, model.preprocessor.inputs_of_values(table.features))
    said = said if table.labels else said[:, :, 0]
    splits = splits_of_networks(table, 8, 0)
    for row in range(table.n_rows):
        own = [number for number, split in enumerate(splits) if row in split.test]
        assert len(own) == 1
        scale = model.target_deviation
        assert_allclose(
            out_of_bag.values[row], said[own, row].mean(axis=0), atol=2e-5 * scale
        )


@pytest.mark.few(1)
def test_the_out_of_bag_loss_is_that_of_the_out_of_bag_predictions(blended):
    table, model, out_of_bag = blended
    if table.task == "regression":
        expected = np.mean((out_of_bag.values - table.target) ** 2)
    else:
        expected = -np.log(
            out_of_bag.values[np.arange(table.n_rows), table.target]
        ).mean()
    assert out_of_bag.loss == pytest.approx(expected)
    assert model.training["out_of_bag_loss"] == out_of_bag.loss
    weights = model.architecture.weights
    assert len(weights) == 1 or f"{max(weights):.0%}" in str(model)


def test_the_same_seed_gives_the_same_model_with_any_number_of_jobs(table_for):
    table = table_for("ill")
    one, _ = blend_table(table, portfolio=SMALL, **QUICK)
    two, _ = blend_table(
        table, portfolio=SMALL, **{**QUICK, "compute": Compute(n_jobs=2)}
    )
    assert one.architecture == two.architecture
    for name, value in one.states.items():
        assert_array_equal(value, two.states[name])
    other, _ = blend_table(table, portfolio=SMALL, **QUICK, random_state=1)
    assert other.training["out_of_bag_loss"] != one.training["out_of_bag_loss"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("ill", "native"),
        ("noise", "native"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in OTHERS),
    ],
)
def test_members_of_several_tables_are_those_of_each_alone(table_for, name, engine):
    """Networks whose rows make different numbers of minibatches share no stack; 256 make 4 of 64,
    and 257 make 5."""
    table, recipe = noise(325) if name == "noise" else table_for(name), QUICK["recipe"]
    rows = np.arange(table.n_rows)
    parts = (
        [rows[rows % 4 != 0], rows[rows % 4 != 1], rows[::3]]
        if name != "noise"
        else [rows[:293], rows[:290]]
    )
    fits = [
        Fit(own, candidates_for([*SMALL[:2], *TREES], own), recipe, 8, drops=False)
        for own in map(table.of_rows, parts)
    ]
    assert name != "noise" or {len(split.train) for split in fits[0].splits} == {
        256,
        257,
    }

    def train(some):
        trained = trained_members(some, compute=Compute(engine=engine, n_jobs=1))
        return {(which, member.candidate.name): member for _, which, member in trained}

    together = train(fits)
    for number, fit in enumerate(fits):
        for (_, member), expected in train([fit]).items():
            found = together[number, member]
            assert_array_equal(found.outputs, expected.outputs)
            assert found.epochs == expected.epochs
            for one, value in expected.states.items():
                assert_array_equal(found.states[one], value)


def test_fitting_uses_one_thread_for_each_operation_of_torch(table_for, monkeypatch):
    def build(n_features, n_outputs):
        return torch.nn.Linear(n_features, n_outputs)

    seen, forward, before = [], torch.nn.Linear.forward, torch.get_num_threads()

    def noted(layer, x):
        seen.append(torch.get_num_threads())
        return forward(layer, x)

    monkeypatch.setattr(torch.nn.Linear, "forward", noted)
    torch.set_num_threads(2)
    try:
        fit_model(table_for("ill"), build, n_networks=2, recipe=Recipe(epochs=2))
        assert (set(seen), torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_blend_is_suited_to_the_table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    step = pd.DataFrame(x, columns=["a", "b", "c"]).assign(
        y=np.where(np.sin(4 * x[:, 0]) > 0, "up", "down")
    )
    line = step.assign(
        y=np.where(x.sum(axis=1) + rng.logistic(size=600) > 0, "up", "down")
    )
    portfolio = ("logistic", "silu:32,32@plr=4,plr_frequencies=8,plr_sigma=0.5")
    for frame, wanted in ((step, portfolio[1]), (line, portfolio[0])):
        table = read_table(frame, target="y")
        model, _ = blend_table(
            table, portfolio=portfolio, n_networks=8, compute=Compute(n_jobs=1)
        )
        shares = dict(
            zip(model.architecture.names, model.architecture.weights, strict=True)
        )
        assert shares.get(wanted, 0) > 0.5


def test_a_time_limit_leaves_out_late_members_and_keeps_the_first(table_for):
    model, _ = blend_table(table_for("ill"), portfolio=SMALL, time_limit=1e-6, **QUICK)
    assert model.architecture.names == SMALL[:1]
    assert model.training["epochs"] == 1
    assert "Left out: 4 members" in str(model)


@pytest.fixture
def four_bags(monkeypatch):
    """Additions count as better, up to four bags."""
    monkeypatch.setattr(blending, "_MOST_BAGS", 4)
    monkeypatch.setattr(blending, "_LEAST_GAIN", -np.inf)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ill", "grade", "cost"])
def test_the_rest_of_a_time_limit_trains_more_networks_of_members_with_weight(
    table_for, name, four_bags
):
    table = table_for(name)
    once, few = blend_table(table, portfolio=SMALL[:3], **QUICK)
    model, many = blend_table(table, portfolio=SMALL[:3], time_limit=600, **QUICK)
    assert (once.n_networks, model.n_networks) == (8, 32)
    assert {*many.losses} == {*SMALL[:3]}
    assert {*many.weights} <= {*few.weights}
    for member in {*SMALL[:3]} - {*few.weights}:
        assert many.losses[member] == few.losses[member]


@pytest.mark.slow
def test_out_of_bag_predictions_with_a_time_limit_are_those_of_each_rows_networks(
    table_for, monkeypatch, four_bags
):
    seen = []
    monkeypatch.setattr(
        blending,
        "join_bags",
        lambda bags: seen.append(members.join_bags(bags)) or seen[-1],
    )
    table = table_for("cost")
    model, out_of_bag = blend_table(
        table, portfolio=SMALL[1:2], time_limit=600, **QUICK
    )
    inputs = model.preprocessor.inputs_of_values(table.features)
    left_out = np.array(
        [np.isin(np.arange(table.n_rows), split.test) for split in seen[-1][1].splits]
    )
    assert (left_out.sum(axis=0) == 4).all()
    means = np.where(left_out, plain_values(model, inputs)[:, :, 0], 0).sum(axis=0) / 4
    assert_allclose(out_of_bag.values, means, atol=2e-5 * model.target_deviation)


def test_a_time_limit_lets_a_default_blend_try_other_kinds(monkeypatch, four_bags):
    monkeypatch.setattr(
        blending, "default_models", lambda table: (("prior", "logistic"), {})
    )
    monkeypatch.setattr(
        blending,
        "more_members",
        lambda table: candidates_for(["relu:4", "tanh:4", *TREES], table),
    )
    monkeypatch.setattr(trees, "_LEAST_WEIGHT", -1)
    model, out_of_bag = blend_table(noise(80), time_limit=600, **QUICK)
    assert {*out_of_bag.losses} == {"logistic", "relu:4", "tanh:4", *TREES}
    assert model.n_networks == 32
    others = ["relu:4", "tanh:4", *TREES]
    assert [*model.training["added"]] == [*others, "bag 2", "bag 3", "bag 4"]
    assert "bag 4 (" in str(model)


def test_three_additions_in_a_row_that_bring_nothing_end_a_fit(monkeypatch):
    monkeypatch.setattr(blending, "_LEAST_GAIN", 1.0)
    lines = []
    model, _ = blend_table(
        noise(60), portfolio=SMALL[:1], time_limit=600, say=lines.append, **QUICK
    )
    assert [*model.training["added"]] == ["bag 2", "bag 3", "bag 4"]
    assert lines[-1] == "stopped: 3 additions in a row brought nothing"
    assert sum(line.startswith("added bag") for line in lines) == 3
    same = fit_model(
        noise(60), [*SMALL[:1]], time_limit=600, n_networks=8, recipe=QUICK["recipe"]
    )
    assert same.training["added"] == model.training["added"]


def test_a_time_limit_trains_no_more_networks_than_a_model_may_have(monkeypatch):
    monkeypatch.setattr(blending, "MOST_NETWORKS", 20)
    model, _ = blend_table(noise(60), portfolio=SMALL[:1], time_limit=600, **QUICK)
    assert model.n_networks == 16


def test_a_time_limit_is_kept_by_a_tenth():
    started = time.monotonic()
    options = dict(n_networks=16, compute=Compute(n_jobs=1))
    blend_table(noise(300), portfolio=("relu:64,64",), time_limit=1.5, **options)
    # what comes before and after training
    assert time.monotonic() - started < 1.5 * 1.1 + 0.5


def test_members_that_diverge_are_left_out(table_for):
    model, _ = blend_table(
        table_for("cost"), portfolio=("relu:8@lr=1e30,optimizer=sgd", "relu:8"), **QUICK
    )
    assert model.architecture.names == ("relu:8",)
    with pytest.raises(SeedbedError, match="every network diverged"):
        blend_table(
            table_for("cost"), portfolio=("relu:8@lr=1e30,optimizer=sgd",), **QUICK
        )
    with pytest.raises(SeedbedError, match="no member"):
        blend_table(
            table_for("cost"),
            portfolio=[f"relu:{n}@lr=1e30,optimizer=sgd" for n in (4, 8)],
            **QUICK,
        )


def test_few_rows_are_blended_without_out_of_bag_rows():
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": ["a", "b", "b"]})
    model, out_of_bag = blend_table(
        read_table(frame, target="y"), portfolio=SMALL[:2], **QUICK
    )
    assert np.isfinite(model.predict_proba(frame[["x"]])).all()
    assert np.isfinite(out_of_bag.loss)


def test_with_times_all_networks_leave_the_latest_rows_out():
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(80), unit="D")
    frame = pd.DataFrame(
        dict(x=np.arange(80.0), day=day.strftime("%Y-%m-%d"), y=np.tile(["a", "b"], 40))
    )
    table = read_table(frame, target="y", time_split="day", numeric=["x"])
    first: Split = splits_of_networks(table, 3, 0)[0]
    assert table.times[first.train].max() < table.times[first.test].min()
    assert all(
        (split.test == first.test).all() for split in splits_of_networks(table, 3, 0)
    )
    model, out_of_bag = blend_table(
        table, portfolio=SMALL[:1], **{**QUICK, "n_networks": 3}
    )
    assert np.isnan(out_of_bag.values[first.train]).all()
    assert model.n_networks == 3


def noise(n=60, **about):
    """A table without a pattern: only a network trained on its rows predicts it well."""
    rng = np.random.default_rng(0)
    columns = tuple(
        Column(ColumnSchema(f"x{i}", "number"), rng.normal(size=n)) for i in range(4)
    )
    target = np.r_[np.ones(n // 6), np.zeros(n - n // 6)].astype(np.int64)
    return Table("noise", columns, "y", target, ("no", "yes"), **about)


def test_a_class_in_a_single_group_is_left_out_as_well():
    groups = np.r_[np.zeros(10), np.arange(50) // 2 + 1].astype(np.int64)
    table = noise(groups=groups)
    splits = splits_of_networks(table, 8, 0)
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(60))
    assert not any(
        set(groups[split.train]) & set(groups[split.test]) for split in splits
    )
    _, out_of_bag = blend_table(
        table, portfolio=SMALL[:2], n_networks=8, recipe=Recipe(epochs=40, lr=0.05)
    )
    assert out_of_bag.loss > 0.4  # predicting the class frequency


@pytest.mark.parametrize(
    "about",
    [{"groups": np.zeros(60, dtype=np.int64)}, {"times": np.zeros(60)}],
    ids=str,
)
def test_rows_that_cannot_be_divided_are_blended_without_out_of_bag_predictions(about):
    table = noise(**about)
    model, out_of_bag = blend_table(table, portfolio=SMALL[:2], **QUICK)
    assert np.isnan(out_of_bag.values).all()
    assert out_of_bag.values.shape == (60, 2)
    assert np.isnan([out_of_bag.loss, *out_of_bag.losses.values()]).all()
    assert model.architecture.weights == (0.5, 0.5)
    assert "out_of_bag_loss" not in model.training
    assert model.training["chosen"] == "all epochs, as no rows are left out"
    assert "out of bag" not in str(model)
    assert np.isfinite(model.predict_proba(np.zeros((2, 4)))).all()


def test_impossible_blends_are_refused(table_for):
    own = lambda n_features, n_outputs: torch.nn.Linear(n_features, n_outputs)  # noqa: E731
    for message, changes in (
        ("no activation", {"portfolio": ("rleu:4",)}),
        ("can't be blended", {"portfolio": ("relu:4", own)}),
        ("leaves out no rows, so it can't be blended", {"recipe": Recipe.tutorial()}),
        ("a blend of single networks has no rows left out", {"n_networks": 1}),
        ("time_limit is 0", {"time_limit": 0}),
        ("n_networks is 0", {"n_networks": 0}),
        ("portfolio is empty", {"portfolio": ()}),
    ):
        with pytest.raises(
            CandidateError if message == "no activation" else OptionError, match=message
        ):
            blend_table(table_for("ill"), **{"portfolio": SMALL, **QUICK, **changes})

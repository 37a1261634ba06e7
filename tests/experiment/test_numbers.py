"""Regression: in the user's units, scored by squared error, R2 and mean absolute error."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as sk
from torch import nn

from seedbed.data.splits import Split
from seedbed.errors import CandidateError, OptionError
from seedbed.evaluation.protocol import protocol
from seedbed.experiment.fits import split_seed
from seedbed.networks.draws import derive
from seedbed.report.terminal import comparison_text
from seedbed.scoring import Result, score
from seedbed.settings.recipe import Recipe
from seedbed.tested import Tested

pytestmark = pytest.mark.usefixtures("plain_charts")


@pytest.fixture(scope="module")
def rows():
    """X [80, 3] and y [80]: years."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(80, 3))
    return X, 1990 + 12 * (X[:, 0] + 0.5 * X[:, 1] + 0.6 * rng.normal(size=80))


@pytest.fixture(scope="module")
def found(compared, table_of, rows):
    return compared(
        table_of(*rows, "regression"),
        "linear:3",
        "tanh:4",
        baselines=["standard"],
        repeats=2,
        reference="linear:3",
        recipe={"epochs": 30},
    )


def test_predictions_equal_the_plain_loop_in_the_targets_units(found, rows):
    (X, y), split = rows, found.splits[4]
    train, test = split.train.copy(), split.test.copy()  # torch needs a writable array
    Z = torch.from_numpy(((X - X[train].mean(0)) / X[train].std(0)).astype(np.float32))
    t = torch.from_numpy(((y - y[train].mean()) / y[train].std()).astype(np.float32))[
        :, None
    ]
    torch.manual_seed(derive(split_seed(0, split), "tanh:4", "blend", 1))
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        nn.MSELoss()(network(Z[train]), t[train]).backward()
        optimizer.step()
    expected = (
        network(Z[test]).detach().numpy()[:, 0] * y[train].std() + y[train].mean()
    )
    p = found["tanh:4"].singles
    assert (p.shape, p.dtype) == ((2, 2, 80), np.float64)
    assert_allclose(p[1, 1, split.test], expected, atol=1e-3)
    assert_allclose(found["tanh:4"].predictions[:, 0], p.mean(axis=1))


def test_what_recommended_model_predicts_is_kept_beside_what_was_observed(found, rows):
    numbers = found.conclusion.numbers
    assert numbers.model == found.conclusion.advice.use
    predicted = found[numbers.model].predictions.mean(axis=(0, 1))
    expected = sorted(zip(rows[1].tolist(), predicted.tolist(), strict=True))
    pairs = sorted(zip(numbers.observed, numbers.predicted, strict=True))
    assert_allclose(pairs, expected, rtol=1e-6)


def test_r2_is_one_minus_the_relative_squared_error(found):
    for result in found.results:
        error, r2 = result.scores["squared_error"], result.scores["r2"]
        assert (r2.mean, r2.low, r2.high) == pytest.approx(
            (1 - error.mean, 1 - error.high, 1 - error.low)
        )
        assert r2.low <= r2.mean <= r2.high <= 1


@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["held_out", "folds", "uneven folds"]),
)
def test_a_constant_prediction_never_has_a_positive_r2(seed, kind):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=30) * rng.choice([1, 5], size=30)
    rows = rng.permutation(30)
    ends = {"held_out": [6], "folds": [10, 20, 30], "uneven folds": [4, 9, 30]}[kind]
    tests = np.split(rows, ends)[: len(ends)]
    splits = tuple(
        Split(0, fold, np.setdiff1d(rows, test), test)
        for fold, test in enumerate(tests)
    )
    predictions = np.full((1, 1, 30), np.nan)
    for split in splits:
        predictions[0, 0, split.test] = y[split.train].mean()
    design = dataclasses.replace(
        protocol(300_000 if kind == "held_out" else 300), folds=len(splits), repeats=1
    )
    found = Result(
        tested=Tested(
            alpha=0.05, target=y, splits=splits, design=design, task="regression"
        ),
        name="a",
        predictions=predictions,
    )
    assert score("r2", found).mean <= 1e-12
    if kind == "held_out":
        assert score("r2", found).mean == pytest.approx(
            sk.r2_score(y[tests[0]], predictions[0, 0, tests[0]])
        )


def test_the_loss_of_the_mean_is_about_one_and_the_margin_a_fiftieth(found, rows):
    split = found.splits[0]
    assert found["prior"].predictions[0, 0, split.test] == pytest.approx(
        rows[1][split.train].mean()
    )
    assert found["prior"].scores["squared_error"].mean == pytest.approx(1, abs=0.1)
    assert found.to_dict()["metric"]["of_prior"] == pytest.approx(1)
    assert found.experiment.metric == "squared_error"
    assert found.experiment.margin == pytest.approx(0.02)


def test_units_and_origin_of_the_target_change_only_the_absolute_error(
    compared, table_of, rows, found
):
    X, y = rows
    options = dict(
        baselines=["standard"], repeats=2, recipe={"epochs": 30}, reference="linear:3"
    )
    other = compared(
        table_of(X, 1e6 + 1e-3 * y, "regression"), "linear:3", "tanh:4", **options
    )
    for one, same in zip(found.results, other.results, strict=True):
        assert same.scores["squared_error"].mean == pytest.approx(
            one.scores["squared_error"].mean, rel=1e-3
        )
        assert same.scores["mae"].mean == pytest.approx(
            1e-3 * one.scores["mae"].mean, rel=1e-3
        )
    assert [one.rule for one in other.verdicts] == [one.rule for one in found.verdicts]


def test_mean_absolute_error_can_be_judged(compared, table_of, rows):
    table = table_of(*rows, "regression")
    found = compared(table, "linear:3", "tanh:4", metric="mae")
    assert found.verdicts[0].difference == pytest.approx(
        found["linear:3"].scores["mae"].mean - found["tanh:4"].scores["mae"].mean
    )
    assert found.experiment.margin == pytest.approx(
        0.02 * np.abs(rows[1] - rows[1].mean()).mean()
    )
    assert "mean absolute error" in comparison_text(found.conclusion)
    with pytest.raises(OptionError, match="'accuracy' can't be tested on this target"):
        compared(table, "linear:3", "prior", metric="accuracy")


def test_two_outputs_and_a_loss_for_classes_are_refused(compared, table_of, rows):
    table = table_of(*rows, "regression")
    message = re.escape("has 2 outputs. A numeric target needs one output.")
    with pytest.raises(CandidateError, match=message):
        compared(table, lambda: nn.Linear(3, 2), "prior")
    with pytest.raises(OptionError, match="loss bce doesn't suit this target"):
        compared(table, "linear:3", "prior", recipe={"loss": "bce"})
    assert compared(table, "linear:3", "prior").experiment.recipe == Recipe.tutorial(
        lr=0.1, epochs=4, loss="mse"
    )


def test_rows_split_by_time_are_scored_on_the_latest_with_intervals(
    compared, table_of, rows
):
    X, y = rows
    times = np.random.default_rng(0).permutation(80).astype(float)
    table = table_of(X, y, "regression", times=times)
    found = compared(
        table, "linear:3", "tanh:4", baselines=["standard"], repeats=None, folds=None
    )
    p, latest = found["tanh:4"].predictions, times >= 64
    assert_array_equal(np.isfinite(p), np.broadcast_to(latest, p.shape))
    assert found["prior"].predictions[0, 0, latest] == pytest.approx(y[~latest].mean())
    score = found["tanh:4"].scores["squared_error"]
    assert score.mean == pytest.approx(
        ((p[0][:, latest] - y[latest]) ** 2).mean() / y[latest].var()
    )
    r2 = [sk.r2_score(y[latest], one[latest]) for one in p[0]]
    assert found["tanh:4"].scores["r2"].mean == pytest.approx(np.mean(r2))
    assert found["prior"].scores["r2"].mean <= 0
    assert 0 <= score.low < score.mean < score.high
    assert all(verdict.held_out for verdict in found.verdicts)

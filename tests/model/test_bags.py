"""A model's networks leave out folds, stop together, and predict the rows that they left out."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

import seedbed as sb
from seedbed.model import linear
from seedbed.model.blending import blend_table, fit_model
from seedbed.model.member import Fit, splits_of_networks
from seedbed.networks.candidate import parse_candidate
from seedbed.networks.draws import derive
from seedbed.settings.design import Compute
from seedbed.settings.recipe import Recipe
from seedbed.training.losses import LOSSES
from seedbed.training.torch.modules import started_module
from seedbed.training.torch.reference import PlainNetwork, PlainRows
from seedbed.training.torch.states import build_network

ONE_CORE = Compute(n_jobs=1)


class Own(torch.nn.Module):
    """A module that no stack knows."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.inner = torch.nn.Linear(n_features, 4)
        self.last = torch.nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.last(self.inner(x).sin().cumsum(1))


def waves(n=90, classes=True):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    y = np.sin(2 * frame.a) + frame.b + rng.normal(size=n)
    return sb.read_table(
        frame.assign(y=np.where(y > 0, "yes", "no") if classes else y), target="y"
    )


@pytest.mark.few(1)
@pytest.mark.parametrize("build", ["tanh:6", Own], ids=["words", "own module"])
def test_all_networks_stop_after_the_epoch_with_the_lowest_loss_of_their_mean(build):
    """Each network is trained by the plain loop, epoch by epoch, on the rows that it doesn't leave
    out."""
    table, recipe = waves(), Recipe(epochs=60, lr=0.03, batch_size=0, patience=10)
    model, out_of_bag = blend_table(
        table, portfolio=[build], n_networks=8, recipe=recipe, compute=ONE_CORE
    )
    data = Fit(table, (), Recipe(), 8)
    clipped = isinstance(build, str)
    X = torch.from_numpy(
        data.inputs if clipped else data.preprocessor.inputs_of_values(table.features)
    )
    y = torch.tensor(table.target.copy())[:, None].float()
    outputs, networks = np.zeros((60, 90)), []
    for number, split in enumerate(data.splits):
        train, test = (
            torch.from_numpy(rows.copy()) for rows in (split.train, split.test)
        )
        seed = derive(0, build if clipped else "Own", "blend", number)
        network = build_network(lambda: Own(3, 1), seed)
        if clipped:
            network = started_module(
                parse_candidate(build).architecture.network(3, 1), seed
            )
        plain = PlainNetwork(
            network,
            PlainRows(X[train], y[train]),
            PlainRows(X[test], y[test]),
            recipe=recipe,
            loss=LOSSES["bce"],
            seed=seed,
        )
        states = []
        for epoch in range(60):
            plain.train(epoch, epoch + 1)
            outputs[epoch, split.test] = plain.outputs[:, 0]
            states.append(
                {name: value.clone() for name, value in network.state_dict().items()}
            )
        networks.append(states)
    p = expit(outputs)
    by_row = -np.log(np.where(table.target == 1, p, 1 - p))
    # each fold weighs the same
    losses = np.mean(
        [by_row[:, split.test].mean(axis=1) for split in data.splits], axis=0
    )
    best = 0
    for epoch, loss in enumerate(losses):
        best = epoch if loss < losses[best] else best
        if epoch - best == recipe.patience:
            break
    assert model.training["epochs"] == best + 1
    assert out_of_bag.loss == pytest.approx(by_row[best].mean(), abs=1e-4)
    for mine, states in zip(model.networks(), networks, strict=True):
        for (_, value), expected in zip(
            mine.named_parameters(), states[best].values(), strict=True
        ):
            torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-4)


def test_a_single_network_trains_on_all_rows_for_all_epochs():
    table = waves()
    model, out_of_bag = blend_table(
        table, portfolio=["relu:5"], n_networks=1, recipe=Recipe(epochs=7)
    )
    assert model.training["epochs"] == 7
    assert model.training["chosen"] == "all epochs, as no rows are left out"
    assert np.isnan(out_of_bag.values).all()
    assert model.calibration is None
    other = dataclasses.replace(table, target=1 - table.target)  # each row counts
    moved = fit_model(
        other, "relu:5", n_networks=1, recipe=Recipe(epochs=7)
    ).predict_proba(table.features[:1])
    assert moved[0, 0] != pytest.approx(model.predict_proba(table.features[:1])[0, 0])


@pytest.mark.parametrize("n_networks", [2, 3, 7, 8, 12])
@pytest.mark.parametrize("word", ["relu:4", "logistic", "prior", "extra-trees:3"])
def test_only_rows_left_out_have_out_of_bag_predictions(word, n_networks):
    """Two networks leave out two eighths of the rows, and not two halves."""
    table = waves(80)
    _, out_of_bag = blend_table(
        table, portfolio=[word], n_networks=n_networks, recipe=Recipe(epochs=2)
    )
    splits = splits_of_networks(table, n_networks, 0)
    left_out = np.unique(np.concatenate([split.test for split in splits]))
    assert len(left_out) == 10 * min(n_networks, 8)
    assert all(len(split.test) == 10 for split in splits)
    result = np.flatnonzero(np.isfinite(out_of_bag.values).all(axis=1)).tolist()
    assert result == left_out.tolist()


@pytest.mark.slow
def test_logistic_regression_in_bags_equals_scikit_learn(monkeypatch):
    table = waves(200)
    monkeypatch.setattr(linear, "_CHOOSING", 8)
    data = Fit(table, (), Recipe(), 8)
    X = data.inputs.astype(np.float64)
    y = table.target  # lbfgs may fail to converge in single precision
    losses, fits = {}, {}
    for C in linear._CS:
        fits[C] = [
            LogisticRegression(C=C, tol=1e-8).fit(X[split.train], y[split.train])
            for split in data.splits
        ]
        p = np.concatenate(
            [
                one.predict_proba(X[s.test])[np.arange(len(s.test)), y[s.test]]
                for one, s in zip(fits[C], data.splits, strict=True)
            ]
        )
        losses[C] = -np.log(p).mean()
    best = fits[min(losses, key=losses.get)]
    for most_rows in (4_000, 0):  # by Newton's method, and without
        monkeypatch.setattr(linear, "_MOST_ROWS", most_rows)
        states = linear.fit_regression(data.for_trees()).states
        for number, one in enumerate(best):
            assert_allclose(states["0.weight"][number], one.coef_, atol=2e-3)
            assert_allclose(states["0.bias"][number], one.intercept_, atol=2e-3)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("n_classes", "solver"),
    [(2, "newton-cholesky"), (3, "newton-cholesky"), (9, "lbfgs")],
)
def test_logistic_regression_of_several_classes_equals_scikit_learn(n_classes, solver):
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(300, 34)), rng.exponential(size=300)
    y = (X[:, :n_classes] + rng.gumbel(size=(300, n_classes))).argmax(axis=1)
    regression = linear._Regression(X, y, weights, n_classes)
    peer = LogisticRegression(solver=solver, warm_start=True)
    for C in (0.01, 1.0, 100.0):
        peer.set_params(C=C).fit(X, y, sample_weight=weights)
        expected = np.column_stack([peer.coef_, peer.intercept_])
        assert_allclose(regression.fit(C), expected, rtol=0, atol=1e-6)


def test_linear_regression_in_bags_is_ridge_regression():
    table = waves(120, classes=False)
    data = Fit(table, (), Recipe(), 8)
    y = (table.target - table.target.mean()) / table.target.std()
    states = linear.fit_regression(data.for_trees()).states
    errors = {}
    for alpha in linear._ALPHAS:
        fits = [
            Ridge(alpha).fit(data.inputs[split.train], y[split.train])
            for split in data.splits
        ]
        left = [
            y[s.test] - one.predict(data.inputs[s.test])
            for one, s in zip(fits, data.splits, strict=True)
        ]
        errors[alpha] = np.mean(np.concatenate(left) ** 2), fits
    for number, one in enumerate(min(errors.values(), key=lambda pair: pair[0])[1]):
        assert_allclose(states["0.weight"][number, 0], one.coef_, atol=1e-4)


def test_the_prior_predicts_the_class_frequencies_or_the_mean():
    for table in (waves(), sb.read_table("example:iris"), waves(classes=False)):
        model = fit_model(table, "prior", n_networks=1)
        if table.labels:
            shares = np.bincount(table.target) / table.n_rows
            assert_allclose(
                model.predict_proba(table.features[:3]), [shares] * 3, atol=1e-6
            )
        else:
            assert_allclose(
                model.predict(table.features[:3]), table.target.mean(), rtol=1e-6
            )

"""The history that `train_many` returns."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from seedbed.errors import TrainingError
from seedbed.training.losses import LOSSES, pick_loss, target_of_loss
from seedbed.training.many import train_many
from seedbed.training.torch.torch_recipe import TORCH_LOSSES

QUICK = {"seeds": [3, 8, 5], "epochs": 6, "n_jobs": 1, "lr": 0.1}


@pytest.mark.parametrize("seeds", [[3, 8, 5], [3]], ids=["stack", "single"])
@pytest.mark.parametrize("loss", LOSSES)
def test_networks_are_plain_modules_that_reproduce_predict(task, loss, seeds):
    history = train_many(
        "relu:4@batchnorm", *task(loss).parts, **{**QUICK, "seeds": seeds}
    )
    X, y = torch.from_numpy(task(loss).X).float(), task(loss).y
    predicted = history.predict(task(loss).X)
    found = pick_loss(loss, y, task(loss).n_outputs)
    for index, network in enumerate(history.networks()):
        assert type(network) is nn.Sequential
        assert not network.training
        z = network(X).detach()
        shown = dict(
            bce=torch.sigmoid(z)[:, 0], cross_entropy=torch.softmax(z, 1), mse=z[:, 0]
        )[loss]
        assert_allclose(predicted[..., index], shown.numpy(), rtol=0, atol=1e-6)
        target = torch.from_numpy(
            target_of_loss(found, y, task(loss).n_outputs, "float32")
        )
        expected = TORCH_LOSSES[loss].module()(z[70:], target[70:]).item()
        assert history.test_loss[-1, index] == pytest.approx(expected, rel=1e-4)


def test_predictions_have_the_shape_of_their_task(task):
    shapes = {
        loss: train_many("relu:4", *task(loss).parts, **QUICK)
        .predict(task(loss).X)
        .shape
        for loss in LOSSES
    }
    # [row, class, network]
    assert shapes == dict(bce=(95, 3), cross_entropy=(95, 3, 3), mse=(95, 3))
    X_train, y_train, X_test, y_test = task("mse").parts
    two = [np.stack([y, -2 * y], 1) for y in (y_train, y_test)]
    several = train_many("relu:4", X_train, two[0], X_test, two[1], **QUICK)
    assert several.predict(torch.from_numpy(X_test)).shape == (25, 2, 3)
    assert several.predict(X_test.tolist()).dtype == np.float32


@pytest.mark.parametrize("seeds", [2, 1], ids=["stack", "single"])
@pytest.mark.parametrize("loss", LOSSES)
def test_networks_in_float64_predict_in_float64(task, loss, seeds):
    history = train_many(
        "relu:4", *task(loss).parts, **{**QUICK, "seeds": seeds}, dtype=torch.float64
    )
    predicted = history.predict(task(loss).X)
    assert predicted.dtype == history.test_loss.dtype == np.float64
    if loss == "mse":  # sums of squares agree beyond the precision of float32
        off = ((predicted[70:] - task(loss).y[70:, None]) ** 2).mean(0)
        assert_allclose(off, history.test_loss[-1], rtol=1e-12)


def test_diverged_networks_are_counted_and_excluded_from_the_mean(task):
    def build():
        network = nn.Linear(5, 1)
        if torch.initial_seed() == 8:
            nn.init.constant_(network.weight, 1e30)
        return network

    history = train_many(build, *task("mse").parts, **QUICK)
    assert history.diverged.tolist() == [False, True, False]
    mean = history.test_score[-1, [0, 2]].mean()
    expected = f"<History: 3 networks x 6 epochs, mean test R2 {mean:.4f}, 1 diverged>"
    assert repr(history) == expected
    assert history.curves().candidates[0].n_diverged == 1


def test_certain_and_diverged_networks_predict_without_a_warning(task):
    certain, diverged = (
        train_many("linear:4", *task("bce").parts, **{**QUICK, "lr": lr})
        for lr in (0.1, 1e20)
    )
    assert set(certain.predict(1e6 * task("bce").X).ravel()) == {0.0, 1.0}
    assert np.isnan(diverged.predict(task("bce").X)).any()


@pytest.mark.parametrize("seeds", [[3, 8], [3]], ids=["stack", "single"])
def test_r2_is_one_minus_the_share_of_residual_variance(task, seeds):
    _, y_train, _, y_test = task("mse").parts
    weights = None if len(seeds) == 1 else np.linspace(0, 2, 70)
    history = train_many(
        "tanh:4", *task("mse").parts, **{**QUICK, "seeds": seeds}, sample_weight=weights
    )
    mean = np.average(y_train, weights=weights)
    variance = np.average((y_train - mean) ** 2, weights=weights)
    assert_allclose(
        history.train_score, 1 - history.train_loss / variance, rtol=0, atol=1e-5
    )
    assert_allclose(
        history.test_score, 1 - history.test_loss / y_test.var(), rtol=0, atol=1e-5
    )
    message = r"the score is R2, not accuracy. See train_score and test_score"
    with pytest.raises(TrainingError, match=message):
        _ = history.test_accuracy


def test_a_constant_target_has_no_r2(task):
    history = train_many("tanh:4", *task("mse").parts[:3], np.full(25, 0.5), **QUICK)
    assert np.isnan(history.test_score).all()
    assert np.isfinite(history.train_score).all()
    assert not history.diverged.any()


class Squashed(nn.Linear):
    def forward(self, x):
        z = super().forward(x)
        return z.softmax(1) if z.shape[1] > 1 else z.sigmoid()


@pytest.mark.parametrize("seeds", [[3, 8], [3]], ids=["stack", "single"])
def test_a_network_that_returns_probabilities_is_warned_of(task, seeds):
    for loss, kind in (("bce", "sigmoid"), ("cross_entropy", "softmax")):
        message = f"end with a {kind}; it must return logits"
        with pytest.warns(UserWarning, match=message) as caught:
            train_many(
                lambda: Squashed(5, task(loss).n_outputs),  # noqa: B023
                *task(loss).parts,
                **{**QUICK, "seeds": seeds},
            )
        assert [warning.filename for warning in caught] == [__file__]
    # warnings are errors
    train_many(lambda: Squashed(5, 1), *task("mse").parts, **{**QUICK, "seeds": seeds})

"""Losses per row equal torch's, and each target gets a suitable loss."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from seedbed.errors import OptionError, TrainingError
from seedbed.training.losses import LOSSES, pick_loss, r2, target_of_loss
from seedbed.training.many import train_many
from seedbed.training.torch.torch_recipe import TORCH_LOSSES


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0, 1e4])
@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_rows_and_its_gradient_equal_torchs_loss(task, name, scale):
    y = torch.from_numpy(
        target_of_loss(LOSSES[name], task(name).y, task(name).n_outputs, "float64")
    )
    z = (scale * torch.randn(y.shape, dtype=torch.float64)).requires_grad_()
    losses = TORCH_LOSSES[name].measure(z.detach(), y)
    assert_allclose(
        LOSSES[name].measure(z.detach().numpy(), y.numpy()),
        losses,
        rtol=1e-12,
        atol=1e-13,
    )
    theirs = TORCH_LOSSES[name].module()(z, y)
    torch.testing.assert_close(losses.mean(), theirs.detach(), rtol=1e-12, atol=1e-12)
    gradients = [
        torch.autograd.grad(loss, z)[0]
        for loss in (TORCH_LOSSES[name].measure(z, y).mean(), theirs)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)


def test_smoothed_labels_give_the_loss_of_torch():
    loss, z = TORCH_LOSSES["cross_entropy"], torch.randn(6, 3, dtype=torch.float64)
    y = torch.eye(3, dtype=torch.float64)[torch.arange(6) % 3]
    theirs = nn.CrossEntropyLoss(label_smoothing=0.2)(z, y)
    torch.testing.assert_close(
        loss.measure(z, loss.smooth(y, 0.2)).mean(), theirs, rtol=1e-12, atol=0
    )
    assert TORCH_LOSSES["bce"].smooth(
        torch.tensor([0.0, 1.0]), 0.2
    ).tolist() == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize("seeds", [[1], [1, 2]], ids=["single", "stack"])
def test_curves_show_the_loss_without_label_smoothing(task, seeds):
    settings = {"seeds": seeds, "epochs": 3, "n_jobs": 1}
    still = [
        train_many("tanh:3", *task("bce").parts, lr=0.0, label_smoothing=s, **settings)
        for s in (0.0, 0.5)
    ]
    assert_array_equal(still[0].train_loss, still[1].train_loss)
    assert_array_equal(still[0].test_loss, still[1].test_loss)
    moved = [
        train_many("tanh:3", *task("bce").parts, lr=1.0, label_smoothing=s, **settings)
        for s in (0.0, 0.5)
    ]
    # before the first step
    assert (moved[0].train_loss[0] == moved[1].train_loss[0]).all()
    assert (moved[0].train_loss[1] != moved[1].train_loss[1]).all()
    with pytest.raises(OptionError, match="label_smoothing needs classes"):
        train_many("tanh:3", *task("mse").parts, label_smoothing=0.1, **settings)


@given(
    st.lists(st.floats(-30, 30).filter(lambda z: abs(z) > 1e-6 or z == 0), min_size=1),
    st.integers(0, 1),
)
def test_binary_accuracy_equals_the_tutorials_rounded_sigmoid(logits, label):
    z = torch.tensor(logits)[:, None]
    y = torch.full_like(z, label)
    assert torch.equal(
        TORCH_LOSSES["bce"].hits(z, y),
        (torch.round(torch.sigmoid(z)) == y)[:, 0].float(),
    )


@pytest.mark.parametrize(
    ("name", "y", "n_outputs", "message"),
    [
        (
            "bce",
            [0, 2],
            1,
            "zeros and ones. Use cross_entropy for classes, mse for numbers",
        ),
        ("cross_entropy", [0, 3], 3, r"class codes 0 to 2 .* largest value is 3"),
        ("cross_entropy", [0.5, 1], 3, "class codes"),
        *(
            (name, [0.5, 1], 3, "the network has 3 outputs, the target 1")
            for name in ("mse", "auto")
        ),
    ],
)
def test_a_target_that_does_not_fit_the_loss_is_refused(name, y, n_outputs, message):
    with pytest.raises(TrainingError, match=message):
        pick_loss(name, np.array(y), n_outputs)


def test_r2_over_several_outputs_averages_their_variances():
    y = np.array([[0.0, 0.0], [2.0, 6.0]])  # variances 1 and 9
    assert r2(np.array([0.0, 5.0, 10.0]), y).tolist() == [1.0, 0.0, -1.0]
    weighted = r2(
        np.array([0.0]), np.array([[0.0], [1.0], [9.0]]), np.array([1.0, 1.0, 0.0])
    )
    assert weighted.tolist() == [1.0]
    assert np.isnan(r2(np.zeros(2), np.ones((3, 1)))).all()


def test_r2_is_unknown_for_a_target_that_is_constant_up_to_rounding():
    y = np.array([[0.1], [0.1], [0.1], [7.0]])
    assert y[:3].std() > 0
    assert np.isnan(r2(np.ones(2), y, np.array([1.0, 1.0, 1.0, 0.0]))).all()
    assert np.isfinite(r2(np.ones(2), y)).all()

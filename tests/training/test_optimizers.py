"""The optimizers of a recipe, for one network and for a stack."""

import math

import pytest
import torch
from torch import nn

from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import Recipe
from seedbed.training.torch.torch_recipe import clip_gradients, make_torch_optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_reference_uses_torchs_class_and_defaults(name):
    made = make_torch_optimizer(
        Recipe.tutorial(optimizer=name, lr=0.2), [torch.nn.Parameter(torch.zeros(1))]
    )
    assert type(made).__name__.lower() == name
    default = type(made)([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    assert made.defaults == default.defaults


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_each_networks_gradient_is_clipped_like_alone_in_torch(dtype):
    sizes = torch.tensor([0.0, 0.1, 1.0, 30.0, 1e25, math.nan, math.inf], dtype=dtype)
    grads = [
        (sizes * (1 + torch.rand(shape, dtype=dtype))).movedim(-1, 0)
        for shape in ((4, 2, 7), (4, 7), (7,))
    ]
    found = clip_gradients(grads, 2.5)
    for network in range(7):
        alone = [nn.Parameter(torch.zeros_like(g[network])) for g in grads]
        for parameter, g in zip(alone, grads, strict=True):
            parameter.grad = g[network].clone()
        nn.utils.clip_grad_norm_(alone, 2.5)
        for parameter, g in zip(alone, found, strict=True):
            torch.testing.assert_close(g[network], parameter.grad, equal_nan=True)
    norms = sum((g**2).reshape(7, -1).sum(1) for g in found).sqrt()
    assert norms[3].item() == pytest.approx(2.5, rel=1e-6)
    assert all(torch.equal(g[:2], was[:2]) for g, was in zip(found, grads, strict=True))

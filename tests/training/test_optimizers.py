"""The optimizers equal torch's, with a learning rate and a weight decay for each network."""

import math

import pytest
import torch
from torch import nn

from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import Recipe
from seedbed.training.schedules import clock
from seedbed.training.torch.optimizer_steps import clip_gradients, make_torch_optimizer, pick_optimizer

LR, DECAY = (0.1, 0.01, 0.0), (0.0, 0.3, 0.1)
VARIANTS = [
    *({"optimizer": name} for name in OPTIMIZERS),
    {"momentum": 0.9},
    {"momentum": 0.7, "nesterov": True},
    *({"optimizer": name, "decay_biases": False} for name in OPTIMIZERS),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_each_network_steps_like_torchs_optimizer_with_its_rates(variant):
    shapes = {"weight": (4, 2, 3), "bias": (4, 3), "number": (3,)}
    params = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
    steps = [{name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()} for _ in range(30)]
    lr, decay = torch.tensor(LR, dtype=torch.float64), torch.tensor(DECAY, dtype=torch.float64)
    start, optimizer = params, pick_optimizer(Recipe.tutorial(**variant))
    state = optimizer.init(params)
    for gradients, tick in zip(steps, torch.from_numpy(clock(30)), strict=True):
        params, state = optimizer.update(params, gradients, state, lr, decay, tick)
    for network in range(3):
        alone = {name: torch.nn.Parameter(value[..., network].clone()) for name, value in start.items()}
        recipe = Recipe.tutorial(**variant, lr=LR[network], weight_decay=DECAY[network])
        theirs = make_torch_optimizer(recipe, [*alone.values()])
        for gradients in steps:
            for name, parameter in alone.items():
                parameter.grad = gradients[name][..., network].clone()
            theirs.step()
        for name, parameter in alone.items():
            torch.testing.assert_close(params[name][..., network], parameter.detach(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_reference_uses_torchs_class_and_defaults(name):
    made = make_torch_optimizer(Recipe.tutorial(optimizer=name, lr=0.2), [torch.nn.Parameter(torch.zeros(1))])
    assert type(made).__name__.lower() == name
    default = type(made)([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    assert made.defaults == default.defaults


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_each_networks_gradient_is_clipped_like_alone_in_torch(dtype):
    sizes = torch.tensor([0.0, 0.1, 1.0, 30.0, 1e25, math.nan, math.inf], dtype=dtype)
    shapes = {"weight": (4, 2, 7), "bias": (4, 7), "number": (7,)}
    grads = {name: sizes * (1 + torch.rand(shape, dtype=dtype)) for name, shape in shapes.items()}
    found = clip_gradients(grads, torch.tensor(2.5, dtype=dtype))
    for network in range(7):
        alone = [nn.Parameter(torch.zeros_like(g[..., network])) for g in grads.values()]
        for parameter, g in zip(alone, grads.values(), strict=True):
            parameter.grad = g[..., network].clone()
        nn.utils.clip_grad_norm_(alone, 2.5)
        for parameter, g in zip(alone, found.values(), strict=True):
            torch.testing.assert_close(g[..., network], parameter.grad, equal_nan=True)
    norms = sum((g**2).reshape(-1, 7).sum(0) for g in found.values()).sqrt()
    assert norms[3].item() == pytest.approx(2.5, rel=1e-6)
    assert all(torch.equal(found[name][..., :2], grads[name][..., :2]) for name in grads)

"""Optimizers as pure functions of a step, and optimizers and schedules as torch has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from seedbed.settings.optimizers import OPTIMIZERS, Step, Tensors
from seedbed.settings.recipe import Recipe
from seedbed.training.schedules import steps_of

_CLIP_EPS = 1e-6


def clip_gradients(grads: Tensors, most: Tensor) -> Tensors:
    """Return each network's gradients, scaled down if their norm is above `most`, like
    `torch.nn.utils.clip_grad_norm_` for that network alone."""
    # `sum(())` would sum over all axes.
    squares = [(g * g).sum(tuple(range(g.dim() - 1))) if g.dim() > 1 else g * g for g in grads.values()]
    norm = torch.stack(squares).sum(0).sqrt()
    factor = (most / (norm + _CLIP_EPS)).clamp(max=1.0)
    return {name: g * factor for name, g in grads.items()}


def pick_optimizer(recipe: Recipe) -> Step:
    """Return the pure step of a recipe's optimizer. Learning rate and weight decay are arguments of each step."""

    def decays(stacked: Tensor) -> bool:
        return recipe.decay_biases or stacked.dim() > 2  # of a weight; one of the axes is the network

    return OPTIMIZERS[recipe.optimizer].step(recipe.momentum, recipe.nesterov, decays)


def make_torch_optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return the same optimizer of `torch.optim`, for the reference trainer."""
    lr = recipe.rate
    groups: list[Any] = list(parameters)
    if not recipe.decay_biases:
        weights, others = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() < 2]
        groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    optimizer = OPTIMIZERS[recipe.optimizer]
    more: dict[str, Any] = {"momentum": recipe.momentum, "nesterov": recipe.nesterov} if optimizer.has_momentum else {}
    made: torch.optim.Optimizer = getattr(torch.optim, optimizer.torch)(groups, lr, weight_decay=recipe.decay, **more)
    return made


def make_torch_schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, steps_an_epoch: int) -> LRScheduler | None:
    """Return the same schedule of torch for the reference trainer, to be stepped after each step."""
    total, rising = steps_of(recipe, steps_an_epoch)
    lr = recipe.rate
    if recipe.schedule == "onecycle":
        return OneCycleLR(optimizer, lr, total_steps=total, cycle_momentum=False)
    warmup = LinearLR(optimizer, 1 / (rising + 1), total_iters=rising) if rising else None
    if recipe.schedule == "constant":
        return warmup
    cosine = CosineAnnealingLR(optimizer, total - rising)
    return SequentialLR(optimizer, [warmup, cosine], [rising]) if warmup else cosine

"""Optimizers and learning rate schedules, as pure functions of a step and as torch has them.

Schedules equal their namesakes in `torch.optim.lr_scheduler`, stepped at every step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from seedbed.settings.optimizers import BETAS, OPTIMIZERS, Step, Tensors
from seedbed.settings.recipe import Recipe

_CLIP_EPS = 1e-6
# The defaults of `OneCycleLR`: a rise over the first 30 % from a 25th of the highest rate, and down to a 250,000th.
_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1 / 25 / 1e4


@functools.lru_cache(maxsize=4)
def clock(n_steps: int, dtype: torch.dtype) -> Tensor:
    """Return values that depend on the number of the step [step, 3]: whether it is the first, and Adam's 1 - b1^t and
    sqrt(1 - b2^t).

    They are computed in double precision, like those of `torch.optim`, and then cast.
    """
    rows = [(float(t == 1), 1.0 - BETAS[0] ** t, math.sqrt(1.0 - BETAS[1] ** t)) for t in range(1, n_steps + 1)]
    return torch.tensor(rows, dtype=torch.float64).to(dtype)


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


def rate_factors(recipe: Recipe, steps_an_epoch: int) -> Tensor | None:
    """Return the factor of the learning rate at each step in double precision [step], or None if it is constant.

    It depends on the step's number alone, so a resumed training continues with the right rate.
    """
    if not recipe.varies:
        return None
    total, rising = _steps(recipe, steps_an_epoch)
    course: dict[str, Callable[[int], float]] = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: _between(1.0, 0.0, step / (total - rising)),
        "onecycle": lambda step: _one_cycle(step, total),
    }
    after = course[recipe.schedule]
    steps = range(recipe.n_epochs * steps_an_epoch)
    factors = [(step + 1) / (rising + 1) if step < rising else after(step - rising) for step in steps]
    return torch.tensor(factors, dtype=torch.float64)


def make_torch_schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, steps_an_epoch: int) -> LRScheduler | None:
    """Return the same schedule of torch for the reference trainer, to be stepped after each step."""
    total, rising = _steps(recipe, steps_an_epoch)
    lr = recipe.rate
    if recipe.schedule == "onecycle":
        return OneCycleLR(optimizer, lr, total_steps=total, cycle_momentum=False)
    warmup = LinearLR(optimizer, 1 / (rising + 1), total_iters=rising) if rising else None
    if recipe.schedule == "constant":
        return warmup
    cosine = CosineAnnealingLR(optimizer, total - rising)
    return SequentialLR(optimizer, [warmup, cosine], [rising]) if warmup else cosine


def _steps(recipe: Recipe, steps_an_epoch: int) -> tuple[int, int]:
    """Return the steps of the whole schedule, and the steps of the linear warm-up, after which the rate is highest."""
    total = recipe.n_epochs * steps_an_epoch
    return total, min(round(recipe.warmup * total), total - 1)


def _one_cycle(step: int, total: int) -> float:
    height = _RISE * total - 1
    if step <= height:
        return _between(_FIRST, 1.0, step / height)
    return _between(1.0, _LAST, (step - height) / (total - 1 - height))


def _between(start: float, end: float, share: float) -> float:
    """Return the value of half a cosine from start to end."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

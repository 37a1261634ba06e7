"""Schedules of the learning rate, each equal to its namesake in `torch.optim.lr_scheduler`, stepped at every step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from seedbed.networks import Recipe

__all__ = ["make_torch_schedule", "rate_factors"]

# The defaults of `OneCycleLR`: a rise over the first 30 % from a 25th of the highest rate, and down to a 250,000th.
_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1 / 25 / 1e4


def rate_factors(recipe: Recipe, steps_an_epoch: int) -> Tensor | None:
    """What the learning rate is multiplied with [step], in double precision; none where it stays as it is.

    A step's number alone decides, so a training that goes on after a kill goes on with the right rate.
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
    steps = range(recipe.epochs * steps_an_epoch)
    factors = [(step + 1) / (rising + 1) if step < rising else after(step - rising) for step in steps]
    return torch.tensor(factors, dtype=torch.float64)


def make_torch_schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, steps_an_epoch: int) -> LRScheduler | None:
    """The same schedule out of `torch.optim.lr_scheduler`, for the reference trainer; to be stepped after each step."""
    total, rising = _steps(recipe, steps_an_epoch)
    (lr,) = recipe.lrs
    if recipe.schedule == "onecycle":
        return OneCycleLR(optimizer, lr, total_steps=total, cycle_momentum=False)
    warmup = LinearLR(optimizer, 1 / (rising + 1), total_iters=rising) if rising else None
    if recipe.schedule == "constant":
        return warmup
    cosine = CosineAnnealingLR(optimizer, total - rising)
    return SequentialLR(optimizer, [warmup, cosine], [rising]) if warmup else cosine


def _steps(recipe: Recipe, steps_an_epoch: int) -> tuple[int, int]:
    """How many steps the schedule is laid out for, and over how many of them the rate rises evenly: it reaches its
    height at the step that follows."""
    total = (recipe.horizon or recipe.epochs) * steps_an_epoch
    return total, min(round(recipe.warmup * total), total - 1)


def _one_cycle(step: int, total: int) -> float:
    height = _RISE * total - 1
    if step <= height:
        return _between(_FIRST, 1.0, step / height)
    return _between(1.0, _LAST, (step - height) / (total - 1 - height))


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from start to end."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

"""The optimizer of a recipe, as a pure step or as torch has it, and what a step needs besides."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from seedbed.networks import BETAS, OPTIMIZERS, Recipe, Step, Tensors

__all__ = ["clipped", "clock", "make_torch_optimizer", "pick_optimizer"]

_CLIP_EPS = 1e-6


def clock(n_steps: int, dtype: torch.dtype) -> Tensor:
    """What a step needs to know of its number [step, 3]: is it the first, Adam's 1 - b1^t and sqrt(1 - b2^t).

    They are computed in double precision as `torch.optim` does, then cast.
    """
    rows = [(float(t == 1), 1.0 - BETAS[0] ** t, math.sqrt(1.0 - BETAS[1] ** t)) for t in range(1, n_steps + 1)]
    return torch.tensor(rows, dtype=torch.float64).to(dtype)


def clipped(grads: Tensors, most: Tensor) -> Tensors:
    """Each network's gradients, scaled down where their norm is above `most`; equals `torch.nn.utils.clip_grad_norm_`
    for that network alone."""
    # A sum over no axis would be one over all.
    squares = [(g * g).sum(tuple(range(g.dim() - 1))) if g.dim() > 1 else g * g for g in grads.values()]
    norm = torch.stack(squares).sum(0).sqrt()
    factor = (most / (norm + _CLIP_EPS)).clamp(max=1.0)
    return {name: g * factor for name, g in grads.items()}


def pick_optimizer(recipe: Recipe) -> Step:
    """Return the pure step of a recipe's optimizer. Learning rate and weight decay are given at each step instead."""
    decays = _all_decay if recipe.decay_biases else _weights_decay
    return OPTIMIZERS[recipe.optimizer].step(recipe.momentum, recipe.nesterov, decays)


def make_torch_optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return the same optimizer of `torch.optim`, for the reference trainer."""
    (lr,) = recipe.lrs
    groups: list[Any] = list(parameters)
    if not recipe.decay_biases:
        weights, others = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() < 2]
        groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    optimizer = OPTIMIZERS[recipe.optimizer]
    own: dict[str, Any] = {"momentum": recipe.momentum, "nesterov": recipe.nesterov} if optimizer.has_momentum else {}
    made: torch.optim.Optimizer = getattr(torch.optim, optimizer.torch)(groups, lr, weight_decay=recipe.decay, **own)
    return made


def _all_decay(stacked: Tensor) -> bool:
    return True


def _weights_decay(stacked: Tensor) -> bool:
    return stacked.dim() > 2  # one of them is the network

"""Optimizers as pure functions over stacked parameters, each equal to its namesake in `torch.optim`.

Parameters and gradients are `[..., network]`; learning rate and weight decay are `[network]`, so networks that differ
in them share a stack. The state is a tuple of mappings like the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seedbed.networks import Recipe

__all__ = ["Tensors", "clipped", "clock", "make_torch_optimizer", "pick_optimizer"]

Tensors = dict[str, Tensor]
State = tuple[Tensors, ...]
Decays = Callable[[Tensor], bool]
"""Whether weight decay is for a stacked parameter."""

_BETAS = (0.9, 0.999)
_EPS = 1e-8
_CLIP_EPS = 1e-6


@dataclass(frozen=True)
class Optimizer:
    """One step of an optimizer, without side effects.

    Attributes:
        init: parameters to the state before the first step.
        update: (parameters, gradients, state, lr, weight_decay, clock of this step) to (parameters, state).
    """

    init: Callable[[Tensors], State]
    update: Callable[[Tensors, Tensors, State, Tensor, Tensor, Tensor], tuple[Tensors, State]]


def clock(n_steps: int, dtype: torch.dtype) -> Tensor:
    """What a step needs to know of its number [step, 3]: is it the first, Adam's 1 - b1^t and sqrt(1 - b2^t).

    They are computed in double precision as `torch.optim` does, then cast.
    """
    rows = [(float(t == 1), 1.0 - _BETAS[0] ** t, math.sqrt(1.0 - _BETAS[1] ** t)) for t in range(1, n_steps + 1)]
    return torch.tensor(rows, dtype=torch.float64).to(dtype)


def clipped(grads: Tensors, most: Tensor) -> Tensors:
    """Each network's gradients, scaled down where their norm is above `most`; equals `torch.nn.utils.clip_grad_norm_`
    for that network alone."""
    # A sum over no axis would be one over all.
    squares = [(g * g).sum(tuple(range(g.dim() - 1))) if g.dim() > 1 else g * g for g in grads.values()]
    norm = torch.stack(squares).sum(0).sqrt()
    factor = (most / (norm + _CLIP_EPS)).clamp(max=1.0)
    return {name: g * factor for name, g in grads.items()}


def pick_optimizer(recipe: Recipe) -> Optimizer:
    """The pure optimizer of a recipe. Its learning rate and weight decay are given at each step instead."""
    decays = _all_decay if recipe.decay_biases else _weights_decay
    if recipe.optimizer == "sgd":
        return _sgd(recipe.momentum, recipe.nesterov, decays)
    return _adam(decays, decoupled=recipe.optimizer == "adamw")


def make_torch_optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The same optimizer out of `torch.optim`, for the reference trainer."""
    (lr,) = recipe.lrs
    groups: list[Any] = list(parameters)
    if not recipe.decay_biases:
        weights, others = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() < 2]
        groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.decay
        )
    cls = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return cls(groups, lr, weight_decay=recipe.decay)


def _all_decay(stacked: Tensor) -> bool:
    return True


def _weights_decay(stacked: Tensor) -> bool:
    return stacked.dim() > 2  # one of them is the network


def _sgd(momentum: float, nesterov: bool, decays: Decays) -> Optimizer:
    def init(params: Tensors) -> State:
        return ({name: torch.zeros_like(p) for name, p in params.items()},) if momentum else ()

    def update(
        params: Tensors, grads: Tensors, state: State, lr: Tensor, decay: Tensor, now: Tensor
    ) -> tuple[Tensors, State]:
        steps = {name: grads[name] + decay * p if decays(p) else grads[name] for name, p in params.items()}
        if momentum:
            # torch starts the buffer at the first gradient itself; from zeros, momentum * 0 + g is the same number.
            buffers = {name: momentum * state[0][name] + g for name, g in steps.items()}
            steps = {name: g + momentum * buffers[name] for name, g in steps.items()} if nesterov else buffers
            state = (buffers,)
        return {name: p - lr * steps[name] for name, p in params.items()}, state

    return Optimizer(init, update)


def _adam(decays: Decays, *, decoupled: bool) -> Optimizer:
    beta1, beta2 = _BETAS

    def init(params: Tensors) -> State:
        zeros = {name: torch.zeros_like(p) for name, p in params.items()}
        return zeros, {name: torch.zeros_like(p) for name, p in params.items()}

    def update(
        params: Tensors, grads: Tensors, state: State, lr: Tensor, decay: Tensor, now: Tensor
    ) -> tuple[Tensors, State]:
        correction1, root_correction2 = now[1], now[2]
        new, first, second = {}, {}, {}
        for name, p in params.items():
            g = grads[name]
            if decays(p):
                if decoupled:
                    p = p * (1 - lr * decay)
                else:
                    g = g + decay * p
            first[name] = state[0][name] + (1 - beta1) * (g - state[0][name])
            second[name] = beta2 * state[1][name] + (1 - beta2) * g * g
            root = second[name].sqrt() / root_correction2 + _EPS
            new[name] = p - (lr / correction1) * first[name] / root
        return new, (first, second)

    return Optimizer(init, update)

"""Losses, optimizers and schedules of a recipe, as torch has them.

Targets of losses have the shape of the outputs, `[..., row, output]`: zeros and ones for `bce`,
one-hot rows for `cross_entropy`, numbers for `mse`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)

from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import Recipe
from seedbed.training.schedules import steps_of

_CLIP_EPS = 1e-6


@dataclass(frozen=True)
class TorchLoss:
    """A loss.

    Attributes:
        module: torch's loss, the mean over rows, for one network.
        measure: from outputs and targets `[..., row, output]` to losses `[..., row]`.
        hits: from outputs and targets to 1 if a row is predicted correctly, else 0, `[..., row]`;
            None for regression.
        smooth: from targets and a share to targets of which this share is spread evenly over all
            classes.
    """

    module: type[nn.Module]
    measure: Callable[[Tensor, Tensor], Tensor]
    hits: Callable[[Tensor, Tensor], Tensor] | None = None
    smooth: Callable[[Tensor, float], Tensor] = lambda y, share: y


TORCH_LOSSES = {
    "bce": TorchLoss(
        nn.BCEWithLogitsLoss,
        lambda z, y: F.binary_cross_entropy_with_logits(
            z, y.expand_as(z), reduction="none"
        ).mean(-1),
        # round(sigmoid(z)) == y; rounding half to even makes a logit of zero a 0.
        lambda z, y: ((z > 0) == y).all(-1).to(z.dtype),
        lambda y, share: y * (1 - share) + share / 2,
    ),
    "cross_entropy": TorchLoss(
        nn.CrossEntropyLoss,
        lambda z, y: -(torch.log_softmax(z, -1) * y).sum(-1),
        lambda z, y: (z.argmax(-1) == y.argmax(-1)).to(z.dtype),
        lambda y, share: y * (1 - share) + share / y.shape[-1],
    ),
    "mse": TorchLoss(nn.MSELoss, lambda z, y: ((z - y) ** 2).mean(-1)),
}
"""By the names of `LOSSES`."""


def clip_gradients(grads: list[Tensor], most: float) -> list[Tensor]:
    """Return each network's gradients [network, ...], scaled down if their norm is above `most`,
    like `torch.nn.utils.clip_grad_norm_` for that network alone."""
    norm = (
        torch.stack(
            [(g * g).flatten(1).sum(1) if g.dim() > 1 else g * g for g in grads]
        )
        .sum(0)
        .sqrt()
    )
    factor = (most / (norm + _CLIP_EPS)).clamp(max=1.0)
    return [g * factor.reshape(-1, *[1] * (g.dim() - 1)) for g in grads]


def make_torch_optimizer(
    recipe: Recipe, parameters: Sequence[Tensor], *, stacked: bool = False
) -> Optimizer:
    """Return a recipe's optimizer. It treats each number alone, so `stacked` parameters [network,
    ...] train alike."""
    groups: list[Any] = list(parameters)
    if not recipe.decay_biases:
        weights, others = (
            [p for p in parameters if (p.dim() - stacked > 1) == w]
            for w in (True, False)
        )
        groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    optimizer = OPTIMIZERS[recipe.optimizer]
    more: dict[str, Any] = (
        {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        if optimizer.has_momentum
        else {}
    )
    more |= {"foreach": True} if stacked else {}
    kind: type[Optimizer] = getattr(torch.optim, optimizer.torch)
    return kind(groups, lr=recipe.rate, weight_decay=recipe.decay, **more)  # type: ignore[call-arg]


def make_torch_schedule(
    recipe: Recipe, optimizer: Optimizer, steps_an_epoch: int
) -> LRScheduler | None:
    """Return a recipe's schedule, to be stepped after each step; None for a constant rate."""
    total, rising = steps_of(recipe, steps_an_epoch)
    if recipe.schedule == "onecycle":
        return OneCycleLR(
            optimizer, recipe.rate, total_steps=total, cycle_momentum=False
        )
    warmup = (
        LinearLR(optimizer, 1 / (rising + 1), total_iters=rising) if rising else None
    )
    if recipe.schedule == "constant":
        return warmup
    cosine = CosineAnnealingLR(optimizer, total - rising)
    return SequentialLR(optimizer, [warmup, cosine], [rising]) if warmup else cosine

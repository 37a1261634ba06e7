"""Losses as torch computes them.

Targets have the shape of the outputs, `[..., row, output]`: zeros and ones for `bce`, one-hot rows for `cross_entropy`,
numbers for `mse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TorchLoss:
    """A loss.

    Attributes:
        module: torch's loss, the mean over rows, for one network.
        measure: from outputs and targets `[..., row, output]` to losses `[..., row]`.
        hits: from outputs and targets to 1 if a row is predicted correctly, else 0, `[..., row]`; None for regression.
        smooth: from targets and a share to targets of which this share is spread evenly over all classes.
    """

    module: type[nn.Module]
    measure: Callable[[Tensor, Tensor], Tensor]
    hits: Callable[[Tensor, Tensor], Tensor] | None = None
    smooth: Callable[[Tensor, float], Tensor] = lambda y, share: y


TORCH_LOSSES = {
    "bce": TorchLoss(
        nn.BCEWithLogitsLoss,
        lambda z, y: F.binary_cross_entropy_with_logits(z, y.expand_as(z), reduction="none").mean(-1),
        # round(sigmoid(z)) == y; rounding half to even makes a logit of zero a 0.
        lambda z, y: ((z > 0).to(z.dtype) == y).to(z.dtype).amin(-1),
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

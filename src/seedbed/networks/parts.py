"""Parts of networks that torch doesn't have, as plain modules."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Residual"]


class Residual(nn.Sequential):
    """Layers that add to what they are given: `x + layers(x)`. Their output is as wide as their input.

    >>> Residual(nn.Linear(4, 4), nn.ReLU())(torch.zeros(2, 4)).shape
    torch.Size([2, 4])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added = x
        for layer in self:
            added = layer(added)
        return x + added

"""Parts of networks that torch doesn't have, as plain modules.

An exported page holds their source code as it stands here, so lines are as short as there, and need torch alone.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["PeriodicEmbedding", "Residual"]


class PeriodicEmbedding(nn.Module):
    """Each input x and, behind all of them, what it is embedded in:
    `relu(weight @ [sin(2 pi c x), cos(2 pi c x)] + bias)`.

    Every input has frequencies c, weight and bias of its own; all are trained.

    >>> PeriodicEmbedding(3, units=8)(torch.zeros(2, 3)).shape
    torch.Size([2, 27])

    Args:
        n_features: inputs of a row.
        units: numbers that each is embedded in.
        n_frequencies: of each input.
        sigma: standard deviation of the frequencies at first.
    """

    def __init__(
        self,
        n_features: int,
        units: int,
        n_frequencies: int = 16,
        sigma: float = 0.1,
    ) -> None:
        super().__init__()
        frequencies = sigma * torch.randn(n_features, n_frequencies)
        weight = torch.empty(n_features, units, 2 * n_frequencies)
        bias = torch.empty(n_features, units)
        bound = (2 * n_frequencies) ** -0.5  # that of nn.Linear
        self.frequencies = nn.Parameter(frequencies)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound))
        self.bias = nn.Parameter(bias.uniform_(-bound, bound))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angles = 2 * torch.pi * self.frequencies * x[:, :, None]
        waves = torch.cat([angles.sin(), angles.cos()], 2)  # [row, feature, wave]
        embedded = torch.einsum("rfk,fuk->rfu", waves, self.weight) + self.bias
        return torch.cat([x, embedded.relu().flatten(1)], 1)


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

"""Parts of networks that torch doesn't have, as plain modules.

An exported page holds their source code as it stands here, so lines are as short as there, and need torch alone.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["PeriodicEmbedding", "PiecewiseLinearEncoding", "Residual"]


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


class PiecewiseLinearEncoding(nn.Module):
    """How far each input has come through each of its bins: 0 before it, 1 behind it.

    The first bin goes on below its edge, the last above. A bin without width gives 0.
    Until it has looked at rows, the bins are of one width from -2 to 2.

    >>> PiecewiseLinearEncoding(3, bins=8)(torch.zeros(2, 3)).shape
    torch.Size([2, 24])

    Args:
        n_features: inputs of a row.
        bins: of each input.
    """

    edges: torch.Tensor

    def __init__(self, n_features: int, bins: int) -> None:
        super().__init__()
        edges = torch.linspace(-2, 2, bins + 1)
        self.register_buffer("edges", edges.repeat(n_features, 1))

    def look_at(self, X: torch.Tensor) -> None:
        """Lay the edges at quantiles of training rows X [row, feature].

        An edge that all but meets the one before it is left out: it would split equal
        numbers, or such as differ by rounding. So a flag has one bin.
        """
        places = torch.linspace(0, len(X) - 1, self.edges.shape[1], device=X.device)
        quantiles = X.sort(0).values[places.round().long()].T
        apart = quantiles.diff() > 1e-4 * X.std(0, correction=0)[:, None]
        least = quantiles[:, :1]
        later = torch.where(apart, quantiles[:, 1:], least)
        self.edges.copy_(torch.cat([least, later], 1).sort(1).values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.edges[:, :-1], self.edges[:, 1:]
        width = torch.where(right > left, right - left, torch.inf)
        least = torch.where(left > self.edges[:, :1], 0.0, -torch.inf)
        most = torch.where(right < self.edges[:, -1:], 1.0, torch.inf)
        come = (x[:, :, None] - left) / width  # [row, feature, bin]
        return come.clamp(least, most).flatten(1)


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

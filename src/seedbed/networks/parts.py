"""Modules that torch doesn't have."""

from __future__ import annotations

import torch
from torch import nn

from seedbed.networks.activations import ALL_ACTIVATIONS


class Embeddings(nn.ModuleList):
    """Apply layers to some of the inputs each. The other inputs come first, unchanged,
    followed by the outputs of the layers.

    >>> Embeddings(5, [[0, 2], [3]], [nn.Linear(2, 4), nn.Linear(1, 2)])(torch.zeros(2, 5)).shape
    torch.Size([2, 8])

    Args:
        n_features: inputs of a row.
        inputs: indices of the inputs that each layer takes; none is taken twice.
        layers: one per entry of `inputs`, from [row, input] to [row, unit].
    """

    def __init__(
        self,
        n_features: int,
        inputs: list[list[int]],
        layers: list[nn.Module],
    ) -> None:
        super().__init__(layers)
        self.n_features = n_features
        self.inputs = inputs
        encoded = {place for group in inputs for place in group}
        self.others = [place for place in range(n_features) if place not in encoded]

    def look_at(self, X: torch.Tensor) -> None:
        """Show training rows X [row, feature] to the layers that have `look_at`."""
        for places, layer in zip(self.inputs, self, strict=True):
            if callable(look := getattr(layer, "look_at", None)):
                look(X[:, places])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        encoded = [layer(x[:, at]) for at, layer in zip(self.inputs, self, strict=True)]
        return torch.cat([x[:, self.others], *encoded], 1)


class PeriodicEmbedding(nn.Module):
    """Add periodic features to the inputs: all inputs x, then for each of them
    `relu(weight @ [sin(2 pi c x), cos(2 pi c x)] + bias)`.

    Each input has its own frequencies c, weight and bias; all are trained.

    >>> PeriodicEmbedding(3, units=8)(torch.zeros(2, 3)).shape
    torch.Size([2, 27])

    Args:
        n_features: inputs of a row.
        units: features added per input.
        n_frequencies: frequencies per input.
        sigma: initial standard deviation of the frequencies.
    """

    def __init__(
        self,
        n_features: int,
        units: int,
        n_frequencies: int = 16,
        sigma: float = 0.1,
    ) -> None:
        super().__init__()
        self.n_features, self.units = n_features, units
        self.n_frequencies = n_frequencies
        frequencies = torch.empty(n_features, n_frequencies)
        if not frequencies.is_meta:  # there, it would load the compiler for nothing
            frequencies.normal_(0, sigma)
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
    """Replace each input by its position in each bin: 0 below the bin, 1 above it.

    The first and the last bin continue beyond their edges. A bin without width gives 0.
    Before `look_at`, the bins have equal widths from -2 to 2.

    >>> PiecewiseLinearEncoding(3, bins=8)(torch.zeros(2, 3)).shape
    torch.Size([2, 24])

    Args:
        n_features: inputs of a row.
        bins: bins per input.
    """

    edges: torch.Tensor

    def __init__(self, n_features: int, bins: int) -> None:
        super().__init__()
        self.n_features, self.bins = n_features, bins
        edges = torch.linspace(-2, 2, bins + 1)
        self.register_buffer("edges", edges.repeat(n_features, 1))

    def look_at(self, X: torch.Tensor) -> None:
        """Set the edges to quantiles of training rows X [row, feature].

        A value with more rows than one bin's share counts as one share, so that the
        edges spread over the other values. An edge very close to the one before it is
        dropped, because it would split numbers that are equal up to rounding. So a
        flag has one bin.
        """
        n_bins = self.edges.shape[1] - 1
        values = X.sort(0).values
        rows = torch.arange(len(X), device=X.device)[:, None].expand_as(values)
        starts = torch.ones_like(values, dtype=torch.bool)
        starts[1:] = values[1:] != values[:-1]
        first = torch.where(starts, rows, 0).cummax(0).values  # of the equal values
        counts = torch.zeros_like(first).scatter_add_(0, first, torch.ones_like(first))
        heavy = counts.gather(0, first) * n_bins > len(X)
        share = (~heavy).sum(0) // (n_bins - (heavy & starts).sum(0))
        # How many of the rows up to each count [row, feature].
        counted = (~heavy | (rows - first < share.clamp(min=1))).cumsum(0)
        places = torch.linspace(0, 1, n_bins + 1, device=X.device)
        wanted = (places * (counted[-1:].T - 1)).round().long() + 1
        places = torch.searchsorted(counted.T.contiguous(), wanted)
        quantiles = values.gather(0, places.T).T
        differ = quantiles.diff() > 1e-4 * X.std(0, correction=0)[:, None]
        least = quantiles[:, :1]
        later = torch.where(differ, quantiles[:, 1:], least)
        self.edges.copy_(torch.cat([least, later], 1).sort(1).values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.edges[:, :-1], self.edges[:, 1:]
        width = torch.where(right > left, right - left, torch.inf)
        least = torch.where(left > self.edges[:, :1], 0.0, -torch.inf)
        most = torch.where(right < self.edges[:, -1:], 1.0, torch.inf)
        come = (x[:, :, None] - left) / width  # [row, feature, bin]
        return come.clamp(least, most).flatten(1)


class Residual(nn.Sequential):
    """Add the outputs of layers to their inputs: `x + layers(x)`. Both have one width.

    >>> Residual(nn.Linear(4, 4), nn.ReLU())(torch.zeros(2, 4)).shape
    torch.Size([2, 4])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added = x
        for layer in self:
            added = layer(added)
        return x + added


_BY_CLASS = {getattr(nn, entry.torch): name for name, entry in ALL_ACTIVATIONS.items() if name != "gelu_tanh"}


def activation_of(module: object) -> tuple[str, tuple[float, ...]] | None:
    """Return the name and the arguments of an activation's module, or None if it is none."""
    name = _BY_CLASS.get(type(module))
    if name is None:
        return None
    if name == "gelu" and getattr(module, "approximate", "none") == "tanh":
        name = "gelu_tanh"
    return name, tuple(float(getattr(module, key)) for key, _ in ALL_ACTIVATIONS[name].arguments)

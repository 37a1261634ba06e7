"""Networks in words as modules of torch, among them modules that torch doesn't have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from seedbed.networks import embedding_layers, layers
from seedbed.networks.activations import ALL_ACTIVATIONS
from seedbed.networks.layers import Array
from seedbed.networks.network import Network


class Embeddings(nn.ModuleList):
    """The module of `embedding_layers.Embeddings`.

    >>> Embeddings(5, [[0, 2], [3]], [nn.Linear(2, 4), nn.Linear(1, 2)])(torch.zeros(2, 5)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self, n_features: int, inputs: list[list[int]], layers: list[nn.Module]
    ) -> None:
        super().__init__(layers)
        self.n_features = n_features
        self.inputs = inputs
        encoded = {index for group in inputs for index in group}
        self.others = [index for index in range(n_features) if index not in encoded]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        encoded = [layer(x[:, at]) for at, layer in zip(self.inputs, self, strict=True)]
        return torch.cat([x[:, self.others], *encoded], 1)


class PeriodicEmbedding(nn.Module):
    """The module of `embedding_layers.Periodic`.

    >>> PeriodicEmbedding(3, units=8)(torch.zeros(2, 3)).shape
    torch.Size([2, 27])
    """

    def __init__(self, n_features: int, units: int, n_frequencies: int = 16) -> None:
        super().__init__()
        self.n_features = n_features
        self.units = units
        self.n_frequencies = n_frequencies
        self.frequencies = nn.Parameter(torch.zeros(n_features, n_frequencies))
        self.weight = nn.Parameter(torch.zeros(n_features, units, 2 * n_frequencies))
        self.bias = nn.Parameter(torch.zeros(n_features, units))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angles = 2 * torch.pi * self.frequencies * x[:, :, None]
        waves = torch.cat([angles.sin(), angles.cos()], 2)  # [row, feature, wave]
        embedded = torch.einsum("rfk,fuk->rfu", waves, self.weight) + self.bias
        return torch.cat(
            [x, F.threshold(embedded, 0, 0).flatten(1)], 1
        )  # no unit behind it counts as dead


class PiecewiseLinearEncoding(nn.Module):
    """The module of `embedding_layers.Piecewise`. The edges of bins are those of its state.

    >>> PiecewiseLinearEncoding(3, bins=8)(torch.zeros(2, 3)).shape
    torch.Size([2, 24])
    """

    edges: torch.Tensor

    def __init__(self, n_features: int, bins: int) -> None:
        super().__init__()
        self.n_features, self.bins = n_features, bins
        self.register_buffer(
            "edges", torch.linspace(-2, 2, bins + 1).repeat(n_features, 1)
        )

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


class SmoothClip(nn.Module):
    """Compress inputs between -limit and limit: `x / sqrt(1 + (x / limit)^2)`. Small inputs hardly
    change.

    >>> SmoothClip(3.0)(torch.tensor([0.0, 4.0]))
    tensor([0.0000, 2.4000])
    """

    def __init__(self, limit: float = 3.0) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / (1 + (x / self.limit) ** 2).sqrt()


_BY_CLASS = {
    getattr(nn, entry.torch): name
    for name, entry in ALL_ACTIVATIONS.items()
    if name != "gelu_tanh"
}


def activation_of(module: object) -> tuple[str, tuple[float, ...]] | None:
    """Return the name and the arguments of an activation's module, or None if it is none."""
    name = _BY_CLASS.get(type(module))
    if name is None:
        return None
    if name == "gelu" and getattr(module, "approximate", "none") == "tanh":
        name = "gelu_tanh"
    return name, tuple(
        float(getattr(module, key)) for key, _ in ALL_ACTIVATIONS[name].arguments
    )


def new_module(network: Network) -> nn.Sequential:
    """Return the network as a module, with start values of torch's own layers."""
    return nn.Sequential(*map(_module, network.layers))


def module_of(
    network: Network, state: Mapping[str, Array], clip: float = 0.0
) -> nn.Sequential:
    """Return the network as a module with this state, by names in a `state_dict`, behind a
    `SmoothClip` if `clip` gives its limit."""
    with torch.device("meta"):  # takes no memory, and draws no random numbers
        module = new_module(network)
    module.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in state.items()},
        assign=True,
    )
    return nn.Sequential(SmoothClip(clip), module) if clip else module


def started_module(
    network: Network, seed: int, rows: Array | None = None
) -> nn.Sequential:
    """Return the network as a module before its first step; the rows [row, input] are those that it
    may look at."""
    start = network.start([seed], None if rows is None else [rows])
    return module_of(
        network, {name: value[0] for name, value in start.items()}
    ).requires_grad_()


def _module(layer: layers.Layer) -> nn.Module:
    return _MODULES[type(layer)](layer)


def activation_module(name: str, arguments: tuple[float, ...] = ()) -> nn.Module:
    """Return the module of an activation that treats each number by itself."""
    entry = ALL_ACTIVATIONS[name]
    fixed = {"approximate": "tanh"} if name == "gelu_tanh" else {}
    names = (key for key, _ in entry.arguments)
    module: nn.Module = getattr(nn, entry.torch)(
        **fixed, **dict(zip(names, arguments, strict=True))
    )
    return module


def _embeddings(layer: embedding_layers.Embeddings) -> Embeddings:
    n_features = len(layer.others) + sum(map(len, layer.inputs))
    return Embeddings(
        n_features, [*map(list, layer.inputs)], [*map(_module, layer.layers)]
    )


_MODULES: Mapping[type[layers.Layer], Callable[[Any], nn.Module]] = {
    layers.Linear: lambda layer: nn.Linear(layer.n_inputs, layer.units, layer.bias),
    layers.Elementwise: lambda layer: activation_module(
        layer.activation, layer.arguments
    ),
    layers.Dropout: lambda layer: nn.Dropout(layer.share),
    layers.LayerNorm: lambda layer: nn.LayerNorm(
        layer.units, layer.eps, layer.affine, layer.bias
    ),
    layers.BatchNorm: lambda layer: nn.BatchNorm1d(layer.units, layer.eps),
    layers.Residual: lambda layer: Residual(*map(_module, layer.layers)),
    embedding_layers.Periodic: lambda layer: PeriodicEmbedding(
        layer.n_inputs, layer.units, layer.n_frequencies
    ),
    embedding_layers.Piecewise: lambda layer: PiecewiseLinearEncoding(
        layer.n_inputs, layer.bins
    ),
    embedding_layers.Embeddings: _embeddings,
}
"""The module of each layer."""

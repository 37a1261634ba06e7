"""Layers of torch and of ours, for a whole stack: the same arithmetic with one more axis, `network`, which is last.

Activations are `[row, unit, network]`, so every elementwise operation runs along networks in full vectors, however
narrow the layer. Parameters are `[..., network]`; a linear weight is stored as `[unit_in, unit_out, network]`.

To teach the stack a new layer, add a class here and an entry in `_READERS`. The engine's laws are then tested for it
against the layer of torch. An elementwise activation needs an entry in `networks.activations` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seedbed.networks import Embeddings as EmbeddingsModule
from seedbed.networks import PeriodicEmbedding, PiecewiseLinearEncoding, activation_of
from seedbed.networks import Residual as ResidualModule
from seedbed.settings import Tensors
from seedbed.training.embeddings import Periodic, Piecewise, parted
from seedbed.training.hooks import has_hooks
from seedbed.training.inputs import Inputs, folded
from seedbed.training.randomness import dropped, layer_noise, sloped
from seedbed.training.stack import Pass

__all__ = ["OWN", "StackedLayer", "alone", "stacked_layer", "through"]


def batched_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [row, unit_in, network], weight [unit_in, unit_out, network], bias [unit_out, network], if any.

    It is quickest where memory is in the opposite order of the axes' names: the network axis varies slowest.
    """
    left, right = x.permute(2, 0, 1), weight.permute(2, 0, 1)
    product = torch.bmm(left, right) if bias is None else torch.baddbmm(bias.t()[:, None], left, right)
    return product.permute(1, 2, 0)


@dataclass(frozen=True)
class Linear:
    name: str
    units: int
    bias: bool

    def first(self, inputs: Inputs, values: Tensors, now: Pass) -> Tensor:
        """The layer that sees the table: one matmul for all networks, what a split makes of the table folded in."""
        weight, bias = folded(inputs, values[self.name + "weight"], values[self.name + "bias"] if self.bias else None)
        if now.placement == "network_first":
            x = torch.bmm(inputs.X.expand(weight.shape[2], -1, -1), weight.permute(2, 0, 1)).permute(1, 2, 0)
        else:
            x = (inputs.X @ weight.flatten(1)).reshape(-1, *weight.shape[1:])
        return x if bias is None else x + bias

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        weight = values[self.name + "weight"]
        bias = values[self.name + "bias"] if self.bias else None
        if self.units == 1:
            x = (x * weight[:, 0]).sum(1, keepdim=True)
        else:
            return batched_product(x, weight, bias)
        return x if bias is None else x + bias


@dataclass(frozen=True)
class Elementwise:
    """Any module or function that treats each number by itself. Two are equal if they read alike."""

    text: str
    function: Callable[[Tensor], Tensor] = field(compare=False, hash=False, repr=False)

    @property
    def is_relu(self) -> bool:
        """Whether it is zero for all negative numbers, so that a unit behind it can die."""
        return self.text.lower().startswith("relu(")

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        return self.function(x)


@dataclass(frozen=True)
class PReLU:
    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        return torch.where(x >= 0, x, x * values[self.name + "weight"])


@dataclass(frozen=True)
class OverUnits:
    """Softmax and its kin, along the units of a row."""

    kind: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        if self.kind == "GLU":
            return F.glu(x, 1)
        if self.kind == "LogSoftmax":
            return torch.log_softmax(x, 1)
        return torch.softmax(-x if self.kind == "Softmin" else x, 1)


@dataclass(frozen=True)
class Dropout:
    number: int
    share: float

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        if not now.training:
            return x
        return dropped(x, _noise(self.number, x, now), self.share)


@dataclass(frozen=True)
class RReLU:
    number: int
    lower: float
    upper: float

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        if not now.training:
            return torch.where(x >= 0, x, x * ((self.lower + self.upper) / 2))
        return sloped(x, _noise(self.number, x, now), self.lower, self.upper)


def _noise(number: int, x: Tensor, now: Pass) -> Tensor:
    """What a layer, by its number, draws for x; it lies in memory as x does."""
    first = now.placement == "network_first"
    return layer_noise(now.keys, now.step, number, now.rows, x.shape[1], network_first=first)


@dataclass(frozen=True)
class LayerNorm:
    name: str
    eps: float
    affine: bool
    bias: bool

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        x = centred * torch.rsqrt((centred * centred).mean(1, keepdim=True) + self.eps)
        if self.affine:
            x = x * values[self.name + "weight"]
        return x + values[self.name + "bias"] if self.bias else x


@dataclass(frozen=True)
class BatchNorm1d:
    """Batch statistics are those of the rows that count for each network."""

    name: str
    eps: float
    momentum: float
    affine: bool

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        mean, variance = values[self.name + "running_mean"], values[self.name + "running_var"]
        if now.training:
            there = (now.weights > 0).to(x.dtype)[:, None]
            n = there.sum(0)
            batch_mean = (x * there).sum(0) / n
            batch_variance = ((x - batch_mean) ** 2 * there).sum(0) / n
            unbiased = batch_variance.detach() * (n / (n - 1).clamp(min=1))
            updates[self.name + "running_mean"] = mean + self.momentum * (batch_mean.detach() - mean)
            updates[self.name + "running_var"] = variance + self.momentum * (unbiased - variance)
            tracked = self.name + "num_batches_tracked"
            updates[tracked] = values[tracked] + 1
            mean, variance = batch_mean, batch_variance
        x = (x - mean) * torch.rsqrt(variance + self.eps)
        return x * values[self.name + "weight"] + values[self.name + "bias"] if self.affine else x


@dataclass(frozen=True)
class Residual:
    """Layers that add to what they are given."""

    layers: tuple[StackedLayer, ...]

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        return x + through(self.layers, x, values, now, updates)


@dataclass(frozen=True)
class Embeddings:
    """Layers of which each takes some of the inputs; the others come first."""

    inputs: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]
    layers: tuple[StackedLayer, ...]

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        pairs = zip(self.inputs, self.layers, strict=True)
        given = [layer(parted(x, own), values, now, updates) for own, layer in pairs]
        parts = [part.permute(2, 1, 0) for part in (parted(x, self.others), *given)]
        return torch.cat(parts, 1).permute(2, 1, 0)


StackedLayer = (
    Linear
    | Elementwise
    | PReLU
    | OverUnits
    | Dropout
    | RReLU
    | LayerNorm
    | BatchNorm1d
    | Residual
    | Embeddings
    | Periodic
    | Piecewise
)


def through(
    layers: Sequence[StackedLayer],
    x: Tensor,
    values: Tensors,
    now: Pass,
    updates: Tensors,
    tell: Callable[[StackedLayer, Tensor], None] | None = None,
) -> Tensor:
    """x, passed through layers one after the other; `tell` is told what each gives, those inside others, too."""
    for layer in layers:
        if tell is not None and isinstance(layer, Residual):
            x = x + through(layer.layers, x, values, now, updates, tell)
        else:
            x = layer(x, values, now, updates)
        if tell is not None:
            tell(layer, x)
    return x


def alone(layers: Sequence[StackedLayer]) -> Iterator[StackedLayer]:
    """The layers that hold no others, those inside others, too."""
    for layer in layers:
        if isinstance(layer, Residual | Embeddings):
            yield from alone(layer.layers)
        else:
            yield layer


def stacked_layer(name: str, module: nn.Module, numbers: dict[str, int]) -> StackedLayer | None:
    """Return the stacked twin of a module, or none where there isn't one.

    Classes count exactly: a subclass of the user's own may do anything.

    Args:
        name: the module's qualified name with a dot behind it (or nothing).
        numbers: of the modules that draw, see `randomness.drawn_modules`.
    """
    if has_hooks(module):
        return None
    entry = activation_of(module)
    if entry is not None and entry.elementwise:
        return Elementwise(repr(module), module)
    read = _READERS.get(type(module))
    return None if read is None else read(name, module, numbers)


def _inner(name: str, module: nn.Module, numbers: dict[str, int]) -> tuple[StackedLayer, ...] | None:
    """The twins of all children, or none where one has none."""
    found = [stacked_layer(f"{name}{child}.", layer, numbers) for child, layer in module.named_children()]
    known = tuple(layer for layer in found if layer is not None)
    return known if len(known) == len(found) else None


def _residual(name: str, module: ResidualModule, numbers: dict[str, int]) -> Residual | None:
    inner = _inner(name, module, numbers)
    return None if inner is None else Residual(inner)


def _embeddings(name: str, module: EmbeddingsModule, numbers: dict[str, int]) -> Embeddings | None:
    inner = _inner(name, module, numbers)
    return None if inner is None else Embeddings(tuple(map(tuple, module.inputs)), tuple(module.others), inner)


def _over_units(name: str, module: Any, numbers: dict[str, int]) -> OverUnits | None:
    return OverUnits(type(module).__name__) if module.dim in (1, -1) else None


def _dropout(name: str, module: nn.Dropout, numbers: dict[str, int]) -> Dropout:
    return Dropout(numbers[name.removesuffix(".")], module.p)


def _rrelu(name: str, module: nn.RReLU, numbers: dict[str, int]) -> RReLU:
    return RReLU(numbers[name.removesuffix(".")], module.lower, module.upper)


def _layernorm(name: str, module: nn.LayerNorm, numbers: dict[str, int]) -> LayerNorm | None:
    if len(module.normalized_shape) != 1:
        return None
    return LayerNorm(name, module.eps, module.weight is not None, module.bias is not None)


def _batchnorm(name: str, module: nn.BatchNorm1d, numbers: dict[str, int]) -> BatchNorm1d | None:
    if module.momentum is None or not module.track_running_stats:
        return None
    return BatchNorm1d(name, module.eps, module.momentum, module.affine)


_READERS: dict[type[nn.Module], Callable[[str, Any, dict[str, int]], StackedLayer | None]] = {
    nn.Linear: lambda name, module, numbers: Linear(name, module.out_features, module.bias is not None),
    nn.PReLU: lambda name, module, numbers: PReLU(name),
    nn.GLU: _over_units,
    nn.Softmax: _over_units,
    nn.Softmin: _over_units,
    nn.LogSoftmax: _over_units,
    nn.Dropout: _dropout,
    nn.RReLU: _rrelu,
    nn.LayerNorm: _layernorm,
    nn.BatchNorm1d: _batchnorm,
    ResidualModule: _residual,
    EmbeddingsModule: _embeddings,
    PeriodicEmbedding: lambda name, module, numbers: Periodic(name),
    PiecewiseLinearEncoding: lambda name, module, numbers: Piecewise(name),
}
"""Of each class of modules but the elementwise activations: (name, module, numbers) to its stacked twin."""

OWN = tuple(kind for kind in _READERS if kind.__module__.split(".")[0] != "torch")
"""Modules that torch doesn't have, and are known all the same."""

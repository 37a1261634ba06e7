"""Layers for a whole stack by torch: the same arithmetic as its modules, with one more axis, `network`, which is last.

Activations are `[row, unit, network]`, so every elementwise operation runs along networks in full vectors, however
narrow the layer. Parameters are `[..., network]`; a linear weight is stored as `[unit_in, unit_out, network]`.
`COMPUTED` has a function for each class of layers: (layer, inputs, values by name, pass, updates) to the outputs, where
`updates` receives buffers that the pass has changed.

Nearly all time of a step goes into layers that make many numbers of each input. They are written with the rows last,
whatever the order of axes: the numbers of an input are one matmul for each network and input, and everything else runs
along rows in full vectors.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seedbed.networks import embedding_layers, layers
from seedbed.networks.network import Network
from seedbed.settings.optimizers import Tensors
from seedbed.training.torch.modules import activation_module
from seedbed.training.torch.noise import apply_dropout, layer_noise


class Pass(NamedTuple):
    """One forward pass.

    Attributes:
        training: as in `module.train(training)`.
        weights: weights of rows [row, network]. Batch statistics ignore rows of weight zero.
        keys: keys of random layers [network].
        step: number of the step, for random layers.
        rows: number of each row, int32, for random layers [row].
        network_first: whether axes lie in reverse order in memory, and sums over units are batched matmuls.
        guarded: whether rows of weight zero are set to zero after the first layer, see `TrainingData.is_huge`.
        alive: receives which units of each ReLU layer are above zero for a row that counts [unit, network], if given.
    """

    training: bool
    weights: Tensor
    keys: Tensor
    step: Tensor
    rows: Tensor
    network_first: bool
    guarded: bool = False
    alive: list[Tensor] | None = None


def lies_network_first(network: Network) -> bool:
    """Return whether that is the fastest order of axes, see `Pass` (measured in benchmarks/LOG.md)."""
    if any(layer.embeds for layer in (*network.layers, *network.innermost_layers)):
        return True  # as its arrays lie, and what follows is a layer of many inputs
    hidden = network.innermost_layers[isinstance(network.layers[0], layers.Linear) :]
    return any(isinstance(layer, layers.Linear) and layer.units > 1 for layer in hidden)


def compute(network: Network, values: Tensors, X: Tensor, now: Pass) -> tuple[Tensor, Tensors]:
    """Return the outputs [row, output, network], and the buffers that the pass has changed.

    Args:
        network: the layers.
        values: the stack's parameters and buffers [..., network].
        X: inputs that all networks share [row, feature], or of each network [row, feature, network].
        now: the forward pass.
    """
    updates: Tensors = {}
    first, rest = network.layers[0], network.layers[1:]
    if isinstance(first, layers.Linear) and X.dim() == 2:
        x = _first(first, X, values, now)
    else:
        x, rest = X if X.dim() == 3 else X[:, :, None].expand(-1, -1, now.keys.shape[0]), network.layers
    if now.guarded:
        # The mask has the memory layout of x. Otherwise the result would have another layout, and later sums would
        # round differently.
        x = torch.where(torch.zeros_like(x, dtype=torch.bool) | (now.weights > 0)[:, None], x, 0)
    for layer in rest:
        x = COMPUTED[type(layer)](layer, x, values, now, updates)
    return x, updates


def count_dead(network: Network, values: Tensors, X: Tensor, now: Pass) -> Tensor:
    """Return the share of ReLU units that are zero for all rows of the pass that count [network], NaN without ReLU and
    for a network that diverged."""
    alive: list[Tensor] = []
    x, _ = compute(network, values, X, now._replace(alive=alive))
    if not alive:
        return torch.full(now.keys.shape, torch.nan)
    return torch.where(x.isfinite().all(0).all(0), 1 - torch.cat(alive).float().mean(0), torch.nan)


def _first(layer: layers.Linear, X: Tensor, values: Tensors, now: Pass) -> Tensor:
    """Return the outputs of the layer that sees the table X [row, feature]. All networks share one matmul."""
    weight = values[layer.name + "weight"]
    if now.network_first:
        x = torch.bmm(X.expand(weight.shape[2], -1, -1), weight.permute(2, 0, 1)).permute(1, 2, 0)
    else:
        x = (X @ weight.flatten(1)).reshape(-1, *weight.shape[1:])
    return x + values[layer.name + "bias"] if layer.bias else x


def _linear(layer: layers.Linear, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    weight = values[layer.name + "weight"]
    bias = values[layer.name + "bias"] if layer.bias else None
    if layer.units == 1:
        x = (x * weight[:, 0]).sum(1, keepdim=True)
        return x if bias is None else x + bias
    # It is fastest if the network axis varies slowest in memory.
    left, right = x.permute(2, 0, 1), weight.permute(2, 0, 1)
    product = torch.bmm(left, right) if bias is None else torch.baddbmm(bias.t()[:, None], left, right)
    return product.permute(1, 2, 0)


_function = functools.cache(activation_module)


def _elementwise(layer: layers.Elementwise, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    x = _function(layer.activation, layer.arguments)(x)
    if now.alive is not None and layer.is_relu:
        now.alive.append(((x > 0) & (now.weights > 0)[:, None]).any(0))
    return x


def _dropout(layer: layers.Dropout, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    if not now.training:
        return x
    noise = layer_noise(now.keys, now.step, layer.number, now.rows, x.shape[1], network_first=now.network_first)
    return apply_dropout(x, noise, layer.share)


def _layernorm(layer: layers.LayerNorm, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    centred = x - x.mean(1, keepdim=True)
    x = centred * torch.rsqrt((centred * centred).mean(1, keepdim=True) + layer.eps)
    if layer.affine:
        x = x * values[layer.name + "weight"]
    return x + values[layer.name + "bias"] if layer.bias else x


def _batchnorm(layer: layers.BatchNorm, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    mean, variance = values[layer.name + "running_mean"], values[layer.name + "running_var"]
    if now.training:
        there = (now.weights > 0).to(x.dtype)[:, None]
        n = there.sum(0)
        batch_mean = (x * there).sum(0) / n
        batch_variance = ((x - batch_mean) ** 2 * there).sum(0) / n
        unbiased = batch_variance.detach() * (n / (n - 1).clamp(min=1))
        updates[layer.name + "running_mean"] = mean + layer.momentum * (batch_mean.detach() - mean)
        updates[layer.name + "running_var"] = variance + layer.momentum * (unbiased - variance)
        tracked = layer.name + "num_batches_tracked"
        updates[tracked] = values[tracked] + 1
        mean, variance = batch_mean, batch_variance
    x = (x - mean) * torch.rsqrt(variance + layer.eps)
    return x * values[layer.name + "weight"] + values[layer.name + "bias"] if layer.affine else x


def _residual(layer: layers.Residual, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    added = x
    for inner in layer.layers:
        added = COMPUTED[type(inner)](inner, added, values, now, updates)
    return x + added


def _periodic(layer: embedding_layers.Periodic, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
    frequencies = 2 * torch.pi * values[layer.name + "frequencies"].permute(2, 0, 1).contiguous()
    weight, bias = values[layer.name + "weight"].permute(3, 0, 1, 2), values[layer.name + "bias"].permute(2, 0, 1)
    product, of_waves = bias.flatten(0, 1)[:, :, None], weight.flatten(0, 1).chunk(2, 2)
    for part, waves in zip(of_waves, _Waves.apply(inputs, frequencies), strict=True):  # type: ignore[no-untyped-call]
        product = torch.baddbmm(product, part, waves.flatten(0, 1))
    embedded = product.relu().reshape(len(inputs), -1, inputs.shape[2])
    return torch.cat([inputs, embedded], 1).permute(2, 1, 0)


def _piecewise(layer: embedding_layers.Piecewise, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
    left, factor, least, most = (
        part[..., None] for part in _bins_between(values[layer.name + "edges"].permute(2, 0, 1))
    )
    come = inputs[:, :, None] - left  # [network, feature, bin, row]
    # In place, because moving that many numbers takes longer than computing them.
    come = come.mul_(factor).clamp_(least, most)
    return come.flatten(1, 2).permute(2, 1, 0)


def _embeddings(layer: embedding_layers.Embeddings, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
    pairs = zip(layer.inputs, layer.layers, strict=True)
    embedded = [COMPUTED[type(inner)](inner, _take_inputs(x, places), values, now, updates) for places, inner in pairs]
    parts = [part.permute(2, 1, 0) for part in (_take_inputs(x, layer.others), *embedded)]
    return torch.cat(parts, 1).permute(2, 1, 0)


def _take_inputs(x: Tensor, places: tuple[int, ...]) -> Tensor:
    """Return some of the inputs x [row, feature, network]. Neighbours are sliced together, which is faster."""
    if not places:
        return x[:, :0]
    breaks = [0, *(i for i in range(1, len(places)) if places[i] != places[i - 1] + 1), len(places)]
    first = x.permute(2, 1, 0)
    slices = [first[:, places[a] : places[b - 1] + 1] for a, b in itertools.pairwise(breaks)]
    return (slices[0] if len(slices) == 1 else torch.cat(slices, 1)).permute(2, 1, 0)


def _bins_between(edges: Tensor) -> tuple[Tensor, ...]:
    """Return the bins between edges [..., input, edge], as `embedding_layers.bins_between`."""
    left, right = edges[..., :-1], edges[..., 1:]
    factor = torch.where(right > left, 1 / (right - left), 0)
    least = torch.where(left > edges[..., :1], 0.0, -torch.inf).to(edges.dtype)
    most = torch.where(right < edges[..., -1:], 1.0, torch.inf).to(edges.dtype)
    return tuple(part.contiguous() for part in (left, factor, least, most))


class _Waves(torch.autograd.Function):
    """From inputs [network, feature, row] and frequencies [network, feature, frequency] to sines and cosines
    [network, feature, frequency, row]. Each is the other's derivative, so backward needn't compute them again."""

    @staticmethod
    def forward(inputs: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        angles = frequencies[:, :, :, None] * inputs[:, :, None]
        return angles.sin(), angles.cos_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, of_sines: Tensor, of_cosines: Tensor) -> tuple[Tensor | None, Tensor]:
        inputs, frequencies, sines, cosines = ctx.saved_tensors
        slopes = torch.addcmul(of_sines * cosines, of_cosines, sines, value=-1).flatten(0, 1)
        product = torch.bmm(slopes, inputs.flatten(0, 1)[:, :, None])
        if not ctx.needs_input_grad[0]:  # usually the table's
            return None, product.reshape(frequencies.shape)
        input_slopes = torch.bmm(frequencies.flatten(0, 1)[:, None], slopes)
        return input_slopes.reshape(inputs.shape), product.reshape(frequencies.shape)


COMPUTED: Mapping[type[layers.Layer], Callable[[Any, Tensor, Tensors, Pass, Tensors], Tensor]] = {
    layers.Linear: _linear,
    layers.Elementwise: _elementwise,
    layers.Dropout: _dropout,
    layers.LayerNorm: _layernorm,
    layers.BatchNorm: _batchnorm,
    layers.Residual: _residual,
    layers.Function: lambda layer, x, values, now, updates: layer.function(x),
    embedding_layers.Periodic: _periodic,
    embedding_layers.Piecewise: _piecewise,
    embedding_layers.Embeddings: _embeddings,
}
"""How torch computes each layer."""

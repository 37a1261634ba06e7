"""Layers that make many numbers of each input, for a whole stack.

Nearly all time of a step goes into these. They are written with the rows last, whatever the order of axes: the numbers
of an input are one matmul for each network and input, and everything else runs along rows in full vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from seedbed.networks.kernel_program import KernelLayer, Kind, NotCoveredError, Program
from seedbed.networks.parts import Embeddings as EmbeddingsModule
from seedbed.networks.parts import PeriodicEmbedding, PiecewiseLinearEncoding
from seedbed.settings.optimizers import Tensors
from seedbed.training.layers import StackedLayer, stacked_layers
from seedbed.training.states import Pass


@dataclass(frozen=True)
class Periodic(StackedLayer):
    modules = (PeriodicEmbedding,)
    embeds = True

    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
        frequencies = 2 * torch.pi * values[self.name + "frequencies"].permute(2, 0, 1).contiguous()
        weight, bias = values[self.name + "weight"].permute(3, 0, 1, 2), values[self.name + "bias"].permute(2, 0, 1)
        product, of_waves = bias.flatten(0, 1)[:, :, None], weight.flatten(0, 1).chunk(2, 2)
        for part, waves in zip(of_waves, _Waves.apply(inputs, frequencies), strict=True):  # type: ignore[no-untyped-call]
            product = torch.baddbmm(product, part, waves.flatten(0, 1))
        embedded = product.relu().reshape(len(inputs), -1, inputs.shape[2])
        return torch.cat([inputs, embedded], 1).permute(2, 1, 0)

    def begin(self, program: Program) -> None:
        _begin(program, [self], None, ())

    def embedded_width(self, program: Program) -> tuple[int, int]:
        n_in, each, _ = program.shape(self.name + "weight")
        return n_in, n_in * (1 + each)

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        _, each, n_waves = program.shape(self.name + "weight")
        frequencies, weight, bias = (
            program.parameter(self.name + part, is_weight=True) for part in ("frequencies", "weight", "bias")
        )
        waves, scratch = program.values(like.n_in * n_waves), program.gradients(n_waves + each)
        return like._replace(kind=Kind.PERIODIC, weight=weight, bias=bias, frequencies=frequencies, spare=waves,
                             d_in=scratch, waves=n_waves // 2, each=each)  # fmt: skip


@dataclass(frozen=True)
class Piecewise(StackedLayer):
    modules = (PiecewiseLinearEncoding,)
    embeds = True

    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
        left, factor, least, most = (
            part.permute(2, 0, 1).contiguous()[..., None] for part in bins_between(values[self.name + "edges"])
        )
        come = inputs[:, :, None] - left  # [network, feature, bin, row]
        # In place, because moving that many numbers takes longer than computing them.
        come = come.mul_(factor).clamp_(least, most)
        return come.flatten(1, 2).permute(2, 1, 0)

    def begin(self, program: Program) -> None:
        _begin(program, [self], None, ())

    def embedded_width(self, program: Program) -> tuple[int, int]:
        if self.name + "edges" not in program.buffers:
            raise NotCoveredError
        n_in, n_edges = program.buffers[self.name + "edges"]
        return n_in, n_in * (n_edges - 1)

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        n_bins = program.buffers[self.name + "edges"][1] - 1
        place = program.n_constants
        program.edges.append(self.name + "edges")
        program.n_constants += 4 * like.n_in * n_bins
        return like._replace(kind=Kind.PIECEWISE, weight=place, each=n_bins)


@dataclass(frozen=True)
class Embeddings(StackedLayer):
    """Layers that each take some of the inputs. The other inputs come first, as they are."""

    modules = (EmbeddingsModule,)
    embeds = True

    inputs: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]
    layers: tuple[StackedLayer, ...]

    @classmethod
    def read(cls, name: str, module: EmbeddingsModule, numbers: dict[str, int]) -> Self | None:
        inner = stacked_layers(name, module, numbers)
        return None if inner is None else cls(tuple(map(tuple, module.inputs)), tuple(module.others), inner)

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        pairs = zip(self.inputs, self.layers, strict=True)
        embedded = [layer(_take_inputs(x, places), values, now, updates) for places, layer in pairs]
        parts = [part.permute(2, 1, 0) for part in (_take_inputs(x, self.others), *embedded)]
        return torch.cat(parts, 1).permute(2, 1, 0)

    def begin(self, program: Program) -> None:
        _begin(program, self.layers, self.inputs, self.others)


def _begin(
    program: Program,
    layers: Sequence[StackedLayer],
    inputs: Sequence[tuple[int, ...]] | None,
    others: tuple[int, ...],
) -> None:
    """Begin the kernel's program with the inputs as networks see them, and with layers that embed them.

    Args:
        program: empty.
        layers: the layers.
        inputs: the inputs that each of them takes; all in order if None.
        others: the inputs that none of them takes.

    Raises:
        NotCoveredError: the kernel doesn't have one of the layers.
    """
    widths = [layer.embedded_width(program) for layer in layers]
    inputs = [tuple(range(widths[0][0]))] if inputs is None else inputs
    if [n_in for n_in, _ in widths] != [len(group) for group in inputs] or not all(n_in for n_in, _ in widths):
        raise NotCoveredError
    order = program.order = [*others, *(place for group in inputs for place in group)]
    seen = KernelLayer(
        Kind.SEE, len(order), len(order), source=-1, target=program.values(len(order)), d_in=-1, d_out=-1
    )
    n_units = len(others) + sum(n for _, n in widths)
    trained = not all(isinstance(layer, Piecewise) for layer in layers)
    common = KernelLayer(Kind.KEEP, len(others), n_units, source=seen.target, target=program.values(n_units), d_in=-1,
                         d_out=program.gradients(n_units) if trained else -1)  # fmt: skip
    program.layers += [seen, common] if others else [seen]
    first_input = first_unit = len(others)
    for layer, (n_in, n_out) in zip(layers, widths, strict=True):
        embedding = common._replace(n_in=n_in, first_input=first_input, first_unit=first_unit)
        program.layers.append(layer.embed_in(program, embedding))
        first_input, first_unit = first_input + n_in, first_unit + n_out


def _take_inputs(x: Tensor, places: tuple[int, ...]) -> Tensor:
    """Return some of the inputs x [row, feature, network]. Neighbours are sliced together, which is faster."""
    if not places:
        return x[:, :0]
    breaks = [0, *(i for i in range(1, len(places)) if places[i] != places[i - 1] + 1), len(places)]
    first = x.permute(2, 1, 0)
    slices = [first[:, places[a] : places[b - 1] + 1] for a, b in itertools.pairwise(breaks)]
    return (slices[0] if len(slices) == 1 else torch.cat(slices, 1)).permute(2, 1, 0)


def bins_between(edges: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the bins between edges [feature, edge, network].

    Returns:
        Four arrays [feature, bin, network]: the left edge, 1 / width (0 if a bin has no width), and the least and the
        greatest output.
    """
    left, right = edges[:, :-1], edges[:, 1:]
    factor = torch.where(right > left, 1 / (right - left), 0)
    least = torch.where(left > edges[:, :1], 0.0, -torch.inf).to(edges.dtype)
    most = torch.where(right < edges[:, -1:], 1.0, torch.inf).to(edges.dtype)
    return left, factor, least, most


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

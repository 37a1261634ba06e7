"""What is made of each input by itself, for a whole stack.

One input becomes many numbers, so nearly all time goes into these. They are written with the rows last, whatever the
placement: the numbers that belong to an input are a matmul for each network and input, and everything else runs along
rows in full vectors.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seedbed.settings import Tensors
from seedbed.training.stack import Pass

__all__ = ["Periodic", "Piecewise", "bins_between", "parted"]


def parted(x: Tensor, places: tuple[int, ...]) -> Tensor:
    """Some of the inputs x [row, feature, network], as slices: what lies side by side is moved at once."""
    if not places:
        return x[:, :0]
    breaks = [0, *(i for i in range(1, len(places)) if places[i] != places[i - 1] + 1), len(places)]
    first = x.permute(2, 1, 0)
    slices = [first[:, places[a] : places[b - 1] + 1] for a, b in itertools.pairwise(breaks)]
    return (slices[0] if len(slices) == 1 else torch.cat(slices, 1)).permute(2, 1, 0)


def bins_between(edges: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The bins between edges [feature, edge, network], each [feature, bin, network]: where each begins, 1 / width (0 of
    a bin without width), and from what to what an input comes through it."""
    left, right = edges[:, :-1], edges[:, 1:]
    factor = torch.where(right > left, 1 / (right - left), 0)
    least = torch.where(left > edges[:, :1], 0.0, -torch.inf).to(edges.dtype)
    most = torch.where(right < edges[:, -1:], 1.0, torch.inf).to(edges.dtype)
    return left, factor, least, most


@dataclass(frozen=True)
class Periodic:
    """The twin of `PeriodicEmbedding`."""

    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
        frequencies = 2 * torch.pi * values[self.name + "frequencies"].permute(2, 0, 1).contiguous()
        weight, bias = values[self.name + "weight"].permute(3, 0, 1, 2), values[self.name + "bias"].permute(2, 0, 1)
        product, of_waves = bias.flatten(0, 1)[:, :, None], weight.flatten(0, 1).chunk(2, 2)
        for own, waves in zip(of_waves, _Waves.apply(inputs, frequencies), strict=True):  # type: ignore[no-untyped-call]
            product = torch.baddbmm(product, own, waves.flatten(0, 1))
        embedded = product.relu().reshape(len(inputs), -1, inputs.shape[2])
        return torch.cat([inputs, embedded], 1).permute(2, 1, 0)


@dataclass(frozen=True)
class Piecewise:
    """The twin of `PiecewiseLinearEncoding`."""

    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
        left, factor, least, most = (
            part.permute(2, 0, 1).contiguous()[..., None] for part in bins_between(values[self.name + "edges"])
        )
        come = inputs[:, :, None] - left  # [network, feature, bin, row]
        # In place, as that many numbers take longer to move than to compute.
        come = come.mul_(factor).clamp_(least, most)
        return come.flatten(1, 2).permute(2, 1, 0)


class _Waves(torch.autograd.Function):
    """Inputs [network, feature, row] and frequencies [network, feature, frequency] -> sines and cosines
    [network, feature, frequency, row]. Backward they are the slopes of each other, and needn't be computed again."""

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
        own = torch.bmm(slopes, inputs.flatten(0, 1)[:, :, None])
        if not ctx.needs_input_grad[0]:  # they are the table's, as a rule
            return None, own.reshape(frequencies.shape)
        given = torch.bmm(frequencies.flatten(0, 1)[:, None], slopes)
        return given.reshape(inputs.shape), own.reshape(frequencies.shape)

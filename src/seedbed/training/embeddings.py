"""What is made of each input by itself, for a whole stack.

One input becomes many numbers, so nearly all time goes into these. They are written with the rows last, whatever the
placement: the numbers that belong to an input are a matmul for each network and input, and everything else runs along
rows in full vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seedbed.training.optimizers import Tensors

if TYPE_CHECKING:
    from seedbed.training.layers import Pass

__all__ = ["Periodic"]


@dataclass(frozen=True)
class Periodic:
    """The twin of `PeriodicEmbedding`."""

    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        inputs = x.permute(2, 1, 0).contiguous()  # [network, feature, row]
        frequencies = 2 * torch.pi * values[self.name + "frequencies"].permute(2, 0, 1)
        weight, bias = values[self.name + "weight"].permute(3, 0, 1, 2), values[self.name + "bias"].permute(2, 0, 1)
        waves: Tensor = _Waves.apply(inputs, frequencies)  # type: ignore[no-untyped-call]
        product = torch.baddbmm(bias.flatten(0, 1)[:, :, None], weight.flatten(0, 1), waves.flatten(0, 1))
        embedded = product.relu().reshape(len(inputs), -1, inputs.shape[2])
        return torch.cat([inputs, embedded], 1).permute(2, 1, 0)


class _Waves(torch.autograd.Function):
    """Inputs [network, feature, row] and frequencies [network, feature, frequency] -> sines and, behind them, cosines
    [network, feature, 2 frequency, row]. Backward they are the slopes of each other, and needn't be computed again."""

    @staticmethod
    def forward(inputs: Tensor, frequencies: Tensor) -> Tensor:
        angles = frequencies[:, :, :, None] * inputs[:, :, None]
        return torch.cat([angles.sin(), angles.cos()], 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        inputs, frequencies, waves = ctx.saved_tensors
        (sines, cosines), (of_sines, of_cosines) = waves.chunk(2, 2), gradient.chunk(2, 2)
        slopes = (of_sines * cosines - of_cosines * sines).flatten(0, 1)
        own = torch.bmm(slopes, inputs.flatten(0, 1)[:, :, None])
        given = torch.bmm(frequencies.flatten(0, 1)[:, None], slopes)
        return given.reshape(inputs.shape), own.reshape(frequencies.shape)

"""The inputs of a stack: one table for all networks, and what modules learn from its rows before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.networks.parts import Embeddings
from seedbed.training.data import TrainingData

MOST_ROWS = 1 << 14
"""Rows that a module's `look_at` receives at most. Their quantiles are usually exact to half a percent of the rows."""


def expanded(X: Tensor, n_networks: int) -> Tensor:
    """Return the inputs of each network [row, feature, network], from those of all [row, feature] or of each."""
    return X if X.dim() == 3 else X[:, :, None].expand(-1, -1, n_networks)


def counting(x: Tensor, weights: Tensor) -> Tensor:
    """Return x [row, unit, network] with zeros where a row's weight [row, network] is zero. Gradients are zero there,
    too, for any x."""
    counted: Tensor = _Counting.apply(x, weights > 0)  # type: ignore[no-untyped-call]
    return counted


class _Counting(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, counts: Tensor) -> Tensor:
        return _where(counts, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (counts,) = ctx.saved_tensors
        return _where(counts, gradient), None


def _where(counts: Tensor, x: Tensor) -> Tensor:
    # The mask has the memory layout of x. Otherwise the result would have another layout, and later sums would round
    # differently.
    return torch.where(torch.zeros_like(x, dtype=torch.bool) | counts[:, None], x, 0)


@dataclass(frozen=True)
class Placing:
    """Where and how the tensors of a stack are stored.

    Attributes:
        device, dtype: as torch has them.
        network_first: whether the network axis varies slowest in memory.
    """

    device: torch.device
    dtype: torch.dtype
    network_first: bool = False

    def placed(self, value: Tensor) -> Tensor:
        """Return a tensor [..., network] on the device, in the memory layout and number type of the stack."""
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        if self.network_first:
            return value.permute(*reversed(range(value.dim()))).contiguous().permute(*reversed(range(value.dim())))
        return value.contiguous()


def look_at(network: nn.Module, X: Tensor) -> None:
    """Give training rows X [row, feature] to modules that have a method `look_at`, once, before the first step.

    Such a module passes rows on to modules inside it itself. Of many rows it gets some, which are the same each time.
    """
    rows = X[torch.from_numpy(_some(len(X)))] if len(X) > MOST_ROWS else X
    with torch.no_grad():
        for module in looking(network):
            module.look_at(rows)  # type: ignore[operator]


def look_at_splits(
    networks: Sequence[nn.Module], splits: Sequence[int], data: TrainingData, dtype: torch.dtype
) -> None:
    """Give each network the training rows of its split, see `look_at`."""
    if not looking(networks[0]):
        return
    trained = {split: data.train[:, split].nonzero()[0] for split in dict.fromkeys(splits)}
    seen = {split: torch.from_numpy(data.X[rows[_some(len(rows))]]).to(dtype) for split, rows in trained.items()}
    for network, split in zip(networks, splits, strict=True):
        look_at(network.to(dtype), seen[split])


def looking(network: nn.Module) -> list[nn.Module]:
    """Return the modules of a network that have a method `look_at` and use it."""
    inside = [module for child in network.children() for module in looking(child)]
    if isinstance(network, Embeddings):
        return [network] if inside else []  # it passes rows on
    return [network] if callable(getattr(network, "look_at", None)) else inside


def _some(n_rows: int) -> npt.NDArray[np.int64]:
    """Return all rows, or evenly spaced ones, because the table may be sorted."""
    return np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(np.int64)

"""The inputs of a stack: one table for all networks, which each split's networks see in their own scale.

A split's networks see `scale * X + shift`. In addition, some columns add to another input: the indicator of a missing
cell adds the median to its number, and a rare level counts as *other*. All this is folded into the weights of the first
linear layer, so that all networks share one matmul with X.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.networks import Embeddings
from seedbed.training.data import TrainingData

__all__ = [
    "Inputs",
    "Placing",
    "as_seen",
    "counting",
    "expanded",
    "folded",
    "look_at",
    "look_at_splits",
    "looking",
    "rows_seen",
]

MOST_ROWS = 1 << 14
"""Rows that a module's `look_at` receives at most. Their quantiles are usually exact to half a percent of the rows."""


class Across(NamedTuple):
    """Columns that add to another input.

    Attributes:
        also: the input that each column adds to, its own number if none [feature].
        extra: the factor, 0 if none [feature, network].
        givers: the columns that add to another input [giver].
        takers: `also` of these columns [giver].
    """

    also: Tensor
    extra: Tensor
    givers: Tensor
    takers: Tensor


class Inputs(NamedTuple):
    """The inputs of a stack.

    Attributes:
        X: [row, feature], shared by all networks, or [row, feature, network].
        scale, shift: a network sees `scale * X + shift`, the standardisation of its split [feature, network], or None.
        across: columns that add to another input, or None; only with scale and shift.
    """

    X: Tensor
    scale: Tensor | None = None
    shift: Tensor | None = None
    across: Across | None = None


def across(also: Tensor, extra: Tensor) -> Across | None:
    """Return `Across` for `also` [feature] and `extra` [feature, network], or None if no column adds to another."""
    gives = also != torch.arange(len(also), device=also.device)
    givers = gives.nonzero()[:, 0]
    return Across(also, extra * gives[:, None], givers, also[givers]) if len(givers) else None


def as_seen(X: Tensor, inputs: Inputs) -> Tensor:
    """Return rows X [row, feature, network] as each network sees them."""
    if inputs.scale is None or inputs.shift is None:
        return X
    seen = X * inputs.scale + inputs.shift
    if inputs.across is None:
        return seen
    _, extra, givers, takers = inputs.across
    return seen + summed_at(X.index_select(1, givers) * extra[givers], takers, X.shape[1], dim=1)


def expanded(inputs: Inputs, n_networks: int) -> Tensor:
    """Return the inputs as each network sees them [row, feature, network]."""
    return as_seen(inputs.X if inputs.X.dim() == 3 else inputs.X[:, :, None].expand(-1, -1, n_networks), inputs)


def folded(inputs: Inputs, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return weights [feature, unit, network] and bias [unit, network] for X that equal the given ones for scaled X.

    With E[k, also[k]] = extra[k]: (scale * X + shift + X @ E) @ W + b = X @ (scale * W + E @ W) + (b + shift @ W).
    """
    if inputs.scale is None or inputs.shift is None:
        return weight, bias
    moved = (weight * inputs.shift[:, None]).sum(0)
    bias = moved if bias is None else bias + moved
    scaled = weight * inputs.scale[:, None]
    if inputs.across is None:
        return scaled, bias
    if weight.is_cuda:
        added: Tensor = _Added.apply(weight, *inputs.across)  # type: ignore[no-untyped-call]
        return scaled + added, bias
    _, extra, givers, takers = inputs.across
    return scaled.index_add(0, givers, weight.index_select(0, takers) * extra[givers][:, None]), bias


class _Added(torch.autograd.Function):
    """E @ W. Forward looks up one row of W for each column. Backward sums the rows of the givers, because several may
    add to one input."""

    @staticmethod
    def forward(weight: Tensor, also: Tensor, extra: Tensor, givers: Tensor, takers: Tensor) -> Tensor:
        return weight[also] * extra[:, None]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        extra, givers, takers = ctx.saved_tensors
        given = gradient[givers] * extra[givers][:, None]
        return summed_at(given, takers, len(extra), dim=0), None, None, None, None


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


def summed_at(parts: Tensor, places: Tensor, n: int, *, dim: int) -> Tensor:
    """Add each slice of `parts` along `dim` to its place of n, given by `places` [slice]. It has no gradient."""
    zeros = parts.new_zeros((*parts.shape[:dim], n, *parts.shape[dim + 1 :]))
    if not parts.is_cuda:
        return zeros.index_add_(dim, places, parts)
    # On CUDA, index_add_ adds in any order. This function sorts, so the bits are the same each time.
    return zeros.index_put_([None] * dim + [places], parts, accumulate=True)


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

    def of_splits(self, values: npt.NDArray[np.floating] | None, splits: Sequence[int]) -> Tensor | None:
        """Return values [..., split] as [..., network], given the split of each network."""
        return None if values is None else self.placed(torch.from_numpy(values[..., list(splits)]))

    def inputs(self, data: TrainingData, splits: Sequence[int]) -> Inputs:
        """Return the table as the networks of these splits [network] see it."""
        extra = self.of_splits(data.extra, splits)
        also = None if data.also is None else torch.from_numpy(data.also).to(self.device)
        added = None if also is None or extra is None else across(also, extra)
        matrix = torch.from_numpy(data.X).to(self.device, self.dtype)
        return Inputs(matrix, self.of_splits(data.scale, splits), self.of_splits(data.shift, splits), added)


def rows_seen(data: TrainingData, split: int, rows: npt.NDArray[np.int64], dtype: torch.dtype) -> Tensor:
    """Return rows of a table as the networks of a split see them [row, feature]."""
    inputs = Placing(torch.device("cpu"), dtype).inputs(replace(data, X=data.X[rows]), [split])
    return as_seen(inputs.X[:, :, None], inputs)[:, :, 0]


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
    seen = {split: rows_seen(data, split, rows[_some(len(rows))], dtype) for split, rows in trained.items()}
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

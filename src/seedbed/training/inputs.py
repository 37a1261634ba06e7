"""What enters a stack: one table for all networks, and what each split's networks see of it.

A split's networks see `scale * X + shift`, plus what some columns add to other inputs than their own: a missing cell's
indicator adds the median to its number, a rare level adds its rows to the bucket of the rare. The first linear layer
takes all of it into its weights, so that all networks still share one matmul with X.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.data import rows_of, windows
from seedbed.training.data import TrainingData

__all__ = ["Inputs", "Placing", "as_seen", "counting", "expanded", "folded", "look_at", "look_at_splits"]


class Across(NamedTuple):
    """What columns add to other inputs than their own.

    Attributes:
        also: [feature], the input that a column adds to; its own number where it adds to none.
        extra: [feature, network], times what; 0 where it adds to none.
        givers: [giver], the columns that do add to another.
        takers: [giver], `also` of these.
    """

    also: Tensor
    extra: Tensor
    givers: Tensor
    takers: Tensor


class Inputs(NamedTuple):
    """What enters a stack.

    Attributes:
        X: [row, feature], shared by all networks, or [row, feature, network].
        scale: [feature, network] or none; a network sees `scale * X + shift`, its own split's standardisation.
        shift: like scale.
        across: or none; what comes on top of that. Only with scale and shift.
    """

    X: Tensor
    scale: Tensor | None = None
    shift: Tensor | None = None
    across: Across | None = None


def across(also: Tensor, extra: Tensor) -> Across | None:
    """From `also` [feature] and `extra` [feature, network]; none where no column adds to another."""
    gives = also != torch.arange(len(also), device=also.device)
    givers = gives.nonzero()[:, 0]
    return Across(also, extra * gives[:, None], givers, also[givers]) if len(givers) else None


def as_seen(X: Tensor, inputs: Inputs) -> Tensor:
    """Rows X [row, feature, network] as each network sees them."""
    if inputs.scale is None or inputs.shift is None:
        return X
    seen = X * inputs.scale + inputs.shift
    if inputs.across is None:
        return seen
    _, extra, givers, takers = inputs.across
    return seen + summed_at(X.index_select(1, givers) * extra[givers], takers, X.shape[1], dim=1)


def expanded(inputs: Inputs, n_networks: int) -> Tensor:
    """The inputs as each network sees them [row, feature, network]."""
    return as_seen(inputs.X if inputs.X.dim() == 3 else inputs.X[:, :, None].expand(-1, -1, n_networks), inputs)


def folded(inputs: Inputs, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Weights [feature, unit, network] and bias [unit, network] for X that do what the given ones do for what is seen.

    With E[k, also[k]] = extra[k]: (scale * X + shift + X @ E) @ W + b = X @ (scale * W + E @ W) + (b + shift @ W).
    """
    if inputs.scale is None or inputs.shift is None:
        return weight, bias
    moved = (weight * inputs.shift[:, None]).sum(0)
    bias = moved if bias is None else bias + moved
    own = weight * inputs.scale[:, None]
    if inputs.across is None:
        return own, bias
    if weight.is_cuda:
        added: Tensor = _Added.apply(weight, *inputs.across)  # type: ignore[no-untyped-call]
        return own + added, bias
    _, extra, givers, takers = inputs.across
    return own.index_add(0, givers, weight.index_select(0, takers) * extra[givers][:, None]), bias


class _Added(torch.autograd.Function):
    """E @ W. Forward each row looks up the one that it adds. Backward the givers' rows are summed, which no row can
    look up, as a bucket takes from many."""

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
    """x [row, unit, network], zero where a row's weight [row, network] is, and so is its gradient, whatever x was."""
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
    # The mask lies in memory as x does, or else the result wouldn't, and every sum behind it would round otherwise.
    return torch.where(torch.zeros_like(x, dtype=torch.bool) | counts[:, None], x, 0)


def summed_at(parts: Tensor, places: Tensor, n: int, *, dim: int) -> Tensor:
    """Add each slice of `parts` along `dim` to place `places` [slice] of n; the others are zero. It has no gradient."""
    zeros = parts.new_zeros((*parts.shape[:dim], n, *parts.shape[dim + 1 :]))
    if not parts.is_cuda:
        return zeros.index_add_(dim, places, parts)
    # There index_add_ adds in any order, while this one sorts: the same bits each time.
    return zeros.index_put_([None] * dim + [places], parts, accumulate=True)


@dataclass(frozen=True)
class Placing:
    """How a table becomes tensors of a chunk.

    Attributes:
        data: the table.
        splits: the number of the split that each network trains on.
        seeds: one a network.
        batch_size: of the recipe.
        is_chain: whether the networks are a chain; a general network gets rows just as it sees them.
        network_first: whether the network axis varies slowest in memory.
        device, dtype: as torch has them.
    """

    data: TrainingData
    splits: tuple[int, ...]
    seeds: tuple[int, ...]
    batch_size: int | None
    is_chain: bool
    network_first: bool
    device: torch.device
    dtype: torch.dtype

    def inputs(self, X: npt.NDArray[np.floating]) -> Inputs:
        """Rows X [row, feature] and what each network sees of them; a general network gets just that."""
        data, own = self.data, torch.from_numpy(X).to(self.device, self.dtype)
        extra = self.of_splits(data.extra)
        also = None if data.also is None else torch.from_numpy(data.also).to(self.device)
        added = None if also is None or extra is None else across(also, extra)
        inputs = Inputs(own, self.of_splits(data.scale), self.of_splits(data.shift), added)
        if self.is_chain or inputs.scale is None:
            return inputs
        return Inputs(as_seen(own[:, :, None], inputs)[:, :, 0])

    def of_splits(self, values: npt.NDArray[np.floating] | None) -> Tensor | None:
        """Values [..., split] as [..., network]."""
        return None if values is None else self.placed(torch.from_numpy(values[..., list(self.splits)]))

    def placed(self, value: Tensor) -> Tensor:
        """A tensor with a last axis `network` where and how it is wanted."""
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        if self.network_first:
            return value.permute(*reversed(range(value.dim()))).contiguous().permute(*reversed(range(value.dim())))
        return value.contiguous()


MOST_ROWS = 1 << 14
"""Rows that are shown at most. A quantile of so many is off by half a hundredth of the rows at most, as a rule."""


def look_at(network: nn.Module, X: Tensor) -> None:
    """Show a network its training rows X [row, feature]."""
    rows = X[torch.from_numpy(_some(len(X)))] if len(X) > MOST_ROWS else X
    with torch.no_grad():
        for module in _that_look(network):
            module.look_at(rows)  # type: ignore[operator]


def look_at_splits(
    networks: Sequence[nn.Module], splits: Sequence[int], data: TrainingData, dtype: torch.dtype
) -> None:
    """Show each network the training rows of its split, given by number."""
    if not _that_look(networks[0]):
        return
    seen = {split: _training_rows(data, split, dtype) for split in dict.fromkeys(splits)}
    for network, split in zip(networks, splits, strict=True):
        look_at(network.to(dtype), seen[split])


def _that_look(network: nn.Module) -> list[nn.Module]:
    if callable(getattr(network, "look_at", None)):
        return [network]
    return [module for child in network.children() for module in _that_look(child)]


def _training_rows(data: TrainingData, split: int, dtype: torch.dtype) -> Tensor:
    """As the split's networks see them."""
    if data.order is None:
        rows = data.train[:, split].nonzero()[0]
        X = data.X[rows[_some(len(rows))]]
    else:
        X = _first_rows(data, split)
    return Placing(data, (split,), (0,), None, False, False, torch.device("cpu"), dtype).inputs(X).X


def _some(n_rows: int) -> npt.NDArray[np.int64]:
    """Rows from the first to the last, all or evenly spaced: a sorted table has some of everything."""
    return np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(np.int64)


def _first_rows(data: TrainingData, split: int) -> npt.NDArray[np.floating]:
    """Of a table in a file, whose rows lie shuffled."""
    found: list[npt.NDArray[np.floating]] = []
    for rows in windows(*data.X.shape):
        found.append(rows_of(data.X, rows)[rows_of(data.train, rows)[:, split] > 0])
        if sum(map(len, found)) >= MOST_ROWS:
            break
    return np.concatenate(found)[:MOST_ROWS]

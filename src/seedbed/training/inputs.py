"""What enters a stack: one table for all networks, and what each split's networks see of it.

A split's networks see `scale * X + shift`, plus what some columns add to other inputs than their own: a missing cell's
indicator adds the median to its number, a rare level adds its rows to the bucket of the rare. The first linear layer
takes all of it into its weights, so that all networks still share one matmul with X.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from seedbed.training.products import summed_at

__all__ = ["Inputs", "across", "as_seen", "counting", "expanded", "folded"]


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

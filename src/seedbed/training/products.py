"""The sums of products that nearly all time goes into, each written the way that is fastest where it runs.

`shared_product`  X [row, feature] times the first layers of all networks, one matmul;
`fused_product`   activations times a hidden layer, along networks;
`batched_product` the same as a batch of matmuls, one a network, for an eager step and for wide layers;
`rows_at`         each network's rows of a minibatch;
`summed_at`       slices summed into the places that they belong to.

The first two are for compiled steps only. Their gradients are written by hand, as what autograd makes of them is slower
(see benchmarks/LOG.md); in an eager step the machinery of such a function costs more than it saves.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor

from seedbed.training.compiled import is_compiling

__all__ = ["batched_product", "fused_product", "rows_at", "shared_product", "summed_at"]

_LIBRARY = torch.library.Library("seedbed", "DEF")
_LIBRARY.define("matmul(Tensor a, Tensor b) -> Tensor")
_LIBRARY.define("rows_at(Tensor X, Tensor rows) -> Tensor")
_LIBRARY.define("summed_at(Tensor parts, Tensor places, int n, int dim) -> Tensor")


def _onednn_works() -> bool:
    """Whether oneDNN can be had for a matmul in float32.

    torch takes MKL on x86, which on AMD processors uses half of their vector width; oneDNN uses all of it and is up to
    twice as fast. It can be reached only by an operator meant for torch's own use, so it is tried once, here.
    """
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return False
    own = torch.Generator().manual_seed(0)  # the caller's random state stays as it is
    a, b = torch.randn(3, 5, generator=own), torch.randn(5, 7, generator=own)
    try:
        return torch.allclose(_onednn(a, b), a @ b, atol=1e-5)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _onednn(a: Tensor, b: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(a.contiguous(), b.t(), None, "none", [], "")
    return product


_ONEDNN = _onednn_works()


def _matmul_cpu(a: Tensor, b: Tensor) -> Tensor:
    return _onednn(a, b) if _ONEDNN and a.dtype == torch.float32 else a @ b


_LIBRARY.impl("matmul", _matmul_cpu, "CPU")
_LIBRARY.impl("matmul", torch.mm, "CUDA")
# It is differentiated by the functions below, not by itself.
_LIBRARY.impl("matmul", torch.library.fallthrough_kernel, "Autograd")
torch.library.register_fake("seedbed::matmul", lambda a, b: a.new_empty(a.shape[0], b.shape[1]), lib=_LIBRARY)


def _summed_at_cpu(parts: Tensor, places: Tensor, n: int, dim: int) -> Tensor:
    return _zeros_for(parts, n, dim).index_add_(dim, places, parts)


def _summed_at_cuda(parts: Tensor, places: Tensor, n: int, dim: int) -> Tensor:
    # index_add_ would add in any order there, this one sorts: the same bits each time.
    return _zeros_for(parts, n, dim).index_put_([None] * dim + [places], parts, accumulate=True)


def _zeros_for(parts: Tensor, n: int, dim: int) -> Tensor:
    return parts.new_zeros((*parts.shape[:dim], n, *parts.shape[dim + 1 :]))


_LIBRARY.impl("summed_at", _summed_at_cpu, "CPU")
_LIBRARY.impl("summed_at", _summed_at_cuda, "CUDA")
_LIBRARY.impl("summed_at", torch.library.fallthrough_kernel, "Autograd")
torch.library.register_fake("seedbed::summed_at", lambda parts, _, n, dim: _zeros_for(parts, n, dim), lib=_LIBRARY)


def _rows_at(X: Tensor, rows: Tensor) -> Tensor:
    return X[rows].permute(0, 2, 1).contiguous()


_LIBRARY.impl("rows_at", _rows_at, "CompositeExplicitAutograd")
torch.library.register_fake(
    "seedbed::rows_at", lambda X, rows: X.new_empty(rows.shape[0], X.shape[1], rows.shape[1]), lib=_LIBRARY
)


def rows_at(X: Tensor, rows: Tensor) -> Tensor:
    """Each network's own rows of X [row, feature], by their numbers [place, network] -> [place, feature, network].

    For a compiled step an operator of its own, as the compiler would look every number up anew wherever one is used.
    """
    if not is_compiling():
        return X[rows].permute(0, 2, 1)
    found: Tensor = torch.ops.seedbed.rows_at(X, rows)
    return found


def summed_at(parts: Tensor, places: Tensor, n: int, *, dim: int) -> Tensor:
    """Slices of `parts` along `dim`, each added to place `places` [slice] of n, zero where none belongs.

    An operator of its own, as the compiler would add number by number, each in an atomic operation. It has no gradient.
    """
    summed: Tensor = torch.ops.seedbed.summed_at(parts, places, n, dim)
    return summed


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(X: Tensor, weight: Tensor) -> Tensor:
        return torch.ops.seedbed.matmul(X, weight)  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (X,) = ctx.saved_tensors
        return None, torch.ops.seedbed.matmul(X.t(), gradient)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        if weight.shape[1] == 1:
            return (x * weight[:, 0]).sum(1, keepdim=True)
        outputs = _parts(weight, 1, _SIDE if weight.shape[1] > _MANY_UNITS else 1)
        return _joined([[(rows[:, :, None] * own).sum(1) for own in outputs] for rows in _parts(x, 0, _SIDE)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        n_in, n_out = weight.shape[:2]
        if n_out == 1:
            sums = torch.stack([(x[:, unit] * gradient[:, 0]).sum(0) for unit in range(n_in)])
            return gradient * weight[:, 0], sums[:, None]
        inputs = _parts(weight, 0, _SIDE if n_in > _MANY_UNITS else 1)
        back = [[(rows[:, None] * own).sum(2) for own in inputs] for rows in _parts(gradient, 0, _SIDE)]
        outputs = _parts(gradient, 1, _SIDE)
        own = [[(units[:, :, None] * slope[:, None]).sum(0) for slope in outputs] for units in _parts(x, 1, _SIDE)]
        return _joined(back), _joined(own)


# Sums that stand side by side end up in one loop. There they share what they read, and take turns, as each addition
# waits for the one before it: up to four times as fast as one sum after the other. More than four by four don't fit
# the registers.
_SIDE = 4
_MANY_UNITS = 40
"""Beyond it the weights are too many to be read anew for every four rows."""


def _parts(values: Tensor, dim: int, n: int) -> list[Tensor]:
    """So many parts of one size along `dim`, and what is left."""
    size, left = divmod(values.shape[dim], n)
    return [part for part in values.split([size] * n + [left], dim) if part.shape[dim]]


def _joined(blocks: list[list[Tensor]]) -> Tensor:
    """Blocks, as they lie along the first two axes."""
    return torch.cat([torch.cat(line, 1) for line in blocks])


def shared_product(X: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X [row, feature], weight [feature, unit, network], bias [unit, network], if any -> [row, unit, network].

    The bias goes along as the weight of a feature that is always 1, so the matmul has its gradient, too.
    """
    if bias is not None:
        X = torch.cat([X, torch.ones_like(X[:, :1])], 1)
        weight = torch.cat([weight, bias[None]])
    product: Tensor = _Shared.apply(X, weight.flatten(1))  # type: ignore[no-untyped-call]
    return product.reshape(-1, *weight.shape[1:])


def fused_product(x: Tensor, weight: Tensor) -> Tensor:
    """x [row, unit_in, network], weight [unit_in, unit_out, network] -> [row, unit_out, network]."""
    product: Tensor = _Fused.apply(x, weight)  # type: ignore[no-untyped-call]
    return product


def batched_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [row, unit_in, network], weight [unit_in, unit_out, network], bias [unit_out, network], if any.

    It is quickest where memory is in the opposite order of the axes' names: the network axis varies slowest.
    """
    left, right = x.permute(2, 0, 1), weight.permute(2, 0, 1)
    product = torch.bmm(left, right) if bias is None else torch.baddbmm(bias.t()[:, None], left, right)
    return product.permute(1, 2, 0)

"""The sums of products that nearly all time goes into, each written the way that is fastest where it runs.

`shared_product`  X [row, feature] times the first layers of all networks, one matmul;
`fused_product`   activations times a hidden layer, along networks;
`batched_product` the same as a batch of matmuls, one a network, for an eager step and for wide layers;
`summed_at`       slices summed into the places that they belong to.

The first two are for compiled steps only. Their gradients are written by hand, as what autograd makes of them is slower
(see benchmarks/LOG.md); in an eager step the machinery of such a function costs more than it saves.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor

__all__ = ["batched_product", "fused_product", "shared_product", "summed_at"]

_LIBRARY = torch.library.Library("seedbed", "DEF")
_LIBRARY.define("matmul(Tensor a, Tensor b) -> Tensor")
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
        return (x[:, :, None] * weight).sum(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        n_in, n_out = weight.shape[:2]
        # A sum over rows waits for its last addition before each next one. Sums written side by side end up in one
        # loop and take turns: five times as fast as one after the other.
        if n_out == 1:
            own = torch.stack([(x[:, unit] * gradient[:, 0]).sum(0) for unit in range(n_in)])[:, None]
            return gradient * weight[:, 0], own
        own = torch.stack([(x * gradient[:, unit, None]).sum(0) for unit in range(n_out)], 1)
        return (gradient[:, None] * weight).sum(2), own


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

"""The forward pass of a stack of any modules: through `torch.func.vmap`, or one network after the other.

The general way holds for any `nn.Module`, so it assumes nothing about what its rows have to do with each other: a stack
holds networks of one split, and sees training rows only when it trains. What `vmap` can't map, such as an LSTM or a
branch on computed values, runs one network after the other, as in the plain loop. Everything else of the engine is the
same for it: optimizers, schedules, minibatches, savepoints.
"""

from __future__ import annotations

import copy
import functools
import re
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from seedbed.errors import TrainingError
from seedbed.networks import Tensors
from seedbed.training.inputs import Inputs
from seedbed.training.process import one_thread
from seedbed.training.randomness import Draws, network_keys, reseed, seeded, stateless
from seedbed.training.reference import outputs_of
from seedbed.training.stack import Layout, Pass, Placement, stack_networks

__all__ = ["General", "OneByOne", "general_forward"]


def general_forward(network: nn.Module, n_features: int) -> General | OneByOne:
    """How a stack of networks like this one runs: as `General` if `vmap` can map it, else as `OneByOne`."""
    general = General(network)
    reason = _unmapped(general, network, n_features)
    return OneByOne(network, reason) if reason else general


class General:
    """Any module, by `vmap` over `functional_call`.

    Attributes:
        layout: no weight is stored transposed.
        same_in_training: not known, so taken as no.
        explodes: of no concern, as it sees the rows that count and no others.
        normalises_batches: whether a batch of one row can't be trained on.
    """

    layout: Layout = frozenset()
    same_in_training = False
    explodes = False

    def __init__(self, network: nn.Module) -> None:
        self._in_training, self._in_evaluation = copy.deepcopy(network).train(), copy.deepcopy(network).eval()
        self.normalises_batches = any(isinstance(module, nn.BatchNorm1d) for module in network.modules())
        self._buffers = {name for name, _ in network.named_buffers()}
        for module in self._in_training.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.forward = functools.partial(_batch_norm, module)  # type: ignore[method-assign]

    @property
    def placement(self) -> Placement:
        """The network axis is first: `vmap` takes it to the front anyway."""
        return "network_first"

    def __call__(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, Tensors]:
        """Outputs [row, output, network], and the buffers that the pass has changed. It takes X as it is."""
        network = self._in_training if now.training else self._in_evaluation
        X, axis = inputs.X, 2 if inputs.X.dim() == 3 else None

        def one(own: Tensors, X: Tensor, key: Tensor) -> tuple[Tensor, Tensors]:
            own = {name: value.clone() if name in self._buffers else value for name, value in own.items()}
            with stateless(network, Draws(key, now.step, now.rows)):
                z = outputs_of(lambda X: functional_call(network, own, (X,)), X)
            return z, {name: own[name] for name in self._buffers}

        try:
            return vmap(one, in_dims=(-1, axis, 0), out_dims=(-1, -1), randomness="error")(values, X, now.keys)
        except RuntimeError as error:
            raise TrainingError(
                f"this network can't be stacked: {str(error).splitlines()[0]}",
                "Random layers are nn.Dropout and nn.RReLU; a forward() mustn't branch on the values it computes.",
            ) from error


class OneByOne:
    """Any module, one network after the other: for those that `vmap` can't map.

    Attributes:
        reason: why it can't, in a few words.
        The rest as `General` has it.
    """

    layout: Layout = frozenset()
    same_in_training = False
    explodes = False

    def __init__(self, network: nn.Module, reason: str) -> None:
        self.reason = reason
        self._in_training, self._in_evaluation = copy.deepcopy(network).train(), copy.deepcopy(network).eval()
        self.normalises_batches = any(isinstance(module, nn.BatchNorm1d) for module in network.modules())
        self._buffers = {name for name, _ in network.named_buffers()}

    @property
    def placement(self) -> Placement:
        """The network axis is first, so that one network's parameters lie together."""
        return "network_first"

    def __call__(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, Tensors]:
        """Outputs [row, output, network], and the buffers that the pass has changed. It takes X as it is."""
        network = self._in_training if now.training else self._in_evaluation
        parts = {name: value.unbind(-1) for name, value in values.items()}
        outputs: list[Tensor] = []
        buffers: list[Tensors] = []
        with seeded(0):
            for index, key in enumerate(now.keys):
                own = {name: part[index].clone() if name in self._buffers else part[index]
                       for name, part in parts.items()}  # fmt: skip
                X = inputs.X if inputs.X.dim() == 2 else inputs.X[:, :, index].contiguous()
                reseed(key, now.step, training=now.training)
                with stateless(network, Draws(key, now.step, now.rows)):
                    outputs.append(_called(network, own, X))
                buffers.append({name: own[name] for name in self._buffers})
        return torch.stack(outputs, -1), {
            name: torch.stack([one[name] for one in buffers], -1) for name in self._buffers
        }

    def seconds_a_step(self, network: nn.Module, n_rows: int, n_features: int) -> float:
        """Measure how long a forward and a backward pass of one network take, on random rows."""
        params, buffers = stack_networks([network], self.layout)
        dtype = next(iter(params.values())).dtype
        X = torch.randn(n_rows, n_features, generator=torch.Generator().manual_seed(0)).to(dtype)
        keys, step = network_keys([0], "draws"), torch.tensor(0, dtype=torch.int32)
        rows = torch.arange(n_rows, dtype=torch.int32)
        now = Pass(True, torch.ones(n_rows, 1, dtype=dtype), keys, step, rows, "network_first")
        times = []
        with one_thread("cpu"):
            for _ in range(3):
                started = time.perf_counter()
                z, pull_back, _ = self.vjp(functools.partial(_outputs, self, buffers, Inputs(X), now), params)
                pull_back(torch.ones_like(z))
                times.append(time.perf_counter() - started)
        return min(times)

    def vjp(self, function: Callable[[Tensors], tuple[Tensor, Tensors]], params: Tensors) -> tuple[Any, ...]:
        """As `torch.func.vjp` with `has_aux`, by torch's own autograd, which takes every module. The gradient of a
        parameter that isn't used is zero."""
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            z, changed = function(leaves)

        def pull_back(slopes: Tensor) -> tuple[Tensors]:
            unused = z.grad_fn is None
            found = [None] * len(leaves) if unused else torch.autograd.grad(
                z, list(leaves.values()), slopes, allow_unused=True
            )  # fmt: skip
            pairs = zip(leaves.items(), found, strict=True)
            return ({name: torch.zeros_like(leaf) if grad is None else grad for (name, leaf), grad in pairs},)

        return z.detach(), pull_back, {name: value.detach() for name, value in changed.items()}


def _called(network: nn.Module, own: Tensors, X: Tensor) -> Tensor:
    try:
        return outputs_of(lambda X: functional_call(network, own, (X,)), X)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        message = f"this network can't be trained: {(str(error).splitlines() or [type(error).__name__])[0]}"
        raise TrainingError(message) from error


def _batch_norm(module: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Batch normalisation in training. torch's own loses its running statistics under `vmap`."""
    over = [axis for axis in range(x.dim()) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
    n = x.numel() // x.shape[1]
    mean, variance = x.mean(over), x.var(over, correction=0)
    if module.track_running_stats and module.num_batches_tracked is not None:
        module.num_batches_tracked.add_(1)
        momentum = 1.0 / module.num_batches_tracked.to(x.dtype) if module.momentum is None else module.momentum
        for buffer, value in (module.running_mean, mean), (module.running_var, variance * n / max(n - 1, 1)):
            if buffer is not None:
                buffer.copy_(buffer + momentum * (value.detach() - buffer))
    x = (x - mean.reshape(shape)) * torch.rsqrt(variance.reshape(shape) + module.eps)
    return x * module.weight.reshape(shape) + module.bias.reshape(shape) if module.affine else x


def _unmapped(general: General, network: nn.Module, n_features: int) -> str:
    """Why `vmap` can't map a network, found out on a few random rows; empty where it can."""
    dtype = next(p.dtype for p in network.parameters())
    X = torch.randn(7, n_features, generator=torch.Generator().manual_seed(0)).to(dtype)
    params, buffers = stack_networks([network, network], general.layout)
    keys, step = network_keys([0, 0], "draws"), torch.tensor(0, dtype=torch.int32)
    rows = torch.arange(7, dtype=torch.int32)
    try:
        for inputs in Inputs(X), Inputs(torch.stack([X, X], -1)):  # shared rows, and each network's own
            for training in (True, False):
                now = Pass(training, torch.ones(7, 2, dtype=dtype), keys, step, rows, "network_first")
                forward = functools.partial(_outputs, general, buffers, inputs, now)
                z, pull_back, _ = vjp(forward, params, has_aux=True)  # type: ignore[misc]
                pull_back(torch.ones_like(z))
    except Exception as error:  # noqa: BLE001 - it runs the user's code on stand-ins for tensors: anything can happen
        return _in_words(error)
    return ""


def _outputs(
    forward: General | OneByOne, buffers: Tensors, inputs: Inputs, now: Pass, params: Tensors
) -> tuple[Tensor, Tensors]:
    return forward({**params, **buffers}, inputs, now)


def _in_words(error: Exception) -> str:
    """Why `vmap` couldn't map a network, in a few words."""
    text = str(error.__cause__ or error)
    if "random" in text:
        return "it draws random numbers other than by nn.Dropout or nn.RReLU"
    if "data-dependent" in text or "item()" in text:
        return "its forward() depends on values that it computes"
    if found := re.search(r"aten::(\w+)", text):
        return f"torch has no rule for {found[1]}"
    return (text.splitlines() or [type(error).__name__])[0][:100]

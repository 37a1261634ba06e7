"""The forward pass of a stack: as a chain of known layers where the network is one, else as any module.

Both give the same results. A chain is faster: all its networks share the table in one matmul, and networks of
different splits can stand in one stack.

Any other module is mapped by `torch.func.vmap`. Its rows may depend on each other, so such a stack holds networks of
one split, and sees training rows only when it trains. A module that `vmap` can't map, such as an LSTM or one that
branches on computed values, runs one network after the other, as in the plain loop. Optimizers, schedules, minibatches
and savepoints are the same for all.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.func import functional_call, vjp, vmap

from seedbed.errors import TrainingError
from seedbed.networks import MLP, activation_of
from seedbed.settings import Tensors
from seedbed.training.data import dtype_hint
from seedbed.training.embeddings import Piecewise
from seedbed.training.hooks import hide_slow_vmap
from seedbed.training.inputs import Inputs, counting, expanded
from seedbed.training.layers import LAYERS, Elementwise, Linear, RandomLayer, Residual, StackedLayer, stacked_layer
from seedbed.training.machine import one_thread
from seedbed.training.program import NotCoveredError, Program
from seedbed.training.randomness import Draws, drawn_layer, drawn_modules, network_keys, reseed, seeded, stateless
from seedbed.training.reference import outputs_of
from seedbed.training.stack import Layout, Pass, Placement, stack_networks

__all__ = ["Chain", "Forward", "OneByOne", "StackedNetworks", "covers", "dead_share", "shared_forward"]


# Elementwise functions that a user's forward() may call.
_FUNCTIONS: dict[object, Callable[..., Tensor]] = {
    function: function
    for function in (
        *(torch.relu, torch.tanh, torch.sigmoid, torch.sin, torch.cos, torch.exp, torch.abs),
        *(F.relu, F.tanh, F.sigmoid, F.gelu, F.silu, F.elu, F.selu, F.celu, F.leaky_relu, F.softplus, F.mish),
        *(F.hardtanh, F.relu6, F.logsigmoid, F.hardswish, F.hardsigmoid, F.softsign, F.tanhshrink),
    )
}
_METHODS: dict[object, Callable[..., Tensor]] = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


@dataclass(frozen=True)
class Chain:
    """Known layers, one after the other."""

    layers: tuple[StackedLayer, ...]

    @functools.cached_property
    def _alone(self) -> tuple[StackedLayer, ...]:
        return tuple(inner for layer in self.layers for inner in layer.alone())

    @property
    def layout(self) -> Layout:
        """The names of the weights that are stored transposed."""
        return frozenset(layer.name + "weight" for layer in self._alone if isinstance(layer, Linear))

    @property
    def same_in_training(self) -> bool:
        """Whether `train()` and `eval()` give the same outputs, so that one pass serves both."""
        return not any(layer.differs_in_training for layer in self._alone)

    @property
    def normalises_batches(self) -> bool:
        """Whether a batch of one row can't be trained on."""
        return any(layer.normalises_batches for layer in self._alone)

    @property
    def explodes(self) -> bool:
        """Whether a function in it overflows on numbers of a usual size."""
        return any(layer.explodes for layer in self._alone)

    @property
    def placement(self) -> Placement:
        """The fastest way to compute (see benchmarks/LOG.md)."""
        if any(layer.embeds for layer in (*self.layers, *self._alone)):
            return "network_first"  # as its arrays lie, and what follows is a layer of many inputs
        hidden = self._alone[isinstance(self.layers[0], Linear) :]
        later = [layer.units for layer in hidden if isinstance(layer, Linear) and layer.units > 1]
        return "network_first" if later else "network_last"

    def __call__(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, Tensors]:
        """Return the outputs [row, output, network], and the buffers that the pass has changed."""
        updates: Tensors = {}
        x, rest = self._entered(values, inputs, now)
        for layer in rest:
            x = layer(x, values, now, updates)
        return x, updates

    def alive(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor | None, Tensor]:
        """Return which ReLU units are above zero for some row of the pass that counts [unit, network], None without
        ReLU; and whether all outputs of a network are finite [network]."""
        alive: list[Tensor] = []
        x, _ = self(values, inputs, now._replace(alive=alive))
        return (torch.cat(alive) if alive else None), x.isfinite().all(0).all(0)

    def program(self, shapes: Mapping[str, torch.Size], buffers: Mapping[str, torch.Size]) -> Program | None:
        """Return what the kernel runs for such networks, or None where it doesn't cover them.

        Args:
            shapes: shapes of one network's trainable parameters, as torch has them.
            buffers: shapes of all its other tensors.
        """
        program = Program(shapes, buffers)
        first, *rest = self.layers
        # Layers hand a gradient on to the one before, but embeddings take it from a linear layer alone.
        if self.explodes or (first.embeds and not (rest and isinstance(rest[0], Linear))):
            return None
        try:
            first.begin(program)
            for layer in rest:
                layer.add_to(program)
        except NotCoveredError:
            return None
        return program if program.is_complete else None

    def _entered(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, tuple[StackedLayer, ...]]:
        """Return the outputs of a first linear layer, or else the inputs, and the remaining layers."""
        first, rest = self.layers[0], self.layers[1:]
        if isinstance(first, Linear) and inputs.X.dim() == 2:
            x = first.first(inputs, values, now)
        else:
            x, rest = expanded(inputs, now.keys.shape[0]), self.layers
        return (counting(x, now.weights) if now.guarded else x), rest


def dead_share(alive: Tensor | None, finite: Tensor, keys: Tensor) -> Tensor:
    """Return the share of ReLU units that are zero for all rows [network], NaN without ReLU and for a network that
    diverged. The arguments `alive` and `finite` are what `Chain.alive` returns."""
    if alive is None:
        return torch.full(keys.shape, torch.nan)
    return torch.where(finite, 1 - alive.float().mean(0), torch.nan)


def covers(forward: Forward, network: nn.Module) -> bool:
    """Return whether the kernel trains networks like this one."""
    parameters = dict(network.named_parameters())
    shapes = {name: value.shape for name, value in parameters.items() if value.requires_grad}
    buffers = {name: value.shape for name, value in network.named_buffers()}
    return len(shapes) == len(parameters) and isinstance(forward, Chain) and bool(forward.program(shapes, buffers))


def forward_of(network: nn.Module, n_features: int) -> Forward:
    """Return the forward pass of a stack of networks like this one: a `Chain` if that gives the module's outputs, else
    `General` or `OneByOne`."""
    chain = read_chain(network)
    if chain is not None and _agrees(chain, network, n_features):
        return chain
    return general_forward(network, n_features)


_chains: weakref.WeakKeyDictionary[Callable[[], nn.Module], Chain] = weakref.WeakKeyDictionary()


def shared_forward(build: Callable[[], nn.Module], network: nn.Module, n_features: int) -> Forward:
    """Return `forward_of` for a network of a builder. All chunks of a stack share a chain, because reading it and
    comparing it with the module takes as long as training a small network."""
    forward: Forward | None = _chains.get(build)
    if forward is None:
        forward = forward_of(network, n_features)
        if isinstance(forward, Chain):
            _chains[build] = forward
    return forward


def read_chain(network: nn.Module) -> Chain | None:
    """Return the network as a chain of known layers, or None."""
    numbers = drawn_modules(network)
    whole = stacked_layer("", network, numbers)
    if whole is not None:
        return Chain((whole,))
    try:
        graph = _Tracer().trace(network)
    except Exception:  # noqa: BLE001 - tracing runs the user's code on proxies of tensors, which may raise anything
        return None
    modules = dict(network.named_modules())
    layers: list[StackedLayer] = []
    uses: Counter[int] = Counter()
    previous: fx.Node | None = None
    for node in graph.nodes:
        if node.op == "placeholder" and previous is None:
            previous = node
            continue
        if previous is None or node.args[:1] != (previous,) or node.all_input_nodes != [previous]:
            return None
        if node.op == "output":
            return Chain(tuple(layers)) if layers else None
        layer = _read_node(node, modules, numbers)
        if layer is None:
            return None
        layers.append(_used(layer, uses))
        previous = node
    return None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or activation_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _used(layer: StackedLayer, uses: Counter[int]) -> StackedLayer:
    """Return the layer with a number of its own for each use, so that a module used twice draws twice."""
    if isinstance(layer, Residual):
        return Residual(tuple(_used(inner, uses) for inner in layer.layers))
    if not isinstance(layer, RandomLayer):
        return layer
    uses[layer.number] += 1
    return dataclasses.replace(layer, number=drawn_layer(layer.number, uses[layer.number] - 1))


def _read_node(node: fx.Node, modules: dict[str, nn.Module], numbers: dict[str, int]) -> StackedLayer | None:
    if node.op == "call_module" and not node.kwargs and len(node.args) == 1:
        return stacked_layer(f"{node.target}.", modules[str(node.target)], numbers)
    known = {"call_function": _FUNCTIONS, "call_method": _METHODS}.get(node.op, {})
    if node.target not in known:
        return None
    function, args, kwargs = known[node.target], node.args[1:], dict(node.kwargs)
    kwargs.pop("inplace", None)
    return Elementwise(f"{function.__name__}{args}{kwargs}", lambda x: function(x, *args, **kwargs))


def _agrees(chain: Chain, network: nn.Module, n_features: int) -> bool:
    """Return whether the chain gives the module's outputs in training and evaluation, on a few random rows."""
    X = torch.randn(7, n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    twin = copy.deepcopy(network).double()
    params, buffers = stack_networks([twin, twin], chain.layout)
    keys = network_keys([0, 0], "draws")
    inputs = Inputs(X)
    for training in (False, True):  # training last: it changes the twin's buffers
        weights, rows = torch.ones(7, 2, dtype=X.dtype), torch.arange(7, dtype=torch.int32)
        now = Pass(training, weights, keys, torch.tensor(3, dtype=torch.int32), rows, "network_last")
        try:
            with torch.no_grad(), stateless(twin, Draws(keys[0], 3)):
                stacked, _ = chain({**params, **buffers}, inputs, now)
                alone = outputs_of(twin.train(training), X)
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError):
            return False
        if stacked.shape[:2] != alone.shape or not torch.allclose(
            stacked[:, :, 1], alone, rtol=1e-9, atol=1e-12, equal_nan=True
        ):
            return False
    return True


def general_forward(network: nn.Module, n_features: int) -> General | OneByOne:
    """Return `General` if `vmap` can map networks like this one, else `OneByOne`."""
    hide_slow_vmap()
    general = General(network)
    reason = _unmapped(general, network, n_features)
    return OneByOne(network, reason) if reason else general


class General:
    """Any module, by `vmap` over `functional_call`.

    Attributes:
        layout: no weight is stored transposed.
        same_in_training: unknown, so False.
        explodes: irrelevant, as it sees only rows that count.
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
        """The network axis is first, because `vmap` moves it there."""
        return "network_first"

    def __call__(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, Tensors]:
        """Return the outputs [row, output, network], and the buffers that the pass has changed. X isn't scaled."""
        network = self._in_training if now.training else self._in_evaluation
        X, axis = inputs.X, 2 if inputs.X.dim() == 3 else None

        def one(values: Tensors, X: Tensor, key: Tensor) -> tuple[Tensor, Tensors]:
            values = {name: value.clone() if name in self._buffers else value for name, value in values.items()}
            with stateless(network, Draws(key, now.step, now.rows)):
                z = outputs_of(lambda X: functional_call(network, values, (X,)), X)
            return z, {name: values[name] for name in self._buffers}

        try:
            return vmap(one, in_dims=(-1, axis, 0), out_dims=(-1, -1), randomness="error")(values, X, now.keys)
        except RuntimeError as error:
            line = str(error).splitlines()[0]
            raise TrainingError(
                f"this network can't be stacked: {line}",
                dtype_hint(line)
                or "Random layers are nn.Dropout and nn.RReLU; a forward() mustn't branch on the values it computes.",
            ) from error


class OneByOne:
    """Any module that `vmap` can't map, one network after the other.

    Attributes:
        reason: why `vmap` can't map it.
        layout, same_in_training, explodes, normalises_batches: see `General`.
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
        """Return the outputs [row, output, network], and the buffers that the pass has changed. X isn't scaled."""
        network = self._in_training if now.training else self._in_evaluation
        parts = {name: value.unbind(-1) for name, value in values.items()}
        outputs: list[Tensor] = []
        buffers: list[Tensors] = []
        with seeded(0):
            for index, key in enumerate(now.keys):
                state = {name: part[index].clone() if name in self._buffers else part[index]
                         for name, part in parts.items()}  # fmt: skip
                X = inputs.X if inputs.X.dim() == 2 else inputs.X[:, :, index].contiguous()
                reseed(key, now.step, training=now.training)
                with stateless(network, Draws(key, now.step, now.rows)):
                    outputs.append(_called(network, state, X))
                buffers.append({name: state[name] for name in self._buffers})
        return torch.stack(outputs, -1), {
            name: torch.stack([buffer[name] for buffer in buffers], -1) for name in self._buffers
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
            grads = [None] * len(leaves) if unused else torch.autograd.grad(
                z, list(leaves.values()), slopes, allow_unused=True
            )  # fmt: skip
            pairs = zip(leaves.items(), grads, strict=True)
            return ({name: torch.zeros_like(leaf) if grad is None else grad for (name, leaf), grad in pairs},)

        return z.detach(), pull_back, {name: value.detach() for name, value in changed.items()}


Forward = Chain | General | OneByOne


def _called(network: nn.Module, values: Tensors, X: Tensor) -> Tensor:
    try:
        return outputs_of(lambda X: functional_call(network, values, (X,)), X)
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
    if match := re.search(r"aten::(\w+)", text):
        return f"torch has no rule for {match[1]}"
    return (text.splitlines() or [type(error).__name__])[0][:100]


@functools.lru_cache(64)
def _chain_of(architecture: MLP, n_inputs: int, n_outputs: int) -> Chain | None:
    """Return the chain of an architecture. Reading it takes longer than predicting few rows."""
    with torch.device("meta"):  # takes no memory, and draws no random numbers
        return read_chain(architecture(n_inputs, n_outputs))


class StackedNetworks:
    """Trained networks of one architecture that predict together.

    Piecewise linear encodings with the same bins in all networks are computed only once.

    Args:
        architecture: builds one network.
        n_inputs, n_outputs: of the networks.
        states: their stacked states [network, ...], by the names of the `state_dict`.

    Raises:
        ValueError: a layer of the network isn't known.
    """

    def __init__(self, architecture: MLP, n_inputs: int, n_outputs: int, states: Mapping[str, Tensor]) -> None:
        chain = _chain_of(architecture, n_inputs, n_outputs)
        if chain is None:
            raise ValueError("the network isn't a chain of known layers")
        layout = chain.layout
        self._values = {
            name: (value.transpose(-1, -2) if name in layout else value).movedim(0, -1)
            for name, value in states.items()
        }
        self._chain, self._front = chain, None
        first = [*chain.layers[0].alone()]
        edges = [layer.name + "edges" for layer in first if isinstance(layer, Piecewise)]
        if len(edges) == len(first) and all(
            (self._values[name] == self._values[name][..., :1]).all() for name in edges
        ):
            self._front, self._chain = chain.layers[0], Chain(chain.layers[1:])
        n = len(next(iter(states.values())))
        empty, keys = torch.empty(0), torch.zeros(n, dtype=torch.int32)
        self._now = Pass(False, empty, keys, empty, empty, self._chain.placement)

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [row, output, network] for inputs X [row, input]."""
        if self._front is not None:
            alone = {name: value[..., :1] for name, value in self._values.items() if name.endswith("edges")}
            X = self._front(X[:, :, None], alone, self._now, {})[:, :, 0]
        outputs, _ = self._chain(self._values, Inputs(X), self._now)
        return outputs

"""A user's module as a chain of known layers, which a stack computes for many networks at once.

All networks of a chain share the table in one matmul, and networks of different splits can stand in one stack. The
plain loop trains any other module, and each module whose `forward` changes the module itself.
"""

from __future__ import annotations

import copy
import dataclasses
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from seedbed.errors import CandidateError
from seedbed.networks.draws import network_keys
from seedbed.networks.layers import (
    Array,
    Arrays,
    BatchNorm,
    Dropout,
    Elementwise,
    Function,
    Layer,
    LayerNorm,
    Linear,
    drawn_layer,
)
from seedbed.networks.network import Network
from seedbed.training.data import TrainingData
from seedbed.training.torch.modules import activation_of
from seedbed.training.torch.noise import RandomStream, drawn_modules, seeded, stateless
from seedbed.training.torch.stacked_layers import Pass, compute
from seedbed.training.torch.states import (
    build_network,
    count_outputs,
    look_at,
    modules_that_look,
    outputs_of,
    stack_state_dicts,
    state_dict_of,
)
from seedbed.training.traits import Traits
from seedbed.training.undocumented import has_hooks

# Elementwise functions that a user's forward() may call.
_FUNCTIONS: dict[object, Callable[..., Tensor]] = {
    function: function
    for function in (
        *(torch.relu, torch.tanh, torch.sigmoid, torch.sin, torch.cos, torch.exp, torch.abs),
        *(F.relu, F.tanh, F.sigmoid, F.gelu, F.silu, F.elu, F.selu, F.celu, F.leaky_relu, F.softplus, F.mish),
        *(F.hardtanh, F.relu6, F.logsigmoid, F.hardswish, F.hardsigmoid, F.softsign, F.tanhshrink),
    )
}
# Those that the kernel has.
_NAMED = ("relu", "tanh", "sigmoid", "silu", "mish", "softsign")
_METHODS: dict[object, Callable[..., Tensor]] = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def traits_of_module(build: Callable[[], nn.Module], seed: int, data: TrainingData) -> Traits:
    """Return what is known of a user's network, see `planning.traits_of`."""
    module = build_network(build, seed)
    n_outputs, n_features = count_outputs(module, data), data.X.shape[1]
    network = _chains.get(build) or checked_chain(module, n_features)
    parameters, other = dict(module.named_parameters()), build_network(build, seed ^ 1)
    if other is module:
        raise CandidateError("build() returns the same module each time", "Create a new module in it.")
    notes = [_EQUAL_STARTS] if _same(parameters, dict(other.named_parameters())) else []
    if network is not None:
        _chains[build] = network
    elif changed := changed_by_forward(module, n_features) - {"_parameters", "_buffers", "_modules"}:
        notes.append(_LOST.format(", ".join(sorted(changed))))
    shapes = {name: tuple(value.shape) for name, value in parameters.items() if value.requires_grad}
    buffers = {name: tuple(value.shape) for name, value in module.named_buffers()}
    covered = network is not None and len(shapes) == len(parameters)
    program = network.program(shapes, buffers) if network is not None and covered else None
    n_parameters = sum(value.numel() for value in parameters.values())
    has_batchnorm = any(isinstance(part, nn.BatchNorm1d) for part in module.modules())
    is_looking = bool(modules_that_look(module))
    return Traits(
        network, n_outputs, n_parameters, program, frozenset(shapes), has_batchnorm, is_looking, "; ".join(notes)
    )


def start_of_modules(
    build: Callable[[], nn.Module], network: Network, dtype: str, seeds: Sequence[int], rows: Sequence[Array] | None
) -> Arrays:
    """Return the states with which users' networks start [network, ...], in a type of numbers.

    Args:
        build: builds one.
        network: the layers that all of them have.
        dtype: `float32` or `float64`.
        seeds: one per network.
        rows: the training rows that each network looks at, if any [network][row, input].

    Raises:
        CandidateError: they differ in more than these.
    """
    modules, numbers = [build_network(build, seed) for seed in seeds], getattr(torch, dtype)
    for module, X in zip(modules, rows or (), strict=rows is not None):
        look_at(module.to(numbers), torch.from_numpy(X))
    states = stack_state_dicts([state_dict_of(module) for module in modules])
    if any(read_chain(module) != network for module in modules):
        raise CandidateError(
            "the networks of one candidate differ by seed in more than their parameters and buffers",
            "Register a tensor that differs by seed with register_buffer().",
        )
    return {name: (v.to(numbers) if v.is_floating_point() else v).numpy() for name, v in states.items()}


_EQUAL_STARTS = (
    "all seeds start with the same parameters: unless that is meant, create the layers in build() instead of a copy"
)
_LOST = "its forward() may change {}, not registered as a buffer: returned networks don't keep its trained value"
_chains: weakref.WeakKeyDictionary[Callable[[], nn.Module], Network] = weakref.WeakKeyDictionary()
"""The chains of builders. Chunks share them: to read one and compare it takes as long as training a small network."""


def checked_chain(network: nn.Module, n_features: int) -> Network | None:
    """Return the network as a chain that gives its outputs, or None."""
    if changed_by_forward(network, n_features):
        return None
    chain = read_chain(network)
    return chain if chain is not None and _agrees(chain, network, n_features) else None


def read_chain(module: nn.Module) -> Network | None:
    """Return the module as a chain of known layers, or None."""
    numbers = drawn_modules(module)
    whole = read_layer("", module, numbers)
    if whole is not None:
        return Network((whole,))
    try:
        graph = _Tracer().trace(copy.deepcopy(module))  # forward() may change what it runs on
    except Exception:  # noqa: BLE001 - tracing runs the user's code on proxies of tensors, which may raise anything
        return None
    modules = dict(module.named_modules())
    layers: list[Layer] = []
    uses: Counter[int] = Counter()
    previous: fx.Node | None = None
    for node in graph.nodes:
        if node.op == "placeholder" and previous is None:
            previous = node
            continue
        if previous is None or node.args[:1] != (previous,) or node.all_input_nodes != [previous]:
            return None
        if node.op == "output":
            return Network(tuple(layers)) if layers else None
        layer = _read_node(node, modules, numbers)
        if layer is None:
            return None
        if isinstance(layer, Dropout):  # so that a module used twice draws twice
            own = layer.number
            layer = dataclasses.replace(layer, number=drawn_layer(own, uses[own]))
            uses[own] += 1
        layers.append(layer)
        previous = node
    return None


def read_layer(name: str, module: nn.Module, numbers: dict[str, int]) -> Layer | None:
    """Return a module as a layer, or None where there is none.

    Args:
        name: the module's qualified name and a dot, or nothing.
        module: the module. Subclasses of torch's don't count, as they may do anything.
        numbers: the modules that draw, see `noise.drawn_modules`.
    """
    if has_hooks(module):
        return None
    if read := _READ.get(type(module)):
        return read(name, module, numbers.get(name.removesuffix("."), 0))
    found = activation_of(module)
    return None if found is None else Elementwise(*found)


def _read_layernorm(name: str, module: nn.LayerNorm, number: int) -> Layer | None:
    if len(module.normalized_shape) != 1:
        return None
    units, affine = module.normalized_shape[0], module.weight is not None
    return LayerNorm(name, units, module.eps, affine, module.bias is not None)


def _read_batchnorm(name: str, module: nn.BatchNorm1d, number: int) -> Layer | None:
    if module.momentum is None or not module.track_running_stats:
        return None
    return BatchNorm(name, module.num_features, module.eps, module.momentum, module.affine)


_READ: Mapping[type[nn.Module], Callable[[str, Any, int], Layer | None]] = {
    nn.Linear: lambda name, m, _: Linear(name, m.in_features, m.out_features, m.bias is not None),
    nn.Dropout: lambda name, m, number: Dropout(number, m.p),
    nn.LayerNorm: _read_layernorm,
    nn.BatchNorm1d: _read_batchnorm,
}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _READ or activation_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _read_node(node: fx.Node, modules: dict[str, nn.Module], numbers: dict[str, int]) -> Layer | None:
    if node.op == "call_module" and not node.kwargs and len(node.args) == 1:
        return read_layer(f"{node.target}.", modules[str(node.target)], numbers)
    known = {"call_function": _FUNCTIONS, "call_method": _METHODS}.get(node.op, {})
    if node.target not in known:
        return None
    function, args, kwargs = known[node.target], node.args[1:], dict(node.kwargs)
    kwargs.pop("inplace", None)
    if not args and not kwargs and function.__name__ in _NAMED:
        return Elementwise(function.__name__)
    return Function(f"{function.__name__}{args}{kwargs}", lambda x: function(x, *args, **kwargs))


def changed_by_forward(network: nn.Module, n_features: int) -> set[str]:
    """Return the attributes of modules that `forward` may change, such as `_buffers`. Batch normalisation is a known
    layer and doesn't count. What can't be compared counts as changed."""
    try:
        before, after = copy.deepcopy(network), copy.deepcopy(network)
        X = torch.randn(7, n_features, generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), seeded(0):
            for training in (True, True, False, False):
                after.train(training)(X.to(next(after.parameters()).dtype))
        after.train(before.training)
        parts = [[{**vars(m), "_modules": list(m._modules)} for m in one.modules()] for one in (before, after)]
    except Exception:  # noqa: BLE001 - a user's code may raise anything, and a compiled module doesn't list its parts
        return {"_modules"}
    changed: set[str] = set()
    for module, mine, theirs in zip(before.modules(), *parts, strict=False):
        if type(module) is not nn.BatchNorm1d:
            changed |= {name for name in mine | theirs if name not in mine or not _same(mine[name], theirs.get(name))}
    return changed


def _same(a: object, b: object) -> bool:
    """Return whether two copies of a value are equal. Values of unknown types aren't, unless they are one object."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, int | float | complex | str | bytes | set | frozenset | torch.Size) and a == b


def _agrees(chain: Network, network: nn.Module, n_features: int) -> bool:
    """Return whether the chain gives the module's outputs in training and evaluation, on a few random rows."""
    X = torch.randn(7, n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    twin = copy.deepcopy(network).double()
    states = {name: np.stack([value.numpy()] * 2) for name, value in state_dict_of(twin).items()}
    values = {name: torch.from_numpy(value) for name, value in chain.stacked(states, "float64").items()}
    keys = torch.from_numpy(network_keys([0, 0], "draws"))
    for training in (False, True):  # training last: it changes the twin's buffers
        weights, rows = torch.ones(7, 2, dtype=X.dtype), torch.arange(7, dtype=torch.int32)
        now = Pass(training, weights, keys, torch.tensor(3, dtype=torch.int32), rows, network_first=False)
        try:
            with torch.no_grad(), stateless(twin, RandomStream(keys[0], 3)):
                stacked, _ = compute(chain, values, X, now)
                alone = outputs_of(twin.train(training), X)
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError):
            return False
        if stacked.shape[:2] != alone.shape or not torch.allclose(
            stacked[:, :, 1], alone, rtol=1e-9, atol=1e-12, equal_nan=True
        ):
            return False
    return True

"""What is known of a user's module before it trains, and the module as a chain of layers that the
kernel covers.

A module is read once; those of other seeds are compared with it.
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
from torch import Tensor, fx, nn

from seedbed.errors import CandidateError
from seedbed.networks.activations import ALL_ACTIVATIONS
from seedbed.networks.layers import (
    Array,
    Arrays,
    Dropout,
    Elementwise,
    Layer,
    LayerNorm,
    Linear,
    drawn_layer,
)
from seedbed.networks.network import Network, Traits
from seedbed.training.data import TrainingData
from seedbed.training.torch import states
from seedbed.training.torch.modules import activation_of
from seedbed.training.torch.noise import drawn_modules, seeded
from seedbed.training.undocumented import has_hooks

_EQUAL_STARTS = "all seeds start with the same parameters: unless you want that, create the layers in build() instead of a copy"
_LOST = "returned networks don't keep the trained value of {}: register it as a buffer"
_known: weakref.WeakKeyDictionary[Callable[[], nn.Module], Traits] = (
    weakref.WeakKeyDictionary()
)
"""What is known of the modules of builders. To read one takes as long as training a small
network."""


def traits_of_module(
    build: Callable[[], nn.Module], seed: int, data: TrainingData
) -> Traits:
    """Return what is known of a user's network, see `stack.traits_of`."""
    if build in _known:
        return _known[build]
    module = states.build_network(build, seed)
    n_outputs = states.count_outputs(module, data)
    like = states.build_network(build, seed ^ 1)
    if like is module:
        raise CandidateError(
            "build() returns the same module each time", "Create a new module in it."
        )
    parameters = dict(like.named_parameters())
    notes = list[str]()
    if _same(dict(module.named_parameters()), parameters):
        notes.append(_EQUAL_STARTS)
    changed = changed_by_forward(like, data.X[:7])
    if lost := changed - {"_parameters", "_buffers", "_modules"}:
        notes.append(_LOST.format(", ".join(sorted(lost))))
    trained = {
        name: tuple(value.shape)
        for name, value in parameters.items()
        if value.requires_grad
    }
    network = None
    program = None
    if not changed and len(trained) == len(parameters):
        network = read_chain(like)
        is_chain = network == read_chain(module) and _agrees(network, like, data)
        buffers = {name: tuple(value.shape) for name, value in like.named_buffers()}
        program = network.program(trained, buffers) if network and is_chain else None
    _known[build] = traits = Traits(
        network if program else None,
        n_outputs,
        sum(value.numel() for value in parameters.values()),
        program,
        frozenset(trained),
        any(isinstance(part, nn.BatchNorm1d) for part in like.modules()),
        bool(states.modules_that_look(like)),
        "; ".join(notes),
        repr(like),
        frozenset(changed - {"_buffers"}),
    )
    return traits


def start_of_modules(
    build: Callable[[], nn.Module],
    traits: Traits,
    dtype: str,
    seeds: Sequence[int],
    rows: Sequence[Array] | None,
) -> Arrays:
    """Return the states with which users' networks start [network, ...], in a type of numbers.
    `rows` are the training rows that each network looks at, if any [network][row, input].
    CandidateError if networks differ in more."""
    modules = [states.build_network(build, seed) for seed in seeds]
    if any(repr(module) != traits.like for module in modules):
        raise CandidateError(
            "the networks of one candidate differ by seed in more than their parameters and buffers",
            "Register a tensor that differs by seed with register_buffer().",
        )
    numbers = getattr(torch, dtype)
    if rows is not None:
        for module, X in zip(modules, rows, strict=True):
            states.look_at(module.to(numbers), torch.from_numpy(X))
    stacked = states.stack_state_dicts(
        [states.state_dict_of(module) for module in modules]
    )
    return {
        name: (value.to(numbers) if value.is_floating_point() else value).numpy(
            force=True
        )
        for name, value in stacked.items()
    }


def read_chain(module: nn.Module) -> Network | None:
    """Return the module as a chain of known layers, or None. `forward()` is read in training and in
    evaluation."""
    numbers = drawn_modules(module)
    whole = read_layer("", module, numbers)
    if whole is not None:
        return Network((whole,))
    try:
        graphs = [
            (_Tracer().trace(copy.deepcopy(module).train(mode)), mode)
            for mode in (True, False)
        ]
    except Exception:  # noqa: BLE001 - tracing runs the user's code on proxies of tensors, which may raise anything
        return None
    modules = dict(module.named_modules())
    in_training, in_evaluation = (
        _read_graph(graph, modules, numbers, mode) for graph, mode in graphs
    )
    return in_training if in_training == in_evaluation else None


def _read_graph(
    graph: fx.Graph, modules: dict[str, nn.Module], numbers: dict[str, int], mode: bool
) -> Network | None:
    layers: list[Layer] = []
    uses: Counter[int] = Counter()
    previous: fx.Node | None = None
    for node in graph.nodes:
        if previous is None:
            if node.op != "placeholder":
                return None
        elif node.args[:1] != (previous,) or node.all_input_nodes != [previous]:
            return None
        elif node.op == "output":
            return Network(tuple(layers)) if layers else None
        elif not _reshapes(node, modules):
            layer = _read_node(node, modules, numbers, mode)
            if layer is None:
                return None
            if isinstance(layer, Dropout):  # so that a module used twice draws twice
                number = drawn_layer(layer.number, uses[layer.number])
                uses[layer.number] += 1
                layer = dataclasses.replace(layer, number=number)
            layers.append(layer)
        previous = node
    return None


def _reshapes(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Return whether a node may only shape numbers again, such as [row, 1] to [row]. `_agrees` finds
    those that do more."""
    if node.op == "call_module":
        return type(modules[str(node.target)]) is nn.Flatten
    name = getattr(node.target, "__name__", node.target)
    return name in ("flatten", "getitem", "ravel", "reshape", "squeeze", "view")


def read_layer(name: str, module: nn.Module, numbers: dict[str, int]) -> Layer | None:
    """Return a module as a layer, or None where there is none. Subclasses of torch's don't count,
    as they may do anything. The name is qualified and ends with a dot, or empty; `numbers` are the
    modules that draw, see `noise.drawn_modules`."""
    if has_hooks(module):
        return None
    if reader := _READ.get(type(module)):
        return reader(name, module, numbers.get(name.removesuffix("."), 0))
    activation = activation_of(module)
    return None if activation is None else Elementwise(*activation)


def _read_layernorm(name: str, module: nn.LayerNorm, number: int) -> Layer | None:
    if len(module.normalized_shape) != 1:
        return None
    units = module.normalized_shape[0]
    affine = module.weight is not None
    return LayerNorm(name, units, module.eps, affine, module.bias is not None)


_READ: Mapping[type[nn.Module], Callable[[str, Any, int], Layer | None]] = {
    nn.Linear: lambda name, m, _: Linear(
        name, m.in_features, m.out_features, m.bias is not None
    ),
    nn.Dropout: lambda name, m, number: Dropout(number, m.p),
    nn.LayerNorm: _read_layernorm,
}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            type(m) in _READ
            or activation_of(m) is not None
            or super().is_leaf_module(m, module_qualified_name)
        )


def _read_node(
    node: fx.Node, modules: dict[str, nn.Module], numbers: dict[str, int], mode: bool
) -> Layer | None:
    """Return what a node computes in training, or if not `mode` in evaluation, as a layer; or
    None."""
    if node.op == "call_module":
        alone = not node.kwargs and len(node.args) == 1
        return (
            read_layer(f"{node.target}.", modules[str(node.target)], numbers)
            if alone
            else None
        )
    name = str(
        node.target
        if node.op == "call_method"
        else getattr(node.target, "__name__", "")
    ).replace("_", "")
    settings: dict[str, Any] = {
        key: value for key, value in node.kwargs.items() if key != "inplace"
    }
    if name == "dropout":
        settings = (
            {"p": 0.5, "training": True}
            | dict(zip(("p", "training"), node.args[1:], strict=False))
            | settings
        )
        return (
            Dropout(len(numbers), settings["p"])
            if settings["training"] is mode
            else None
        )
    if name == "gelu" and settings.pop("approximate", "none") == "tanh":
        name = "gelu_tanh"
    if name not in ALL_ACTIVATIONS:
        return None
    arguments = dict(ALL_ACTIVATIONS[name].arguments)
    settings = dict(zip(arguments, node.args[1:], strict=False)) | settings
    if not settings.keys() <= arguments.keys() or not all(
        isinstance(v, int | float) for v in settings.values()
    ):
        return None
    return Elementwise(
        name, tuple(float(value) for value in (arguments | settings).values())
    )


def changed_by_forward(network: nn.Module, X: Array) -> set[str]:
    """Return the attributes of modules that `forward` may change for rows X, such as `_buffers`.
    Batch normalisation is known and doesn't count. What can't be compared counts as changed."""
    try:
        before, after = copy.deepcopy(network), copy.deepcopy(network)
        rows = torch.from_numpy(X).to(next(after.parameters()))
        with torch.no_grad(), seeded(0):
            for training in (True, True, False, False):
                after.train(training)(rows)
        after.train(before.training)
        parts = [
            [{**vars(m), "_modules": list(m._modules)} for m in version.modules()]
            for version in (before, after)
        ]
    except Exception:  # noqa: BLE001 - a user's code may raise anything, and a compiled module doesn't list its parts
        return {"_modules"}
    changed: set[str] = set()
    for module, mine, theirs in zip(before.modules(), *parts, strict=False):
        if type(module) is not nn.BatchNorm1d:
            names = {
                name
                for name in mine | theirs
                if not name.startswith("_flat_weight") and "state_dict" not in name
            }
            changed |= {
                name
                for name in names
                if name not in mine or not _same(mine[name], theirs.get(name))
            }
    return changed


def _same(a: Any, b: Any) -> bool:
    """Return whether two values are equal. Objects that can't be compared aren't, unless they are
    one object."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Tensor):
        return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return bool(np.all(a == b))


def _agrees(chain: Network | None, network: nn.Module, data: TrainingData) -> bool:
    """Return whether the chain gives the module's outputs in evaluation, on a few random rows."""
    if chain is None:
        return False
    X = torch.randn(
        7,
        data.X.shape[1],
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )
    twin = copy.deepcopy(network).to("cpu", torch.float64).eval()
    values = {
        name: value.numpy()[None] for name, value in states.state_dict_of(twin).items()
    }
    try:
        with torch.no_grad():
            outputs = chain(X.numpy(), values)[0], states.outputs_of(twin, X).numpy()
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError):
        return False
    return outputs[0].shape == outputs[1].shape and np.allclose(
        *outputs, rtol=1e-9, atol=1e-12, equal_nan=True
    )

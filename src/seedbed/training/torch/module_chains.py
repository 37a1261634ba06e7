"""What is known of a user's module before it trains, and the module as a chain of layers that the
kernel covers.

A module is read once; those of other seeds are compared with it.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import functools
import types
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
    n_features = data.X.shape[1]
    n_outputs = states.count_outputs(module, data)
    like = states.build_network(build, seed ^ 1)
    parameters = dict(like.named_parameters())
    if like is module:
        raise CandidateError(
            "build() returns the same module each time", "Create a new module in it."
        )
    notes = (
        [_EQUAL_STARTS] if _same(dict(module.named_parameters()), parameters) else []
    )
    changed = changed_by_forward(like, data.X[:7])
    network = None if changed else read_chain(like)
    if network is not None and not _agrees(network, like, n_features):
        network = None
    if lost := changed - {"_parameters", "_buffers", "_modules"}:
        notes.append(_LOST.format(", ".join(sorted(lost))))
    shapes = {
        name: tuple(value.shape)
        for name, value in parameters.items()
        if value.requires_grad
    }
    buffers = {name: tuple(value.shape) for name, value in like.named_buffers()}
    program = (
        network.program(shapes, buffers)
        if network is not None and len(shapes) == len(parameters)
        else None
    )
    network = network if program else None
    n_parameters = sum(value.numel() for value in parameters.values())
    has_batchnorm = any(isinstance(part, nn.BatchNorm1d) for part in like.modules())
    is_looking = bool(states.modules_that_look(like))
    note = "; ".join(notes)
    trained, kept = frozenset(shapes), frozenset(changed - {"_buffers"})
    _known[build] = traits = Traits(
        network,
        n_outputs,
        n_parameters,
        program,
        trained,
        has_batchnorm,
        is_looking,
        note,
        like,
        changed=kept,
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
    modules = list[nn.Module]()
    others = list[nn.Module]()
    numbers = getattr(torch, dtype)
    for seed in seeds:
        with seeded(seed):
            module: Any = build()
        if not (isinstance(module, nn.Module) and are_alike(traits.like, module)):
            module = states.build_network(build, seed)  # which checks it
            others.append(module)
        modules.append(module)
    for module, X in zip(modules, rows or (), strict=rows is not None):
        states.look_at(module.to(numbers), torch.from_numpy(X))
    stacked = states.stack_state_dicts(
        [states.state_dict_of(module) for module in modules]
    )
    if others and (
        traits.network is None
        or any(read_chain(module) != traits.network for module in others)
    ):
        raise CandidateError(
            "the networks of one candidate differ by seed in more than their parameters and buffers",
            "Register a tensor that differs by seed with register_buffer().",
        )
    return {
        name: (v.to(numbers) if v.is_floating_point() else v).numpy(force=True)
        for name, v in stacked.items()
    }


def read_chain(module: nn.Module) -> Network | None:
    """Return the module as a chain of known layers, or None. `forward()` is read in training and in
    evaluation."""
    numbers = drawn_modules(module)
    whole = read_layer("", module, numbers)
    if whole is not None:
        return Network((whole,))
    parts = dict(module.named_children())
    if (
        type(module) is nn.Sequential
        and len(parts) == len(module)
        and not has_hooks(module)
    ):
        layers = [read_layer(f"{name}.", part, numbers) for name, part in parts.items()]
        chain = [layer for layer in layers if layer is not None]
        if (
            len(chain) == len(module) > 0
        ):  # which tracing finds, too, in some milliseconds
            return Network(tuple(chain))
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
    is_flat = False  # whether rows have one number without an axis, which only the output may have
    for node in graph.nodes:
        if node.op == "placeholder" and previous is None:
            previous = node
            continue
        if (
            previous is None
            or node.args[:1] != (previous,)
            or node.all_input_nodes != [previous]
        ):
            return None
        if node.op == "output":
            return Network(tuple(layers)) if layers else None
        previous = node
        stays = _stays(node, modules)
        if stays is not None:
            is_flat |= not stays
            continue
        layer = None if is_flat else _read_node(node, modules, numbers, mode)
        if layer is None:
            return None
        if isinstance(layer, Dropout):  # so that a module used twice draws twice
            number = layer.number
            layer = dataclasses.replace(layer, number=drawn_layer(number, uses[number]))
            uses[number] += 1
        layers.append(layer)
    return None


def _stays(node: fx.Node, modules: dict[str, nn.Module]) -> bool | None:
    """Return whether outputs [row, unit] stay as they are (True), or [row, 1] become [row] (False);
    else None."""
    name = (
        node.target
        if isinstance(node.target, str)
        else getattr(node.target, "__name__", "")
    )
    if node.op == "call_module":
        module = modules[name]
        return (
            True
            if type(module) is nn.Flatten
            and (module.start_dim, module.end_dim) == (1, -1)
            else None
        )
    settings = (*node.args[1:], *node.kwargs.values())
    if name == "flatten" and settings == (1,):
        return True
    return False if settings in _FLAT.get(name, ()) else None


_FLAT: Mapping[str, tuple[object, ...]] = {
    "squeeze": ((), (-1,), (1,)),
    "flatten": ((), (0,)),
    "view": ((-1,),),
    "reshape": ((-1,), ((-1,),)),
    "ravel": ((),),
    "getitem": (((slice(None), 0),), ((..., 0),)),
}
"""Functions and methods that make one number of a row with one output, with their further
arguments."""


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


def are_alike(module: nn.Module, other: nn.Module) -> bool:
    """Return whether two modules differ in the values of parameters and buffers only."""
    mine, theirs = vars(module), vars(other)
    same_kind = type(module) is type(other) or _kind_of(module) == _kind_of(other)
    if (
        not same_kind
        or mine.keys() != theirs.keys()
        or list(module._modules) != list(other._modules)
    ):
        return False
    for key in mine.keys() - _OF_TORCH:
        if mine[key] is not theirs[key] and not (
            key.startswith("_flat_weight") or _same(mine[key], theirs[key])
        ):
            return False
    for key in _HOOKS:  # numbered by a counter of the process
        if (mine[key] or theirs[key]) and not _same(
            [*mine[key].values()], [*theirs[key].values()]
        ):
            return False
    pairs = zip(module._modules.values(), other._modules.values(), strict=True)
    return all(
        a is b or (a is not None and b is not None and are_alike(a, b))
        for a, b in pairs
    )


_OF_TORCH = frozenset(vars(nn.Module()))
_HOOKS = tuple(key for key in _OF_TORCH if key.startswith(("_forward", "_backward")))


def _kind_of(module: nn.Module) -> tuple[object, ...]:
    """Return what tells the class of a module. A parametrized module has a class of its own, and so
    may one whose class is defined in a function."""
    kind = type(module)
    return kind.__module__, kind.__qualname__, getattr(kind.forward, "__code__", kind)


def _same(a: object, b: object) -> bool:
    """Return whether two values are equal.

    Functions are, if one line of code made both, and they refer to equal values. Objects are, if
    their type compares values and they can't change, or if they are fields with names. Others
    aren't, unless they are one object.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(
            _same(value, b[key]) for key, value in a.items()
        )
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, types.FunctionType) and isinstance(b, types.FunctionType):
        cells = [
            [cell.cell_contents for cell in function.__closure__ or ()]
            for function in (a, b)
        ]
        return (
            a.__code__ is b.__code__
            and a.__defaults__ == b.__defaults__
            and _same(*cells)
        )
    if isinstance(a, functools.partial) and isinstance(b, functools.partial):
        return _same((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))
    if isinstance(
        a, types.SimpleNamespace | argparse.Namespace
    ) or dataclasses.is_dataclass(a):
        return _same(vars(a), vars(b))
    is_value = type(a).__eq__ is not object.__eq__ and type(a).__hash__ is not None
    return bool(a == b) if is_value or isinstance(a, set) else False


def _agrees(chain: Network, network: nn.Module, n_features: int) -> bool:
    """Return whether the chain gives the module's outputs in evaluation, on a few random rows."""
    X = torch.randn(
        7, n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
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

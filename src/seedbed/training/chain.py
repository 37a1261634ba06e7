"""A network as a chain of known layers, which a stack computes for many networks at once.

All networks of a chain share the table in one matmul, and networks of different splits can stand in one stack. The
plain loop trains any other module, and each module whose `forward` changes the module itself.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from seedbed.networks.kernel_program import NotCoveredError, Program
from seedbed.networks.mlp import MLP
from seedbed.networks.parts import activation_of
from seedbed.settings.optimizers import Tensors
from seedbed.training.data import expand_inputs, zero_uncounted
from seedbed.training.embeddings import Piecewise
from seedbed.training.layers import LAYERS, Elementwise, Linear, RandomLayer, Residual, StackedLayer, stacked_layer
from seedbed.training.randomness import RandomStream, drawn_layer, drawn_modules, network_keys, seeded, stateless
from seedbed.training.states import AxisOrder, Layout, Pass, outputs_of, stack_networks

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
    def _innermost_layers(self) -> tuple[StackedLayer, ...]:
        return tuple(inner for layer in self.layers for inner in layer.innermost_layers())

    @property
    def layout(self) -> Layout:
        """The names of the weights that are stored transposed."""
        return frozenset(layer.name + "weight" for layer in self._innermost_layers if isinstance(layer, Linear))

    @property
    def same_in_training(self) -> bool:
        """Whether `train()` and `eval()` give the same outputs, so that one pass serves both."""
        return not any(layer.differs_in_training for layer in self._innermost_layers)

    @property
    def explodes(self) -> bool:
        """Whether a function in it overflows on numbers of a usual size."""
        return any(layer.explodes for layer in self._innermost_layers)

    @property
    def axis_order(self) -> AxisOrder:
        """The fastest way to compute (see benchmarks/LOG.md)."""
        if any(layer.embeds for layer in (*self.layers, *self._innermost_layers)):
            return "network_first"  # as its arrays lie, and what follows is a layer of many inputs
        hidden = self._innermost_layers[isinstance(self.layers[0], Linear) :]
        later = [layer.units for layer in hidden if isinstance(layer, Linear) and layer.units > 1]
        return "network_first" if later else "network_last"

    def __call__(self, values: Tensors, X: Tensor, now: Pass) -> tuple[Tensor, Tensors]:
        """Return the outputs [row, output, network], and the buffers that the pass has changed."""
        updates: Tensors = {}
        x, rest = self._entered(values, X, now)
        for layer in rest:
            x = layer(x, values, now, updates)
        return x, updates

    def alive(self, values: Tensors, X: Tensor, now: Pass) -> tuple[Tensor | None, Tensor]:
        """Return which ReLU units are above zero for some row of the pass that counts [unit, network], None without
        ReLU; and whether all outputs of a network are finite [network]."""
        alive: list[Tensor] = []
        x, _ = self(values, X, now._replace(alive=alive))
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

    def _entered(self, values: Tensors, X: Tensor, now: Pass) -> tuple[Tensor, tuple[StackedLayer, ...]]:
        """Return the outputs of a first linear layer, or else the inputs, and the remaining layers."""
        first, rest = self.layers[0], self.layers[1:]
        if isinstance(first, Linear) and X.dim() == 2:
            x = first.first(X, values, now)
        else:
            x, rest = expand_inputs(X, now.keys.shape[0]), self.layers
        return (zero_uncounted(x, now.weights) if now.guarded else x), rest


def dead_share(alive: Tensor | None, finite: Tensor, keys: Tensor) -> Tensor:
    """Return the share of ReLU units that are zero for all rows [network], NaN without ReLU and for a network that
    diverged. The arguments `alive` and `finite` are what `Chain.alive` returns."""
    if alive is None:
        return torch.full(keys.shape, torch.nan)
    return torch.where(finite, 1 - alive.float().mean(0), torch.nan)


def covers(chain: Chain | None, network: nn.Module) -> bool:
    """Return whether the kernel trains networks like this one."""
    parameters = dict(network.named_parameters())
    shapes = {name: value.shape for name, value in parameters.items() if value.requires_grad}
    buffers = {name: value.shape for name, value in network.named_buffers()}
    return len(shapes) == len(parameters) and chain is not None and bool(chain.program(shapes, buffers))


_chains: weakref.WeakKeyDictionary[Callable[[], nn.Module], Chain] = weakref.WeakKeyDictionary()


def shared_chain(build: Callable[[], nn.Module], network: nn.Module, n_features: int) -> Chain | None:
    """Return the chain of a builder's networks; None if there is none that gives the module's outputs.

    All chunks of a stack share it, because reading it and comparing it with the module takes as long as training a
    small network. `forward` runs, so give a network that isn't trained later.
    """
    chain: Chain | None = _chains.get(build)
    if chain is None:
        chain = checked_chain(network, n_features)
        if chain is not None:
            _chains[build] = chain
    return chain


def checked_chain(network: nn.Module, n_features: int) -> Chain | None:
    """Return the network as a chain that gives its outputs, or None."""
    if changed_by_forward(network, n_features):
        return None
    chain = read_chain(network)
    return chain if chain is not None and _agrees(chain, network, n_features) else None


def read_chain(network: nn.Module) -> Chain | None:
    """Return the network as a chain of known layers, or None."""
    numbers = drawn_modules(network)
    whole = stacked_layer("", network, numbers)
    if whole is not None:
        return Chain((whole,))
    try:
        graph = _Tracer().trace(copy.deepcopy(network))  # forward() may change what it runs on
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
        layers.append(_number_uses(layer, uses))
        previous = node
    return None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or activation_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _number_uses(layer: StackedLayer, uses: Counter[int]) -> StackedLayer:
    """Return the layer with a number of its own for each use, so that a module used twice draws twice."""
    if isinstance(layer, Residual):
        return Residual(tuple(_number_uses(inner, uses) for inner in layer.layers))
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


def changed_by_forward(network: nn.Module, n_features: int) -> set[str]:
    """Return the attributes of modules that `forward` may change, such as `_buffers`. Batch normalisation is a known
    layer and doesn't count. What can't be compared counts as changed."""
    try:
        before, after = copy.deepcopy(network), copy.deepcopy(network)
        X = torch.randn(7, n_features, generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), seeded(0):
            for training in (True, True, False, False):
                after.train(training)(X.to(next(after.parameters()).dtype))
    except Exception:  # noqa: BLE001 - a user's code may raise anything
        return {"_modules"}
    after.train(before.training)
    changed: set[str] = set()
    for one, other in zip(before.modules(), after.modules(), strict=False):
        mine, theirs = ({**vars(module), "_modules": list(module._modules)} for module in (one, other))
        if type(one) is not nn.BatchNorm1d:
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


def _agrees(chain: Chain, network: nn.Module, n_features: int) -> bool:
    """Return whether the chain gives the module's outputs in training and evaluation, on a few random rows."""
    X = torch.randn(7, n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    twin = copy.deepcopy(network).double()
    params, buffers = stack_networks([twin, twin], chain.layout)
    keys = network_keys([0, 0], "draws")
    for training in (False, True):  # training last: it changes the twin's buffers
        weights, rows = torch.ones(7, 2, dtype=X.dtype), torch.arange(7, dtype=torch.int32)
        now = Pass(training, weights, keys, torch.tensor(3, dtype=torch.int32), rows, "network_last")
        try:
            with torch.no_grad(), stateless(twin, RandomStream(keys[0], 3)):
                stacked, _ = chain({**params, **buffers}, X, now)
                alone = outputs_of(twin.train(training), X)
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError):
            return False
        if stacked.shape[:2] != alone.shape or not torch.allclose(
            stacked[:, :, 1], alone, rtol=1e-9, atol=1e-12, equal_nan=True
        ):
            return False
    return True


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
        first = [*chain.layers[0].innermost_layers()]
        edges = [layer.name + "edges" for layer in first if isinstance(layer, Piecewise)]
        if len(edges) == len(first) and all(
            (self._values[name] == self._values[name][..., :1]).all() for name in edges
        ):
            self._front, self._chain = chain.layers[0], Chain(chain.layers[1:])
        n = len(next(iter(states.values())))
        empty, keys = torch.empty(0), torch.zeros(n, dtype=torch.int32)
        self._now = Pass(False, empty, keys, empty, empty, self._chain.axis_order)

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [row, output, network] for inputs X [row, input]."""
        if self._front is not None:
            alone = {name: value[..., :1] for name, value in self._values.items() if name.endswith("edges")}
            X = self._front(X[:, :, None], alone, self._now, {})[:, :, 0]
        outputs, _ = self._chain(self._values, X, self._now)
        return outputs

"""The forward pass of a stack: as a chain of known layers where the network is one, else as `general` has it.

Both give the same results. A chain is faster: all its networks share the table in one matmul, and networks of
different splits can stand in one stack.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from seedbed.networks import Tensors, activation_of
from seedbed.training.embeddings import Periodic, Piecewise
from seedbed.training.general import General, OneByOne, general_forward
from seedbed.training.inputs import Inputs, counting, expanded
from seedbed.training.layers import (
    OWN,
    BatchNorm1d,
    Dropout,
    Elementwise,
    Embeddings,
    Linear,
    Residual,
    RReLU,
    StackedLayer,
    alone,
    stacked_layer,
    through,
)
from seedbed.training.randomness import Draws, drawn_layer, drawn_modules, network_keys, stateless
from seedbed.training.reference import outputs_of
from seedbed.training.stack import Layout, Pass, Placement, stack_networks

__all__ = ["Chain", "Forward", "dead_share", "forward_of", "read_chain"]

# Functions that a user's forward() may call on the activations, each number by itself.
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

    @property
    def layout(self) -> Layout:
        """The names of the weights that are stored transposed."""
        return frozenset(layer.name + "weight" for layer in self._alone if isinstance(layer, Linear))

    @property
    def same_in_training(self) -> bool:
        """Whether `train()` and `eval()` give the same outputs, so that one pass serves both."""
        return not any(isinstance(layer, Dropout | RReLU | BatchNorm1d) for layer in self._alone)

    @property
    def normalises_batches(self) -> bool:
        """Whether a batch of one row can't be trained on."""
        return any(isinstance(layer, BatchNorm1d) for layer in self._alone)

    @property
    def explodes(self) -> bool:
        """Whether a function of it overflows on numbers of a usual size."""
        return any(isinstance(layer, Elementwise) and layer.text.startswith("exp(") for layer in self._alone)

    @functools.cached_property
    def _alone(self) -> tuple[StackedLayer, ...]:
        return tuple(alone(self.layers))

    @property
    def placement(self) -> Placement:
        """The fastest way to compute (see benchmarks/LOG.md)."""
        if any(isinstance(layer, Embeddings | Periodic | Piecewise) for layer in (*self.layers, *self._alone)):
            return "network_first"  # as its arrays lie, and what follows is a layer of many inputs
        hidden = self._alone[isinstance(self.layers[0], Linear) :]
        later = [layer.units for layer in hidden if isinstance(layer, Linear) and layer.units > 1]
        return "network_first" if later else "network_last"

    def __call__(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, Tensors]:
        """Outputs [row, output, network], and the buffers that the pass has changed."""
        updates: Tensors = {}
        x, rest = self._entered(values, inputs, now)
        return through(rest, x, values, now, updates), updates

    def dead_share(self, values: Tensors, inputs: Inputs, now: Pass) -> Tensor:
        """The share of ReLU units that are zero for all rows of the pass that count [network]; NaN without ReLU, and
        for a network that diverged."""
        return dead_share(*self.alive(values, inputs, now), now.keys)

    def alive(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor | None, Tensor]:
        """Which ReLU units aren't zero for all rows of the pass that count [unit, network], none without ReLU; and
        whether all outputs of a network are finite [network]."""
        counts = (now.weights > 0)[:, None]
        alive = []

        def look(layer: StackedLayer, x: Tensor) -> None:
            if isinstance(layer, Elementwise) and layer.is_relu:
                alive.append(((x > 0) & counts).any(0))

        x, rest = self._entered(values, inputs, now)
        x = through(rest, x, values, now, {}, look)
        return (torch.cat(alive) if alive else None), x.isfinite().all(0).all(0)

    def _entered(self, values: Tensors, inputs: Inputs, now: Pass) -> tuple[Tensor, tuple[StackedLayer, ...]]:
        """What comes out of a first linear layer, else the inputs themselves, and the layers to come."""
        first, rest = self.layers[0], self.layers[1:]
        if isinstance(first, Linear) and inputs.X.dim() == 2:
            x = first.first(inputs, values, now)
        else:
            x, rest = expanded(inputs, now.keys.shape[0]), self.layers
        return (counting(x, now.weights) if now.guarded else x), rest


def dead_share(alive: Tensor | None, finite: Tensor, keys: Tensor) -> Tensor:
    """See `Chain.dead_share`, of what `Chain.alive` gives."""
    if alive is None:
        return torch.full(keys.shape, torch.nan)
    return torch.where(finite, 1 - alive.float().mean(0), torch.nan)


Forward = Chain | General | OneByOne


def forward_of(network: nn.Module, n_features: int) -> Forward:
    """How a stack of networks like this one runs: as a `Chain` if it is one and proves to be, else by
    `general_forward`."""
    chain = read_chain(network)
    if chain is not None and _agrees(chain, network, n_features):
        return chain
    return general_forward(network, n_features)


def read_chain(network: nn.Module) -> Chain | None:
    """Return the network as a chain of known layers, none where it doesn't look like one."""
    numbers = drawn_modules(network)
    whole = stacked_layer("", network, numbers)
    if whole is not None:
        return Chain((whole,))
    try:
        graph = _Tracer().trace(network)
    except Exception:  # noqa: BLE001 - tracing runs the user's code on stand-ins for tensors: anything can happen
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
        return type(m) in OWN or activation_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _used(layer: StackedLayer, uses: Counter[int]) -> StackedLayer:
    """A layer that draws anew each time that it is used."""
    if isinstance(layer, Residual):
        return Residual(tuple(_used(inner, uses) for inner in layer.layers))
    if not isinstance(layer, Dropout | RReLU):
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
    """Whether the chain computes what the module does, in training and in evaluation, on a few random rows."""
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

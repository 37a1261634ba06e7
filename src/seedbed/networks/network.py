"""A network as data: layers one after the other, with start values, outputs, and what the kernel
runs; and what is known of it before it trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.networks.draws import Draws
from seedbed.networks.embedding_layers import Piecewise
from seedbed.networks.kernel_program import NotCoveredError, Program
from seedbed.networks.layers import Array, Arrays, Layer, Linear


@dataclass(frozen=True)
class Network(Layer):
    """Layers, one after the other.

    >>> from seedbed.networks.mlp import MLP
    >>> MLP((5,)).network(12, 1).parameters
    {'0.weight': (5, 12), '0.bias': (5,), '2.weight': (1, 5), '2.bias': (1,)}
    """

    layers: tuple[Layer, ...]

    @property
    def n_parameters(self) -> int:
        return sum(map(math.prod, self.parameters.values()))

    def stacked(self, states: Arrays) -> Arrays:
        """Return states [network, ...] as the kernel has them [..., network]. The weights of linear
        layers are [unit_in, unit_out, network] there."""
        values = {
            name: np.moveaxis(value, 0, -1)
            for name, value in self._transposed(states).items()
        }
        return {name: np.ascontiguousarray(value) for name, value in values.items()}

    def unstacked(self, values: Arrays) -> Arrays:
        """Return the states of networks, by the names in a `state_dict` [network, ...], of a
        stack's values."""
        states = self._transposed(
            {name: np.moveaxis(value, -1, 0) for name, value in values.items()}
        )
        return {name: np.ascontiguousarray(value) for name, value in states.items()}

    def _transposed(self, states: Arrays) -> Arrays:
        weights = {
            layer.name + "weight"
            for layer in self.innermost_layers
            if isinstance(layer, Linear)
        }
        return {
            name: value.swapaxes(1, 2) if name in weights else value
            for name, value in states.items()
        }

    def start(
        self, seeds: Sequence[int], rows: Sequence[Array] | None = None
    ) -> Arrays:
        """Return the states with which networks start [network, ...]: the values that torch's
        layers have under `torch.manual_seed(seed)`. The rows are training rows of each network, if
        it is looking [network][row, input].
        """
        pairs = zip(seeds, [None] * len(seeds) if rows is None else rows, strict=True)
        states = [self.draw(Draws(seed), first) for seed, first in pairs]
        return {name: np.stack([state[name] for state in states]) for name in states[0]}

    def program(
        self,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        buffers: Mapping[str, tuple[int, ...]] | None = None,
    ) -> Program | None:
        """Return what the kernel runs for such networks, or None where it doesn't cover them. The
        shapes are those of all trained tensors of a module that this describes, by default of the
        layers; `buffers` of all its others."""
        program = Program(
            self.parameters if shapes is None else shapes,
            self.buffers if buffers is None else buffers,
        )
        first, *rest = self.layers
        # A linear layer sees the table, or what embeddings make of it: they take a gradient from no
        # other layer.
        if not isinstance(rest[0] if first.embeds and rest else first, Linear):
            return None
        try:
            for layer in self.layers:
                layer.add_to(program)
        except NotCoveredError:
            return None
        names = [
            *(segment.name for segment in program.segments),
            *program.edges,
        ]  # each tensor must be, exactly once
        return (
            program
            if sorted(names) == sorted([*program.shapes, *program.buffers])
            else None
        )


Source = Network | Callable[[], Any]
"""A network as data, or a function that builds a user's own `nn.Module`."""


@dataclass(frozen=True)
class Traits:
    """What is known of a network before it trains.

    Attributes:
        network: its layers; None for a user's module, unless the kernel covers it.
        n_outputs: outputs of a row.
        n_parameters: the number of its parameters.
        program: what the kernel runs; None if it doesn't cover the network.
        trained: names of the parameters that are trained.
        has_batchnorm: whether a layer needs two rows.
        is_looking: whether its start values depend on the training rows.
        note: what users should know of their own module, or empty.
        like: the words of an own module, which are those of other seeds.
        changed: what its `forward` may change, by the names of attributes, other than buffers.
    """

    network: Network | None
    n_outputs: int
    n_parameters: int
    program: Program | None
    trained: frozenset[str]
    has_batchnorm: bool
    is_looking: bool
    note: str = ""
    like: str = ""
    changed: frozenset[str] = frozenset()


def predictor_of(
    network: Network, states: Mapping[str, Array]
) -> Callable[[Array], Array]:
    """Return what computes the outputs [network, row, output] of trained networks with states
    [network, ...], for inputs X [row, input]. Piecewise linear encodings with the same bins in all
    networks are computed only once."""
    front = network.layers[0]
    rest = Network(network.layers[1:])
    edges = {
        layer.name + "edges"
        for layer in front.innermost_layers
        if isinstance(layer, Piecewise)
    }
    is_shared = len(edges) == len(front.innermost_layers)
    is_shared = is_shared and all(
        (states[name] == states[name][:1]).all() for name in edges
    )
    of_front = {name: states[name][:1] for name in edges}

    @np.errstate(
        over="ignore", invalid="ignore"
    )  # of huge inputs, and networks that diverged
    def outputs(X: Array) -> Array:
        return rest(front(X, of_front)[0], states) if is_shared else network(X, states)

    return outputs

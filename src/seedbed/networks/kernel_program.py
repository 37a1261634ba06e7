"""What the kernel runs: a table of layers, and where their numbers lie.

Layers add themselves to a `Program`, see `layers.Layer.add_to`. The kernel's `struct Layer` in
native/job.h has the same fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

FUNCTIONS = (
    *(
        "relu",
        "tanh",
        "sigmoid",
        "leaky",
        "elu",
        "gelu",
        "gelu_tanh",
        "silu",
        "mish",
        "softplus",
        "logsigmoid",
    ),
    *(
        "softsign",
        "tanhshrink",
        "hardtanh",
        "hardsigmoid",
        "hardswish",
        "hardshrink",
        "softshrink",
        "threshold",
    ),
)
"""Activations by name, in the order of `enum Function` in native/job.h."""

_VECTOR = 8  # Numbers in a vector on most machines. The layout must not depend on the machine or the number type.
_WIDE, _MOST_PADDING = 3000, 1.25
"""Units lie in lanes from this many parameters on, because a block of networks no longer fits the
second-level cache. Networks stay in lanes if padding to full vectors enlarges the products by more
than this factor. See benchmarks/LOG.md."""


class LayerKind:
    """Kinds of layers, in the order of `enum Kind` in native/job.h."""

    (
        LINEAR,
        ACTIVATION,
        DROPOUT,
        LAYERNORM,
        FORK,
        ADD,
        SEE,
        KEEP,
        PERIODIC,
        PIECEWISE,
        LEVELS,
    ) = range(11)


class NotCoveredError(Exception):
    """The kernel has no such layer."""


class Segment(NamedTuple):
    """Consecutive parameters of a tensor, and whether they decay even if biases don't."""

    name: str
    start: int
    size: int
    is_weight: bool


class KernelLayer(NamedTuple):
    """A row of the kernel's table. `struct Layer` in native/job.h describes the fields."""

    kind: int
    n_in: int
    n_out: int
    weight: int = -1
    bias: int = -1
    source: int = -1
    target: int = 0
    d_in: int = 0
    d_out: int = 0
    spare: int = 0
    function: int = 0
    number: int = 0
    first_input: int = 0
    first_unit: int = 0
    each: int = 0
    waves: int = 0
    frequencies: int = 0
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0


class Program:
    """What the kernel runs.

    Attributes:
        shapes: of one network's trainable parameters, by name.
        buffers: shapes of all its other tensors.
        layers: the table, in order.
        segments: the parameters, in order.
        n_params: parameters of one network.
        n_values, n_gradients: units of all buffers of a tile.
        n_kept: units of these that don't make a tile smaller, as each is read once more.
        order: the inputs in the order in which embedding layers take them; None without such
            layers.
        edges: names of the buffers that constants are made of, in order, see
            `embeddings.bins_between`.
        n_constants: constants of one network.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        buffers: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.shapes, self.buffers = shapes, buffers
        self.layers: list[KernelLayer] = []
        self.segments: list[Segment] = []
        self.n_params = self.n_values = self.n_gradients = self.n_kept = 0
        self.n_constants = 0
        self.order: list[int] | None = None
        self.edges: list[str] = []

    @property
    def last(self) -> KernelLayer:
        """The layer added last, or one that stands for the table."""
        return (
            self.layers[-1]
            if self.layers
            else KernelLayer(-1, 0, 0, target=-1, d_out=-1)
        )

    def add(self, kind: int, **fields: Any) -> KernelLayer:
        """Add a layer behind the last one and return it. By default, it has as many units, values
        of its own, and the gradients of the last one."""
        last = self.last
        target = fields.pop("target") if "target" in fields else self.values(last.n_out)
        usual = KernelLayer(
            kind,
            last.n_out,
            last.n_out,
            -1,
            -1,
            last.target,
            target,
            last.d_out,
            last.d_out,
        )
        self.layers.append(usual._replace(**fields))
        return self.last

    @property
    def units_in_lanes(self) -> bool:
        """Whether the kernel's layout for wide layers is the faster one.

        It depends on the architecture alone, because it decides the last digits of a result.
        """
        linear = [layer for layer in self.layers if layer.kind == LayerKind.LINEAR]
        padded = sum(
            layer.n_in * -(-layer.n_out // _VECTOR) * _VECTOR
            for layer in linear
            if layer.n_out > 1
        )
        return self.n_params >= _WIDE and padded <= _MOST_PADDING * self.n_params

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a trainable parameter; raise NotCoveredError if there is none of this
        name."""
        if name not in self.shapes:
            raise NotCoveredError
        return self.shapes[name]

    def parameter(self, name: str, *, is_weight: bool) -> int:
        """Add a tensor of parameters and return its place; raise NotCoveredError if it isn't
        trained."""
        size = math.prod(self.shape(name))
        self.segments.append(Segment(name, self.n_params, size, is_weight))
        self.n_params += size
        return self.n_params - size

    def values(self, units: int) -> int:
        """Add a buffer of values and return its place."""
        self.n_values += units
        return self.n_values - units

    def gradients(self, units: int) -> int:
        """Add a buffer of gradients and return its place."""
        self.n_gradients += units
        return self.n_gradients - units

"""A chain of layers as the kernel takes it: a table of layers, and where their numbers lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn

from seedbed.networks import activation_of
from seedbed.training.embeddings import Periodic, Piecewise
from seedbed.training.forward import Chain, Forward
from seedbed.training.layers import Dropout, Elementwise, Embeddings, LayerNorm, Linear, Residual, StackedLayer

__all__ = ["Program", "covers", "program_of"]

LINEAR, ACTIVATION, DROPOUT, LAYERNORM, FORK, ADD, SEE, KEEP, PERIODIC, PIECEWISE, LEVELS = range(11)
_FUNCTIONS = (
    *("relu", "tanh", "sigmoid", "leaky", "elu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "logsigmoid"),
    *("softsign", "tanhshrink", "hardtanh", "hardsigmoid", "hardswish", "hardshrink", "softshrink", "threshold"),
)
"""In the order of the kernel's own list."""
_PERIODIC = ("frequencies", "weight", "bias")
_IN_PLACE = ("relu", "tanh", "sigmoid")
_VECTOR = 8  # numbers of a vector on most machines; the layout mustn't depend on the machine or on the type of numbers
_WIDE, _MOST_PADDING = 3000, 1.25
"""From so many parameters on, units in lanes are quicker, as a block of networks leaves the second-level cache;
unless padding to full vectors makes the products more than so many times as large. Measured, see benchmarks/LOG.md."""
_CALLS = {f"{name}(){{}}": name for name in ("relu", "tanh", "sigmoid", "silu", "mish", "softsign")}
"""Calls in a user's `forward()`, as `Elementwise.text` has them."""


class Segment(NamedTuple):
    """Parameters that lie in a row: the name of their tensor, where they begin, how many they are, and whether they are
    weights, which decay even where biases are spared."""

    name: str
    start: int
    size: int
    is_weight: bool


class Layer(NamedTuple):
    """A row of the kernel's table; see `struct Layer` in kernel.cpp."""

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
    alive: int = -1
    first_input: int = 0
    first_unit: int = 0
    each: int = 0
    waves: int = 0
    frequencies: int = 0
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0


@dataclass
class Program:
    """What the kernel runs.

    Attributes:
        layers: in order.
        segments: of the parameters, in order.
        n_params: of one network.
        n_values, n_gradients: units of all buffers of a tile.
        n_alive: ReLU units.
        order: the inputs in the order in which layers that embed them take them; none without such layers.
        edges: the names of the buffers that constants are made of, in order; see `embeddings.bins_between`.
        n_constants: of one network.
        same_in_training: whether `train()` and `eval()` give the same outputs.
    """

    layers: list[Layer] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    n_params: int = 0
    n_values: int = 0
    n_gradients: int = 0
    n_alive: int = 0
    order: list[int] | None = None
    edges: list[str] = field(default_factory=list)
    n_constants: int = 0
    same_in_training: bool = True

    @property
    def units_in_lanes(self) -> bool:
        """Whether the kernel's layout for wide layers is the quicker one. The architecture alone decides, as the last
        digits of a result depend on it."""
        linear = [layer for layer in self.layers if layer.kind == LINEAR]
        padded = sum(layer.n_in * -(-layer.n_out // _VECTOR) * _VECTOR for layer in linear if layer.n_out > 1)
        return self.n_params >= _WIDE and padded <= _MOST_PADDING * self.n_params

    def parameter(self, name: str, size: int, *, is_weight: bool) -> int:
        """The place of a tensor of parameters."""
        self.segments.append(Segment(name, self.n_params, size, is_weight))
        self.n_params += size
        return self.n_params - size

    def values(self, units: int) -> int:
        """A new buffer of values."""
        self.n_values += units
        return self.n_values - units

    def gradients(self, units: int) -> int:
        """A new buffer of gradients."""
        self.n_gradients += units
        return self.n_gradients - units


def program_of(
    layers: Sequence[StackedLayer], shapes: Mapping[str, torch.Size], buffers: Mapping[str, torch.Size]
) -> Program | None:
    """The program of a chain, or none where the kernel doesn't cover it.

    Args:
        layers: of the chain.
        shapes: of one network's trainable parameters, as torch has them. All must be used, each once.
        buffers: likewise of all other tensors.
    """
    program, reader = Program(), _Reader(shapes, buffers)
    if layers and isinstance(layers[0], Linear):
        n_features = reader.width(layers[0])
        known = n_features is not None and reader.read(program, layers, n_features)
    else:
        # A layer that is linear must come behind inputs that are embedded, as all others hand a gradient on.
        known = len(layers) > 1 and isinstance(layers[1], Linear) and reader.embed(program, layers[0])
        known = known and reader.read(program, layers[1:], program.layers[-1].n_out)
    names = [*(segment.name for segment in program.segments), *program.edges]
    return program if known and sorted(names) == sorted([*shapes, *buffers]) else None


def covers(chain: Forward, network: nn.Module) -> bool:
    """Whether the kernel trains networks like this one."""
    if not isinstance(chain, Chain) or chain.explodes:
        return False
    parameters = dict(network.named_parameters())
    shapes = {name: value.shape for name, value in parameters.items() if value.requires_grad}
    buffers = {name: value.shape for name, value in network.named_buffers()}
    return len(shapes) == len(parameters) and program_of(chain.layers, shapes, buffers) is not None


class _Reader:
    def __init__(self, shapes: Mapping[str, torch.Size], buffers: Mapping[str, torch.Size]) -> None:
        self.shapes, self.buffers = shapes, buffers

    def width(self, layer: Linear) -> int | None:
        """Inputs of a layer; none if its weights aren't trained."""
        shape = self.shapes.get(layer.name + "weight")
        return None if shape is None else shape[1]

    def read(self, program: Program, layers: Sequence[StackedLayer], units: int) -> bool:
        """Add layers to a program; whether all are covered. Values enter as `units` in the buffer written last."""
        for layer in layers:
            last = program.layers[-1] if program.layers else Layer(-1, 0, units, target=-1, d_out=-1)
            if isinstance(layer, Linear):
                known = self._linear(program, layer, last)
            elif isinstance(layer, Elementwise):
                known = _elementwise(program, layer, last)
            elif isinstance(layer, Dropout):
                known = _dropout(program, layer, last)
            elif isinstance(layer, LayerNorm):
                known = self._layernorm(program, layer, last)
            elif isinstance(layer, Residual):
                known = self._residual(program, layer, last)
            else:
                known = False
            if not known:
                return False
        return True

    def embed(self, program: Program, layer: StackedLayer) -> bool:
        """Begin a program with the inputs as networks see them, and with a layer that embeds them; whether it is
        covered."""
        inner: tuple[StackedLayer, ...] = (layer,)
        inputs: tuple[tuple[int, ...], ...] = (tuple(range(self._units(layer)[0])),)
        others: tuple[int, ...] = ()
        if isinstance(layer, Embeddings):
            inner, inputs, others = layer.layers, layer.inputs, layer.others
        units = [self._units(one) for one in inner]
        if [n for n, _ in units] != [len(own) for own in inputs] or not all(n for n, _ in units):
            return False
        order = program.order = [*others, *(place for own in inputs for place in own)]
        seen = Layer(SEE, len(order), len(order), source=-1, target=program.values(len(order)), d_in=-1, d_out=-1)
        n_units = len(others) + sum(n for _, n in units)
        trained = not all(isinstance(one, Piecewise) for one in inner)
        common = Layer(KEEP, len(others), n_units, source=seen.target, target=program.values(n_units), d_in=-1,
                       d_out=program.gradients(n_units) if trained else -1)  # fmt: skip
        program.layers += [seen, common] if others else [seen]
        first_input = first_unit = len(others)
        for one, (n_in, n_own) in zip(inner, units, strict=True):
            own = common._replace(n_in=n_in, first_input=first_input, first_unit=first_unit)
            program.layers.append(self._embedding(program, one, own))
            first_input, first_unit = first_input + n_in, first_unit + n_own
        return True

    def _units(self, layer: StackedLayer) -> tuple[int, int]:
        """Inputs and units of a layer that embeds; no inputs where it isn't covered."""
        if isinstance(layer, Periodic) and (shape := self.shapes.get(layer.name + "weight")):
            return shape[0], shape[0] * (1 + shape[1])
        if isinstance(layer, Piecewise) and (shape := self.buffers.get(layer.name + "edges")):
            return shape[0], shape[0] * (shape[1] - 1)
        if isinstance(layer, Linear) and not layer.bias and (shape := self.shapes.get(layer.name + "weight")):
            return shape[1], shape[0]
        return 0, 0

    def _embedding(self, program: Program, layer: StackedLayer, like: Layer) -> Layer:
        """A layer that embeds its inputs as the kernel has it, with the buffers of one like it."""
        if isinstance(layer, Piecewise):
            n_bins = self.buffers[layer.name + "edges"][1] - 1
            program.edges.append(layer.name + "edges")
            program.n_constants += 4 * like.n_in * n_bins
            return like._replace(kind=PIECEWISE, weight=program.n_constants - 4 * like.n_in * n_bins, each=n_bins)
        if isinstance(layer, Periodic):
            _, each, n_waves = self.shapes[layer.name + "weight"]
            frequencies, weight, bias = (self._tensor(program, layer.name + part) for part in _PERIODIC)
            spare, scratch = program.values(like.n_in * n_waves), program.gradients(n_waves + each)
            return like._replace(kind=PERIODIC, weight=weight, bias=bias, frequencies=frequencies, spare=spare,
                                 d_in=scratch, waves=n_waves // 2, each=each)  # fmt: skip
        assert isinstance(layer, Linear)
        return like._replace(kind=LEVELS, weight=self._tensor(program, layer.name + "weight"), each=layer.units)

    def _tensor(self, program: Program, name: str) -> int:
        """The place of a tensor of parameters that has more than one dimension."""
        return program.parameter(name, math.prod(self.shapes[name]), is_weight=True)

    def _linear(self, program: Program, layer: Linear, last: Layer) -> bool:
        shape = self.shapes.get(layer.name + "weight")
        if shape is None or (layer.bias and layer.name + "bias" not in self.shapes) or shape[1] != last.n_out:
            return False
        weight = program.parameter(layer.name + "weight", math.prod(shape), is_weight=True)
        bias = program.parameter(layer.name + "bias", layer.units, is_weight=False) if layer.bias else -1
        program.layers.append(
            Layer(LINEAR, last.n_out, layer.units, weight, bias, last.target, program.values(layer.units),
                  last.d_out, program.gradients(layer.units))
        )  # fmt: skip
        return True

    def _layernorm(self, program: Program, layer: LayerNorm, last: Layer) -> bool:
        weight, bias = (
            program.parameter(layer.name + word, last.n_out, is_weight=False) if there else -1
            for there, word in ((layer.affine, "weight"), (layer.bias, "bias"))
        )
        if any(self.shapes.get(segment.name) is None for segment in program.segments):
            return False
        spare = program.values(last.n_out + 1)
        target = program.values(last.n_out)
        program.layers.append(
            Layer(LAYERNORM, last.n_out, last.n_out, weight, bias, last.target, target, last.d_out, last.d_out, spare,
                  a=layer.eps)
        )  # fmt: skip
        return True

    def _residual(self, program: Program, layer: Residual, last: Layer) -> bool:
        if not program.layers:
            return False
        units, place = last.n_out, len(program.layers)
        fork = Layer(FORK, units, units, source=last.target, target=program.values(units), d_in=last.d_out,
                     d_out=program.gradients(units))  # fmt: skip
        program.layers.append(fork)
        if not self.read(program, layer.layers, units) or program.layers[-1].n_out != units:
            return False
        inner = program.layers[-1]
        added = Layer(ADD, units, units, source=inner.target, target=program.values(units), d_in=inner.d_out,
                      d_out=program.gradients(units), spare=fork.target)  # fmt: skip
        program.layers.append(added)
        program.layers[place] = fork._replace(spare=added.d_out)
        return True


def _elementwise(program: Program, layer: Elementwise, last: Layer) -> bool:
    if type(layer.function) is nn.Identity:
        return bool(program.layers)
    entry = activation_of(layer.function)
    call = (_CALLS.get(layer.text, ""), 0.0, 0.0, 0.0)
    name, *arguments = entry.native(layer.function) if entry and entry.native else call
    if not name:
        return False
    in_place = name in _IN_PLACE and last.kind == LINEAR
    target = last.target if in_place else program.values(last.n_out)
    alive = -1
    if layer.is_relu:
        alive, program.n_alive = program.n_alive, program.n_alive + last.n_out
    program.layers.append(
        Layer(ACTIVATION, last.n_out, last.n_out, -1, -1, last.target, target, last.d_out, last.d_out, 0,
              _FUNCTIONS.index(name), 0, alive, a=arguments[0], b=arguments[1], c=arguments[2])
    )  # fmt: skip
    return True


def _dropout(program: Program, layer: Dropout, last: Layer) -> bool:
    program.same_in_training = False
    spare = program.values(last.n_out)
    program.layers.append(
        Layer(DROPOUT, last.n_out, last.n_out, -1, -1, last.target, program.values(last.n_out), last.d_out,
              last.d_out, spare, number=layer.number, a=layer.share)
    )  # fmt: skip
    return True

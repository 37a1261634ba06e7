"""A chain of layers as the kernel takes it: a table of layers, and where their numbers lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from seedbed.training.forward import Chain, Forward
from seedbed.training.layers import Dropout, Elementwise, LayerNorm, Linear, Residual, StackedLayer

__all__ = ["Layer", "Program", "Segment", "covers", "program_of"]

LINEAR, ACTIVATION, DROPOUT, LAYERNORM, FORK, ADD = range(6)
_FUNCTIONS = (
    *("relu", "tanh", "sigmoid", "leaky", "elu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "logsigmoid"),
    *("softsign", "tanhshrink", "hardtanh", "hardsigmoid", "hardswish", "hardshrink", "softshrink", "threshold"),
)
"""In the order of the kernel's own list."""
_IN_PLACE = ("relu", "tanh", "sigmoid")
_SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

_Function = tuple[str, float, float, float]
_MODULES: dict[type[nn.Module], Callable[[Any], _Function]] = {
    nn.ReLU: lambda m: ("relu", 0, 0, 0),
    nn.Tanh: lambda m: ("tanh", 0, 0, 0),
    nn.Sigmoid: lambda m: ("sigmoid", 0, 0, 0),
    nn.LeakyReLU: lambda m: ("leaky", m.negative_slope, 0, 0),
    nn.ELU: lambda m: ("elu", 1, m.alpha, 1),
    nn.CELU: lambda m: ("elu", 1, m.alpha, 1 / m.alpha),
    nn.SELU: lambda m: ("elu", _SELU[0], _SELU[0] * _SELU[1], 1),
    nn.GELU: lambda m: ("gelu" if m.approximate == "none" else "gelu_tanh", 0, 0, 0),
    nn.SiLU: lambda m: ("silu", 0, 0, 0),
    nn.Mish: lambda m: ("mish", 0, 0, 0),
    nn.Softplus: lambda m: ("softplus", m.beta, m.threshold, 0),
    nn.LogSigmoid: lambda m: ("logsigmoid", 0, 0, 0),
    nn.Softsign: lambda m: ("softsign", 0, 0, 0),
    nn.Tanhshrink: lambda m: ("tanhshrink", 0, 0, 0),
    nn.Hardtanh: lambda m: ("hardtanh", m.min_val, m.max_val, 0),
    nn.ReLU6: lambda m: ("hardtanh", 0, 6, 0),
    nn.Hardsigmoid: lambda m: ("hardsigmoid", 0, 0, 0),
    nn.Hardswish: lambda m: ("hardswish", 0, 0, 0),
    nn.Hardshrink: lambda m: ("hardshrink", m.lambd, 0, 0),
    nn.Softshrink: lambda m: ("softshrink", m.lambd, 0, 0),
    nn.Threshold: lambda m: ("threshold", m.threshold, m.value, 0),
}
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
    padding: int = 0
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
        same_in_training: whether `train()` and `eval()` give the same outputs.
    """

    layers: list[Layer] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    n_params: int = 0
    n_values: int = 0
    n_gradients: int = 0
    n_alive: int = 0
    same_in_training: bool = True

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


def program_of(layers: Sequence[StackedLayer], shapes: Mapping[str, torch.Size]) -> Program | None:
    """The program of a chain, or none where the kernel doesn't cover it.

    Args:
        layers: of the chain.
        shapes: of one network's trainable parameters, as torch has them. All must be used, each once.
    """
    if not layers or not isinstance(layers[0], Linear):
        return None
    program, reader = Program(), _Reader(shapes)
    n_features = reader.width(layers[0])
    if n_features is None or not reader.read(program, layers, n_features):
        return None
    names = [segment.name for segment in program.segments]
    return program if sorted(names) == sorted(shapes) else None


def covers(chain: Forward, network: nn.Module) -> bool:
    """Whether the kernel trains networks like this one."""
    if not isinstance(chain, Chain) or chain.explodes or any(True for _ in network.buffers()):
        return False
    parameters = dict(network.named_parameters())
    shapes = {name: value.shape for name, value in parameters.items() if value.requires_grad}
    return len(shapes) == len(parameters) and program_of(chain.layers, shapes) is not None


class _Reader:
    def __init__(self, shapes: Mapping[str, torch.Size]) -> None:
        self.shapes = shapes

    def width(self, layer: Linear) -> int | None:
        """Inputs of a layer; none if its weights aren't trained."""
        shape = self.shapes.get(layer.name + "weight")
        return None if shape is None else shape[1]

    def read(self, program: Program, layers: Sequence[StackedLayer], units: int) -> bool:
        """Add layers to a program; whether all are covered. Values enter as `units` in the buffer written last."""
        for layer in layers:
            last = program.layers[-1] if program.layers else Layer(-1, 0, units, target=-1)
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
    make = _MODULES.get(type(layer.function))  # type: ignore[arg-type]
    name, *arguments = make(layer.function) if make else (_CALLS.get(layer.text, ""), 0.0, 0.0, 0.0)
    if not name:
        return False
    in_place = name in _IN_PLACE and last.kind == LINEAR
    target = last.target if in_place else program.values(last.n_out)
    alive = -1
    if layer.is_relu:
        alive, program.n_alive = program.n_alive, program.n_alive + last.n_out
    program.layers.append(
        Layer(ACTIVATION, last.n_out, last.n_out, -1, -1, last.target, target, last.d_out, last.d_out, 0,
              _FUNCTIONS.index(name), 0, alive, 0, *map(float, arguments))
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

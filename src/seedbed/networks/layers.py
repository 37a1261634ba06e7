"""Layers as data: their tensors, start values and outputs, and what the kernel runs for them.

States are `[network, ...]`, by the names and shapes of torch's `state_dict`. In the kernel,
parameters are `[..., network]`, and a linear weight is `[unit_in, unit_out, network]`. To teach the
engines a new layer, add a subclass of `Layer` here, and its module in `training/torch/modules.py`.
An elementwise activation needs an entry in `activations.py` only.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seedbed.networks.activations import ALL_ACTIVATIONS
from seedbed.networks.draws import Draws
from seedbed.networks.kernel_program import (
    FUNCTIONS,
    KernelLayer,
    LayerKind,
    NotCoveredError,
    Program,
)

Array = NDArray[np.floating]
Arrays = dict[str, NDArray[Any]]
Shapes = dict[str, tuple[int, ...]]

# The kernel computes their derivatives from their outputs.
_IN_PLACE = ("relu", "tanh", "sigmoid")


class Layer:
    """A layer of a network.

    Attributes:
        layers: the layers inside it.
        embeds: whether it makes many numbers of each input.
    """

    layers: tuple[Layer, ...] = ()
    embeds: ClassVar[bool] = False

    @property
    def differs_in_training(self) -> bool:
        """Whether it gives other outputs in training."""
        return any(layer.differs_in_training for layer in self.layers)

    @property
    def is_looking(self) -> bool:
        """Whether its start values depend on the training rows."""
        return any(layer.is_looking for layer in self.layers)

    @property
    def innermost_layers(self) -> tuple[Layer, ...]:
        """The layers inside it that hold no others; itself, if it holds none."""
        return (
            tuple(inner for layer in self.layers for inner in layer.innermost_layers)
            if self.layers
            else (self,)
        )

    @property
    def parameters(self) -> Shapes:
        """Shapes of the parameters, by their names in states."""
        return {
            name: shape
            for layer in self.layers
            for name, shape in layer.parameters.items()
        }

    @property
    def buffers(self) -> Shapes:
        """Shapes of all other tensors, by their names in states."""
        return {
            name: shape
            for layer in self.layers
            for name, shape in layer.buffers.items()
        }

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs of a row."""
        return functools.reduce(
            lambda n, layer: layer.n_outputs(n), self.layers, n_inputs
        )

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        """Return the start values of one network, by name, from its random numbers, and from
        training rows as the layer sees them [row, input]; None if they don't matter."""
        states = Arrays()
        for layer in self.layers:
            states |= layer.draw(draws, rows)
            rows = None
        return states

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        """Return the outputs [network, row, unit] in evaluation, from inputs x [network, row,
        unit], or [row, input] of all networks in the first layer, and from parameters and buffers
        [network, ...]."""
        for layer in self.layers:
            x = layer(x, states)
        return x

    def add_to(self, program: Program) -> None:
        """Add the layer to the kernel's program, behind the last one; raise NotCoveredError if it
        doesn't have it."""
        raise NotCoveredError

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        """Return the layer as the kernel embeds with it, with the inputs and outputs of a layer
        like it."""
        raise NotCoveredError


@dataclass(frozen=True)
class Linear(Layer):
    """A linear layer.

    Attributes:
        name: its name in states, with a dot, or nothing.
        n_inputs, units: numbers that it takes and gives.
        bias: whether it has a bias.
        of_levels: whether the inputs are a level's, of which one is 1, so that it starts as
            `nn.Embedding`.
    """

    name: str
    n_inputs: int
    units: int
    bias: bool = True
    of_levels: bool = False

    @property
    def parameters(self) -> Shapes:
        bias = {self.name + "bias": (self.units,)} if self.bias else {}
        return {self.name + "weight": (self.units, self.n_inputs), **bias}

    def n_outputs(self, n_inputs: int) -> int:
        return self.units

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        if self.of_levels:
            return {
                self.name + "weight": draws.normal((self.units, self.n_inputs), 1.0)
            }
        bound = self.n_inputs**-0.5
        return {
            name: draws.uniform(shape, bound) for name, shape in self.parameters.items()
        }

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        product = x @ states[self.name + "weight"].swapaxes(1, 2)
        if self.bias:
            product += states[self.name + "bias"][:, None]
        return product

    def add_to(self, program: Program) -> None:
        n_in = program.shape(self.name + "weight")[1]
        if program.layers and n_in != program.last.n_out:
            raise NotCoveredError
        weight = program.parameter(self.name + "weight", is_weight=True)
        bias = (
            program.parameter(self.name + "bias", is_weight=False) if self.bias else -1
        )
        program.add(
            LayerKind.LINEAR,
            n_in=n_in,
            n_out=self.units,
            weight=weight,
            bias=bias,
            target=program.values(self.units),
            d_out=program.gradients(self.units),
        )

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        weight = program.parameter(self.name + "weight", is_weight=True)
        return like._replace(kind=LayerKind.LEVELS, weight=weight, each=self.units)


@dataclass(frozen=True)
class Elementwise(Layer):
    """An activation that treats each number by itself.

    Attributes:
        activation: its name in `ALL_ACTIVATIONS`.
        arguments: all of its arguments.
    """

    activation: str
    arguments: tuple[float, ...] = ()

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        return np.asarray(ALL_ACTIVATIONS[self.activation].values(x, *self.arguments))

    def add_to(self, program: Program) -> None:
        if self.activation == "identity":
            return
        name, a, b, c = ALL_ACTIVATIONS[self.activation].native(*self.arguments)
        last = program.last
        target = (
            last.target
            if name in _IN_PLACE and last.kind == LayerKind.LINEAR
            else program.values(last.n_out)
        )
        n_kept = last.n_out if name == "silu" else 0
        program.n_kept += n_kept
        spare = program.values(n_kept)
        function = FUNCTIONS.index(name)
        program.add(
            LayerKind.ACTIVATION,
            target=target,
            function=function,
            spare=spare,
            a=a,
            b=b,
            c=c,
        )


def drawn_layer(module: int, use: int) -> int:
    """Return the number of a dropout layer. Each use of a module has its own."""
    return module + 4096 * use


@dataclass(frozen=True)
class Dropout(Layer):
    """Zero a share of the units in training.

    Attributes:
        number: its own, see `drawn_layer`.
        share: of the units.
    """

    differs_in_training = True

    number: int
    share: float

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        return x

    def add_to(self, program: Program) -> None:
        mask = program.values(program.last.n_out)
        program.add(LayerKind.DROPOUT, spare=mask, number=self.number, a=self.share)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Normalise each row over the units."""

    name: str
    units: int
    eps: float = 1e-5
    affine: bool = True
    bias: bool = True

    @property
    def parameters(self) -> Shapes:
        parts = {"weight": self.affine, "bias": self.bias}
        return {
            self.name + part: (self.units,)
            for part, is_there in parts.items()
            if is_there
        }

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        return {
            name: _ones_or_zeros(name, shape) for name, shape in self.parameters.items()
        }

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        centred = x - x @ np.full((self.units, 1), 1 / self.units, dtype=x.dtype)
        variance = np.vecdot(centred, centred)
        variance /= self.units
        centred *= 1 / np.sqrt(variance + self.eps)[..., None]
        if self.affine:
            centred *= states[self.name + "weight"][:, None]
        if self.bias:
            centred += states[self.name + "bias"][:, None]
        return np.asarray(centred)

    def add_to(self, program: Program) -> None:
        weight = (
            program.parameter(self.name + "weight", is_weight=False)
            if self.affine
            else -1
        )
        bias = (
            program.parameter(self.name + "bias", is_weight=False) if self.bias else -1
        )
        normal = program.values(program.last.n_out + 1)
        program.add(
            LayerKind.LAYERNORM, weight=weight, bias=bias, spare=normal, a=self.eps
        )


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalise each unit over the rows of a batch that count for the network; in evaluation, by
    running statistics."""

    differs_in_training = True

    eps: ClassVar[float] = 1e-5

    name: str
    units: int

    @property
    def parameters(self) -> Shapes:
        return {self.name + part: (self.units,) for part in ("weight", "bias")}

    @property
    def buffers(self) -> Shapes:
        statistics = {
            self.name + part: (self.units,) for part in ("running_mean", "running_var")
        }
        return {**statistics, self.name + "num_batches_tracked": ()}

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        return {
            name: _ones_or_zeros(name, shape)
            for name, shape in (self.parameters | self.buffers).items()
        }

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        mean, variance = (
            states[self.name + part][:, None]
            for part in ("running_mean", "running_var")
        )
        normal = x - mean
        normal /= np.sqrt(variance + self.eps)
        normal *= states[self.name + "weight"][:, None]
        normal += states[self.name + "bias"][:, None]
        return np.asarray(normal)


def _ones_or_zeros(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return what a factor, a summand, or a counter, which has no shape, starts with."""
    return np.full(
        shape,
        name.endswith(("weight", "running_var")),
        dtype=np.float32 if shape else np.int64,
    )


@dataclass(frozen=True)
class Residual(Layer):
    """Layers whose outputs are added to their inputs."""

    layers: tuple[Layer, ...]

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        added = super().__call__(x, states)
        return np.add(x, added, out=added)

    def add_to(self, program: Program) -> None:
        index = len(program.layers)
        units = program.last.n_out
        fork = program.add(LayerKind.FORK, d_out=program.gradients(units))
        for layer in self.layers:
            layer.add_to(program)
        added = program.add(
            LayerKind.ADD, d_out=program.gradients(units), spare=fork.target
        )
        program.layers[index] = fork._replace(spare=added.d_out)

"""Layers for a whole stack: the same arithmetic as torch's, with one more axis, `network`, which is last.

Activations are `[row, unit, network]`, so every elementwise operation runs along networks in full vectors, however
narrow the layer. Parameters are `[..., network]`; a linear weight is stored as `[unit_in, unit_out, network]`.

A subclass of `StackedLayer` holds all that the engine knows of a layer: the modules of torch that it stands for, how a
stack computes it, and how the kernel does. To teach the engine a new layer, add a subclass here. The engine's laws are
then tested for it against the module. An elementwise activation needs an entry in `networks.activations` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seedbed.networks.activations import ALL_ACTIVATIONS
from seedbed.networks.kernel_program import FUNCTIONS, KernelLayer, Kind, NotCoveredError, Program
from seedbed.networks.parts import Residual as ResidualModule
from seedbed.networks.parts import activation_of
from seedbed.settings.optimizers import Tensors
from seedbed.training.randomness import apply_dropout, apply_rrelu, layer_noise
from seedbed.training.states import Pass
from seedbed.training.undocumented import has_hooks

LAYERS: dict[type[nn.Module], type[StackedLayer]] = {}
"""The stacked layer of each class of modules. Elementwise activations aren't listed."""

# The kernel computes their derivatives from their outputs.
_IN_PLACE = ("relu", "tanh", "sigmoid")
# Calls in a user's `forward()` that the kernel has, as `Elementwise.text` writes them.
_CALLS = {f"{name}(){{}}": name for name in ("relu", "tanh", "sigmoid", "silu", "mish", "softsign")}


class StackedLayer:
    """A layer of a stack.

    Attributes:
        modules: the classes of torch that it stands for. Their subclasses don't count, as they may do anything.
        layers: the layers inside it.
        differs_in_training: whether `train()` and `eval()` give different outputs.
        embeds: whether it makes many numbers of each input.
    """

    modules: ClassVar[tuple[type[nn.Module], ...]] = ()
    layers: tuple[StackedLayer, ...] = ()
    differs_in_training: ClassVar[bool] = False
    embeds: ClassVar[bool] = False

    @property
    def explodes(self) -> bool:
        """Whether it overflows on numbers of a usual size."""
        return False

    def __init_subclass__(cls) -> None:
        LAYERS.update(dict.fromkeys(cls.modules, cls))

    @classmethod
    def read(cls, name: str, module: Any, numbers: dict[str, int]) -> Self | None:
        """Return the stacked layer of a module, by its name alone; or None where the stack can't compute it.

        Args:
            name: the module's qualified name and a dot, or nothing.
            module: of one of the classes `modules`.
            numbers: the modules that draw, see `randomness.drawn_modules`.
        """
        return cls(name)  # type: ignore[call-arg]  # of subclasses with a name alone

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        """Return the outputs [row, unit, network].

        Args:
            x: inputs [row, unit, network].
            values: the stack's parameters and buffers by name [..., network].
            now: the forward pass.
            updates: receives buffers that the pass has changed.
        """
        raise NotImplementedError

    def add_to(self, program: Program) -> None:
        """Add the layer to the kernel's program, behind the last one.

        Raises:
            NotCoveredError: the kernel doesn't have it.
        """
        raise NotCoveredError

    def begin(self, program: Program) -> None:
        """Add the layer to the kernel's program as the first one, which sees the table.

        Raises:
            NotCoveredError: the kernel can't begin with it.
        """
        raise NotCoveredError

    def embedded_width(self, program: Program) -> tuple[int, int]:
        """Return the numbers of inputs and of outputs where the layer embeds some of the inputs.

        Raises:
            NotCoveredError: the kernel can't embed with it.
        """
        raise NotCoveredError

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        """Return the layer as the kernel embeds with it, with the inputs and outputs of a layer like it."""
        raise NotCoveredError

    def innermost_layers(self) -> Iterator[StackedLayer]:
        """Yield the layers inside it that hold no others; itself, if it holds none."""
        if not self.layers:
            yield self
        for layer in self.layers:
            yield from layer.innermost_layers()


def stacked_layer(name: str, module: nn.Module, numbers: dict[str, int]) -> StackedLayer | None:
    """Return the stacked layer of a module, or None where there isn't one. The arguments are those of `read`."""
    if has_hooks(module):
        return None
    found = activation_of(module)
    if found is not None and ALL_ACTIVATIONS[found[0]].elementwise:
        return Elementwise(repr(module), module)
    kind = LAYERS.get(type(module))
    return None if kind is None else kind.read(name, module, numbers)


def stacked_layers(name: str, module: nn.Module, numbers: dict[str, int]) -> tuple[StackedLayer, ...] | None:
    """Return the stacked layers of a module's children, or None if a child has none."""
    layers = [stacked_layer(f"{name}{child}.", layer, numbers) for child, layer in module.named_children()]
    known = tuple(layer for layer in layers if layer is not None)
    return known if len(known) == len(layers) else None


@dataclass(frozen=True)
class Linear(StackedLayer):
    modules = (nn.Linear,)

    name: str
    units: int
    bias: bool

    @classmethod
    def read(cls, name: str, module: nn.Linear, numbers: dict[str, int]) -> Self:
        return cls(name, module.out_features, module.bias is not None)

    def first(self, X: Tensor, values: Tensors, now: Pass) -> Tensor:
        """Return the outputs of the layer that sees the table X [row, feature]. All networks share one matmul."""
        weight = values[self.name + "weight"]
        if now.axis_order == "network_first":
            x = torch.bmm(X.expand(weight.shape[2], -1, -1), weight.permute(2, 0, 1)).permute(1, 2, 0)
        else:
            x = (X @ weight.flatten(1)).reshape(-1, *weight.shape[1:])
        return x + values[self.name + "bias"] if self.bias else x

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        weight = values[self.name + "weight"]
        bias = values[self.name + "bias"] if self.bias else None
        if self.units == 1:
            x = (x * weight[:, 0]).sum(1, keepdim=True)
            return x if bias is None else x + bias
        # It is fastest if the network axis varies slowest in memory.
        left, right = x.permute(2, 0, 1), weight.permute(2, 0, 1)
        product = torch.bmm(left, right) if bias is None else torch.baddbmm(bias.t()[:, None], left, right)
        return product.permute(1, 2, 0)

    def add_to(self, program: Program) -> None:
        last, n_in = program.last, program.shape(self.name + "weight")[1]
        if program.layers and n_in != last.n_out:
            raise NotCoveredError
        weight = program.parameter(self.name + "weight", is_weight=True)
        bias = program.parameter(self.name + "bias", is_weight=False) if self.bias else -1
        program.layers.append(
            KernelLayer(Kind.LINEAR, n_in, self.units, weight, bias, last.target, program.values(self.units),
                        last.d_out, program.gradients(self.units))
        )  # fmt: skip

    begin = add_to

    def embedded_width(self, program: Program) -> tuple[int, int]:
        n_out, n_in = program.shape(self.name + "weight")
        if self.bias:
            raise NotCoveredError
        return n_in, n_out

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        weight = program.parameter(self.name + "weight", is_weight=True)
        return like._replace(kind=Kind.LEVELS, weight=weight, each=self.units)


@dataclass(frozen=True)
class Elementwise(StackedLayer):
    """A module or function that treats each number by itself. Two are equal if they read alike."""

    text: str
    function: Callable[[Tensor], Tensor] = field(compare=False, hash=False, repr=False)

    @property
    def is_relu(self) -> bool:
        """Whether it is zero for all negative numbers, so that a unit behind it can die."""
        return self.text.lower().startswith("relu(")

    @property
    def explodes(self) -> bool:
        return self.text.startswith("exp(")

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        x = self.function(x)
        if now.alive is not None and self.is_relu:
            now.alive.append(((x > 0) & (now.weights > 0)[:, None]).any(0))
        return x

    def add_to(self, program: Program) -> None:
        if type(self.function) is nn.Identity:
            return
        found, last = activation_of(self.function), program.last
        name, a, b, c = _CALLS.get(self.text, ""), 0.0, 0.0, 0.0
        if found is not None and (native := ALL_ACTIVATIONS[found[0]].native) is not None:
            name, a, b, c = native(*found[1])
        if not name:
            raise NotCoveredError
        target = last.target if name in _IN_PLACE and last.kind == Kind.LINEAR else program.values(last.n_out)
        alive = program.n_alive if self.is_relu else -1
        program.n_alive += last.n_out if self.is_relu else 0
        program.layers.append(
            KernelLayer(Kind.ACTIVATION, last.n_out, last.n_out, source=last.target, target=target, d_in=last.d_out,
                        d_out=last.d_out, function=FUNCTIONS.index(name), alive=alive, a=a, b=b, c=c)
        )  # fmt: skip


@dataclass(frozen=True)
class PReLU(StackedLayer):
    modules = (nn.PReLU,)

    name: str

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        return torch.where(x >= 0, x, x * values[self.name + "weight"])


@dataclass(frozen=True)
class OverUnits(StackedLayer):
    """Activations that treat the units of a row together."""

    modules = (nn.GLU, nn.Softmax, nn.Softmin, nn.LogSoftmax)

    kind: str

    @classmethod
    def read(cls, name: str, module: Any, numbers: dict[str, int]) -> Self | None:
        return cls(type(module).__name__) if module.dim in (1, -1) else None

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        if self.kind == "GLU":
            return F.glu(x, 1)
        if self.kind == "LogSoftmax":
            return torch.log_softmax(x, 1)
        return torch.softmax(-x if self.kind == "Softmin" else x, 1)


@dataclass(frozen=True)
class RandomLayer(StackedLayer):
    """A layer that draws in training.

    Attributes:
        number: its own, see `randomness.drawn_layer`.
    """

    differs_in_training = True

    number: int

    def noise(self, x: Tensor, now: Pass) -> Tensor:
        """Return uniform numbers for inputs x, which lie in memory as x does."""
        first = now.axis_order == "network_first"
        return layer_noise(now.keys, now.step, self.number, now.rows, x.shape[1], network_first=first)


@dataclass(frozen=True)
class Dropout(RandomLayer):
    modules = (nn.Dropout,)

    share: float

    @classmethod
    def read(cls, name: str, module: nn.Dropout, numbers: dict[str, int]) -> Self:
        return cls(numbers[name.removesuffix(".")], module.p)

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        return apply_dropout(x, self.noise(x, now), self.share) if now.training else x

    def add_to(self, program: Program) -> None:
        program.same_in_training = False
        last, mask = program.last, program.values(program.last.n_out)
        program.layers.append(
            KernelLayer(Kind.DROPOUT, last.n_out, last.n_out, source=last.target, target=program.values(last.n_out),
                        d_in=last.d_out, d_out=last.d_out, spare=mask, number=self.number, a=self.share)
        )  # fmt: skip


@dataclass(frozen=True)
class RReLU(RandomLayer):
    modules = (nn.RReLU,)

    lower: float
    upper: float

    @classmethod
    def read(cls, name: str, module: nn.RReLU, numbers: dict[str, int]) -> Self:
        return cls(numbers[name.removesuffix(".")], module.lower, module.upper)

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        if not now.training:
            return torch.where(x >= 0, x, x * ((self.lower + self.upper) / 2))
        return apply_rrelu(x, self.noise(x, now), self.lower, self.upper)


@dataclass(frozen=True)
class LayerNorm(StackedLayer):
    modules = (nn.LayerNorm,)

    name: str
    eps: float
    affine: bool
    bias: bool

    @classmethod
    def read(cls, name: str, module: nn.LayerNorm, numbers: dict[str, int]) -> Self | None:
        if len(module.normalized_shape) != 1:
            return None
        return cls(name, module.eps, module.weight is not None, module.bias is not None)

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        x = centred * torch.rsqrt((centred * centred).mean(1, keepdim=True) + self.eps)
        if self.affine:
            x = x * values[self.name + "weight"]
        return x + values[self.name + "bias"] if self.bias else x

    def add_to(self, program: Program) -> None:
        last = program.last
        weight = program.parameter(self.name + "weight", is_weight=False) if self.affine else -1
        bias = program.parameter(self.name + "bias", is_weight=False) if self.bias else -1
        normal = program.values(last.n_out + 1)
        program.layers.append(
            KernelLayer(Kind.LAYERNORM, last.n_out, last.n_out, weight, bias, last.target, program.values(last.n_out),
                        last.d_out, last.d_out, normal, a=self.eps)
        )  # fmt: skip


@dataclass(frozen=True)
class BatchNorm1d(StackedLayer):
    """Batch statistics are those of the rows that count for each network."""

    modules = (nn.BatchNorm1d,)
    differs_in_training = True

    name: str
    eps: float
    momentum: float
    affine: bool

    @classmethod
    def read(cls, name: str, module: nn.BatchNorm1d, numbers: dict[str, int]) -> Self | None:
        if module.momentum is None or not module.track_running_stats:
            return None
        return cls(name, module.eps, module.momentum, module.affine)

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        mean, variance = values[self.name + "running_mean"], values[self.name + "running_var"]
        if now.training:
            there = (now.weights > 0).to(x.dtype)[:, None]
            n = there.sum(0)
            batch_mean = (x * there).sum(0) / n
            batch_variance = ((x - batch_mean) ** 2 * there).sum(0) / n
            unbiased = batch_variance.detach() * (n / (n - 1).clamp(min=1))
            updates[self.name + "running_mean"] = mean + self.momentum * (batch_mean.detach() - mean)
            updates[self.name + "running_var"] = variance + self.momentum * (unbiased - variance)
            tracked = self.name + "num_batches_tracked"
            updates[tracked] = values[tracked] + 1
            mean, variance = batch_mean, batch_variance
        x = (x - mean) * torch.rsqrt(variance + self.eps)
        return x * values[self.name + "weight"] + values[self.name + "bias"] if self.affine else x


@dataclass(frozen=True)
class Residual(StackedLayer):
    """Layers whose outputs are added to their inputs."""

    modules = (ResidualModule,)

    layers: tuple[StackedLayer, ...]

    @classmethod
    def read(cls, name: str, module: ResidualModule, numbers: dict[str, int]) -> Self | None:
        inner = stacked_layers(name, module, numbers)
        return None if inner is None else cls(inner)

    def __call__(self, x: Tensor, values: Tensors, now: Pass, updates: Tensors) -> Tensor:
        added = x
        for layer in self.layers:
            added = layer(added, values, now, updates)
        return x + added

    def add_to(self, program: Program) -> None:
        last, place = program.last, len(program.layers)
        units = last.n_out
        fork = KernelLayer(Kind.FORK, units, units, source=last.target, target=program.values(units), d_in=last.d_out,
                           d_out=program.gradients(units))  # fmt: skip
        program.layers.append(fork)
        for layer in self.layers:
            layer.add_to(program)
        inner = program.last
        if inner.n_out != units:
            raise NotCoveredError
        added = KernelLayer(Kind.ADD, units, units, source=inner.target, target=program.values(units),
                            d_in=inner.d_out, d_out=program.gradients(units), spare=fork.target)  # fmt: skip
        program.layers.append(added)
        program.layers[place] = fork._replace(spare=added.d_out)

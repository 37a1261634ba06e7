"""The activations. Each entry of `ACTIVATIONS` holds everything that the package knows of one; add an entry to add one.

A candidate names an activation by the lower-case name of its class in `torch.nn`, with or without underscores, and with
arguments if any: `relu`, `leaky_relu(0.2)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.errors import CandidateError, did_you_mean

Native = tuple[str, float, float, float]
"""The name of a function of the kernel, in `training.program.FUNCTIONS`, and its three arguments."""
_SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
_UNITS = (("dim", -1),)  # normalise over the units of a row


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One activation. Calling it builds its module with torch's defaults.

    Attributes:
        module: its class in `torch.nn`.
        arguments: names of the arguments that a candidate may give, in order.
        fixed: arguments that are always given.
        width_factor: number of inputs per output.
        elementwise: whether it treats each number by itself.
        onnx: adds it to an ONNX graph: (graph, module, name of the inputs [network, row, unit]) to the name of the
            outputs. The graph is a `model.export.onnx_networks.Graph`.
        native: returns the module's function in the kernel; None if torch trains it.
    """

    module: type[nn.Module]
    arguments: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    width_factor: int = 1
    elementwise: bool = True
    onnx: Callable[[Any, Any, str], str] | None = None
    native: Callable[[Any], Native] | None = None

    @property
    def name(self) -> str:
        return self.module.__name__.lower()

    def __call__(self, *values: float) -> nn.Module:
        return self.module(**dict(self.fixed), **dict(zip(self.arguments, values, strict=False)))


def _parsed(text: str) -> tuple[str, list[str]]:
    """Return the entry's name and the arguments, for instance of `leaky_relu(0.2)`."""
    match = re.fullmatch(r"([a-z0-9_]+)(?:\(([^()]*)\))?", text)
    if not match:
        return text, []
    return match[1].replace("_", ""), [] if match[2] is None else match[2].split(",")


def is_activation(text: str) -> bool:
    """Return whether a candidate's word names an activation, with any arguments."""
    return _parsed(text)[0] in ACTIVATIONS


def width_factor(text: str) -> int:
    """Return the number of inputs per output of an activation; 1 for `linear`."""
    name = _parsed(text)[0]
    return ACTIVATIONS[name].width_factor if name in ACTIVATIONS else 1


def activation(text: str) -> nn.Module:
    """Return a new activation module by its name and arguments.

    >>> activation("leaky_relu(0.2)")
    LeakyReLU(negative_slope=0.2)

    Raises:
        CandidateError: there is no such activation, or it doesn't take these arguments.
    """
    name, values = _parsed(text)
    if name not in ACTIVATIONS:
        raise CandidateError(f"no activation '{text}' in torch.nn", did_you_mean(text, [*ACTIVATIONS, "linear"]))
    entry = ACTIVATIONS[name]
    takes = f"It takes {', '.join(entry.arguments)}." if entry.arguments else f"Write {name}."
    if len(values) > len(entry.arguments):
        raise CandidateError(f"'{text}' has too many arguments", takes)
    try:
        made = entry(*map(float, values))
        fits = not values or bool(made.eval()(torch.linspace(-3, 3, 7, device="cpu")).isfinite().all())
    except (ValueError, RuntimeError, ZeroDivisionError):
        fits = False
    if not fits:
        raise CandidateError(f"'{text}' has an argument that it can't take", takes)
    return made.train()


def activation_of(module: object) -> Activation | None:
    """Return the entry of a module's class, or None. Some entries occur in user-defined networks only."""
    return _BY_CLASS.get(type(module))


# ONNX


def _scalar(graph: Any, value: float) -> str:
    return str(graph.constant(value, np.float32))


def _named(kind: str, **attributes: str) -> Callable[[Any, Any, str], str]:
    """Return an ONNX operation whose attributes are those of the module, by name."""
    return lambda graph, m, x: graph.add(kind, x, **{key: float(getattr(m, name)) for key, name in attributes.items()})


def _over_units(kind: str, sign: int = 1) -> Callable[[Any, Any, str], str]:
    return lambda graph, m, x: graph.add(kind, x if sign > 0 else graph.add("Neg", x), axis=2)


def _softplus(graph: Any, m: nn.Softplus, x: str) -> str:
    if m.beta == 1:
        return str(graph.add("Softplus", x))
    beta = _scalar(graph, m.beta)
    return str(graph.add("Div", graph.add("Softplus", graph.add("Mul", x, beta)), beta))


def _hardtanh(graph: Any, m: nn.Hardtanh, x: str) -> str:
    return str(graph.add("Clip", x, _scalar(graph, m.min_val), _scalar(graph, m.max_val)))


def _hardsigmoid(graph: Any, m: nn.Module, x: str) -> str:
    return str(graph.add("HardSigmoid", x, alpha=1 / 6, beta=0.5))


def _celu(graph: Any, m: nn.CELU, x: str) -> str:
    alpha = _scalar(graph, m.alpha)
    return str(graph.add("Mul", graph.add("Elu", graph.add("Div", x, alpha), alpha=1.0), alpha))


def _gelu(graph: Any, m: nn.Module, x: str) -> str:
    inner = graph.add("Erf", graph.add("Mul", x, _scalar(graph, 2**-0.5)))
    half = graph.add("Mul", x, _scalar(graph, 0.5))
    return str(graph.add("Mul", half, graph.add("Add", inner, _scalar(graph, 1.0))))


def _glu(graph: Any, m: nn.Module, x: str) -> str:
    """Gate the first half of the units by the second."""
    first, second = graph.halves(x, axis=2)
    return str(graph.add("Mul", first, graph.add("Sigmoid", second)))


def _logsigmoid(graph: Any, m: nn.Module, x: str) -> str:
    return str(graph.add("Neg", graph.add("Softplus", graph.add("Neg", x))))


def _shrink(bias: bool) -> Callable[[Any, Any, str], str]:
    return lambda graph, m, x: graph.add("Shrink", x, lambd=float(m.lambd), bias=float(m.lambd) if bias else 0.0)


def _plain(name: str) -> Callable[[Any], Native]:
    """Return a function of the kernel without arguments."""
    return lambda m: (name, 0, 0, 0)


_ENTRIES = (
    Activation(module=nn.ReLU, onnx=_named("Relu"), native=_plain("relu")),
    Activation(
        module=nn.RReLU,
        arguments=("lower", "upper"),
        elementwise=False,
        onnx=lambda graph, m, x: graph.add("LeakyRelu", x, alpha=(m.lower + m.upper) / 2),  # as in evaluation
    ),
    Activation(
        module=nn.Hardtanh,
        arguments=("min_val", "max_val"),
        onnx=_hardtanh,
        native=lambda m: ("hardtanh", m.min_val, m.max_val, 0),
    ),
    Activation(module=nn.ReLU6, onnx=_hardtanh, native=lambda m: ("hardtanh", 0, 6, 0)),
    Activation(module=nn.Sigmoid, onnx=_named("Sigmoid"), native=_plain("sigmoid")),
    Activation(module=nn.Hardsigmoid, onnx=_hardsigmoid, native=_plain("hardsigmoid")),
    Activation(module=nn.Tanh, onnx=_named("Tanh"), native=_plain("tanh")),
    Activation(
        module=nn.SiLU, onnx=lambda graph, m, x: graph.add("Mul", x, graph.add("Sigmoid", x)), native=_plain("silu")
    ),
    Activation(
        module=nn.Mish,
        onnx=lambda graph, m, x: graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x))),
        native=_plain("mish"),
    ),
    Activation(
        module=nn.Hardswish,
        onnx=lambda graph, m, x: graph.add("Mul", x, _hardsigmoid(graph, m, x)),
        native=_plain("hardswish"),
    ),
    Activation(
        module=nn.ELU, arguments=("alpha",), onnx=_named("Elu", alpha="alpha"), native=lambda m: ("elu", 1, m.alpha, 1)
    ),
    Activation(module=nn.CELU, arguments=("alpha",), onnx=_celu, native=lambda m: ("elu", 1, m.alpha, 1 / m.alpha)),
    Activation(module=nn.SELU, onnx=_named("Selu"), native=lambda m: ("elu", _SELU[0], _SELU[0] * _SELU[1], 1)),
    Activation(module=nn.GLU, width_factor=2, elementwise=False, onnx=_glu),
    Activation(
        module=nn.GELU, onnx=_gelu, native=lambda m: ("gelu" if m.approximate == "none" else "gelu_tanh", 0, 0, 0)
    ),
    Activation(
        module=nn.Hardshrink,
        arguments=("lambd",),
        onnx=_shrink(bias=False),
        native=lambda m: ("hardshrink", m.lambd, 0, 0),
    ),
    Activation(
        module=nn.LeakyReLU,
        arguments=("negative_slope",),
        onnx=_named("LeakyRelu", alpha="negative_slope"),
        native=lambda m: ("leaky", m.negative_slope, 0, 0),
    ),
    Activation(module=nn.LogSigmoid, onnx=_logsigmoid, native=_plain("logsigmoid")),
    Activation(
        module=nn.Softplus,
        arguments=("beta", "threshold"),
        onnx=_softplus,
        native=lambda m: ("softplus", m.beta, m.threshold, 0),
    ),
    Activation(
        module=nn.Softshrink,
        arguments=("lambd",),
        onnx=_shrink(bias=True),
        native=lambda m: ("softshrink", m.lambd, 0, 0),
    ),
    Activation(module=nn.PReLU, elementwise=False),  # its weights: `training.layers`, `onnx_networks`
    Activation(module=nn.Softsign, onnx=_named("Softsign"), native=_plain("softsign")),
    Activation(
        module=nn.Tanhshrink,
        onnx=lambda graph, m, x: graph.add("Sub", x, graph.add("Tanh", x)),
        native=_plain("tanhshrink"),
    ),
    Activation(module=nn.Softmin, fixed=_UNITS, elementwise=False, onnx=_over_units("Softmax", sign=-1)),
    Activation(module=nn.Softmax, fixed=_UNITS, elementwise=False, onnx=_over_units("Softmax")),
    Activation(module=nn.LogSoftmax, fixed=_UNITS, elementwise=False, onnx=_over_units("LogSoftmax")),
)
_OF_USERS = (
    Activation(module=nn.Threshold, native=lambda m: ("threshold", m.threshold, m.value, 0)),
    Activation(module=nn.Identity),
)

ACTIVATIONS = {entry.name: entry for entry in _ENTRIES}
"""The activations that a candidate can name."""

_BY_CLASS: dict[type, Activation] = {entry.module: entry for entry in (*_ENTRIES, *_OF_USERS)}

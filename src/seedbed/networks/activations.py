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
from numpy.typing import NDArray

from seedbed.errors import CandidateError, did_you_mean

Native = tuple[str, float, float, float]
"""The name of a function of the kernel, in `kernel_program.FUNCTIONS`, and its three arguments."""
Array = NDArray[np.floating]
_SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@dataclass(frozen=True)
class Activation:
    """One activation.

    Attributes:
        torch: its class in `torch.nn`.
        values: from inputs [..., unit] and the arguments to outputs; a new array.
        native: from its arguments to its function in the kernel.
        arguments: names of the arguments that a candidate may give, in order, with torch's defaults.
        onnx: adds it to an ONNX graph: (graph, name of the inputs [network, row, unit], *arguments) to the name of the
            outputs. The graph is an `onnx_networks.Graph`.
    """

    torch: str
    values: Callable[..., Array]
    native: Callable[..., Native]
    arguments: tuple[tuple[str, float], ...] = ()
    onnx: Callable[..., str] | None = None

    @property
    def defaults(self) -> tuple[float, ...]:
        """Return the arguments if none are given."""
        return tuple(value for _, value in self.arguments)


def _parsed(text: str) -> tuple[str, list[str]]:
    """Return the entry's name and the arguments, for instance of `leaky_relu(0.2)`."""
    match = re.fullmatch(r"([a-z0-9_]+)(?:\(([^()]*)\))?", text)
    if not match:
        return text, []
    return match[1].replace("_", ""), [] if match[2] is None else match[2].split(",")


def is_activation(text: str) -> bool:
    """Return whether a candidate's word names an activation, with any arguments."""
    return _parsed(text)[0] in ACTIVATIONS


def read_activation(text: str) -> tuple[str, tuple[float, ...]]:
    """Return the name and all arguments of an activation.

    CandidateError if there is no such activation, or it doesn't take these arguments.

    >>> read_activation("leaky_relu(0.2)")
    ('leakyrelu', (0.2,))
    """
    name, texts = _parsed(text)
    if name not in ACTIVATIONS:
        raise CandidateError(f"no activation '{text}'", did_you_mean(text, [*ACTIVATIONS, "linear"]))
    entry = ACTIVATIONS[name]
    takes = f"It takes {', '.join(key for key, _ in entry.arguments)}." if entry.arguments else f"Write {name}."
    if len(texts) > len(entry.arguments):
        raise CandidateError(f"'{text}' has too many arguments", takes)
    try:
        arguments = (*map(float, texts), *entry.defaults[len(texts) :])
        with np.errstate(all="ignore"):
            fits = not texts or bool(np.isfinite(entry.values(np.linspace(-3.0, 3.0, 7), *arguments)).all())
        fits = fits and not (entry.torch == "Hardtanh" and arguments[0] > arguments[1])
    except (ValueError, ZeroDivisionError):
        fits = False
    if not fits:
        raise CandidateError(f"'{text}' has an argument that it can't take", takes)
    return name, arguments


# Values


# Each step replaces the one before: new memory for it would take longer than to compute it.


def _sigmoid(x: Array, factor: Array | int = 1) -> Array:
    """Return a factor times the sigmoid."""
    with np.errstate(over="ignore"):  # infinity gives a sigmoid of 0
        below = np.exp(negative := np.negative(x), out=negative)
    below += 1
    return np.divide(factor, below, out=below)


def _softplus(x: Array, beta: float = 1.0, threshold: float = np.inf) -> Array:
    y = np.abs(x)  # log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))
    y *= -beta
    np.log1p(np.exp(y, out=y), out=y)
    y /= beta
    y += np.maximum(x, 0)
    return y if threshold == np.inf else np.where(beta * x > threshold, x, y)


def _elu(x: Array, alpha: float = 1.0, scale: float = 1.0, slope: float = 1.0) -> Array:
    return np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x, 0) * slope))


def _gelu(x: Array) -> Array:
    from scipy.special import erf

    y = erf(x * 2**-0.5)
    y += 1
    y *= x
    y *= 0.5
    return np.asarray(y)


def _gelu_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))))


# ONNX


def _named(kind: str, *names: str, **fixed: float) -> Callable[..., str]:
    """Return an ONNX operation whose attributes are the arguments, in this order, and then fixed ones."""
    return lambda graph, x, *values: graph.add(kind, x, **dict(zip(names, values, strict=True)), **fixed)


_onnx_hardsigmoid = _named("HardSigmoid", alpha=1 / 6, beta=0.5)


def _onnx_softplus(graph: Any, x: str, beta: float, threshold: float) -> str:
    if beta == 1:
        return str(graph.add("Softplus", x))
    factor = graph.scalar(beta)
    return str(graph.add("Div", graph.add("Softplus", graph.add("Mul", x, factor)), factor))


def _onnx_clip(graph: Any, x: str, least: float, most: float) -> str:
    return str(graph.add("Clip", x, graph.scalar(least), graph.scalar(most)))


def _onnx_celu(graph: Any, x: str, alpha: float) -> str:
    factor = graph.scalar(alpha)
    return str(graph.add("Mul", graph.add("Elu", graph.add("Div", x, factor), alpha=1.0), factor))


def _onnx_gelu(graph: Any, x: str) -> str:
    inner = graph.add("Erf", graph.add("Mul", x, graph.scalar(2**-0.5)))
    half = graph.add("Mul", x, graph.scalar(0.5))
    return str(graph.add("Mul", half, graph.add("Add", inner, graph.scalar(1.0))))


def _onnx_gate(inner: Callable[[Any, str], str]) -> Callable[..., str]:
    """Return the inputs times a function of them."""
    return lambda graph, x: str(graph.add("Mul", x, inner(graph, x)))


def _native(name: str) -> Callable[..., Native]:
    """Return a function of the kernel with all arguments in order."""
    return lambda *arguments: (name, *(*arguments, 0.0, 0.0, 0.0)[:3])


_ENTRIES = (
    Activation("ReLU", lambda x: np.maximum(x, 0), _native("relu"), onnx=_named("Relu")),
    Activation("Hardtanh", np.clip, _native("hardtanh"), (("min_val", -1.0), ("max_val", 1.0)), _onnx_clip),
    Activation(
        "ReLU6",
        lambda x: np.clip(x, 0, 6),
        lambda: ("hardtanh", 0, 6, 0),
        onnx=lambda graph, x: _onnx_clip(graph, x, 0, 6),
    ),
    Activation("Sigmoid", _sigmoid, _native("sigmoid"), onnx=_named("Sigmoid")),
    Activation("Hardsigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), _native("hardsigmoid"), onnx=_onnx_hardsigmoid),
    Activation("Tanh", np.tanh, _native("tanh"), onnx=_named("Tanh")),
    Activation("SiLU", lambda x: _sigmoid(x, x), _native("silu"), onnx=_onnx_gate(_named("Sigmoid"))),
    Activation(
        "Mish",
        lambda x: x * np.tanh(_softplus(x)),
        _native("mish"),
        onnx=_onnx_gate(lambda graph, x: graph.add("Tanh", graph.add("Softplus", x))),
    ),
    Activation(
        "Hardswish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), _native("hardswish"), onnx=_onnx_gate(_onnx_hardsigmoid)
    ),
    Activation("ELU", _elu, lambda alpha: ("elu", 1, alpha, 1), (("alpha", 1.0),), _named("Elu", "alpha")),
    Activation(
        "CELU",
        lambda x, alpha: _elu(x, alpha, 1.0, 1 / alpha),
        lambda alpha: ("elu", 1, alpha, 1 / alpha),
        (("alpha", 1.0),),
        _onnx_celu,
    ),
    Activation(
        "SELU",
        lambda x: _elu(x, _SELU[1], _SELU[0]),
        lambda: ("elu", _SELU[0], _SELU[0] * _SELU[1], 1),
        onnx=_named("Selu"),
    ),
    Activation("GELU", _gelu, _native("gelu"), onnx=_onnx_gelu),
    Activation(
        "Hardshrink",
        lambda x, lambd: np.where(np.abs(x) > lambd, x, 0),
        _native("hardshrink"),
        (("lambd", 0.5),),
        _named("Shrink", "lambd", bias=0.0),
    ),
    Activation(
        "LeakyReLU",
        lambda x, slope: np.where(x >= 0, x, x * slope),
        _native("leaky"),
        (("negative_slope", 0.01),),
        _named("LeakyRelu", "alpha"),
    ),
    Activation(
        "LogSigmoid",
        lambda x: -_softplus(-x),
        _native("logsigmoid"),
        onnx=lambda graph, x: graph.add("Neg", graph.add("Softplus", graph.add("Neg", x))),
    ),
    Activation("Softplus", _softplus, _native("softplus"), (("beta", 1.0), ("threshold", 20.0)), _onnx_softplus),
    Activation(
        "Softshrink",
        lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
        _native("softshrink"),
        (("lambd", 0.5),),
        lambda graph, x, lambd: graph.add("Shrink", x, lambd=lambd, bias=lambd),
    ),
    Activation("Softsign", lambda x: x / (1 + np.abs(x)), _native("softsign"), onnx=_named("Softsign")),
    Activation(
        "Tanhshrink",
        lambda x: x - np.tanh(x),
        _native("tanhshrink"),
        onnx=lambda graph, x: graph.add("Sub", x, graph.add("Tanh", x)),
    ),
)

ACTIVATIONS = {entry.torch.lower(): entry for entry in _ENTRIES}
"""The activations that a candidate can name."""

ALL_ACTIVATIONS = ACTIVATIONS | {
    "threshold": Activation(
        "Threshold",
        lambda x, threshold, value: np.asarray(np.where(x > threshold, x, value)),
        _native("threshold"),
        (("threshold", 0.0), ("value", 0.0)),
    ),
    "identity": Activation("Identity", lambda x: x, _native("identity")),
    "gelu_tanh": Activation("GELU", _gelu_tanh, _native("gelu_tanh")),
}
"""These, and activations of user-defined networks only."""

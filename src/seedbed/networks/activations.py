"""The activations. Each entry of `ACTIVATIONS` holds everything that the package knows of one; add
an entry to add one.

A candidate names an activation by the lower-case name of its class in `torch.nn`, with or without
underscores, and with arguments if any: `relu`, `leaky_relu(0.2)`.
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
_SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Activation:
    """One activation.

    Attributes:
        torch: its class in `torch.nn`.
        values: from inputs [..., unit] and the arguments to outputs; a new array.
        onnx: adds it to an ONNX graph: (graph, name of the inputs [network, row, unit], *arguments)
            to the name of the outputs. The graph is an `onnx_networks.Graph`.
        arguments: names of the arguments that a candidate may give, in order, with torch's
            defaults.
        as_other: from its arguments to its function in the kernel, if that has another name.
    """

    torch: str
    values: Callable[..., Array]
    onnx: Callable[..., str] | None = None
    arguments: tuple[tuple[str, float], ...] = ()
    as_other: Callable[..., Native] | None = None

    def native(self, *arguments: float) -> Native:
        """Return its function in the kernel with these arguments, all of them in order."""
        a, b, c = (*arguments, 0.0, 0.0, 0.0)[:3]
        return (
            self.as_other(*arguments)
            if self.as_other
            else (self.torch.lower(), a, b, c)
        )


def split_activation(text: str) -> tuple[str, list[str]]:
    """Return the name that an entry may have, and the arguments, for instance of
    `leaky_relu(0.2)`."""
    match = re.fullmatch(r"([a-z0-9_]+)(?:\(([^()]*)\))?", text)
    if not match:
        return text, []
    return match[1].replace("_", ""), [] if match[2] is None else match[2].split(",")


def read_activation(text: str) -> tuple[str, tuple[float, ...]]:
    """Return the name and all arguments of an activation.

    CandidateError if there is no such activation, or it doesn't take these arguments.

    >>> read_activation("leaky_relu(0.2)")
    ('leakyrelu', (0.2,))
    """
    name, texts = split_activation(text)
    if name not in ACTIVATIONS:
        raise CandidateError(
            f"no activation '{text}'", did_you_mean(text, [*ACTIVATIONS, "linear"])
        )
    entry = ACTIVATIONS[name]
    takes = (
        f"It takes {', '.join(key for key, _ in entry.arguments)}."
        if entry.arguments
        else f"Write {name}."
    )
    if len(texts) > len(entry.arguments):
        raise CandidateError(f"'{text}' has too many arguments", takes)
    try:
        arguments = (
            *map(float, texts),
            *(default for _, default in entry.arguments[len(texts) :]),
        )
        with np.errstate(all="ignore"):
            fits = not texts or bool(
                np.isfinite(entry.values(np.linspace(-3.0, 3.0, 7), *arguments)).all()
            )
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
    return np.where(
        x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x, 0) * slope)
    )


def _gelu(x: Array) -> Array:
    from scipy.special import erf

    y = erf(x * 2**-0.5)
    y += 1
    y *= x
    y *= 0.5
    return np.asarray(y)


# ONNX


def _named(kind: str, *names: str, **fixed: float) -> Callable[..., str]:
    """Return an ONNX operation whose attributes are the arguments, in this order, and then fixed
    ones."""
    return lambda graph, x, *values: graph.add(
        kind, x, **dict(zip(names, values, strict=True)), **fixed
    )


_onnx_hardsigmoid = _named("HardSigmoid", alpha=1 / 6, beta=0.5)


def _onnx_softplus(graph: Any, x: str, beta: float, threshold: float) -> str:
    if beta == 1:
        return str(graph.add("Softplus", x))
    factor = graph.scalar(beta)
    return str(
        graph.add("Div", graph.add("Softplus", graph.add("Mul", x, factor)), factor)
    )


def _onnx_clip(graph: Any, x: str, least: float, most: float) -> str:
    return str(graph.add("Clip", x, graph.scalar(least), graph.scalar(most)))


def _onnx_celu(graph: Any, x: str, alpha: float) -> str:
    factor = graph.scalar(alpha)
    return str(
        graph.add(
            "Mul", graph.add("Elu", graph.add("Div", x, factor), alpha=1.0), factor
        )
    )


def _onnx_gelu(graph: Any, x: str) -> str:
    inner = graph.add("Erf", graph.add("Mul", x, graph.scalar(2**-0.5)))
    half = graph.add("Mul", x, graph.scalar(0.5))
    return str(graph.add("Mul", half, graph.add("Add", inner, graph.scalar(1.0))))


def _onnx_gate(inner: Callable[[Any, str], str]) -> Callable[..., str]:
    """Return the inputs times a function of them."""
    return lambda graph, x: str(graph.add("Mul", x, inner(graph, x)))


_ALPHA, _LAMBDA = (("alpha", 1.0),), (("lambd", 0.5),)

_ENTRIES = (
    Activation("ReLU", lambda x: np.maximum(x, 0), _named("Relu")),
    Activation("Hardtanh", np.clip, _onnx_clip, (("min_val", -1.0), ("max_val", 1.0))),
    Activation(
        "ReLU6",
        lambda x: np.clip(x, 0, 6),
        lambda g, x: _onnx_clip(g, x, 0, 6),
        (),
        lambda: ("hardtanh", 0, 6, 0),
    ),
    Activation("Sigmoid", _sigmoid, _named("Sigmoid")),
    Activation("Hardsigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), _onnx_hardsigmoid),
    Activation("Tanh", np.tanh, _named("Tanh")),
    Activation("SiLU", lambda x: _sigmoid(x, x), _onnx_gate(_named("Sigmoid"))),
    Activation(
        "Mish",
        lambda x: x * np.tanh(_softplus(x)),
        _onnx_gate(lambda g, x: g.add("Tanh", g.add("Softplus", x))),
    ),
    Activation(
        "Hardswish",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        _onnx_gate(_onnx_hardsigmoid),
    ),
    Activation(
        "ELU", _elu, _named("Elu", "alpha"), _ALPHA, lambda alpha: ("elu", 1, alpha, 1)
    ),
    Activation(
        "CELU",
        lambda x, a: _elu(x, a, 1.0, 1 / a),
        _onnx_celu,
        _ALPHA,
        lambda a: ("elu", 1, a, 1 / a),
    ),
    Activation(
        "SELU",
        lambda x: _elu(x, *_SELU),
        _named("Selu"),
        (),
        lambda: ("elu", _SELU[1], _SELU[0] * _SELU[1], 1),
    ),
    Activation("GELU", _gelu, _onnx_gelu),
    Activation(
        "Hardshrink",
        lambda x, a: np.where(np.abs(x) > a, x, 0),
        _named("Shrink", "lambd", bias=0.0),
        _LAMBDA,
    ),
    Activation(
        "LeakyReLU",
        lambda x, slope: np.where(x >= 0, x, x * slope),
        _named("LeakyRelu", "alpha"),
        (("negative_slope", 0.01),),
        lambda slope: ("leaky", slope, 0, 0),
    ),
    Activation(
        "LogSigmoid",
        lambda x: -_softplus(-x),
        lambda g, x: g.add("Neg", g.add("Softplus", g.add("Neg", x))),
    ),
    Activation(
        "Softplus", _softplus, _onnx_softplus, (("beta", 1.0), ("threshold", 20.0))
    ),
    Activation(
        "Softshrink",
        lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
        lambda g, x, lambd: g.add("Shrink", x, lambd=lambd, bias=lambd),
        _LAMBDA,
    ),
    Activation("Softsign", lambda x: x / (1 + np.abs(x)), _named("Softsign")),
    Activation(
        "Tanhshrink",
        lambda x: x - np.tanh(x),
        lambda g, x: g.add("Sub", x, g.add("Tanh", x)),
    ),
)

ACTIVATIONS = {entry.torch.lower(): entry for entry in _ENTRIES}
"""The activations that a candidate can name."""

ALL_ACTIVATIONS = ACTIVATIONS | {
    "threshold": Activation(
        "Threshold",
        lambda x, threshold, value: np.asarray(np.where(x > threshold, x, value)),
        arguments=(("threshold", 0.0), ("value", 0.0)),
    ),
    "identity": Activation("Identity", lambda x: x),
    "gelu_tanh": Activation(
        "GELU",
        lambda x: np.asarray(
            0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
        ),
        as_other=lambda: ("gelu_tanh", 0, 0, 0),
    ),
}
"""These, and activations of user-defined networks only."""

"""What networks do, as nodes of ONNX: all networks at once, stacked [network, row, unit]."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seedbed.errors import CandidateError
from seedbed.model.export.onnx_graph import FLOAT, Graph
from seedbed.networks import Blend, Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding, Residual, SmoothClip

__all__ = ["add_networks"]


def add_networks(graph: Graph, network: nn.Sequential, states: Mapping[str, Tensor], inputs: str) -> str:
    """What all networks give, float32 [network, row, output]: its name.

    Args:
        network: one of them, whose numbers don't matter.
        states: numbers by their names in its `state_dict`, [network, ...].
        inputs: the name of float32 [row, input].

    Raises:
        CandidateError: it has a layer that isn't known.
    """
    return _add_layers(graph, network, states, inputs)


def _add_layers(graph: Graph, network: nn.Module, states: Mapping[str, Tensor], value: str) -> str:
    for number, layer in network.named_children():
        own = _of_child(states, number)
        if isinstance(layer, Blend):
            value = _add_blend(graph, layer, own, value)
        elif isinstance(layer, SmoothClip):
            share = graph.add("Div", value, _scalar(graph, layer.limit))
            grown = graph.add("Add", graph.add("Mul", share, share), _scalar(graph, 1.0))
            value = graph.add("Div", value, graph.add("Sqrt", grown))
        elif isinstance(layer, Residual):
            value = graph.add("Add", value, _add_layers(graph, layer, own, value))
        elif isinstance(layer, Embeddings):
            value = _add_embeddings(graph, layer, own, value)
        elif isinstance(layer, PeriodicEmbedding):
            value = _add_periodic(graph, own, value)
        elif isinstance(layer, PiecewiseLinearEncoding):
            value = _add_piecewise(graph, own["edges"], value)
        elif isinstance(layer, nn.Linear):
            value = graph.add("MatMul", value, graph.constant(own["weight"].transpose(1, 2).numpy()))
            value = graph.add("Add", value, _row(graph, own["bias"])) if "bias" in own else value
        elif isinstance(layer, nn.LayerNorm):
            value = _add_layernorm(graph, layer, own, value)
        elif isinstance(layer, nn.BatchNorm1d):
            value = _add_batchnorm(graph, layer, own, value)
        elif isinstance(layer, nn.PReLU):
            value = graph.add("PRelu", value, _row(graph, own["weight"]))
        elif not isinstance(layer, nn.Dropout):
            value = _activation(layer)(graph, layer, value)
    return value


def _add_embeddings(graph: Graph, layer: Embeddings, states: Mapping[str, Tensor], value: str) -> str:
    """Of inputs [row, input], those that stay and what the layers give: [network, row, unit]."""
    n_networks = len(next(iter(states.values())))

    def some(places: list[int]) -> str:
        return graph.add("Gather", value, graph.constant(np.array(places, dtype=np.int64)), axis=1)

    parts = [graph.add("Expand", some(layer.others), graph.constant([n_networks, 1, 1]))] if layer.others else []
    for (number, inner), places in zip(layer.named_children(), layer.inputs, strict=True):
        own = {f"0.{name}": state for name, state in _of_child(states, number).items()}
        parts.append(_add_layers(graph, nn.Sequential(inner), own, some(places)))
    return graph.add("Concat", *parts, axis=2)


def _of_child(states: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Numbers of a module's child, by their names in that."""
    return {key.split(".", 1)[1]: state for key, state in states.items() if key.split(".", 1)[0] == name}


def _add_blend(graph: Graph, layer: Blend, states: Mapping[str, Tensor], value: str) -> str:
    """The members' weighted mean [network, row, output], in logits where they are."""
    each = []
    for number, member in layer.named_children():
        own = _of_child(states, number)
        each.append(_add_layers(graph, cast("nn.Sequential", member), own, value))
    if layer.numbers:
        parts = [graph.add("Mul", one, _scalar(graph, share)) for one, share in zip(each, layer.weights, strict=True)]
        return functools.reduce(functools.partial(graph.add, "Add"), parts)

    def log_mean(logs: list[str]) -> str:
        pairs = zip(logs, layer.weights, strict=True)
        own = [graph.add("Add", one, _scalar(graph, math.log(share))) for one, share in pairs]
        stacked = [graph.add("Unsqueeze", one, graph.constant([0])) for one in own]
        return graph.add("ReduceLogSumExp", graph.add("Concat", *stacked, axis=0), axes=[0], keepdims=0)

    if cast("nn.Linear", cast("nn.Sequential", layer[0])[-1]).out_features > 1:
        logits = log_mean([graph.add("LogSoftmax", one, axis=2) for one in each])
    else:
        yes = [graph.add("Neg", graph.add("Softplus", graph.add("Neg", one))) for one in each]
        no = [graph.add("Neg", graph.add("Softplus", one)) for one in each]
        logits = graph.add("Sub", log_mean(yes), log_mean(no))
    return graph.add("Div", logits, _scalar(graph, layer.temperature))


def _row(graph: Graph, state: Tensor) -> str:
    """Numbers of units [network, unit], to be the same for all rows."""
    return graph.constant(state[:, None].numpy())


def _scalar(graph: Graph, value: float) -> str:
    return graph.constant(value, FLOAT)


def _add_layernorm(graph: Graph, layer: nn.LayerNorm, own: Mapping[str, Tensor], value: str) -> str:
    centred = graph.add("Sub", value, graph.add("ReduceMean", value, axes=[2], keepdims=1))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axes=[2], keepdims=1)
    deviation = graph.add("Sqrt", graph.add("Add", variance, _scalar(graph, layer.eps)))
    scaled = graph.add("Mul", graph.add("Div", centred, deviation), _row(graph, own["weight"]))
    return graph.add("Add", scaled, _row(graph, own["bias"]))


def _add_batchnorm(graph: Graph, layer: nn.BatchNorm1d, own: Mapping[str, Tensor], value: str) -> str:
    factor = own["weight"].double() / (own["running_var"].double() + layer.eps).sqrt()
    # Centred first: a unit with a large mean would lose its digits in a folded shift.
    centred = graph.add("Sub", value, _row(graph, own["running_mean"]))
    return graph.add("Add", graph.add("Mul", centred, _row(graph, factor.float())), _row(graph, own["bias"]))


def _add_periodic(graph: Graph, own: Mapping[str, Tensor], value: str) -> str:
    """Inputs [row, input] and what each is embedded in: [network, row, unit]."""
    n_networks, n_inputs, n_units = own["bias"].shape
    column = graph.add("Reshape", graph.add("Transpose", value, perm=[1, 0]), graph.constant([0, 0, 1]))
    frequencies = 2 * torch.pi * own["frequencies"]
    angles = graph.add("Mul", column, graph.constant(frequencies[:, :, None].numpy()))  # [network, input, row, ...]
    waves = graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=3)
    product = graph.add("MatMul", waves, graph.constant(own["weight"].transpose(2, 3).numpy()))
    embedded = graph.add("Relu", graph.add("Add", product, graph.constant(own["bias"][:, :, None].numpy())))
    by_row = graph.add("Transpose", embedded, perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", by_row, graph.constant([0, 0, n_inputs * n_units]))
    inputs = graph.add("Expand", value, graph.constant([n_networks, 1, 1]))
    return graph.add("Concat", inputs, flat, axis=2)


def _add_piecewise(graph: Graph, edges: Tensor, value: str) -> str:
    """How far inputs [row, input] have come through bins with edges [network, input, edge]: [network, row, unit]."""
    left, right = edges[:, :, :-1], edges[:, :, 1:]
    factor = torch.where(right > left, 1 / (right - left), 0)
    least = torch.where(left > edges[:, :, :1], 0.0, -torch.inf)
    most = torch.where(right < edges[:, :, -1:], 1.0, torch.inf)
    column = graph.add("Reshape", value, graph.constant([0, 0, 1]))
    come = graph.add("Sub", column, graph.constant(left[:, None].numpy()))  # [network, row, input, bin]
    come = graph.add("Mul", come, graph.constant(factor[:, None].numpy()))
    come = graph.add("Max", come, graph.constant(least[:, None].numpy()))
    come = graph.add("Min", come, graph.constant(most[:, None].numpy()))
    return graph.add("Reshape", come, graph.constant([0, 0, left.shape[1] * left.shape[2]]))


def _activation(layer: nn.Module) -> Callable[[Graph, Any, str], str]:
    try:
        return _ACTIVATIONS[type(layer)]
    except KeyError:
        raise CandidateError(f"no ONNX is known for the layer {type(layer).__name__}") from None


def _named(kind: str, **attributes: str) -> Callable[[Graph, Any, str], str]:
    """An operation that ONNX has; its attributes are the module's, by name."""

    def add(graph: Graph, layer: Any, value: str) -> str:
        own: dict[str, Any] = {name: float(getattr(layer, own)) for name, own in attributes.items()}
        return graph.add(kind, value, **own)

    return add


def _over_units(kind: str, sign: int = 1) -> Callable[[Graph, Any, str], str]:
    def add(graph: Graph, layer: Any, value: str) -> str:
        return graph.add(kind, value if sign > 0 else graph.add("Neg", value), axis=2)

    return add


def _softplus(graph: Graph, layer: nn.Softplus, value: str) -> str:
    if layer.beta == 1:
        return graph.add("Softplus", value)
    beta = _scalar(graph, layer.beta)
    return graph.add("Div", graph.add("Softplus", graph.add("Mul", value, beta)), beta)


def _rrelu(graph: Graph, layer: nn.RReLU, value: str) -> str:
    """In evaluation, the mean of the slopes that training draws."""
    return graph.add("LeakyRelu", value, alpha=(layer.lower + layer.upper) / 2)


def _hardtanh(graph: Graph, layer: nn.Hardtanh, value: str) -> str:
    return graph.add("Clip", value, _scalar(graph, layer.min_val), _scalar(graph, layer.max_val))


def _hardsigmoid(graph: Graph, layer: nn.Module, value: str) -> str:
    return graph.add("HardSigmoid", value, alpha=1 / 6, beta=0.5)


def _hardswish(graph: Graph, layer: nn.Module, value: str) -> str:
    return graph.add("Mul", value, _hardsigmoid(graph, layer, value))


def _silu(graph: Graph, layer: nn.Module, value: str) -> str:
    return graph.add("Mul", value, graph.add("Sigmoid", value))


def _mish(graph: Graph, layer: nn.Module, value: str) -> str:
    return graph.add("Mul", value, graph.add("Tanh", graph.add("Softplus", value)))


def _celu(graph: Graph, layer: nn.CELU, value: str) -> str:
    alpha = _scalar(graph, layer.alpha)
    return graph.add("Mul", graph.add("Elu", graph.add("Div", value, alpha), alpha=1.0), alpha)


def _gelu(graph: Graph, layer: nn.Module, value: str) -> str:
    inner = graph.add("Erf", graph.add("Mul", value, _scalar(graph, 2**-0.5)))
    half = graph.add("Mul", value, _scalar(graph, 0.5))
    return graph.add("Mul", half, graph.add("Add", inner, _scalar(graph, 1.0)))


def _softshrink(graph: Graph, layer: nn.Softshrink, value: str) -> str:
    return graph.add("Shrink", value, lambd=float(layer.lambd), bias=float(layer.lambd))


def _hardshrink(graph: Graph, layer: nn.Hardshrink, value: str) -> str:
    return graph.add("Shrink", value, lambd=float(layer.lambd), bias=0.0)


def _logsigmoid(graph: Graph, layer: nn.Module, value: str) -> str:
    return graph.add("Neg", graph.add("Softplus", graph.add("Neg", value)))


def _tanhshrink(graph: Graph, layer: nn.Module, value: str) -> str:
    return graph.add("Sub", value, graph.add("Tanh", value))


def _glu(graph: Graph, layer: nn.Module, value: str) -> str:
    """The first half of the units, gated by the second."""
    first, second = graph.halves(value, axis=2)
    return graph.add("Mul", first, graph.add("Sigmoid", second))


_ACTIVATIONS: Mapping[type[nn.Module], Callable[[Graph, Any, str], str]] = {
    nn.ReLU: _named("Relu"),
    nn.RReLU: _rrelu,
    nn.Hardtanh: _hardtanh,
    nn.ReLU6: _hardtanh,
    nn.Sigmoid: _named("Sigmoid"),
    nn.Hardsigmoid: _hardsigmoid,
    nn.Tanh: _named("Tanh"),
    nn.SiLU: _silu,
    nn.Mish: _mish,
    nn.Hardswish: _hardswish,
    nn.ELU: _named("Elu", alpha="alpha"),
    nn.CELU: _celu,
    nn.SELU: _named("Selu"),
    nn.GLU: _glu,
    nn.GELU: _gelu,
    nn.Hardshrink: _hardshrink,
    nn.LeakyReLU: _named("LeakyRelu", alpha="negative_slope"),
    nn.LogSigmoid: _logsigmoid,
    nn.Softplus: _softplus,
    nn.Softshrink: _softshrink,
    nn.Softsign: _named("Softsign"),
    nn.Tanhshrink: _tanhshrink,
    nn.Softmin: _over_units("Softmax", sign=-1),
    nn.Softmax: _over_units("Softmax"),
    nn.LogSoftmax: _over_units("LogSoftmax"),
}

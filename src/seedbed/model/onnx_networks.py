"""The networks of a model as a graph of ONNX nodes; all networks are computed at once, [network, row, unit]."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from seedbed.errors import CandidateError, OptionError
from seedbed.networks.activations import ALL_ACTIVATIONS
from seedbed.networks.parts import (
    Blend,
    DecisionTrees,
    Embeddings,
    PeriodicEmbedding,
    PiecewiseLinearEncoding,
    Residual,
    SmoothClip,
    activation_of,
)

OPSETS = {"": 13, "ai.onnx.ml": 2}
"""Operators of ONNX 1.8 (2020), the first version with one convention for axes of all operators used here."""

IR_VERSION = 7
FLOAT = np.float32

_LIMIT = 2**31 - 2**20  # bytes of tensors; a protobuf holds 2 GiB


class Graph:
    """Nodes and constants of a graph. Names of computed values differ from the names of columns."""

    def __init__(self, column_names: Collection[str]) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = "seedbed"
        while any(name.startswith(self._prefix) for name in column_names):
            self._prefix += "_"
        self._size = 0

    def add(self, kind: str, *inputs: str, domain: str = "", output: str = "", **attributes: Any) -> str:
        """Add a node of an operator; return the name of its output, by default a new one."""
        name = f"{self._prefix}/{len(self.nodes)}.{kind}"
        output = output or name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, domain=domain, **attributes))
        return output

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant, if the file doesn't become too large; return its name. Texts have the type `object`."""
        array = np.array(value, dtype=dtype, order="C")
        self._size += sum(map(len, array)) if array.dtype == object else array.nbytes
        self._check_size()
        name = f"{self._prefix}/constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def _check_size(self) -> None:
        if self._size > _LIMIT:
            raise OptionError("the model takes over 2 GiB, the limit of an ONNX file", "Fit fewer or smaller networks.")

    def trees(
        self,
        value: str,
        n_trees: int,
        feature: NDArray[np.int32],
        threshold: NDArray[np.float32],
        left: NDArray[np.int32],
        leaf_value: NDArray[np.float32],
    ) -> str:
        """Add the sums of the leaves [n, output] that rows [n, column] reach in trees, given as in `DecisionTrees`."""
        of_tree = np.arange(len(left))
        inner = left != of_tree
        parents = np.flatnonzero(inner)
        of_tree[left[parents]] = of_tree[left[parents] + 1] = parents
        while (of_tree != (above := of_tree[of_tree])).any():  # twice as many steps towards the first node
            of_tree = above
        nodes = np.argsort(of_tree, kind="stable")  # those of a tree must be together
        nodes = nodes[of_tree[nodes] < n_trees]
        leaves = nodes[~inner[nodes]]
        n_outputs, right = leaf_value.shape[1], np.where(inner, left + 1, 0)
        self._size += 60 * len(nodes) + 20 * n_outputs * len(leaves)
        self._check_size()
        lists: dict[str, NDArray[Any]] = {
            "nodes_treeids": of_tree[nodes], "nodes_nodeids": nodes, "nodes_featureids": feature[nodes],
            "nodes_truenodeids": np.where(inner, left, 0)[nodes], "nodes_falsenodeids": right[nodes],
            "target_treeids": np.repeat(of_tree[leaves], n_outputs), "target_nodeids": np.repeat(leaves, n_outputs),
            "target_ids": np.tile(np.arange(n_outputs), len(leaves)),
        }  # fmt: skip
        numbers = {"nodes_values": threshold[nodes], "target_weights": leaf_value[leaves].ravel()}
        modes = np.where(inner[nodes], b"BRANCH_LEQ", b"LEAF").tolist()
        # Not by make_node, which looks at each number.
        attributes = [
            AttributeProto(name="nodes_modes", type=AttributeProto.STRINGS, strings=modes),
            *(AttributeProto(name=name, type=AttributeProto.INTS, ints=some.tolist()) for name, some in lists.items()),
            *(AttributeProto(name=name, type=AttributeProto.FLOATS, floats=some) for name, some in numbers.items()),
        ]
        sums = self.add("TreeEnsembleRegressor", value, domain="ai.onnx.ml", n_targets=n_outputs)
        self.nodes[-1].attribute.extend(attributes)
        return sums

    def cast(self, value: str, to: int) -> str:
        """Convert a value to a member of `TensorProto.DataType`."""
        return self.add("Cast", value, to=to)

    def concatenate(self, values: Sequence[str]) -> str:
        """Concatenate values [n, ...] along axis 1."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)

    def halves(self, value: str, axis: int) -> tuple[str, str]:
        """Split a value into two halves along an axis."""
        name = f"{self._prefix}/{len(self.nodes)}.Split"
        outputs = f"{name}.first", f"{name}.second"
        self.nodes.append(helper.make_node("Split", [value], outputs, name=name, axis=axis))
        return outputs

    def select_columns(self, value: str, places: NDArray[np.int64]) -> str:
        """Select columns of a value [n, column], in the order given."""
        return self.add("Gather", value, self.constant(places, np.int64), axis=1)


def add_networks(graph: Graph, network: nn.Module, states: Mapping[str, Tensor], value: str) -> str:
    """Add all networks; return the name of their outputs, float32 [network, row, output].

    Args:
        network: one of them; its parameters aren't used.
        states: parameters and buffers [network, ...], by their names in its `state_dict`.
        value: name of the inputs, float32 [row, input].
    """
    for number, layer in network.named_children():
        state = _of_child(states, number)
        found = activation_of(layer)
        if type(layer) in _LAYERS:
            value = _LAYERS[type(layer)](graph, layer, state, value)
        elif found is not None and (onnx := ALL_ACTIVATIONS[found[0]].onnx) is not None:
            value = onnx(graph, value, *found[1])
        else:
            raise CandidateError(f"the layer {type(layer).__name__} has no ONNX form")
    return value


def _add_clip(graph: Graph, layer: SmoothClip, states: Mapping[str, Tensor], value: str) -> str:
    share = graph.add("Div", value, _scalar(graph, layer.limit))
    grown = graph.add("Add", graph.add("Mul", share, share), _scalar(graph, 1.0))
    return graph.add("Div", value, graph.add("Sqrt", grown))


def _add_linear(graph: Graph, layer: nn.Linear, states: Mapping[str, Tensor], value: str) -> str:
    value = graph.add("MatMul", value, graph.constant(states["weight"].transpose(1, 2).numpy()))
    return graph.add("Add", value, _row(graph, states["bias"])) if "bias" in states else value


def _add_embeddings(graph: Graph, layer: Embeddings, states: Mapping[str, Tensor], value: str) -> str:
    """Return inputs that aren't embedded and the outputs of the embeddings, [network, row, unit]."""
    n_networks = len(next(iter(states.values())))

    def some(places: list[int]) -> str:
        return graph.add("Gather", value, graph.constant(np.array(places, dtype=np.int64)), axis=1)

    parts = [graph.add("Expand", some(layer.others), graph.constant([n_networks, 1, 1]))] if layer.others else []
    for (number, inner), places in zip(layer.named_children(), layer.inputs, strict=True):
        renamed = {f"0.{name}": state for name, state in _of_child(states, number).items()}
        parts.append(add_networks(graph, nn.Sequential(inner), renamed, some(places)))
    return graph.add("Concat", *parts, axis=2)


def _of_child(states: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the state of a module's child, by names in the child."""
    return {key.split(".", 1)[1]: state for key, state in states.items() if key.split(".", 1)[0] == name}


def _add_blend(graph: Graph, layer: Blend, states: Mapping[str, Tensor], value: str) -> str:
    """Return the weighted mean of the members [network, row, output]; of classes, the logits of mean probabilities."""
    each = []
    for number, member in layer.named_children():
        state = _of_child(states, number)
        each.append(add_networks(graph, member, state, value))
    if layer.numbers:
        parts = [graph.add("Mul", one, _scalar(graph, share)) for one, share in zip(each, layer.weights, strict=True)]
        return functools.reduce(functools.partial(graph.add, "Add"), parts)

    def log_mean(logs: list[str]) -> str:
        pairs = zip(logs, layer.weights, strict=True)
        weighted = [graph.add("Add", output, _scalar(graph, math.log(share))) for output, share in pairs]
        stacked = [graph.add("Unsqueeze", one, graph.constant([0])) for one in weighted]
        return graph.add("ReduceLogSumExp", graph.add("Concat", *stacked, axis=0), axes=[0], keepdims=0)

    if cast("nn.Linear | DecisionTrees", cast("nn.Sequential", layer[0])[-1]).out_features > 1:
        logits = log_mean([graph.add("LogSoftmax", one, axis=2) for one in each])
    else:
        yes = [graph.add("Neg", graph.add("Softplus", graph.add("Neg", one))) for one in each]
        no = [graph.add("Neg", graph.add("Softplus", one)) for one in each]
        logits = graph.add("Sub", log_mean(yes), log_mean(no))
    return graph.add("Div", logits, _scalar(graph, layer.temperature))


def _row(graph: Graph, state: Tensor) -> str:
    """Add a constant [network, unit] that is the same for all rows."""
    return graph.constant(state[:, None].numpy())


def _scalar(graph: Graph, value: float) -> str:
    return graph.constant(value, FLOAT)


def _add_layernorm(graph: Graph, layer: nn.LayerNorm, state: Mapping[str, Tensor], value: str) -> str:
    centred = graph.add("Sub", value, graph.add("ReduceMean", value, axes=[2], keepdims=1))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axes=[2], keepdims=1)
    deviation = graph.add("Sqrt", graph.add("Add", variance, _scalar(graph, layer.eps)))
    scaled = graph.add("Mul", graph.add("Div", centred, deviation), _row(graph, state["weight"]))
    return graph.add("Add", scaled, _row(graph, state["bias"]))


def _add_batchnorm(graph: Graph, layer: nn.BatchNorm1d, state: Mapping[str, Tensor], value: str) -> str:
    factor = state["weight"].double() / (state["running_var"].double() + layer.eps).sqrt()
    # Centred first: a unit with a large mean would lose its digits in a folded shift.
    centred = graph.add("Sub", value, _row(graph, state["running_mean"]))
    return graph.add("Add", graph.add("Mul", centred, _row(graph, factor.float())), _row(graph, state["bias"]))


def _add_periodic(graph: Graph, state: Mapping[str, Tensor], value: str) -> str:
    """Return inputs [row, input] and their periodic embeddings, [network, row, unit]."""
    n_networks, n_inputs, n_units = state["bias"].shape
    column = graph.add("Reshape", graph.add("Transpose", value, perm=[1, 0]), graph.constant([0, 0, 1]))
    frequencies = 2 * torch.pi * state["frequencies"]
    angles = graph.add("Mul", column, graph.constant(frequencies[:, :, None].numpy()))  # [network, input, row, ...]
    waves = graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=3)
    product = graph.add("MatMul", waves, graph.constant(state["weight"].transpose(2, 3).numpy()))
    embedded = graph.add("Relu", graph.add("Add", product, graph.constant(state["bias"][:, :, None].numpy())))
    by_row = graph.add("Transpose", embedded, perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", by_row, graph.constant([0, 0, n_inputs * n_units]))
    inputs = graph.add("Expand", value, graph.constant([n_networks, 1, 1]))
    return graph.add("Concat", inputs, flat, axis=2)


def _add_piecewise(graph: Graph, edges: Tensor, value: str) -> str:
    """Return the shares of bins, by edges [network, input, edge], below inputs [row, input]: [network, row, unit]."""
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


def _add_trees(graph: Graph, layer: DecisionTrees, states: Mapping[str, Tensor], value: str) -> str:
    """Return the sums of trees for inputs [row, input], or the logits of probabilities: [network, row, output]."""
    each = []
    for number in range(len(states["left"])):
        state = {name: tensor[number].numpy() for name, tensor in states.items()}
        sums = graph.trees(value, layer.n_trees, state["feature"], state["threshold"], state["left"], state["value"])
        each.append(graph.add("Unsqueeze", sums, graph.constant([0])))
    value = graph.add("Concat", *each, axis=0)
    if not layer.probabilities:
        return value
    least = _scalar(graph, layer.least)
    if layer.out_features > 1:
        return graph.add("Log", graph.add("Max", value, least))
    yes = graph.add("Min", graph.add("Max", value, least), _scalar(graph, 1 - layer.least))
    return graph.add("Log", graph.add("Div", yes, graph.add("Sub", _scalar(graph, 1.0), yes)))


_LAYERS: Mapping[type[nn.Module], Callable[[Graph, Any, Mapping[str, Tensor], str], str]] = {
    nn.Linear: _add_linear,
    nn.LayerNorm: _add_layernorm,
    nn.BatchNorm1d: _add_batchnorm,
    nn.PReLU: lambda graph, layer, states, value: graph.add("PRelu", value, _row(graph, states["weight"])),
    nn.Dropout: lambda graph, layer, states, value: value,
    Blend: _add_blend,
    SmoothClip: _add_clip,
    Residual: lambda graph, layer, states, value: graph.add("Add", value, add_networks(graph, layer, states, value)),
    Embeddings: _add_embeddings,
    PeriodicEmbedding: lambda graph, layer, states, value: _add_periodic(graph, states, value),
    PiecewiseLinearEncoding: lambda graph, layer, states, value: _add_piecewise(graph, states["edges"], value),
    DecisionTrees: _add_trees,
}
"""ONNX form of each layer that isn't an activation: (graph, module, state, name of inputs) to the name of outputs."""

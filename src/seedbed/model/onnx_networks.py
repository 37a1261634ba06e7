"""The networks of a model as a graph of ONNX nodes; all networks are computed at once, [network,
row, unit]."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from seedbed.errors import OptionError
from seedbed.model.stacks import members_of
from seedbed.model.trees import LEAST, DecisionTrees
from seedbed.networks.activations import ALL_ACTIVATIONS
from seedbed.networks.embedding_layers import (
    Embeddings,
    Periodic,
    Piecewise,
    bins_between,
)
from seedbed.networks.layers import (
    BatchNorm,
    Dropout,
    Elementwise,
    Layer,
    LayerNorm,
    Linear,
    Residual,
)
from seedbed.networks.mlp import MLP, BlendedMembers, Trees

OPSETS = {"": 13, "ai.onnx.ml": 2}
"""Operators of ONNX 1.8 (2020), the first version with one convention for axes of all operators
used here."""

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

    def add(
        self,
        kind: str,
        *inputs: str,
        domain: str = "",
        output: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node of an operator; return the name of its output, by default a new one."""
        name = f"{self._prefix}/{len(self.nodes)}.{kind}"
        output = output or name
        self.nodes.append(
            helper.make_node(
                kind, inputs, [output], name=name, domain=domain, **attributes
            )
        )
        return output

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant, if the file doesn't become too large; return its name. Texts have the
        type `object`."""
        array = np.array(value, dtype=dtype, order="C")
        self._size += sum(map(len, array)) if array.dtype == object else array.nbytes
        self._check_size()
        name = f"{self._prefix}/constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, value: float) -> str:
        """Add a constant number, float32; return its name."""
        return self.constant(value, FLOAT)

    def row(self, state: NDArray[Any]) -> str:
        """Add a constant [network, unit] that is the same for all rows; return its name."""
        return self.constant(state[:, None])

    def _check_size(self) -> None:
        if self._size > _LIMIT:
            raise OptionError(
                "the model takes over 2 GiB, the limit of an ONNX file",
                "Fit fewer or smaller networks.",
            )

    def trees(self, value: str, trees: DecisionTrees, n_inputs: int) -> str:
        """Add the sums of the leaves [n, output] that rows [n, input] reach in trees."""
        feature = trees.feature
        threshold = trees.threshold
        left = trees.left
        leaf_value = trees.value
        if trees.architecture.categories:
            value, feature, threshold = self._with_sets(value, trees, n_inputs)
        of_tree = np.arange(len(left))
        inner = left != of_tree
        parents = np.flatnonzero(inner)
        of_tree[left[parents]] = of_tree[left[parents] + 1] = parents
        while (
            of_tree != (above := of_tree[of_tree])
        ).any():  # twice as many steps towards the first node
            of_tree = above
        nodes = np.argsort(of_tree, kind="stable")  # those of a tree must be together
        nodes = nodes[of_tree[nodes] < trees.architecture.n_trees]
        leaves = nodes[~inner[nodes]]
        n_outputs = leaf_value.shape[1]
        right = np.where(inner, left + 1, 0)
        self._size += 60 * len(nodes) + 20 * n_outputs * len(leaves)
        self._check_size()
        lists: dict[str, NDArray[Any]] = {
            "nodes_treeids": of_tree[nodes],
            "nodes_nodeids": nodes,
            "nodes_featureids": feature[nodes],
            "nodes_truenodeids": np.where(inner, left, 0)[nodes],
            "nodes_falsenodeids": right[nodes],
            "target_treeids": np.repeat(of_tree[leaves], n_outputs),
            "target_nodeids": np.repeat(leaves, n_outputs),
            "target_ids": np.tile(np.arange(n_outputs), len(leaves)),
        }
        numbers = {
            "nodes_values": threshold[nodes],
            "target_weights": leaf_value[leaves].ravel(),
        }
        modes = np.where(inner[nodes], b"BRANCH_LEQ", b"LEAF").tolist()
        # Not by make_node, which looks at each number.
        attributes = [
            AttributeProto(
                name="nodes_modes", type=AttributeProto.STRINGS, strings=modes
            ),
            *(
                AttributeProto(name=name, type=AttributeProto.INTS, ints=some.tolist())
                for name, some in lists.items()
            ),
            *(
                AttributeProto(name=name, type=AttributeProto.FLOATS, floats=some)
                for name, some in numbers.items()
            ),
        ]
        sums = self.add(
            "TreeEnsembleRegressor", value, domain="ai.onnx.ml", n_targets=n_outputs
        )
        self.nodes[-1].attribute.extend(attributes)
        return sums

    def _with_sets(
        self, value: str, trees: DecisionTrees, n_inputs: int
    ) -> tuple[str, NDArray[np.int32], NDArray[np.float32]]:
        """Return columns [n, column] of inputs that aren't of categories, and of whether a level is
        in a set; and the column and the threshold of each node [node]."""
        categories = trees.architecture.categories
        others = np.setdiff1d(np.arange(n_inputs), np.concatenate(categories))
        is_set = (trees.feature >= len(others)) & (
            trees.left != np.arange(len(trees.left))
        )
        (of_category, number), column = np.unique(
            np.stack([trees.feature, trees.threshold])[:, is_set].astype(np.int32),
            axis=1,
            return_inverse=True,
        )
        bits = np.unpackbits(trees.sets.view(np.uint8), axis=1, bitorder="little")
        members = np.zeros((n_inputs, len(number)), dtype=FLOAT)
        for place, inputs in enumerate(categories, len(others)):
            columns = np.flatnonzero(of_category == place)
            levels = bits[number[columns], 1 : len(inputs) + 1]
            members[np.array(inputs)[:, None], columns] = levels.T
        blocks = [self.add("MatMul", value, self.constant(members))]
        if len(others):
            blocks.insert(0, self.select_columns(value, others))
        feature = trees.feature.copy()
        feature[is_set] = len(others) + column
        threshold = np.where(is_set, FLOAT(0.5), trees.threshold)
        return self.concatenate(blocks), feature, threshold

    def encode(self, value: str, keys: Iterable[str], **values: Any) -> str:
        """Replace each text by the value of its key, or by the default."""
        return self.add(
            "LabelEncoder",
            value,
            domain="ai.onnx.ml",
            keys_strings=list(keys),
            **values,
        )

    def cast(self, value: str, to: int) -> str:
        """Convert a value to a member of `TensorProto.DataType`."""
        return self.add("Cast", value, to=to)

    def concatenate(self, values: Sequence[str]) -> str:
        """Concatenate values [n, ...] along axis 1."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)

    def select_columns(self, value: str, places: NDArray[np.int64]) -> str:
        """Select columns of a value [n, column], in the order given."""
        return self.add("Gather", value, self.constant(places, np.int64), axis=1)


_States = Mapping[str, NDArray[Any]]


def add_networks(
    graph: Graph,
    architecture: MLP | BlendedMembers,
    states: _States,
    value: str,
    n_inputs: int,
    n_outputs: int,
) -> str:
    """Add all networks, with states [network, ...], for the inputs named `value`, float32 [row,
    input]; return the name of their outputs, float32 [network, row, output]."""
    if isinstance(architecture, BlendedMembers) and architecture.limit:
        share = graph.add("Div", value, graph.scalar(architecture.limit))
        grown = graph.add("Add", graph.add("Mul", share, share), graph.scalar(1.0))
        value = graph.add("Div", value, graph.add("Sqrt", grown))
    each = []
    for start, member in members_of(architecture).items():
        state = {
            name.removeprefix(start): array
            for name, array in states.items()
            if name.startswith(start)
        }
        if isinstance(member, Trees):
            each.append(_add_trees(graph, member, state, value, n_inputs))
        else:
            each.append(
                _add_layers(
                    graph, member.network(n_inputs, n_outputs).layers, state, value
                )
            )
    return (
        _add_blend(graph, architecture, each, n_outputs)
        if isinstance(architecture, BlendedMembers)
        else each[0]
    )


def _add_layers(
    graph: Graph, layers: Sequence[Layer], states: _States, value: str
) -> str:
    for layer in layers:
        value = _LAYERS[type(layer)](graph, layer, states, value)
    return value


def _add_linear(graph: Graph, layer: Linear, states: _States, value: str) -> str:
    value = graph.add(
        "MatMul", value, graph.constant(states[layer.name + "weight"].swapaxes(1, 2))
    )
    return (
        graph.add("Add", value, graph.row(states[layer.name + "bias"]))
        if layer.bias
        else value
    )


def _add_embeddings(
    graph: Graph, layer: Embeddings, states: _States, value: str
) -> str:
    """Return inputs that aren't embedded and the outputs of the embeddings, [network, row,
    unit]."""
    n_networks = len(next(iter(states.values())))

    def some(places: Sequence[int]) -> str:
        return graph.add(
            "Gather", value, graph.constant(np.array(places, dtype=np.int64)), axis=1
        )

    parts = (
        [graph.add("Expand", some(layer.others), graph.constant([n_networks, 1, 1]))]
        if layer.others
        else []
    )
    pairs = zip(layer.layers, layer.inputs, strict=True)
    parts += [
        _add_layers(graph, [inner], states, some(places)) for inner, places in pairs
    ]
    return graph.add("Concat", *parts, axis=2)


def _add_blend(
    graph: Graph, blend: BlendedMembers, each: Sequence[str], n_outputs: int
) -> str:
    """Return the weighted mean of members' outputs [network, row, output]; of classes, the logits
    of mean probabilities."""
    if blend.numbers:
        parts = [
            graph.add("Mul", one, graph.scalar(share))
            for one, share in zip(each, blend.weights, strict=True)
        ]
        return functools.reduce(functools.partial(graph.add, "Add"), parts)

    def log_mean(logs: list[str]) -> str:
        pairs = zip(logs, blend.weights, strict=True)
        weighted = [
            graph.add("Add", output, graph.scalar(math.log(share)))
            for output, share in pairs
        ]
        stacked = [graph.add("Unsqueeze", one, graph.constant([0])) for one in weighted]
        return graph.add(
            "ReduceLogSumExp",
            graph.add("Concat", *stacked, axis=0),
            axes=[0],
            keepdims=0,
        )

    if n_outputs > 1:
        logits = log_mean([graph.add("LogSoftmax", one, axis=2) for one in each])
    else:
        yes = [
            graph.add("Neg", graph.add("Softplus", graph.add("Neg", one)))
            for one in each
        ]
        no = [graph.add("Neg", graph.add("Softplus", one)) for one in each]
        logits = graph.add("Sub", log_mean(yes), log_mean(no))
    return graph.add("Div", logits, graph.scalar(blend.temperature))


def _add_layernorm(graph: Graph, layer: LayerNorm, states: _States, value: str) -> str:
    centred = graph.add(
        "Sub", value, graph.add("ReduceMean", value, axes=[2], keepdims=1)
    )
    variance = graph.add(
        "ReduceMean", graph.add("Mul", centred, centred), axes=[2], keepdims=1
    )
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.scalar(layer.eps)))
    scaled = graph.add(
        "Mul",
        graph.add("Div", centred, deviation),
        graph.row(states[layer.name + "weight"]),
    )
    return graph.add("Add", scaled, graph.row(states[layer.name + "bias"]))


def _add_batchnorm(graph: Graph, layer: BatchNorm, states: _States, value: str) -> str:
    weight, variance = (
        states[layer.name + part].astype(np.float64)
        for part in ("weight", "running_var")
    )
    factor = (weight / np.sqrt(variance + layer.eps)).astype(np.float32)
    # Centred first: a unit with a large mean would lose its digits in a folded shift.
    centred = graph.add("Sub", value, graph.row(states[layer.name + "running_mean"]))
    return graph.add(
        "Add",
        graph.add("Mul", centred, graph.row(factor)),
        graph.row(states[layer.name + "bias"]),
    )


def _add_periodic(graph: Graph, layer: Periodic, states: _States, value: str) -> str:
    """Return inputs [row, input] and their periodic embeddings, [network, row, unit]."""
    frequencies, weight, bias = (states[name] for name in layer.parameters)
    n_networks, n_inputs, n_units = bias.shape
    column = graph.add(
        "Reshape", graph.add("Transpose", value, perm=[1, 0]), graph.constant([0, 0, 1])
    )
    angles = graph.add(
        "Mul", column, graph.constant((2 * np.pi * frequencies)[:, :, None])
    )  # [network, input, row, _]
    waves = graph.add(
        "Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=3
    )
    product = graph.add("MatMul", waves, graph.constant(weight.swapaxes(2, 3)))
    embedded = graph.add(
        "Relu", graph.add("Add", product, graph.constant(bias[:, :, None]))
    )
    by_row = graph.add("Transpose", embedded, perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", by_row, graph.constant([0, 0, n_inputs * n_units]))
    inputs = graph.add("Expand", value, graph.constant([n_networks, 1, 1]))
    return graph.add("Concat", inputs, flat, axis=2)


def _add_piecewise(graph: Graph, layer: Piecewise, states: _States, value: str) -> str:
    """Return the shares of bins below inputs [row, input]: [network, row, unit]."""
    left, *others = (
        part[:, None] for part in bins_between(states[layer.name + "edges"])
    )
    column = graph.add("Reshape", value, graph.constant([0, 0, 1]))
    come = graph.add("Sub", column, graph.constant(left))  # [network, row, input, bin]
    for operator, part in zip(("Mul", "Max", "Min"), others, strict=True):
        come = graph.add(operator, come, graph.constant(part))
    return graph.add(
        "Reshape", come, graph.constant([0, 0, layer.n_inputs * layer.bins])
    )


def _add_trees(
    graph: Graph, trees: Trees, states: _States, value: str, n_inputs: int
) -> str:
    """Return the sums of trees for inputs [row, input], or the logits of probabilities: [network,
    row, output]."""
    sums = [
        graph.trees(value, of_network, n_inputs)
        for of_network in DecisionTrees.stacked(trees, states)
    ]
    value = graph.add(
        "Concat",
        *(graph.add("Unsqueeze", one, graph.constant([0])) for one in sums),
        axis=0,
    )
    if not trees.probabilities:
        return value
    least = graph.scalar(LEAST)
    if states["0.value"].shape[2] > 1:
        return graph.add("Log", graph.add("Max", value, least))
    yes = graph.add("Min", graph.add("Max", value, least), graph.scalar(1 - LEAST))
    return graph.add(
        "Log", graph.add("Div", yes, graph.add("Sub", graph.scalar(1.0), yes))
    )


def _add_activation(
    graph: Graph, layer: Elementwise, states: _States, value: str
) -> str:
    onnx = ALL_ACTIVATIONS[layer.activation].onnx
    assert onnx is not None
    return onnx(graph, value, *layer.arguments)


_LAYERS: Mapping[type[Layer], Callable[[Graph, Any, _States, str], str]] = {
    Linear: _add_linear,
    LayerNorm: _add_layernorm,
    BatchNorm: _add_batchnorm,
    Elementwise: _add_activation,
    Dropout: lambda graph, layer, states, value: value,
    Residual: lambda graph, layer, states, value: graph.add(
        "Add", value, _add_layers(graph, layer.layers, states, value)
    ),
    Embeddings: _add_embeddings,
    Periodic: _add_periodic,
    Piecewise: _add_piecewise,
}
"""ONNX form of each layer: (graph, layer, states, name of inputs) to the name of outputs."""

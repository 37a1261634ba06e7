"""A model as one ONNX file: cells in, probabilities, spread and label out."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from seedbed.data import Note, Preprocessor
from seedbed.errors import OptionError
from seedbed.model.card import card_of
from seedbed.model.export.onnx_graph import IR_VERSION, OPSETS, Graph
from seedbed.model.export.onnx_inputs import add_inputs, declared_inputs
from seedbed.model.export.onnx_layers import add_networks
from seedbed.model.export.spellings import can_be_written
from seedbed.model.fitted import FittedNetworks
from seedbed.model.layout import canonical
from seedbed.model.saving import check_writable, write_checked

__all__ = ["unlike_seedbed", "write_onnx"]


def write_onnx(model: FittedNetworks, path: Path) -> None:
    """Write the file, which appears whole or not at all.

    Raises:
        OptionError: it can't be written there, or the model is too large for one.
    """
    check_writable(path, "the model")
    content = onnx_of(model).SerializeToString()
    write_checked(path, "the model", lambda where: where.write_bytes(content))


def unlike_seedbed(preprocessor: Preprocessor) -> tuple[Note, ...]:
    """Columns of which an ONNX file reads some cells otherwise than the model."""
    layout = preprocessor.layout
    told = (
        "'{}': a level that the table didn't have counts with the first of the column's 32 groups of rare levels; in "
        "seedbed its text decides with which"
    )
    buckets = zip(layout.categories, layout.places.buckets_of_categories, strict=True)
    many = [layout.schemas[column].name for column, own in buckets if len(own) > 1]
    return tuple(Note(told.format(name), name) for name in many)


def onnx_of(model: FittedNetworks) -> ModelProto:
    """The file's content, checked.

    Raises:
        OptionError: the model is too large, or a column or label has a name that no file can hold.
    """
    names = model.feature_names_in_
    if bad := [text for text in (*names, *model.labels, model.target_name) if not text or not can_be_written(text)]:
        raise OptionError(f"{bad[0]!r} can't be a name in an ONNX file", "Rename the column, or the label.")
    graph = Graph(names)
    with torch.device("meta"):  # for its layers' sizes and settings only
        network: Any = model.architecture(model.preprocessor.n_inputs, model.n_outputs)
    outputs = add_networks(graph, network, model.states, add_inputs(graph, model.preprocessor))
    outputs = graph.cast(outputs, TensorProto.DOUBLE)
    found = _add_number(graph, model, outputs) if model.task == "regression" else _add_classes(graph, model, outputs)
    content = helper.make_graph(
        graph.nodes, "seedbed", declared_inputs(model.preprocessor), found, initializer=graph.constants
    )
    made = helper.make_model(
        content,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="seedbed",
        producer_version=model.versions.get("seedbed", ""),
    )
    helper.set_model_props(made, _told(model))
    onnx.checker.check_model(made, full_check=True)
    return made


def _add_classes(graph: Graph, model: FittedNetworks, outputs: str) -> list[ValueInfoProto]:
    """Probabilities, spread and label, of logits float64 [network, n, output]."""
    if model.task == "binary":
        values, spread = _add_moments(graph, graph.add("Sigmoid", _squeezed(graph, outputs, 2)))
        other = graph.add("Sub", graph.constant(1.0), values)
        columns = [graph.add("Unsqueeze", value, graph.constant([1])) for value in (other, values)]
        found = graph.add("Concat", *columns, axis=1, output=_output(model, "probabilities"))
        code = graph.cast(graph.add("Greater", values, graph.constant(model.threshold)), TensorProto.INT64)
    else:
        values, spreads = _add_moments(graph, graph.add("Softmax", outputs, axis=2))
        found = graph.add("Identity", values, output=_output(model, "probabilities"))
        code = graph.add("ArgMax", values, axis=1, keepdims=0)
        spread = _add_of_best(graph, spreads, code)
    graph.add("Identity", spread, output=_output(model, "spread"))
    whole = model.classes_.dtype.kind == "i"
    labels = graph.constant(model.classes_, np.int64 if whole else object)
    label = graph.add("Gather", labels, code, output=_output(model, "label"))
    kind = "positive" if model.task == "binary" else "most probable"
    listed = ", ".join(model.labels)
    return [
        _value(found, ["n", len(model.labels)], f"of each class, the mean over the networks: {listed}"),
        _value(_output(model, "spread"), ["n"], f"of the {kind} class's probability: deviation over the networks"),
        _value(label, ["n"], "the class that is predicted", TensorProto.INT64 if whole else TensorProto.STRING),
    ]


def _add_number(graph: Graph, model: FittedNetworks, outputs: str) -> list[ValueInfoProto]:
    """Value and spread, of standardised numbers float64 [network, n, 1]."""
    scaled = graph.add("Mul", _squeezed(graph, outputs, 2), graph.constant(model.target_deviation))
    values, spread = _add_moments(graph, graph.add("Add", scaled, graph.constant(model.target_mean)))
    value = graph.add("Identity", values, output=_output(model, "value"))
    spread = graph.add("Identity", spread, output=_output(model, "spread"))
    return [
        _value(value, ["n"], "the number that is predicted, the mean over the networks"),
        _value(spread, ["n"], "of the number: deviation over the networks"),
    ]


def _squeezed(graph: Graph, value: str, axis: int) -> str:
    return graph.add("Squeeze", value, graph.constant([axis]))


def _add_moments(graph: Graph, values: str) -> tuple[str, str]:
    """Mean and population deviation over the networks, the first axis."""
    mean = graph.add("ReduceMean", values, axes=[0], keepdims=0)
    apart = graph.add("Sub", values, mean)
    variance = graph.add("ReduceMean", graph.add("Mul", apart, apart), axes=[0], keepdims=0)
    return mean, graph.add("Sqrt", variance)


def _add_of_best(graph: Graph, spreads: str, code: str) -> str:
    """The spread [n] of the class that is most probable, of [n, class]."""
    place = graph.add("Unsqueeze", code, graph.constant([1]))
    return _squeezed(graph, graph.add("GatherElements", spreads, place, axis=1), 1)


def _output(model: FittedNetworks, word: str) -> str:
    """The name of an output; with strokes behind where columns have that name, as each name is there once."""
    while word in model.feature_names_in_:
        word += "_"
    return word


def _value(name: str, shape: list[str | int], doc: str, dtype: int = TensorProto.DOUBLE) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape, doc_string=doc)


def _told(model: FittedNetworks) -> dict[str, str]:
    """What the file says of itself."""
    return {
        "task": model.task,
        "labels": canonical(list(model.labels)),
        "candidate": model.candidate,
        "target": model.target_name,
        "seedbed": version("seedbed"),
        "card": canonical(card_of(model)),
    }

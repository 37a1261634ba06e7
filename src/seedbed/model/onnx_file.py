"""Export a model as one ONNX file: its inputs are cells, its outputs probabilities, spread and
label.

Numbers are float64 until they are standardised.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from seedbed.data.cells import numbers_in
from seedbed.data.layout import DATE_MIDDLES
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.table import ColumnSchema
from seedbed.errors import OptionError
from seedbed.model.ensemble import Ensemble
from seedbed.model.model_file import canonical
from seedbed.model.onnx_networks import FLOAT, IR_VERSION, OPSETS, Graph, add_networks
from seedbed.networks.mlp import MLP, BlendedMembers

_LARGEST = np.finfo(np.float64).max
_DAY = 86_400.0

_DOCS = {
    "number": "a number; NaN is missing",
    "boolean": "0 or 1; NaN is missing",
    "words": "one of the column's two words as the table has it; the empty text is missing",
    "category": "the level's text; the empty text is missing",
    "date": "seconds since 1970-01-01, as UTC; NaN is missing",
}


def add_inputs(graph: Graph, preprocessor: Preprocessor) -> str:
    """Add the preprocessing; return the name of the networks' inputs, float32 [n, input]."""
    layout, places = preprocessor.layout, preprocessor.layout.places
    numbers: list[str] = []
    blocks: list[str] = []
    inputs: list[NDArray[np.int64]] = []
    for column, schema in enumerate(layout.schemas):
        if schema.kind != "category":
            numbers += _numbers_of(graph, schema, timed=layout.timed[column])
            continue
        codes = places.inputs_of_codes[len(blocks)]
        of_column = np.flatnonzero(places.sources == column)
        blocks.append(_add_category(graph, preprocessor, schema, codes, of_column))
        inputs.append(of_column)
    if numbers:
        scaled, missing = _add_numbers(graph, preprocessor, numbers)
        blocks.append(scaled)
        inputs.append(places.numbers)
    if len(places.flags):
        flags = graph.select_columns(missing, places.flagged)
        live = graph.constant(preprocessor.live[places.flags][None], FLOAT)
        blocks.append(graph.add("Mul", graph.cast(flags, TensorProto.FLOAT), live))
        inputs.append(places.flags)
    order = np.argsort(np.concatenate(inputs))
    return graph.select_columns(graph.concatenate(blocks), order)


def _numbers_of(graph: Graph, schema: ColumnSchema, *, timed: bool) -> list[str]:
    """Return the numbers of a column that is no category, float64 [n, 1] each; of a date several."""
    value = schema.name
    if schema.kind == "date":
        return _add_date(graph, value, timed)
    if _has_words(schema):
        value = graph.encode(
            value,
            schema.levels,
            values_floats=[0.0, 1.0],
            default_float=float("nan"),
        )
        return [graph.cast(value, TensorProto.DOUBLE)]
    if schema.kind == "boolean":
        is_no, is_yes = (
            graph.add("Equal", value, graph.constant(level)) for level in (0.0, 1.0)
        )
        is_level = graph.add("Or", is_no, is_yes)
        return [graph.add("Where", is_level, value, graph.constant(np.nan))]
    for code in sorted(numbers_in(schema.missing)):
        is_code = graph.add("Equal", schema.name, graph.constant(code))
        value = graph.add("Where", is_code, graph.constant(np.nan), value)
    return [value]


def _add_numbers(
    graph: Graph, preprocessor: Preprocessor, numbers: list[str]
) -> tuple[str, str]:
    """Return standardised numbers, float32 [n, number], and which are missing, bool [n, number]."""
    columns = graph.concatenate(numbers)
    known = _add_known(graph, columns)
    filled = graph.add(
        "Where",
        known,
        columns,
        graph.constant(np.nan_to_num(preprocessor.medians)[None]),
    )
    varies = preprocessor.deviations > 0
    divisors = np.where(varies, preprocessor.deviations, 1.0)
    centred = graph.add("Sub", filled, graph.constant(preprocessor.means[None]))
    scaled = graph.add("Div", centred, graph.constant(divisors[None]))
    scaled = graph.add(
        "Where", graph.constant(varies[None]), scaled, graph.constant(0.0)
    )
    return graph.cast(scaled, TensorProto.FLOAT), graph.add("Not", known)


def _add_known(graph: Graph, value: str) -> str:
    """Return whether a number is finite; the comparison is false for NaN and both infinities."""
    return graph.add("LessOrEqual", graph.add("Abs", value), graph.constant(_LARGEST))


def _add_category(
    graph: Graph,
    preprocessor: Preprocessor,
    schema: ColumnSchema,
    codes: NDArray[np.int64],
    places: NDArray[np.int64],
) -> str:
    """Return the inputs of a category at `places`, of which one is 1, float32 [n, input].

    The codes are the inputs of each level, of a missing cell, and of an unknown level.
    """
    live, also = preprocessor.live, preprocessor.layout.places.also
    goes_to = np.where(live, np.arange(len(live)), np.where(live[also], also, -1))[
        codes
    ]
    levels = zip(schema.levels, goes_to[:-2], strict=True)
    keys = {
        text: place
        for text, place in levels
        if place != goes_to[-1] and _is_valid(text)
    }
    keys |= dict.fromkeys(filter(_is_valid, schema.missing), goes_to[-2])
    # Some runtimes refuse an empty list, so there is always one key.
    keys.setdefault("", goes_to[-2])
    numbers = [int(place) for place in keys.values()]
    place = graph.encode(
        schema.name, keys, values_int64s=numbers, default_int64=int(goes_to[-1])
    )
    return graph.cast(
        graph.add("Equal", place, graph.constant(places[None], np.int64)),
        TensorProto.FLOAT,
    )


def _has_words(schema: ColumnSchema) -> bool:
    """Return whether a boolean column's levels are words, such as yes and no, and not 0 and 1."""
    return schema.kind == "boolean" and schema.levels != ("0", "1")


def _is_valid(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8; Python's texts may contain half a
    character."""
    return text.encode(errors="ignore").decode() == text


def _add_date(graph: Graph, name: str, timed: bool) -> list[str]:
    """Return days since 1970-01-01, month, weekday and, if `timed`, hour, float64 [n, 1] each.

    The days of a missing date are NaN.
    """

    def by(kind: str, value: str, number: float) -> str:
        return graph.add(kind, value, graph.constant(number))

    def over(value: str, divisor: float) -> str:
        return graph.add("Floor", by("Div", value, divisor))

    def rest(value: str, divisor: float) -> str:
        return graph.add("Sub", value, by("Mul", over(value, divisor), divisor))

    known = _add_known(graph, name)
    seconds = graph.add("Where", known, name, graph.constant(0.0))
    days = over(seconds, _DAY)
    # Years begin in March here, so the leap day is the last day of a year; 400 years have 146,097
    # days. http://howardhinnant.github.io/date_algorithms.html#civil_from_days
    day = rest(by("Add", days, 719_468.0), 146_097.0)
    leaps = graph.add(
        "Sub",
        over(day, 36_524.0),
        graph.add("Add", over(day, 1_460.0), over(day, 146_096.0)),
    )
    year = over(graph.add("Add", day, leaps), 365.0)
    leaps = graph.add("Sub", over(year, 4.0), over(year, 100.0))
    day = graph.add("Sub", day, graph.add("Add", by("Mul", year, 365.0), leaps))
    from_march = over(by("Add", by("Mul", day, 5.0), 2.0), 153.0)
    month = by("Add", rest(by("Add", from_march, 2.0), 12.0), 1.0)
    weekday = rest(by("Add", days, 3.0), 7.0)  # 1970-01-01 was a Thursday
    hour = over(graph.add("Sub", seconds, by("Mul", days, _DAY)), 3_600.0)
    parts = zip(
        [days, month, weekday, hour][: 3 + timed], (np.nan, *DATE_MIDDLES), strict=False
    )
    return [
        graph.add("Where", known, part, graph.constant(missing))
        for part, missing in parts
    ]


def onnx_of(model: Ensemble, sets: Mapping[str, Any] | None = None) -> ModelProto:
    """Return the checked content of the file. Coverage, per_class and thresholds [class] of
    prediction sets become outputs; `sets` may be empty."""
    names = model.feature_names_in_
    if bad := [
        text
        for text in (*names, *model.labels, model.target_name)
        if not text or not _is_valid(text)
    ]:
        raise OptionError(
            f"{bad[0]!r} can't be a name in an ONNX file",
            "Rename the column, or the label.",
        )
    graph = Graph(names)
    architecture = model.architecture
    assert isinstance(architecture, MLP | BlendedMembers)
    value = add_inputs(graph, model.preprocessor)
    outputs = graph.cast(
        add_networks(graph, architecture, model.states, value, *model.sizes),
        TensorProto.DOUBLE,
    )
    if recalibrated := model.training.get("recalibrated"):
        intercept, slope = map(graph.constant, recalibrated["line"])
        outputs = graph.add("Add", graph.add("Mul", outputs, slope), intercept)
    declared = (
        _add_number(graph, model, outputs)
        if model.outcome.is_number
        else _add_classes(graph, model, outputs)
    )
    if sets:
        declared += _add_sets(graph, model, sets)
    inputs = [_input(schema) for schema in model.preprocessor.layout.schemas]
    content = helper.make_graph(
        graph.nodes, "seedbed", inputs, declared, initializer=graph.constants
    )
    made = helper.make_model(
        content,
        opset_imports=[helper.make_opsetid(*opset) for opset in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="seedbed",
        producer_version=model.versions.get("seedbed", ""),
    )
    properties = {
        "task": model.task,
        "labels": canonical(list(model.labels)),
        "candidate": model.candidate,
        "target": model.target_name,
        "warnings": canonical(list(model.warnings)),
        "seedbed": version("seedbed"),
        "card": canonical(model.card()),
    }
    if sets:
        properties["coverage"] = canonical(sets["coverage"])
    helper.set_model_props(made, properties)
    onnx.checker.check_model(made, full_check=True)
    return made


def _input(schema: ColumnSchema) -> ValueInfoProto:
    """Return the declaration of a column's cells."""
    kind = "words" if _has_words(schema) else schema.kind
    is_text = kind in ("words", "category")
    dtype = TensorProto.STRING if is_text else TensorProto.DOUBLE
    return _value(schema.name, ["n", 1], _DOCS[kind], dtype)


def _add_classes(graph: Graph, model: Ensemble, outputs: str) -> list[ValueInfoProto]:
    """Add probabilities, spread and label; `outputs` are logits, float64 [network, n, output]."""
    if model.outcome.has_threshold:
        values, spread = _add_moments(
            graph,
            graph.add("Sigmoid", graph.add("Squeeze", outputs, graph.constant([2]))),
        )
        other = graph.add("Sub", graph.constant(1.0), values)
        columns = [
            graph.add("Unsqueeze", value, graph.constant([1]))
            for value in (other, values)
        ]
        probabilities = graph.add(
            "Concat", *columns, axis=1, output=_output(model, "probabilities")
        )
        code = graph.cast(
            graph.add("Greater", values, graph.constant(model.threshold)),
            TensorProto.INT64,
        )
    else:
        values, spreads = _add_moments(graph, graph.add("Softmax", outputs, axis=2))
        probabilities = graph.add(
            "Identity", values, output=_output(model, "probabilities")
        )
        code = graph.add("ArgMax", values, axis=1, keepdims=0)
        place = graph.add("Unsqueeze", code, graph.constant([1]))
        spread = graph.add(
            "Squeeze",
            graph.add("GatherElements", spreads, place, axis=1),
            graph.constant([1]),
        )
    graph.add("Identity", spread, output=_output(model, "spread"))
    whole = model.classes_.dtype.kind == "i"
    labels = graph.constant(model.classes_, np.int64 if whole else object)
    label = graph.add("Gather", labels, code, output=_output(model, "label"))
    kind = "positive" if model.outcome.has_threshold else "most probable"
    listed = ", ".join(model.labels)
    return [
        _value(
            probabilities,
            ["n", len(model.labels)],
            f"probability of each class, mean over the networks: {listed}",
        ),
        _value(
            _output(model, "spread"),
            ["n"],
            f"deviation over the networks of the {kind} class's probability",
        ),
        _value(
            label,
            ["n"],
            "predicted class",
            TensorProto.INT64 if whole else TensorProto.STRING,
        ),
    ]


def _add_number(graph: Graph, model: Ensemble, outputs: str) -> list[ValueInfoProto]:
    """Add value and spread; `outputs` are standardised numbers, float64 [network, n, 1]."""
    numbers = graph.add("Squeeze", outputs, graph.constant([2]))
    scaled = graph.add("Mul", numbers, graph.constant(model.target_deviation))
    values, spread = _add_moments(
        graph, graph.add("Add", scaled, graph.constant(model.target_mean))
    )
    value = graph.add("Identity", values, output=_output(model, "value"))
    spread = graph.add("Identity", spread, output=_output(model, "spread"))
    about = "standard deviation of the number over the networks"
    return [
        _value(value, ["n"], "predicted number, mean over the networks"),
        _value(spread, ["n"], about),
    ]


def _add_sets(
    graph: Graph, model: Ensemble, sets: Mapping[str, Any]
) -> list[ValueInfoProto]:
    """Add the set of each row, or the ends of its interval."""
    limits = sets["thresholds"]
    share = f"at a coverage of {sets['coverage']}{' in each class' * sets['per_class']}"
    if model.outcome.is_number:
        value = _output(model, "value")
        limit = graph.constant(limits[0])
        low = graph.add("Sub", value, limit, output=_output(model, "low"))
        high = graph.add("Add", value, limit, output=_output(model, "high"))
        return [
            _value(end, ["n"], f"end of the prediction interval {share}")
            for end in (low, high)
        ]
    errors = graph.add("Sub", graph.constant(1.0), _output(model, "probabilities"))
    inside = graph.add(
        "LessOrEqual", errors, graph.constant(limits), output=_output(model, "set")
    )
    about = f"whether each class is in the prediction set {share}"
    return [_value(inside, ["n", len(model.labels)], about, TensorProto.BOOL)]


def _add_moments(graph: Graph, values: str) -> tuple[str, str]:
    """Return mean and population deviation over the networks, which are the first axis."""
    mean = graph.add("ReduceMean", values, axes=[0], keepdims=0)
    centred = graph.add("Sub", values, mean)
    variance = graph.add(
        "ReduceMean", graph.add("Mul", centred, centred), axes=[0], keepdims=0
    )
    return mean, graph.add("Sqrt", variance)


def _output(model: Ensemble, word: str) -> str:
    """Return the name of an output. Underscores are added if a column has the same name."""
    while word in model.feature_names_in_:
        word += "_"
    return word


def _value(
    name: str, shape: list[str | int], doc: str, dtype: int = TensorProto.DOUBLE
) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape, doc_string=doc)

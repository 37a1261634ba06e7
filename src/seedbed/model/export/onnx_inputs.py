"""What the preprocessor does, as nodes of ONNX: numbers in float64 until they are standardised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper

from seedbed.data import ColumnSchema, Preprocessor, read_texts
from seedbed.model.export.onnx_graph import FLOAT, Graph
from seedbed.model.export.spellings import all_cases, can_be_written, has_words, missing_spellings, words_of

__all__ = ["add_inputs", "declared_inputs"]

_LARGEST = np.finfo(np.float64).max
_DAY = 86_400.0
_MIDDLES = (6.5, 3.0, 11.5)  # of months, weekdays and hours, for a missing date

_DOCS = {
    "number": "a number; NaN is missing",
    "boolean": "0 or 1; NaN is missing",
    "words": "yes or no in the words of the table; the empty text is missing",
    "category": "the level's text; the empty text is missing",
    "date": "seconds since 1970-01-01, as UTC; NaN is missing",
}


def declared_inputs(preprocessor: Preprocessor) -> list[ValueInfoProto]:
    """One input of shape [n, 1] for each column, by its name."""
    declared = []
    for schema in preprocessor.layout.schemas:
        kind = "words" if has_words(schema) else schema.kind
        dtype = TensorProto.STRING if kind in ("words", "category") else TensorProto.DOUBLE
        declared.append(helper.make_tensor_value_info(schema.name, dtype, ["n", 1], doc_string=_DOCS[kind]))
    return declared


def add_inputs(graph: Graph, preprocessor: Preprocessor) -> str:
    """The inputs of the networks, float32 [n, input]: its name."""
    layout, places = preprocessor.layout, preprocessor.layout.places
    numbers: list[str] = []
    blocks: list[str] = []
    inputs: list[NDArray[np.int64]] = []
    category = 0
    for column, schema in enumerate(layout.schemas):
        if schema.kind == "category":
            own = np.flatnonzero(places.sources == column)
            blocks.append(_add_category(graph, preprocessor, schema, places.inputs_of_codes[category], own))
            inputs.append(own)
            category += 1
        elif schema.kind == "date":
            numbers += _add_date(graph, schema.name, layout.timed[column])
        elif schema.kind == "boolean":
            numbers.append(_add_boolean(graph, schema))
        else:
            numbers.append(schema.name)
    if numbers:
        scaled, missing = _add_numbers(graph, preprocessor, numbers)
        blocks.append(scaled)
        inputs.append(places.numbers)
        if len(places.flags):
            flags = graph.cast(graph.taken(missing, places.flagged), TensorProto.FLOAT)
            live = preprocessor.live[places.flags]
            blocks.append(flags if live.all() else graph.add("Mul", flags, graph.constant(live[None], FLOAT)))
            inputs.append(places.flags)
    order = np.argsort(np.concatenate(inputs))
    joined = graph.joined(blocks)
    return joined if (order == np.arange(len(order))).all() else graph.taken(joined, order)


def _add_numbers(graph: Graph, preprocessor: Preprocessor, numbers: list[str]) -> tuple[str, str]:
    """Standardised numbers, float32 [n, number], and which are missing, bool [n, number]."""
    joined = graph.joined(numbers)
    known = _add_known(graph, joined)
    filled = graph.add("Where", known, joined, graph.constant(np.nan_to_num(preprocessor.medians)[None]))
    varies = preprocessor.deviations > 0
    centred = graph.add("Sub", filled, graph.constant(preprocessor.means[None]))
    scaled = graph.add("Div", centred, graph.constant(np.where(varies, preprocessor.deviations, 1.0)[None]))
    if not varies.all():
        scaled = graph.add("Where", graph.constant(varies[None]), scaled, graph.constant(0.0))
    return graph.cast(scaled, TensorProto.FLOAT), graph.add("Not", known)


def _add_known(graph: Graph, value: str) -> str:
    """Whether it is a finite number: one comparison tells NaN and both infinities."""
    return graph.add("LessOrEqual", graph.add("Abs", value), graph.constant(_LARGEST))


def _add_boolean(graph: Graph, schema: ColumnSchema) -> str:
    """0, 1 or NaN, float64 [n, 1]."""
    if has_words(schema):
        words = {case: value for word, value in words_of(schema).items() for case in all_cases([word])}
        words |= {level: value for value, level in enumerate(schema.levels)}
        found = graph.add(
            "LabelEncoder",
            schema.name,
            domain="ai.onnx.ml",
            keys_strings=list(words),
            values_floats=[float(value) for value in words.values()],
            default_float=float("nan"),
        )
        return graph.cast(found, TensorProto.DOUBLE)
    zero = graph.add("Equal", schema.name, graph.constant(0.0))
    one = graph.add("Equal", schema.name, graph.constant(1.0))
    return graph.add("Where", graph.add("Or", zero, one), schema.name, graph.constant(np.nan))


def _add_category(
    graph: Graph, preprocessor: Preprocessor, schema: ColumnSchema, codes: NDArray[np.int64], own: NDArray[np.int64]
) -> str:
    """One of a column's own inputs is 1, float32 [n, input].

    Args:
        codes: the input of each level, of a missing cell, and of an unknown level.
        own: the column's inputs.
    """
    live, also = preprocessor.live, preprocessor.layout.places.also
    goes_to = np.where(live, np.arange(len(live)), np.where(live[also], also, -1))[codes]
    # A number among levels is written '1' or '1.0', as whoever fills in the row happens to hold it.
    dotted = {f"{level}.0": level for level in schema.levels}
    read = read_texts(list(dotted), schema)
    keys = {text: goes_to[int(code)] for text, code in zip(dotted, read, strict=True) if code >= 0}
    keys |= dict.fromkeys(missing_spellings(schema), goes_to[-2])
    keys |= dict(zip(schema.levels, goes_to[:-2], strict=True))
    keys = {text: place for text, place in keys.items() if place != goes_to[-1] and can_be_written(text)}
    # Some runtimes take no empty list, so that there is always one key.
    keys.setdefault("", goes_to[-2])
    found = graph.add(
        "LabelEncoder",
        schema.name,
        domain="ai.onnx.ml",
        keys_strings=list(keys),
        values_int64s=[int(place) for place in keys.values()],
        default_int64=int(goes_to[-1]),
    )
    return graph.cast(graph.add("Equal", found, graph.constant(own[None], np.int64)), TensorProto.FLOAT)


def _add_date(graph: Graph, name: str, timed: bool) -> list[str]:
    """Days since 1970-01-01, month, weekday and, if `timed`, hour, float64 [n, 1] each; NaN days are a missing date."""

    def over(value: str, divisor: float) -> str:
        return graph.add("Floor", graph.add("Div", value, graph.constant(divisor)))

    def plus(value: str, more: float) -> str:
        return graph.add("Add", value, graph.constant(more))

    def times(value: str, factor: float) -> str:
        return graph.add("Mul", value, graph.constant(factor))

    def rest(value: str, divisor: float) -> str:
        return graph.add("Sub", value, times(over(value, divisor), divisor))

    known = _add_known(graph, name)
    seconds = graph.add("Where", known, name, graph.constant(0.0))
    days = over(seconds, _DAY)
    # The month, as calendars are computed: years begin in March, so that the leap day is a year's last, and 400 years
    # have 146,097 days. http://howardhinnant.github.io/date_algorithms.html#civil_from_days
    day = rest(plus(days, 719_468.0), 146_097.0)
    leaps = graph.add("Sub", over(day, 36_524.0), graph.add("Add", over(day, 1_460.0), over(day, 146_096.0)))
    year = over(graph.add("Add", day, leaps), 365.0)
    leaps = graph.add("Sub", over(year, 4.0), over(year, 100.0))
    day = graph.add("Sub", day, graph.add("Add", times(year, 365.0), leaps))
    from_march = over(plus(times(day, 5.0), 2.0), 153.0)
    month = plus(rest(plus(from_march, 2.0), 12.0), 1.0)
    weekday = rest(plus(days, 3.0), 7.0)  # 1970-01-01 was a Thursday
    hour = over(graph.add("Sub", seconds, times(days, _DAY)), 3_600.0)
    parts = [month, weekday, hour][: 2 + timed]
    middles = _MIDDLES[: len(parts)]
    return [
        graph.add("Where", known, part, graph.constant(missing))
        for part, missing in zip([days, *parts], [np.nan, *middles], strict=True)
    ]

"""A model as a page of plain PyTorch: its source code.

What is written comes from strangers, too: names of columns, levels, labels. Each goes through `literal`, and so stands
in the page as a string, never as code.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
from torch import nn

from seedbed.data import ColumnSchema, Preprocessor
from seedbed.model.export import plain_cells
from seedbed.model.export.plain_inputs import narrowed_network
from seedbed.model.export.plain_text import Call, laid, literal
from seedbed.model.export.spellings import words_of
from seedbed.model.fitted import FittedNetworks
from seedbed.networks import Blend, Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding, Residual, SmoothClip

__all__ = ["SIGNATURE", "page_of"]

SIGNATURE = "# Written by seedbed "


def page_of(model: FittedNetworks) -> str:
    """The source code."""
    schemas = model.preprocessor.layout.schemas
    cells = [_cell(model.preprocessor, column) for column in range(len(schemas))]
    used = _used(schemas)
    inputs = [
        "def inputs(row):",
        '    """A row, a dict of cells by column, as the inputs of a network."""',
        *laid(("return [", cells, "]"), 4),
    ]
    copied = [inspect.getsource(getattr(plain_cells, name)).rstrip().split("\n") for name in used]
    written = [
        _head(model, used),
        *_parts(model),
        _network(model),
        _all_networks(model),
        inputs,
        _predict(model),
        *copied,
    ]
    return "\n\n\n".join("\n".join(lines) for lines in written) + "\n"


def _used(schemas: Sequence[ColumnSchema]) -> list[str]:
    """The functions of `plain_cells` that these columns need."""
    used = ["read", "text"]
    kinds = {schema.kind for schema in schemas}
    used += ["number"] if kinds & {"number", "boolean"} else []
    used += ["comma_number"] if any(map(_has_comma, schemas)) else []
    used += ["boolean"] if "boolean" in kinds else []
    used += ["iso", "date"] if "date" in kinds else []
    used += ["category"] if "category" in kinds else []
    return used


def _has_comma(schema: ColumnSchema) -> bool:
    return schema.kind == "number" and schema.spelling == "comma"


def _head(model: FittedNetworks, used: Sequence[str]) -> list[str]:
    """What it is, imports and constants."""
    imports = [f"import {name}" for name, by in (("math", "number"), ("re", "iso"), ("zlib", "category")) if by in used]
    imports += ["from datetime import UTC, datetime"] * ("date" in used)
    imports += ["from pathlib import Path", "from typing import Any", ""]
    imports += ["import torch", "from safetensors.torch import load_file", "from torch import nn", ""]
    constants = [f"TARGET = {literal(model.target_name)}"]
    if model.task == "regression":
        constants += [f"TARGET_MEAN = {literal(model.target_mean)}"]
        constants += [f"TARGET_DEVIATION = {literal(model.target_deviation)}"]
    else:
        constants += laid(("LABELS = [", [literal(label) for label in model.classes_.tolist()], "]"))
    if model.task == "binary":
        constants += [f"THRESHOLD = {literal(model.threshold)}  # above it, a row gets the second label"]
    constants += laid(("MISSING = {", [literal(word) for word in sorted(plain_cells.MISSING)], "}"))
    if {"number", "date"} & set(used):
        more = [literal(word) for word in sorted(plain_cells.NO_NUMBER - plain_cells.MISSING)]
        constants += laid(("NO_NUMBER = MISSING | {", more, "}"))
    words = [words_of(schema) for schema in model.preprocessor.layout.schemas if _says_yes(schema)]
    constants += laid(_dict("YES_NO = {", words[0])) if words else []
    return [
        f"{SIGNATURE}{version('seedbed')}; needs torch, safetensors and the weights beside it.",
        f"# {literal(model.candidate)}, learnt from {literal(model.training.get('table', ''))}",
        *imports,
        *constants,
        "",
        'WEIGHTS = load_file(Path(__file__).with_suffix(".safetensors"))  # [network, ...]',
        'MEAN, DEVIATION = WEIGHTS.pop("mean"), WEIGHTS.pop("deviation")  # [input]',
    ]


def _says_yes(schema: ColumnSchema) -> bool:
    """Whether it is a boolean for which all words for yes and no are as good; for a sex they aren't."""
    return schema.kind == "boolean" and len(words_of(schema)) > 2


def _dict(opening: str, words: dict[str, int]) -> Call:
    return opening, [f"{literal(word)}: {value}" for word, value in words.items()], "}"


def _network(model: FittedNetworks) -> list[str]:
    layers = _layers(model)
    lines = [line for layer in layers.children() for line in laid(_layer(layer), 8, ",")]
    return [
        "def network(which):",
        '    """One of the trained networks; each began from another seed."""',
        "    layers = nn.Sequential(",
        *lines,
        "    )",
        "    layers.load_state_dict({name: value[which] for name, value in WEIGHTS.items()})",
        "    return layers.eval()",
    ]


def _layers(model: FittedNetworks) -> nn.Module:
    """The network that the page builds."""
    return narrowed_network(model)[0]


def _parts(model: FittedNetworks) -> list[list[str]]:
    """The classes of its layers that torch doesn't have."""
    kinds = {type(layer) for layer in _layers(model).modules()}
    known = (Blend, Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding, Residual, SmoothClip)
    return [inspect.getsource(kind).rstrip().split("\n") for kind in known if kind in kinds]


def _layer(layer: nn.Module) -> str | Call:
    """A layer as code that builds it. Activations have no settings but torch's own, and for some the axis."""
    name = type(layer).__name__
    if isinstance(layer, Embeddings):
        taken: Call = "[", [_places(places) for places in layer.inputs], "]"
        own: Call = "[", [_layer(inner) for inner in layer], "]"
        return f"{name}(", [repr(layer.n_features), taken, own], ")"
    if isinstance(layer, PeriodicEmbedding):
        n_features, units, n_waves = layer.weight.shape
        return f"{name}({n_features}, {units}, {n_waves // 2})"
    if isinstance(layer, PiecewiseLinearEncoding):
        n_features, n_edges = layer.edges.shape
        return f"{name}({n_features}, {n_edges - 1})"
    if isinstance(layer, SmoothClip):
        return f"{name}({layer.limit!r})"
    if isinstance(layer, Blend):
        members: Call = "[", [_layer(member) for member in layer], "]"
        shares: Call = "[", [repr(share) for share in layer.weights], "]"
        return f"{name}(", [members, shares, repr(layer.temperature), repr(layer.numbers)], ")"
    if isinstance(layer, Residual | nn.Sequential):
        name = name if isinstance(layer, Residual) else f"nn.{name}"
        return f"{name}(", [_layer(inner) for inner in layer.children()], ")"
    if isinstance(layer, nn.Linear):
        more = "" if "bias" in layer.state_dict() else ", bias=False"
        return f"nn.{name}({layer.in_features}, {layer.out_features}{more})"
    if isinstance(layer, nn.LayerNorm):
        return f"nn.{name}({layer.normalized_shape[0]})"
    if isinstance(layer, nn.BatchNorm1d):
        return f"nn.{name}({layer.num_features})"
    if isinstance(layer, nn.Dropout):
        return f"nn.{name}({layer.p!r})"
    return f"nn.{name}(dim=-1)" if isinstance(layer, nn.Softmax | nn.Softmin | nn.LogSoftmax) else f"nn.{name}()"


def _places(places: Sequence[int]) -> Call:
    """A list of numbers that ascend as a rule; what follows one another is a range."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    said = [[f"*range({run[0]}, {run[-1] + 1})"] if len(run) > 3 else list(map(repr, run)) for run in runs]
    return "[", [text for texts in said for text in texts], "]"


def _all_networks(model: FittedNetworks) -> list[str]:
    return [f"NETWORKS = [network(which) for which in range({model.n_networks})]"]


def _cell(preprocessor: Preprocessor, column: int) -> Call:
    """The call that makes inputs of one column's cell."""
    layout, places = preprocessor.layout, preprocessor.layout.places
    schema, own = layout.schemas[column], places.sources == column
    name = literal(schema.name)
    if schema.kind == "category":
        return _category(preprocessor, column, name)
    first = np.flatnonzero(own[places.numbers])[0]  # of a date, its days
    median = f"median={literal(float(np.nan_to_num(preprocessor.medians[first])))}"
    flags = places.flags[places.flagged == first]
    flag = ["flag=True"] if preprocessor.live[flags].any() else []
    if schema.kind == "date":
        hour = ["hour=True"] if layout.timed[column] else []
        return _read(name, "date", literal(schema.spelling or "ymd"), median, *hour, *flag)
    if schema.kind == "boolean":
        words: str | Call = "YES_NO" if _says_yes(schema) else _dict("{", words_of(schema))
        return _read(name, "boolean", words, median, *flag)
    return _read(name, "comma_number" if _has_comma(schema) else "number", median, *flag)


def _read(name: str, kind: str, *about: str | Call) -> Call:
    return "*read(", ["row", name, kind, *about], ")"


def _category(preprocessor: Preprocessor, column: int, name: str) -> Call:
    layout = preprocessor.layout
    category = layout.categories.index(column)
    codes, buckets = layout.places.inputs_of_codes[category], layout.places.buckets_of_categories[category]
    by_itself = preprocessor.live[codes] & ~np.isin(codes, buckets)
    schema = layout.schemas[column]
    levels = [literal(level) for level, own in zip(schema.levels, by_itself[:-2].tolist(), strict=True) if own]
    others = [f"others={len(buckets)}"] if len(buckets) > 1 else []
    return _read(name, "category", ("[", levels, "]"), *others, *["flag=True"] * bool(by_itself[-2]))


def _predict(model: FittedNetworks) -> list[str]:
    what = {
        "binary": "The probability of each label by row, ordered as LABELS.",
        "multiclass": "The probability of each label by row, ordered as LABELS.",
        "regression": "The number of each row.",
    }[model.task]
    ends = {
        "binary": [
            "positive = torch.sigmoid(outputs[:, :, 0]).mean(dim=0)",
            "return torch.stack([1 - positive, positive], dim=1).tolist()",
        ],
        "multiclass": ["return torch.softmax(outputs, dim=2).mean(dim=0).tolist()"],
        "regression": [
            "found = outputs[:, :, 0].mean(dim=0) * TARGET_DEVIATION + TARGET_MEAN",
            "return found.tolist()",
        ],
    }[model.task]
    return [
        "@torch.inference_mode()",
        "def predict(rows):",
        f'    """{what} One row alone is a list of one."""',
        "    rows = [rows] if isinstance(rows, dict) else list(rows)",
        "    x = torch.tensor([inputs(row) for row in rows], dtype=torch.float64)",
        "    x = ((x.reshape(len(rows), len(MEAN)) - MEAN) / DEVIATION).float()",
        "    outputs = torch.stack([network(x) for network in NETWORKS]).double()",
        *(f"    {line}" for line in ends),
        *_label(model),
    ]


def _label(model: FittedNetworks) -> list[str]:
    if model.task == "regression":
        return []
    chosen = {
        "binary": "[LABELS[int(p > THRESHOLD)] for _, p in predict(rows)]",
        "multiclass": "[LABELS[row.index(max(row))] for row in predict(rows)]",
    }[model.task]
    return ["", "", "def label(rows):", '    """The label of each row."""', f"    return {chosen}"]

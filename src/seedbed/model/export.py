"""Export a model for programs without seedbed: as one ONNX file, or as plain PyTorch."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.data import DATE_MIDDLES, Note, Preprocessor
from seedbed.errors import CandidateError, OptionError
from seedbed.model import plain_page
from seedbed.model.ensemble import Ensemble
from seedbed.model.header import SUFFIX
from seedbed.model.model_file import check_writable, write_checked
from seedbed.networks import MLP, BlendedMembers

__all__ = ["Exported", "export"]

_SIGNATURE = "# Written by seedbed "
_MARK = "seedbed.plain"  # key of the data in the metadata of the weights file
_LAST = """
NET = Net(__file__.removesuffix(".py") + ".safetensors")
LABELS, predict, label = NET.about["labels"], NET.predict, NET.label
"""
_LAST_OF_SETS = "predict_{} = NET.covering\n"


@dataclass(frozen=True)
class Exported:
    """The files that were written, the one that the user named first, and notes on where they differ from the model."""

    files: tuple[Path, ...]
    notes: tuple[Note, ...] = ()


def export(
    model: Ensemble, path: str | os.PathLike[str], coverage: float | None = None, *, per_class: bool = False
) -> Exported:
    """Write a model for programs without seedbed; see `Model.export`."""
    path = Path(path)
    if path.suffix not in (".onnx", ".py"):
        raise OptionError(f"can't export a model to {path}", "Name a file that ends in .onnx, or in .py for PyTorch.")
    if type(model.architecture) not in (MLP, BlendedMembers):
        kind = "an ONNX file" if path.suffix == ".onnx" else "plain PyTorch"
        message = f"'{model.candidate}' is a network of your own; {kind} can be made of candidates in words only"
        hint = "Export it yourself: model.networks() are plain modules, and torch.onnx.export takes each of them."
        raise CandidateError(message, hint)
    sets: dict[str, Any] = {}
    if coverage is not None or per_class:
        limits = model.thresholds_of_sets(coverage, per_class=per_class)
        assert coverage is not None
        sets = {"coverage": float(coverage), "per_class": per_class, "thresholds": limits.tolist()}
    if path.suffix == ".py":
        return Exported(_write_python(model, path, sets), _unlike_seedbed(model.preprocessor))
    try:
        import onnx  # noqa: F401 - the module that needs it is imported only if it is installed
    except ImportError:
        raise OptionError("an ONNX file needs the package onnx", "Install it: pip install 'seedbed[onnx]'.") from None
    from seedbed.model.onnx_file import onnx_of

    check_writable(path, "the model")
    content = onnx_of(model, sets).SerializeToString()
    write_checked(path, "the model", lambda where: where.write_bytes(content))
    return Exported((path,), _unlike_seedbed(model.preprocessor, hashed=False))


def _unlike_seedbed(preprocessor: Preprocessor, *, hashed: bool = True) -> tuple[Note, ...]:
    """Return a note for each column of which an export reads some texts differently from the model.

    `hashed` says whether the export assigns unknown levels to groups by their text, as seedbed does.
    """
    layout, notes = preprocessor.layout, []
    for column, buckets in zip(layout.categories, layout.places.buckets_of_categories, strict=True):
        schema = layout.schemas[column]
        if len(buckets) > 1 and not hashed:
            message = (
                f"'{schema.name}': predictions differ from seedbed's for a level that the table didn't have: it is "
                "in the first of the column's 32 groups of rare levels; in seedbed, its text decides on the group"
            )
            notes.append(Note(message, schema.name))
        if all(map(_is_number, schema.levels)):
            message = f"'{schema.name}': its levels are numbers; write them exactly as the table does, such as "
            notes.append(Note(f"{message}{schema.levels[0]!r}", schema.name))
    return tuple(notes)


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return math.isfinite(float(text))
    return False


def _write_python(model: Ensemble, path: Path, sets: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write the program and, beside it, the `.safetensors` file; both or neither. Return their paths.

    Args:
        sets: coverage, per_class and thresholds [class] of prediction sets; may be empty.
    """
    from safetensors.torch import save

    weights = path.with_suffix(SUFFIX)
    for file in (path, weights):
        check_writable(file, "the model")
        if file.exists() and not _is_export(file):  # it may be a model file
            raise OptionError(f"{file} already exists and is not an export", "Name another file.")
    with torch.device("meta"):  # only sizes and settings of the layers are needed
        network = model.architecture(model.preprocessor.layout.n_inputs, model.n_outputs)
    kinds = {type(layer) for layer in network.modules()}
    head, rest = inspect.getsource(plain_page).split("# fmt: off\n")
    custom = sorted(
        (kind for kind in kinds if not kind.__module__.startswith("torch.")), key=lambda kind: kind.__name__
    )
    source = "\n\n".join(map(inspect.getsource, custom))
    needs = f"{_SIGNATURE}{version('seedbed')}; needs torch, safetensors and the weights beside it.\n"
    last = _LAST + (_LAST_OF_SETS.format("set" if model.labels else "interval") if sets else "")
    page = (needs + head + (f"{source}\n\n" if source else "") + "# fmt: off\n" + rest + last).encode()
    plain = ("candidate", "task", "target_name", "threshold", "target_mean", "target_deviation", "n_networks")
    about = {
        **{name: getattr(model, name) for name in plain},
        "labels": model.classes_.tolist(),
        "layers": _spec(network),
        "columns": [_column(model.preprocessor, number) for number in range(len(model.feature_names_in_))],
        **({"sets": sets} if sets else {}),
    }
    preprocessor, places = model.preprocessor, model.preprocessor.layout.places
    means, deviations = np.zeros(preprocessor.layout.n_inputs), np.ones(preprocessor.layout.n_inputs)
    means[places.numbers] = preprocessor.means
    # Inputs that were constant in training become 0.
    deviations[places.numbers] = np.where(preprocessor.deviations > 0, preprocessor.deviations, np.inf)
    deviations[~preprocessor.live] = np.inf
    tensors = {name: value.contiguous() for name, value in model.states.items()}
    tensors |= {"mean": torch.from_numpy(means), "deviation": torch.from_numpy(deviations)}
    content = save(tensors, {_MARK: json.dumps(about)})

    def both(where: Path) -> None:
        where.write_bytes(page)
        write_checked(weights, "the model", lambda beside: beside.write_bytes(content))

    write_checked(path, "the model", both)
    return path, weights


def _is_export(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(64)
    return start.startswith(_SIGNATURE.encode()) or f'"{_MARK}"'.encode() in start


def _spec(layer: nn.Module) -> list[Any]:
    """Return a layer as data: its class, its arguments by name, and its inner layers."""
    names = [name for name in inspect.signature(type(layer)).parameters if hasattr(layer, name)]
    arguments = {name: getattr(layer, name) for name in names}
    if "bias" in arguments:
        arguments["bias"] = arguments["bias"] is not None
    return [type(layer).__name__, arguments, [_spec(inner) for inner in layer.children()]]


def _column(preprocessor: Preprocessor, number: int) -> dict[str, Any]:
    """Return how a column's cells become inputs, and the inputs of a missing cell."""
    layout, places = preprocessor.layout, preprocessor.layout.places
    schema = layout.schemas[number]
    about: dict[str, Any] = {"name": schema.name, "kind": schema.kind}
    if schema.kind == "category":
        category = layout.categories.index(number)
        codes, buckets = places.inputs_of_codes[category], places.buckets_of_categories[category]
        by_itself = preprocessor.live[codes] & ~np.isin(codes, buckets)
        levels = zip(schema.levels, codes.tolist(), by_itself.tolist(), strict=False)  # two codes follow
        missing = int(codes[-2]) if by_itself[-2] else None
        return {**about, "levels": {level: place for level, place, alone in levels if alone}, "missing": missing,
                "others": buckets.tolist()}  # fmt: skip
    numbers = np.flatnonzero(places.sources[places.numbers] == number)
    flags = places.flags[places.flagged == numbers[0]]
    median = float(np.nan_to_num(preprocessor.medians[numbers[0]]))
    about |= {
        "inputs": places.numbers[numbers].tolist(),
        "filled": [median, *DATE_MIDDLES],
        "flag": int(flags[0]) if preprocessor.live[flags].any() else None,
    }
    if schema.kind == "boolean":
        words = {level: value for value, level in enumerate(schema.levels)}
        about["levels"] = {"0": 0, "1": 1, "False": 0, "True": 1, **words}
    return about

"""Save a model in one file, and load it.

Everything in a file is checked before it is used, and nothing in it is executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from safetensors.numpy import save as serialized

from seedbed.data.layout import Layout
from seedbed.data.preprocessing import Preprocessor
from seedbed.errors import (
    CandidateError,
    ModelFileError,
    OptionError,
    SeedbedError,
    error_line,
    writing,
)
from seedbed.files import remove_parts, write_whole
from seedbed.model.ensemble import Ensemble
from seedbed.model.header import (
    FORMAT,
    KEY,
    SUFFIX,
    Description,
    canonical,
    fingerprint,
    read_description,
)
from seedbed.model.predicting import network_values
from seedbed.model.sets import LeftOutErrors, n_points
from seedbed.model.stacks import shapes_of
from seedbed.networks.candidate import candidate_from
from seedbed.networks.layers import Arrays
from seedbed.networks.mlp import (
    MLP,
    Architecture,
    BlendedMembers,
    Trees,
    architecture_from_values,
    architecture_to_values,
    builder_of,
)
from seedbed.training.candidates import with_inputs_of
from seedbed.training.torch import require_torch

N_GOLDEN = 16
TOLERANCE = 1e-5
"""Largest allowed difference of a probability, or of a number in units of the target's deviation;
another processor sums in another order."""
_WHOLE = {"feature": "i4", "left": "i4", "sets": "i4", "num_batches_tracked": "i8"}
"""Types of whole numbers, by the last part of a tensor's name."""
_TYPES = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
"""Types of the tensors of models and users' own networks, by their names in a file."""
_AGAIN = "Save it again, or fetch it again."
_DAY = 86_400.0  # seconds


def check_target(path: str | os.PathLike[str]) -> Path:
    """Return the path of a model file, if it can be written; called before fitting, and when it is
    saved."""
    path = Path(path)
    if path.suffix != SUFFIX:  # a mistyped path could replace the user's table
        raise OptionError(
            f"can't write the model to {path}", f"Name a file that ends in {SUFFIX}."
        )
    check_writable(path, "the model")
    return path


def check_writable(path: Path, what: str) -> None:
    """Raise OptionError if `what` can't be written to a path; called before the work."""
    if path.is_dir():
        why = "it is a folder"
    elif not path.parent.is_dir():
        why = f"there is no folder {path.parent}"
    elif not os.access(path.parent, os.W_OK):
        why = f"no permission to write to the folder {path.parent.resolve()}"
    else:
        return
    raise OptionError(f"can't write {what} to {path}: {why}", "Name another file.")


def write_checked(path: Path, what: str, write: Callable[[Path], Any]) -> None:
    """Write a file with `write_whole`, or raise OptionError. Errors name the content `what`, such
    as "the model"."""
    check_writable(path, what)
    with writing(path):
        remove_parts(path.parent, path.name)
        write_whole(path, write)


def to_bytes(model: Ensemble) -> bytes:
    """Return the content of a model's file; equal models have equal files."""
    inputs, statistics = model.preprocessor.to_state()
    values = _described(model, inputs)
    cells = golden_cells(model.preprocessor)
    arrays = {
        **{f"inputs.{name}": array for name, array in statistics.items()},
        **{f"networks.{name}": array for name, array in model.states.items()},
        "golden.cells": cells,
        "golden.values": _golden_values(model, cells),
    }
    if model.typical is not None:
        arrays["columns.typical"] = model.typical
    if model.training_rows is not None:
        arrays["training.rows"] = model.training_rows
    if model.calibration is not None:
        arrays["calibration.errors"] = model.calibration.errors
    # The library decides the order of the tensors' bytes, so they are serialized once to be hashed.
    draft = serialized(arrays, {KEY: ""})
    start = 8 + int.from_bytes(draft[:8], "little")
    values["sha256"] = fingerprint(values, memoryview(draft)[start:])
    del draft  # it is as large as the file
    return serialized(arrays, {KEY: canonical(values)})


def _described(model: Ensemble, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `Description` of a model as plain values, without its checksum."""
    target = {
        "name": model.target_name,
        "task": model.task,
        "labels": list(model.labels),
        "threshold": model.threshold,
        "mean": model.target_mean,
        "deviation": model.target_deviation,
    }
    values = {
        "format": FORMAT,
        "candidate": model.candidate,
        "architecture": architecture_to_values(model.architecture),
        "n_networks": model.n_networks,
        "inputs": inputs,
        "target": target,
        "training": dict(model.training),
        "score": None if model.score is None else dict(model.score),
        "versions": dict(model.versions),
    }
    if model.follow_up is not None:
        target["follow_up"] = asdict(model.follow_up)
    if model.warnings:
        values["warnings"] = list(model.warnings)
    if model.calibration is not None:
        values["calibration"] = {"rows": list(model.calibration.rows)}
    return values


def golden_cells(preprocessor: Preprocessor) -> NDArray[np.float64]:
    """Return made-up rows [row, column], whose predictions are stored in a file and checked when it
    is loaded.

    Values are coded as in a `Column`: NaN is missing, -1 a level that training never saw. Each
    column is drawn from the statistics that the file contains anyway, so a file never contains a
    row of the training table.
    """
    layout = preprocessor.layout
    places = layout.places
    rng = np.random.default_rng(0)
    cells = np.empty((N_GOLDEN, len(layout.schemas)))
    straight = ~places.circling
    scales = np.zeros((len(layout.schemas), 2))
    scales[places.sources[places.numbers[straight]]] = np.column_stack(
        [preprocessor.means, preprocessor.deviations]
    )[straight]
    for column, schema in enumerate(layout.schemas):
        if schema.kind == "category":
            cells[:, column] = rng.integers(-1, len(schema.levels), size=N_GOLDEN)
        elif schema.kind == "boolean":
            cells[:, column] = rng.integers(0, 2, size=N_GOLDEN)
        else:
            mean, deviation = scales[column].tolist()
            cells[:, column] = rng.normal(mean, deviation, N_GOLDEN)
        if schema.kind == "date":
            cells[:, column] = np.floor(cells[:, column]) * _DAY
        if schema.has_missing:
            cells[rng.random(N_GOLDEN) < 0.25, column] = np.nan
    return cells


@np.errstate(over="ignore", invalid="ignore")  # numbers that aren't finite are refused
def _golden_values(model: Ensemble, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the predictions for golden rows [row, ...]."""
    inputs = model.preprocessor.inputs_of_values(cells)
    values: NDArray[np.float64] = network_values(model, inputs, model.made_stacks())
    means: NDArray[np.float64] = values.mean(axis=0)
    return means


def read_model(
    path: str | os.PathLike[str], architecture: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Return the fields of an `Ensemble` from a file; see `load`."""
    try:
        return _fields(Path(path), architecture)
    except (CandidateError, OptionError) as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from None
    except SeedbedError as error:
        raise ModelFileError(f"{path}: {error.message}", error.hint or _AGAIN) from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged file leads to
        raise ModelFileError(
            f"{path} is damaged, or not a model file ({error_line(error)})", _AGAIN
        ) from None


def _fields(path: Path, build: Callable[..., Any] | None) -> dict[str, Any]:
    about, tensors = _contents(path)
    target = about.target
    preprocessor = Preprocessor.from_state(about.inputs, _under("inputs.", tensors))
    architecture = _architecture(about.architecture, build, preprocessor.layout)
    calibration = None
    if about.calibration is not UNSET:
        calibration = LeftOutErrors(
            tensors["calibration.errors"], tuple(about.calibration.rows)
        )
    fields: dict[str, Any] = {
        "candidate": about.candidate,
        "architecture": architecture,
        "states": _under("networks.", tensors),
        "preprocessor": preprocessor,
        "target_name": target.name,
        "task": target.task,
        "labels": tuple(target.labels),
        "threshold": target.threshold,
        "target_mean": target.mean,
        "target_deviation": target.deviation,
        "follow_up": target.follow_up or None,
        "training": about.training,
        "score": about.score,
        "calibration": calibration,
        "versions": about.versions,
        "typical": tensors.get("columns.typical"),
        "warnings": tuple(about.warnings or ()),
        "training_rows": tensors.get("training.rows"),
    }
    model = Ensemble(**fields)
    _check_tensors(model, tensors, about.n_networks)
    expected = tensors["golden.values"]
    values = _golden_values(model, tensors["golden.cells"])
    off = np.abs(values - expected).max() / model.target_deviation
    if not off <= TOLERANCE:  # nor if it is NaN
        raise ModelFileError(
            f"it doesn't predict what it did when it was saved: {off:.2g} off"
        )
    return fields


def _contents(path: Path) -> tuple[Description, Arrays]:
    """Return the description and the tensors of a file, as views of its bytes."""
    if not path.is_file():  # opening a pipe or a device could block forever
        raise ModelFileError("there is no such file", "Name a model file.")
    content = np.fromfile(path, np.uint8)
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    header = json.loads(content[8:start].tobytes())
    metadata = header.pop("__metadata__", {})
    data = content[start:]
    description = read_description(metadata.get(KEY), data.data)
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        numbers = data[first:last].view(_TYPES[entry["dtype"]])
        tensors[name] = numbers.reshape(entry["shape"])
    return description, tensors


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the tensors whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _architecture(
    values: Mapping[str, Any], build: Callable[..., Any] | None, layout: Layout
) -> Architecture:
    """Return the architecture that a file describes, or that `build` builds."""
    try:
        architecture = architecture_from_values(values)
    except CandidateError as error:
        raise ModelFileError(f"its network can't be built: {error.message}") from None
    if isinstance(architecture, str):
        if build is None:
            name = architecture.rpartition(".")[2]
            raise CandidateError(
                f"it is a model of a network of your own, {architecture}",
                f"Give its class, as in FILE.py:{name if name.isidentifier() else 'NAME'}.",
            )
        return with_inputs_of(candidate_from(build), layout).architecture
    members = getattr(architecture, "members", ())
    if isinstance(architecture, Trees) or any(
        isinstance(member, Trees) and member.depth > member.n_nodes
        for member in members
    ):
        raise ModelFileError("its trees have other sizes than trees can have")
    return architecture


def _check_tensors(model: Ensemble, tensors: Arrays, n_networks: int) -> None:
    """Raise an error if a tensor of a file is missing, has another shape, or may not be there."""
    layout = model.preprocessor.layout
    n_columns = len(layout.schemas)
    n_outputs = model.n_levels or model.sizes[1]
    of_row = model.outcome.values(np.zeros((1, 1, n_outputs))).shape[2:]
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        "golden.cells": ("f8", (N_GOLDEN, n_columns)),
        "golden.values": ("f8", (N_GOLDEN, *of_row)),
    }
    if model.n_levels and len(layout.schemas[-1].levels) != model.n_levels:
        raise ModelFileError("its last column isn't the interval")
    for name, (dtype, shape) in _network_shapes(model).items():
        expected[f"networks.{name}"] = (dtype, (n_networks, *shape))
    if model.typical is not None:
        expected["columns.typical"] = ("f8", (n_columns, 3))
    if model.training_rows is not None:
        expected["training.rows"] = ("i4", model.training_rows.shape[:1])
    if model.calibration is not None:
        rows = model.calibration.rows
        if len(rows) != max(1, len(model.labels)):
            raise ModelFileError("the rows of its calibration don't fit the labels")
        n_errors = sum(n_points(n_rows, len(rows)) for n_rows in rows)
        expected["calibration.errors"] = ("f4", (n_errors,))
    others = {name: one for name, one in tensors.items() if name[:7] != "inputs."}
    found = {name: (one.dtype.str[1:], one.shape) for name, one in others.items()}
    if found == expected:
        return
    name = min(
        name
        for name in found.keys() | expected.keys()
        if found.get(name) != expected.get(name)
    )
    message = f"the tensor '{name[:60]}' is missing, unknown, or has another shape"
    if isinstance(model.architecture, MLP | BlendedMembers):
        raise ModelFileError(message)
    raise CandidateError(
        f"the given network isn't the one that was saved: {message}",
        "Give the class with which the model was fitted.",
    )


def _network_shapes(model: Ensemble) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the type and the shape of each array of one network."""
    architecture = model.architecture
    if isinstance(architecture, MLP | BlendedMembers):
        parameters, others = shapes_of(architecture, *model.sizes)
        return {
            name: (_WHOLE.get(name.rpartition(".")[2], "f4"), shape)
            for name, shape in (parameters | others).items()
        }
    require_torch("a network of your own")
    from seedbed.training.torch.own_modules import shapes_of_own

    try:
        shapes = shapes_of_own(builder_of(architecture), *model.sizes)
    except SeedbedError:
        raise
    except Exception as error:  # noqa: BLE001 - a user's own code
        raise CandidateError(
            f"its network can't be built: {error_line(error)}"
        ) from None
    return {name: (dtype.str[1:], shape) for name, (dtype, shape) in shapes.items()}

"""Save a model in one file, and load it.

Everything in a file is checked before it is used, and nothing in it is executed.

A model file is one `.safetensors` file, in which a JSON text describes the tensors:

    tensor               dtype    shape
    inputs.medians       F64      [number]
    inputs.means         F64      [number]
    inputs.deviations    F64      [number]
    inputs.live          BOOL     [input]
    networks.NAME        as NAME  [network, ...]     for each NAME of a network's state_dict
    golden.cells         F64      [16, column]       NaN is missing, -1 an unknown level
    golden.values        F64      [16] or [16, class]
    calibration.errors   F32      [point]            if the description has `calibration`
    columns.typical      F64      [column, 3]        `Ensemble.typical`; may be missing
    training.rows        I32      [row]              `Ensemble.training_rows`; may be missing

The JSON is in the file's own metadata under the key `seedbed`. Its `sha256` is that of the
canonical JSON without it, followed by the bytes of the tensors. docs/summary.md explains its keys.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
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
from seedbed.evaluation.summaries import Task
from seedbed.files import remove_parts, write_whole
from seedbed.model.ensemble import FORMAT, MOST_NETWORKS, Ensemble
from seedbed.model.predicting import network_values
from seedbed.model.sets import LeftOutErrors
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
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.tasks import outcome_of
from seedbed.training.candidates import with_inputs_of
from seedbed.training.torch import require_torch

KEY = "seedbed"
SUFFIX = ".safetensors"
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
_ARRAYS = {"typical": "columns.typical", "training_rows": "training.rows"}
"""Names in a file of the arrays of an `Ensemble` that may be missing."""
_NAMED = (*_ARRAYS.values(), "calibration.errors", "golden.cells", "golden.values")
"""All names of arrays but those of the inputs and the networks."""
_SAME = ("candidate", "training", "score", "versions", "warnings")
"""What a `Description` and an `Ensemble` both have."""

_Real = Annotated[float, Meta(ge=-1e300, le=1e300)]


class _Strict(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An object with exactly these keys. A key that has a default is left out if its value is that
    one."""


class Target(
    _Strict,
    rename={
        "target_name": "name",
        "target_mean": "mean",
        "target_deviation": "deviation",
    },
):
    """The target; its attributes are those of an `Ensemble`."""

    target_name: str
    task: Task
    labels: tuple[str, ...]
    threshold: Annotated[float, Meta(ge=0, le=1)]
    target_mean: _Real
    target_deviation: Annotated[float, Meta(gt=0, le=1e300)]
    follow_up: FollowUp | None = None

    def __post_init__(self) -> None:
        is_fit = outcome_of(self.task).fits(self.labels, self.follow_up)
        if not is_fit or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"the labels don't fit a {self.task} target")


class CalibrationRows(_Strict):
    """How many rows of each class, or in all, the errors in `calibration.errors` are from."""

    rows: tuple[Annotated[int, Meta(ge=0, lt=1 << 40)], ...]


class Description(_Strict):
    """The JSON under the key `seedbed`. The packages `networks` and `data` check `architecture` and
    `inputs`."""

    format: int
    candidate: str
    architecture: dict[str, Any]
    n_networks: Annotated[int, Meta(ge=1, le=MOST_NETWORKS)]
    inputs: dict[str, Any]
    target: Target
    training: dict[str, Any]
    score: dict[str, Any] | None
    versions: dict[str, str]
    sha256: str
    calibration: CalibrationRows | None = None
    warnings: tuple[str, ...] = ()


def canonical(values: Any) -> str:
    """Return values as JSON, the same text for equal values."""
    return json.dumps(
        values,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )


def fingerprint(values: Mapping[str, Any], tensors: memoryview) -> str:
    """Return the `sha256` of a file with this description and these bytes of tensors."""
    described = {key: value for key, value in values.items() if key != "sha256"}
    digest = hashlib.sha256(canonical(described).encode())
    digest.update(tensors)
    return digest.hexdigest()


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
    description = Description(
        format=FORMAT,
        architecture=architecture_to_values(model.architecture),
        n_networks=model.n_networks,
        inputs=inputs,
        target=Target(
            **{name: getattr(model, name) for name in Target.__struct_fields__}
        ),
        sha256="",
        **{name: getattr(model, name) for name in _SAME},
    )
    cells = golden_cells(model.preprocessor)
    arrays = {
        **{f"inputs.{name}": array for name, array in statistics.items()},
        **{f"networks.{name}": array for name, array in model.states.items()},
        "golden.cells": cells,
        "golden.values": _golden_values(model, cells),
    }
    for name, name_in_file in _ARRAYS.items():
        if (array := getattr(model, name)) is not None:
            arrays[name_in_file] = array
    if model.calibration is not None:
        description.calibration = CalibrationRows(model.calibration.rows)
        arrays["calibration.errors"] = model.calibration.errors
    values = msgspec.to_builtins(description)
    # The library decides the order of the tensors' bytes, so they are serialized once to be hashed.
    draft = serialized(arrays, {KEY: ""})
    start = 8 + int.from_bytes(draft[:8], "little")
    values["sha256"] = fingerprint(values, memoryview(draft)[start:])
    del draft  # it is as large as the file
    return serialized(arrays, {KEY: canonical(values)})


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
    description, tensors = _contents(path)
    preprocessor = Preprocessor.from_state(
        description.inputs, _under("inputs.", tensors)
    )
    fields: dict[str, Any] = {
        **msgspec.structs.asdict(description.target),
        **{name: getattr(description, name) for name in _SAME},
        **{name: tensors.get(name_in_file) for name, name_in_file in _ARRAYS.items()},
        "architecture": _architecture(
            description.architecture, build, preprocessor.layout
        ),
        "states": _under("networks.", tensors),
        "preprocessor": preprocessor,
    }
    if description.calibration is not None:
        fields["calibration"] = LeftOutErrors(
            tensors["calibration.errors"], description.calibration.rows
        )
    model = Ensemble(**fields)
    _check_shapes(model, description.n_networks)
    values = _golden_values(model, tensors["golden.cells"])
    off = np.abs(values - tensors["golden.values"]).max() / model.target_deviation
    if not off <= TOLERANCE:  # nor if it is NaN
        raise ModelFileError(
            f"it doesn't predict what it did when it was saved: {off:.2g} off"
        )
    return fields


def _contents(path: Path) -> tuple[Description, Arrays]:
    """Return the description and the tensors of a file, as views of its bytes. ModelFileError if
    the file isn't what was saved."""
    if not path.is_file():  # opening a pipe or a device could block forever
        raise ModelFileError("there is no such file", "Name a model file.")
    content = np.fromfile(path, np.uint8)
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    header = json.loads(content[8:start].tobytes())
    text = header.pop("__metadata__", {}).get(KEY)
    if text is None:
        raise ModelFileError(
            "it is not a seedbed model file", "Name a file that seedbed has written."
        )
    values = json.loads(text)
    if (version := values.get("format")) != FORMAT:
        raise ModelFileError(
            f"it is a model file of version {version}, and this seedbed reads {FORMAT}",
            "Use the seedbed that wrote it, or a later one.",
        )
    description = msgspec.convert(values, Description)
    data = content[start:]
    if description.sha256 != fingerprint(values, data.data):
        raise ModelFileError("it isn't what was saved: the checksum differs")
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        numbers = data[first:last].view(_TYPES[entry["dtype"]])
        tensors[name] = numbers.reshape(entry["shape"])
    # The checksum doesn't cover names, and an array that may be missing would seem to be.
    for name in tensors:
        if name not in _NAMED and not name.startswith(("inputs.", "networks.")):
            raise ModelFileError(f"it has an array without a meaning, {name!r}")
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


def _check_shapes(model: Ensemble, n_networks: int) -> None:
    """Raise an error if an array of the networks is missing, unknown or of another shape: the
    kernel reads trees by them."""
    expected = {
        name: (dtype, (n_networks, *shape))
        for name, (dtype, shape) in _network_shapes(model).items()
    }
    found = {
        name: (array.dtype.str[1:], array.shape) for name, array in model.states.items()
    }
    different = [
        name
        for name in sorted(found | expected)
        if found.get(name) != expected.get(name)
    ]
    if not different:
        return
    message = f"the tensor 'networks.{different[0][:60]}' is missing, unknown, or has another shape"
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

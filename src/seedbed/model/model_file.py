"""Save a model in one file, and load it.

Everything in a file is checked before it is used, and nothing in it is executed.
"""

from __future__ import annotations

import math
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET
from msgspec.structs import asdict as fields_of
from numpy.typing import NDArray

from seedbed.data.layout import Layout
from seedbed.data.preprocessing import Preprocessor
from seedbed.errors import (
    CandidateError,
    DataError,
    ModelFileError,
    OptionError,
    SeedbedError,
    error_line,
)
from seedbed.files import remove_parts, write_whole
from seedbed.model.ensemble import Ensemble
from seedbed.model.header import (
    DTYPES,
    FORMAT,
    KEY,
    MAX_FILE,
    MAX_HEADER,
    MOST_LABELS,
    SUFFIX,
    TensorEntry,
    canonical,
    fingerprint,
    read_header,
)
from seedbed.model.predicting import network_values
from seedbed.model.row_hashes import MOST_HASHES
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
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.tasks import outcome_of
from seedbed.training.candidates import with_inputs_of
from seedbed.training.torch import require_torch

_WHOLE = {
    "feature": "I32",
    "left": "I32",
    "num_batches_tracked": "I64",
}  # types by the last part of a name
N_GOLDEN = 16
TOLERANCE = 1e-5
"""Largest allowed difference of a probability, or of a number in units of the target's deviation;
another processor sums in another order."""
_MOST_STEPS = 1 << 24  # of all trees of a network
_BLOCK = 1 << 20  # numbers that are checked at a time
_AGAIN = "Save it again, or fetch it again."


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
        try:  # the permissions may be right and the file system read-only or full
            with tempfile.TemporaryFile(dir=path.parent):
                return
        except OSError as error:
            why = f"no file can be created in the folder {path.parent.resolve()} ({error.strerror})"
    raise OptionError(f"can't write {what} to {path}: {why}", "Name another file.")


def write_checked(path: Path, what: str, write: Callable[[Path], Any]) -> None:
    """Write a file with `write_whole`, or raise OptionError. Errors name the content `what`, such
    as "the model"."""
    check_writable(path, what)
    try:
        remove_parts(path.parent, path.name)
        write_whole(path, write)
    except OSError as error:
        raise OptionError(
            f"can't write {what} to {path}: {error.strerror or error}",
            "Name another file, or free disk space.",
        ) from None


@np.errstate(over="ignore", invalid="ignore")  # of numbers that aren't finite
def to_bytes(model: Ensemble) -> bytes:
    """Return the content of a model's file, if it can be loaded again; equal models have equal
    files."""
    from safetensors.numpy import save as serialized

    if len(model.labels) > MOST_LABELS:
        raise ModelFileError(
            f"the target has {len(model.labels):,} labels, and a model file at most {MOST_LABELS:,}",
            "Merge rare labels.",
        )
    for trees in (
        model.architecture.members
        if isinstance(model.architecture, BlendedMembers)
        else ()
    ):
        if isinstance(trees, Trees) and trees.depth > _MOST_STEPS // trees.n_trees:
            steps = f"{trees.n_trees:,} trees with a depth of {trees.depth:,}"
            raise ModelFileError(
                f"the model has {steps}, more than a model file may have",
                "Use fewer trees.",
            )
    inputs, arrays = model.preprocessor.to_state()
    cells = golden_cells(model.preprocessor)
    expected = network_values(
        model, model.preprocessor.inputs_of_values(cells), model.made_stacks()
    ).mean(axis=0)
    arrays = {f"inputs.{name}": array for name, array in arrays.items()}
    arrays |= {"golden.cells": cells, "golden.values": expected}
    arrays |= {f"networks.{name}": value for name, value in model.states.items()}
    target = {
        "name": model.target_name,
        "task": model.task,
        "labels": list(model.labels),
        "threshold": model.threshold,
        "mean": model.target_mean,
        "deviation": model.target_deviation,
    }
    if model.follow_up is not None:
        target["follow_up"] = asdict(model.follow_up)
    values: dict[str, Any] = {
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
    if model.typical is not None:
        arrays["columns.typical"] = model.typical
    if model.training_rows is not None:
        arrays["training.rows"] = model.training_rows
    if model.warnings:
        values["warnings"] = list(model.warnings)
    if model.calibration is not None:
        arrays["calibration.errors"] = model.calibration.errors
        values["calibration"] = {"rows": list(model.calibration.rows)}
    # The library decides the order of the tensors' bytes, so they are serialized once to be hashed.
    draft = serialized(arrays, {KEY: ""})
    values["sha256"] = fingerprint(
        values, memoryview(draft)[8 + int.from_bytes(draft[:8], "little") :]
    )
    del draft  # it is as large as the file
    content = serialized(arrays, {KEY: canonical(values)})
    header = int.from_bytes(content[:8], "little")
    if header > MAX_HEADER:
        raise ModelFileError(
            f"the description of the columns takes {header:,} bytes, more than the limit of {MAX_HEADER:,}",
            "Drop columns with very many levels.",
        )
    if len(content) > MAX_FILE:
        raise ModelFileError(
            f"the model takes {len(content):,} bytes, more than the limit of {MAX_FILE:,}"
        )
    read_header(content[8 : 8 + header], len(content) - 8 - header)
    return content


def golden_cells(preprocessor: Preprocessor) -> NDArray[np.float64]:
    """Return made-up rows [row, column], whose predictions are stored in a file and checked when it
    is loaded.

    Values are coded as in a `Column`: NaN is missing, -1 a level that training never saw. Each
    column is drawn from the statistics that the file contains anyway, so a file never contains a
    row of the training table.
    """
    layout = preprocessor.layout
    places = preprocessor.layout.places
    rng = np.random.default_rng(0)
    cells, (means, deviations) = (
        np.empty((N_GOLDEN, len(layout.schemas))),
        np.empty((2, len(layout.schemas))),
    )
    straight = ~places.circling
    means[places.sources[places.numbers[straight]]] = preprocessor.means[straight]
    deviations[places.sources[places.numbers[straight]]] = preprocessor.deviations[
        straight
    ]
    for column, schema in enumerate(layout.schemas):
        if schema.kind == "category":
            cells[:, column] = rng.integers(-1, len(schema.levels), size=N_GOLDEN)
        elif schema.kind == "boolean":
            cells[:, column] = rng.integers(0, 2, size=N_GOLDEN)
        else:
            drawn = means[column] + deviations[column] * rng.normal(size=N_GOLDEN)
            cells[:, column] = (
                np.floor(drawn) * 86_400.0 if schema.kind == "date" else drawn
            )
        if schema.has_missing:
            cells[rng.random(N_GOLDEN) < 0.25, column] = np.nan
    return cells


_Shapes = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]


def read_model(
    path: str | os.PathLike[str], architecture: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Return the fields of an `Ensemble` from a file; see `load`."""
    where = str(path)
    text, data = _content(Path(path), where)
    try:
        return _fields(text, data, architecture)
    except (CandidateError, OptionError) as error:
        raise type(error)(f"{where}: {error.message}", error.hint) from None
    except SeedbedError as error:
        raise ModelFileError(
            f"{where}: {error.message}", error.hint or _AGAIN
        ) from None
    except RecursionError:
        raise ModelFileError(
            f"{where}: its description is nested too deeply", _AGAIN
        ) from None


def _content(path: Path, where: str) -> tuple[bytes, bytearray]:
    """Return the header of a regular file and the bytes after it. Opening a pipe or a device could
    block forever."""
    try:
        handle = os.open(
            path,
            os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(
            f"{where} can't be opened ({reason})", "Name a model file."
        ) from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise ModelFileError(f"{where} is not a regular file", "Name a model file.")
    with os.fdopen(handle, "rb") as file:
        if about.st_size > MAX_FILE:
            raise ModelFileError(
                f"{where} has {about.st_size:,} bytes, and a model at most {MAX_FILE:,}"
            )
        length = int.from_bytes(file.read(8), "little")
        if about.st_size < 8 or length > about.st_size - 8:
            raise ModelFileError(
                f"{where} is not a model file, or its end is missing", _AGAIN
            )
        if length > MAX_HEADER:
            raise ModelFileError(
                f"{where}: its header has {length:,} bytes, and a model's at most {MAX_HEADER:,}"
            )
        text = file.read(length)
        data = bytearray(
            about.st_size - 8 - length
        )  # mutable, as tensors and arrays are views of it
        if len(text) < length or file.readinto(data) < len(data):
            raise ModelFileError(f"{where} became shorter while it was read", _AGAIN)
        return text, data


def _fields(
    text: bytes, data: bytearray, build: Callable[..., Any] | None
) -> dict[str, Any]:
    about, values, described = read_header(text, len(data))
    if about.sha256 != fingerprint(values, data):
        raise ModelFileError("it isn't what was saved: the checksum differs")
    tensors = _tensors(described, data)
    target = about.target
    arrays = _under("inputs.", tensors)
    if not {array.dtype for array in arrays.values()} <= {
        DTYPES["F64"],
        DTYPES["BOOL"],
    }:
        raise ModelFileError("the statistics of its inputs are not float64")
    preprocessor = Preprocessor.from_state(about.inputs, arrays)
    architecture = _architecture(
        about.architecture, build, len(tensors), preprocessor.layout
    )
    outcome = outcome_of(target.task)
    follow_up = None
    n_outputs = outcome.n_outputs(target.labels)
    expected = _network_shapes(
        architecture, preprocessor.layout.n_inputs, n_outputs, about.n_networks
    )
    expected["golden.cells"] = (
        DTYPES["F64"],
        (N_GOLDEN, len(preprocessor.layout.schemas)),
    )
    if target.follow_up is not UNSET:
        follow_up = FollowUp(
            **fields_of(target.follow_up) | {"clock": tuple(target.follow_up.clock)}
        )
    n_levels = outcome.n_levels(follow_up)
    if n_levels and len(preprocessor.layout.schemas[-1].levels) != n_levels:
        raise ModelFileError("its last column isn't the interval")
    of_row = outcome.values(np.zeros((1, 1, n_levels or n_outputs))).shape[2:]
    expected["golden.values"] = DTYPES["F64"], (N_GOLDEN, *of_row)
    calibration = None
    if about.calibration is not UNSET:
        rows = tuple(about.calibration.rows)
        if len(rows) != max(1, len(target.labels)) or not any(rows):
            raise ModelFileError("the rows of its calibration don't fit the labels")
        expected["calibration.errors"] = (
            DTYPES["F32"],
            (sum(n_points(n, len(rows)) for n in rows),),
        )
    if (typical := tensors.get("columns.typical")) is not None:
        expected["columns.typical"] = (
            DTYPES["F64"],
            (len(preprocessor.layout.schemas), 3),
        )
    if (hashes := tensors.get("training.rows")) is not None:
        expected["training.rows"] = (
            DTYPES["I32"],
            (max(1, min(hashes.size, MOST_HASHES)),),
        )
    try:
        _check_shapes(
            {
                name: tensor
                for name, tensor in tensors.items()
                if not name.startswith("inputs.")
            },
            expected,
        )
    except ModelFileError as error:
        if isinstance(architecture, MLP | BlendedMembers):
            raise
        raise CandidateError(
            f"the given network isn't the one that was saved: {error.message}",
            "Give the class with which the model was fitted.",
        ) from None
    if hashes is not None and (hashes[1:] <= hashes[:-1]).any():
        raise ModelFileError("the hashes of its training rows aren't sorted")
    _check_trees(architecture, tensors, preprocessor.layout.n_inputs)
    if about.calibration is not UNSET:
        calibration = LeftOutErrors(tensors["calibration.errors"], rows)
        for errors, _ in map(calibration.of_class, range(len(rows))):
            if (errors[:1] < 0).any() or (np.diff(errors) < 0).any():
                raise ModelFileError(
                    "the errors of its calibration are negative or not sorted"
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
        "calibration": calibration,
        "follow_up": follow_up,
        "typical": typical,
        "training_rows": hashes,
        "warnings": tuple(about.warnings or ()),
        **{name: values[name] for name in ("training", "score", "versions")},
    }
    _check_golden(Ensemble(**fields), tensors["golden.cells"], tensors["golden.values"])
    return fields


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the tensors whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _architecture(
    values: Mapping[str, Any],
    build: Callable[..., Any] | None,
    n_tensors: int,
    layout: Layout,
) -> Architecture:
    try:
        architecture = architecture_from_values(values)
    except CandidateError as error:
        raise ModelFileError(f"its network can't be built: {error.message}") from None
    if isinstance(architecture, str):
        if build is None:
            message = f"it is a model of a network of your own, {architecture}"
            name = architecture.rpartition(".")[2]
            raise CandidateError(
                message,
                f"Give its class, as in FILE.py:{name if name.isidentifier() else 'NAME'}.",
            )
        return with_inputs_of(candidate_from(build), layout).architecture
    if isinstance(architecture, Trees):
        raise ModelFileError("trees are members of a blend")
    for member in (
        architecture.members
        if isinstance(architecture, BlendedMembers)
        else (architecture,)
    ):
        if isinstance(member, Trees):
            in_order = 1 <= member.n_trees <= member.n_nodes <= MAX_FILE
            # Each step of a tree leads to one of two more nodes.
            most = (member.n_nodes - member.n_trees) // 2
            if not (
                in_order
                and 0 <= member.depth <= min(most, _MOST_STEPS // member.n_trees)
            ):
                raise ModelFileError("its trees have other sizes than trees can have")
            continue
        sizes = (
            *member.widths,
            member.plr,
            member.plr_frequencies,
            member.ple,
            member.embed,
        )
        if len(member.widths) > n_tensors or max(sizes) > MAX_FILE:
            raise ModelFileError(
                "its network has more layers or units than fit into the file"
            )
        if member.embeds and member.numbers is None:
            raise ModelFileError("the inputs that its network embeds aren't given")
    return architecture


def _network_shapes(
    architecture: Architecture, n_inputs: int, n_outputs: int, n_networks: int
) -> _Shapes:
    if isinstance(architecture, MLP | BlendedMembers):
        try:
            parameters, others = shapes_of(architecture, n_inputs, n_outputs)
        except CandidateError as error:
            raise ModelFileError(
                f"its network can't be built: {error.message}"
            ) from None
        types = {
            name: _WHOLE.get(name.rpartition(".")[2], "F32")
            for name in parameters | others
        }
        needed = {
            name: (DTYPES[types[name]], shape)
            for name, shape in (parameters | others).items()
        }
    else:
        require_torch("a network of your own")
        from seedbed.training.torch.own_modules import shapes_of_own

        try:
            needed = shapes_of_own(builder_of(architecture), n_inputs, n_outputs)
        except SeedbedError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's own code
            raise CandidateError(
                f"its network can't be built: {error_line(error)}"
            ) from None
    return {
        f"networks.{name}": (dtype, (n_networks, *shape))
        for name, (dtype, shape) in needed.items()
    }


def _check_shapes(tensors: Mapping[str, NDArray[Any]], expected: _Shapes) -> None:
    if different := sorted(tensors.keys() ^ expected.keys()):
        verb = "lacks" if different[0] in expected else "must not have"
        raise ModelFileError(f"it {verb} the tensor '{different[0][:60]}'")
    for name, (dtype, shape) in expected.items():
        tensor = tensors[name]
        if (tensor.dtype, tensor.shape) != (dtype, shape):
            raise ModelFileError(
                f"the tensor '{name[:60]}' is {tensor.dtype} {list(tensor.shape)}, and its "
                f"description requires {dtype} {list(shape)}"
            )


def _check_trees(
    architecture: Architecture, tensors: Mapping[str, NDArray[Any]], n_inputs: int
) -> None:
    """Raise ModelFileError if a node of a tree has a feature or children that don't exist."""
    if not (
        isinstance(architecture, BlendedMembers)
        and any(isinstance(one, Trees) for one in architecture.members)
    ):
        return
    for name, tensor in tensors.items():
        kind = name.rpartition(".")[2]
        if kind == "feature" and ((tensor < 0) | (tensor >= n_inputs)).any():
            raise ModelFileError("a node of its trees has a feature that doesn't exist")
        for left in (
            tensor.astype(np.int64) if kind == "left" else ()
        ):  # int32 + 1 could wrap
            # Children come later than their parents, and belong to one of them.
            children = left[left != np.arange(len(left))]
            later = (left >= np.arange(len(left))).all() and (
                children + 1 < len(left)
            ).all()
            if not later or len(np.unique([children, children + 1])) < 2 * len(
                children
            ):
                raise ModelFileError(
                    "a node of its trees has children that aren't its own"
                )


def _tensors(described: Mapping[str, TensorEntry], data: bytearray) -> Arrays:
    """Return the tensors, as views of the file's bytes. Only missing golden cells may not be
    finite."""
    tensors = {}
    for name, tensor in described.items():
        n = math.prod(tensor.shape)
        flat = np.frombuffer(
            data, DTYPES[tensor.dtype], n, tensor.data_offsets[0] if n else 0
        )
        for block in (flat[start : start + _BLOCK] for start in range(0, n, _BLOCK)):
            missing = np.isnan(block) if name == "golden.cells" else False
            if not (np.isfinite(block) | missing).all():
                raise ModelFileError(
                    f"the tensor '{name[:60]}' holds NaN or infinite numbers"
                )
            if tensor.dtype == "BOOL" and (block.view(np.uint8) > 1).any():
                raise ModelFileError(
                    f"the tensor '{name[:60]}' holds what is neither true nor false"
                )
        tensors[name] = flat.reshape(tensor.shape)
    return tensors


def _check_golden(
    model: Ensemble, cells: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]
) -> None:
    for column, schema in enumerate(model.preprocessor.layout.schemas):
        if schema.kind in ("category", "boolean"):
            codes = cells[~np.isnan(cells[:, column]), column]
            if (
                (codes != np.floor(codes))
                | (codes < -1)
                | (codes >= len(schema.levels))
            ).any():
                raise ModelFileError(
                    f"a golden row has an unknown level of '{schema.name}'"
                )
    try:
        values = network_values(
            model, model.preprocessor.inputs_of_values(cells), model.made_stacks()
        )
    except (DataError, RuntimeError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"it can't predict its golden rows ({error_line(error)})"
        ) from None
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # numbers that aren't finite count as different
        off = np.abs(values.mean(axis=0) - expected).max() / model.target_deviation
    if not off <= TOLERANCE:
        raise ModelFileError(
            f"it doesn't predict what it did when it was saved: {off:.2g} off"
        )

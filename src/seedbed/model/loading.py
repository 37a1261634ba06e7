"""A model from its file. Nothing that the file says is believed before it is checked, and nothing in it is ever run."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import nn

from seedbed.data import Preprocessor, Task, layout_from_values, state_shapes
from seedbed.errors import CandidateError, DataError, ModelFileError, SeedbedError, error_line
from seedbed.model.golden import N_GOLDEN, TOLERANCE
from seedbed.model.header import Header, Shapes, is_like, read_header
from seedbed.model.layout import MAX_FILE, MAX_HEADER, MOST_NETWORKS, fingerprint
from seedbed.model.model import Model
from seedbed.model.predicting import values_of
from seedbed.networks import MLP, Architecture, BlendedMLPs, architecture_from_values, candidate_from

__all__ = ["load"]

_DTYPES: dict[torch.dtype, str] = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_BLOCK = 1 << 20  # numbers that are checked at a time
_OF_NUMPY = {np.dtype(np.float64): "F64", np.dtype(np.bool_): "BOOL"}
_TARGET: dict[str, type] = {
    "name": str,
    "task": str,
    "labels": list,
    "threshold": float,
    "mean": float,
    "deviation": float,
}
_AGAIN = "Save it again, or fetch it again."


def load(path: str | os.PathLike[str], *, architecture: Callable[..., nn.Module] | None = None) -> Model:
    """The model in a file that `Model.save` has written. Safe for files of strangers: a file holds numbers and no code.
    Loading takes the file's size in memory, and twice that of one network.

    Args:
        architecture: of a model of your own network, the class or function that builds it: nothing that a file names is
            imported.

    Raises:
        ModelFileError: it is no model file, of another version, or damaged: it isn't what was saved, or doesn't predict
            what it did.
        CandidateError: the model is of a network of your own that isn't given, or that doesn't fit.
    """
    where = str(path)
    text, data = _content(Path(path), where)
    try:
        return _model(text, data, architecture)
    except CandidateError as error:
        raise CandidateError(f"{where}: {error.message}", error.hint) from None
    except SeedbedError as error:
        raise ModelFileError(f"{where}: {error.message}", error.hint or _AGAIN) from None
    except RecursionError:
        raise ModelFileError(f"{where}: its description is nested too deeply", _AGAIN) from None


def _content(path: Path, where: str) -> tuple[bytes, bytearray]:
    """The header of a regular file and what follows it. Opening a pipe or a device could wait forever."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{where} can't be opened ({reason})", "Name a model file.") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise ModelFileError(f"{where} is no regular file", "Name a model file.")
    with os.fdopen(handle, "rb") as file:
        if about.st_size > MAX_FILE:
            raise ModelFileError(f"{where} has {about.st_size:,} bytes, and a model at most {MAX_FILE:,}")
        length = int.from_bytes(file.read(8), "little")
        if about.st_size < 8 or length > about.st_size - 8:
            raise ModelFileError(f"{where} is no model file, or the end of it is missing", _AGAIN)
        if length > MAX_HEADER:
            raise ModelFileError(f"{where}: its header has {length:,} bytes, and a model's at most {MAX_HEADER:,}")
        text = file.read(length)
        data = bytearray(about.st_size - 8 - length)  # it can be written to: tensors and arrays are views of it
        if len(text) < length or file.readinto(data) < len(data):
            raise ModelFileError(f"{where} became shorter while it was read", _AGAIN)
        return text, data


def _model(text: bytes, data: bytearray, given: Callable[..., nn.Module] | None) -> Model:
    header = read_header(text, len(data))
    values = header.values
    layout = layout_from_values(values["inputs"].get("columns"))
    target, task = _target(values["target"])
    n_outputs = len(target["labels"]) if task == "multiclass" else 1
    architecture = _architecture(values["architecture"], given, len(header.shapes))
    n_networks = values["n_networks"]
    expected: Shapes = {
        f"inputs.{name}": (_OF_NUMPY[dtype], shape) for name, (dtype, shape) in state_shapes(layout).items()
    }
    expected |= _network_shapes(architecture, layout.n_inputs, n_outputs, n_networks)
    of_value = (n_outputs,) if task == "multiclass" else ()
    expected["golden.cells"] = "F64", (N_GOLDEN, len(layout.schemas))
    expected["golden.values"] = "F64", (N_GOLDEN, *of_value)
    _check_shapes(header.shapes, expected)
    if values["sha256"] != fingerprint(values, data):
        raise ModelFileError("it isn't what was saved: the checksum differs")
    tensors = _tensors(header, data)
    model = Model(
        candidate=values["candidate"],
        architecture=architecture,
        states={name.removeprefix("networks."): t for name, t in tensors.items() if name.startswith("networks.")},
        preprocessor=Preprocessor.from_state(
            values["inputs"],
            {name.removeprefix("inputs."): t.numpy() for name, t in tensors.items() if name.startswith("inputs.")},
        ),
        target_name=target["name"],
        task=task,
        labels=tuple(target["labels"]),
        threshold=target["threshold"],
        target_mean=target["mean"],
        target_deviation=target["deviation"],
        training=values["training"],
        score=values["score"],
        versions=values["versions"],
    )
    _check_golden(model, tensors["golden.cells"].numpy(), tensors["golden.values"].numpy())
    return model


def _target(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], Task]:
    if not is_like(values, _TARGET) or values["task"] not in get_args(Task):
        raise ModelFileError("its target isn't described as targets are")
    labels, task = values["labels"], values["task"]
    n_labels = {"binary": len(labels) == 2, "multiclass": len(labels) > 2, "regression": not labels}[task]
    texts = all(isinstance(label, str) for label in labels) and len(set(labels)) == len(labels)
    if not (n_labels and texts and 0 <= values["threshold"] <= 1 and values["deviation"] > 0):
        raise ModelFileError("its target's labels, threshold or scale can't be right")
    return values, task


def _architecture(values: Mapping[str, Any], given: Callable[..., nn.Module] | None, n_tensors: int) -> Architecture:
    try:
        found = architecture_from_values(values)
    except CandidateError as error:
        raise ModelFileError(f"its network can't be built: {error.message}") from None
    if isinstance(found, str):
        if given is None:
            message = f"it is a model of a network of your own, {found}"
            raise CandidateError(message, "Load it in Python: sb.load(path, architecture=THE_CLASS).")
        return candidate_from(given).architecture
    for mlp in found.members if isinstance(found, BlendedMLPs) else (found,):
        sizes = (*mlp.widths, mlp.plr, mlp.plr_frequencies, mlp.ple, mlp.embed)
        if len(mlp.widths) > n_tensors or max(sizes) > MAX_FILE:
            raise ModelFileError("its network has more layers or units than the file has room for")
        if mlp.asks:
            raise ModelFileError("its network doesn't say which inputs it embeds")
    return found


def _network_shapes(architecture: Architecture, n_inputs: int, n_outputs: int, n_networks: int) -> Shapes:
    """Of a stack of networks, without making a single one: parameters on the device `meta` have shapes only."""
    if not 1 <= n_networks <= MOST_NETWORKS:
        raise ModelFileError(f"it says that it has {n_networks} networks")
    try:
        with torch.device("meta"):
            network = architecture(n_inputs, n_outputs)
    except SeedbedError as error:
        if isinstance(architecture, MLP | BlendedMLPs):
            raise ModelFileError(f"its network can't be built: {error.message}") from None
        raise
    except Exception as error:  # noqa: BLE001 - a user's own code, or widths whose product no tensor can have
        raise CandidateError(f"its network can't be built: {error_line(error)}") from None
    shared = {name for name, _ in network.named_parameters(remove_duplicate=False)} - {
        name for name, _ in network.named_parameters()
    }
    return {
        f"networks.{name}": (_DTYPES[value.dtype], (n_networks, *value.shape))
        for name, value in network.state_dict().items()
        if name not in shared
    }


def _check_shapes(found: Shapes, expected: Shapes) -> None:
    if different := sorted(found.keys() ^ expected.keys()):
        verb = "lacks" if different[0] in expected else "must not have"
        raise ModelFileError(f"it {verb} the tensor '{different[0][:60]}'")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelFileError(f"the tensor '{name[:60]}' is {found[name]}, and its description wants {shape}")


def _tensors(header: Header, data: bytearray) -> dict[str, torch.Tensor]:
    """The tensors, as views of the file's bytes; all but missing golden cells are finite.

    Raises:
        ModelFileError: they aren't.
    """
    tensors = {}
    for name, (dtype, shape) in header.shapes.items():
        kind = next(one for one, word in _DTYPES.items() if word == dtype)
        flat = torch.empty(0, dtype=kind)
        if n := math.prod(shape):
            flat = torch.frombuffer(data, dtype=kind, count=n, offset=header.starts[name])
        for block in flat.split(_BLOCK):
            missing = block.isnan() if name == "golden.cells" else False
            if not (block.isfinite() | missing).all():
                raise ModelFileError(f"the tensor '{name[:60]}' holds NaN or infinite numbers")
            if dtype == "BOOL" and (block.view(torch.uint8) > 1).any():
                raise ModelFileError(f"the tensor '{name[:60]}' holds what is neither true nor false")
        tensors[name] = flat.reshape(shape)
    return tensors


def _check_golden(model: Model, cells: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    for column, schema in enumerate(model.preprocessor.layout.schemas):
        if schema.kind in ("category", "boolean"):
            own = cells[~np.isnan(cells[:, column]), column]
            if ((own != np.floor(own)) | (own < -1) | (own >= len(schema.levels))).any():
                raise ModelFileError(f"a golden row has a level of '{schema.name}' that isn't there")
    try:
        # One network at a time: all of them in double precision take twice the file's size.
        found, _ = values_of(model, model.preprocessor.inputs_of_values(cells), model.made_networks(precise=True))
    except (DataError, RuntimeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"it can't predict its golden rows ({error_line(error)})") from None
    with np.errstate(over="ignore", invalid="ignore"):  # what isn't finite is off
        off = np.abs(found - expected).max() / model.target_deviation
    if not off <= TOLERANCE:
        raise ModelFileError(f"it doesn't predict what it did when it was saved: {off:.2g} off")

"""A model to its file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedbed.errors import ModelFileError, OptionError
from seedbed.files import write_whole
from seedbed.model.fitted import FittedNetworks
from seedbed.model.golden import golden_cells
from seedbed.model.header import read_header
from seedbed.model.layout import FORMAT, KEY, MAX_FILE, MAX_HEADER, SUFFIX, canonical, fingerprint
from seedbed.model.predicting import values_of
from seedbed.networks import architecture_to_values

__all__ = ["check_target", "check_writable", "save", "write_checked"]


def save(model: FittedNetworks, path: str | os.PathLike[str]) -> Path:
    """Write a model file; see `Model.save`."""
    path = check_target(path)
    content = to_bytes(model)
    write_checked(path, "the model", lambda where: where.write_bytes(content))
    return path


def check_target(path: str | os.PathLike[str]) -> Path:
    """The path, if a model can be written there: asked before the work, and again after.

    Raises:
        OptionError: it doesn't end in `.safetensors`, or can't be written to.
    """
    path = Path(path)
    if path.suffix != SUFFIX:  # lest a mistyped path cost somebody a table
        raise OptionError(f"can't write the model to {path}", f"Name a file that ends in {SUFFIX}.")
    check_writable(path, "the model")
    return path


def check_writable(path: Path, what: str) -> None:
    """An error where `path` can't be a file to write `what` to: better now than after the work.

    Raises:
        OptionError: it is a folder, or its folder isn't there or can't be written to.
    """
    why = ""
    if path.is_dir():
        why = "it is a folder"
    elif not path.parent.is_dir():
        why = f"there is no folder {path.parent}"
    elif not os.access(path.parent, os.W_OK):
        why = f"no permission to write to the folder {path.parent.resolve()}"
    else:
        try:  # what a folder allows isn't all that it says of itself
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            why = f"the folder {path.parent.resolve()} takes no file ({error.strerror})"
    if why:
        raise OptionError(f"can't write {what} to {path}: {why}", "Name another file.")


def write_checked(path: Path, what: str, write: Callable[[Path], Any]) -> None:
    """`write_whole`, whose troubles become errors of ours.

    Raises:
        OptionError: it can't be written there, or there is no room.
    """
    check_writable(path, what)
    try:
        write_whole(path, write)
    except OSError as error:
        message = f"can't write {what} to {path}: {error.strerror or error}"
        raise OptionError(message, "Name another file, or make room.") from None


def to_bytes(model: FittedNetworks) -> bytes:
    """The bytes of a model's file: the same for the same model.

    Raises:
        ModelFileError: the description of its columns, or the whole, is too long, or couldn't be loaded again.
    """
    from safetensors.torch import save as serialized

    values, tensors = values_and_tensors(model)
    # What the library writes decides the order of the tensors' bytes, so they are hashed as it lays them.
    laid = serialized(tensors, {KEY: ""})
    values["sha256"] = fingerprint(values, memoryview(laid)[8 + int.from_bytes(laid[:8], "little") :])
    del laid  # it is as large as the file
    content = serialized(tensors, {KEY: canonical(values)})
    header = int.from_bytes(content[:8], "little")
    if header > MAX_HEADER:
        raise ModelFileError(
            f"the description of the columns takes {header:,} bytes, and a model file has room for {MAX_HEADER:,}",
            "Drop columns with very many levels.",
        )
    if len(content) > MAX_FILE:
        raise ModelFileError(f"the model takes {len(content):,} bytes, and a model file at most {MAX_FILE:,}")
    read_header(content[8 : 8 + header], len(content) - 8 - header)
    return content


def values_and_tensors(model: FittedNetworks) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """All that a file says but for its `sha256`, and all that it holds."""
    inputs, arrays = model.preprocessor.to_state()
    cells = golden_cells(model.preprocessor)
    expected, _ = values_of(model, model.preprocessor.inputs_of_values(cells))
    arrays = {
        **{f"inputs.{name}": array for name, array in arrays.items()},
        "golden.cells": cells,
        "golden.values": expected,
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors |= {f"networks.{name}": value.contiguous() for name, value in model.states.items()}
    values = {
        "format": FORMAT,
        "candidate": model.candidate,
        "architecture": architecture_to_values(model.architecture),
        "n_networks": model.n_networks,
        "inputs": inputs,
        "target": {
            "name": model.target_name,
            "task": model.task,
            "labels": list(model.labels),
            "threshold": model.threshold,
            "mean": model.target_mean,
            "deviation": model.target_deviation,
        },
        "training": dict(model.training),
        "score": None if model.score is None else dict(model.score),
        "versions": dict(model.versions),
    }
    return values, tensors

"""Export a model as one ONNX file, for programs without seedbed."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.data.preprocessing import Preprocessor
from seedbed.errors import CandidateError, OptionError
from seedbed.evaluation.summaries import Note
from seedbed.model.ensemble import Ensemble
from seedbed.model.model_file import check_writable, write_checked
from seedbed.networks.mlp import MLP, BlendedMembers
from seedbed.removed import removed


@dataclass(frozen=True)
class Exported:
    """The files that were written, and notes on where they differ from the model."""

    files: tuple[Path, ...]
    notes: tuple[Note, ...] = ()


def export(
    model: Ensemble, path: str | os.PathLike[str], coverage: float | None = None, *, per_class: bool = False
) -> Exported:
    """Write a model for programs without seedbed; see `Model.export`."""
    path = Path(path)
    if path.suffix != ".onnx":
        hint = removed("python", "export") if path.suffix == ".py" else "Name a file that ends in .onnx."
        raise OptionError(f"can't write an ONNX file to {path}", hint)
    if type(model.architecture) not in (MLP, BlendedMembers):
        message = f"'{model.candidate}' is a network of your own; an ONNX file can be made of candidates in words only"
        hint = "Export it yourself: model.networks() are plain modules, and torch.onnx.export takes each of them."
        raise CandidateError(message, hint)
    sets: dict[str, Any] = {}
    if coverage is not None or per_class:
        limits = model.thresholds_of_sets(coverage, per_class=per_class)
        assert coverage is not None
        sets = {"coverage": float(coverage), "per_class": per_class, "thresholds": limits.tolist()}
    try:
        import onnx  # noqa: F401 - the module that needs it is imported only if it is installed
    except ImportError:
        raise OptionError("an ONNX file needs the package onnx", "Install it: pip install 'seedbed[onnx]'.") from None
    from seedbed.model.onnx_file import onnx_of

    check_writable(path, "the model")
    content = onnx_of(model, sets).SerializeToString()
    write_checked(path, "the model", lambda where: where.write_bytes(content))
    return Exported((path,), _unlike_seedbed(model.preprocessor))


def _unlike_seedbed(preprocessor: Preprocessor) -> tuple[Note, ...]:
    """Return a note for each column of which the file reads some texts differently from the model."""
    layout, notes = preprocessor.layout, []
    for column, buckets in zip(layout.categories, layout.places.buckets_of_categories, strict=True):
        schema = layout.schemas[column]
        if len(buckets) > 1:
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

"""What to write, by the name of the file, and what was written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from seedbed.data import Note
from seedbed.errors import CandidateError, OptionError
from seedbed.model.fitted import FittedNetworks
from seedbed.networks import MLP, BlendedMLPs

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What an export has left.

    Attributes:
        files: that were written; the first is the one that was asked for.
        notes: where the export says something else than the model.
    """

    files: tuple[Path, ...]
    notes: tuple[Note, ...] = ()


def export(model: FittedNetworks, path: str | os.PathLike[str]) -> Exported:
    """Write a model for where seedbed isn't; see `Model.export`."""
    path = Path(path)
    if path.suffix not in (".onnx", ".py"):
        raise OptionError(f"can't export a model to {path}", "Name a file that ends in .onnx, or in .py for PyTorch.")
    if type(model.architecture) not in (MLP, BlendedMLPs):
        kind = "an ONNX file" if path.suffix == ".onnx" else "plain PyTorch"
        message = (
            f"'{model.candidate}' is a network of your own, and {kind} is made of those that seedbed's words build"
        )
        hint = "Export it yourself: model.networks() are plain modules, and torch.onnx.export takes each of them."
        raise CandidateError(message, hint)
    if path.suffix == ".py":
        from seedbed.model.export.plain_python import write_python

        return Exported(write_python(model, path))
    try:
        import onnx  # noqa: F401 - the files that need it are loaded only where it is there
    except ImportError:
        raise OptionError("an ONNX file needs the package onnx", "Install it: pip install 'seedbed[onnx]'.") from None
    from seedbed.model.export.onnx_file import unlike_seedbed, write_onnx

    write_onnx(model, path)
    return Exported((path,), unlike_seedbed(model.preprocessor))

"""Write a model for programs without seedbed: as one ONNX file, or as plain PyTorch."""

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
    """The result of an export.

    Attributes:
        files: the files that were written; the first is the one that the user named.
        notes: where the export differs from the model.
    """

    files: tuple[Path, ...]
    notes: tuple[Note, ...] = ()


def export(model: FittedNetworks, path: str | os.PathLike[str]) -> Exported:
    """Write a model for programs without seedbed; see `Model.export`."""
    path = Path(path)
    if path.suffix not in (".onnx", ".py"):
        raise OptionError(f"can't export a model to {path}", "Name a file that ends in .onnx, or in .py for PyTorch.")
    if type(model.architecture) not in (MLP, BlendedMLPs):
        kind = "an ONNX file" if path.suffix == ".onnx" else "plain PyTorch"
        message = f"'{model.candidate}' is a network of your own; {kind} can be made of candidates in words only"
        hint = "Export it yourself: model.networks() are plain modules, and torch.onnx.export takes each of them."
        raise CandidateError(message, hint)
    if path.suffix == ".py":
        from seedbed.model.export.plain_python import write_python

        return Exported(write_python(model, path))
    try:
        import onnx  # noqa: F401 - the module that needs it is imported only if it is installed
    except ImportError:
        raise OptionError("an ONNX file needs the package onnx", "Install it: pip install 'seedbed[onnx]'.") from None
    from seedbed.model.export.onnx_file import unlike_seedbed, write_onnx

    write_onnx(model, path)
    return Exported((path,), unlike_seedbed(model.preprocessor))

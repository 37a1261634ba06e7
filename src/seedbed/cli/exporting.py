"""The verb that writes a model for where seedbed isn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from seedbed.cli.models import loaded
from seedbed.cli.telling import print_stderr
from seedbed.errors import OptionError

__all__ = ["export"]


def export(
    model: Annotated[Path, Parameter(help="A model's file, NAME.safetensors.")],
    /,
    *,
    output: Annotated[
        Path,
        Parameter(name=["--output", "-o"], help="The file to write; it ends in .onnx or, with --python, in .py."),
    ],
    python: Annotated[
        bool, Parameter(help="Plain PyTorch in place of ONNX, and its weights beside it.", negative=())
    ] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], help="Nothing but errors.", negative=())] = False,
) -> None:
    """Write a model for where seedbed isn't: one ONNX file with preprocessing and all networks, or plain PyTorch."""
    wanted = ".py" if python else ".onnx"
    if output.suffix != wanted:
        kind = "plain PyTorch" if python else "an ONNX file"
        hint = f"Name a file that ends in {wanted}." if python or output.suffix != ".py" else "Add --python."
        raise OptionError(f"can't write {kind} to {output}", hint)
    exported = loaded(model).export(output)
    if as_json:
        notes = [note.as_dict() for note in exported.notes]
        print(json.dumps({"files": [str(path) for path in exported.files], "notes": notes}))
    elif not quiet:
        for note in exported.notes:
            print_stderr(f"note: {note.message}")
        for path in exported.files:
            print_stderr(f"wrote {path}")

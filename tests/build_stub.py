"""Write `src/seedbed/__init__.pyi`: the public names as editors and type checkers see them.

    python tests/build_stub.py

Functions have the signatures and docstrings that they have at run time, with the settings that
decorators add. Classes are imported.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import seedbed

_STUB = Path(seedbed.__file__).with_suffix(".pyi")


def stub() -> str:
    """Return the text of the stub, formatted by ruff."""
    imported = dict.fromkeys(map(_imported, seedbed.__all__))
    functions = dict[str, None]()
    for name in seedbed.__all__:
        if inspect.isfunction(function := getattr(seedbed, name)):
            functions[_function(function, imported)] = None
    head = [
        '"""Written by `make stub`."""',
        "",
        "from typing import Any, Literal, Optional, Union",
    ]
    names = ["", "__version__: str", f"__all__ = {seedbed.__all__}"]
    text = "\n".join([*head, *filter(None, imported), *names, *functions])
    for command in (["format"], ["check", "--fix"], ["format"]):
        call = [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "--quiet",
            "--stdin-filename",
            str(_STUB),
            "-",
        ]
        text = subprocess.run(
            call, input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


def _imported(name: str) -> str:
    """Return the import of a class, which makes the name public; empty for a function."""
    return (
        f"from seedbed.{seedbed._FILES[name]} import {name} as {name}"
        * inspect.isclass(getattr(seedbed, name))
    )


def _function(function: Any, imported: dict[str, None]) -> str:
    """Return a function without its body, and add the imports of its types."""
    signature, hints = inspect.signature(function), get_type_hints(function)
    parameters = [
        one.replace(annotation=hints[name])
        for name, one in signature.parameters.items()
    ]
    text = str(
        signature.replace(parameters=parameters, return_annotation=hints["return"])
    )
    for path, name in re.findall(r"([a-z_.]+)\.([A-Z]\w+)", text):
        if name not in seedbed.__all__:
            imported[f"from {path} import {name}"] = None
    return f'def {function.__name__}{re.sub(r"[a-z_.]+[.](?=[A-Z])", "", text)}:\n    """{function.__doc__}"""\n'


if __name__ == "__main__":
    _STUB.write_text(stub(), encoding="utf-8")

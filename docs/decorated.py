"""Signatures and texts of options on the site: those that decorators give at run time, and the source doesn't show.

Griffe, which reads the source for MkDocs, loads this file (`extensions` in mkdocs.yml).
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import griffe

DECORATORS = ("taking", "documented")


class Decorated(griffe.Extension):
    """Replaces the docstrings of what is decorated, and the parameters of functions."""

    def on_class_instance(self, *, cls: griffe.Class, **others: Any) -> None:
        self._replace(cls)

    def on_function_instance(self, *, func: griffe.Function, **others: Any) -> None:
        if decorated := self._replace(func):
            func.parameters = griffe.Parameters(
                *(
                    griffe.Parameter(
                        name,
                        annotation=_shown(parameter.annotation),
                        kind=griffe.ParameterKind[parameter.kind.name.lower()],
                        default=None if parameter.default is parameter.empty else repr(parameter.default),
                    )
                    for name, parameter in inspect.signature(decorated).parameters.items()
                )
            )

    def _replace(self, thing: griffe.Class | griffe.Function) -> Any:
        """Return the object at run time, whose docstring takes the place of that in the source; None if undecorated."""
        if not any(decorator.callable_path.endswith(DECORATORS) for decorator in thing.decorators):
            return None
        decorated = getattr(importlib.import_module(thing.module.path), thing.name)
        thing.docstring = griffe.Docstring(inspect.getdoc(decorated) or "", parent=thing)
        return decorated


def _shown(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.replace("collections.abc.", "")

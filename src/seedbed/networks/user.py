"""User-defined networks as architectures: a callable, or `file.py:Name`."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from seedbed.errors import CandidateError, did_you_mean

_PASSED = ("n_features", "n_outputs", "numbers", "categories", "n_categories")


@dataclass(frozen=True)
class UserArchitecture:
    """A callable that builds a network.

    If the signature has parameters of these names, they are passed by name: `n_features` and
    `n_outputs`; `categories`, the list of inputs of each category; `n_categories`, the lengths of
    these lists; and `numbers`, the list of all other inputs. All other parameters keep their
    defaults, or the values that `functools.partial` has set.

    Attributes:
        build: the callable.
        name: its name, for errors.
        categories: the inputs of each category in a fit. A row has 1 in the input of its level and
            0 in the others, or 0 in all for a level that training rows lack, if none of them has a
            rare one.

    Raises (when called):
        CandidateError: another parameter has no default.
    """

    build: Callable[..., Any]
    name: str
    categories: tuple[tuple[int, ...], ...] = field(default=(), repr=False)

    def __call__(self, n_features: int, n_outputs: int) -> Any:
        of_categories = {index for places in self.categories for index in places}
        numbers = [index for index in range(n_features) if index not in of_categories]
        categories = [list(places) for places in self.categories]
        sizes = [len(places) for places in categories]
        values = (n_features, n_outputs, numbers, categories, sizes)
        passed = dict(zip(_PASSED, values, strict=True))
        return self.build(**{name: passed[name] for name in self._wanted})

    @functools.cached_property
    def _wanted(self) -> tuple[str, ...]:
        """Return the names of what is passed.

        The result is cached, because reading a signature takes longer than building a small
        network.
        """
        try:
            signature = inspect.signature(self.build)
        except (ValueError, TypeError):  # some callables in C have no signature
            return ()
        fixed = self.build.keywords if isinstance(self.build, functools.partial) else {}
        wanted = list[str]()
        for name, parameter in signature.parameters.items():
            is_named = parameter.kind in (
                parameter.POSITIONAL_OR_KEYWORD,
                parameter.KEYWORD_ONLY,
            )
            if is_named and name in _PASSED and name not in fixed:
                wanted.append(name)
            elif parameter.default is parameter.empty and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                raise CandidateError(
                    f"it needs a value for '{name}': its signature is {signature}, and seedbed "
                    f"passes {', '.join(_PASSED[:-1])} and {_PASSED[-1]} only, by name",
                    f"Rename '{name}' to one of these, give it a default, or wrap it: "
                    f"lambda n_features, n_outputs: {self.name}(..., {name}=...)",
                )
        return tuple(wanted)


@dataclass(frozen=True)
class FileArchitecture:
    """A class or function in a Python file. It is loaded when called, so it can be sent to other
    processes.

    Raises (when called):
        CandidateError: the file or the name doesn't exist, or the file can't be imported.
    """

    path: str
    name: str
    categories: tuple[tuple[int, ...], ...] = field(default=(), repr=False)

    def __call__(self, n_features: int, n_outputs: int) -> Any:
        build = load_from_file(Path(self.path), self.name)
        return UserArchitecture(build, self.name, self.categories)(
            n_features, n_outputs
        )


OwnArchitecture = UserArchitecture | FileArchitecture
"""What builds a user's own `nn.Module`."""


def load_from_file(path: Path, name: str) -> Any:
    """Return the callable or the estimator of this name in a Python file, which is imported.
    CandidateError if there is none, or the file can't be imported."""
    module = _load(path)
    thing = getattr(module, name, None)
    if not (callable(thing) or hasattr(thing, "fit")):
        names = [
            key
            for key, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
            or (hasattr(value, "fit") and not isinstance(value, type))
        ]
        raise CandidateError(
            f"no class, function or estimator '{name}' in {path}",
            did_you_mean(name, names),
        )
    return thing


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise CandidateError(
            f"no such file: {path}", "Name what is in a file as FILE.py:NAME."
        )
    source = path.read_bytes()
    # Named by its content, so that an edited file is loaded again, and two files of one name don't
    # collide.
    name = f"seedbed_user_{hashlib.blake2b(bytes(path.resolve()) + source, digest_size=8).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(path.absolute())
    try:
        # Compiled here, because Python's cache takes two versions of equal size and time for one.
        exec(compile(source, str(path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        raise CandidateError(
            f"{path} can't be imported: {type(error).__name__}: {error}"
        ) from error
    return module

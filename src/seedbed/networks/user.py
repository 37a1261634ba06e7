"""A user's own network as an architecture: a callable, or `file.py:Name`."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from seedbed.errors import CandidateError, did_you_mean

__all__ = ["FileArchitecture", "UserArchitecture"]


@dataclass(frozen=True)
class UserArchitecture:
    """A callable that builds a network: with no argument, or from `n_features` and `n_outputs`.

    Raises (when called):
        CandidateError: it wants other arguments, or doesn't return an `nn.Module`.
    """

    build: Callable[..., Any]
    name: str

    def __call__(self, n_features: int, n_outputs: int) -> nn.Module:
        network = self.build(n_features, n_outputs) if self._takes_sizes else self.build()
        if not isinstance(network, nn.Module):
            raise CandidateError(f"'{self.name}' built a {type(network).__name__}", "It must return a torch.nn.Module.")
        return network

    @functools.cached_property
    def _takes_sizes(self) -> bool:
        """Whether it wants n_features and n_outputs; asked once, as reading a signature takes longer than building."""
        try:
            signature = inspect.signature(self.build)
        except ValueError:  # some builtins have none
            return False
        for arguments in ((), (1, 1)):
            try:
                signature.bind(*arguments)
            except TypeError:
                continue
            return bool(arguments)
        raise CandidateError(
            f"'{self.name}' takes {signature}", "It must take no argument, or two: n_features and n_outputs."
        )


@dataclass(frozen=True)
class FileArchitecture:
    """A class or function in a Python file, loaded where it is needed, so that it can travel to other processes.

    Raises (when called):
        CandidateError: the file or the name isn't there, or the file can't be imported.
    """

    path: str
    name: str

    def __call__(self, n_features: int, n_outputs: int) -> nn.Module:
        return UserArchitecture(self._find(), self.name)(n_features, n_outputs)

    def _find(self) -> Callable[..., Any]:
        module = _load(Path(self.path))
        found = getattr(module, self.name, None)
        if not callable(found):
            own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
            raise CandidateError(f"no class or function '{self.name}' in {self.path}", did_you_mean(self.name, own))
        return found  # type: ignore[no-any-return]


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise CandidateError(f"no such file: {path}", "A network of your own is named FILE.py:CLASS.")
    source = path.read_bytes()
    # By content, so that an edited file is loaded anew and two files of one name don't collide.
    name = f"seedbed_user_{hashlib.blake2b(bytes(path.resolve()) + source, digest_size=8).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CandidateError(f"{path} isn't a Python file", "A network of your own is named FILE.py:CLASS.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise CandidateError(f"{path} can't be imported: {type(error).__name__}: {error}") from error
    return module

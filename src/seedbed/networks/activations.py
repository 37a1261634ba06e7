"""The activations a candidate can name: every activation class of `torch.nn` that needs no argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import nn
from torch.nn.modules import activation as torch_activations

from seedbed.errors import CandidateError, did_you_mean

__all__ = ["ACTIVATIONS", "GATED", "activation"]

# Softmax2d works on images only; there is no such thing as its value on a row of a table.
_NOT_FOR_TABLES = {"Softmax2d"}
# These normalise over the units of one row; torch wants to be told which axis that is.
_OVER_UNITS = {"Softmax", "Softmin", "LogSoftmax"}


def _needs_no_argument(cls: type[nn.Module]) -> bool:
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return all(
        p.default is not inspect.Parameter.empty
        for p in parameters
        if p.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    )


def _find() -> dict[str, Callable[[], nn.Module]]:
    found: dict[str, Callable[[], nn.Module]] = {}
    for name in torch_activations.__all__:
        cls = getattr(torch_activations, name)
        if name in _NOT_FOR_TABLES or not _needs_no_argument(cls):
            continue
        found[name.lower()] = partial(cls, dim=-1) if name in _OVER_UNITS else cls
    return found


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(_find())
"""Lower-case class name to a factory of the module, for instance `"relu"` to `nn.ReLU`."""

GATED = frozenset({"glu"})
"""Activations that halve their input: the layer before them is built twice as wide."""


def activation(name: str) -> nn.Module:
    """A new activation module by its lower-case class name.

    Raises:
        CandidateError: no activation of `torch.nn` has that name.
    """
    try:
        return ACTIVATIONS[name]()
    except KeyError:
        raise CandidateError(
            f"no activation '{name}' in torch.nn", did_you_mean(name, [*ACTIVATIONS, "linear"])
        ) from None

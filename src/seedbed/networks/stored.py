"""Convert an architecture to plain values for JSON and back. Nothing that a file names is ever imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.mlp import MLP, BlendedMLPs
from seedbed.networks.user import FileArchitecture, UserArchitecture

__all__ = ["architecture_from_values", "architecture_to_values"]

_SHAPE = {"widths": list, "activations": list, "dropout": float, "layernorm": bool, "batchnorm": bool}
_PARTS = {"residual": bool, "plr": int, "plr_frequencies": int, "plr_sigma": float, "ple": int, "embed": int}
"""Values that are stored only if they differ from the default, so that older versions read all other networks."""

_INPUTS = ("numbers", "categories")
"""Numeric and categorical inputs, stored if the network knows them."""

_BLEND = {"temperature": float, "limit": float, "numbers": bool}
_MEMBER = {"name": str, "weight": float, "network": dict}


def architecture_to_values(architecture: Callable[[int, int], nn.Module]) -> dict[str, Any]:
    """Return an architecture as plain values.

    The values are `{"kind": "mlp", ...}`, `{"kind": "blend", "members": [...], ...}`, or
    `{"kind": "module", "name": ...}` for a user-defined module.
    """
    if isinstance(architecture, BlendedMLPs):
        pairs = zip(architecture.names, architecture.weights, architecture.members, strict=True)
        members = [
            {"name": name, "weight": weight, "network": architecture_to_values(member)}
            for name, weight, member in pairs
        ]
        rest = {name: kind(getattr(architecture, name)) for name, kind in _BLEND.items()}
        return {"kind": "blend", "members": members, **rest}
    if isinstance(architecture, MLP):
        by_layer = list(architecture.by_layer)
        values = {name: getattr(architecture, name) for name in ("layernorm", "batchnorm")}
        parts = {name: kind(getattr(architecture, name)) for name, kind in _PARTS.items()}
        own: dict[str, Any] = {name: value for name, value in parts.items() if value != getattr(MLP(), name)}
        if architecture.numbers is not None:
            own |= {"numbers": list(architecture.numbers), "categories": list(map(list, architecture.categories))}
        return {"kind": "mlp", "widths": list(architecture.widths), "activations": by_layer,
                "dropout": float(architecture.dropout), **values, **own}  # fmt: skip
    if isinstance(architecture, FileArchitecture):
        return {"kind": "module", "name": f"{PurePath(architecture.path).name}:{architecture.name}"}
    build = architecture.build if isinstance(architecture, UserArchitecture) else architecture
    name = getattr(build, "__qualname__", type(build).__qualname__)
    return {"kind": "module", "name": f"{getattr(build, '__module__', None) or 'builtins'}.{name}"}


def architecture_from_values(values: Mapping[str, Any]) -> MLP | BlendedMLPs | str:
    """Return the architecture that plain values describe, or the name of a user-defined module.

    Raises:
        CandidateError: the values don't describe an architecture.
    """
    kind = values.get("kind")
    if kind == "module" and values.keys() == {"kind", "name"} and isinstance(values["name"], str):
        return values["name"]
    if kind == "blend":
        return _blend_from_values(values)
    if kind != "mlp" or values.keys() - {*_PARTS, *_INPUTS} != {"kind", *_SHAPE}:
        raise CandidateError(f"unknown kind of network {kind!r}" if kind != "mlp" else "a network lacks its shape")
    fits = all(type(values[name]) is wanted for name, wanted in {**_SHAPE, **_PARTS}.items() if name in values)
    if not fits or not all(type(width) is int for width in values["widths"]):
        raise CandidateError("the shape of a network is damaged")
    if not all(isinstance(name, str) for name in values["activations"]):
        raise CandidateError("the activations of a network are damaged")
    widths, activations = tuple(values["widths"]), tuple(values["activations"])
    numbers, categories = _inputs_from_values(values)
    rest = {name: values[name] for name in values if name not in ("kind", "widths", "activations", *_INPUTS)}
    return MLP(widths, activations, **rest, numbers=numbers, categories=categories)


def _inputs_from_values(values: Mapping[str, Any]) -> tuple[tuple[int, ...] | None, tuple[tuple[int, ...], ...]]:
    """Return the numeric inputs and the inputs of each category."""
    if not values.keys() & _INPUTS:
        return None, ()
    numbers, categories = (values.get(name) for name in _INPUTS)
    if isinstance(numbers, list) and isinstance(categories, list):
        lists = [numbers, *categories]
        if all(isinstance(one, list) and all(type(place) is int for place in one) for one in lists):
            return tuple(numbers), tuple(map(tuple, categories))
    raise CandidateError("the inputs of a network are damaged")


def _blend_from_values(values: Mapping[str, Any]) -> BlendedMLPs:
    members = values.get("members")
    fits = values.keys() == {"kind", "members", *_BLEND} and isinstance(members, list)
    fits = fits and all(type(values[name]) is wanted for name, wanted in _BLEND.items())
    for member in members if fits and members else ():
        fits = fits and isinstance(member, dict) and member.keys() == _MEMBER.keys()
        fits = fits and all(type(member[name]) is wanted for name, wanted in _MEMBER.items())
    if not fits or not members:
        raise CandidateError("the members of a blend are damaged")
    networks = [architecture_from_values(member["network"]) for member in members]
    mlps = tuple(network for network in networks if isinstance(network, MLP))
    if len(mlps) < len(networks):
        raise CandidateError("a blend holds something else than networks of seedbed's words")
    names, weights = (tuple(member[key] for member in members) for key in ("name", "weight"))
    return BlendedMLPs(mlps, names, weights, values["temperature"], values["limit"], values["numbers"])

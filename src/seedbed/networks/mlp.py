"""Architectures made of words: multilayer perceptrons, decision trees, and blends; and their form
in files."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from seedbed.errors import CandidateError
from seedbed.networks.activations import read_activation
from seedbed.networks.embedding_layers import Embeddings, Periodic, Piecewise
from seedbed.networks.layers import (
    BatchNorm,
    Dropout,
    Elementwise,
    Layer,
    LayerNorm,
    Linear,
    Residual,
)
from seedbed.networks.network import Network
from seedbed.networks.user import FileArchitecture, OwnArchitecture

_ALWAYS_STORED = (
    "dropout",
    "layernorm",
    "batchnorm",
)  # others only if they differ from the default

_LEAST = {"plr": 0, "plr_frequencies": 1, "ple": 0, "embed": 0}


@dataclass(frozen=True)
class MLP:
    """An architecture: fully connected layers, each with its activation.

    It is a description; `network` gives the layers for a table:

    >>> MLP((5,), "relu").network(12, 1).layers[0]
    Linear(name='0.', n_inputs=12, units=5, bias=True, of_levels=False)

    Attributes:
        widths: units of each hidden layer; empty for logistic, softmax or linear regression.
        activations: a lower-case class name of `torch.nn`, with arguments if any
            (`leaky_relu(0.2)`), for all hidden layers or one per layer; `linear` means no
            activation.
        dropout: share of a hidden layer's outputs that is zeroed in training, 0 to below 1.
        layernorm: normalise each row over a layer's units, before the activation.
        batchnorm: normalise each unit over the batch, before the activation.
        residual: add a hidden layer's input to its output, if the hidden layer before it has the
            same width.
        plr: number of periodic features added per numeric input; 0 disables them.
        plr_frequencies: frequencies per numeric input.
        plr_sigma: initial standard deviation of the frequencies; inputs are usually standardised.
        ple: number of bins of a piecewise linear encoding that replaces each numeric input; 0
            disables it. Bin edges are quantiles of the training rows.
        embed: number of learnt values that replace a category, if it has more inputs than that; 0
            disables it.
        numbers: indices of the numeric inputs, for `train_many` only; None means that all are
            numeric. In a table, each fit finds them in its rows.
        categories: the same of each category's inputs, which are 1 for its level and 0 otherwise.

    PLR and PLE are from Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical Features
    in Tabular Deep Learning". With `plr`, numbers also remain as they are, so that the network can
    follow a trend or an outlier. If `numbers` is None, `ple` gives a flag one bin, so it remains a
    flag.

    A hidden layer is `Linear`, then normalisation, activation and dropout, each if requested.

    Raises:
        CandidateError: a width, activation or share is out of range.
    """

    widths: tuple[int, ...] = ()
    activations: str | tuple[str, ...] = "relu"
    dropout: float = 0.0
    layernorm: bool = False
    batchnorm: bool = False
    residual: bool = False
    plr: int = 0
    plr_frequencies: int = 16
    plr_sigma: float = 0.1
    ple: int = 0
    embed: int = 0
    numbers: tuple[int, ...] | None = None
    categories: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        # One for each layer and interned, so that equal networks are compared, stored and pickled
        # alike.
        names = (
            [self.activations] * len(self.widths)
            if isinstance(self.activations, str)
            else self.activations
        )
        object.__setattr__(
            self, "activations", tuple(sys.intern(str(name)) for name in names)
        )
        for is_wrong, message, hint in self._rules():
            if is_wrong:
                raise CandidateError(message, hint)
        for name in self.by_layer:
            if name != "linear":
                read_activation(name)

    def _rules(self) -> Iterator[tuple[bool, str, str]]:
        """Yield whether a rule is broken, what is wrong then, and what to do."""
        narrowest = min(self.widths, default=1)
        n_names = len(self.by_layer)
        yield from (
            (
                narrowest < 1,
                f"a layer of width {narrowest} can't be built",
                "A width is at least 1.",
            ),
            (
                n_names != len(self.widths),
                f"{n_names} activations for {len(self.widths)} hidden layers",
                "",
            ),
            (
                not 0 <= self.dropout < 1,
                f"dropout is {self.dropout:g}",
                "It must be from 0 to below 1.",
            ),
            (
                self.layernorm and self.batchnorm,
                "layernorm and batchnorm exclude each other",
                "Leave one out.",
            ),
            (
                self.residual and not any(map(self._adds, range(len(self.widths)))),
                "residual needs two hidden layers of one width, one after the other",
                "Try 64,64.",
            ),
        )
        yield from self._embedding_rules()

    def _embedding_rules(self) -> Iterator[tuple[bool, str, str]]:
        places = [
            *(self.numbers or ()),
            *(index for group in self.categories for index in group),
        ]
        yield from (
            *(
                (
                    getattr(self, word) < least,
                    f"{word} is {getattr(self, word)}",
                    f"It must be a whole number from {least} up.",
                )
                for word, least in _LEAST.items()
            ),
            (
                not 0 < self.plr_sigma < math.inf,
                f"plr_sigma is {self.plr_sigma:g}",
                "It must be a number above 0.",
            ),
            (
                bool(self.plr and self.ple),
                "plr and ple exclude each other",
                "Leave one out.",
            ),
            *(
                (
                    not self.plr and getattr(self, word) != getattr(type(self), word),
                    f"{word} belongs to plr",
                    "Add plr=8.",
                )
                for word in ("plr_frequencies", "plr_sigma")
            ),
            (
                len(set(places)) < len(places) or min(places, default=0) < 0,
                "numbers and categories name an input twice, or one below 0",
                "",
            ),
            (
                bool(self.categories and not self.embed),
                "categories belong to embed",
                "Say how many numbers a level is embedded in.",
            ),
        )

    @property
    def by_layer(self) -> tuple[str, ...]:
        """Return the activation of each hidden layer."""
        assert not isinstance(self.activations, str)
        return self.activations

    def network(self, n_inputs: int, n_outputs: int) -> Network:
        """Return the network for so many inputs and outputs. CandidateError if it embeds inputs
        that aren't there."""
        layers: list[Layer] = []
        width = n_inputs
        if embedded := list(self._embeddings(n_inputs)):
            groups, parts = zip(*embedded, strict=True)
            named = {places for group in groups for places in group}
            others = tuple(
                position for position in range(n_inputs) if position not in named
            )
            is_alone = groups == (tuple(range(n_inputs)),) and not isinstance(
                parts[0], Linear
            )
            rename = "0." if is_alone else "0.{}."
            parts = tuple(
                replace(part, name=rename.format(number))
                for number, part in enumerate(parts)
            )
            layers.append(parts[0] if is_alone else Embeddings(groups, others, parts))
            width = layers[0].n_outputs(n_inputs)
        for number, (units, text) in enumerate(
            zip(self.widths, self.by_layer, strict=True)
        ):
            position = len(layers)
            # Layers are named by their places; those of a residual one by their places inside it.
            names = (
                f"{position}.{inner}." if self._adds(number) else f"{position + inner}."
                for inner in range(2)
            )
            hidden: list[Layer] = [Linear(next(names), width, units)]
            if self.layernorm:
                hidden.append(LayerNorm(next(names), units))
            if self.batchnorm:
                hidden.append(BatchNorm(next(names), units))
            if text != "linear":
                hidden.append(Elementwise(*read_activation(text)))
            if self.dropout:
                hidden.append(Dropout(number, self.dropout))
            layers += [Residual(tuple(hidden))] if self._adds(number) else hidden
            width = units
        layers.append(Linear(f"{len(layers)}.", width, n_outputs))
        return Network(tuple(layers))

    def _embeddings(self, n_inputs: int) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Yield inputs, and the layer that embeds them, without its name."""
        numbers = tuple(range(n_inputs)) if self.numbers is None else self.numbers
        if (
            max(
                (*numbers, *(index for places in self.categories for index in places)),
                default=0,
            )
            >= n_inputs
        ):
            raise CandidateError(f"it embeds inputs that aren't among {n_inputs}")
        if numbers and self.plr:
            yield (
                numbers,
                Periodic(
                    "", len(numbers), self.plr, self.plr_frequencies, self.plr_sigma
                ),
            )
        if numbers and self.ple:
            yield numbers, Piecewise("", len(numbers), self.ple)
        for places in self.categories:
            if len(places) > self.embed:
                yield (
                    places,
                    Linear("", len(places), self.embed, bias=False, of_levels=True),
                )

    @property
    def embeds(self) -> bool:
        """Return whether the network depends on `numbers` or `categories`."""
        return bool(self.plr or self.ple or self.embed)

    def _adds(self, number: int) -> bool:
        """Return whether a hidden layer is residual.

        The first layer never is: otherwise the same words would mean another network for tables
        that happen to have as many inputs as the layer has units.
        """
        return (
            self.residual
            and number > 0
            and self.widths[number] == self.widths[number - 1]
        )


WORDS = {
    field.name: type(field.default)
    for field in fields(MLP)
    if isinstance(field.default, int | float)
}
"""The fields that a candidate's words set, such as `layernorm` or `plr=8`, and their types."""


@dataclass(frozen=True)
class Trees:
    """An architecture: decision trees. They are a member of a blend, beside networks.

    Attributes:
        method: "boosted", each tree predicts what those before it leave over; or "extra", the mean
            of trees that split at random thresholds (Geurts, Ernst and Wehenkel 2006, "Extremely
            randomized trees").
        n_trees, n_nodes: number of trees, and of their nodes. Before a fit, `n_trees` is the number
            of extra trees, or the largest number of boosting iterations.
        depth: steps from a first node to the deepest leaf.
        probabilities: whether the sum of the leaves is the probabilities of classes, or of the
            second of two classes; else it is their logits, or a number.
        categories: of each category, the inputs of its levels, of which one is not 0; empty in
            files of earlier versions, whose trees compare all inputs with thresholds.
        n_sets: number of different sets of levels at which nodes split.
        most_leaves: of a boosted tree; 0 suits the number of rows. Not stored.
    """

    method: Literal["boosted", "extra"]
    n_trees: int
    n_nodes: int = 0
    depth: int = 0
    probabilities: bool = False
    categories: tuple[tuple[int, ...], ...] = ()
    n_sets: int = 0
    most_leaves: int = 0


@dataclass(frozen=True)
class Regression:
    """Logistic or ridge regression that is fitted until it converges. Fitted, it is an `MLP`
    without hidden layers."""


@dataclass(frozen=True)
class Prior:
    """The class frequencies, or the mean of numbers, for every row. Fitted, it is an `MLP` without
    hidden layers."""


@dataclass(frozen=True)
class BlendedMembers:
    """An architecture that averages multilayer perceptrons and decision trees with weights.

    All members see the same inputs, which are clipped. CandidateError if members, names and weights
    differ in number, or a value is out of range.

    Attributes:
        members: the architectures of the members.
        names: names of the members.
        weights: weights of the members, above 0, with sum 1.
        temperature: divisor of the logits of classes.
        limit: bound of the clipped inputs, which are usually standardised. 0 leaves them unchanged.
        numbers: whether the network predicts numbers instead of classes.
    """

    members: tuple[MLP | Trees, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]
    temperature: float = 1.0
    limit: float = 0.0
    numbers: bool = False

    def __post_init__(self) -> None:
        if not self.members or not len(self.members) == len(self.names) == len(
            self.weights
        ):
            raise CandidateError(
                "a blend needs members, and a name and a weight for each"
            )
        if not (
            min(self.weights) > 0 and math.isclose(sum(self.weights), 1, abs_tol=1e-6)
        ):
            raise CandidateError("the weights of a blend must be above 0, and sum to 1")
        if not (0 < self.temperature < math.inf and 0 <= self.limit < math.inf):
            raise CandidateError(
                "the temperature of a blend must be above 0, and its clip 0 or above"
            )


Architecture = MLP | Trees | Prior | Regression | BlendedMembers | OwnArchitecture
"""What a candidate is: a description, or what builds a user's own module."""


def builder_of(architecture: Architecture) -> OwnArchitecture:
    """Return what builds a user's own module. CandidateError if the architecture isn't a user's
    own."""
    if not isinstance(architecture, OwnArchitecture):
        raise CandidateError(
            f"{type(architecture).__name__} isn't a network",
            "Name a network, such as relu:5.",
        )
    return architecture


def architecture_to_values(architecture: Architecture) -> dict[str, Any]:
    """Return an architecture as plain values.

    The values are `{"kind": "mlp", ...}`, `{"kind": "trees", ...}`, `{"kind": "blend", "members":
    [...], ...}`, or `{"kind": "module", "name": ...}` for a user-defined module.
    """
    if isinstance(architecture, BlendedMembers):
        pairs = zip(
            architecture.names, architecture.weights, architecture.members, strict=True
        )
        return {
            "kind": "blend",
            "members": [
                {
                    "name": name,
                    "weight": weight,
                    "network": architecture_to_values(member),
                }
                for name, weight, member in pairs
            ],
            "temperature": float(architecture.temperature),
            "limit": float(architecture.limit),
            "numbers": bool(architecture.numbers),
        }
    if isinstance(architecture, MLP):
        values: dict[str, Any] = {
            "kind": "mlp",
            "widths": list(architecture.widths),
            "activations": list(architecture.by_layer),
        }
        for name, kind in WORDS.items():
            if name in _ALWAYS_STORED or getattr(architecture, name) != getattr(
                MLP, name
            ):
                values[name] = kind(getattr(architecture, name))
        if architecture.numbers is not None:
            values |= {
                "numbers": list(architecture.numbers),
                "categories": list(map(list, architecture.categories)),
            }
        return values
    if isinstance(architecture, Trees):
        trees = {"kind": "trees"} | asdict(architecture)
        del trees["most_leaves"]
        n_sets = trees.pop("n_sets")
        categories = trees.pop("categories")
        if categories:
            trees |= {"categories": list(map(list, categories)), "n_sets": n_sets}
        return trees
    assert isinstance(architecture, OwnArchitecture)
    return {"kind": "module", "name": _name_of_own(architecture)}


def _name_of_own(architecture: OwnArchitecture) -> str:
    if isinstance(architecture, FileArchitecture):
        return f"{PurePath(architecture.path).name}:{architecture.name}"
    build = architecture.build
    name = getattr(build, "__qualname__", type(build).__qualname__)
    return f"{getattr(build, '__module__', None) or 'builtins'}.{name}"


def architecture_from_values(
    values: Mapping[str, Any],
) -> MLP | Trees | BlendedMembers | str:
    """Return the architecture that plain values describe, or the name of a user-defined module.
    CandidateError if `architecture_to_values` doesn't return such values."""
    kind = values.get("kind")
    if (
        kind == "module"
        and values.keys() == {"kind", "name"}
        and isinstance(values["name"], str)
    ):
        return values["name"]
    architecture: MLP | Trees | BlendedMembers
    try:
        if kind == "blend":
            members: Any = tuple(
                architecture_from_values(member["network"])
                for member in values["members"]
            )
            if not all(isinstance(member, MLP | Trees) for member in members):
                raise CandidateError(
                    "a member of a blend is neither a network in words nor trees"
                )
            architecture = BlendedMembers(
                members,
                tuple(member["name"] for member in values["members"]),
                tuple(member["weight"] for member in values["members"]),
                *(values[key] for key in ("temperature", "limit", "numbers")),
            )
        elif kind == "mlp":
            architecture = replace(
                msgspec.convert(values, MLP)
            )  # all fields are set, for the hash of its pickle
        elif kind == "trees":
            architecture = msgspec.convert(values, Trees)
        else:
            raise CandidateError(f"unknown kind of network {kind!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise CandidateError(str(error)) from None
    # A key that is missing or unknown, or an integer for a float.
    if json.dumps(architecture_to_values(architecture), sort_keys=True) != json.dumps(
        values, sort_keys=True
    ):
        raise CandidateError("the description of a network is damaged")
    return architecture

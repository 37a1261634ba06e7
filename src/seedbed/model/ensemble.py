"""The networks of a model and their preprocessing: the data that prediction, model files, exports and cards use."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seedbed.data.frame import Frame, Remark
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.table import ColumnSchema, Task
from seedbed.data.typed import NewRows
from seedbed.errors import OptionError
from seedbed.model.header import FORMAT
from seedbed.model.sets import COVERAGE, LeftOutErrors
from seedbed.model.trees import WalkedTrees
from seedbed.networks.mlp import MLP, Architecture, BlendedMembers, Trees, architecture_to_values
from seedbed.networks.parts import Blend, DecisionTrees
from seedbed.report.card import score_sentences
from seedbed.training.chain import StackedNetworks
from seedbed.training.randomness import seeded
from seedbed.typing import Floats

CARD_VERSION = 1
_MOST_MADE = 1 << 18  # numbers of the networks that `made_stacks` makes at a time
_MOST_NUMBERS = 1 << 19  # rows x units x networks of a layer that stay in the cache


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Ensemble:
    """The networks of a model, one per seed, and everything that is needed to predict with them.

    Attributes:
        candidate: name of the candidate.
        architecture: builds one network.
        states: parameters and buffers [network, ...], by their names in a network's `state_dict`.
        preprocessor: computes the inputs of the networks from columns.
        target_name: name of the target column.
        task: "binary", "multiclass" or "regression".
        labels: the classes as written in the table; the second of two is the positive one. Empty for a regression.
        threshold: a row is predicted positive if its probability is above this; used for two labels only.
        target_mean, target_deviation: of a numeric target, as the networks' outputs are standardised; else 0 and 1.
        training: how the model was made, as plain values.
        score: expected performance on new rows, and what was scored, as plain values; None if it wasn't measured.
        calibration: errors on rows that networks weren't trained on, for prediction sets; None if there are none.
        versions: versions of the libraries that made it.
    """

    candidate: str
    architecture: Architecture
    states: Mapping[str, Tensor]
    preprocessor: Preprocessor
    target_name: str
    task: Task
    labels: tuple[str, ...]
    threshold: float = 0.5
    target_mean: float = 0.0
    target_deviation: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    score: Mapping[str, Any] | None = None
    calibration: LeftOutErrors | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_networks(self) -> int:
        return len(next(iter(self.states.values())))

    @property
    def n_outputs(self) -> int:
        """Outputs of one network."""
        return len(self.labels) if self.task == "multiclass" else 1

    @property
    def schemas(self) -> tuple[ColumnSchema, ...]:
        """Descriptions of the columns that the model needs."""
        return self.preprocessor.layout.schemas

    def read(self, frame: Frame) -> tuple[NewRows, list[Remark]]:
        """Return new rows as the columns' schemas read them, and remarks on other columns.

        Raises:
            ColumnError: a column is missing, or there twice.
        """
        return self.preprocessor.read(frame, [self.target_name, *self.identifiers])

    @property
    def feature_names_in_(self) -> tuple[str, ...]:
        """Names of the columns that the model needs."""
        return self.preprocessor.feature_names_in_

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Columns of the training table that were left out as identifiers; '' is a column without a name."""
        return tuple(self.training.get("identifiers", ()))

    @functools.cached_property
    def classes_(self) -> NDArray[Any]:
        """The labels as `predict` returns them: integers if all labels are integers, else text."""
        try:
            numbers = [int(label) for label in self.labels]
        except ValueError:
            numbers = []
        whole = bool(numbers) and [str(number) for number in numbers] == list(self.labels)
        return np.array(numbers if whole and max(map(abs, numbers)) < 2**63 else self.labels)

    def thresholds_of_sets(self, coverage: float | None = COVERAGE, *, per_class: bool = False) -> Floats:
        """Return the largest error that a prediction set or an interval admits, for each class [class].

        Args:
            coverage, per_class: as in `LeftOutErrors.thresholds`.

        Raises:
            OptionError: as `LeftOutErrors.thresholds`, or the model has no sets, or no classes for `per_class`.
        """
        if per_class and coverage is None:
            raise OptionError("per_class is for prediction sets", "Give a coverage, such as 0.9.")
        if per_class and self.task == "regression":
            raise OptionError("a regression model has no classes", "Leave per_class out.")
        if self.calibration is None:
            message = "this model has no prediction sets: an earlier seedbed fitted it, or its rows couldn't be divided"
            raise OptionError(message, "Fit it again, on rows of several groups or times.")
        return self.calibration.thresholds(coverage, per_class=per_class)

    def networks(self) -> list[nn.Module]:
        """Return the networks as plain modules in evaluation mode.

        They take the inputs that `preprocessor` computes, and return logits, or the standardised number.
        """
        return list(self._networks)

    @functools.cached_property
    def _networks(self) -> tuple[nn.Module, ...]:
        return tuple(self.made_networks())

    def made_networks(self) -> Iterator[nn.Module]:
        """Yield the networks, each made when it is needed."""
        for number in range(self.n_networks):
            yield self._network({name: value[number].clone() for name, value in self.states.items()})

    @functools.cached_property
    def stacks(self) -> Stacks | None:
        """All networks stacked, in double precision, so that a row's prediction doesn't depend on the rows beside it.

        None for a user's own networks, which keep their precision, as their code may not accept doubles.
        """
        is_known = isinstance(self.architecture, MLP | BlendedMembers)
        return self._make_stacks(slice(None)) if is_known else None

    def made_stacks(self) -> Iterator[nn.Module | Stacks]:
        """Yield stacks of networks in double precision, each made when it is needed, or a user's own networks.

        All networks in double precision take twice the file's size. Networks made one by one take a millisecond each.
        """
        if not isinstance(self.architecture, MLP | BlendedMembers):
            yield from self.made_networks()
            return
        size = max(1, _MOST_MADE // sum(value[0].numel() for value in self.states.values()))
        for start in range(0, self.n_networks, size):
            yield self._make_stacks(slice(start, start + size))

    def _make_stacks(self, networks: slice) -> Stacks:
        states = {name: value[networks] for name, value in self.states.items()}
        states = {name: value.double() if value.is_floating_point() else value for name, value in states.items()}
        assert isinstance(self.architecture, MLP | BlendedMembers)
        return Stacks(self.architecture, states, self.preprocessor.layout.n_inputs, self.n_outputs)

    def _network(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return a network with these tensors. seedbed's own networks don't copy them."""
        network: nn.Module
        if isinstance(self.architecture, MLP | BlendedMembers):
            with torch.device("meta"):  # takes no memory, and draws no random numbers
                network = self.architecture(self.preprocessor.layout.n_inputs, self.n_outputs)
            network.load_state_dict(state, assign=True)
        else:
            with seeded(0):  # what a layer draws is overwritten; the caller's random state stays as it is
                network = self.architecture(self.preprocessor.layout.n_inputs, self.n_outputs)
            network.load_state_dict(state, strict=False)
        return network.eval().requires_grad_(False)

    def card(self) -> dict[str, Any]:
        """Return a description of the model as a plain dict, fit for JSON. docs/summary.md explains its keys."""
        card = {
            "schema_version": CARD_VERSION,
            "kind": "model",
            "format": FORMAT,
            "candidate": self.candidate,
            "architecture": architecture_to_values(self.architecture),
            "n_networks": self.n_networks,
            "n_parameters": _n_parameters(next(self.made_networks())),
            "n_inputs": self.preprocessor.layout.n_inputs,
            "target": {
                "name": self.target_name,
                "task": self.task,
                "labels": list(self.labels),
                "threshold": self.threshold if self.task == "binary" else None,
            },
            "columns": [_column(self.preprocessor, number) for number in range(len(self.feature_names_in_))],
            "training": dict(self.training),
            "score": None if self.score is None else dict(self.score),
            "sets": None if self.calibration is None else self.calibration.describe(self.labels),
            "versions": dict(self.versions),
        }
        return {**card, "sentences": score_sentences(card)}

    def __getstate__(self) -> dict[str, Any]:
        # Modules can be made again, and a user's own modules may not be picklable.
        made = ("_networks", "stacks", "classes_")
        return {name: value for name, value in self.__dict__.items() if name not in made}


def _n_parameters(network: nn.Module) -> int:
    """Return the number of parameters, and of thresholds and values of trees."""
    trees = [module for module in network.modules() if isinstance(module, DecisionTrees)]
    return sum(value.numel() for one in trees for value in (one.threshold, one.value)) + sum(
        value.numel() for value in network.parameters()
    )


def _column(preprocessor: Preprocessor, number: int) -> dict[str, Any]:
    """Describe a column for somebody who fills in a row, with typical values of numbers and dates."""
    layout = preprocessor.layout
    schema, places = layout.schemas[number], layout.places
    described: dict[str, Any] = {
        "name": schema.name,
        "kind": schema.kind,
        "levels": list(schema.levels),
        "may_be_missing": schema.has_missing,
        "timed": layout.timed[number],
    }
    if (vocabulary := layout.vocabularies[number]) is not None:
        described["told_apart"] = [schema.levels[level] for level in vocabulary.kept]
        described["n_groups"] = vocabulary.n_buckets
    numbers = (places.sources[places.numbers] == number) & ~places.circling
    if schema.kind in ("number", "date") and numbers.any():
        unit = 86_400.0 if schema.kind == "date" else 1.0  # the statistics of a date are in days
        for name in ("means", "deviations", "medians"):
            described[name[:-1]] = float(getattr(preprocessor, name)[numbers][0]) * unit
    return {**described, "usual": _usual(described)}


def _usual(column: dict[str, Any]) -> str | float | None:
    """Return the value with which a form starts."""
    if column["levels"]:
        return None if column["may_be_missing"] else str(column["levels"][0])
    median = column.get("median")
    if median is None or column["kind"] == "number":
        return median
    try:
        moment = datetime.fromtimestamp(median, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M") if column["timed"] else moment.date().isoformat()


class Stacks:
    """All networks of a model, which together predict few rows in a tenth of the time that one after the other takes.

    Each member of a blend is one stack. Rows are predicted in pieces, so that layers stay in the cache.

    Args:
        states: of the networks [network, ...], by the names in their `state_dict`, in double precision.
    """

    def __init__(
        self, architecture: MLP | Trees | BlendedMembers, states: Mapping[str, Tensor], n_inputs: int, n_outputs: int
    ) -> None:
        with torch.device("meta"):  # takes no memory, and draws no random numbers
            network = architecture(n_inputs, n_outputs)
        last = network[-1]
        self._blend = last if isinstance(last, Blend) else None
        self._clip = network[0] if self._blend is not None and len(network) > 1 else nn.Identity()
        members = {"": architecture} if not isinstance(architecture, BlendedMembers) else {
            f"{len(network) - 1}.{number}.": member for number, member in enumerate(architecture.members)
        }  # fmt: skip
        self._members = list[_StackedTrees | StackedNetworks]()
        for start, member in members.items():
            member_states = {
                name.removeprefix(start): value for name, value in states.items() if name.startswith(start)
            }
            if isinstance(member, Trees):
                self._members.append(_StackedTrees(member, n_outputs, member_states))
            else:
                self._members.append(StackedNetworks(member, n_inputs, n_outputs, member_states))
        sizes = (n_inputs, *(max(value.shape) for value in network.parameters() if value.dim()))
        of_trees = max((one.n_trees for one in members.values() if isinstance(one, Trees)), default=0) * n_outputs
        self._most_rows = max(1, _MOST_NUMBERS // max(max(sizes) * len(next(iter(states.values()))), of_trees))

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [network, row, output] for inputs X [row, input]."""
        return torch.cat([self._of(piece) for piece in X.split(self._most_rows)], 1)

    def _of(self, X: Tensor) -> Tensor:
        seen = self._clip(X.double())
        outputs = torch.stack([member(seen).permute(2, 0, 1) for member in self._members])
        if self._blend is None:
            return outputs[0]
        return self._blend.averaged(outputs.flatten(1, 2)).reshape(outputs.shape[1:])


class _StackedTrees:
    """The trees of several networks, as `StackedNetworks` are networks."""

    def __init__(self, trees: Trees, n_outputs: int, states: Mapping[str, Tensor]) -> None:
        self._made = []
        for number in range(len(states["0.left"])):
            with torch.device("meta"):
                made = WalkedTrees(trees.n_trees, trees.n_nodes, n_outputs, trees.depth, trees.probabilities)
            made.load_state_dict(
                {name.removeprefix("0."): value[number] for name, value in states.items()}, assign=True
            )
            self._made.append(made)

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [row, output, network] for inputs X [row, input]."""
        return torch.stack([made(X) for made in self._made], 2)

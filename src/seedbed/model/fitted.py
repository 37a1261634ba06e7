"""The networks of a model with their preprocessing: what predicting, saving, exporting and describing read."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seedbed.data import Preprocessor, Task
from seedbed.model.stacks import Stacks
from seedbed.networks import MLP, Architecture, BlendedMLPs
from seedbed.training import seeded

__all__ = ["FittedNetworks"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FittedNetworks:
    """The networks of a model, one per seed, and everything that is needed to predict with them.

    Attributes:
        candidate: the name of what was trained.
        architecture: builds one network.
        states: parameters and buffers by their names in a network's `state_dict`, [network, ...].
        preprocessor: makes inputs of the table's columns.
        target_name: the column that is predicted.
        task: "binary", "multiclass" or "regression".
        labels: of classes, as the table has them; the second of two is the positive one.
        threshold: a row is predicted to be positive if its probability is above; of two labels only.
        target_mean, target_deviation: of a number to predict; networks give it standardised. 0 and 1 otherwise.
        training: what the model was made of, plain values.
        score: what it may be expected to do on new rows, and whose score that is, plain values; none where it wasn't
            measured.
        versions: of the libraries that made it.
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
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_networks(self) -> int:
        return len(next(iter(self.states.values())))

    @property
    def n_outputs(self) -> int:
        """Of a network."""
        return len(self.labels) if self.task == "multiclass" else 1

    @property
    def feature_names_in_(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return self.preprocessor.feature_names_in_

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The columns of the training table that were left out as identifiers; '' is one without a name."""
        return tuple(self.training.get("identifiers", ()))

    @functools.cached_property
    def classes_(self) -> NDArray[Any]:
        """The labels as `predict` gives them: whole numbers where all are, else text; empty for a regression."""
        try:
            numbers = [int(label) for label in self.labels]
        except ValueError:
            numbers = []
        whole = bool(numbers) and [str(number) for number in numbers] == list(self.labels)
        return np.array(numbers if whole and max(map(abs, numbers)) < 2**63 else self.labels)

    def networks(self) -> list[nn.Module]:
        """The networks as plain modules in evaluation mode; they take `preprocessor`'s inputs and give logits, or the
        standardised number."""
        return list(self._networks)

    def made_networks(self, *, precise: bool) -> Iterator[nn.Module]:
        """Make one of `networks()`, or of the same in double precision, after the other; none is kept."""
        return (self._network(number, precise=precise) for number in range(self.n_networks))

    def _network(self, number: int, *, precise: bool) -> nn.Module:
        state = {}
        for name, value in self.states.items():
            kind = torch.float64 if precise and value.is_floating_point() else value.dtype
            state[name] = value[number].to(kind, copy=True)
        return self._of_state(state)

    def _of_state(self, state: Mapping[str, Tensor]) -> nn.Module:
        """A network with these tensors, and no copies of them where it is one of seedbed's."""
        network: nn.Module
        if isinstance(self.architecture, MLP | BlendedMLPs):
            with torch.device("meta"):  # without memory, and nothing is drawn
                network = self.architecture(self.preprocessor.n_inputs, self.n_outputs)
            network.load_state_dict(state, assign=True)
        else:
            with seeded(0):  # what a layer draws is overwritten, and the caller's random state isn't touched
                network = self.architecture(self.preprocessor.n_inputs, self.n_outputs)
            network.load_state_dict(state, strict=False)
        return network.eval().requires_grad_(False)

    @functools.cached_property
    def _networks(self) -> tuple[nn.Module, ...]:
        return tuple(self.made_networks(precise=False))

    @functools.cached_property
    def stacks(self) -> Stacks | None:
        """All networks at once, in double precision. None for a user's own network: its code may not take doubles."""
        if not isinstance(self.architecture, MLP | BlendedMLPs):
            return None
        return Stacks(self.architecture, self._precise_states, self.preprocessor.n_inputs, self.n_outputs)

    @functools.cached_property
    def _precise_states(self) -> Mapping[str, Tensor]:
        return {name: value.double() if value.is_floating_point() else value for name, value in self.states.items()}

    @functools.cached_property
    def precise_networks(self) -> tuple[nn.Module, ...]:
        """The networks in double precision, so that a row is predicted the same wherever it stands among others. A
        user's own are as they are, as their code may not take doubles."""
        if not isinstance(self.architecture, MLP | BlendedMLPs):
            return self._networks
        return tuple(
            self._of_state({name: value[i] for name, value in self._precise_states.items()})
            for i in range(self.n_networks)
        )

    def __getstate__(self) -> dict[str, Any]:
        # Modules can be made again, and a user's own may not be fit for pickling.
        made = ("_networks", "_precise_states", "precise_networks", "stacks", "classes_")
        return {name: value for name, value in self.__dict__.items() if name not in made}

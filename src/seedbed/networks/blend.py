"""A blend: an architecture whose networks are several multilayer perceptrons each, averaged with weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.mlp import MLP
from seedbed.networks.parts import Blend, SmoothClip

__all__ = ["BlendedMLPs"]


@dataclass(frozen=True)
class BlendedMLPs:
    """An architecture: what a model is made of that has blended several.

    Calling it builds one network of each member, behind a clip that they share, and `Blend` in front of all.

    Attributes:
        members: the architectures that are blended.
        names: what to call them, one a member.
        weights: what each counts, above 0; they sum to 1.
        temperature: what logits of classes are divided by.
        limit: of `SmoothClip`; inputs are standardised as a rule. 0 leaves inputs as they are.
        numbers: whether numbers are predicted, and no classes.

    Raises:
        CandidateError: members, names and weights don't go together, or a number is out of range.
    """

    members: tuple[MLP, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]
    temperature: float = 1.0
    limit: float = 0.0
    numbers: bool = False

    def __post_init__(self) -> None:
        if not self.members or not len(self.members) == len(self.names) == len(self.weights):
            raise CandidateError("a blend needs members, and a name and a weight for each")
        if not (min(self.weights) > 0 and math.isclose(sum(self.weights), 1, abs_tol=1e-6)):
            raise CandidateError("the weights of a blend must be above 0, and sum to 1")
        if not (0 < self.temperature < math.inf and 0 <= self.limit < math.inf):
            raise CandidateError("the temperature of a blend must be above 0, and its clip 0 or above")

    def __call__(self, n_features: int, n_outputs: int) -> nn.Sequential:
        networks: list[nn.Module] = [member(n_features, n_outputs) for member in self.members]
        clip = [SmoothClip(self.limit)] if self.limit else []
        return nn.Sequential(*clip, Blend(networks, list(self.weights), self.temperature, self.numbers))

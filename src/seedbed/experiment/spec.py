"""What is to be compared, frozen before the first network is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.data import Split, Table, repeated_folds
from seedbed.errors import CandidateError, OptionError, did_you_mean
from seedbed.networks import Candidate, Recipe, candidates_from

__all__ = ["TUTORIAL", "Experiment", "specify"]

TUTORIAL = ("linear:5", "linear:20,20", "relu:5")
"""The tutorial's three networks: what is compared where nothing else is asked for."""


@dataclass(frozen=True)
class Experiment:
    """The frozen specification of a comparison.

    Attributes:
        table: features and target.
        candidates: what is compared.
        reference: the name of the candidate that the others are held against.
        recipe: what the candidates' recipes have in common.
        repeats, folds, seeds: every candidate is trained on each of `repeats * folds` splits with `seeds` seeds.
        random_state: all randomness is derived from it.

    Raises:
        OptionError: a number is out of range.
        CandidateError: the reference isn't among the candidates.
    """

    table: Table
    candidates: tuple[Candidate, ...]
    reference: str
    recipe: Recipe
    repeats: int = 10
    folds: int = 10
    seeds: int = 5
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise OptionError(f"seeds is {self.seeds}", "Give at least 1.")
        names = [candidate.name for candidate in self.candidates]
        if self.reference not in names:
            raise CandidateError(
                f"the reference '{self.reference}' isn't among the candidates", did_you_mean(self.reference, names)
            )

    @property
    def n_networks(self) -> int:
        """Networks a candidate."""
        return self.repeats * self.folds * self.seeds

    def splits(self) -> tuple[Split, ...]:
        """The splits that all candidates share, repeat by repeat."""
        return repeated_folds(self.table.target, repeats=self.repeats, folds=self.folds, random_state=self.random_state)


def specify(
    table: Table,
    candidates: Sequence[Any] | Mapping[str, Any] | str = TUTORIAL,
    *,
    reference: str | None = None,
    recipe: Recipe,
    repeats: int,
    folds: int,
    seeds: int,
    random_state: int,
) -> Experiment:
    """An experiment from candidates as a user gives them; the reference is the first if left out.

    Raises:
        SeedbedError: a candidate or a number can't be used.
    """
    found = candidates_from(candidates)
    return Experiment(table, found, reference or found[0].name, recipe, repeats, folds, seeds, random_state)

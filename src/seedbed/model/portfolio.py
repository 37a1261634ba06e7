"""What is blended where nobody says what, and how it is trained: it grows with the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from seedbed.data import Table, encode
from seedbed.errors import OptionError
from seedbed.networks import MLP, Candidate, candidates_from
from seedbed.settings import RECIPES, Recipe
from seedbed.training import told_of, torch_seconds

__all__ = [
    "AUTO",
    "blend_seconds",
    "blend_size",
    "members_for",
    "networks_for",
    "recipe_for",
    "settings_of",
]

AUTO = "auto"
"""The word for a blend of a portfolio's members."""

_RECIPE = Recipe(
    optimizer="adamw", lr=2e-3, schedule="cosine", weight_decay=1e-2, decay_biases=False, epochs=60, batch_size=64
)


_USUAL_SHARE = 0.25
"""Of its epochs a member usually trains before it stops."""


class _Size(NamedTuple):
    """What suits a table from so many rows on.

    Attributes:
        least: rows.
        width: units of a hidden layer.
        bins: of each input.
        batch_size: rows of a step.
        n_networks: of each member.
    """

    least: int
    width: int
    bins: int
    batch_size: int
    n_networks: int


_SIZES = (
    _Size(50_000, width=192, bins=16, batch_size=1024, n_networks=8),
    _Size(12_000, width=128, bins=16, batch_size=512, n_networks=8),
    _Size(4_000, width=128, bins=16, batch_size=256, n_networks=16),
    _Size(2_000, width=64, bins=8, batch_size=128, n_networks=16),
    _Size(0, width=64, bins=8, batch_size=64, n_networks=16),
)


def members_for(portfolio: Sequence[Any] | None, table: Table) -> tuple[Candidate, ...]:
    """The candidates to be blended, told of the table's inputs.

    Args:
        portfolio: their words; none for those that suit the table.

    Raises:
        CandidateError: words aren't understood, or two are the same.
        OptionError: one is a network of the user's own: a blend is made of seedbed's.
    """
    if portfolio is None:
        encoding = encode(table)
        # Of a table in a file, nothing that makes many inputs of one.
        portfolio = words_for(table.n_rows, numbers=bool(encoding.layout.number_inputs) and not encoding.is_large)
    if not portfolio:
        raise OptionError("portfolio is empty", "Name candidates to blend, or leave it out.")
    members = candidates_from(portfolio)
    for member in members:
        if not isinstance(member.architecture, MLP):
            raise OptionError(f"'{member.name}' can't be blended", "A portfolio holds words such as relu:64,64 alone.")
    return tuple(told_of(member, table) for member in members)


def words_for(n_rows: int, *, numbers: bool) -> list[str]:
    """The candidates that suit so many rows, and numbers that may be embedded, if there are any."""
    size = _size(n_rows)
    layers = f"silu:{size.width},{size.width}@layernorm,residual"
    words = ["logistic@lr=0.04", layers]
    if numbers:
        words += [f"logistic@ple={size.bins},lr=0.02", f"{layers},ple={size.bins}"]
        words += [f"{layers},plr=4,plr_frequencies=8,plr_sigma=0.5"]
    return words


def recipe_for(given: Mapping[str, Any], n_rows: int) -> Recipe:
    """How members are trained, as far as their words don't say; what is given goes before what suits the rows.

    Raises:
        OptionError: a setting is out of range.
    """
    return dataclasses.replace(_RECIPE, **{"batch_size": _size(n_rows).batch_size, **given})


def networks_for(n_rows: int) -> int:
    """How many networks a member has where nobody says how many."""
    return _size(n_rows).n_networks


def _size(n_rows: int) -> _Size:
    return next(size for size in _SIZES if n_rows >= size.least)


def blend_size(table: Table) -> tuple[int, int, int]:
    """How many members a blend of this table has where nobody says which; for how many epochs each trains at most; and
    how many networks it has."""
    members = members_for(None, table)
    return len(members), recipe_for({}, table.n_rows).epochs, networks_for(table.n_rows)


def blend_seconds(table: Table, n_rows: int) -> float:
    """Return an estimate of the time that one core takes to fit the blend to so many rows of a table [s]. It is right
    within a factor of about 2, as nobody knows beforehand after how many epochs a member stops."""
    n_inputs, n_epochs = encode(table).layout.n_inputs, _USUAL_SHARE * _RECIPE.epochs
    seconds = 0.0
    for member in members_for(None, table):
        network = member.architecture(n_inputs, table.n_outputs)
        n_parameters = sum(parameter.numel() for parameter in network.parameters())
        seconds += torch_seconds(n_parameters, round(n_rows * n_epochs * networks_for(n_rows)))
    return seconds


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe isn't as it is where nobody asks for anything, and so was asked for."""
    usual = RECIPES["trained"]
    names = [field.name for field in dataclasses.fields(Recipe) if field.name not in ("epoch", "horizon")]
    return {name: getattr(recipe, name) for name in names if getattr(recipe, name) != getattr(usual, name)}

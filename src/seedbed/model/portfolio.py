"""What is blended where nobody says what, and how it is trained: it grows with the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.data import Table, encode
from seedbed.errors import OptionError
from seedbed.networks import MLP, RECIPES, Candidate, Recipe, candidates_from

__all__ = ["AUTO", "N_NETWORKS", "blend_size", "members_for", "recipe_for", "settings_of"]

AUTO = "auto"
"""The word for a blend of a portfolio's members."""

N_NETWORKS = 16
"""Of each member."""

_RECIPE = Recipe(
    optimizer="adamw", lr=2e-3, schedule="cosine", weight_decay=1e-2, decay_biases=False, epochs=60, batch_size=64
)
# From so many rows on, so many units in a hidden layer and rows in a batch.
_GROWTH = ((50_000, 256, 1024), (15_000, 192, 512), (5_000, 128, 256), (2_000, 64, 128), (0, 64, 64))


def members_for(portfolio: Sequence[Any] | None, n_rows: int, *, large: bool) -> tuple[Candidate, ...]:
    """The candidates to be blended.

    Args:
        portfolio: their words; none for those that suit the number of rows.
        large: whether the table lies in a file; then nothing that widens its inputs is among them.

    Raises:
        CandidateError: words aren't understood, or two are the same.
        OptionError: one is a network of the user's own: a blend is made of seedbed's.
    """
    if portfolio is None:
        width = next(width for least, width, _ in _GROWTH if n_rows >= least)
        layers = f"silu:{width},{width}@layernorm,residual"
        words = ["logistic@lr=0.04", layers]
        if not large:
            words += ["logistic@ple=8,lr=0.02", f"{layers},ple=8", f"{layers},plr=4,plr_frequencies=8"]
        portfolio = words
    members = candidates_from(portfolio)
    for member in members:
        if not isinstance(member.architecture, MLP):
            raise OptionError(f"'{member.name}' can't be blended", "A portfolio holds words such as relu:64,64 alone.")
    return members


def recipe_for(given: Mapping[str, Any], n_rows: int) -> Recipe:
    """How members are trained, as far as their words don't say; what is given goes before what suits the rows.

    Raises:
        OptionError: a setting is out of range.
    """
    batch_size = next(size for least, _, size in _GROWTH if n_rows >= least)
    return dataclasses.replace(_RECIPE, **{"batch_size": batch_size, **given})


def blend_size(table: Table) -> tuple[int, int, int]:
    """How many members a blend of this table has where nobody says which; for how many epochs each trains at most; and
    how many networks it has."""
    members = members_for(None, table.n_rows, large=encode(table).is_large)
    return len(members), recipe_for({}, table.n_rows).epochs, N_NETWORKS


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe isn't as it is where nobody asks for anything, and so was asked for."""
    usual = RECIPES["trained"]
    names = [field.name for field in dataclasses.fields(Recipe) if field.name not in ("epoch", "horizon")]
    return {name: getattr(recipe, name) for name in names if getattr(recipe, name) != getattr(usual, name)}

"""The members of a blend that suit a table: networks in words, and decision trees."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch

from seedbed.data import Table, encode
from seedbed.errors import OptionError
from seedbed.model.trees import FEW_ROWS, MOST_ROWS, inputs_share, n_leaves
from seedbed.networks import MLP, Candidate, Trees, candidates_from
from seedbed.settings import RECIPES, Recipe
from seedbed.training import PATIENT_SHARE, network_operations, network_seconds, operation_seconds, with_inputs_of

__all__ = ["AUTO", "member_costs", "members_for", "networks_for", "recipe_for", "settings_of"]

AUTO = "auto"
"""The word for a blend of a portfolio's members."""

_RECIPE = Recipe(optimizer="adamw", lr=2e-3, schedule="cosine", weight_decay=1e-2, decay_biases=False)
_TREES: Mapping[str, Literal["boosted", "extra"]] = {"boosted-trees": "boosted", "extra-trees": "extra"}
_MOST_CLASSES, _MOST_INPUTS = 12, 1_000  # for trees: boosting grows one for each class, and looks at all inputs
# Operations of a value at each level of a tree, of a boosted leaf and of an extra tree beside them, as
# `network_operations` counts.
_A_VALUE, _A_LEAF, _A_TREE = 1000.0, 7e6, 1e8


class _Size(NamedTuple):
    """What suits tables with at least `least` rows.

    Attributes:
        least: rows.
        width: units of a hidden layer.
        bins: bins of each input.
        batch_size: rows of a step.
        n_networks: networks of each member; twice as many if a small table has no trees.
        epochs: of a network, if no rows left out end its training.
        extra_trees: extra trees beside each network.
    """

    least: int
    width: int
    bins: int
    batch_size: int
    n_networks: int = 8
    epochs: int = 30
    extra_trees: int = 50


_SIZES = (
    _Size(50_000, width=192, bins=16, batch_size=1024, n_networks=4, epochs=15),
    _Size(12_000, width=128, bins=16, batch_size=512, n_networks=4, epochs=15),
    _Size(4_000, width=128, bins=16, batch_size=256, epochs=15),
    _Size(2_000, width=64, bins=8, batch_size=128),
    _Size(FEW_ROWS, width=64, bins=8, batch_size=64),
    _Size(0, width=64, bins=8, batch_size=64, epochs=60, extra_trees=25),
)


def members_for(portfolio: Sequence[Any] | None, table: Table, *, more: bool = False) -> tuple[Candidate, ...]:
    """Return the candidates to blend, adapted to the table's inputs. Without a portfolio, they suit the table.

    Args:
        portfolio: the candidates.
        table: the rows.
        more: return others, which a blend tries if its time limit allows it.
    """
    if portfolio is None:
        encoding = encode(table)
        numbers = bool(encoding.layout.number_inputs)
        few = table.n_outputs <= _MOST_CLASSES and encoding.layout.n_inputs <= _MOST_INPUTS
        trees = tuple(_TREES) if few else ()
        if more:
            portfolio = more_words_for(table.n_rows, numbers=numbers)
        else:
            portfolio = [*words_for(table.n_rows, numbers=numbers, trees=bool(trees)), *trees]
    if not portfolio:
        raise OptionError("portfolio is empty", "Name candidates to blend, or leave it out.")
    members = candidates_from([_tree_candidate(one, table.n_rows) or one for one in portfolio])
    for member in members:
        if not isinstance(member.architecture, MLP | Trees):
            hint = "Name networks in words such as relu:64,64, boosted-trees or extra-trees."
            raise OptionError(f"'{member.name}' can't be blended", hint)
    return tuple(
        with_inputs_of(member, table) if isinstance(member.architecture, MLP) else member for member in members
    )


def _tree_candidate(word: Any, n_rows: int) -> Candidate | None:
    """Return the candidate that `boosted-trees`, `extra-trees`, or either with a number such as `:100` means."""
    name, colon, number = word.strip().partition(":") if isinstance(word, str) else ("", "", "")
    if name not in _TREES:
        return None
    if colon and not (number.isascii() and number.isdecimal() and 0 < int(number) <= 10_000):
        raise OptionError(f"'{word}' has no number of trees", f"Write {name}, or {name}:100.")
    usual = {"boosted": 150, "extra": _size(n_rows).extra_trees}
    return Candidate(word.strip(), Trees(_TREES[name], int(number) if colon else usual[_TREES[name]]))


def words_for(n_rows: int, *, numbers: bool, trees: bool = False) -> list[str]:
    """Return the words of the networks that suit a number of rows. If `numbers`, some inputs may be embedded.

    Args:
        trees: whether trees are among the members, too.
    """
    size = _size(n_rows)
    layers = f"silu:{size.width},{size.width}@layernorm,residual"
    words = ["logistic@lr=0.04"]
    if n_rows < FEW_ROWS or not (trees and numbers):  # beside trees it would have no weight on a larger table
        words.append(layers)
    if numbers:
        words += [f"logistic@ple={size.bins},lr=0.02", f"{layers},ple={size.bins}"]
        words += [f"{layers},plr=4,plr_frequencies=8,plr_sigma=0.5"]
    return words


def more_words_for(n_rows: int, *, numbers: bool) -> list[str]:
    """Return the words of candidates that a blend tries if its time limit allows it."""
    size = _size(n_rows)
    layers = f"silu:{size.width},{size.width}@layernorm,residual"
    words = ["silu:256,256@layernorm,residual,dropout=0.2"]
    if numbers:
        words += [f"silu:{size.width}@plr=8,plr_frequencies=16,plr_sigma=0.2", f"{layers},ple={4 * size.bins}"]
        words += [f"{layers},plr=4,plr_frequencies=8,plr_sigma=0.5,weight_decay=0.3,dropout=0.1"]
    return words


def recipe_for(given: Mapping[str, Any], n_rows: int) -> Recipe:
    """Return the recipe of the members, which their words may override. `given` replaces what suits the rows."""
    size = _size(n_rows)
    return dataclasses.replace(_RECIPE, **{"batch_size": size.batch_size, "epochs": size.epochs, **given})


def networks_for(n_rows: int, members: Iterable[Candidate]) -> int:
    """Return the default number of networks of each member of a blend."""
    has_trees = any(isinstance(member.architecture, Trees) for member in members)
    return _size(n_rows).n_networks * (1 if has_trees or n_rows >= FEW_ROWS else 2)


def _size(n_rows: int) -> _Size:
    return next(size for size in _SIZES if n_rows >= size.least)


def member_costs(
    table: Table,
    n_rows: int,
    *,
    portfolio: Sequence[Any] | None = None,
    n_networks: int | None = None,
    seconds: bool = True,
) -> dict[str, float]:
    """Estimate the time in which one core fits each member of a blend to some rows of a table, by its words [s].

    The estimate is right within a factor of about 2, as the epochs after which members stop aren't known.

    Args:
        portfolio, n_networks: as in `blend_table`.
        seconds: otherwise return operations, see `network_operations`.
    """
    n_inputs, n_epochs = encode(table).layout.n_inputs, PATIENT_SHARE * _size(n_rows).epochs
    of_network, costs = network_seconds if seconds else network_operations, {}
    members = members_for(portfolio, table)
    n_networks = networks_for(n_rows, members) if n_networks is None else n_networks
    for member in members:
        if isinstance(member.architecture, Trees):
            cost = _tree_operations(member.architecture, n_rows, n_inputs, table.n_outputs)
            cost = operation_seconds(cost) if seconds else cost
        else:
            with torch.device("meta"):  # nothing is drawn
                cost = of_network(member.architecture(n_inputs, table.n_outputs), n_rows, n_epochs)
        costs[member.name] = n_networks * cost
    return costs


def _tree_operations(trees: Trees, n_rows: int, n_inputs: int, n_outputs: int) -> float:
    """Return about how many operations the trees of one network take, in terms of `network_operations`."""
    if trees.method == "boosted":
        n_trees = trees.n_trees if trees.n_nodes else trees.n_trees * n_outputs
        leaves = n_leaves(n_rows)
        return n_trees * (leaves * _A_LEAF + n_inputs * n_rows / 2 * math.log2(leaves) * _A_VALUE)
    n_rows = min(n_rows, MOST_ROWS)
    values = inputs_share(n_inputs) * n_inputs * n_rows
    return trees.n_trees * (_A_TREE + values * math.log2(n_rows / 3 + 2) * _A_VALUE)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that the user changed: those that differ from the default recipe."""
    usual = RECIPES["trained"]
    names = [field.name for field in dataclasses.fields(Recipe) if field.name not in ("epoch", "horizon")]
    return {name: getattr(recipe, name) for name in names if getattr(recipe, name) != getattr(usual, name)}

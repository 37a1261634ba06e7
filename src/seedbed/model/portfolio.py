"""The models that suit a table: those of the default comparison, which `auto` blends, and
candidates in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from seedbed.data.layout import layout_of
from seedbed.data.table import Table
from seedbed.errors import CandidateError, OptionError
from seedbed.evaluation.summaries import Task
from seedbed.model.tree_data import SMALL_TABLE
from seedbed.networks.candidate import (
    DEFAULT_MODELS,
    Candidate,
    candidate_from,
    unique_names,
)
from seedbed.networks.mlp import MLP, Prior, Regression, Trees
from seedbed.outcomes.tasks import outcome_of

PRIOR, AUTO = (
    "prior",
    "auto",
)  # the second is the word for a blend of the default models

LINES = ("prior", "logistic", *DEFAULT_MODELS)
"""The names of the default models, for classes. For numbers, `linear` stands in place of
`logistic`."""

_TREES: Mapping[str, Literal["boosted", "extra"]] = {
    "boosted-trees": "boosted",
    "extra-trees": "extra",
}
_MOST_CLASSES, _MOST_INPUTS = (
    12,
    1_000,
)  # for trees: boosting grows one for each class, and looks at all inputs
_MOST_LEAVES = 127  # of the trees that a blend tries if it has time
_MANY_ROWS = 12_000  # from which on a model has fewer networks


class _Size(NamedTuple):
    """What suits tables with at least `least` rows: units of a hidden layer, bins of each input,
    epochs of the default networks, which learn faster than plain ones, and extra trees beside each
    network."""

    least: int
    width: int
    bins: int
    epochs: int
    extra_trees: int = 50


_SIZES = (
    _Size(50_000, width=192, bins=16, epochs=15),
    _Size(12_000, width=128, bins=16, epochs=15),
    _Size(4_000, width=128, bins=16, epochs=30),
    _Size(SMALL_TABLE, width=64, bins=8, epochs=30),
    _Size(0, width=64, bins=8, epochs=60, extra_trees=25),
)


def anchors(task: Task) -> tuple[str, ...]:
    """Return the names of the models that named candidates are compared with."""
    return "prior", outcome_of(task).linear, "boosted-trees"


def default_models(table: Table) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names of the default models of a table, and why others are missing."""
    layout = layout_of(table)
    missing = dict[str, str]()
    if not layout.number_inputs:
        missing |= dict.fromkeys(
            ("network-2-bins", "network-2-waves"), "there are no numbers"
        )
    if table.n_outputs > _MOST_CLASSES:
        missing |= dict.fromkeys(_TREES, f"there are more than {_MOST_CLASSES} classes")
    elif layout.n_inputs > _MOST_INPUTS:
        missing |= dict.fromkeys(_TREES, f"there are more than {_MOST_INPUTS:,} inputs")
    lines = (table.outcome.linear if name == "logistic" else name for name in LINES)
    return tuple(name for name in lines if name not in missing), missing


def candidates_for(
    specs: Sequence[Any] | Mapping[str, Any] | str, table: Table
) -> tuple[Candidate, ...]:
    """Return the candidates for a table, from names of default models, words, or callables.
    CandidateError if a word is unknown, there are no candidates, two have one name, or one has
    `numbers`."""
    if isinstance(specs, str):
        specs = [specs]
    named = (
        specs.items()
        if isinstance(specs, Mapping)
        else [(None, spec) for spec in specs]
    )
    candidates = []
    for name, spec in named:
        line = _line(spec.strip(), table) if isinstance(spec, str) else None
        candidate = (
            candidate_from(spec, name)
            if line is None
            else dataclasses.replace(line, name=name or line.name)
        )
        if (
            isinstance(candidate.architecture, MLP)
            and candidate.architecture.numbers is not None
        ):
            raise CandidateError(
                f"candidate '{candidate.name}' sets numbers or categories, which are indices of an array's inputs",
                "Leave them out: in a table, each fit finds them in its rows.",
            )
        candidates.append(candidate)
    return unique_names(candidates)


def _line(word: str, table: Table) -> Candidate | None:
    """Return the default model of this name, or trees with a number such as `extra-trees:100`."""
    size = _size(table.n_rows)
    if word == "prior":
        return Candidate(word, Prior())
    if word == table.outcome.linear:
        return Candidate(word, Regression())
    name, colon, number = word.partition(":")
    if name in _TREES:
        if colon and not (
            number.isascii() and number.isdecimal() and 0 < int(number) <= 10_000
        ):
            raise OptionError(
                f"'{word}' has no number of trees", f"Write {name}, or {name}:100."
            )
        usual = {"boosted": 150, "extra": size.extra_trees}
        return Candidate(
            word, Trees(_TREES[name], int(number) if colon else usual[_TREES[name]])
        )
    two = f"silu:{size.width},{size.width}@layernorm,residual"
    words = {
        "network-1": f"silu:{size.width}@layernorm",
        "network-2": two,
        "network-2-bins": f"{two},ple={size.bins}",
        "network-2-waves": f"{two},plr=4,plr_frequencies=8,plr_sigma=0.5",
    }.get(word)
    if words is None:
        return None
    return dataclasses.replace(
        candidate_from(words, word), defaults=(("lr", 0.002), ("epochs", size.epochs))
    )


def more_members(table: Table) -> tuple[Candidate, ...]:
    """Return the candidates that a blend tries in turn if its time limit allows it."""
    size = _size(table.n_rows)
    layers = f"silu:{size.width},{size.width}@layernorm,residual"
    words = ["silu:256,256@layernorm,residual,dropout=0.2"]
    if layout_of(table).number_inputs:
        words += [
            f"silu:{size.width}@plr=8,plr_frequencies=16,plr_sigma=0.2",
            f"{layers},ple={4 * size.bins}",
        ]
        words += [
            f"{layers},plr=4,plr_frequencies=8,plr_sigma=0.5,weight_decay=0.3,dropout=0.1"
        ]
    networks = candidates_for(words, table)
    if "boosted-trees" in default_models(table)[1]:
        return networks
    large = Trees("boosted", 400, most_leaves=_MOST_LEAVES)
    return Candidate(f"boosted-trees, {_MOST_LEAVES} leaves", large), *networks


def n_networks_for(n_rows: int) -> int:
    """Return the default number of networks of a model."""
    return 4 if n_rows >= _MANY_ROWS else 8


def _size(n_rows: int) -> _Size:
    return next(size for size in _SIZES if n_rows >= size.least)

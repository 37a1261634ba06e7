"""A candidate's stack for a table: checked first, and with its name in whatever goes wrong."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from seedbed.data import Table, encode
from seedbed.errors import CandidateError, SeedbedError
from seedbed.networks import MLP, Candidate, FileArchitecture, Recipe, UserArchitecture
from seedbed.training.data import TrainingData
from seedbed.training.losses import check_smoothing
from seedbed.training.planning import StackPlan, plan_stack
from seedbed.training.stack import build_network

_MOST_LINES = 40  # of a module's repr

__all__ = ["own_module", "plan_candidate", "told_of"]


def told_of(candidate: Candidate, table: Table) -> Candidate:
    """The candidate for a table: if its architecture asks which inputs are numbers, and which belong to categories, it
    has been told."""
    own = candidate.architecture
    if not (isinstance(own, MLP) and own.asks):
        return candidate
    layout = encode(table).layout
    return dataclasses.replace(candidate, architecture=own.told(layout.number_inputs, layout.category_inputs))


def plan_candidate(candidate: Candidate, table: Table, data: TrainingData, recipe: Recipe, **options: Any) -> StackPlan:
    """What `plan_stack` plans with these options, for a candidate's networks on a table.

    Args:
        candidate: what is built.
        table: which decides how many outputs there must be.
        data: of the table, from `table_data`.
        recipe: in force.
        options: of `plan_stack`.

    Raises:
        SeedbedError: the network can't be built for this table, or an option is wrong; the message names the candidate.
    """
    candidate = told_of(candidate, table)
    build = functools.partial(candidate.architecture, data.X.shape[1], table.n_outputs)
    try:
        n_outputs = data.n_outputs(build_network(build, 0))
        if n_outputs != table.n_outputs:
            outputs = f"{n_outputs} outputs" if n_outputs != 1 else "1 output"
            raise CandidateError(f"the network has {outputs}", _outputs_needed(table))
        if recipe.label_smoothing:
            check_smoothing(data.loss(recipe.loss, n_outputs), recipe.label_smoothing)
        return plan_stack(build, data, recipe, **options)
    except SeedbedError as error:
        if candidate.name in error.message:
            raise
        raise type(error)(f"candidate '{candidate.name}': {error.message}", error.hint) from error


def own_module(candidate: Candidate, table: Table) -> str:
    """Return the `repr` of a candidate's module and its number of parameters, as it is built for a table; an empty text
    unless the module is the user's own.

    Raises:
        SeedbedError: it can't be built.
    """
    own = candidate.architecture
    if not isinstance(own, UserArchitecture | FileArchitecture):
        return ""
    name = own.name if isinstance(own, UserArchitecture) else f"{own.path}:{own.name}"
    n_inputs, n_outputs = encode(table).layout.n_inputs, table.n_outputs
    network = build_network(functools.partial(own, n_inputs, n_outputs), 0)
    n_parameters = sum(p.numel() for p in network.parameters())
    lines = repr(network).splitlines()
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1 :] = [f"  ... {len(lines) - _MOST_LINES + 1} more lines"]
    size = f"{n_parameters:,} parameters, {n_inputs:,} inputs"
    return "\n".join([f"{name}: {size}", *(f"  {line}" for line in lines)])


def _outputs_needed(table: Table) -> str:
    if table.task == "regression":
        return "A number to predict takes one."
    if table.task == "binary":
        return "Two labels take one, the logit of the second."
    return f"{table.n_outputs} labels take {table.n_outputs}, the logit of each."

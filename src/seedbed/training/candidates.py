"""The networks of a candidate for a table. Errors name the candidate."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from seedbed.data.layout import Layout, layout_of
from seedbed.data.table import Table
from seedbed.errors import CandidateError, SeedbedError, counted, warn
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import MLP, Architecture, builder_of
from seedbed.networks.network import Network, Source
from seedbed.networks.user import OwnArchitecture, UserArchitecture
from seedbed.settings.design import EngineName
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.losses import pick_loss
from seedbed.training.parallel import one_thread
from seedbed.training.planning import pick_engine
from seedbed.training.stack import traits_of
from seedbed.training.torch import require_torch

_MOST_LINES = 40  # of a module's repr


def with_inputs_of(candidate: Candidate, layout: Layout) -> Candidate:
    """Return the candidate with the inputs of one fit, if it embeds them or is a user's own module.

    Call this for each fit: its rows may have other inputs than the whole table, as a rare level may
    be missing.
    """
    architecture = candidate.architecture
    if isinstance(architecture, OwnArchitecture):
        architecture = dataclasses.replace(
            architecture, categories=layout.category_inputs
        )
    elif isinstance(architecture, MLP) and architecture.embeds:
        categories = layout.category_inputs if architecture.embed else ()
        architecture = dataclasses.replace(
            architecture, numbers=layout.number_inputs, categories=categories
        )
    return dataclasses.replace(candidate, architecture=architecture)


@one_thread("cpu")
def check_candidate(
    candidate: Candidate,
    table: Table,
    data: TrainingData,
    recipe: Recipe,
    engine: EngineName,
    device: str,
) -> Source:
    """Return the network of a candidate for a table, or what builds a user's own. The recipe has
    the candidate's own settings. SeedbedError, which names the candidate, if it can't be built for
    this table, or an option is wrong."""
    source = source_of(candidate.architecture, data.X.shape[1], table.n_outputs)
    try:
        traits = traits_of(source, 0, data)
        if traits.n_outputs != table.n_outputs:
            raise CandidateError(
                f"the network has {counted(traits.n_outputs, 'output')}",
                _outputs_needed(table),
            )
        pick_loss(
            recipe.loss,
            data.y,
            traits.n_outputs,
            label_smoothing=recipe.label_smoothing,
        )
        pick_engine(engine, traits, device)
    except SeedbedError as error:
        raise type(error)(
            f"candidate '{candidate.name}': {error.message}", error.hint
        ) from error
    return source


def source_of(architecture: Architecture, n_inputs: int, n_outputs: int) -> Source:
    """Return the network of a candidate for so many inputs and outputs, or what builds a user's
    own. CandidateError if the candidate isn't a network."""
    if isinstance(architecture, MLP):
        return architecture.network(n_inputs, n_outputs)
    return functools.partial(builder_of(architecture), n_inputs, n_outputs)


def n_parameters_of(architecture: Architecture, n_inputs: int, n_outputs: int) -> int:
    """Return the number of parameters of one network."""
    source = source_of(architecture, n_inputs, n_outputs)
    if isinstance(source, Network):
        return source.n_parameters
    require_torch("a network of your own")
    from seedbed.training.torch.states import build_network

    return sum(parameter.numel() for parameter in build_network(source, 0).parameters())


def own_module(candidate: Candidate, table: Table) -> str:
    """Return the `repr` and the number of parameters of a user-defined module, built for a table,
    and a warning if it seems to return probabilities; empty for other candidates. SeedbedError if
    the module can't be built."""
    architecture = candidate.architecture
    if not isinstance(architecture, OwnArchitecture):
        return ""
    require_torch("a network of your own")
    from seedbed.training.torch.states import build_network

    name = architecture.name
    if not isinstance(architecture, UserArchitecture):
        name = f"{architecture.path}:{name}"
    build, n_inputs = _build_of(candidate, table)
    network = build_network(build, 0)
    lines = repr(network).splitlines()
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1 :] = [f"  ... {len(lines) - _MOST_LINES + 1} more lines"]
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    size = f"{counted(n_parameters, 'parameter')}, {counted(n_inputs, 'input')}"
    if warning := _warning_of(candidate, table):
        lines.append(f"Warning: {warning}.")
    return "\n".join([f"{name}: {size}", *(f"  {line}" for line in lines)])


def warn_of_probabilities(candidate: Candidate, table: Table) -> None:
    """Warn in Python of a user-defined module that seems to return probabilities. The command line
    prints it."""
    if warning := _warning_of(candidate, table):
        warn(f"candidate '{candidate.name}': {warning}")


def _warning_of(candidate: Candidate, table: Table) -> str:
    is_own = isinstance(candidate.architecture, OwnArchitecture)
    if not is_own or table.outcome.is_number:
        return ""
    require_torch("a network of your own")
    from seedbed.training.torch.own_modules import probabilities_warning

    return probabilities_warning(*_build_of(candidate, table))


def _build_of(candidate: Candidate, table: Table) -> tuple[Any, int]:
    """Return what builds a user's own module for a table, and the number of its inputs."""
    layout = layout_of(table)
    architecture = with_inputs_of(candidate, layout).architecture
    return source_of(architecture, layout.n_inputs, table.n_outputs), layout.n_inputs


def _outputs_needed(table: Table) -> str:
    if table.outcome.is_number:
        return "A numeric target needs one output."
    if table.n_outputs == 1:
        return "Two labels need one output, the logit of the second."
    return f"{table.n_outputs} labels need {table.n_outputs} outputs, a logit of each."

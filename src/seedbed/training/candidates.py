"""The networks of a candidate for a table. Errors name the candidate."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seedbed.data.layout import layout_of
from seedbed.data.table import Table, Task
from seedbed.errors import CandidateError, SeedbedError, counted, warn
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import MLP
from seedbed.networks.user import FileArchitecture, UserArchitecture
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.losses import check_smoothing, pick_loss
from seedbed.training.parallel import one_thread
from seedbed.training.planning import Chunk, plan_chunks
from seedbed.training.randomness import seeded
from seedbed.training.states import build_network, outputs_of

_MOST_LINES = 40  # of a module's repr
_TRIALS = 3  # seeds that networks are built under
_ROUNDING = 1e-6


def with_inputs_of(candidate: Candidate, table: Table) -> Candidate:
    """Return the candidate with the table's numeric and categorical inputs, if its architecture needs to know them."""
    mlp = candidate.architecture
    if not (isinstance(mlp, MLP) and mlp.needs_inputs):
        return candidate
    layout = layout_of(table)
    return dataclasses.replace(candidate, architecture=mlp.with_inputs(layout.number_inputs, layout.category_inputs))


@one_thread("cpu")
def plan_candidate(
    candidate: Candidate, table: Table, data: TrainingData, recipe: Recipe, **options: Any
) -> tuple[Chunk, ...]:
    """Plan the chunks of a candidate's networks for a table.

    Args:
        candidate: the candidate.
        table: the table, which decides how many outputs a network must have.
        data: what the networks train on.
        recipe: the recipe, with the candidate's own settings.
        options: other arguments of `plan_chunks`.

    Raises:
        SeedbedError: the network can't be built for this table, or an option is wrong. The message names the candidate.
    """
    candidate = with_inputs_of(candidate, table)
    make = _builder if isinstance(candidate.architecture, MLP) else functools.partial
    build = make(candidate.architecture, data.X.shape[1], table.n_outputs)
    try:
        n_outputs = data.n_outputs(build_network(build, 0))
        if n_outputs != table.n_outputs:
            raise CandidateError(f"the network has {counted(n_outputs, 'output')}", _outputs_needed(table))
        if recipe.label_smoothing:
            check_smoothing(pick_loss(recipe.loss, data.y, n_outputs), recipe.label_smoothing)
        return plan_chunks(build, data, recipe, **options)
    except SeedbedError as error:
        if candidate.name in error.message:
            raise
        raise type(error)(f"candidate '{candidate.name}': {error.message}", error.hint) from error


@functools.lru_cache(64)
def _builder(architecture: MLP, n_inputs: int, n_outputs: int) -> Callable[[], nn.Module]:
    """Return the same function for the same network, so that its stacks share a chain, see `shared_forward`."""
    return functools.partial(architecture, n_inputs, n_outputs)


def own_module(candidate: Candidate, table: Table) -> str:
    """Return the `repr` and the number of parameters of a user-defined module, built for a table.

    The text is empty for candidates that aren't user-defined.

    Raises:
        SeedbedError: the module can't be built.
    """
    module = candidate.architecture
    if not isinstance(module, UserArchitecture | FileArchitecture):
        return ""
    name = module.name if isinstance(module, UserArchitecture) else f"{module.path}:{module.name}"
    n_inputs = layout_of(table).n_inputs
    build = functools.partial(module, n_inputs, table.n_outputs)
    network = build_network(build, 0)
    n_parameters = n_parameters_of(module, n_inputs, table.n_outputs)
    lines = repr(network).splitlines()
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1 :] = [f"  ... {len(lines) - _MOST_LINES + 1} more lines"]
    size = f"{counted(n_parameters, 'parameter')}, {counted(n_inputs, 'input')}"
    if warning := probabilities_warning(build, n_inputs, table.task):
        lines.append(f"Warning: {warning}.")
    return "\n".join([f"{name}: {size}", *(f"  {line}" for line in lines)])


def n_parameters_of(architecture: Callable[[int, int], nn.Module], n_inputs: int, n_outputs: int) -> int:
    """Return the number of parameters of one network."""
    if isinstance(architecture, MLP):
        return _n_parameters_of_mlp(architecture, n_inputs, n_outputs)
    network = build_network(functools.partial(architecture, n_inputs, n_outputs), 0)
    return sum(parameter.numel() for parameter in network.parameters())


@functools.lru_cache
def _n_parameters_of_mlp(architecture: MLP, n_inputs: int, n_outputs: int) -> int:
    with torch.device("meta"):  # nothing is drawn
        return sum(parameter.numel() for parameter in architecture(n_inputs, n_outputs).parameters())


def warn_of_probabilities(candidate: Candidate, table: Table) -> None:
    """Warn in Python of a user-defined module that seems to return probabilities. The command line prints it."""
    build, n_inputs = candidate.architecture, layout_of(table).n_inputs
    if isinstance(build, UserArchitecture | FileArchitecture):
        build_one = functools.partial(build, n_inputs, table.n_outputs)
        if warning := probabilities_warning(build_one, n_inputs, table.task):
            warn(f"candidate '{candidate.name}': {warning}")


def probabilities_warning(build: Callable[[], nn.Module], n_features: int, task: Task) -> str:
    """Return a warning if `forward()` seems to end with a sigmoid or softmax; else an empty text."""
    kind = find_final_activation(build, n_features, task)
    return f"forward() seems to end with a {kind}; it must return logits" if kind else ""


def look_like_probabilities(outputs: npt.NDArray[np.floating], task: Task) -> bool:
    """Return whether outputs [row, output] look like those of a sigmoid or softmax. Rows that aren't finite are
    ignored."""
    z = outputs[np.isfinite(outputs).all(axis=1)]
    if task == "regression" or ((z < -_ROUNDING) | (z > 1 + _ROUNDING)).any():
        return False
    return task == "binary" or bool((np.abs(z.sum(axis=1) - 1) < 1e-4).all())


def find_final_activation(
    build: Callable[[], nn.Module], n_features: int, task: Task
) -> Literal["", "sigmoid", "softmax"]:
    """Return the activation with which `forward()` seems to end, or an empty text.

    Outputs of one network may lie between 0 and 1 by chance. So networks are built under several seeds, with their
    initial parameters and with large random ones, and get random rows of two scales.

    Args:
        build: builds one network.
        n_features: features of a row.
        task: the task.
    """
    if task == "regression":
        return ""
    outputs: list[npt.NDArray[np.floating]] = []
    for seed in range(_TRIALS):
        try:
            # A copy, because networks may share a layer, such as a pretrained one, and parameters are replaced below.
            network = copy.deepcopy(build_network(build, seed)).eval()
            outputs += [_try_network(network, n_features, scale, seed) for scale in (1.0, 10.0)]
        except Exception:  # noqa: BLE001 - the user's code may not expect these numbers
            return ""
        if not all(look_like_probabilities(z, task) for z in outputs[-2:]):
            return ""
    known = np.concatenate(outputs)
    known = known[np.isfinite(known)]
    if not known.size or known.max() - known.min() <= _ROUNDING:
        return ""
    return "softmax" if task == "multiclass" else "sigmoid"


def _try_network(network: nn.Module, n_features: int, scale: float, seed: int) -> npt.NDArray[np.floating]:
    """Return outputs [row, output] for random rows. With a scale above 1, parameters are replaced by random ones."""
    dtype = next(p.dtype for p in network.parameters())
    with torch.no_grad(), seeded(seed):
        for parameter in network.parameters() if scale > 1 else ():
            parameter.copy_(scale * torch.randn_like(parameter))
        z: npt.NDArray[np.floating] = outputs_of(network, scale * torch.randn(64, n_features, dtype=dtype)).numpy()
    return z


def _outputs_needed(table: Table) -> str:
    if table.task == "regression":
        return "A number to predict takes one."
    if table.task == "binary":
        return "Two labels take one, the logit of the second."
    return f"{table.n_outputs} labels take {table.n_outputs}, the logit of each."

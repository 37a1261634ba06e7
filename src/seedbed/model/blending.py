"""A model that is a blend: members trained on inner splits, and weighted by what they say of the rows left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from seedbed.arguments import shown
from seedbed.data import Preprocessor, Split, Table, encode
from seedbed.errors import OptionError, TrainingError
from seedbed.evaluation import best_temperature, blend_weights, mean_loss, tempered
from seedbed.fitting import Running, Settled
from seedbed.model.layout import MOST_NETWORKS
from seedbed.model.making import facts_of, make_model
from seedbed.model.members import Member, Rows, network_of, splits_of_networks, trained_members
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, members_for, networks_for, recipe_for
from seedbed.model.row_weights import row_weights
from seedbed.networks import BlendedMLPs
from seedbed.settings import Engine, Recipe
from seedbed.training import Board, Chunk, pick_workers
from seedbed.typing import Floats

__all__ = ["OutOfBag", "blend_table"]


@dataclass(frozen=True, eq=False)
class OutOfBag:
    """What a blend says of the rows it was fitted to, each by the networks that weren't trained on it.

    Weights, temperature and epochs were chosen by these very rows, so it looks better than it is, but little: they are
    few numbers for many rows.

    Attributes:
        values: probabilities [row, class], or numbers [row]; NaN in rows that were never left out.
        loss: the mean log loss, or the mean squared error; NaN where no row was left out.
        losses: of each member by itself, by its words; also of those that count nothing in the blend.
    """

    values: Floats
    loss: float
    losses: Mapping[str, float]


def blend_table(
    table: Table,
    *,
    portfolio: Sequence[Any] | None = None,
    n_networks: int | None = None,
    settings: Mapping[str, Any] | None = None,
    sample_weight: ArrayLike | None = None,
    time_limit: float | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    engine: Engine = "auto",
    device: str = "auto",
    jobs: int | None = None,
    cluster: str | None = None,
    watch: Callable[[str, Sequence[Chunk]], Board] | None = None,
) -> tuple[Model, OutOfBag]:
    """Fit a portfolio's members to all rows and blend them.

    Every member is a stack of networks, each with an inner split of its own; the rows that it leaves out say after how
    many epochs the stack is used, what the member counts in the blend, and how sharp the blend is.

    Args:
        portfolio: words of candidates; those that suit the number of rows if left out.
        n_networks: of each member; what suits the number of rows if left out.
        settings: of the recipe, in place of those that suit the number of rows.
        sample_weight: what each row counts [row].
        time_limit: seconds for training, about; whether a member was reached hangs on the machine then.
        score, threshold, random_state, engine, device, jobs, cluster, watch: as `fit_model` has them.

    Raises:
        SeedbedError: an option is out of range, or a member can't be trained on this table.
    """
    n_networks = networks_for(table.n_rows) if n_networks is None else n_networks
    _check(n_networks, time_limit)
    encoding, preprocessor = encode(table), Preprocessor.fit(table)
    members = members_for(portfolio, table)
    recipe = recipe_for(settings or {}, table.n_rows)
    splits, weights = splits_of_networks(table, n_networks, random_state), row_weights(table, sample_weight)
    everything = np.arange(table.n_rows)
    none_left_out = [Split(number, 0, everything, everything) for number in range(n_networks)]
    rows = Rows(table, encoding, preprocessor, splits or none_left_out, weights)
    running = Running(engine, *pick_workers(jobs, device, cluster), watch)
    trained = list(trained_members(members, table, rows, recipe, random_state=random_state, running=running,
                                   time_limit=time_limit))  # fmt: skip
    if not trained:
        raise TrainingError("every member of the portfolio diverged", "Give a lower learning rate.")
    blended, out_of_bag = _blended(table, trained, rows, weights) if splits else _averaged(table, trained, rows)
    kept = [member for member in trained if member.candidate.name in blended.names]
    facts = _facts(table, recipe, kept, out_of_bag.loss if splits else None, random_state)
    if n_left_out := len(members) - len(trained):
        facts["n_members_left_out"] = n_left_out
    model = make_model(table, AUTO, blended, _states(blended, kept), preprocessor, score=score, threshold=threshold,
                       training=facts)  # fmt: skip
    return model, out_of_bag


def _facts(
    table: Table, recipe: Recipe, members: Sequence[Member], loss: float | None, random_state: int
) -> dict[str, Any]:
    """What the blend was made of; `loss` is that of rows left out, if any were."""
    how = "by the rows that each network left out" if loss is not None else "by the training rows, as none is left out"
    settled = Settled(recipe.lrs[0], max(member.epochs for member in members), how)
    told, n_networks = dataclasses.replace(recipe, epoch="inner"), len(next(iter(members[0].states.values())))
    facts = facts_of(table, told, settled, n_networks, 0, random_state)
    if any(member.candidate.overrides for member in members):
        facts["recipe"] += ", but for what members' words say"
    return facts if loss is None else {**facts, "out_of_bag_loss": loss}


def _check(n_networks: int, time_limit: Any) -> None:
    if not 1 <= n_networks <= MOST_NETWORKS:
        raise OptionError(f"n_networks is {shown(n_networks)}", f"A model has 1 to {MOST_NETWORKS:,} networks.")
    is_number = isinstance(time_limit, int | float | np.number) and not isinstance(time_limit, bool)
    if time_limit is not None and not (is_number and time_limit > 0):
        raise OptionError(f"time_limit is {time_limit!r}", "It must be a number of seconds above 0, or None.")


def _states(blended: BlendedMLPs, members: Sequence[Member]) -> dict[str, Tensor]:
    """Of the members, by the names that they have in a blend's `state_dict`."""
    place = int(bool(blended.limit))  # the clip comes first
    numbered = enumerate(members)
    return {f"{place}.{number}.{name}": value for number, own in numbered for name, value in own.states.items()}


def _blended(
    table: Table, trained: Sequence[Member], rows: Rows, own_weights: NDArray[np.float32] | None
) -> tuple[BlendedMLPs, OutOfBag]:
    draws = [_by_draw(member.outputs, table, rows) for member in trained]
    left_out = np.isfinite(draws[0].reshape(len(draws[0]), table.n_rows, -1)).all(axis=2).any(axis=0)
    counts = (np.ones(table.n_rows) if own_weights is None else own_weights.astype(np.float64))[left_out]
    draws = [draw[:, left_out] for draw in draws]
    target = table.target[left_out]
    if table.task == "regression":
        target = target.astype(np.float64)
    alone = [np.nanmean(draw, axis=0) for draw in draws]
    weights = blend_weights(alone, target, counts)
    together = sum(weight * draw for weight, draw in zip(weights, draws, strict=True))
    assert not isinstance(together, int)
    temperature = 1.0
    if table.task != "regression":
        temperature = best_temperature(together, target, counts)
        together = tempered(together, temperature)
    values = np.full((table.n_rows, *together.shape[2:]), np.nan)
    values[left_out] = np.nanmean(together, axis=0)
    blended = _blend_of(table, trained, rows, weights, temperature)
    named = zip((member.candidate.name for member in trained), alone, strict=True)
    losses = {name: mean_loss(said, target, counts) for name, said in named}
    return blended, OutOfBag(values, mean_loss(values[left_out], target, counts), losses)


def _blend_of(
    table: Table, trained: Sequence[Member], rows: Rows, weights: Floats, temperature: float = 1.0
) -> BlendedMLPs:
    """The blend of those members that count something."""
    used = [(member.candidate, float(weight)) for member, weight in zip(trained, weights, strict=True) if weight]
    return BlendedMLPs(
        members=tuple(network_of(candidate) for candidate, _ in used),
        names=tuple(candidate.name for candidate, _ in used),
        weights=tuple(weight for _, weight in used),
        temperature=temperature,
        limit=rows.limit,
        numbers=table.task == "regression",
    )


def _averaged(table: Table, trained: Sequence[Member], rows: Rows) -> tuple[BlendedMLPs, OutOfBag]:
    """Where no row was left out, nothing tells what a member is worth: each counts the same."""
    blended = _blend_of(table, trained, rows, np.full(len(trained), 1 / len(trained)))
    values = np.full((table.n_rows, len(table.labels)) if table.labels else table.n_rows, np.nan)
    return blended, OutOfBag(values, np.nan, {member.candidate.name: np.nan for member in trained})


def _by_draw(outputs: NDArray[np.float32], table: Table, rows: Rows) -> Floats:
    """What networks say of the rows that they left out, probabilities [draw, row, class] or numbers [draw, row], with
    as many draws as a row was left out at most; NaN where it wasn't."""
    there = np.isfinite(outputs[:, 0])
    place = there.cumsum(axis=1) - 1
    n_draws = max(int(there.sum(axis=1).max()), 1)
    found = np.full((n_draws, len(outputs), outputs.shape[1]), np.nan)
    row, network = np.nonzero(there)
    found[place[row, network], row] = outputs[row, :, network]
    if table.task == "regression":
        mean, deviation = rows.target_scale
        return np.asarray(found[:, :, 0] * deviation + mean)
    logits = torch.from_numpy(found)
    if table.task == "binary":
        return torch.cat([(-logits).sigmoid(), logits.sigmoid()], 2).numpy()
    return logits.softmax(2).numpy()

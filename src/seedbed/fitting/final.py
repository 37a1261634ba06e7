"""Networks of one candidate fitted to all rows, with a learning rate and an epoch that are given or chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seedbed.data import Encoding, Split, Table
from seedbed.errors import TrainingError
from seedbed.fitting.rounds import Round, Runs, choices_of, choosing_runs, inner_splits, plan_round
from seedbed.networks import Candidate
from seedbed.settings import Compute, Engine, Recipe
from seedbed.training import (
    Board,
    Chunk,
    ChunkResult,
    Cluster,
    TrainingData,
    derive,
    pick_workers,
    table_data,
    train_chunks,
)

__all__ = ["Running", "Settled", "choose_settings", "fit_networks", "n_choosing", "with_settings"]

_FEWEST_INNER = 5


@dataclass(frozen=True)
class Running:
    """Where networks are trained, and where they report their epochs.

    Attributes:
        engine: as in `Compute`.
        jobs, device, cluster: as `pick_workers` returns them.
        board_for: gets the name of a stage and its chunks; returns the board on which the chunks write their epochs.
    """

    engine: Engine = "auto"
    jobs: int = 1
    device: str = "cpu"
    cluster: Cluster | None = None
    board_for: Callable[[str, Sequence[Chunk]], Board] | None = None

    @classmethod
    def on(cls, compute: Compute, board_for: Callable[[str, Sequence[Chunk]], Board] | None = None) -> Running:
        """Return where `compute` trains: the number of cores, the device and the cluster are looked up."""
        return cls(compute.engine, *pick_workers(compute.jobs, compute.device, compute.cluster), board_for)

    def train(self, stage: str, chunks: Sequence[Chunk], data: TrainingData) -> Iterator[tuple[int, ChunkResult]]:
        """Train the chunks of a stage; yield the number of each and its result."""
        board = self.board_for(stage, chunks) if self.board_for else None
        return train_chunks(chunks, data, self.jobs, board, self.cluster)

    def networks(self, stage: str, which: Round) -> Iterator[tuple[int, int, ChunkResult]]:
        """Train a round of one candidate; yield each network's number, its column in a result, and the result."""
        (stack,) = which.stacks
        for number, result in self.train(stage, stack.plan.chunks, which.data):
            for column, member in enumerate(stack.plan.chunks[number].members):
                yield member, column, result


@dataclass(frozen=True)
class Settled:
    """The learning rate and the epochs with which networks are fitted.

    Attributes:
        lr: the learning rate.
        epochs: the number of epochs; a schedule is still planned for the epochs of the recipe.
        how: how they were chosen, in a few words.
    """

    lr: float
    epochs: int
    how: str


def choose_settings(
    candidate: Candidate,
    table: Table,
    encoding: Encoding,
    recipe: Recipe,
    *,
    n_inner: int,
    random_state: int,
    weights: NDArray[np.float32] | None,
    running: Running,
) -> Settled:
    """Return the recipe's learning rate and epochs, or those with the lowest mean validation loss over inner splits.

    Each inner split trains on four fifths of the rows; with times, on the past.

    Args:
        n_inner: number of inner splits; at least five are made.
        weights: the weight of each row [row], in training and validation losses.

    Raises:
        SeedbedError: the network can't be trained, or it diverged at every rate.
    """
    if not recipe.chooses:
        return Settled(recipe.lrs[0], recipe.epochs, "as asked for")
    n_inner = max(n_inner, _FEWEST_INNER)
    states = [derive(random_state, "model", "inner", number) % 2**32 for number in range(n_inner)]
    splits = inner_splits(table, np.arange(table.n_rows), states, windows=n_inner)
    data = table_data(table, encoding, splits, weights)

    def seed(_: int, inner: int) -> int:
        return derive(random_state, candidate.name, "model", "inner", inner)

    runs = choosing_runs(candidate, recipe, 1, len(splits), seed)
    which = plan_round(table, data, {0: runs}, together=len(splits), engine=running.engine, device=running.device)
    losses = np.full((len(runs.seeds), recipe.epochs), np.nan)
    for network, column, result in running.networks("choosing", which):
        losses[network] = result.curves[2, :, column]
    (choice,) = choices_of(recipe, losses, 1)
    if choice.loss is None:
        raise TrainingError(f"candidate '{candidate.name}': every network diverged", "Give a lower learning rate.")
    return Settled(recipe.lrs[choice.lr], choice.epochs, f"by {len(splits)} inner splits of the rows")


def n_choosing(recipe: Recipe, n_inner: int) -> int:
    """Return how many networks `choose_settings` trains; fewer where times leave fewer inner splits."""
    return len(recipe.lrs) * max(n_inner, _FEWEST_INNER) if recipe.chooses else 0


def with_settings(recipe: Recipe, settled: Settled) -> Recipe:
    """Return the recipe with the learning rate and the epochs that were settled.

    A schedule is the same as when the epochs were chosen: it is planned for the largest number of epochs, and training
    ends after those that were chosen.
    """
    horizon = max(recipe.horizon or recipe.epochs, settled.epochs) if recipe.varies else None
    if horizon == settled.epochs:
        horizon = None
    return dataclasses.replace(recipe, lr=settled.lr, epochs=settled.epochs, epoch="last", horizon=horizon)


def fit_networks(
    candidate: Candidate,
    table: Table,
    encoding: Encoding,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    weights: NDArray[np.float32] | None,
    running: Running,
) -> tuple[dict[str, Tensor], int]:
    """Fit networks, one for each seed, to all rows.

    Args:
        weights: the weight of each row [row].

    Returns:
        Their states by parameter name [network, ...], and the number of networks that diverged and are left out.

    Raises:
        SeedbedError: the network can't be trained, or all of them diverged.
    """
    rows = np.arange(table.n_rows)
    # The figures of test rows aren't used; for the training rows, they come from the same pass.
    data = table_data(table, encoding, [Split(0, 0, rows, rows)], weights)
    runs = Runs(candidate, recipe, seeds, [0] * len(seeds), [recipe.lrs[0]] * len(seeds))
    which = plan_round(table, data, {0: runs}, engine=running.engine, device=running.device, keep_networks=True,
                       keep_outputs=False)  # fmt: skip
    states: dict[int, dict[str, Tensor]] = {}
    for network, column, result in running.networks("fitting", which):
        assert result.states is not None
        state = result.states[column]
        if all(value.isfinite().all() for value in state.values()):
            states[network] = {name: value.cpu() for name, value in state.items()}
    if not states:
        raise TrainingError(f"candidate '{candidate.name}': every network diverged", "Give a lower learning rate.")
    kept = [states[network] for network in sorted(states)]
    return {name: torch.stack([state[name] for state in kept]) for name in kept[0]}, len(seeds) - len(kept)

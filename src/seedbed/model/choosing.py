"""How long to train and at which rate, where no comparison has chosen it: by inner splits of all rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Encoding, Split, Table, inner_holdout, time_folds
from seedbed.errors import TrainingError
from seedbed.evaluation import choose
from seedbed.networks import Candidate, Recipe
from seedbed.training import Board, Chunk, Cluster, Engine, derive, plan_candidate, table_data, train_chunks

__all__ = ["Running", "Settled", "fixed", "n_choosing", "settle"]

_FEWEST_INNER = 5


@dataclass(frozen=True)
class Running:
    """How networks are trained, and who watches.

    Attributes:
        engine: as `plan_stack` has it.
        jobs, device, cluster: from `pick_workers`.
        watch: is given the name of a stage and its chunks, and returns the board on which they write their epochs.
    """

    engine: Engine = "auto"
    jobs: int = 1
    device: str = "cpu"
    cluster: Cluster | None = None
    watch: Callable[[str, Sequence[Chunk]], Board] | None = None

    def board(self, stage: str, chunks: Sequence[Chunk]) -> Board | None:
        return self.watch(stage, chunks) if self.watch else None


@dataclass(frozen=True)
class Settled:
    """What networks are fitted with.

    Attributes:
        lr: the learning rate.
        epochs: for how many epochs; a schedule stays laid out for the recipe's own, as it was when they were chosen.
        how: by what they were chosen, in a few words.
    """

    lr: float
    epochs: int
    how: str


def settle(
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
    """The recipe's own learning rate and epochs, or those with the least mean validation loss over inner splits.

    Each inner split trains on four fifths of the rows; of rows with times, on the past.

    Args:
        n_inner: how many splits; at least five are made.
        weights: what each row counts [row], in training and choosing alike.

    Raises:
        SeedbedError: the network can't be trained, or it diverged at every rate.
    """
    if not recipe.chooses:
        return Settled(recipe.lrs[0], recipe.epochs, "as asked for")
    splits = _inner_splits(table, max(n_inner, _FEWEST_INNER), random_state)
    data = table_data(table, encoding, splits, weights)
    places = [(lr, number) for lr in recipe.lrs for number in range(len(splits))]
    plan = plan_candidate(
        candidate,
        table,
        data,
        recipe,
        # One seed for all learning rates: they are compared from the same beginning.
        seeds=[derive(random_state, candidate.name, "model", "inner", number) for _, number in places],
        splits=[number for _, number in places],
        lr=[lr for lr, _ in places],
        engine=running.engine,
        device=running.device,
        keep_outputs=False,
        together=len(splits),
    )
    losses = np.full((len(places), recipe.epochs), np.nan)
    board = running.board("choosing", plan.chunks)
    for number, result in train_chunks(plan.chunks, data, running.jobs, board, running.cluster):
        losses[list(plan.chunks[number].members)] = result.curves[2].T
    by_lr = losses.reshape(len(recipe.lrs), len(splits), recipe.epochs)
    choice = choose(by_lr, recipe.waits) if recipe.epoch == "inner" else choose(by_lr[:, :, -1:])
    if choice.loss is None:
        raise TrainingError(f"candidate '{candidate.name}': every network diverged", "Give a lower learning rate.")
    epochs = choice.epochs if recipe.epoch == "inner" else recipe.epochs
    return Settled(recipe.lrs[choice.lr], epochs, f"by {len(splits)} inner splits of the rows")


def n_choosing(recipe: Recipe, n_inner: int) -> int:
    """How many networks `settle` trains to choose by; fewer where times leave fewer inner splits."""
    return len(recipe.lrs) * max(n_inner, _FEWEST_INNER) if recipe.chooses else 0


def fixed(recipe: Recipe, settled: Settled) -> Recipe:
    """The recipe with what was settled in the place of what it chooses.

    A learning rate that changes goes the way that it went when the epochs were chosen: it is laid out for all epochs
    that there could have been, and left after those that were chosen.
    """
    horizon = max(recipe.horizon or recipe.epochs, settled.epochs) if recipe.varies else None
    if horizon == settled.epochs:
        horizon = None
    return dataclasses.replace(recipe, lr=settled.lr, epochs=settled.epochs, epoch="last", horizon=horizon)


def _inner_splits(table: Table, n: int, random_state: int) -> list[Split]:
    rows = np.arange(table.n_rows)
    parts = []
    if table.times is not None:
        parts = list(time_folds(table.times, rows, folds=n, groups=table.groups))
    if not parts:
        states = [derive(random_state, "model", "inner", number) % 2**32 for number in range(n)]
        parts = [inner_holdout(table.target, rows, random_state=state, groups=table.groups) for state in states]
    return [Split(0, number, train, test) for number, (train, test) in enumerate(parts)]

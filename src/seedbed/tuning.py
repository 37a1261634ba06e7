"""Tune, then fit: inner splits, tables of runs that become stacks, choices of learning rate and epoch, final networks.

Comparisons, models and estimators make tables of `Runs`; `plan_round` stacks them, and `training` trains the stacks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seedbed.data import Encoding, Split, Table, inner_holdout, repeated_folds, time_folds
from seedbed.errors import TrainingError
from seedbed.evaluation import Choice, choose
from seedbed.networks import Candidate
from seedbed.settings import Compute, Engine, Recipe
from seedbed.training import (
    Board,
    Chunk,
    ChunkResult,
    Cluster,
    StackPlan,
    TrainingData,
    derive,
    pick_workers,
    plan_candidate,
    table_data,
    train_chunks,
)

__all__ = [
    "Round",
    "Running",
    "Runs",
    "Stack",
    "TunedSettings",
    "choices_of",
    "choose_settings",
    "choosing_runs",
    "fit_networks",
    "inner_splits",
    "n_choosing",
    "outputs_left_out",
    "plan_round",
    "with_settings",
]

_FEWEST_INNER = 5


@dataclass(frozen=True)
class Runs:
    """One candidate's networks of a round, in order.

    Attributes:
        candidate: what is trained.
        recipe: how it is trained, except for the learning rates.
        seeds, splits, lrs: the seed of each network, the number of its split in the data, and its learning rate.
        parts: the part of the round in which each network is trained, see `Stack`; empty if there is only one.
    """

    candidate: Candidate
    recipe: Recipe
    seeds: Sequence[int]
    splits: Sequence[int]
    lrs: Sequence[float]
    parts: Sequence[int] = ()


@dataclass(frozen=True)
class Stack:
    """Networks that are trained together. Candidates that differ only in learning rate or weight decay share a stack.

    Attributes:
        plan: its chunks.
        owners: the owner of each network: (number of the candidate, number of the network in the candidate).
        parts: the part of the round that each network belongs to. Networks of a chunk belong to the same part, so the
            parts of a round can be trained one after the other.
    """

    plan: StackPlan
    owners: tuple[tuple[int, int], ...]
    parts: tuple[int, ...]

    def chunks(self, part: int | None) -> tuple[Chunk, ...]:
        """Return the chunks of one part, or all."""
        return tuple(chunk for chunk in self.plan.chunks if part in (None, self.parts[chunk.members[0]]))


@dataclass(frozen=True)
class Round:
    """Stacks that can be trained at the same time.

    Attributes:
        data: the inputs, and the training and test rows of each split.
        stacks: what is trained.
        chooses: whether the round chooses learning rates and epochs.
    """

    data: TrainingData
    stacks: tuple[Stack, ...]
    chooses: bool = False


def choosing_runs(
    candidate: Candidate,
    recipe: Recipe,
    n_splits: int,
    n_inner: int,
    seed: Callable[[int, int], int],
    parts: Sequence[int] = (),
) -> Runs:
    """Return the networks that choose a candidate's learning rate and epoch, in the order (split, rate, inner split).

    Args:
        n_splits: number of splits, each with its own choice.
        n_inner: number of inner splits of each.
        seed: returns the seed of (split, inner split). Learning rates share it, so they start from the same networks.
        parts: the part of each split, see `Stack`; empty if there is only one.
    """
    places = [(split, lr, inner) for split in range(n_splits) for lr in recipe.lrs for inner in range(n_inner)]
    return Runs(
        candidate,
        recipe,
        [seed(split, inner) for split, _, inner in places],
        [split * n_inner + inner for split, _, inner in places],
        [lr for _, lr, _ in places],
        [parts[split] for split, _, _ in places] if parts else (),
    )


def choices_of(recipe: Recipe, losses: NDArray[np.floating], n_splits: int) -> list[Choice]:
    """Return the choice of each split.

    Args:
        losses: validation losses [network, epoch] of `choosing_runs`.
    """
    by_split = losses.reshape(n_splits, len(recipe.lrs), -1, recipe.epochs)
    if recipe.epoch == "inner":
        return [choose(split, recipe.waits) for split in by_split]
    choices = [choose(split[:, :, -1:], recipe.waits) for split in by_split]
    return [dataclasses.replace(choice, epochs=recipe.epochs) for choice in choices]


def plan_round(
    table: Table,
    data: TrainingData,
    runs: Mapping[int, Runs],
    *,
    together: int = 0,
    engine: Engine = "auto",
    device: str = "cpu",
    keep_networks: bool = False,
    keep_outputs: bool = True,
) -> Round:
    """Return the stacks in which runs are trained.

    Args:
        runs: the networks by the number of their candidate.
        together: number of consecutive networks that choose together; 0 if the round doesn't choose.
        engine, device, keep_networks, keep_outputs: as in `plan_stack`; a round that chooses keeps no outputs.

    Raises:
        SeedbedError: a network can't be built for this table.
    """
    kinds: list[tuple[tuple[object, Recipe], list[int]]] = []
    for number, networks in runs.items():
        kind = networks.candidate.architecture, dataclasses.replace(networks.recipe, lr=None, weight_decay=None)
        for other, members in kinds:
            if other == kind:
                members.append(number)
                break
        else:
            kinds.append((kind, [number]))
    stacks = []
    for _, members in kinds:
        owned = [runs[number] for number in members]
        parts = tuple(part for networks in owned for part in networks.parts or [0] * len(networks.seeds))
        plan = plan_candidate(
            owned[0].candidate,
            table,
            data,
            owned[0].recipe,
            seeds=[seed for networks in owned for seed in networks.seeds],
            splits=[split for networks in owned for split in networks.splits],
            lr=[lr for networks in owned for lr in networks.lrs],
            decay=[networks.recipe.decay for networks in owned for _ in networks.seeds],
            parts=parts,
            engine=engine,
            device=device,
            keep_networks=keep_networks,
            keep_outputs=keep_outputs and not together,
            together=together,
        )
        owners = [(number, place) for number in members for place in range(len(runs[number].seeds))]
        stacks.append(Stack(plan, tuple(owners), parts))
    return Round(data, tuple(stacks), chooses=together > 0)


def inner_splits(
    table: Table,
    rows: NDArray[np.int64],
    states: Sequence[int],
    *,
    windows: int,
    folds: int | None = None,
    repeats: int = 1,
) -> tuple[Split, ...]:
    """Return splits of some rows of a table. No group has rows on both sides of one.

    Args:
        table: the table.
        rows: the rows to divide, by number.
        states: random states; each gives one stratified 80/20 split, or `repeats` x `folds` stratified folds.
        windows: the largest number of splits of rows with times. Each trains on the past and validates on the next
            rows. If all rows have one time, or groups last to the end, rows are divided as if they had no times.
        folds: number of folds; None for 80/20 splits.
        repeats: how often each random state divides the rows into folds.

    Raises:
        SeedbedError: there are too few rows, groups, or rows of a class for so many folds.
    """
    own_windows = () if table.times is None else time_folds(table.times, rows, folds=windows, groups=table.groups)
    parts: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
    if own_windows:
        parts = own_windows
    elif folds is None:
        parts = (inner_holdout(table.target, rows, random_state=state, groups=table.groups) for state in states)
    else:
        groups = None if table.groups is None else table.groups[rows]
        parts = (
            (rows[fold.train], rows[fold.test])
            for state in states
            for fold in repeated_folds(
                table.target[rows], repeats=repeats, folds=folds, random_state=state, groups=groups
            )
        )
    return tuple(Split(0, number, train, test) for number, (train, test) in enumerate(parts))


# Networks of one candidate for all rows


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

    def train(
        self, stage: str, chunks: Sequence[Chunk], data: TrainingData | Sequence[TrainingData]
    ) -> Iterator[tuple[int, ChunkResult]]:
        """Train the chunks of a stage, on the same data or each on its own; yield the number of each and its result."""
        board = self.board_for(stage, chunks) if self.board_for else None
        return train_chunks(chunks, data, self.jobs, board, self.cluster)

    def networks(self, stage: str, which: Round) -> Iterator[tuple[int, int, ChunkResult]]:
        """Train a round of one candidate; yield each network's number, its column in a result, and the result."""
        (stack,) = which.stacks
        for number, result in self.train(stage, stack.plan.chunks, which.data):
            for column, member in enumerate(stack.plan.chunks[number].members):
                yield member, column, result


@dataclass(frozen=True)
class TunedSettings:
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
) -> TunedSettings:
    """Return the recipe's learning rate and epochs, or those with the lowest mean validation loss over inner splits.

    Each inner split trains on four fifths of the rows; with times, on the past.

    Args:
        n_inner: number of inner splits; at least five are made.
        weights: the weight of each row [row], in training and validation losses.

    Raises:
        SeedbedError: the network can't be trained, or it diverged at every rate.
    """
    if not recipe.chooses:
        return TunedSettings(recipe.lrs[0], recipe.epochs, "as asked for")
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
    return TunedSettings(recipe.lrs[choice.lr], choice.epochs, f"by {len(splits)} inner splits of the rows")


def n_choosing(recipe: Recipe, n_inner: int) -> int:
    """Return how many networks `choose_settings` trains; fewer where times leave fewer inner splits."""
    return len(recipe.lrs) * max(n_inner, _FEWEST_INNER) if recipe.chooses else 0


def with_settings(recipe: Recipe, settled: TunedSettings) -> Recipe:
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
        assert result.stacked is not None
        state = {name: value[column].cpu() for name, value in result.stacked.items()}
        if all(value.isfinite().all() for value in state.values()):
            states[network] = state
    if not states:
        raise TrainingError(f"candidate '{candidate.name}': every network diverged", "Give a lower learning rate.")
    kept = [states[network] for network in sorted(states)]
    return {name: torch.stack([state[name] for state in kept]) for name in kept[0]}, len(seeds) - len(kept)


def outputs_left_out(
    candidate: Candidate,
    table: Table,
    encoding: Encoding,
    recipe: Recipe,
    splits: Sequence[Split],
    *,
    seeds: Sequence[int],
    weights: NDArray[np.float32] | None,
    running: Running,
) -> NDArray[np.float32]:
    """Train a network on each split; return its outputs for the rows left out [row, output, network], NaN elsewhere.

    Outputs of a regression are in units of the target. Those of networks that diverged are NaN.

    Args:
        splits, seeds: the split and the seed of each network.
        weights: the weight of each row [row].

    Raises:
        SeedbedError: the network can't be trained.
    """
    outputs = np.full((table.n_rows, table.n_outputs, len(splits)), np.nan, dtype=np.float32)
    if not splits:
        return outputs
    data = table_data(table, encoding, splits, weights)
    runs = Runs(candidate, recipe, seeds, range(len(splits)), [recipe.lrs[0]] * len(splits))
    which = plan_round(table, data, {0: runs}, engine=running.engine, device=running.device)
    for network, column, result in running.networks("fitting", which):
        outputs[:, :, network] = result.outputs[:, :, column]
    if data.target_scale is not None and data.target_shift is not None:
        outputs = (outputs - data.target_shift) / data.target_scale
    return outputs

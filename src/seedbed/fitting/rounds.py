"""Rounds: inner splits, tables of runs that become stacks of networks, and validation losses that become choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Split, Table, inner_holdout, repeated_folds, spill, time_folds
from seedbed.evaluation import Choice, choose
from seedbed.networks import Candidate
from seedbed.settings import Engine, Recipe
from seedbed.training import StackPlan, TrainingData, plan_candidate

__all__ = ["Round", "Runs", "Stack", "choices_of", "choosing_runs", "inner_splits", "plan_round"]


@dataclass(frozen=True)
class Runs:
    """One candidate's networks of a round, in order.

    Attributes:
        candidate: what is trained.
        recipe: how it is trained, except for the learning rates.
        seeds, splits, lrs: the seed of each network, the number of its split in the data, and its learning rate.
    """

    candidate: Candidate
    recipe: Recipe
    seeds: Sequence[int]
    splits: Sequence[int]
    lrs: Sequence[float]


@dataclass(frozen=True)
class Stack:
    """Networks that are trained together. Candidates that differ only in learning rate or weight decay share a stack.

    Attributes:
        plan: its chunks.
        owners: the owner of each network: (number of the candidate, number of the network in the candidate).
    """

    plan: StackPlan
    owners: tuple[tuple[int, int], ...]


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
    candidate: Candidate, recipe: Recipe, n_splits: int, n_inner: int, seed: Callable[[int, int], int]
) -> Runs:
    """Return the networks that choose a candidate's learning rate and epoch, in the order (split, rate, inner split).

    Args:
        n_splits: number of splits, each with its own choice.
        n_inner: number of inner splits of each.
        seed: returns the seed of (split, inner split). Learning rates share it, so they start from the same networks.
    """
    places = [(split, lr, inner) for split in range(n_splits) for lr in recipe.lrs for inner in range(n_inner)]
    return Runs(
        candidate,
        recipe,
        [seed(split, inner) for split, _, inner in places],
        [split * n_inner + inner for split, _, inner in places],
        [lr for _, lr, _ in places],
    )


def choices_of(recipe: Recipe, losses: NDArray[np.floating], n_splits: int) -> list[Choice]:
    """Return the choice of each split.

    Args:
        losses: validation losses [network, epoch] of `choosing_runs`.
    """
    by_split = losses.reshape(n_splits, len(recipe.lrs), -1, recipe.epochs)
    if recipe.epoch == "inner":
        return [choose(one, recipe.waits) for one in by_split]
    found = [choose(one[:, :, -1:], recipe.waits) for one in by_split]
    return [dataclasses.replace(choice, epochs=recipe.epochs) for choice in found]


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
    for number, own in runs.items():
        kind = own.candidate.architecture, dataclasses.replace(own.recipe, lr=None, weight_decay=None)
        for other, members in kinds:
            if other == kind:
                members.append(number)
                break
        else:
            kinds.append((kind, [number]))
    stacks = []
    for _, members in kinds:
        parts = [runs[number] for number in members]
        plan = plan_candidate(
            parts[0].candidate,
            table,
            data,
            parts[0].recipe,
            seeds=[seed for part in parts for seed in part.seeds],
            splits=[split for part in parts for split in part.splits],
            lr=[lr for part in parts for lr in part.lrs],
            decay=[part.recipe.decay for part in parts for _ in part.seeds],
            engine=engine,
            device=device,
            keep_networks=keep_networks,
            keep_outputs=keep_outputs and not together,
            together=together,
        )
        owners = [(number, place) for number in members for place in range(len(runs[number].seeds))]
        stacks.append(Stack(plan, tuple(owners)))
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
    # One at a time, as they may be large.
    return tuple(Split(0, number, spill(train), spill(test)) for number, (train, test) in enumerate(parts))

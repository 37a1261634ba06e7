"""The execution of a plan: baselines, then what chooses, then what is judged; chunks are trained side by side."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seedbed.evaluation import Choice
from seedbed.experiment.fitting import fit_baselines
from seedbed.experiment.gathering import GatheredBaseline, GatheredCandidate
from seedbed.experiment.kept import Kept
from seedbed.experiment.pacing import timed
from seedbed.experiment.plan import Plan
from seedbed.experiment.results import BaselineResult, Results
from seedbed.experiment.watch import Task, Watch, watch_plan
from seedbed.fitting import Round, Stack, choices_of
from seedbed.training import Chunk, ChunkResult, train_chunks

__all__ = ["run"]


def run(plan: Plan, *, watch: Watch | None = None, kept: Kept | None = None) -> Results:
    """Train all networks of a plan, and fit its baselines.

    Args:
        watch: is told how far it is; from `watch_plan`.
        kept: where finished work is kept, and where what is there already is taken from.

    Raises:
        TrainingError: a baseline can't be fitted.
    """
    started = time.perf_counter()
    watch = watch or watch_plan(plan)
    watch.stage = "timing"
    plan = timed(plan)
    watch.expect(plan)
    baselines = _fit_baselines(plan, watch, kept)
    choices = _choose(plan, watch, kept)
    gathered = [
        GatheredCandidate(plan, number, choices.get(number)) for number in range(len(plan.experiment.candidates))
    ]
    for stack, members, result in _trained(plan, _with_choices(plan, choices), watch, kept):
        for column, member in enumerate(members):
            candidate, network = stack.owners[member]
            gathered[candidate].add(network, column, result)
        for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
            watch.show(plan.experiment.candidates[candidate].name, gathered[candidate].bands())
    results = [one.result() for one in gathered]
    seconds = time.perf_counter() - started
    return Results(plan.experiment, plan.splits, (*results, *baselines), seconds, plan.specification)


def _fit_baselines(plan: Plan, watch: Watch, kept: Kept | None) -> list[BaselineResult]:
    spec = plan.experiment
    gathered = [GatheredBaseline(plan, baseline) for baseline in spec.baselines]

    def add(number: int, split: int, predictions: npt.NDArray[np.floating], *, taken: bool = False) -> None:
        gathered[number].add(split, predictions)
        watch.count(spec.baselines[number].name, taken=taken)
        watch.show(spec.baselines[number].name)

    there = set()
    for number, split in itertools.product(range(len(gathered)), range(len(plan.all_splits)) if kept else ()):
        if kept and (taken := kept.fit(spec.baselines[number], split)) is not None:
            add(number, split, taken, taken=True)
            there.add((number, split))
    fits = fit_baselines(spec.baselines, spec.table, plan.encoding, plan.all_splits, jobs=plan.jobs, without=there,
                         cluster=plan.cluster)  # fmt: skip
    for number, split, predictions in fits:
        if kept:
            kept.keep_fit(spec.baselines[number], split, predictions)
        add(number, split, predictions)
    return [one.result() for one in gathered]


def _choose(plan: Plan, watch: Watch, kept: Kept | None) -> dict[int, list[Choice]]:
    """For each candidate that chooses, by its number: the choice of each split.

    What chooses sees validation losses and nothing else: the networks' own curves for rows that were taken out of the
    training rows of the split.
    """
    if plan.choosing is None:
        return {}
    spec, n_splits, n_inner = plan.experiment, len(plan.inner), len(plan.inner[0])
    recipes = [candidate.recipe(spec.recipe) for candidate in spec.candidates]
    losses = {
        number: np.full((n_splits * len(recipe.lrs) * n_inner, recipe.epochs), np.nan, dtype=np.float32)
        for number, recipe in enumerate(recipes)
        if recipe.chooses
    }
    for stack, members, result in _trained(plan, plan.choosing, watch, kept):
        for column, member in enumerate(members):
            candidate, network = stack.owners[member]
            losses[candidate][network] = result.curves[2, :, column]
        for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
            watch.show(spec.candidates[candidate].name)
    return {number: choices_of(recipes[number], own, n_splits) for number, own in losses.items()}


def _with_choices(plan: Plan, choices: dict[int, list[Choice]]) -> Round:
    """The round that is judged, each network with the learning rate and the epochs that were chosen for its split."""
    spec = plan.experiment
    recipes = [candidate.recipe(spec.recipe) for candidate in spec.candidates]
    stacks = []
    for stack in plan.fitting.stacks:
        lrs, stops = [], []
        for candidate, network in stack.owners:
            recipe, split = recipes[candidate], network // spec.design.seeds
            choice = choices[candidate][split] if candidate in choices else None
            lrs.append(recipe.lrs[choice.lr if choice else 0])
            stops.append(choice.epochs if choice else recipe.epochs)
        stacks.append(replace(stack, plan=stack.plan.trained_with(lrs, stops)))
    return replace(plan.fitting, stacks=tuple(stacks))


def _trained(
    plan: Plan, which: Round, watch: Watch, kept: Kept | None
) -> Iterator[tuple[Stack, tuple[int, ...], ChunkResult]]:
    """Train all chunks of a round: (stack, its members, what came of them), as each is done; first those that an
    earlier run has finished."""
    waiting = []
    for stack in which.stacks:
        for chunk in stack.plan.chunks:
            taken = kept.chunk(which, chunk) if kept else None
            if taken is None:
                waiting.append((stack, chunk))
            else:
                watch.take(_watched(plan, stack, chunk))
                yield stack, chunk.members, taken
    places = _in_order(waiting)
    tasks = [_watched(plan, stack, chunk) for stack, chunk in places]
    board = watch.begin(tasks, plan.stage(which) if plan.choosing else "")
    chunks = [chunk for _, chunk in places]
    savepoints = [kept.savepoint(which, chunk) if kept else None for chunk in chunks]
    trained = train_chunks(chunks, which.data, plan.jobs, board, plan.cluster, savepoints)
    with contextlib.closing(trained) as done:
        for number, result in done:
            stack, chunk = places[number]
            if kept:
                kept.keep_chunk(which, chunk, result)
            watch.finish(number)
            yield stack, chunk.members, result


def _watched(plan: Plan, stack: Stack, chunk: Chunk) -> Task:
    names = Counter(plan.experiment.candidates[stack.owners[member][0]].name for member in chunk.members)
    return Task(names, chunk.recipe.epochs, _cost(stack, chunk))


def _cost(stack: Stack, chunk: Chunk) -> float:
    return stack.plan.seconds * len(chunk.members) / len(stack.owners)


def _in_order(places: list[tuple[Stack, Chunk]]) -> list[tuple[Stack, Chunk]]:
    """The longest first, so that no core is left with one at the end."""
    return sorted(places, key=lambda place: -_cost(*place))

"""The execution of a plan: baselines, then what chooses, then what is judged; chunks are trained side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from seedbed.evaluation import Choice, choose
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.fitting import fit_baselines
from seedbed.experiment.frozen import specification
from seedbed.experiment.gathering import GatheredBaseline, GatheredCandidate
from seedbed.experiment.plan import Plan, Round, Stack
from seedbed.experiment.results import BaselineResult
from seedbed.training import Chunk, ChunkResult, train_chunks

__all__ = ["Progress", "run"]

Band = tuple[float, float, float]

_TELLING = 0.05


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        name: of the candidate or baseline that has made progress.
        done, total: its networks, or its fits.
        train_score, test_score: of its networks so far at the last epoch: (mean, low, high), low and high bounding the
            middle half; NaN where there is none yet.
        seconds_left: of the whole run, by what was done so far; none before that tells anything.
    """

    name: str
    done: int
    total: int
    train_score: Band
    test_score: Band
    seconds_left: float | None


def run(plan: Plan, *, on_progress: Callable[[Progress], None] | None = None) -> Comparison:
    """Train all networks of a plan and compare the candidates.

    Raises:
        TrainingError: a baseline can't be fitted.
    """
    started = time.perf_counter()
    watch = _Watch(plan, on_progress)
    baselines = _fit_baselines(plan, watch)
    choices = _choose(plan, watch)
    gathered = [
        GatheredCandidate(plan, number, choices.get(number)) for number in range(len(plan.experiment.candidates))
    ]
    for stack, members, result in _trained(plan, _with_choices(plan, choices), watch):
        for column, member in enumerate(members):
            candidate, network = stack.owners[member]
            gathered[candidate].add(network, column, result)
        for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
            watch.show(plan.experiment.candidates[candidate].name, *gathered[candidate].bands())
    results = [one.result() for one in gathered]
    return Comparison(
        plan.experiment,
        plan.splits,
        (*results, *baselines),
        seconds=time.perf_counter() - started,
        specification=specification(plan),
    )


class _Watch:
    """Counts what is done, and tells whoever wants to know."""

    def __init__(self, plan: Plan, tell: Callable[[Progress], None] | None) -> None:
        self._tell, self._started = tell, time.perf_counter()
        self._totals = plan.totals()
        self._done = dict.fromkeys(self._totals, 0)
        self._cost = sum(stack.plan.estimate.seconds for stack in plan.stacks)
        self._spent = 0.0

    def count(self, name: str, n: int, cost: float = 0.0) -> None:
        self._done[name] += n
        self._spent += cost

    def show(self, name: str, train: Band | None = None, test: Band | None = None) -> None:
        if self._tell is not None:
            nothing = (float("nan"),) * 3
            passed = time.perf_counter() - self._started
            # The first chunks wait for a compiler: what they say of the rest is worth nothing.
            left = passed * (self._cost - self._spent) / self._spent if self._spent > _TELLING * self._cost else None
            self._tell(Progress(name, self._done[name], self._totals[name], train or nothing, test or nothing, left))


def _fit_baselines(plan: Plan, watch: _Watch) -> list[BaselineResult]:
    spec = plan.experiment
    gathered = [GatheredBaseline(plan, baseline) for baseline in spec.baselines]
    table = spec.table
    fits = fit_baselines(spec.baselines, plan.encoding, table.target, plan.all_splits, jobs=plan.jobs, task=table.task)
    for number, split, predictions in fits:
        gathered[number].add(split, predictions)
        watch.count(spec.baselines[number].name, 1)
        watch.show(spec.baselines[number].name)
    return [one.result() for one in gathered]


def _choose(plan: Plan, watch: _Watch) -> dict[int, list[Choice]]:
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
    for stack, members, result in _trained(plan, plan.choosing, watch):
        for column, member in enumerate(members):
            candidate, network = stack.owners[member]
            losses[candidate][network] = result.curves[2, :, column]
        for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
            watch.show(spec.candidates[candidate].name)
    choices = {}
    for number, own in losses.items():
        recipe = recipes[number]
        by_split = own.reshape(n_splits, len(recipe.lrs), n_inner, recipe.epochs)
        if recipe.epoch == "last":
            found = [choose(one[:, :, -1:]) for one in by_split]
            choices[number] = [replace(choice, epochs=recipe.epochs) for choice in found]
        else:
            choices[number] = [choose(one) for one in by_split]
    return choices


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


def _trained(plan: Plan, which: Round, watch: _Watch) -> Iterator[tuple[Stack, tuple[int, ...], ChunkResult]]:
    """Train all chunks of a round: (stack, its members, what came of them), as each is done."""
    names = [candidate.name for candidate in plan.experiment.candidates]
    places = [(stack, chunk) for stack in which.stacks for chunk in stack.plan.chunks]
    cost = [stack.plan.estimate.seconds * len(chunk.members) / len(stack.owners) for stack, chunk in places]
    order = _in_order(places, cost)
    for position, result in train_chunks([places[i][1] for i in order], which.data, plan.jobs):
        stack, chunk = places[order[position]]
        for member in chunk.members:
            watch.count(names[stack.owners[member][0]], 1, cost[order[position]] / len(chunk.members))
        yield stack, chunk.members, result


def _in_order(places: list[tuple[Stack, Chunk]], cost: list[float]) -> list[int]:
    """One chunk of each compiled stack first, so that others find it compiled when their turn comes; then what isn't
    compiled; the dearest first in each, so that no core is left with one at the end."""
    firsts = {id(stack): place for place, (stack, chunk) in reversed(list(enumerate(places))) if chunk.compiled}

    def turn(place: int) -> tuple[int, float]:
        stack, chunk = places[place]
        return (2 if chunk.compiled and place != firsts[id(stack)] else int(not chunk.compiled)), -cost[place]

    return sorted(range(len(places)), key=turn)

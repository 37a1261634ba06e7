"""The plan of a comparison: which networks, in which stacks, and what they will cost."""

from __future__ import annotations

import dataclasses
import functools
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.data import Encoding, Split, TargetDesign, encode, fold_pairs, target_design
from seedbed.experiment.inner import inner_splits
from seedbed.experiment.spec import Experiment, specification
from seedbed.model import AUTO, blend_seconds
from seedbed.networks import Candidate, Recipe
from seedbed.report import counted, drawing_seconds, duration
from seedbed.training import (
    Cluster,
    Engine,
    StackPlan,
    TrainingData,
    derive,
    own_module,
    pick_workers,
    plan_candidate,
    table_data,
    wake_workers,
)

__all__ = ["Plan", "Round", "Stack", "make_plan"]

_START_SECONDS = 4.0  # a worker imports torch
# Of one fit of a baseline, and for each of its cells, on average over the three.
_BASELINE_SECONDS, _CELL_SECONDS = 0.05, 5e-6


@dataclass(frozen=True)
class Stack:
    """Networks that are trained together. Candidates that differ in learning rate or weight decay alone share one.

    Attributes:
        plan: its chunks.
        owners: of each network, (number of the candidate, number among the candidate's networks).
    """

    plan: StackPlan
    owners: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Round:
    """Trainings that needn't wait for each other.

    Attributes:
        data: the table with the rows that each network trains on and is looked at with.
        stacks: what is trained.
        chooses: whether learning rates and epochs are chosen by it; else it is judged.
    """

    data: TrainingData
    stacks: tuple[Stack, ...]
    chooses: bool = False


@dataclass(frozen=True)
class Plan:
    """What is going to be trained.

    Attributes:
        experiment: the specification.
        encoding: what makes inputs of the table's columns.
        splits: row numbers, shared by all candidates and baselines.
        pairs: of nested cross-validation: two folds of a repeat and the split without both.
        fitting: the networks that are judged. A candidate's stand in the order (split, seed), the pairs' last.
        inner: of each split, its training rows divided again, one inner split a seed; empty where nothing is chosen.
        choosing: the networks that learning rates and epochs are chosen by, trained first. A candidate's stand in the
            order (split, learning rate, inner split). None where nothing is chosen.
        target_design: of regression, the standardised target of each of `all_splits`; none otherwise.
        specification: everything that decides the result, fit for JSON; computed once, here.
        jobs: chunks at a time.
        cluster: where they are trained, if not here. It decides nothing of the rest, so all is as it would be here.
        fits: seconds of one core for one fit of each baseline; those that aren't named are estimated.
    """

    experiment: Experiment
    encoding: Encoding
    splits: tuple[Split, ...]
    pairs: tuple[tuple[int, int, Split], ...]
    fitting: Round
    inner: tuple[tuple[Split, ...], ...]
    choosing: Round | None
    target_design: TargetDesign | None
    specification: Mapping[str, Any]
    jobs: int
    cluster: Cluster | None = None
    fits: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def all_splits(self) -> tuple[Split, ...]:
        """Those that are judged by, then the pairs'."""
        return self.splits + tuple(split for _, _, split in self.pairs)

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """Of both rounds."""
        return (self.choosing.stacks if self.choosing else ()) + self.fitting.stacks

    def stage(self, which: Round) -> str:
        """What a round is called."""
        return "choosing" if which.chooses else "fitting"

    @property
    def workers(self) -> int:
        """How many trainings and fits run at a time."""
        return self.cluster.n_cpus if self.cluster else self.jobs

    @functools.cached_property
    def fit_seconds(self) -> dict[str, float]:
        """Of each baseline, what one fit takes one core, by its name."""
        table, found = self.experiment.table, dict(self.fits)
        n_rows = len(self.all_splits[0].train)
        for name in [one.name for one in self.experiment.baselines if one.name not in found]:
            usual = _BASELINE_SECONDS + _CELL_SECONDS * n_rows * table.n_features
            found[name] = blend_seconds(table, n_rows) if name == AUTO else usual
        return found

    @property
    def measured(self) -> bool:
        """Whether its costs were measured by some steps of each stack."""
        return all(stack.plan.measured for stack in self.fitting.stacks)

    @property
    def overhead(self) -> float:
        """Seconds that pass however little is trained: to start workers, and to draw."""
        started = _START_SECONDS if self.workers > 1 and not self.measured else 0.0
        return started + drawing_seconds()

    @property
    def seconds(self) -> float:
        """An estimate of the time it takes: rough at first, and within a factor of 1.5 once `timed` has measured it."""
        rounds = [which for which in (self.choosing, self.fitting) if which is not None]
        fits = sum(self.fit_seconds.values()) * len(self.all_splits) / self.workers
        return fits + sum(self._passes(which) for which in rounds) + self.overhead

    def _passes(self, which: Round) -> float:
        """How long a round takes. Its chunks can't be divided, so workers may have to wait for the last of them."""
        costs = [
            stack.plan.seconds * len(chunk.members) / len(stack.owners)
            for stack in which.stacks
            for chunk in stack.plan.chunks
        ]
        free = [0.0] * self.workers
        for cost in sorted(costs, reverse=True):
            heapq.heapreplace(free, free[0] + cost)
        return max(free)

    def totals(self) -> dict[str, int]:
        """How many fits each candidate takes, both rounds together, and each baseline."""
        candidates = [candidate.name for candidate in self.experiment.candidates]
        counts = dict.fromkeys(candidates, 0)
        for stack in self.stacks:
            for number, _ in stack.owners:
                counts[candidates[number]] += 1
        return counts | {baseline.name: len(self.all_splits) for baseline in self.experiment.baselines}

    def _splits(self) -> str:
        splits = counted(len(self.splits), "split")
        return f"({splits} + {len(self.pairs):,} pairs of folds)" if self.pairs else splits

    def modules(self) -> Iterator[str]:
        """Yield `own_module` of each module of the user's own, once for candidates that share it, and what is said of
        how it is trained."""
        seen = set()
        for stack in self.fitting.stacks:
            candidate = self.experiment.candidates[stack.owners[0][0]]
            text = own_module(candidate, self.experiment.table)
            if text and candidate.architecture not in seen:
                seen.add(candidate.architecture)
                yield f"{text}\n  Note: {stack.plan.note}." if stack.plan.note else text

    def sentence(self) -> str:
        """The plan in one line."""
        spec = self.experiment
        total = sum(len(stack.owners) for stack in self.fitting.stacks)
        if not spec.candidates:  # the blend alone
            words = f"{counted(len(spec.baselines), 'model')} x {self._splits()}"
            return f"{words}; about {duration(self.seconds)}"
        epochs = sorted({recipe.epochs for recipe in spec.recipes().values()})
        shown = counted(epochs[-1], "epoch")
        if len(epochs) > 1:
            shown = f"{epochs[0]:,} to {shown}"
        words = (
            f"{counted(len(spec.candidates), 'candidate')} x {self._splits()} x "
            f"{counted(spec.design.seeds, 'seed')} = {counted(total, 'network')} x {shown}"
        )
        if self.fitting.data.order is not None:
            sizes = sorted({recipe.batch_size or 0 for recipe in spec.recipes().values()})
            words += f" in batches of {' or '.join(f'{size:,}' for size in sizes)} rows, read from disk"
        if self.choosing is not None:
            words += f", after {sum(len(stack.owners) for stack in self.choosing.stacks):,} to choose how to train them"
        if spec.baselines:
            words += f", and {counted(len(spec.baselines), 'baseline')}"
        return f"{words}; about {duration(self.seconds)}"


def make_plan(
    experiment: Experiment,
    *,
    jobs: int | None = None,
    cluster: str | None = None,
    engine: Engine = "auto",
    device: str = "auto",
) -> Plan:
    """Splits, design and chunks of an experiment.

    Raises:
        SeedbedError: a candidate can't be built for this table, a class has fewer rows than folds, an option is wrong.
    """
    n_jobs, where, afar = pick_workers(jobs, device, cluster)
    splits = experiment.splits()
    pairs = fold_pairs(splits) if experiment.nested else ()
    everything = splits + tuple(split for _, _, split in pairs)
    keys = [(split.repeat, split.fold) for split in splits] + [(split.repeat, i, j) for i, j, split in pairs]
    encoding = encode(experiment.table)
    settings = _Settings(experiment, encoding, engine, where)
    fitting = _fitting(settings, everything, keys)
    inner: tuple[tuple[Split, ...], ...] = ()
    choosing = None
    if any(recipe.chooses for recipe in experiment.recipes().values()):
        inner = inner_splits(experiment, everything)
        choosing = _choosing(settings, inner, fitting)
    target = target_design(experiment.table.target, everything) if experiment.table.task == "regression" else None
    if where == "cpu" and afar is None:  # after all that may be refused: workers that still start complain of an end
        wake_workers(n_jobs)
    decided = specification(experiment, fitting.data.X.shape[1], everything)
    return Plan(experiment, encoding, splits, pairs, fitting, inner, choosing, target, decided, n_jobs, afar)


@dataclass(frozen=True)
class _Settings:
    experiment: Experiment
    encoding: Encoding
    engine: Engine
    device: str


@dataclass(frozen=True)
class _Networks:
    """One candidate's networks of a round, in order: their seeds, splits and learning rates."""

    seeds: Sequence[int]
    splits: Sequence[int]
    lrs: Sequence[float]


def _fitting(settings: _Settings, splits: tuple[Split, ...], keys: Sequence[tuple[int, ...]]) -> Round:
    """The networks that are judged; a key tells a split from all others."""
    spec = settings.experiment
    places = [(number, seed) for number in range(len(splits)) for seed in range(spec.design.seeds)]
    networks = {
        number: _Networks(
            # Every network has a seed of its own, so no luck is shared between candidates or splits.
            [derive(spec.random_state, candidate.name, *keys[split], seed) for split, seed in places],
            [split for split, _ in places],
            [candidate.recipe(spec.recipe).lrs[0]] * len(places),
        )
        for number, candidate in enumerate(spec.candidates)
    }
    data = table_data(spec.table, settings.encoding, splits)
    return _round(settings, data, networks, together=0)


def _choosing(settings: _Settings, inner: tuple[tuple[Split, ...], ...], fitting: Round) -> Round:
    spec = settings.experiment
    flat = tuple(split for parts in inner for split in parts)
    data = dataclasses.replace(table_data(spec.table, settings.encoding, flat), X=fitting.data.X)
    n_inner = len(inner[0])
    networks = {}
    for number, candidate in enumerate(spec.candidates):
        recipe = candidate.recipe(spec.recipe)
        if not recipe.chooses:
            continue
        places = [(s, lr, i) for s in range(len(inner)) for lr in recipe.lrs for i in range(n_inner)]
        networks[number] = _Networks(
            # One seed for all learning rates: they are compared from the same beginning.
            [derive(spec.random_state, candidate.name, "inner", s, i) for s, _, i in places],
            [s * n_inner + i for s, _, i in places],
            [lr for _, lr, _ in places],
        )
    return _round(settings, data, networks, together=n_inner)


def _round(
    settings: _Settings,
    data: TrainingData,
    networks: Mapping[int, _Networks],
    *,
    together: int,
) -> Round:
    """Stacks of the candidates given by number; of a round that chooses, so many networks in a row choose together."""
    spec = settings.experiment
    groups: list[tuple[Candidate, Recipe, list[int]]] = []
    for number in networks:
        candidate = spec.candidates[number]
        kind = dataclasses.replace(candidate.recipe(spec.recipe), lr=None, weight_decay=None)
        for other, recipe, members in groups:
            if (other.architecture, recipe) == (candidate.architecture, kind):
                members.append(number)
                break
        else:
            groups.append((candidate, kind, [number]))
    stacks = (_stack(settings, data, networks, members, together) for _, _, members in groups)
    return Round(data, tuple(stacks), chooses=together > 0)


def _stack(
    settings: _Settings,
    data: TrainingData,
    networks: Mapping[int, _Networks],
    members: Sequence[int],
    together: int,
) -> Stack:
    spec = settings.experiment
    recipes = {number: spec.candidates[number].recipe(spec.recipe) for number in members}
    owners = [(number, network) for number in members for network in range(len(networks[number].seeds))]

    def listed(values: Mapping[int, Sequence[float]]) -> list[float]:
        return [value for number in members for value in values[number]]

    plan = plan_candidate(
        spec.candidates[members[0]],
        spec.table,
        data,
        recipes[members[0]],
        seeds=[seed for number in members for seed in networks[number].seeds],
        splits=[split for number in members for split in networks[number].splits],
        lr=listed({number: networks[number].lrs for number in members}),
        decay=listed({number: [recipes[number].decay] * len(networks[number].seeds) for number in members}),
        engine=settings.engine,
        device=settings.device,
        keep_outputs=not together,
        together=together,
    )
    return Stack(plan, tuple(owners))

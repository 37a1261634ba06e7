"""The plan of a comparison: its networks, their stacks, and their estimated cost."""

from __future__ import annotations

import dataclasses
import functools
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.data import Encoding, Split, TargetDesign, encode, fold_pairs, target_design
from seedbed.experiment.spec import Experiment, specification
from seedbed.fitting import Round, Runs, Stack, choosing_runs, inner_splits, plan_round
from seedbed.report import counted, drawing_seconds, duration
from seedbed.settings import Compute
from seedbed.training import (
    Cluster,
    derive,
    own_module,
    pick_workers,
    table_data,
    wake_workers,
)

__all__ = ["Plan", "make_plan"]

_START_SECONDS = 4.0  # a worker imports torch


@dataclass(frozen=True)
class Plan:
    """What a comparison trains.

    Attributes:
        experiment: the specification.
        encoding: computes inputs from the columns of the table.
        splits: row numbers, shared by all models.
        pairs: of nested cross-validation: two folds of a repeat, and the split without both.
        fitting: the networks that are judged; those of a candidate in the order (split, seed), with `pairs` last.
        inner: the inner splits of each split, one for each seed; empty if nothing is chosen.
        choosing: the networks by which learning rates and epochs are chosen, trained first; those of a candidate in the
            order (split, learning rate, inner split). None if nothing is chosen.
        target_design: of regression, the standardised target of each of `all_splits`; otherwise None.
        specification: everything that decides the result, fit for JSON; computed once, here.
        jobs: number of chunks at a time.
        cluster: trains there instead of here; it doesn't change the result.
        fits: measured seconds of one core for one fit of each baseline; missing ones are estimated.
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
        """The splits that are judged, then those of `pairs`."""
        return self.splits + tuple(split for _, _, split in self.pairs)

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks of both rounds."""
        return (self.choosing.stacks if self.choosing else ()) + self.fitting.stacks

    def stage(self, which: Round) -> str:
        """Return the name of a round."""
        return "choosing" if which.chooses else "fitting"

    @property
    def workers(self) -> int:
        """The number of trainings and fits at a time."""
        return self.cluster.n_cpus if self.cluster else self.jobs

    @functools.cached_property
    def fit_seconds(self) -> dict[str, float]:
        """The seconds of one core for one fit of each baseline, by name."""
        spec, n_rows = self.experiment, len(self.all_splits[0].train)
        return {
            one.name: self.fits[one.name] if one.name in self.fits else one.seconds(spec.table, n_rows)
            for one in spec.fitted
        }

    @property
    def measured(self) -> bool:
        """Whether its costs are measured by some steps of each stack."""
        return all(stack.plan.measured for stack in self.fitting.stacks)

    @property
    def overhead(self) -> float:
        """Seconds to start workers and to draw, whatever is trained."""
        started = _START_SECONDS if self.workers > 1 and not self.measured else 0.0
        return started + drawing_seconds()

    @property
    def seconds(self) -> float:
        """The estimated duration [s]: rough at first, and within a factor of 1.5 after `timed`."""
        rounds = [which for which in (self.choosing, self.fitting) if which is not None]
        fits = sum(self.fit_seconds.values()) * len(self.all_splits) / self.workers
        return fits + sum(self._passes(which) for which in rounds) + self.overhead

    def _passes(self, which: Round) -> float:
        """Return the duration of a round [s]. Chunks can't be divided, so workers may wait for the last one."""
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
        """Return the number of networks of each candidate, in both rounds, and of fits of each baseline."""
        candidates = [candidate.name for candidate in self.experiment.candidates]
        counts = dict.fromkeys(candidates, 0)
        for stack in self.stacks:
            for number, _ in stack.owners:
                counts[candidates[number]] += 1
        return counts | {baseline.name: len(self.all_splits) for baseline in self.experiment.fitted}

    def _splits(self) -> str:
        splits = counted(len(self.splits), "split")
        return f"({splits} + {len(self.pairs):,} pairs of folds)" if self.pairs else splits

    def modules(self) -> Iterator[str]:
        """Yield `own_module` and the note on training of each user-defined module, once if candidates share it."""
        seen = set()
        for stack in self.fitting.stacks:
            candidate = self.experiment.candidates[stack.owners[0][0]]
            text = own_module(candidate, self.experiment.table)
            if text and candidate.architecture not in seen:
                seen.add(candidate.architecture)
                yield f"{text}\n  Note: {stack.plan.note}." if stack.plan.note else text

    def sentence(self) -> str:
        """Return the plan in one line."""
        spec = self.experiment
        total = sum(len(stack.owners) for stack in self.fitting.stacks)
        if not spec.candidates:  # auto alone
            words = f"{counted(len(spec.fitted), 'model')} x {self._splits()}"
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
        if spec.fitted:
            words += f", and {counted(len(spec.fitted), 'baseline')}"
        return f"{words}; about {duration(self.seconds)}"


def make_plan(experiment: Experiment, compute: Compute) -> Plan:
    """Return the plan of an experiment.

    Raises:
        SeedbedError: a candidate can't be built for this table, a class has fewer rows than folds, an option is wrong.
    """
    n_jobs, where, afar = pick_workers(compute.jobs, compute.device, compute.cluster)
    splits = experiment.splits()
    pairs = fold_pairs(splits) if experiment.nested else ()
    everything = splits + tuple(split for _, _, split in pairs)
    keys = [(split.repeat, split.fold) for split in splits] + [(split.repeat, i, j) for i, j, split in pairs]
    encoding = encode(experiment.table)
    data, table = table_data(experiment.table, encoding, everything), experiment.table
    fitting = plan_round(table, data, _fitting(experiment, keys), engine=compute.engine, device=where)
    inner: tuple[tuple[Split, ...], ...] = ()
    choosing = None
    if any(recipe.chooses for recipe in experiment.recipes().values()):
        inner = inner_of(experiment, everything)
        data = dataclasses.replace(table_data(table, encoding, [one for own in inner for one in own]), X=data.X)
        runs = _choosing(experiment, len(inner), len(inner[0]))
        choosing = plan_round(table, data, runs, together=len(inner[0]), engine=compute.engine, device=where)
    target = target_design(experiment.table.target, everything) if experiment.table.task == "regression" else None
    if where == "cpu" and afar is None:  # after all errors: workers that are starting complain when the process ends
        wake_workers(n_jobs)
    decided = specification(experiment, fitting.data.X.shape[1], everything)
    return Plan(experiment, encoding, splits, pairs, fitting, inner, choosing, target, decided, n_jobs, afar)


def inner_of(experiment: Experiment, splits: Sequence[Split]) -> tuple[tuple[Split, ...], ...]:
    """Return the inner splits of each split, which all candidates share.

    There is one stratified 80/20 split for each seed. With a held-out set, the other rows are divided into folds, once
    for each seed. With times, there are expanding windows, which all seeds share as they aren't random.
    """
    table, design, found = experiment.table, experiment.design, []
    for number, split in enumerate(splits):
        states = [derive(experiment.random_state, "inner", number, seed) % 2**32 for seed in range(design.seeds)]
        if table.times is not None:
            found.append(inner_splits(table, split.train, states[:1], windows=design.folds))
        else:
            folds = design.folds if design.kind == "held_out" else None
            found.append(inner_splits(table, split.train, states, windows=0, folds=folds))
    return tuple(found)


def _fitting(experiment: Experiment, keys: Sequence[tuple[int, ...]]) -> dict[int, Runs]:
    """Return the networks of each candidate that are judged; a key identifies a split."""
    state, runs = experiment.random_state, {}
    places = [(split, seed) for split in range(len(keys)) for seed in range(experiment.design.seeds)]
    for number, candidate in enumerate(experiment.candidates):
        recipe = candidate.recipe(experiment.recipe)
        # Every network has its own seed, so candidates and splits don't share chance.
        seeds = [derive(state, candidate.name, *keys[split], seed) for split, seed in places]
        runs[number] = Runs(candidate, recipe, seeds, [split for split, _ in places], [recipe.lrs[0]] * len(places))
    return runs


def _choosing(experiment: Experiment, n_splits: int, n_inner: int) -> dict[int, Runs]:
    """Return the networks that choose, of each candidate that chooses."""
    runs = {}
    for number, candidate in enumerate(experiment.candidates):
        recipe = candidate.recipe(experiment.recipe)
        seed = functools.partial(derive, experiment.random_state, candidate.name, "inner")
        if recipe.chooses:
            runs[number] = choosing_runs(candidate, recipe, n_splits, n_inner, seed)
    return runs

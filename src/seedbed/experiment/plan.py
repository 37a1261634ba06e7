"""The plan of a comparison: its networks, their stacks, the time they take, and designs that fit a time limit."""

from __future__ import annotations

import dataclasses
import functools
import heapq
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.data import Encoding, Split, TargetDesign, encode, fold_pairs, target_design
from seedbed.errors import SeedbedError
from seedbed.evaluation import Protocol
from seedbed.experiment.fitted import fit_on_splits
from seedbed.experiment.frozen import differences, frozen_in
from seedbed.experiment.spec import Experiment, specification
from seedbed.fitting import Round, Runs, Stack, choosing_runs, inner_splits, plan_round
from seedbed.report import counted, drawing_seconds, duration
from seedbed.settings import Compute
from seedbed.training import (
    Chunk,
    Cluster,
    TrainingData,
    derive,
    own_module,
    pick_workers,
    side_by_side,
    table_data,
    time_chunk,
    wake_workers,
)

__all__ = ["Plan", "make_plan", "plan_within", "timed"]

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


# The time that a plan takes, measured by some of its steps

_WORTH_TIMING = 5.0  # seconds of training and fitting, by the rough estimate, from which on costs are measured
_STEPS_FOR = 0.3  # seconds, for each stack
_FEWEST_SPLITS = 8  # with fewer, one more fit of each baseline takes too large a share of the run
_INNER = 0.8  # share of a split's training rows that choosing networks train on


def timed(plan: Plan, *, briefly: bool = False) -> Plan:
    """Return the plan with costs measured by a few steps of each stack and one fit of each baseline.

    A plan that takes a few seconds, or that runs on a cluster, is returned unchanged.

    Args:
        briefly: fit no baselines, as the plan may change.
    """
    if plan.measured or plan.cluster is not None or plan.seconds - plan.overhead < _WORTH_TIMING:
        return plan
    firsts = [stack.plan.chunks[0] for stack in plan.fitting.stacks]
    data, found = plan.fitting.data, dict[int, tuple[float, float]]()
    if plan.jobs == 1 or len(firsts) == 1 or firsts[0].device != "cpu":
        found = {number: time_chunk(chunk, data, _STEPS_FOR) for number, chunk in enumerate(firsts)}
    else:
        for number, measured in side_by_side(_timed_chunk, list(enumerate(firsts)), (data,), plan.jobs):
            found[number] = measured
    paces = {}
    for number, stack in enumerate(plan.fitting.stacks):
        built, epoch = found[number]
        for candidate in {candidate for candidate, _ in stack.owners}:
            n_networks = len(firsts[number].members)
            paces[candidate] = built / n_networks, epoch / n_networks
    choosing = None if plan.choosing is None else _with_paces(plan.choosing, paces, _INNER)
    fits = {} if briefly and not plan.experiment.design.quick else _timed_fits(plan)
    return dataclasses.replace(plan, fitting=_with_paces(plan.fitting, paces, 1.0), choosing=choosing, fits=fits)


def _timed_chunk(number: int, chunk: Chunk, data: TrainingData) -> tuple[int, tuple[float, float]]:
    return number, time_chunk(chunk, data, _STEPS_FOR)


def _timed_fits(plan: Plan) -> dict[str, float]:
    spec, found = plan.experiment, {}
    for baseline in spec.fitted if len(plan.all_splits) >= _FEWEST_SPLITS else ():
        if baseline.timed:
            started = time.perf_counter()
            list(fit_on_splits([baseline], spec.table, plan.encoding, plan.all_splits[:1], jobs=1))
            found[baseline.name] = time.perf_counter() - started
    return found


def _with_paces(which: Round, paces: dict[int, tuple[float, float]], share: float) -> Round:
    """Return a round with measured costs; epochs of minibatches are shorter by the share of rows to train on."""
    stacks = []
    for stack in which.stacks:
        built, epoch = paces[stack.owners[0][0]]
        chunk = stack.plan.chunks[0]
        epoch *= share if chunk.recipe.batch_size is not None else 1.0
        seconds = len(stack.owners) * (built + epoch * chunk.usual_epochs)
        stacks.append(dataclasses.replace(stack, plan=stack.plan.taking(seconds)))
    return dataclasses.replace(which, stacks=tuple(stacks))


# Designs that fit a time limit

_MOST_TRIALS = 6
_FEW_ROWS, _FEWEST_ROWS = 2_000, 500  # of a sample: before seeds are cut, and after
_CAUTION = 0.9  # share of the time limit that the estimate of a cut design may take


def plan_within(
    experiment: Experiment,
    specified: Callable[..., Experiment],
    compute: Compute,
    folders: Iterable[Path] = (),
    tell: Callable[[str], None] = lambda words: None,
) -> Plan:
    """Return the plan of an experiment whose design fits its time limit, if it has one.

    Repeats are cut first, then seeds, and with `--quick` also rows. The cut is estimated from a few steps of each
    network and one fit of each baseline, without any result. A continued run keeps its frozen design.

    Args:
        experiment: as it was asked for.
        specified: `specify` with all its arguments but `rows`, for a sample of another size.
        compute: what trains, and where.
        folders: of the run, or of others; the first that holds the run decides the design.
        tell: called with a line before steps are timed.

    Raises:
        SeedbedError: as `make_plan`.
    """
    started, asked, limit = time.perf_counter(), experiment, experiment.design.time_limit
    if limit is None:
        return make_plan(experiment, compute)
    for folder in folders:
        if (again := _frozen_plan(asked, specified, frozen_in(folder), compute)) is not None:
            return again
    tell(f"Timing some steps, for a design that fits {limit:g} s ...")
    for trial in range(_MOST_TRIALS):
        plan = timed(make_plan(experiment, compute), briefly=trial == 0)
        left = limit - (time.perf_counter() - started)
        smaller = None if plan.seconds <= left else _smaller(experiment, asked, specified, _share(plan, left))
        if smaller is None:
            break
        experiment = smaller
    return plan


def _share(plan: Plan, left: float) -> float:
    """Return the share of the work that fits the time left."""
    return max(0.0, (_CAUTION * left - plan.overhead) / max(plan.seconds - plan.overhead, 1e-9))


def _smaller(
    experiment: Experiment, asked: Experiment, specified: Callable[..., Experiment], share: float
) -> Experiment | None:
    """Return an experiment with about this share of the work; None if it can't be cut."""
    design, whole, n_rows = experiment.design, experiment.whole, experiment.table.n_rows
    repeats, seeds, rows = design.repeats, design.seeds, n_rows
    if repeats > 1:
        share *= repeats
        repeats = max(1, min(repeats - 1, math.floor(share)))
        share /= repeats
    if share < 1 and repeats == 1 and design.quick and n_rows > _FEW_ROWS:
        rows = max(_FEW_ROWS, min(n_rows - 1, math.floor(share * n_rows)))
        share *= n_rows / rows
    if share < 1 and repeats == 1 and seeds > 1:
        share *= seeds
        seeds = max(1, min(seeds - 1, math.floor(share)))
        share /= seeds
    if share < 1 and repeats == seeds == 1 and design.quick and n_rows > _FEWEST_ROWS:
        rows = max(_FEWEST_ROWS, min(rows, math.floor(share * rows)))
    if (repeats, seeds, rows) == (design.repeats, design.seeds, n_rows):
        return None
    cut = experiment
    if rows < n_rows:
        cut = specified(rows=rows)
        if not cut.design.has_verdict and design.has_verdict:
            return None  # too few rows for a verdict
    before = asked.design
    was = f"{counted(before.repeats, 'repeat')} with {counted(before.seeds, 'seed')}"
    if whole is not None or rows < n_rows:
        was += f" of {counted(asked.table.n_rows, 'row')}"
    kept = dataclasses.replace(cut.design, repeats=repeats, seeds=seeds, shortened=was)
    return dataclasses.replace(cut, design=kept)


def _frozen_plan(
    asked: Experiment, specified: Callable[..., Experiment], frozen: Mapping[str, Any], compute: Compute
) -> Plan | None:
    """Return the plan of the same run as it was begun; None if another run, or none, was begun."""
    then = frozen.get("design")
    if not isinstance(then, dict) or then.get("time_limit") != asked.design.time_limit:
        return None
    try:
        experiment = specified(rows=frozen["table"]["n_rows"]) if frozen["table"]["sample"] else asked
        plan = make_plan(dataclasses.replace(experiment, design=Protocol(**then)), compute)
    except (SeedbedError, KeyError, TypeError):  # another run is frozen
        return None
    return None if differences(frozen, plan.specification) else plan

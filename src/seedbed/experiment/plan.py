"""The plan of a comparison: its networks, their stacks, and the time they take."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import functools
import heapq
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.data import Encoding, Split, Table, TargetDesign, encode, target_design
from seedbed.errors import TrainingError, counted
from seedbed.experiment.baseline_fits import STANDARD, FittedModel, fit_on_splits
from seedbed.experiment.spec import Experiment, specification
from seedbed.model import AUTO
from seedbed.report import drawing_seconds, duration
from seedbed.settings import Compute
from seedbed.training import (
    Chunk,
    Cluster,
    TrainingData,
    derive,
    pick_workers,
    table_data,
    time_chunk,
)
from seedbed.tuning import Round, Runs, Stack, choosing_runs, inner_splits, plan_round

__all__ = ["STOPS", "Plan", "make_plan", "timed"]

STOPS = (1, 2, 3, 5, 10)
"""The numbers of repeats after which a run may stop because its answer is decided."""

_USUAL_REPEATS = 3
_WORTH_WORKERS = 20.0  # seconds of torch's networks in this process; the workers import torch for some
_JUDGING = 1e-5  # scores and verdicts of a tested row, repeat, seed and model, as a share of the time for drawing
_STEPS_FOR = 0.3  # seconds, for each stack
_FIT_FOR = 0.5  # seconds; a baseline is fitted to more and more rows until a fit takes as long
_FIRST_FIT_ROWS = 100  # of a fit that isn't timed
_FIT_ROWS, _MORE_ROWS = 1_000, 3  # rows of the first of these fits, and how many times as many the next one has
_INNER = 0.8  # share of a split's training rows that choosing networks train on


@dataclass(frozen=True)
class Pace:
    """Measured costs of one core.

    Attributes:
        networks: seconds to build one network of a candidate and to train it for an epoch, by the candidate's number.
        fits: (training rows, seconds) of the timed fits of each baseline, by name; the largest last.
    """

    networks: Mapping[int, tuple[float, float]]
    fits: Mapping[str, tuple[tuple[int, float], ...]]

    def fit_seconds(self, name: str, n_rows: int) -> float:
        """Return the seconds of one fit of a baseline to this many rows, by the growth between its timed fits."""
        *before, (n, seconds) = self.fits[name]
        growth = 1.0
        if before:
            fewer, shorter = before[-1]
            growth = min(3.0, max(1.0, math.log(seconds / shorter) / math.log(n / fewer)))
        return seconds * math.pow(n_rows / n, growth if n_rows > n else 1.0)


@dataclass(frozen=True)
class Plan:
    """What a comparison trains.

    It is trained part by part: the repeats up to the next of `looks`, with all networks and fits of their splits.

    Attributes:
        experiment: the specification.
        encoding: computes inputs from the columns of the table.
        splits: row numbers, shared by all models.
        fitting: the networks that are judged; those of a candidate in the order (split, seed).
        inner: the inner splits of each split, one for each seed; empty if nothing is chosen.
        choosing: the networks by which learning rates and epochs are chosen, trained first; those of a candidate in the
            order (split, learning rate, inner split). None if nothing is chosen.
        target_design: of regression, the standardised target of each of `splits`; otherwise None.
        specification: splits that decides the result, fit for JSON; computed once, here.
        jobs: number of chunks at a time.
        cluster: trains there instead of here; it doesn't change the result.
        pace: its measured costs; None before `timed`.
    """

    experiment: Experiment
    encoding: Encoding
    splits: tuple[Split, ...]
    fitting: Round
    inner: tuple[tuple[Split, ...], ...]
    choosing: Round | None
    target_design: TargetDesign | None
    specification: Mapping[str, Any]
    jobs: int
    cluster: Cluster | None = None
    pace: Pace | None = None

    @functools.cached_property
    def looks(self) -> tuple[int, ...]:
        """The numbers of repeats after which there is an answer so far; see `looks_of`."""
        return looks_of(self.experiment)

    @property
    def usual_repeats(self) -> int:
        """The number of repeats that are usually enough, where a run stops when its answer is decided."""
        design = self.experiment.design
        return min(_USUAL_REPEATS, design.repeats) if design.stops else design.repeats

    def first(self, repeats: int) -> Plan:
        """Return the plan as if it had only its first repeats; its networks stay those of all."""
        experiment = self.experiment
        if repeats == experiment.design.repeats:
            return self
        design = dataclasses.replace(experiment.design, repeats=repeats)
        return dataclasses.replace(
            self,
            experiment=dataclasses.replace(experiment, design=design),
            splits=tuple(split for split in self.splits if split.repeat < repeats),
        )

    @functools.cached_property
    def fits(self) -> tuple[tuple[int, int], ...]:
        """The fits of baselines and `auto`: the number of the model, and that of the split."""
        return tuple(
            (number, place)
            for number, model in enumerate(self.experiment.fitted)
            for place, split in enumerate(self.splits)
            if model.repeats is None or split.repeat < model.repeats
        )

    def fits_of(self, part: int) -> list[tuple[int, int]]:
        """Return the fits of one part."""
        first, last = (0, *self.looks)[part], self.looks[part]
        return [(number, split) for number, split in self.fits if first <= self.splits[split].repeat < last]

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
        spec, n_rows, pace = self.experiment, len(self.splits[0].train), self.pace
        return {
            model.name: pace.fit_seconds(model.name, n_rows) if pace and model.name in pace.fits
            else model.seconds(spec.table, n_rows)
            for model in spec.fitted
        }  # fmt: skip

    @property
    def measured(self) -> bool:
        """Whether its costs are measured by some steps of each stack."""
        return self.pace is not None

    @functools.cached_property
    def overhead(self) -> float:
        """Seconds for verdicts and report after the training."""
        spec, n_tested = self.experiment, sum(len(split.test) for split in self.splits)
        n_models = len(spec.candidates) * spec.design.seeds + len(spec.fitted)
        return drawing_seconds() * (1 + _JUDGING * n_tested * n_models)

    @property
    def seconds(self) -> float:
        """The estimated duration of all repeats [s]: rough at first, and within a factor of 1.5 after `timed`."""
        return self.fitting_seconds() + sum(self.passes(which) for which in self.rounds) + self.overhead

    @property
    def usual_seconds(self) -> float:
        """The estimated duration of `usual_repeats` [s]."""
        return self.cost(self.usual_repeats) / self.workers + self.overhead

    def cost(self, repeats: int) -> float:
        """Return the seconds of one core for the networks and fits up to a look."""
        parts = range(self.looks.index(repeats) + 1)
        networks = (stack.plan.cost(chunk) for stack in self.stacks for part in parts for chunk in stack.chunks(part))
        fits = (self.experiment.fitted[n].name for n, split in self.fits if self.splits[split].repeat < repeats)
        return sum(networks) + sum(self.fit_seconds[name] for name in fits)

    @property
    def first_seconds(self) -> float:
        """The duration of the first part [s] if no network ends before its last epoch."""
        passes = sum(self.passes(which, most=True, part=0) for which in self.rounds)
        return self.fitting_seconds(part=0) + passes + self.overhead

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The rounds that are trained."""
        return tuple(which for which in (self.choosing, self.fitting) if which is not None)

    def fitting_seconds(self, *, part: int | None = None) -> float:
        """Return the duration of all fits of baselines and `auto`, or of those of one part [s]."""
        fits = self.fits if part is None else self.fits_of(part)
        return self._packed(self.fit_seconds[self.experiment.fitted[number].name] for number, _ in fits)

    def passes(self, which: Round, *, most: bool = False, part: int | None = None) -> float:
        """Return the duration of a round, or of one part of it [s]; `most` if no network ends before its last epoch."""
        return self._packed(
            [
                stack.plan.cost(chunk) * (chunk.recipe.epochs / chunk.usual_epochs if most else 1.0)
                for stack in which.stacks
                for chunk in stack.chunks(part)
            ]
        )

    def _packed(self, costs: Iterable[float]) -> float:
        """Return how long tasks take side by side. They can't be divided, so workers may wait for the last one."""
        free = [0.0] * self.workers
        for cost in sorted(costs, reverse=True):
            heapq.heapreplace(free, free[0] + cost)
        return max(free)

    def paced(self, pace: Pace) -> Plan:
        """Return the plan with measured costs."""
        choosing = self.choosing and _with_paces(self.choosing, pace, _INNER)
        return dataclasses.replace(self, fitting=_with_paces(self.fitting, pace, 1.0), choosing=choosing, pace=pace)

    def totals(self) -> dict[str, int]:
        """Return the number of networks of each candidate, in both rounds, and of fits of each baseline."""
        candidates = [candidate.name for candidate in self.experiment.candidates]
        counts = dict.fromkeys(candidates, 0)
        for stack in self.stacks:
            for number, _ in stack.owners:
                counts[candidates[number]] += 1
        n_fits = Counter(number for number, _ in self.fits)
        return counts | {model.name: n_fits[number] for number, model in enumerate(self.experiment.fitted)}

    def sentence(self) -> str:
        """Return the plan in one line."""
        spec = self.experiment
        total = sum(len(stack.owners) for stack in self.fitting.stacks)
        if not spec.candidates:  # auto alone
            words = f"{counted(len(spec.fitted), 'model')} x {counted(len(self.splits), 'split')}"
            return f"{words}; about {duration(self.seconds)}"
        epochs = sorted({recipe.epochs for recipe in spec.recipes().values()})
        shown = counted(epochs[-1], "epoch")
        if len(epochs) > 1:
            shown = f"{epochs[0]:,} to {shown}"
        words = (
            f"{counted(len(spec.candidates), 'candidate')} x {counted(len(self.splits), 'split')} x "
            f"{counted(spec.design.seeds, 'seed')} = {counted(total, 'network')} x {shown}"
        )
        if self.choosing is not None:
            words += f", after {sum(len(stack.owners) for stack in self.choosing.stacks):,} to choose how to train them"
        baselines = [one for one in spec.fitted if one.kind == "baseline"]
        if baselines:
            words += f", and {counted(len(baselines), 'baseline')}"
        for model in spec.fitted:
            if model not in baselines:
                words += f", and {model.name} on {counted(self.totals()[model.name], 'split')}"
        words += f"; without {AUTO}, as {spec.no_auto}" if spec.no_auto else ""
        if self.usual_repeats < spec.design.repeats:
            times = f"about {duration(self.usual_seconds)}, at most {duration(self.seconds)}"
            return f"up to {spec.design.repeats} repeats: {words}; {times}"
        return f"{words}; about {duration(self.seconds)}"


def make_plan(
    experiment: Experiment,
    compute: Compute,
    splits: tuple[Split, ...] | None = None,
    encoding: Encoding | None = None,
) -> Plan:
    """Return the plan of an experiment, with its own splits and the encoding of its table unless others are given.

    Raises:
        SeedbedError: a candidate can't be built for this table, a class has fewer rows than folds, an option is wrong.
    """
    n_jobs, where, afar = pick_workers(compute.jobs, compute.device, compute.cluster)
    splits = experiment.splits() if splits is None else splits
    keys = [(split.repeat, split.fold) for split in splits]
    looks = looks_of(experiment)
    parts = [bisect.bisect_right(looks, split.repeat) for split in splits]
    encoding = encode(experiment.table) if encoding is None else encoding
    table, without = experiment.table, experiment.without
    data = table_data(table, encoding, splits, without=without)
    fitting = plan_round(table, data, _fitting(experiment, keys, parts), engine=compute.engine, device=where)
    inner: tuple[tuple[Split, ...], ...] = ()
    choosing = None
    if any(recipe.chooses for recipe in experiment.recipes().values()):
        inner = inner_of(experiment, splits)
        flat = [split for group in inner for split in group]
        data = dataclasses.replace(table_data(table, encoding, flat, without=without), X=data.X)
        runs = _choosing(experiment, len(inner), len(inner[0]), parts)
        choosing = plan_round(table, data, runs, together=len(inner[0]), engine=compute.engine, device=where)
    target = target_design(experiment.table.target, splits) if experiment.table.task == "regression" else None
    decided = specification(experiment, fitting.data.X.shape[1], splits)
    plan = Plan(experiment, encoding, splits, fitting, inner, choosing, target, decided, n_jobs, afar)
    chunks = [(stack.plan, chunk) for stack in plan.stacks for chunk in stack.plan.chunks]
    if chunks and where == "cpu" and afar is None and all(chunk.engine != "native" for _, chunk in chunks):
        seconds = sum(stack.cost(chunk) for stack, chunk in chunks)
        plan = dataclasses.replace(plan, jobs=1 if seconds < _WORTH_WORKERS else n_jobs)
    return plan


def looks_of(experiment: Experiment) -> tuple[int, ...]:
    """Return the numbers of repeats after which a run gives an answer so far; the last is that of all repeats.

    With a time limit it is every repeat, as the run ends where the next one doesn't fit.
    """
    most = experiment.design.repeats
    if experiment.design.time_limit is not None:
        return tuple(range(1, most + 1))
    return (*itertools.takewhile(lambda look: look < most, itertools.chain(STOPS, itertools.count(20, 10))), most)


def inner_of(experiment: Experiment, splits: Sequence[Split]) -> tuple[tuple[Split, ...], ...]:
    """Return the inner splits of each split, which all candidates share.

    There is one stratified 80/20 split for each seed. With a held-out set, the other rows are divided into folds, once
    for each seed. With times, there are expanding windows, which all seeds share as they aren't random.
    """
    table, design, inner = experiment.table, experiment.design, []
    for number, split in enumerate(splits):
        states = [derive(experiment.random_state, "inner", number, seed) % 2**32 for seed in range(design.seeds)]
        if table.times is not None:
            inner.append(inner_splits(table, split.train, states[:1], windows=design.folds))
        else:
            folds = design.folds if design.kind == "held_out" else None
            inner.append(inner_splits(table, split.train, states, windows=0, folds=folds))
    return tuple(inner)


def _fitting(experiment: Experiment, keys: Sequence[tuple[int, ...]], parts: Sequence[int]) -> dict[int, Runs]:
    """Return the networks of each candidate that are judged; a key identifies a split, which belongs to a part."""
    state, runs = experiment.random_state, {}
    places = [(split, seed) for split in range(len(keys)) for seed in range(experiment.design.seeds)]
    for number, candidate in enumerate(experiment.candidates):
        recipe = candidate.recipe(experiment.recipe)
        # Every network has its own seed, so candidates and splits don't share chance.
        seeds = [derive(state, candidate.name, *keys[split], seed) for split, seed in places]
        before = experiment.without.index(candidate.without) * len(keys)
        runs[number] = Runs(candidate, recipe, seeds, [before + split for split, _ in places],
                            [recipe.lrs[0]] * len(places), [parts[split] for split, _ in places])  # fmt: skip
    return runs


def _choosing(experiment: Experiment, n_splits: int, n_inner: int, parts: Sequence[int]) -> dict[int, Runs]:
    """Return the networks that choose, of each candidate that chooses."""
    runs = {}
    for number, candidate in enumerate(experiment.candidates):
        recipe = candidate.recipe(experiment.recipe)
        seed = functools.partial(derive, experiment.random_state, candidate.name, "inner")
        if recipe.chooses:
            own = choosing_runs(candidate, recipe, n_splits, n_inner, seed, parts)
            before = experiment.without.index(candidate.without) * n_splits * n_inner
            runs[number] = dataclasses.replace(own, splits=[before + split for split in own.splits])
    return runs


# The time that a plan takes, measured by some of its steps


def timed(plan: Plan, fits: Mapping[str, tuple[tuple[int, float], ...]] | None = None) -> Plan:
    """Return the plan with costs measured by a few steps of each stack and some fits of each baseline.

    A plan that runs on a cluster is returned unchanged.

    Args:
        fits: timed fits of the baselines on more rows of the same table, as in `Pace`; they aren't repeated.
    """
    if plan.measured or plan.cluster is not None:
        return plan
    which = plan.choosing or plan.fitting  # more networks choose than are judged
    stacks = {stack.owners[0][0]: stack for stack in (*plan.fitting.stacks, *which.stacks)}
    tasks: list[tuple[Any, ...]] = []
    for number, stack in stacks.items():
        place = which if stack in which.stacks else plan.fitting
        tasks.append((_timed_chunk, number, stack.plan.chunks[0], place.data))
    baselines = [model for model in plan.experiment.fitted if model.timed] if fits is None else []
    tasks += [(_timed_fit, model, plan.experiment.table, plan.encoding, plan.splits[0]) for model in baselines]
    paces, curves = dict[int, tuple[float, float]](), dict(fits or {})
    for function, *arguments in tasks:
        what, measured = function(*arguments)
        if isinstance(what, str):
            curves |= {what: measured} if measured else {}
            continue
        stack = stacks[what]
        built, epoch = (seconds / stack.plan.lanes(stack.plan.chunks[0]) for seconds in measured)
        chunk = stack.plan.chunks[0]
        if stack in which.stacks and which.chooses and chunk.recipe.batch_size is not None:
            epoch /= _INNER
        paces |= dict.fromkeys({candidate for candidate, _ in stack.owners}, (built, epoch))
    return plan.paced(Pace(paces, curves))


def _timed_chunk(number: int, chunk: Chunk, data: TrainingData) -> tuple[int, tuple[float, float]]:
    return number, time_chunk(chunk, data, _STEPS_FOR)


def _timed_fit(
    baseline: FittedModel, table: Table, encoding: Encoding, split: Split
) -> tuple[str, tuple[tuple[int, float], ...]]:
    """Return (training rows, seconds) of fits to more and more rows of a split, until one fails."""
    n_rows, timings, passed = min(_FIT_ROWS, len(split.train)), list[tuple[int, float]](), 0.0

    def fit(n_rows: int) -> None:
        train, test = (rows[:: max(1, len(rows) // n_rows)][:n_rows] for rows in (split.train, split.test))
        list(fit_on_splits([baseline], table, encoding, [Split(0, 0, train, test)], jobs=1))

    with contextlib.suppress(TrainingError):  # a fit to more rows may succeed
        fit(_FIRST_FIT_ROWS)  # imports take longer than a fit
    with contextlib.suppress(TrainingError):
        while not timings or (timings[-1][0] < len(split.train) and timings[-1][1] < _FIT_FOR):
            started, worked = time.perf_counter(), time.process_time()
            fit(n_rows)
            timings.append((n_rows, max(time.process_time() - worked, 1e-6)))
            passed += time.perf_counter() - started
            n_rows = min(_MORE_ROWS * n_rows, len(split.train))
    # Processor time shows the growth; where other programs run, a fit takes longer.
    slower = max(1.0, passed / max(sum(worked for _, worked in timings), 1e-6))
    if any(baseline.name in names for names in STANDARD.values()):
        timings = timings[-1:]  # they grow with the rows, and the growth of short fits says little
    return baseline.name, tuple((n, slower * worked) for n, worked in timings)


def _with_paces(which: Round, pace: Pace, share: float) -> Round:
    """Return a round with measured costs; epochs of minibatches are shorter by the share of rows to train on."""
    stacks = []
    for stack in which.stacks:
        built, epoch = pace.networks[stack.owners[0][0]]
        seconds = 0.0
        for chunk in stack.plan.chunks:
            ran = epoch * (share if chunk.recipe.batch_size is not None else 1.0) * chunk.usual_epochs
            seconds += stack.plan.lanes(chunk) * (built + ran)
        stacks.append(dataclasses.replace(stack, plan=dataclasses.replace(stack.plan, seconds=seconds)))
    return dataclasses.replace(which, stacks=tuple(stacks))

"""The time that a plan takes, measured by some of its steps, and designs that fit a time limit."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seedbed.errors import SeedbedError
from seedbed.evaluation import Protocol
from seedbed.experiment.fitted import fit_on_splits
from seedbed.experiment.frozen import differences, frozen_in
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.spec import Experiment
from seedbed.fitting import Round
from seedbed.report import counted
from seedbed.settings import Compute
from seedbed.training import Chunk, TrainingData, side_by_side, time_chunk

__all__ = ["plan_within", "timed"]

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


_MOST_TRIALS = 6
_FEW_ROWS, _FEWEST_ROWS = 2_000, 500  # of a sample: before seeds are cut, and after
_CAUTION = 0.9  # share of the time limit that the estimate of a cut design may take


def plan_within(
    specified: Callable[..., Experiment],
    compute: Compute,
    folder: str | Path | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> Plan:
    """Return the plan of an experiment whose design fits its time limit, if it has one.

    Repeats are cut first, then seeds, and with `--quick` also rows. The cut is estimated from a few steps of each
    network and one fit of each baseline, without any result. A continued run keeps its frozen design.

    Args:
        specified: `specify` with all arguments but `rows`.
        compute: what trains, and where.
        folder: of the run.
        tell: called with a line before steps are timed.

    Raises:
        SeedbedError: as `make_plan`.
    """
    started = time.perf_counter()
    experiment = specified()
    limit = experiment.design.time_limit
    if limit is None:
        return make_plan(experiment, compute)
    if folder is not None and (again := _frozen_plan(specified, frozen_in(Path(folder)), limit, compute)) is not None:
        return again
    tell(f"Timing some steps, for a design that fits {limit:g} s ...")
    for trial in range(_MOST_TRIALS):
        plan = timed(make_plan(experiment, compute), briefly=trial == 0)
        left = limit - (time.perf_counter() - started)
        smaller = None if plan.seconds <= left else _smaller(experiment, specified, _share(plan, left))
        if smaller is None:
            break
        experiment = smaller
    return plan


def _share(plan: Plan, left: float) -> float:
    """Return the share of the work that fits the time left."""
    return max(0.0, (_CAUTION * left - plan.overhead) / max(plan.seconds - plan.overhead, 1e-9))


def _smaller(experiment: Experiment, specified: Callable[..., Experiment], share: float) -> Experiment | None:
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
    before = specified().design
    was = f"{counted(before.repeats, 'repeat')} with {counted(before.seeds, 'seed')}"
    if whole is not None or rows < n_rows:
        was += f" of {counted(specified().table.n_rows, 'row')}"
    kept = dataclasses.replace(cut.design, repeats=repeats, seeds=seeds, shortened=was)
    return dataclasses.replace(cut, design=kept)


def _frozen_plan(
    specified: Callable[..., Experiment], frozen: Mapping[str, Any], limit: float, compute: Compute
) -> Plan | None:
    """Return the plan of the same run as it was begun; None if another run, or none, was begun."""
    then = frozen.get("design")
    if not isinstance(then, dict) or then.get("time_limit") != limit:
        return None
    try:
        sample = frozen["table"]["sample"]
        experiment = specified(rows=frozen["table"]["n_rows"]) if sample else specified()
        plan = make_plan(dataclasses.replace(experiment, design=Protocol(**then)), compute)
    except (SeedbedError, KeyError, TypeError):  # another run is frozen
        return None
    return None if differences(frozen, plan.specification) else plan

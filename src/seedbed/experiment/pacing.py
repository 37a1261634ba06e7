"""The time that a plan takes, measured by some of its steps, and designs that fit a time limit."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seedbed.errors import SeedbedError
from seedbed.evaluation import Protocol
from seedbed.experiment.fitted import fit_on_splits
from seedbed.experiment.frozen import differences, frozen_in
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.spec import Experiment
from seedbed.fitting import Round, Stack
from seedbed.report import counted
from seedbed.settings import Compute
from seedbed.training import Chunk, TrainingData, side_by_side, time_chunk

__all__ = ["plan_within", "timed"]

_WORTH_TIMING = 5.0  # seconds of training and fitting at least, by the rough estimate
_STEPS_FOR = 0.3  # seconds, for each stack
_FEWEST_SPLITS = 8  # with fewer, a fit more of each baseline would take too large a share of the run
_INNER = 0.8  # share of a split's training rows that choosing networks train on


def timed(plan: Plan, *, briefly: bool = False) -> Plan:
    """Return the plan with costs that are measured: by a few steps of each stack and one fit of each baseline.

    A plan that takes some seconds only, or that a cluster carries out, is returned as it is.

    Args:
        briefly: fit no baselines, as the plan may be changed.
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
    """A round whose stacks take what was measured; minibatches take less where there are fewer rows to train on."""
    return dataclasses.replace(which, stacks=tuple(_paced(stack, paces, share) for stack in which.stacks))


def _paced(stack: Stack, paces: dict[int, tuple[float, float]], share: float) -> Stack:
    built, epoch = paces[stack.owners[0][0]]
    chunks: Sequence[Chunk] = stack.plan.chunks
    recipe = chunks[0].recipe
    epoch *= share if recipe.batch_size is not None else 1.0
    return dataclasses.replace(
        stack, plan=stack.plan.taking(len(stack.owners) * (built + epoch * chunks[0].usual_epochs))
    )


_MOST_TRIALS = 6
_FEW_ROWS, _FEWEST_ROWS = 2_000, 500  # of a sample: before there are fewer seeds, and after
_CAUTION = 0.9  # share of the limit that a design is cut to, as what fits is estimated


def plan_within(
    specified: Callable[..., Experiment],
    compute: Compute,
    folder: str | Path | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> Plan:
    """Return the plan of an experiment whose design fits its time limit, if it has one.

    Repeats are cut first, then seeds; of a first look, rows as well. By how much is estimated from a few steps of each
    network and a fit of each baseline; no result is looked at. A run that is begun again has the frozen design.

    Args:
        specified: `specify` with all that is asked for; it takes `rows`.
        compute: what trains, and where.
        folder: of the run.
        tell: is given a line before steps are timed.

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
    """What share of the work fits the time that is left."""
    return max(0.0, (_CAUTION * left - plan.overhead) / max(plan.seconds - plan.overhead, 1e-9))


def _smaller(experiment: Experiment, specified: Callable[..., Experiment], share: float) -> Experiment | None:
    """An experiment with about this share of the work; None where it can't be cut."""
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
            return None  # so few rows would tell nothing
    before = specified().design
    was = f"{counted(before.repeats, 'repeat')} with {counted(before.seeds, 'seed')}"
    if whole is not None or rows < n_rows:
        was += f" of {counted(specified().table.n_rows, 'row')}"
    kept = dataclasses.replace(cut.design, repeats=repeats, seeds=seeds, shortened=was)
    return dataclasses.replace(cut, design=kept)


def _frozen_plan(
    specified: Callable[..., Experiment], frozen: Mapping[str, Any], limit: float, compute: Compute
) -> Plan | None:
    """The plan that was decided on when this very run was begun; None where another run, or none, was begun."""
    then = frozen.get("design")
    if not isinstance(then, dict) or then.get("time_limit") != limit:
        return None
    try:
        sample = frozen["table"]["sample"]
        experiment = specified(rows=frozen["table"]["n_rows"]) if sample else specified()
        plan = make_plan(dataclasses.replace(experiment, design=Protocol(**then)), compute)
    except (SeedbedError, KeyError, TypeError):  # what is frozen isn't of this run
        return None
    return None if differences(frozen, plan.specification) else plan

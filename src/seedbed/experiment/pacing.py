"""What a plan will cost, measured by some steps of this very plan; what these come to decides nothing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from seedbed.experiment.fitting import fit_baselines
from seedbed.experiment.plan import Plan
from seedbed.fitting import Round, Stack
from seedbed.training import Chunk, TrainingData, side_by_side, time_chunk

__all__ = ["timed"]

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
    for baseline in spec.baselines if len(plan.all_splits) >= _FEWEST_SPLITS else ():
        if baseline.timed:
            started = time.perf_counter()
            list(fit_baselines([baseline], spec.table, plan.encoding, plan.all_splits[:1], jobs=1))
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

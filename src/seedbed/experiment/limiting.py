"""A design that fits a time limit. It is decided by timing some steps, before the first fit counts, and then frozen."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seedbed.errors import SeedbedError
from seedbed.evaluation import Protocol
from seedbed.experiment.frozen import differences, frozen_in
from seedbed.experiment.pacing import timed
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.spec import Experiment
from seedbed.report import counted
from seedbed.settings import Compute

__all__ = ["plan_within"]

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

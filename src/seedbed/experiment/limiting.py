"""Plans whose first repeat fits a time limit: epochs, then seeds, then rows are cut."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from seedbed.errors import SeedbedError, counted
from seedbed.evaluation import Protocol
from seedbed.experiment.plan import Plan, make_plan, timed
from seedbed.experiment.spec import Experiment
from seedbed.experiment.specification_file import differences, read_specification
from seedbed.report import duration
from seedbed.settings import Compute

__all__ = ["plan_within"]

_MOST_TRIALS = 8
_FEWEST_ROWS = 5_000  # of a sample
_FEWEST_EPOCHS, _FEWEST_STEPS = 5, 100  # after a cut: a network needs so many of both to learn anything
_SURELY = 1 / 3  # share of the time limit up to which a rough estimate is believed
_CAUTION = 0.9  # share of the time limit that the estimate of a cut design may take


def plan_within(
    experiment: Experiment,
    specified: Callable[..., Experiment],
    compute: Compute,
    folders: Iterable[Path] = (),
    tell: Callable[[str], None] = lambda words: None,
    started: float | None = None,
) -> Plan:
    """Return the plan of an experiment, with measured costs, whose design fits its time limit if it has one.

    The run does as many repeats as fit. If the first one wouldn't, epochs are cut, then seeds, and with `--quick` also
    rows. The cut is estimated from a few steps of each network and some fits of each baseline, without any result. A
    continued run keeps its stored design.

    Args:
        experiment: as it was asked for.
        specified: `specify` with all its arguments but `rows`, for a sample of another size.
        compute: what trains, and where.
        folders: of the run, or of others; the first that holds the run decides the design.
        tell: called with a line before steps are timed, and with another if the time limit can't be kept.
        started: `time.perf_counter()` at the start of the time limit; now if None.

    Raises:
        SeedbedError: as `make_plan`.
    """
    started, asked = time.perf_counter() if started is None else started, experiment
    limit, stored = experiment.design.time_limit, [read_specification(folder) for folder in folders]
    for document in stored if limit is not None else ():
        if (again := _stored_plan(asked, specified, document, compute)) is not None:
            return again
    plan = make_plan(experiment, compute)
    if any(one and not differences(one, plan.specification) for one in stored):  # a finished or continued run
        return plan
    if limit is None:
        return plan
    if plan.first_seconds > _SURELY * limit:
        tell(f"Timing some steps, for a design that fits {limit:g} s ...")
        plan = timed(plan)
    for _ in range(_MOST_TRIALS):
        left = limit - (time.perf_counter() - started)
        if plan.first_seconds <= left or (smaller := _smaller(plan, _CAUTION * left, asked, specified)) is None:
            break
        cut, pace = make_plan(smaller, compute), plan.pace
        same_rows = smaller.table.n_rows == plan.experiment.table.n_rows
        plan = cut.paced(pace) if pace and same_rows else timed(cut, pace.fits if pace else None)
    if plan.first_seconds > 1.1 * (limit - (time.perf_counter() - started)):
        tell(_too_long(plan, limit))
    return plan


def _smaller(plan: Plan, left: float, asked: Experiment, specified: Callable[..., Experiment]) -> Experiment | None:
    """Return an experiment whose first repeat takes about the seconds that are left; None if it can't be cut."""
    experiment, n_rows = plan.experiment, plan.experiment.table.n_rows
    design, epochs = experiment.design, experiment.recipe.epochs
    seeds, rows, fewest = design.seeds, n_rows, fewest_epochs(plan)
    fits = plan.fitting_seconds(part=0)  # fewer epochs and seeds make networks faster, and no baseline
    networks = plan.first_seconds - plan.overhead - fits
    share = max(0.0, left - plan.overhead - fits) / max(networks, 1e-9)
    if share < 1 and epochs > fewest:
        epochs = max(fewest, min(epochs - 1, math.floor(share * epochs)))
        share *= experiment.recipe.epochs / epochs
    if share < 1 and epochs <= fewest and seeds > 1:
        seeds = max(1, min(seeds - 1, math.floor(share * seeds)))
        share *= design.seeds / seeds
    if share < 1 and epochs <= fewest and seeds == 1 and design.quick and n_rows > _FEWEST_ROWS:
        rows = max(_FEWEST_ROWS, min(n_rows - 1, math.floor(share * n_rows)))
    if (epochs, seeds, rows) == (experiment.recipe.epochs, design.seeds, n_rows):
        return None
    cut = experiment
    if rows < n_rows:
        cut = specified(rows=rows)
        if not cut.design.has_verdict and design.has_verdict:
            return None  # too few rows for a verdict
    return _cut_to(cut, _shortened(cut.design, asked, seeds, epochs if epochs < asked.recipe.epochs else None))


def _shortened(design: Protocol, asked: Experiment, seeds: int, epochs: int | None) -> Protocol:
    """Return a design with fewer seeds, or with fewer epochs, than were asked for."""
    was = f"{asked.recipe.epochs:,} epochs"
    if asked.design.seeds != seeds:
        was = counted(asked.design.seeds, "seed") + (f" with {was}" if epochs is not None else "")
    return dataclasses.replace(design, seeds=seeds, shortened=was, epochs=epochs)


def _cut_to(experiment: Experiment, design: Protocol) -> Experiment:
    """Return an experiment with a design that a time limit has cut; candidates with epochs of their own keep them."""
    recipe = experiment.recipe
    if design.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=design.epochs)
    return dataclasses.replace(experiment, design=design, recipe=recipe)


def fewest_epochs(plan: Plan) -> int:
    """Return the number of epochs to which a time limit may cut those of a plan."""
    recipe, n_rows = plan.experiment.recipe, len(plan.splits[0].train)
    steps = math.ceil(n_rows / (recipe.batch_size or n_rows))
    return min(recipe.epochs, max(_FEWEST_EPOCHS, math.ceil(_FEWEST_STEPS / steps)))


def _too_long(plan: Plan, limit: float) -> str:
    """Return that the first repeat of a plan doesn't fit its time limit, and what would."""
    spec, ways, fits, seconds = plan.experiment, list[str](), plan.fitting_seconds(part=0), plan.first_seconds
    networks = sum(plan.passes(which, most=True, part=0) for which in plan.rounds)
    rates = {len(recipe.lrs) for recipe in spec.recipes().values() if recipe.lr is None}
    if rates and plan.choosing:
        saved = plan.passes(plan.choosing, most=True, part=0) * (1 - 1 / max(rates))
        ways.append(f"lr: 0.01, one learning rate in place of {max(rates)} ({duration(seconds - saved)})")
    epochs = math.floor(spec.recipe.epochs * (_CAUTION * limit - plan.overhead - fits) / networks)
    if 1 <= epochs < spec.recipe.epochs:
        ways.append(f"epochs: {epochs}")
    if not spec.design.quick and spec.table.n_rows > _FEWEST_ROWS:
        ways.append("quick, which may take a sample of the rows")
    if len(spec.candidates) > 1:
        ways.append("fewer candidates")
    if fits > networks:
        ways.append(f"without baselines ({duration(seconds - fits)})")
    ways.append(f"time_limit: {math.ceil(seconds / _CAUTION / 10) * 10}")
    repeat = "it" if spec.design.repeats == 1 else "one repeat"
    return (
        f"This doesn't fit {limit:g} s: {repeat} may take {duration(seconds)}. What makes it fit or shorter: "
        f"{'; '.join(ways)}."
    )


def _stored_plan(
    asked: Experiment, specified: Callable[..., Experiment], stored: Mapping[str, Any], compute: Compute
) -> Plan | None:
    """Return the plan of the same run as it was begun; None if another run, or none, was begun."""
    then = stored.get("design")
    if not isinstance(then, dict) or then.get("time_limit") != asked.design.time_limit:
        return None
    try:
        experiment = specified(rows=stored["table"]["n_rows"]) if stored["table"]["sample"] else asked
        design = Protocol(**then)
        if design not in (experiment.design, _shortened(experiment.design, asked, design.seeds, design.epochs)):
            return None  # other repeats, folds or seeds were asked for
        plan = make_plan(_cut_to(experiment, design), compute)
    except (SeedbedError, KeyError, TypeError):  # of another run
        return None
    return None if differences(stored, plan.specification) else plan

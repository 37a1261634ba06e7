"""What a user asks for, and the one function that carries it out for the command line and for Python."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seedbed.data.table import Table
from seedbed.errors import SeedbedError
from seedbed.experiment.columns import specify_columns
from seedbed.experiment.comparison import Comparison, carry_out
from seedbed.experiment.model_plan import experiment_of_run, plan_model
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.run import Tell
from seedbed.experiment.run_folder import RunFolder, read_finished
from seedbed.experiment.sizes import check_sizes
from seedbed.experiment.spec import Experiment, specify
from seedbed.experiment.subgroups import Grouping, check_metric
from seedbed.settings.design import Compute, Design
from seedbed.settings.recipe import Recipe

Question = Literal["compare", "columns", "rows"]
"""Which model is better, which columns help, and whether more rows would help."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """What a command or a call asks for.

    Attributes:
        question: what is to be answered.
        source: the table; or the folder of a finished comparison, whose table, recipe and design are used.
        candidates: as in `specify`; to ask about columns, the one model.
        columns: the columns to ask about; all if empty.
        recipe, design, lrs, command: as in `specify`.
        compute: what trains, and where.
        grouping: subgroups of rows to judge within.
        effects: whether to add what the predictions of the recommended model depend on.
        started: `time.perf_counter()` when the user asked, from which a time limit counts.
    """

    question: Question
    source: Table | Path
    candidates: Any = None
    columns: tuple[str, ...] = ()
    recipe: Recipe
    design: Design
    lrs: tuple[float, ...] = ()
    command: str = ""
    compute: Compute = Compute()
    grouping: Grouping | None = None
    effects: bool = False
    started: float = field(default_factory=time.perf_counter)

    def experiment(self) -> Experiment:
        """Return the experiment that answers the question.

        Raises:
            SeedbedError: the table, a candidate or an option can't be used.
        """
        shared: dict[str, Any] = {"recipe": self.recipe, "design": self.design, "command": self.command}
        if self.question == "columns":
            return specify_columns(self.source, self.candidates, self.columns, **shared)
        if isinstance(self.source, Path):
            experiment = experiment_of_run(self.source, self.command)
        else:
            experiment = specify(self.source, self.candidates, lrs=self.lrs, **shared)
        if self.question == "rows":
            check_sizes(experiment)
        return experiment


@dataclass(frozen=True, eq=False)
class PlannedRequest:
    """A request, the plan that answers it, and the finished comparison that its source already holds, if any."""

    request: Request
    plan: Plan
    finished: Comparison | None


def plan_request(request: Request) -> PlannedRequest:
    """Return a request with its plan.

    Raises:
        SeedbedError: the table, a candidate or an option can't be used.
    """
    plan, source = make_plan(request.experiment(), request.compute), request.source
    if request.grouping is not None:
        check_metric(plan.experiment.metric)
    finished = read_finished(plan, source) if request.question == "rows" and isinstance(source, Path) else None
    return PlannedRequest(request, plan, finished)


def carry_out_request(
    planned: PlannedRequest,
    opened: RunFolder | None,
    progress: Callable[[], AbstractContextManager[Tell | None]],
    *,
    say: Callable[[str], None] = lambda line: None,
    working: Callable[[str], AbstractContextManager[Any]] = nullcontext,
    interrupted: threading.Event | None = None,
) -> Comparison:
    """Return the comparison that answers a request. What is finished in the folder, or in the source, isn't trained.

    Args:
        opened: the folder of the run, if it has one.
        progress: returns a context of the training, in which the function that it gives gets the progress.
        say: gets a line for the user.
        working: returns a context in which a message is shown.
        interrupted: as in `carry_out`.

    Raises:
        SeedbedError: a model can't be fitted.
    """
    request, plan = planned.request, planned.plan
    checkpoint, folder = (None, None) if opened is None else (opened.checkpoint, opened.checkpoint.folder)
    comparison = (None if opened is None else opened.finished) or planned.finished
    if comparison is None:
        with progress() as tell:
            comparison = carry_out(plan, tell, checkpoint=checkpoint, started=request.started, interrupted=interrupted)
    if request.question == "rows":
        return comparison.rows(compute=request.compute, folder=folder, tell=say)
    if request.grouping is not None:
        comparison = comparison.with_subgroups(request.grouping)
    if not request.effects or comparison.ended == "interrupted" or comparison.conclusion.effects is not None:
        return comparison
    try:
        chosen = plan_model(comparison.conclusion, None, comparison.experiment)
        with working(f"Training {chosen.name}"):
            model = chosen.fit(compute=request.compute)
        with working(f"Computing what the predictions of {model.candidate} depend on"):
            return comparison.with_effects(model)
    except SeedbedError as error:  # the comparison itself is worth more
        say(f"no effects: {error.message}")
        return comparison

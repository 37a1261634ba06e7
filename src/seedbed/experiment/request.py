"""What a user asks for, and the one function that carries it out for the command line and for
Python."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from seedbed.data.by_column import Grouping
from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.errors import CandidateError, DataError, OptionError, SeedbedError, spell
from seedbed.evaluation.summaries import Conclusion
from seedbed.experiment.columns import columns_of_comparison, specify_columns
from seedbed.experiment.comparison import Comparison, carry_out
from seedbed.experiment.model_plan import ModelPlan, plan_model
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.run import Tell
from seedbed.experiment.run_folder import RunFolder
from seedbed.experiment.sizes import check_sizes
from seedbed.experiment.spec import Experiment, specify
from seedbed.experiment.specification_file import (
    SPECIFICATION,
    SPECIFICATION_VERSION,
    differences,
    read_specification,
    table_specification,
)
from seedbed.experiment.subgroups import check_metric
from seedbed.networks.candidate import Candidate, candidate_from
from seedbed.networks.mlp import MLP, architecture_from_values
from seedbed.networks.user import UserArchitecture
from seedbed.report.stored import command_hint, read_summary
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import settings_in
from seedbed.settings.recipe import Recipe

Question = Literal["compare", "columns", "rows"]
"""Which model is better, which columns help, and whether more rows would help."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """What a command or a call asks for.

    Attributes:
        question: what is to be answered.
        source: the table; or, to ask about columns, the folder of a finished comparison, whose
            table, recipe and design are used.
        candidates, recipe, design, command: as in `specify`; to ask about columns, the
            candidate is the one model.
        columns: the columns to ask about; all if empty.
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
    command: str = ""
    compute: Compute = Compute()
    grouping: Grouping | None = None
    effects: bool = False
    started: float = field(default_factory=time.perf_counter)

    def experiment(self) -> Experiment:
        """Return the experiment that answers the question."""
        shared: dict[str, Any] = {
            "recipe": self.recipe,
            "design": self.design,
            "command": self.command,
        }
        if isinstance(self.source, Path):
            experiment = self._of_run(self.source)
        elif self.question == "columns":
            experiment = specify_columns(
                self.source, self.candidates, self.columns, **shared
            )
        else:
            experiment = specify(self.source, self.candidates, **shared)
        if self.question == "rows":
            check_sizes(experiment)
        return experiment

    @functools.cached_property
    def plan(self) -> Plan:
        """What is fitted to answer it. SeedbedError if the table, a candidate or an option can't be
        used."""
        plan = make_plan(self.experiment(), self.compute)
        if self.grouping is not None:
            check_metric(plan.experiment.metric)
        return plan

    def _of_run(self, folder: Path) -> Experiment:
        """Return the experiment that asks about the columns of a finished comparison."""
        conclusion, stored = opened_run(folder)
        request = _request_of_run(folder, conclusion, stored, trusts_code=True)
        name = self.candidates
        experiment = request.experiment()
        if (
            name is not None and name not in experiment.names
        ):  # a model that wasn't compared
            design = replace(request.design, baselines=["prior"], reference=None)
            experiment = replace(request, candidates=[name], design=design).experiment()
        experiment = columns_of_comparison(experiment, conclusion, name, self.columns)
        return replace(experiment, command=self.command)


def carry_out_request(
    request: Request,
    opened: RunFolder | None,
    progress: Callable[[], AbstractContextManager[Tell | None]],
    *,
    say: Callable[[str], None] = lambda line: None,
    working: Callable[[str], AbstractContextManager[Any]] = nullcontext,
    interrupted: threading.Event | None = None,
) -> Comparison:
    """Return the comparison that answers a request. What is finished in the folder, or in the
    source, isn't trained.

    `progress` returns a context of the training, whose function gets the progress; `working` one in
    which a message is shown. `say` gets a line for the user. `interrupted` is as in `carry_out`.
    """
    checkpoint, folder = (
        (None, None)
        if opened is None
        else (opened.checkpoint, opened.checkpoint.folder)
    )
    comparison = None if opened is None else opened.finished
    if comparison is None:
        with progress() as tell:
            comparison = carry_out(
                request.plan,
                tell,
                checkpoint=checkpoint,
                started=request.started,
                interrupted=interrupted,
            )
    if request.question == "rows":
        return comparison.rows(compute=request.compute, folder=folder, tell=say)
    if request.grouping is not None:
        comparison = comparison.with_subgroups(request.grouping)
    if (
        not request.effects
        or comparison.ended == "interrupted"
        or comparison.conclusion.effects is not None
    ):
        return comparison
    try:
        chosen = plan_model(comparison.conclusion, None, comparison.experiment)
        with working(f"Training {chosen.summary.name}"):
            model = chosen.fit(compute=request.compute)
        with working(f"Computing what the predictions of {model.candidate} depend on"):
            return comparison.with_effects(model)
    except SeedbedError as error:  # the comparison itself is worth more
        say(f"no effects: {error.message}")
        return comparison


def opened_run(folder: Path) -> tuple[Conclusion, dict[str, Any]]:
    """Return the conclusion of a finished comparison, and the contents of its `experiment.json`.
    OptionError if the folder holds none, or one of an earlier version."""
    conclusion = read_summary(folder)
    stored = read_specification(folder)
    if not isinstance(conclusion, Conclusion) or conclusion.kind != "comparison":
        raise OptionError(
            f"{folder} holds no comparison",
            "Name the folder that seedbed compare has made, or a table.",
        )
    if conclusion.columns is not None:
        raise OptionError(
            f"{folder} compares columns, not models",
            "Name the folder that seedbed compare has made.",
        )
    if stored.get("schema_version") != SPECIFICATION_VERSION:
        raise OptionError(
            f"the run in {folder} was written by an older seedbed", command_hint(folder)
        )
    if differing := differences(stored, conclusion.specification):
        raise OptionError(
            f"{folder / SPECIFICATION} and comparison.json belong to two runs: {differing[0]}",
            f"Run compare again with {spell('overwrite', True)}.",
        )
    return conclusion, stored


def model_plan_from(folder: str | Path, name: str | None = None) -> ModelPlan:
    """Return `plan_model` of a finished comparison in a folder. The table is read again from its
    source; DataError if it has changed."""
    conclusion, stored = opened_run(folder := Path(folder))
    experiment = _request_of_run(
        folder, conclusion, stored, trusts_code=name is not None
    ).experiment()
    return plan_model(conclusion, name, experiment)


def _request_of_run(
    folder: Path,
    conclusion: Conclusion,
    stored: Mapping[str, Any],
    *,
    trusts_code: bool,
) -> Request:
    """Return the request of a run, without its scikit-learn models. The table is read again.
    `trusts_code` says whether networks that are code in a file may be built."""
    request = stored["request"]
    design = settings_in(Design, request["design"])
    return Request(
        question="compare",
        source=_table_of_run(folder, conclusion, stored["reading"]),
        candidates=_candidates_of(request["candidates"], trusts_code=trusts_code),
        recipe=settings_in(Recipe, request["recipe"]),
        design=replace(design, reference=None) if stored["estimators"] else design,
    )


def _candidates_of(spec: Any, name: str | None = None, *, trusts_code: bool) -> Any:
    """Return candidates of a run, or one. A network that isn't in the folder, or that is code
    without permission to run it, raises an error when it is built."""
    if isinstance(spec, list):
        return [_candidates_of(part, trusts_code=trusts_code) for part in spec]
    if isinstance(spec, dict) and not isinstance(spec.get("overrides"), list):
        return {
            key: _candidates_of(part, key, trusts_code=trusts_code)
            for key, part in spec.items()
        }
    if isinstance(spec, dict):
        network = architecture_from_values(spec["architecture"])
        pairs = {
            key: tuple((setting, value) for setting, value in spec[key])
            for key in ("overrides", "defaults")
        }
        candidate = Candidate(
            spec["name"], MLP((), ()) if isinstance(network, str) else network, **pairs
        )
        if not isinstance(network, str):
            return candidate
        hint = "In Python, the comparison itself has it: comparison.model(...)."
        error = CandidateError(
            f"it is your own network, {network}, which isn't in the run's folder", hint
        )
    elif trusts_code or ".py:" not in (spec or ""):
        return spec
    else:
        candidate = candidate_from(spec, name)
        named = spell("candidate", candidate.name)
        error = CandidateError(
            f"it is Python code, {spec}", f"If you trust it, name it: {named}."
        )

    def build(n_features: int, n_outputs: int) -> None:
        raise error

    return replace(candidate, architecture=UserArchitecture(build, candidate.name))


def _table_of_run(
    folder: Path, conclusion: Conclusion, reading: Mapping[str, Any] | None
) -> Table:
    """Read the table of a run again, and check that it is the one that was compared."""
    if reading is None:
        raise OptionError(
            "the table of this run was given in Python, and isn't in its folder",
            "In Python, use comparison.model(...), or save the table as a file.",
        )
    source = reading["source"]
    arguments = {key: value for key, value in reading.items() if key != "source"}
    # The default folder of a run is two levels below the folder in which the command was started.
    paths = [
        Path(source),
        *(parent / source for parent in folder.resolve().parents[:3]),
    ]
    path = next((str(path) for path in paths if path.is_file()), source)
    table = read_table(path, **arguments)
    then = conclusion.specification["table"]
    now = table_specification(table, then["n_inputs"])
    if then.get("sample"):  # what was compared is a sample of it
        then = {**then, **then["sample"]}
    if (now["sha256"], now["features"], now["labels"]) != (
        then["sha256"],
        then["features"],
        then["labels"],
    ):
        raise DataError(
            f"{path} isn't the table that was compared: its cells have changed",
            "Run compare again.",
        )
    return table

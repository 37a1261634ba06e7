"""The verb that compares, and what it shares with `columns` and `rows`."""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from seedbed.cli.console import (
    command_line,
    interrupted,
    interruptible,
    print_lines,
    print_stderr,
    say,
    text_width,
    working,
)
from seedbed.cli.options import CompareOptions, RunOptions, TableArgument, given_options
from seedbed.cli.training import fitted
from seedbed.errors import OptionError, SeedbedError, counted, did_you_mean

if TYPE_CHECKING:
    from seedbed.data.table import Table
    from seedbed.experiment.checkpoint import Checkpoint
    from seedbed.experiment.comparison import Comparison
    from seedbed.experiment.plan import Plan
    from seedbed.experiment.spec import Experiment

Specified = Callable[..., "Experiment"]
Finish = Callable[["Comparison", Path], "Comparison"] | None

_INTERRUPTED = 130

Overwrite = Annotated[
    bool,
    Parameter(help="Train a finished run again; with --out, also discard another run in that folder.", negative=()),
]

TableOrRun = Annotated[
    str, Parameter(help="A table, as compare takes it; or the folder of a finished comparison, in place of it.")
]


def compare(
    table: TableArgument,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Fit models on the same splits, and say which is better than the reference, if any."""

    def ask(now: Callable[[str], None]) -> tuple[Specified, Finish]:
        rows = read(table, options, now)
        from seedbed.experiment.by_column import grouping_of  # loads torch, which takes seconds

        grouping = None if options.by is None else grouping_of(rows, options.by)

        def finish(comparison: Comparison, folder: Path) -> Comparison:
            comparison = comparison if grouping is None else comparison.grouped(grouping)
            return _with_effects(comparison, options.run) if options.effects else comparison

        return specified_by(rows, options), finish if options.effects or grouping is not None else None

    return carried("compare", table, ask, options, overwrite=overwrite)


def _with_effects(comparison: Comparison, run: RunOptions) -> Comparison:
    """Return a finished comparison with what the predictions of the advised network depend on, if one is advised."""
    from seedbed.experiment.model_plan import plan_model

    conclusion = comparison.conclusion
    if comparison.ended == "interrupted" or conclusion.effects is not None:
        return comparison  # or it is read back from its folder
    try:
        model = fitted(plan_model(conclusion, None, comparison.experiment), run, compute=run.compute())
        with working(f"Computing what the predictions of {model.candidate} depend on", run):
            return comparison.with_effects(model)
    except SeedbedError as error:  # the comparison itself is worth more
        say(run, f"no effects: {error.message}")
        return comparison


def read(table: str, options: CompareOptions, now: Callable[[str], None]) -> Table:
    """Return the table of a command."""
    from seedbed.data.reading import read_table

    rows = read_table(table, **options.columns.settings())
    size = f"{counted(rows.n_rows, 'row')}, {counted(rows.n_features, 'feature')}"
    now(f"Planning. {rows.name}: {size}, predicting {rows.target_name}")
    return rows


def run_named(table: str, options: CompareOptions) -> Path | None:
    """Return the folder of a run that is named in place of a table; None if it is a table.

    Raises:
        OptionError: options are given that the run decides, or there is no such folder beside those of other runs.
    """
    if not Path(table).exists():
        from seedbed.experiment.specification_file import check_no_part_of_a_run

        check_no_part_of_a_run(table)
    if not Path(table).is_dir():
        return None
    ours = dataclasses.replace(options, candidate=(), details=False, as_json=False, run=RunOptions())
    if given := ", ".join(given_options(ours)):
        raise OptionError(f"{table} has its own table, recipe and design", f"Leave {given} out.")
    return Path(table)


def specified_by(rows: Table, options: CompareOptions) -> Specified:
    """Return what makes the experiment that the options of a comparison specify."""
    from seedbed.experiment.spec import specify

    lrs = options.recipe.lrs()
    return functools.partial(
        specify,
        rows,
        options.candidate or None,
        recipe=options.recipe.named("default"),
        design=options.design.design(),
        lrs=lrs if len(lrs) > 1 else (),
        command=command_line(),
    )


def carried(
    verb: str,
    table: str,
    ask: Callable[[Callable[[str], None]], tuple[Specified, Finish]],
    options: CompareOptions,
    *,
    overwrite: bool,
    source: Path | None = None,
) -> int:
    """Carry out a comparison in its folder, print it, and return the exit status.

    Args:
        verb: begins the name of the folder.
        ask: gets a function that shows what is done now; returns what makes the experiment, and what adds to the
            finished comparison in its folder, if anything does.
        source: the folder of the same comparison, finished, whose networks aren't trained again.
    """
    started, run = time.perf_counter(), options.run
    if options.effects and verb != "compare":
        raise OptionError("--effects is for a comparison of models", "Leave it out, or run seedbed compare.")
    with working(f"Reading {table}", run) as now:
        specified, finish = ask(now)
        from seedbed.experiment.comparison import carry_out
        from seedbed.experiment.plan import make_plan
        from seedbed.experiment.run_folder import finished_in, folder_for, open_folder
        from seedbed.report.progress import ProgressDisplay
        from seedbed.report.sentences import serious_sentences

        experiment = specified()
        _check_named(options.design.fail_if_worse, experiment)
        folder, plan = run.folder(verb, experiment.table.name), make_plan(experiment, run.compute())
        taken = None if source is None else finished_in(plan, source)
    warnings = serious_sentences(plan.experiment.table.notes)
    if taken is None:
        say(run, *warnings, *plan.modules(), plan.sentence())
    else:
        say(run, *warnings, f"the comparison in {source} isn't trained again")
    if not run.out:
        first = folder
        folder, differing = folder_for(plan, folder)
        if differing:
            say(run, f"{first} holds another run, so this one is in {folder}: {differing}")
    with open_folder(plan, folder, overwrite=overwrite) as opened:
        checkpoint, last = opened.checkpoint, list[str]()
        comparison = opened.finished or taken
        if opened.finished is not None:
            last = [f"the run in {folder} is finished already; --overwrite trains it again"]
        elif checkpoint.earlier:
            repeats = counted(max(map(checkpoint.repeats, plan.experiment.names)), "repeat")
            say(run, f"reused from the earlier run in {folder}: {repeats}")
        if comparison is None and checkpoint.n_splits:
            say(run, f"{counted(checkpoint.n_splits, 'fitted split')} in {folder} are reused")
        with interruptible(lambda: _left_behind(checkpoint)):
            if comparison is None:
                with ProgressDisplay(Console(stderr=True), quiet=run.quiet) as shown:
                    comparison = carry_out(plan, shown, checkpoint=checkpoint, started=started, interrupted=interrupted)
            if finish is not None:
                comparison = finish(comparison, folder)
            try:
                _print(comparison, options)
            except BrokenPipeError:  # the reader has closed the pipe; the files are still written
                opened.save(comparison, pictures=run.format)
                raise
            if comparison is opened.finished and run.format is None:
                paths = sorted(path for path in folder.iterdir() if path.suffix)
            else:
                paths = opened.save(comparison, pictures=run.format)
    if options.as_json:
        print(json.dumps({**comparison.to_dict(), "files": [str(path) for path in paths]}, allow_nan=False))
    say(run, *last, *_pointers(plan, comparison, folder, again=source is None))
    if comparison.ended == "interrupted":
        return _INTERRUPTED
    return _failed(options.design.fail_if_worse, comparison)


def _print(comparison: Comparison, options: CompareOptions) -> None:
    """Print a comparison on stdout, unless as JSON, which names the files and is printed after them."""
    from seedbed.report.terminal import glance_lines

    if options.details and not options.as_json:
        print(comparison.details(), flush=True)
    elif not options.as_json:
        print_lines(glance_lines(comparison.conclusion, width=text_width()))


def _pointers(plan: Plan, comparison: Comparison, folder: Path, *, again: bool) -> Iterator[str]:
    """Yield lines with the report, the details and the next command.

    Args:
        again: whether the command can be given again with other options.
    """
    place, spec = shlex.quote(str(folder)), plan.experiment
    yield ""
    yield f"Report:   {folder / 'report.html'}   (seedbed report {place} --open)"
    yield f"Details:  seedbed report {place} --text"
    if spec.columns is not None:
        return
    advice = comparison.conclusion.advice
    if again and spec.design.quick and spec.command.startswith("seedbed "):
        yield f"Next:     {' '.join(word for word in spec.command.split(' ') if word != '--quick')}"
    elif advice is not None and advice.use != "prior":
        yield f"Next:     seedbed train {place} -o model.safetensors   (saves {advice.use})"
        yield "Then:     seedbed predict model.safetensors NEW_ROWS.csv"


def _check_named(name: str | None, experiment: Experiment) -> None:
    """Raise OptionError unless `--fail-if-worse` names a model that is compared, and isn't the named reference."""
    if experiment.reference_named and name == experiment.reference:
        raise OptionError(f"--fail-if-worse {name} is the reference itself", "Name another, or another --reference.")
    if name is not None and name not in experiment.names:
        raise OptionError(f"--fail-if-worse {name} isn't compared", did_you_mean(name, experiment.names))


def _failed(name: str | None, comparison: Comparison) -> int:
    """Return 1 if a model is worse than the reference, or has no finite predictions; else 0. Without a named reference
    it is the recommended model."""
    if name is None:
        return 0
    rules = {verdict.candidate: verdict.rule for verdict in comparison.verdicts}
    if rules.get(name) == "worse" or not comparison[name].finite:
        worse = f"is worse than {comparison.conclusion.reference}" if name in rules else "has no finite predictions"
        print_stderr(f"seedbed: {name} {worse}")
        return 1
    if name not in rules and name != comparison.conclusion.reference:
        print_stderr(f"seedbed: no verdict on {name}, so --fail-if-worse can't tell")
    return 0


def _left_behind(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return what an interrupt leaves behind, and how to continue."""
    if checkpoint.n_splits or checkpoint.earlier:
        n = counted(checkpoint.n_splits, "fitted split")
        return f"interrupted; {n} kept in {checkpoint.folder}", f"To continue: {command_line()}"
    why = f": {checkpoint.trouble}" if checkpoint.trouble else ""
    return (f"interrupted before anything was finished, so nothing is kept{why}",)

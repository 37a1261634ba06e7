"""The verbs that compare: `compare`, `columns` and `rows`."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from seedbed.cli.console import (
    command_line,
    interrupted,
    interruptible,
    print_lines,
    say,
    text_width,
    working,
)
from seedbed.cli.options import (
    REPEATED,
    CompareOptions,
    FolderOptions,
    RunOptions,
    TableArgument,
    given_options,
)
from seedbed.errors import OptionError, counted

if TYPE_CHECKING:
    from seedbed.experiment.checkpoint import Checkpoint
    from seedbed.experiment.comparison import Comparison
    from seedbed.experiment.plan import Plan
    from seedbed.experiment.run_folder import RunFolder

_INTERRUPTED = 130
_CANT_BE_SETTLED = ("SB209",)  # without a column of times or groups

Overwrite = Annotated[
    bool,
    Parameter(
        help="Train a finished run again; with --out, also discard another run in that folder.",
        negative=(),
    ),
]

TableOrRun = Annotated[
    str,
    Parameter(help="A table, as for compare, or the folder of a finished comparison."),
]


def compare(
    table: TableArgument,
    /,
    *,
    by: Annotated[
        str | None,
        Parameter(
            help="Also give verdicts within the subgroups of this column, and say whether gains differ between them."
        ),
    ] = None,
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Fit models on the same splits, and say which to use and how far the others are behind it."""
    return _answer("compare", table, options, overwrite, by=by)


def rows(
    table: TableArgument,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Compare, then train on halves, quarters and so on of the training rows, and say whether more
    rows would help. With --out, the models of a finished comparison of the same options in that
    folder aren't trained again."""
    return _answer("rows", table, options, overwrite)


def columns(
    table: TableOrRun,
    /,
    *,
    column: Annotated[
        tuple[str, ...],
        REPEATED,
        Parameter(help="A column to ask about; may be repeated. All if left out."),
    ] = (),
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Train one model with all columns and again without each, on the same splits, and say which
    columns help.

    The model is --candidate: a candidate, the name of a default model such as boosted-trees, or
    auto; network-1 if left out, or the model that the comparison in the folder recommends.
    """
    design = options.design
    for name, value in (
        ("--baseline", design.baseline),
        ("--no-baselines", not design.baselines),
        ("--reference", vars(design)["reference"]),
        ("a second --candidate", options.candidate[1:]),
    ):
        if value:
            raise OptionError(
                f"{name} compares models, and columns compares the columns of one model",
                "Leave it out.",
            )
    return _answer("columns", table, options, overwrite, columns=column)


def _answer(
    question: str,
    table: str,
    options: CompareOptions,
    overwrite: bool,
    *,
    columns: Sequence[str] = (),
    by: str | None = None,
) -> int:
    """Train what a question takes in its folder, print the answer, and return the exit status."""
    started = time.perf_counter()
    run = options.run
    with working(f"Reading {table}", run):
        plan = _plan_for(question, table, options, columns, by)
    from seedbed.experiment.run_folder import folder_for, open_folder
    from seedbed.report.sentences import serious_sentences

    # On a terminal, warnings are shown while the models train, and once more with the result.
    serious = serious_sentences(plan.experiment.table.notes)
    is_seen = sys.stdout.isatty() and sys.stderr.isatty() and not options.as_json
    say(run, *(() if is_seen else serious), *plan.modules(), plan.sentence())
    usual = folder = run.folder(question, plan.experiment.table.name)
    if not run.out:
        folder, differing = folder_for(plan, folder)
        if differing:
            reason = f"so this one is in {folder}: {differing}"
            say(run, f"{usual} holds another run, {reason}")
    with (
        open_folder(plan, folder, overwrite=overwrite) as opened,
        interruptible(lambda: _describe_kept(opened.checkpoint)),
    ):
        comparison = opened.finished or _train(plan, opened.checkpoint, run, started)
        if question == "rows":
            comparison = comparison.rows(
                compute=plan.compute, folder=folder, tell=lambda line: say(run, line)
            )
        if by is not None:
            comparison = comparison.by(by)
        paths = _print_and_save(comparison, opened, options)
    if options.as_json:
        document = {**comparison.to_dict(), "files": [str(path) for path in paths]}
        print(json.dumps(document, allow_nan=False))
    if opened.finished is not None:
        again = "--overwrite trains it again"
        say(run, f"the run in {folder} is finished already; {again}")
    say(run, *_pointers(comparison, folder))
    return _INTERRUPTED if comparison.ended == "interrupted" else 0


def _plan_for(
    question: str,
    table: str,
    options: CompareOptions,
    columns: Sequence[str],
    by: str | None,
) -> Plan:
    """Return the plan that answers a question about a table, or about the columns of a finished
    comparison, whose folder is named in place of a table. SeedbedError if an option, the table or a
    candidate can't be used."""
    from seedbed.data.by_column import grouping_of
    from seedbed.data.reading import read_table
    from seedbed.experiment.columns import specify_columns
    from seedbed.experiment.plan import make_plan
    from seedbed.experiment.saved_run import columns_of_run
    from seedbed.experiment.sizes import check_sizes
    from seedbed.experiment.spec import specify
    from seedbed.experiment.subgroups import check_metric

    candidate = options.candidate[0] if options.candidate else None
    if question == "columns" and Path(table).is_dir():
        undecided = dataclasses.replace(
            options, candidate=(), details=False, as_json=False, run=FolderOptions()
        )
        if names := ", ".join(given_options(undecided)):
            raise OptionError(
                f"{table} has its own table, recipe and design", f"Leave {names} out."
            )
        experiment = columns_of_run(Path(table), candidate, columns, command_line())
        return make_plan(experiment, options.run.compute())
    read = read_table(table, **vars(options.columns))
    shared: Any = {
        "recipe": options.recipe.named("default"),
        "design": options.design.design(),
        "command": command_line(),
    }
    if question == "columns":
        experiment = specify_columns(read, candidate, columns, **shared)
    else:
        experiment = specify(read, options.candidate or None, **shared)
    if question == "rows":
        check_sizes(experiment)
    if by is not None:
        check_metric(experiment.metric)
        grouping_of(read, by)
    return make_plan(experiment, options.run.compute())


def _train(
    plan: Plan, checkpoint: Checkpoint, run: RunOptions, started: float
) -> Comparison:
    """Train what isn't kept in the folder of a run, and show the progress."""
    from seedbed.experiment.comparison import carry_out
    from seedbed.report.progress import ProgressDisplay
    from seedbed.report.sentences import serious_sentences

    if checkpoint.n_splits:
        kept = counted(checkpoint.n_splits, "fitted split")
        say(run, f"{kept} in {checkpoint.folder} are reused")
    serious = serious_sentences(plan.experiment.table.notes)
    console = Console(stderr=True)
    with ProgressDisplay(console, quiet=run.quiet, warnings=serious) as tell:
        return carry_out(
            plan,
            tell,
            checkpoint=checkpoint,
            started=started,
            interrupted=interrupted,
        )


def _print_and_save(
    comparison: Comparison, opened: RunFolder, options: CompareOptions
) -> list[Path]:
    """Print a comparison, unless as JSON, which names the files and follows them; save it, and
    return its files."""
    from seedbed.report.terminal import comparison_text, glance_lines

    conclusion = comparison.conclusion
    try:
        if options.details and not options.as_json:
            print(comparison_text(conclusion, width=text_width()), flush=True)
        elif not options.as_json:
            print_lines(glance_lines(conclusion, width=text_width()))
    finally:  # also if the reader has closed the pipe
        paths = opened.save(comparison)
    return paths


def _pointers(comparison: Comparison, folder: Path) -> Iterator[str]:
    """Yield lines with the report, the details and the next command."""
    from seedbed.data.frame import SERIOUS
    from seedbed.evaluation.protocol import protocol
    from seedbed.report.advice import guessing_words, remedy
    from seedbed.report.sentences import duration

    quoted = shlex.quote(str(folder))
    spec = comparison.experiment
    report = f"Report:   seedbed report {quoted} --open   (in a browser; --text: all numbers here)"
    yield ""
    if spec.columns is not None:
        yield report
        return
    conclusion = comparison.conclusion
    advice = conclusion.advice
    label = "Next:"
    why = ""
    if remedy(conclusion) is not None:
        label, why = "Or:  ", "if the warning doesn't apply"
    elif serious := [
        code
        for code in SERIOUS
        if any(
            note.code == code and code not in _CANT_BE_SETTLED
            for note in conclusion.notes
        )
    ]:
        yield f"First:    settle {' and '.join(serious)} above, which may make these results wrong"
    if not why and spec.design.quick and spec.command.startswith("seedbed "):
        whole = conclusion.plan.sample_of or spec.table.n_rows
        times = protocol(whole).repeats * whole / spec.table.n_rows
        longer = " ".join(word for word in spec.command.split(" ") if word != "--quick")
        longer += (
            " --overwrite" if " --out " in longer else ""
        )  # a folder holds one run
        yield f"Next:     {longer}   (at most about {duration(times * (conclusion.seconds or 0.0))})"
    elif advice is not None and advice.use != "prior":
        what = why or f"makes a file of {advice.use}"
        if advice.simpler and not why:
            what += f"; --candidate {advice.simpler}: the simpler one"
        if advice.guess and not why:
            what += f"; --candidate prior: {guessing_words(conclusion)}"
        yield f"{label}     seedbed train {quoted} -o model.safetensors   ({what})"
        yield "Then:     seedbed predict model.safetensors NEW_ROWS.csv"
    yield report


def _describe_kept(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return what an interrupt leaves behind, and how to continue."""
    if checkpoint.n_splits:
        n = counted(checkpoint.n_splits, "fitted split")
        return (
            f"interrupted; {n} kept in {checkpoint.folder}",
            f"To continue: {command_line()}",
        )
    why = f": {checkpoint.trouble}" if checkpoint.trouble else ""
    return (f"interrupted before anything was finished, so nothing is kept{why}",)

"""The verbs that compare: `compare`, `columns` and `rows`."""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
import sys
import time
from collections.abc import Iterator
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
from seedbed.cli.options import (
    REPEATED,
    CompareOptions,
    FolderOptions,
    TableArgument,
    given_options,
)
from seedbed.errors import OptionError, counted, did_you_mean

if TYPE_CHECKING:
    from seedbed.experiment.checkpoint import Checkpoint
    from seedbed.experiment.comparison import Comparison
    from seedbed.experiment.request import Question, Request
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
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Fit models on the same splits, and say which to use and how far the others are behind it."""
    return _answer("compare", table, options, overwrite=overwrite)


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
    if options.by is not None:
        raise OptionError(
            "--by divides the rows of a comparison",
            "Leave it out, or run seedbed compare.",
        )
    return _answer("rows", table, options, overwrite=overwrite)


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
        ("--by", options.by),
        ("--baseline", design.baseline),
        ("--no-baselines", not design.baselines),
        ("--fail-if-worse", design.fail_if_worse),
        ("--reference", vars(design)["reference"]),
        ("a second --candidate", options.candidate[1:]),
    ):
        if value:
            raise OptionError(
                f"{name} compares models, and columns compares the columns of one model",
                "Leave it out.",
            )
    if options.run.format is not None:
        raise OptionError(
            "columns have no charts as pictures",
            "Leave out --format: the report draws the ranges.",
        )
    return _answer("columns", table, options, column, overwrite=overwrite)


def _find_run(table: str, options: CompareOptions) -> Path | None:
    """Return the folder of a run that is named in place of a table; None if it is a table.
    OptionError for options that the run decides."""
    if not Path(table).is_dir():
        return None
    undecided = dataclasses.replace(
        options, candidate=(), details=False, as_json=False, run=FolderOptions()
    )
    if names := ", ".join(given_options(undecided)):
        raise OptionError(
            f"{table} has its own table, recipe and design", f"Leave {names} out."
        )
    return Path(table)


def _answer(
    question: Question,
    table: str,
    options: CompareOptions,
    columns: tuple[str, ...] = (),
    *,
    overwrite: bool,
) -> int:
    """Carry out a request in its folder, print the answer, and return the exit status."""
    started = time.perf_counter()
    run = options.run
    if options.effects and question != "compare":
        raise OptionError(
            "--effects is for a comparison of models",
            "Leave it out, or run seedbed compare.",
        )
    with working(f"Reading {table}", run) as show_now:
        source = _find_run(table, options) if question == "columns" else None
        if source is None:
            from seedbed.data.reading import read_table

            rows_read = read_table(table, **vars(options.columns))
            size = f"{counted(rows_read.n_rows, 'row')}, {counted(rows_read.n_features, 'feature')}"
            show_now(
                f"Planning. {rows_read.name}: {size}, predicting {rows_read.target_name}"
            )
        from seedbed.data.by_column import grouping_of
        from seedbed.experiment.request import Request, carry_out_request
        from seedbed.experiment.run_folder import folder_for, open_folder
        from seedbed.report.progress import ProgressDisplay
        from seedbed.report.sentences import serious_sentences
        from seedbed.training.native.library import kernel

        named = options.candidate
        request = Request(
            question=question,
            source=source or rows_read,
            candidates=(named[0] if question == "columns" else named)
            if named
            else None,
            columns=columns,
            recipe=options.recipe.named("default"),
            design=options.design.design(),
            command=command_line(),
            compute=run.compute(),
            grouping=None if options.by is None else grouping_of(rows_read, options.by),
            effects=options.effects,
            started=started,
        )
        plan = request.plan
        name, experiment = options.design.fail_if_worse, plan.experiment
        if name == experiment.reference:
            hint = "Name another, or another --reference."
            raise OptionError(f"--fail-if-worse {name} is the reference itself", hint)
        if name is not None and name not in experiment.names:
            raise OptionError(
                f"--fail-if-worse {name} isn't compared",
                did_you_mean(name, experiment.names),
            )
    # On a terminal, warnings are shown while the models train, and once more with the result.
    serious = serious_sentences(experiment.table.notes)
    is_seen = sys.stdout.isatty() and sys.stderr.isatty()
    lines = [*plan.modules(), plan.sentence()]
    if kernel("float32").instructions == "SSE4.2":
        lines.append(
            "this processor has no AVX2, so networks train up to three times more slowly"
        )
    say(run, *(() if is_seen and not options.as_json else serious), *lines)
    first = folder = run.folder(question, experiment.table.name)
    if not run.out:
        folder, differing = folder_for(plan, folder)
        if differing:
            say(
                run,
                f"{first} holds another run, so this one is in {folder}: {differing}",
            )
    with open_folder(plan, folder, overwrite=overwrite) as opened:
        n_splits = opened.checkpoint.n_splits
        if opened.finished is None and n_splits:
            say(run, f"{counted(n_splits, 'fitted split')} in {folder} are reused")
        with interruptible(lambda: _describe_kept(opened.checkpoint)):
            comparison = carry_out_request(
                request,
                opened,
                lambda: ProgressDisplay(
                    Console(stderr=True), quiet=run.quiet, warnings=serious
                ),
                say=functools.partial(say, run),
                working=functools.partial(working, run=run),
                interrupted=interrupted,
            )
            paths = _print_and_save(comparison, opened, options)
    if options.as_json:
        print(
            json.dumps(
                {**comparison.to_dict(), "files": [str(path) for path in paths]},
                allow_nan=False,
            )
        )
    if opened.finished is not None:
        say(
            run, f"the run in {folder} is finished already; --overwrite trains it again"
        )
    say(run, *_pointers(request, comparison, folder))
    if comparison.ended == "interrupted":
        return _INTERRUPTED
    return _exit_status(name, comparison)


def _print_and_save(
    comparison: Comparison, opened: RunFolder, options: CompareOptions
) -> list[Path]:
    """Print a comparison, unless as JSON, which names the files and follows them; save it, and
    return its files."""
    from seedbed.report.terminal import comparison_text, glance_lines

    try:
        if options.details and not options.as_json:
            print(
                comparison_text(comparison.conclusion, width=text_width()), flush=True
            )
        elif not options.as_json:
            print_lines(glance_lines(comparison.conclusion, width=text_width()))
    except (
        BrokenPipeError
    ):  # the reader has closed the pipe; the files are still written
        opened.save(comparison, pictures=options.run.format)
        raise
    if comparison is opened.finished and options.run.format is None:
        return sorted(
            path for path in opened.checkpoint.folder.iterdir() if path.suffix
        )
    return opened.save(comparison, pictures=options.run.format)


def _pointers(request: Request, comparison: Comparison, folder: Path) -> Iterator[str]:
    """Yield lines with the report, the details and the next command."""
    from seedbed.data.frame import SERIOUS
    from seedbed.evaluation.protocol import protocol
    from seedbed.report.advice import guessing_words, remedy
    from seedbed.report.sentences import duration

    quoted = shlex.quote(str(folder))
    spec = request.plan.experiment
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


def _exit_status(name: str | None, comparison: Comparison) -> int:
    """Return 1 if a model is worse than the reference, or has no finite predictions; else 0."""
    if name is None:
        return 0
    rules = {verdict.candidate: verdict.rule for verdict in comparison.verdicts}
    if rules.get(name) == "worse" or not comparison[name].finite:
        worse = (
            f"is worse than {comparison.conclusion.reference}"
            if name in rules
            else "has no finite predictions"
        )
        print_stderr(f"seedbed: {name} {worse}")
        return 1
    if name not in rules and name != comparison.conclusion.reference:
        print_stderr(f"seedbed: no verdict on {name}, so --fail-if-worse can't tell")
    return 0


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

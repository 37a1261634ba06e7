"""The verbs that show: tables, example tables, the report of a run, and the playground."""

from __future__ import annotations

import json
import shlex
import webbrowser
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from seedbed.cli.console import print_stderr, text_width
from seedbed.cli.options import FLAG, OUTPUT, AsJson, Quiet, TableArgument, TableOptions
from seedbed.errors import OptionError


def inspect(
    table: TableArgument,
    /,
    *,
    as_json: AsJson = False,
    columns: TableOptions = TableOptions(),
) -> None:
    """Show how a table is read: warnings, and a line for each column."""
    from seedbed.data.follow_up import likely_survival
    from seedbed.data.inspection import inspect_table
    from seedbed.data.target import likely_target
    from seedbed.report.card import overview_text

    document = inspect_table(table, **vars(columns))
    if as_json:
        print(json.dumps(document, allow_nan=False))
        return
    print(overview_text(document, width=text_width()))
    names = [column["name"] for column in document["columns"]]
    likely: dict[str, str | None] = {}
    if not document["target"]:
        pairs = [
            column["name"] for column in document["columns"] if column["n_unique"] == 2
        ]
        numbers = [
            column["name"]
            for column in document["columns"]
            if column["kind"] == "number"
        ]
        likely = {**likely_survival(pairs, numbers)} or {"target": likely_target(names)}
    print_stderr("", f"Next:     {columns.command('compare', table, **likely)} --quick")


def examples() -> None:
    """List the example tables and how to write candidates."""
    from seedbed.data.sources.opening import EXAMPLES
    from seedbed.networks.activations import ACTIVATIONS
    from seedbed.report.tables import fold_text

    texts = [
        *(
            f"example:{name:15} {e.description} (target {e.target})"
            for name, e in EXAMPLES.items()
        ),
        "",
        f"activations: linear, {', '.join(sorted(ACTIVATIONS))}",
        "candidates:  relu:5  linear:20,20  relu:20+tanh:20  logistic  relu:64,64@lr=0.003,dropout=0.1  FILE.py:CLASS",
    ]
    for text in texts:
        print(*fold_text(text, text_width(), hanging=2), sep="\n")


def report(
    run: Annotated[
        Path,
        Parameter(
            help="The folder of compare, the summary in it, or the JSON of judge."
        ),
    ],
    /,
    *,
    output: Annotated[
        Path | None,
        OUTPUT,
        Parameter(
            help="The file to write, or the folder of pictures; report.html in the run's folder if left out."
        ),
    ] = None,
    format: Annotated[
        Literal["html", "png", "svg", "pdf"],
        Parameter(
            help="html is the whole report; the others give one picture per chart."
        ),
    ] = "html",
    text: Annotated[
        bool,
        FLAG,
        Parameter(
            help="Print the details, such as verdicts and intervals, and write nothing."
        ),
    ] = False,
    checklist: Annotated[
        bool,
        FLAG,
        Parameter(
            help="Print what the run can answer of TRIPOD+AI and PROBAST+AI, or write them to --output."
        ),
    ] = False,
    open: Annotated[
        bool, FLAG, Parameter(help="Open the report in a browser.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw the report of a run again, print its details, or open it in a browser. Nothing is
    trained."""
    from seedbed.report.stored import read_summary, write_report
    from seedbed.report.terminal import comparison_text, glance_text

    if checklist and (text or open or format != "html"):
        raise OptionError(
            "--checklist stands alone", "Leave out --text, --open and --format, or it."
        )
    if (text or open) and format != "html":
        raise OptionError(
            f"--format {format} is for pictures",
            f"Leave out --{'text' if text else 'open'}, or it.",
        )
    summary = read_summary(run)
    if checklist and output is None:
        from seedbed.report.html_page import checklist_text

        print(checklist_text(summary, width=text_width()))
        return
    if text:
        width = text_width()
        as_text = comparison_text if summary.kind == "comparison" else glance_text
        print(as_text(summary, width=width))
        return
    from seedbed.figures.pictures import save_pictures

    folder = run if run.is_dir() else run.parent
    if format == "html":
        paths = [
            write_report(summary, output or folder / "report.html", checklist=checklist)
        ]
    else:
        pictures = output or folder
        if pictures.exists() and not pictures.is_dir():
            raise OptionError(
                f"can't write pictures to {pictures}: it is a file",
                "Name a folder with --output.",
            )
        pictures.mkdir(parents=True, exist_ok=True)
        paths = save_pictures(summary, pictures, format)
    if as_json:
        print(json.dumps({"files": [str(path) for path in paths]}, allow_nan=False))
    elif not quiet:
        print_stderr(*(f"wrote {path}" for path in paths))
        if format == "html" and not open and not checklist:
            output_option = (
                f" -o {shlex.quote(str(output))}" if output is not None else ""
            )
            print_stderr(
                f"Next:     seedbed report {shlex.quote(str(run))}{output_option} --open"
            )
    if open:
        _open(paths[0])


def play(
    table: Annotated[
        str | None,
        Parameter(
            help="A table, as compare takes it; without one the page reads CSV files dropped on it."
        ),
    ] = None,
    /,
    *,
    output: Annotated[
        Path | None,
        OUTPUT,
        Parameter(help="The file to write; play-TABLE.html if left out."),
    ] = None,
    no_open: Annotated[
        bool, FLAG, Parameter(help="Don't open the page in a browser.")
    ] = False,
    columns: TableOptions = TableOptions(),
) -> None:
    """Write a page on which networks train live on the table, in a browser and without a
    connection."""
    from seedbed.data.reading import read_table
    from seedbed.play.page import playground

    if table is None and columns != TableOptions():
        raise OptionError(
            "an option for tables is given without a table", "Name the table first."
        )
    if vars(columns)["time_split"] is not None:
        raise OptionError(
            "--time-split decides splits, and the page splits rows at random",
            "Leave it out; seedbed compare supports it.",
        )
    path = playground(
        None if table is None else read_table(table, **vars(columns)), output
    )
    print_stderr(f"wrote {path}")
    if not no_open:
        _open(path)


def _open(page: Path) -> None:
    """Open a page in a browser, or say that there is none."""
    if not webbrowser.open(page.absolute().as_uri()):
        print_stderr(f"no browser was found: open {page} yourself")

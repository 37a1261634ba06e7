"""The verbs of a gate: `new`, `try`, `status` and `confirm`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from seedbed.cli.console import print_stderr
from seedbed.cli.options import REPEATED, AsJson, TableArgument, TableOptions
from seedbed.errors import OptionError
from seedbed.networks.user import load_from_file

gate = App(
    name="gate",
    help="Try many changes of a model on fixed rows, and confirm what was kept on locked rows.",
    help_epilogue="Try: seedbed gate new loop example:breast-cancer",
)

Folder = Annotated[Path, Parameter(help="The folder of the gate.")]
Predictions = Annotated[
    Path | None,
    Parameter(
        help="Predictions of any library: columns row, repeat, and prediction or probability_LABEL."
    ),
]


@gate.command
def new(
    folder: Folder,
    table: TableArgument,
    /,
    *,
    candidate: Annotated[
        str, Parameter(help="The start: a candidate, a default model, or auto.")
    ] = "auto",
    metric: Annotated[
        str | None,
        Parameter(help="The score that decides, such as accuracy or log_loss."),
    ] = None,
    columns: TableOptions = TableOptions(),
    as_json: AsJson = False,
) -> int:
    """Lock a fifth of the rows, fix the splits, and train the start."""
    from seedbed.data.reading import read_table
    from seedbed.experiment.gate import Gate

    read = read_table(table, **vars(columns))
    _print(Gate.new(folder, read, candidate=candidate, metric=metric).status(), as_json)
    print_stderr(
        f"Next: seedbed gate try {folder} with --drop COLUMN, --candidate, --table or --predictions"
    )
    return 0


@gate.command(name="try")
def try_(
    folder: Folder,
    /,
    *,
    name: Annotated[str, Parameter(help="The name of the try.")] = "",
    candidate: Annotated[
        str | None, Parameter(help="A candidate in place of the current one.")
    ] = None,
    estimator: Annotated[
        str | None,
        Parameter(
            help="A scikit-learn estimator or pipeline in place of it, as FILE.py:NAME."
        ),
    ] = None,
    drop: Annotated[
        tuple[str, ...],
        REPEATED,
        Parameter(help="A column to leave out; may be repeated."),
    ] = (),
    table: Annotated[
        Path | None, Parameter(help="A file with other columns of the same rows.")
    ] = None,
    key: Annotated[
        str | None, Parameter(help="The column by which rows of --table are matched.")
    ] = None,
    predictions: Predictions = None,
    as_json: AsJson = False,
) -> int:
    """Compare a change with the current version; exit with status 0 if it is kept, and 1 if not."""
    from seedbed.experiment.gate import Gate

    model: Any = candidate
    if estimator is not None:
        if candidate is not None:
            raise OptionError("--candidate and --estimator are both given", "Give one.")
        path, _, name_in_file = estimator.rpartition(":")
        model = load_from_file(Path(path), name_in_file)
    change: Any = {
        "candidate": model,
        "drop": drop,
        "table": table,
        "key": key,
        "predictions": predictions,
    }
    return int(not _print(Gate(folder).try_(name=name, **change), as_json).kept)


@gate.command
def status(folder: Folder, /, *, as_json: AsJson = False) -> int:
    """Show what was tried and kept, and how much of it chance alone would give."""
    from seedbed.experiment.gate import Gate

    _print(Gate(folder).status(), as_json)
    return 0


@gate.command
def confirm(
    folder: Folder, /, *, predictions: Predictions = None, as_json: AsJson = False
) -> int:
    """Open the locked rows, once; exit with status 0 if the kept version is better than the start,
    and 1 if not."""
    from seedbed.experiment.gate import Gate

    return int(not _print(Gate(folder).confirm(predictions), as_json).confirmed)


def _print(result: Any, as_json: bool) -> Any:
    print(
        json.dumps(dataclasses.asdict(result), allow_nan=False) if as_json else result
    )
    return result

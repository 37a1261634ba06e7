"""The verbs of models, and the half of `train` that makes one."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seedbed.cli.options import ModelOptions, RecipeOptions, RunOptions, TableArgument, TableOptions
from seedbed.cli.telling import interruptible, say, shown
from seedbed.errors import ModelFileError, OptionError

if TYPE_CHECKING:
    from seedbed.data import Table
    from seedbed.model import Model

__all__ = ["ModelArgument", "OwnNetwork", "loaded", "predict", "show", "train_model"]

ModelArgument = Annotated[Path, Parameter(help="A model file, as seedbed train -o has written it.")]
OwnNetwork = Annotated[
    str | None, Parameter(help="FILE.py:CLASS, where the model is one of a network of your own.", show_default=False)
]


def train_model(
    table: str,
    candidate: str | None,
    wanted: ModelOptions,
    random_state: int,
    columns: TableOptions,
    recipe: RecipeOptions,
    run: RunOptions,
) -> None:
    """Train on all rows, and write the model."""
    from seedbed.data import read_table
    from seedbed.model import check_target
    from seedbed.report import note_sentences

    assert wanted.output is not None
    check_target(wanted.output)
    n_networks = 10 if wanted.networks is None else wanted.networks
    options: dict[str, Any] = {
        "n_networks": n_networks,
        "threshold": 0.5 if wanted.threshold is None else wanted.threshold,
    }
    warnings: Iterable[str] = ()  # a comparison has told those of its table
    with interruptible("interrupted, no model written"):
        if Path(table).is_dir():
            own = wanted.recipe or wanted.epoch or random_state
            if columns != TableOptions() or recipe != RecipeOptions() or own:
                raise OptionError(
                    f"the comparison in {table} has a table and a recipe of its own",
                    "Leave all but --candidate, --networks and --threshold out, or name the table instead.",
                )
            model = _of_run(Path(table), candidate, run, options)
        else:
            common = recipe.recipe(wanted.recipe or "trained", wanted.epoch)
            options |= {"recipe": common, "random_state": random_state}
            rows = read_table(table, **columns.settings())
            warnings = note_sentences({"notes": [note.as_dict() for note in rows.notes]})
            model = _of_table(rows, candidate or "relu:5", run, options)
        path = model.save(wanted.output)
    if not run.quiet:
        print(model)
    say(run, *warnings, f"wrote {path}", f"Try: seedbed predict {path} TABLE")


def _of_table(table: Table, candidate: str, run: RunOptions, options: dict[str, Any]) -> Model:
    from seedbed.experiment import watch_model
    from seedbed.model import fit_model, n_choosing
    from seedbed.networks import candidate_from

    found = candidate_from(candidate)
    own, n_networks = found.recipe(options["recipe"]), options["n_networks"]
    watch, board = watch_model(found.name, own.epochs, n_networks, n_choosing(own, n_networks))
    with shown(watch, run):
        return fit_model(table, found, watch=board, **options, **run.settings())


def _of_run(folder: Path, candidate: str | None, run: RunOptions, options: dict[str, Any]) -> Model:
    from seedbed.experiment import take_home_from, watch_model

    found = take_home_from(folder, candidate)
    watch, board = watch_model(found.candidate.name, found.settled.epochs, options["n_networks"], 0)
    with shown(watch, run):
        return found.fit(watch=board, **options, **run.settings())


def loaded(path: Path, network: str | None = None, *, otherwise: str = "") -> Model:
    """The model in a file.

    Args:
        network: where its code is, if it isn't made of seedbed's words.
        otherwise: a hint for whoever names what isn't called a model, a table say.

    Raises:
        SeedbedError: there is none.
    """
    from seedbed.model import load
    from seedbed.networks import candidate_from

    if path.is_dir():
        if (path / "comparison.json").is_file():
            message = f"{path} is the folder of a comparison, and no model"
            raise OptionError(message, f"Make one: seedbed train {shlex.quote(str(path))} -o model.safetensors.")
        raise OptionError(f"{path} is a folder, and no model", "Name a file that seedbed train -o has written.")
    try:
        return load(path, architecture=None if network is None else candidate_from(network).architecture)
    except ModelFileError as error:
        called_so = path.suffix == ".safetensors" or not path.is_file()
        raise ModelFileError(error.message, error.hint if called_so else otherwise or error.hint) from None


def show(
    model: ModelArgument,
    /,
    *,
    network: OwnNetwork = None,
    as_json: Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())] = False,
) -> None:
    """Show what is in a model file: what it predicts from what, how it was trained, and how well it may do."""
    found = loaded(model, network, otherwise=f"If it is a table: seedbed inspect {shlex.quote(str(model))}.")
    print(json.dumps(found.card(), allow_nan=False) if as_json else found)


def predict(
    model: ModelArgument,
    table: TableArgument,
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="A .csv or .parquet file; CSV on stdout if left out."),
    ] = None,
    threshold: Annotated[
        float | None, Parameter(help="Of two labels: above which probability the positive one is predicted.")
    ] = None,
    keep: Annotated[
        tuple[str, ...],
        Parameter(
            help="A column of the table to write beside the predictions; may be repeated.",
            negative=(),
            show_default=False,
        ),
    ] = (),
    sql_table: Annotated[str | None, Parameter(name="--table", help="Which table of a database.")] = None,
    query: Annotated[str | None, Parameter(help="What to ask a database for, in SQL.")] = None,
    network: OwnNetwork = None,
    as_json: Annotated[
        bool,
        Parameter(name="--json", help="One JSON document on stdout about what was written; needs -o.", negative=()),
    ] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], help="Nothing but errors.", negative=())] = False,
) -> None:
    """Predict the rows of a table: label, probabilities, their spread over the networks, and what is strange."""
    if as_json and output is None:
        raise OptionError("--json tells of a file, and the predictions go to stdout", "Add -o FILE.")
    from seedbed.data import open_rows
    from seedbed.model import check_writable, write_predictions
    from seedbed.report import counted

    found = loaded(model, network, otherwise="The model comes before the table: seedbed predict MODEL TABLE.")
    if output is not None:
        if output.exists() and Path(table).exists() and output.samefile(table):
            raise OptionError(f"{output} is the table that is predicted", "Name another file.")
        check_writable(output, "predictions")
    rows = open_rows(table, found.feature_names_in_, table=sql_table, query=query)
    with interruptible("interrupted, no predictions written"), rows as columns:
        written = write_predictions(found, columns, output, threshold=threshold, keep=keep)
    if as_json:
        print(
            json.dumps(
                {"files": [str(output)], "n_rows": written.n_rows, "notes": [n.as_dict() for n in written.notes]}
            )
        )
    if not quiet:
        for note in written.notes:
            print(f"{note.code or 'note'}: {note.message}", file=sys.stderr)
        if output is not None:
            print(f"wrote {output}: {counted(written.n_rows, 'row')}", file=sys.stderr)

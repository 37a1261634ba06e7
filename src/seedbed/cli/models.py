"""The verbs of models, and the half of `train` that makes one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seedbed.cli.options import ModelOptions, RecipeOptions, RunOptions, SourceOptions, TableArgument, TableOptions
from seedbed.cli.telling import interruptible, print_stderr, say, shown
from seedbed.errors import ModelFileError, OptionError

if TYPE_CHECKING:
    from seedbed.data import Table
    from seedbed.model import Model

__all__ = ["loaded", "predict", "show", "train_model"]

Board = Callable[..., Any]

_AS_IT_IS = SourceOptions()

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
    from seedbed.model import AUTO, check_target
    from seedbed.report import advice_sentences, note_sentences, read_summary, serious_sentences

    assert wanted.output is not None
    check_target(wanted.output)
    options: dict[str, Any] = {
        "n_networks": wanted.networks,
        "threshold": 0.5 if wanted.threshold is None else wanted.threshold,
    }
    warnings: Iterable[str] = ()  # a comparison has told those of its table
    with interruptible("interrupted, no model written"):
        if Path(table).is_dir():
            if columns != TableOptions() or recipe != RecipeOptions() or random_state:
                raise OptionError(
                    f"the comparison in {table} has a table and a recipe of its own",
                    "Leave all but --candidate, --networks and --threshold out, or name the table instead.",
                )
            model = _of_run(Path(table), candidate, run, options)
            summary = read_summary(table)
            if candidate is None and summary["advice"]["as_good"]:
                warnings = advice_sentences(summary)[:1]
        else:
            options["random_state"] = random_state
            if candidate == AUTO:
                _refuse_of_a_blend(recipe)
                options["settings"] = recipe.given()
            else:
                options["recipe"] = recipe.named("trained")
            rows = read_table(table, **columns.settings())
            notes = [note.as_dict() for note in rows.notes]
            warnings = [*serious_sentences(notes), *note_sentences({"notes": notes})]
            model = _of_table(rows, candidate or "relu:5", run, options)
        path = model.save(wanted.output)
    if not run.quiet:
        print(model)
    say(run, *warnings, f"wrote {path}", f"Next:     seedbed predict {shlex.quote(str(path))} TABLE")


def _refuse_of_a_blend(recipe: RecipeOptions) -> None:
    """Raises OptionError where something is asked for that a blend decides by itself."""
    for name in ("recipe", "epoch"):
        if getattr(recipe, name) is not None:
            hint = "Leave it out; --epochs, --lr and the like are taken."
            raise OptionError(f"--{name} can't be chosen for auto, which has a recipe of its own", hint)


def _of_table(table: Table, candidate: str, run: RunOptions, options: dict[str, Any]) -> Model:
    from seedbed.fitting import n_choosing
    from seedbed.model import AUTO, N_NETWORKS, blend_table, fit_model
    from seedbed.networks import candidate_from
    from seedbed.training import own_module

    if candidate == AUTO:
        with _watched_blend(table, run, options["n_networks"]) as board:
            return blend_table(table, watch=board, **options, **dataclasses.asdict(run.compute()))[0]
    found, n_networks = candidate_from(candidate), options["n_networks"] or N_NETWORKS
    own = found.recipe(options["recipe"])
    say(run, *filter(None, [own_module(found, table)]))
    with _watched(found.name, own.epochs, n_networks, n_choosing(own, n_networks), run) as board:
        return fit_model(table, found, watch=board, **options, **dataclasses.asdict(run.compute()))


def _of_run(folder: Path, candidate: str | None, run: RunOptions, options: dict[str, Any]) -> Model:
    from seedbed.experiment import take_home_from
    from seedbed.fitting import n_choosing
    from seedbed.model import N_NETWORKS

    found = take_home_from(folder, candidate)
    if isinstance(found.candidate, str):
        watched = _watched_blend(found.table, run, options["n_networks"])
    else:
        n_networks = options["n_networks"] or N_NETWORKS
        n_inner = 0 if found.settled else n_choosing(found.recipe, n_networks)
        epochs = found.settled.epochs if found.settled else found.recipe.epochs
        watched = _watched(found.candidate.name, epochs, n_networks, n_inner, run)
    with watched as board:
        return found.fit(watch=board, **options, **dataclasses.asdict(run.compute()))


def _watched_blend(table: Table, run: RunOptions, n_networks: int | None) -> AbstractContextManager[Board]:
    from seedbed.model import AUTO, blend_size

    n_members, epochs, usual = blend_size(table)
    return _watched(AUTO, epochs, n_members * (n_networks or usual), 0, run)


@contextlib.contextmanager
def _watched(name: str, epochs: int, n_networks: int, n_choosing: int, run: RunOptions) -> Iterator[Board]:
    """What `fit_model` takes as `watch`, while it is shown."""
    from seedbed.experiment import watch_model

    watch, board = watch_model(name, epochs, n_networks, n_choosing)
    with shown(watch, run):
        yield board


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
    if as_json:
        print(json.dumps(found.card(), allow_nan=False))
        return
    print(found)
    print_stderr("", f"Next:     seedbed predict {shlex.quote(str(model))} TABLE -o predictions.csv")


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
    source: SourceOptions = _AS_IT_IS,
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
    rows = open_rows(table, found.feature_names_in_, **source.settings())
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
            print_stderr(f"{note.code or 'note'}: {note.message}")
        if output is not None:
            print_stderr(f"wrote {output}: {counted(written.n_rows, 'row')}")

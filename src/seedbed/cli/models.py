"""The verbs of saved models: show, predict, export and serve."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from seedbed.cli.console import interruptible, print_stderr, text_width
from seedbed.cli.options import (
    FLAG,
    OUTPUT,
    REPEATED,
    AsJson,
    Quiet,
    SourceArguments,
    TableArgument,
)
from seedbed.errors import (
    ModelFileError,
    OptionError,
    TooFewRowsError,
    command_line_options,
    counted,
)

if TYPE_CHECKING:
    from seedbed.model.model import Model

ModelArgument = Annotated[Path, Parameter(help="A model file from seedbed train -o.")]
OwnNetwork = Annotated[
    str | None,
    Parameter(
        help="FILE.py:CLASS, for a model of your own network.", show_default=False
    ),
]

Coverage = Annotated[
    float | None,
    Parameter(
        help="Add sets of labels (set) or intervals of numbers (low, high) that contain the truth for this share of new"
        " rows, such as 0.9."
    ),
]
PerClass = Annotated[
    bool,
    Parameter(
        help="Reach the share of --coverage in each class; sets are larger.",
        negative=(),
    ),
]


def load_model(path: Path, network: str | None = None, *, otherwise: str = "") -> Model:
    """Return the model in a file, with the code of a user-defined network. SeedbedError if it holds
    no model; `otherwise` is the hint if the file isn't named like a model, but may be a table."""
    from seedbed.model.model import load
    from seedbed.networks.candidate import candidate_from
    from seedbed.networks.mlp import builder_of

    if path.is_dir():
        if (path / "comparison.json").is_file():
            raise OptionError(
                f"{path} is the folder of a comparison, not a model",
                f"Make one: seedbed train {shlex.quote(str(path))} -o model.safetensors.",
            )
        raise OptionError(
            f"{path} is a folder, not a model",
            "Name a file that seedbed train -o has written.",
        )
    try:
        return load(
            path,
            architecture=None
            if network is None
            else builder_of(candidate_from(network).architecture),
        )
    except ModelFileError as error:
        called_so = path.suffix == ".safetensors" or not path.is_file()
        raise ModelFileError(
            error.message, error.hint if called_so else otherwise or error.hint
        ) from None


def show(
    model: ModelArgument, /, *, network: OwnNetwork = None, as_json: AsJson = False
) -> None:
    """Show a model file: its columns, how it was trained, and the score to expect."""
    from seedbed.report.card import card_text

    fitted = load_model(
        model,
        network,
        otherwise=f"If it is a table: seedbed inspect {shlex.quote(str(model))}.",
    )
    if as_json:
        print(json.dumps(fitted.card(), allow_nan=False))
        return
    print(card_text(fitted.card(), width=text_width()))
    print_stderr(
        "",
        f"Next:     seedbed predict {shlex.quote(str(model))} TABLE -o predictions.csv",
    )


def predict(
    model: ModelArgument,
    table: TableArgument,
    /,
    *,
    output: Annotated[
        Path | None,
        OUTPUT,
        Parameter(
            help="A .csv or .parquet file; CSV on stdout if left out, a table on a terminal."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        Parameter(
            help="For two labels: the probability above which the positive one is predicted."
        ),
    ] = None,
    coverage: Coverage = None,
    per_class: PerClass = False,
    at: Annotated[
        tuple[float, ...],
        REPEATED,
        Parameter(
            help="For survival: a time until which its probability is predicted; may be repeated."
        ),
    ] = (),
    keep: Annotated[
        tuple[str, ...],
        REPEATED,
        Parameter(
            help="A column of the table to write beside the predictions; may be repeated."
        ),
    ] = (),
    source: SourceArguments = SourceArguments(),
    network: OwnNetwork = None,
    as_json: Annotated[
        bool,
        Parameter(
            name="--json",
            help="Print one JSON document about the written file; needs -o.",
            negative=(),
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Predict the rows of a table: label, probabilities, their spread over the networks, and
    warnings.

    For survival, the prediction is the median time, and the probabilities are those of survival
    until some times.
    """
    if as_json and output is None:
        raise OptionError(
            "--json describes a file, but the predictions go to stdout", "Add -o FILE."
        )
    from seedbed.data.sources.opening import read_new_rows
    from seedbed.data.typed import as_text
    from seedbed.model.model_file import check_writable
    from seedbed.model.predictions_file import write_predictions
    from seedbed.report.sentences import doubts, join_notes

    fitted = load_model(
        model,
        network,
        otherwise="The model comes before the table: seedbed predict MODEL TABLE.",
    )
    if output is not None:
        if output.exists() and Path(table).exists() and output.samefile(table):
            raise OptionError(
                f"{output} is the table that is predicted", "Name another file."
            )
        check_writable(output, "predictions")
    with interruptible(lambda: ("interrupted, no predictions written",)):
        text = (*as_text(fitted.schemas), *fitted.identifiers, *keep)
        frame = read_new_rows(
            table, fitted.feature_names_in_, as_text=text, **vars(source)
        )
        notes = write_predictions(
            fitted,
            frame,
            output,
            threshold=threshold,
            keep=keep,
            coverage=coverage,
            per_class=per_class,
            at=at,
        )
    if as_json:
        documents = [asdict(note) for note in notes]
        about = {"files": [str(output)], "n_rows": frame.n_rows, "notes": documents}
        print(json.dumps({**about, "warnings": list(fitted.warnings)}))
    if not quiet:
        joined = (
            f"{note.code or 'note'}: {note.message}" for note in join_notes(notes)
        )
        print_stderr(*doubts(fitted.warnings), *joined)
        if output is not None:
            print_stderr(f"wrote {output}: {counted(frame.n_rows, 'row')}")


def evaluate(
    model: ModelArgument,
    table: TableArgument,
    /,
    *,
    by: Annotated[
        str | None,
        Parameter(help="A column; each of its values gets a verdict of its own."),
    ] = None,
    group: Annotated[
        str | None, Parameter(help="A column; rows with the same value may be alike.")
    ] = None,
    against: Annotated[
        Path | None,
        Parameter(help="Another model of the same target, judged on these rows."),
    ] = None,
    threshold: Annotated[
        float | None, Parameter(help="For two labels: the limit for net benefit.")
    ] = None,
    new_site: Annotated[
        bool,
        FLAG,
        Parameter(
            help="The rows are of a site that the comparison didn't have; judge them by its promise for one."
        ),
    ] = False,
    watch: Annotated[
        Path | None,
        Parameter(
            help="A ledger: these rows are added, and all rows of all looks are judged together."
        ),
    ] = None,
    output: Annotated[
        Path | None, OUTPUT, Parameter(help="Also write the report, an HTML page.")
    ] = None,
    fail_if_below_promise: Annotated[
        bool,
        Parameter(
            help="Exit with status 1 if the rows, or those of one value, are below; 4 without a verdict.",
            negative=(),
        ),
    ] = False,
    source: SourceArguments = SourceArguments(),
    network: OwnNetwork = None,
    as_json: AsJson = False,
) -> int:
    """Evaluate a model on rows with known outcome: does it hold what its comparison promised?"""
    from seedbed.report.evaluation_text import evaluation_text
    from seedbed.report.sentences import doubts

    fitted = load_model(
        model,
        network,
        otherwise="The model comes before the table: seedbed evaluate MODEL TABLE.",
    )
    other = None if against is None else load_model(against, network)
    found = fitted.evaluate(
        table,
        by=by,
        group=group,
        against=other,
        threshold=threshold,
        new_site=new_site,
        watch=watch,
        **vars(source),
    )
    if fail_if_below_promise and found.promised is None:
        raise OptionError(
            "there is no promise for --fail-if-below-promise",
            "Take a model of a comparison: seedbed train RUN -o FILE.",
        )
    text = evaluation_text(found, width=text_width())
    print(json.dumps(found.to_dict(), allow_nan=False) if as_json else text)
    print_stderr(
        *doubts(one for one in fitted.warnings if not one.endswith(found.notes))
    )
    if output is not None:
        print_stderr(f"wrote {found.report(output)}")
    if fail_if_below_promise and found.verdict is None:
        return TooFewRowsError.status
    return int(fail_if_below_promise and found.is_below)


def export(
    model: Annotated[Path, Parameter(help="A model's file, NAME.safetensors.")],
    /,
    *,
    output: Annotated[
        Path, OUTPUT, Parameter(help="The file to write; it ends in .onnx.")
    ],
    coverage: Coverage = None,
    per_class: PerClass = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a model for use without seedbed: one ONNX file with preprocessing and all networks."""
    exported = load_model(model).export(output, coverage=coverage, per_class=per_class)
    if as_json:
        notes = [asdict(note) for note in exported.notes]
        print(
            json.dumps(
                {"files": [str(path) for path in exported.files], "notes": notes}
            )
        )
    elif not quiet:
        print_stderr(*(f"note: {note.message}" for note in exported.notes))
        print_stderr(*(f"wrote {path}" for path in exported.files))


def serve(
    model: Annotated[Path, Parameter(help="A model file, .safetensors.")],
    /,
    *,
    host: Annotated[
        str,
        Parameter(
            help="The address to listen on; any other than 127.0.0.1 needs --token."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port; 0 for any free port.")] = 8000,
    token: Annotated[
        str | None,
        Parameter(
            env_var="SEEDBED_TOKEN",
            help="Requests must send Authorization: Bearer TOKEN. Other users can't see the variable.",
        ),
    ] = None,
    allow_host: Annotated[
        tuple[str, ...],
        REPEATED,
        Parameter(help="A host name that the server accepts; may be repeated."),
    ] = (),
) -> None:
    """Serve the predictions of a model over HTTP until Ctrl-C: a page for people, JSON for
    programs."""
    from seedbed.serve.server import Address, serve_model

    address = Address(host, port, token, allow_host)
    fitted = load_model(model)
    with command_line_options(False):  # requests have no options
        line = f"serving {fitted.candidate} at {{}} (Ctrl-C ends it)"
        serve_model(fitted, address, started=lambda url: print_stderr(line.format(url)))

"""The verb that trains a candidate: on one split, or on all rows for a model."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seedbed.cli.console import interruptible, say, text_width, working
from seedbed.cli.models import load_model
from seedbed.cli.options import (
    ModelOptions,
    RecipeOptions,
    RunOptions,
    SplitOptions,
    TableOptions,
    given_options,
    refuse,
)
from seedbed.errors import OptionError

if TYPE_CHECKING:
    from seedbed.model.model import Model

_FIRST_SEED = 42  # the tutorial's


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of training, except its table."""

    candidate: str | None = None
    "What to train: relu:5 or FILE.py:CLASS; if left out, relu:5; with -o, auto or the recommended model."
    model: ModelOptions = ModelOptions()
    split: SplitOptions = SplitOptions()
    random_state: int = 0
    "Decides the split, or all random numbers of a model."
    columns: TableOptions = TableOptions()
    recipe: RecipeOptions = RecipeOptions()
    run: RunOptions = RunOptions()


def train(
    table: Annotated[
        str,
        Parameter(
            help="A table, as compare takes it; for a model also the folder of a comparison; with --recalibrate also a model."
        ),
    ],
    /,
    *,
    options: TrainOptions = TrainOptions(),
) -> None:
    """Train one candidate on one split, as in the tutorial; with -o, on all rows, and write the
    model."""
    if options.model.output is not None:
        refuse(options.split, "one split, and a model is trained on all rows")
        _train_model(table, options.model.output, options)
    elif (Path(table) / "experiment.json").is_file():
        raise OptionError(
            f"{table} is a comparison, which has been trained",
            "Add -o model.safetensors for a model.",
        )
    else:
        refuse(options.model, "a model", "Add -o model.safetensors to write one.")
        _train_on_a_split(table, options)


def _train_on_a_split(table: str, options: TrainOptions) -> None:
    """Print the curves of networks along the epochs, and how far their seeds are apart."""
    split = options.split
    run = options.run
    for name, value in (("every", split.every), ("seeds", split.seeds)):
        if value < 1:
            raise OptionError(f"{name} is {value}", "It must be at least 1.")
    from seedbed.data.reading import read_table
    from seedbed.experiment.one_split import train_on_one_split
    from seedbed.networks.candidate import candidate_from
    from seedbed.report import sentences
    from seedbed.training.candidates import own_module

    rows = read_table(table, **vars(options.columns))
    candidate = candidate_from(options.candidate or "relu:5")
    say(run, *sentences.doubts(sentences.serious_sentences(rows.notes)))
    say(run, *filter(None, [own_module(candidate, rows)]))
    with (
        working(f"Training {candidate.name}", run),
        interruptible(lambda: ("interrupted, nothing is kept",)),
    ):
        history = train_on_one_split(
            rows,
            candidate,
            seeds=range(_FIRST_SEED, _FIRST_SEED + split.seeds),
            random_state=options.random_state,
            recipe=options.recipe.named("tutorial"),
            compute=run.compute(),
        )
    # One network is shown as it is.
    converged = ~history.diverged if split.seeds > 1 else slice(None)
    curves = [
        curve[:, converged]
        for curve in (
            history.train_loss,
            history.train_score,
            history.test_loss,
            history.test_score,
        )
    ]
    score_name = history.score_name
    print(
        *sentences.epoch_lines(curves, every=split.every, score_name=score_name),
        sep="\n",
    )
    scores = history.test_score[-1, ~history.diverged]
    spread = sentences.seeds_sentence(scores, split.seeds, score_name)
    say(run, *filter(None, [history.note, spread]))
    if split.out is not None:
        title = f"{candidate.name} on {rows.target_name} of {rows.name}"
        history.plot(split.out, title=title)
        say(run, f"wrote {split.out}")


def _train_model(table: str, output: Path, options: TrainOptions) -> None:
    """Train on all rows of a table, or as a comparison chose, and write the model."""
    from seedbed.data.reading import read_table
    from seedbed.experiment.model_plan import fit_compared
    from seedbed.experiment.saved_run import open_run
    from seedbed.model.blending import fit_model
    from seedbed.model.model_file import check_target
    from seedbed.model.portfolio import AUTO, candidates_for
    from seedbed.report.card import card_text
    from seedbed.report.sentences import note_sentences
    from seedbed.training.candidates import own_module

    check_target(output)
    run = options.run
    name = options.candidate
    fitting: Any = {
        "n_networks": options.model.n_networks,
        "threshold": options.model.threshold,
        "compute": run.compute(),
    }
    notes: Iterable[str] = ()  # compare has shown those of its table
    with interruptible(lambda: ("interrupted, no model written",)):
        if Path(table).suffix == ".safetensors":
            model = _load_to_correct(Path(table), options)
        elif Path(table).is_dir():
            of_table = dataclasses.replace(
                options, candidate=None, model=ModelOptions(), run=RunOptions()
            )
            if given_options(of_table):
                raise OptionError(
                    f"the comparison in {table} has a table and a recipe of its own",
                    "Leave all but --candidate, --n-networks and --threshold out, or name the table instead.",
                )
            conclusion, experiment = open_run(Path(table), trusts_code=name is not None)
            with working(f"Training {name or 'the recommended model'}", run):
                model = fit_compared(conclusion, experiment, name, **fitting)
        else:
            rows = read_table(table, **vars(options.columns))
            if name not in (None, AUTO):
                candidate = candidates_for([name], rows)[0]
                say(run, *filter(None, [own_module(candidate, rows)]))
            with working(f"Training {name or AUTO}", run):
                model = fit_model(
                    rows,
                    name or AUTO,
                    recipe=options.recipe.named("default"),
                    random_state=options.random_state,
                    **fitting,
                )
            notes = [
                note
                for note in note_sentences(rows.notes)
                if note not in model.warnings
            ]
        if options.model.recalibrate is not None:
            model = model.recalibrated(options.model.recalibrate)
        path = model.save(output)
    if not run.quiet:
        print(card_text(model.card(), width=text_width()))
    say(run, *notes, f"wrote {path}")
    say(run, f"Next:     seedbed predict {shlex.quote(str(path))} TABLE")


def _load_to_correct(path: Path, options: TrainOptions) -> Model:
    """Return the model of a file; OptionError unless it is to be recalibrated, and only that."""
    changed = dataclasses.replace(options.model, output=None, recalibrate=None)
    others = dataclasses.replace(options, model=changed, run=RunOptions())
    if options.model.recalibrate is None or given_options(others):
        raise OptionError(
            f"{path} is a model, which has been trained",
            "Give --recalibrate ROWS alone, to correct it.",
        )
    return load_model(path)

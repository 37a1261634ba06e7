"""The verb that trains a candidate: on one split, or on all rows for a model."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from seedbed.cli.console import interruptible, say, text_width, working
from seedbed.cli.options import (
    ModelOptions,
    RecipeOptions,
    RunOptions,
    SplitOptions,
    TableOptions,
    refuse,
)
from seedbed.errors import OptionError

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
            help="A table, as compare takes it; for a model also the folder of a comparison."
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
    split, run = options.split, options.run
    seeds = 1 if split.seeds is None else split.seeds
    every = 100 if split.every is None else split.every
    for name, value in (("every", every), ("seeds", seeds)):
        if value < 1:
            raise OptionError(f"{name} is {value}", "It must be at least 1.")
    from seedbed.data.reading import read_table
    from seedbed.experiment.one_split import train_on_one_split
    from seedbed.networks.candidate import candidate_from
    from seedbed.report.sentences import (
        doubts,
        epoch_lines,
        seeds_sentence,
        serious_sentences,
    )
    from seedbed.training.candidates import own_module

    rows = read_table(table, **vars(options.columns))
    candidate = candidate_from(options.candidate or "relu:5")
    say(
        run,
        *doubts(serious_sentences(rows.notes)),
        *filter(None, [own_module(candidate, rows)]),
    )
    with (
        working(f"Training {candidate.name}", run),
        interruptible(lambda: ("interrupted, nothing is kept",)),
    ):
        history = train_on_one_split(
            rows,
            candidate,
            seeds=range(_FIRST_SEED, _FIRST_SEED + seeds),
            random_state=options.random_state,
            recipe=options.recipe.named("tutorial"),
            compute=run.compute(),
        )
    converged = ~history.diverged if seeds > 1 else slice(None)  # one is shown as it is
    curves = (
        history.train_loss,
        history.train_score,
        history.test_loss,
        history.test_score,
    )
    shown = [curve[:, converged] for curve in curves]
    for line in epoch_lines(shown, every=every, score_name=history.score_name):
        print(line)
    scores = history.test_score[-1, ~history.diverged]
    say(
        run,
        *filter(
            None, [history.note, seeds_sentence(scores, seeds, history.score_name)]
        ),
    )
    if split.out is not None:
        history.plot(
            split.out, title=f"{candidate.name} on {rows.target_name} of {rows.name}"
        )
        say(run, f"wrote {split.out}")


def _train_model(table: str, output: Path, options: TrainOptions) -> None:
    """Train on all rows of a table, or as a comparison chose, and write the model."""
    from seedbed.data.reading import read_table
    from seedbed.experiment.request import model_plan_from
    from seedbed.model.blending import fit_model
    from seedbed.model.model_file import check_target
    from seedbed.model.portfolio import AUTO, candidates_for
    from seedbed.report.card import card_text
    from seedbed.report.sentences import note_sentences
    from seedbed.training.candidates import own_module

    check_target(output)
    run, n_networks, threshold = (
        options.run,
        options.model.n_networks,
        options.model.threshold,
    )
    fitting: dict[str, Any] = {"n_networks": n_networks, "compute": run.compute()}
    fitting["threshold"] = 0.5 if threshold is None else threshold
    notes: Iterable[str] = ()  # compare has shown those of its table
    with interruptible(lambda: ("interrupted, no model written",)):
        if Path(table).is_dir():
            if (options.columns, options.recipe, options.random_state) != (
                TableOptions(),
                RecipeOptions(),
                0,
            ):
                raise OptionError(
                    f"the comparison in {table} has a table and a recipe of its own",
                    "Leave all but --candidate, --n-networks and --threshold out, or name the table instead.",
                )
            planned = model_plan_from(table, options.candidate)
            with working(f"Training {planned.summary.name}", run):
                model = planned.fit(**fitting)
        else:
            rows = read_table(table, **vars(options.columns))
            candidate = options.candidate or AUTO
            if candidate != AUTO:
                say(
                    run,
                    *filter(
                        None, [own_module(candidates_for([candidate], rows)[0], rows)]
                    ),
                )
            recipe = options.recipe.named("default")
            random_state = options.random_state
            with working(f"Training {candidate}", run):
                model = fit_model(
                    rows, candidate, recipe=recipe, random_state=random_state, **fitting
                )
            notes = [
                note
                for note in note_sentences(rows.notes)
                if note not in model.warnings
            ]
        path = model.save(output)
    if not run.quiet:
        print(card_text(model.card(), width=text_width()))
    say(
        run,
        *notes,
        f"wrote {path}",
        f"Next:     seedbed predict {shlex.quote(str(path))} TABLE",
    )

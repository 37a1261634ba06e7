"""The verb that trains a candidate: on one split, or on all rows for a model."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from seedbed.cli.console import command_line, interruptible, say, text_width, working
from seedbed.cli.options import (
    ModelOptions,
    RecipeOptions,
    RunOptions,
    SplitOptions,
    TableOptions,
    refuse,
)
from seedbed.errors import OptionError, counted


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
    if len(lrs := options.recipe.lrs()) > 1:
        raise OptionError(
            f"lr is {','.join(f'{lr:g}' for lr in lrs)}", "Give one; compare takes several."
        )
    from seedbed.experiment.specification_file import check_no_part_of_a_run

    check_no_part_of_a_run(table)
    if options.model.output is not None:
        refuse(options.split, "one split, and a model is trained on all rows")
        refuse(
            options.run,
            "a run that writes a folder, and a model is one file",
            among=("out", "format"),
        )
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
    split, run = options.split, options.run
    usual = (split.seed, 42), (split.seeds, 1), (split.every, 100)
    seed, seeds, every = (default if value is None else value for value, default in usual)
    for name, value in (("every", every), ("seeds", seeds)):
        if value < 1:
            raise OptionError(f"{name} is {value}", "It must be at least 1.")
    import numpy as np

    from seedbed.data.reading import read_table
    from seedbed.experiment.training_run import train as train_networks
    from seedbed.networks.candidate import candidate_from
    from seedbed.report.sentences import epoch_lines, training_text
    from seedbed.training.candidates import own_module

    rows, candidate = (
        read_table(table, **vars(options.columns)),
        candidate_from(options.candidate or "relu:5"),
    )
    say(run, *filter(None, [own_module(candidate, rows)]))
    folder = run.folder("train", rows.name)
    if (folder / "experiment.json").is_file():
        raise OptionError(
            f"{folder} is the folder of a comparison", "Name another folder with --out."
        )
    with (
        working(f"Training {candidate.name}", run),
        interruptible(lambda: ("interrupted, no results written",)),
    ):
        trained = train_networks(
            rows,
            candidate=candidate,
            seeds=range(seed, seed + seeds),
            test_size=0.2 if split.test_size is None else split.test_size,
            random_state=options.random_state,
            recipe=options.recipe.named("tutorial"),
            compute=run.compute(),
            command=command_line(),
        )
    history = trained.history
    curves = np.stack(
        [history.train_loss, history.train_score, history.test_loss, history.test_score]
    )
    # Of many networks, without those that diverged.
    converged = np.isfinite(curves[[0, 2]]).all((0, 1)) if curves.shape[2] > 1 else slice(None)
    for line in epoch_lines([*curves[:, :, converged]], every=every, score_name=history.score_name):
        print(line)
    notes = [history.note] if history.note else []
    if history.diverged.any() and not history.diverged.all():
        notes.append(
            f"{history.diverged.sum()} of {counted(seeds, 'network')} diverged; try a lower --lr"
        )
    trained.save(folder, pictures=run.format)
    say(run, *notes, "", training_text(trained.conclusion))
    say(
        run,
        f"Report:   {folder / 'report.html'}   (seedbed report {shlex.quote(str(folder))} --open)",
    )
    say(
        run,
        f"Next:     {options.columns.command('compare', table)} --candidate {shlex.quote(candidate.name)}",
    )


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
    run, n_networks, threshold = options.run, options.model.n_networks, options.model.threshold
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
            rows, candidate = read_table(table, **vars(options.columns)), options.candidate or AUTO
            if candidate != AUTO:
                say(run, *filter(None, [own_module(candidates_for([candidate], rows)[0], rows)]))
            recipe, random_state = options.recipe.named("default"), options.random_state
            with working(f"Training {candidate}", run):
                model = fit_model(
                    rows, candidate, recipe=recipe, random_state=random_state, **fitting
                )
            notes = [note for note in note_sentences(rows.notes) if note not in model.warnings]
        path = model.save(output)
    if not run.quiet:
        print(card_text(model.card(), width=text_width()))
    say(run, *notes, f"wrote {path}", f"Next:     seedbed predict {shlex.quote(str(path))} TABLE")

"""The command line: one function for each verb.

stdout carries results, stderr progress and messages. torch is imported inside the verbs, so that `--help` is quick.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from seedbed.errors import OptionError, SeedbedError, one_line

if TYPE_CHECKING:
    from seedbed.networks import Recipe

__all__ = ["app", "main"]

app = App(
    name="seedbed",
    help="Train hundreds of small PyTorch networks at once on your table, and see what helped and what was luck.",
    help_epilogue="Try: seedbed compare example:breast-cancer",
    help_format="plaintext",
    version=lambda: version("seedbed"),
    suppress_keyboard_interrupt=False,  # it would exit without a word, under --json too
)

_RECIPE = Group.create_ordered("Recipe")
_RUN = Group.create_ordered("Run")


@Parameter(name="*", group=_RECIPE)
@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """How every network is trained; a candidate's own words (relu:5@lr=0.1) overrule it."""

    epochs: int = 1000
    "Passes over the training rows."
    lr: float = 0.01
    "Learning rate."
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    "As in torch.optim."
    momentum: float = 0.0
    "Of SGD."
    nesterov: Annotated[bool, Parameter(negative=())] = False
    "Nesterov's momentum, of SGD."
    weight_decay: float | None = None
    "The optimizer's own default in torch.optim if left out."
    batch_size: str = "full"
    "Rows a step: a number, or full for the whole training set."

    def recipe(self) -> Recipe:
        """What the engine calls a recipe."""
        size = self.batch_size
        if size != "full" and not size.isdecimal():
            raise OptionError(f"batch size is '{size}'", "Give a whole number, or full.")
        from seedbed.networks import Recipe

        return Recipe(**{**dataclasses.asdict(self), "batch_size": None if size == "full" else int(size)})


@Parameter(name="*", group=_RUN)
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how it runs."""

    jobs: int | None = None
    "Chunks of networks at a time; all cores if left out."
    compile: Literal["auto", "yes", "no"] = "auto"
    "Whether torch.compile is used; auto uses it where it pays."
    device: str = "auto"
    "auto, cpu or cuda."
    out: Path | None = None
    "Folder for the files; seedbed-out/VERB-TABLE if left out."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False
    "No plan, no progress."

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that `train_many` and `compare` share."""
        switch: Any = {"auto": "auto", "yes": True, "no": False}[self.compile]
        return {"jobs": self.jobs, "compile": switch, "device": self.device}

    def folder(self, verb: str, table: str) -> Path:
        """Where the files go. Raises OptionError where a file is in the way."""
        folder = self.out or Path("seedbed-out") / f"{verb}-{table}"
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise OptionError(f"can't write to {folder}: {place} is a file", "Name another folder with --out.")
        return folder


_FOR_RUN, _FOR_RECIPE = RunOptions(), RecipeOptions()
Table = Annotated[str, Parameter(help="A CSV, TSV or Parquet file, or example:NAME.")]
Target = Annotated[str | None, Parameter(help="The column to predict; an example has its own.")]
Drop = Annotated[tuple[str, ...], Parameter(name="--drop", help="A column to leave out; may be repeated.", negative=())]


@app.command
def train(
    table: Table,
    /,
    *,
    target: Target = None,
    candidate: Annotated[str, Parameter(help="What to train: relu:5, linear:20,20, FILE.py:CLASS, ...")] = "relu:5",
    seed: Annotated[int, Parameter(help="The seed, or the first of --seeds.")] = 42,
    seeds: Annotated[int, Parameter(help="How many networks, each with its own seed.")] = 1,
    test_size: Annotated[float, Parameter(help="Share of test rows.")] = 0.2,
    random_state: Annotated[int, Parameter(help="Decides the split.")] = 0,
    every: Annotated[int, Parameter(help="Print every so many epochs.")] = 100,
    drop: Drop = (),
    recipe: RecipeOptions = _FOR_RECIPE,
    run: RunOptions = _FOR_RUN,
) -> None:
    """Train one candidate on one split, with one seed or many: the tutorial's run."""
    for name, value in (("every", every), ("seeds", seeds)):
        if value < 1:
            raise OptionError(f"{name} is {value}", "It must be at least 1.")
    from seedbed.experiment import train as train_candidate
    from seedbed.report import epoch_lines

    trained = train_candidate(
        table,
        target=target,
        drop=drop,
        candidate=candidate,
        seeds=range(seed, seed + seeds),
        test_size=test_size,
        random_state=random_state,
        recipe=recipe.recipe(),
        **run.settings(),
    )
    folder = run.folder("train", trained.table.name)
    history = trained.history
    kept = ~history.diverged if seeds > 1 else slice(None)
    curves = history.train_loss, history.train_accuracy, history.test_loss, history.test_accuracy
    for line in epoch_lines(*(curve[:, kept] for curve in curves), every=every):
        print(line)
    notes = [history.note] if history.note else []
    if history.diverged.any():
        notes.append(f"{history.diverged.sum()} of {seeds} networks diverged; try a lower --lr")
    _say(run, *notes, *_written(trained.save(folder)))


@app.command
def compare(
    table: Table,
    /,
    *,
    target: Target = None,
    candidate: Annotated[
        tuple[str, ...],
        Parameter(help="What to compare; may be repeated. The tutorial's three if left out.", negative=()),
    ] = (),
    reference: Annotated[str | None, Parameter(help="Hold the others against this one; the first if left out.")] = None,
    repeats: Annotated[int | None, Parameter(help="How often the rows are dealt into folds; 10.")] = None,
    folds: Annotated[int, Parameter(help="Folds a repeat; every candidate sees the same.")] = 10,
    seeds: Annotated[int | None, Parameter(help="Networks a candidate and split; 5.")] = None,
    random_state: Annotated[int, Parameter(help="All randomness is derived from it.")] = 0,
    quick: Annotated[bool, Parameter(help="A first look: 1 repeat, 3 seeds.", negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())] = False,
    drop: Drop = (),
    recipe: RecipeOptions = _FOR_RECIPE,
    run: RunOptions = _FOR_RUN,
) -> None:
    """Train candidates on the same splits, many seeds each, and put the results side by side."""
    from seedbed.data import read_table
    from seedbed.experiment import TUTORIAL, make_plan, specify
    from seedbed.experiment import run as execute
    from seedbed.report import ProgressDisplay

    experiment = specify(
        read_table(table, target=target, drop=drop),
        candidate or TUTORIAL,
        reference=reference,
        repeats=repeats if repeats is not None else (1 if quick else 10),
        folds=folds,
        seeds=seeds if seeds is not None else (3 if quick else 5),
        random_state=random_state,
        recipe=recipe.recipe(),
    )
    folder = run.folder("compare", experiment.table.name)
    plan = make_plan(experiment, **run.settings())
    _say(run, plan.sentence())
    totals = {one.name: experiment.n_networks for one in experiment.candidates}
    with ProgressDisplay(totals, Console(stderr=True), quiet=run.quiet) as display:
        comparison = execute(
            plan,
            on_progress=lambda now: display.update(
                now.name, now.done, now.train_score, now.test_score, now.seconds_left
            ),
        )
    paths = comparison.save(folder)
    if as_json:
        print(json.dumps({**comparison.to_dict(), "files": [str(path) for path in paths]}, allow_nan=False))
    else:
        print(comparison)
    _say(run, f"{comparison.seconds:.1f} s", *_written(paths))


@app.command
def examples() -> None:
    """List the example tables and what a candidate can be made of."""
    from seedbed.data import EXAMPLES
    from seedbed.networks import ACTIVATIONS

    for name, example in EXAMPLES.items():
        print(f"example:{name:15} {example.description} (target {example.target})")
    print(f"\nactivations: linear, {', '.join(sorted(ACTIVATIONS))}")
    print(
        "candidates:  relu:5  linear:20,20  relu:20+tanh:20  logistic  relu:64,64@lr=0.003,dropout=0.1  FILE.py:CLASS"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 usage or bad input, 3 internal error, 130 interrupted."""
    # The process that cleans up behind interrupted workers warns of it; there is nothing a user could do.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(tokens: list[str]) -> int:
    try:
        app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _fail("usage", " ".join(str(error).split()).rstrip("."), "See seedbed --help.", tokens, 2)
    except SeedbedError as error:
        return _fail(error.code, error.message, error.hint, tokens, 2)
    except KeyboardInterrupt:
        return _fail("interrupted", "interrupted, nothing written", "", tokens, 130)
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:
        return _fail("system", str(error), "", tokens, 2)
    except Exception as error:  # noqa: BLE001 - the last resort; a user should see one line, a maintainer the trace
        traceback.print_exc()
        return _fail("internal", f"{type(error).__name__}: {error}", "This is a bug in seedbed.", tokens, 3)
    return 0


def _fail(code: str, message: str, hint: str, tokens: list[str], status: int) -> int:
    if "--json" in tokens:
        print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}))
    line = " ".join(one_line(message, hint).splitlines())  # what a user typed or a library said may hold line ends
    print(f"seedbed: {line}", file=sys.stderr)
    return status


def _say(run: RunOptions, *lines: str) -> None:
    if not run.quiet:
        for line in lines:
            print(line, file=sys.stderr)


def _written(paths: Sequence[Path]) -> list[str]:
    return [f"wrote {path}" for path in paths]

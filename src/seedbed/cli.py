"""The command line: one function for each verb.

stdout carries results, stderr progress and messages. torch is imported inside the verbs, so that `--help` is quick.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from seedbed.errors import OptionError, SeedbedError, did_you_mean, one_line

if TYPE_CHECKING:
    from seedbed.experiment import Comparison, Experiment, Plan, Progress
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

_JUDGING = Group.create_ordered("Judging")
_DESIGN = Group.create_ordered("Design")
_RECIPE = Group.create_ordered("Recipe")
_RUN = Group.create_ordered("Run")


@Parameter(name="*", group=_RECIPE)
@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """How every network is trained; a candidate's own words (relu:5@lr=0.1) overrule it."""

    epochs: int | None = None
    "Passes over the training rows, or the most that are made; 1000."
    lr: str | None = None
    "Learning rate. compare also takes several, 0.001,0.01,0.1, and compares each candidate at each of them."
    optimizer: Literal["sgd", "adam", "adamw"] | None = None
    "As in torch.optim."
    momentum: float | None = None
    "Momentum, for sgd; 0 if left out."
    nesterov: Annotated[bool | None, Parameter(negative=())] = None
    "Nesterov's momentum, for sgd."
    weight_decay: float | None = None
    "The optimizer's own default in torch.optim if left out."
    batch_size: str = "full"
    "Rows a step: a number, or full for the whole training set."

    def lrs(self) -> tuple[float, ...]:
        """The learning rates that are given; none, one or several."""
        try:
            return tuple(float(part) for part in self.lr.split(",")) if self.lr is not None else ()
        except ValueError:
            raise OptionError(f"lr is '{self.lr}'", "Give a number, or several: 0.001,0.01,0.1.") from None

    def recipe(self, name: str, epoch: str | None = None) -> Recipe:
        """What the engine calls a recipe: the named one with the options that are given."""
        size = self.batch_size
        if size != "full" and not size.isdecimal():
            raise OptionError(f"batch size is '{size}'", "Give a whole number, or full.")
        from seedbed.networks import recipe_named

        lrs = self.lrs()
        given = {**dataclasses.asdict(self), "lr": lrs[0] if len(lrs) == 1 else None, "epoch": epoch}
        return recipe_named(name, **{**given, "batch_size": None if size == "full" else int(size)})


@Parameter(name="*", group=_JUDGING)
@dataclass(frozen=True, kw_only=True)
class JudgingOptions:
    """What is held against what, and by which measure."""

    reference: str | None = None
    "Hold the others against this candidate or baseline; the first candidate if left out."
    baseline: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = ()
    "A scikit-learn classifier beside the candidates, sklearn.naive_bayes.GaussianNB; may be repeated."
    baselines: bool = True
    "Always guessing, logistic regression and boosted trees beside the candidates."
    metric: Literal["brier", "log_loss", "accuracy"] = "brier"
    "The score that verdicts are about."
    margin: float | None = None
    "The difference that matters, in units of the metric; 0.01 of accuracy, else 0.02 of what always guessing costs."
    alpha: float = 0.05
    "How often a difference may be claimed where there is none, over all comparisons together."
    interval: Literal["corrected", "nested"] = "corrected"
    "How ranges are computed; nested trains many times more networks."
    fail_if_worse: str | None = None
    "Exit with status 1 if this candidate is worse than the reference."

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `specify`."""
        from seedbed.experiment import BASELINES

        standard = BASELINES if self.baselines else ()
        names = ("reference", "metric", "margin", "alpha", "interval")
        return {"baselines": (*standard, *self.baseline), **{name: getattr(self, name) for name in names}}


@Parameter(name="*", group=_DESIGN)
@dataclass(frozen=True, kw_only=True)
class DesignOptions:
    """How many splits and seeds; by the number of rows where left out."""

    repeats: int | None = None
    "How often the rows are dealt into folds; 10, or 3 from 2,000 rows on."
    folds: int | None = None
    "Folds a repeat, the same for all candidates; 10."
    seeds: int | None = None
    "Networks for each candidate and split; 5, or 3 from 2,000 rows on."
    quick: Annotated[bool, Parameter(negative=())] = False
    "A first look, with few repeats and seeds."
    random_state: int = 0
    "All randomness is derived from it."


@Parameter(name="*", group=_RUN)
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how it runs."""

    jobs: int | None = None
    "How many processes train at once; all cores if left out."
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


_FOR_RUN, _FOR_RECIPE, _FOR_JUDGING, _FOR_DESIGN = RunOptions(), RecipeOptions(), JudgingOptions(), DesignOptions()
Table = Annotated[str, Parameter(help="A CSV, TSV or Parquet file, or example:NAME.")]
Target = Annotated[str | None, Parameter(help="The column to predict; an example has its own.")]
Drop = Annotated[
    tuple[str, ...],
    Parameter(name="--drop", help="A column to leave out; may be repeated.", negative=(), show_default=False),
]


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
    if len(recipe.lrs()) > 1:
        raise OptionError(f"lr is {recipe.lr}", "Give one; compare takes several.")
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
        recipe=recipe.recipe("tutorial"),
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
        Parameter(
            help="What to compare; may be repeated. The tutorial's three if left out.", negative=(), show_default=False
        ),
    ] = (),
    trained: Annotated[
        Literal["trained", "tutorial"],
        Parameter(
            name="--recipe",
            help="trained: AdamW, learning rate and epoch chosen by rows held back from training; tutorial: plain SGD.",
        ),
    ] = "trained",
    epoch: Annotated[
        Literal["inner", "last"] | None,
        Parameter(help="Which epoch counts: inner, chosen by rows held back from training, or last; by the recipe."),
    ] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())] = False,
    drop: Drop = (),
    judging: JudgingOptions = _FOR_JUDGING,
    design: DesignOptions = _FOR_DESIGN,
    recipe: RecipeOptions = _FOR_RECIPE,
    run: RunOptions = _FOR_RUN,
) -> int:
    """Train candidates on the same splits, many seeds each, and say which is better than the reference, if any."""
    from seedbed.data import read_table
    from seedbed.experiment import TUTORIAL, freeze, make_plan, specify
    from seedbed.experiment import run as execute

    lrs = recipe.lrs()
    experiment = specify(
        read_table(table, target=target, drop=drop),
        candidate or TUTORIAL,
        recipe=recipe.recipe(trained, epoch),
        lrs=lrs if len(lrs) > 1 else (),
        **dataclasses.asdict(design),
        **judging.settings(),
    )
    _check_named(judging.fail_if_worse, experiment)
    folder = run.folder("compare", experiment.table.name)
    plan = make_plan(experiment, **run.settings())
    _say(run, plan.sentence())
    frozen = freeze(plan, folder)
    with _progress(plan, run) as tell:
        comparison = execute(plan, on_progress=tell)
    paths = [frozen, *comparison.save(folder)]
    if as_json:
        print(json.dumps({**comparison.to_dict(), "files": [str(path) for path in paths]}, allow_nan=False))
    else:
        print(comparison)
    _say(run, f"{comparison.seconds:.1f} s", *_written(paths))
    return _failed(judging.fail_if_worse, comparison)


def _check_named(name: str | None, experiment: Experiment) -> None:
    """`--fail-if-worse` must name what is held against the reference. Raises OptionError."""
    if name == experiment.reference:
        raise OptionError(f"--fail-if-worse {name} is the reference itself", "Name another, or another --reference.")
    if name is not None and name not in (others := [one for one in experiment.names if one != experiment.reference]):
        raise OptionError(f"--fail-if-worse {name} isn't compared with the reference", did_you_mean(name, others))


def _failed(name: str | None, comparison: Comparison) -> int:
    """1 if the candidate is worse than the reference, or has no finite predictions to be judged by; else 0."""
    if name is None:
        return 0
    rules = {verdict.candidate: verdict.rule for verdict in comparison.verdicts}
    if rules.get(name) == "worse" or not comparison[name].finite:
        worse = f"is worse than {comparison.experiment.reference}" if name in rules else "has no finite predictions"
        print(f"seedbed: {name} {worse}", file=sys.stderr)
        return 1
    if name not in rules:
        print(f"seedbed: no verdict on {name}, so --fail-if-worse can't tell", file=sys.stderr)
    return 0


@contextlib.contextmanager
def _progress(plan: Plan, run: RunOptions) -> Iterator[Callable[[Progress], None]]:
    """A live table on stderr, and the function that tells it of progress."""
    from seedbed.report import ProgressDisplay

    with ProgressDisplay(plan.totals(), Console(stderr=True), quiet=run.quiet) as display:
        yield lambda now: display.update(now.name, now.done, now.train_score, now.test_score, now.seconds_left)


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
    """Run the command line and exit: 0 done, 1 worse, 2 usage or bad input, 3 internal error, 130 interrupted."""
    # The process that cleans up behind interrupted workers warns of it; there is nothing a user could do.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    for stream in (sys.stdout, sys.stderr):  # a narrow encoding mustn't cost a finished run its table
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(tokens: list[str]) -> int:
    try:
        return int(app(tokens, exit_on_error=False, print_error=False) or 0)
    except CycloptsError as error:
        return _fail("usage", " ".join(str(error).split()).rstrip("."), "See seedbed --help.", tokens, 2)
    except SeedbedError as error:
        return _fail(error.code, error.message, error.hint, tokens, 2)
    except KeyboardInterrupt:
        return _fail("interrupted", "interrupted, no results written", "", tokens, 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        return _fail("system", str(error), "", tokens, 2)
    except Exception as error:  # noqa: BLE001 - the last resort; a user should see one line, a maintainer the trace
        traceback.print_exc()
        return _fail("internal", f"{type(error).__name__}: {error}", "This is a bug in seedbed.", tokens, 3)


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

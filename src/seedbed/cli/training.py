"""The verbs that train."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from seedbed.cli.options import DesignOptions, JudgingOptions, RecipeOptions, RunOptions, TableArgument, TableOptions
from seedbed.cli.typed import command_line
from seedbed.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from seedbed.experiment import Comparison, Experiment, Plan, Progress

__all__ = ["compare", "train"]

_FOR_TABLE, _FOR_RUN, _FOR_RECIPE = TableOptions(), RunOptions(), RecipeOptions()
_FOR_JUDGING, _FOR_DESIGN = JudgingOptions(), DesignOptions()


def train(
    table: TableArgument,
    /,
    *,
    candidate: Annotated[str, Parameter(help="What to train: relu:5, linear:20,20, FILE.py:CLASS, ...")] = "relu:5",
    seed: Annotated[int, Parameter(help="The seed, or the first of --seeds.")] = 42,
    seeds: Annotated[int, Parameter(help="How many networks, each with its own seed.")] = 1,
    test_size: Annotated[float, Parameter(help="Share of test rows.")] = 0.2,
    random_state: Annotated[int, Parameter(help="Decides the split.")] = 0,
    every: Annotated[int, Parameter(help="Print every so many epochs.")] = 100,
    columns: TableOptions = _FOR_TABLE,
    recipe: RecipeOptions = _FOR_RECIPE,
    run: RunOptions = _FOR_RUN,
) -> None:
    """Train one candidate on one split, with one seed or many: the tutorial's run."""
    for name, value in (("every", every), ("seeds", seeds)):
        if value < 1:
            raise OptionError(f"{name} is {value}", "It must be at least 1.")
    if len(recipe.lrs()) > 1:
        raise OptionError(f"lr is {recipe.lr}", "Give one; compare takes several.")
    from seedbed.data import read_table
    from seedbed.experiment import train as train_candidate
    from seedbed.report import epoch_lines

    trained = train_candidate(
        read_table(table, **columns.settings()),
        candidate=candidate,
        seeds=range(seed, seed + seeds),
        test_size=test_size,
        random_state=random_state,
        recipe=recipe.recipe("tutorial"),
        command=command_line(),
        **run.settings(),
    )
    folder = run.folder("train", trained.table.name)
    history = trained.history
    kept = ~history.diverged if seeds > 1 else slice(None)
    curves = history.train_loss, history.train_score, history.test_loss, history.test_score
    for line in epoch_lines(*(curve[:, kept] for curve in curves), every=every, score_name=history.score_name):
        print(line)
    notes = [history.note] if history.note else []
    if history.diverged.any():
        notes.append(f"{history.diverged.sum()} of {seeds} networks diverged; try a lower --lr")
    _say(run, *notes, *_written(trained.save(folder, pictures=run.format)))


def compare(
    table: TableArgument,
    /,
    *,
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
    columns: TableOptions = _FOR_TABLE,
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
        read_table(table, **columns.settings()),
        candidate or TUTORIAL,
        recipe=recipe.recipe(trained, epoch),
        lrs=lrs if len(lrs) > 1 else (),
        command=command_line(),
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
    paths = [frozen, *comparison.save(folder, pictures=run.format)]
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

    with ProgressDisplay(
        plan.totals(), Console(stderr=True), quiet=run.quiet, score_name=plan.experiment.score_name
    ) as display:
        yield lambda now: display.update(now.name, now.done, now.train_score, now.test_score, now.seconds_left)


def _say(run: RunOptions, *lines: str) -> None:
    if not run.quiet:
        for line in lines:
            print(line, file=sys.stderr)


def _written(paths: Sequence[Path]) -> list[str]:
    return [f"wrote {path}" for path in paths]

"""The verbs that train."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from seedbed.cli.models import train_model
from seedbed.cli.options import (
    CompareOptions,
    ModelOptions,
    RecipeOptions,
    RunOptions,
    SplitOptions,
    TableArgument,
    TableOptions,
    kept_options,
)
from seedbed.cli.telling import interruptible, print_lines, print_stderr, say, shown, working
from seedbed.cli.typed import command_line
from seedbed.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from seedbed.experiment import Comparison, Experiment, Kept, Plan, Watch

__all__ = ["compare", "train"]

_FOR_TABLE, _FOR_RUN, _FOR_RECIPE = TableOptions(), RunOptions(), RecipeOptions()
_FOR_MODEL, _FOR_SPLIT, _FOR_COMPARISON = ModelOptions(), SplitOptions(), CompareOptions()


def train(
    table: Annotated[str, Parameter(help="A table, as compare takes it; for a model also the folder of a comparison.")],
    /,
    *,
    candidate: Annotated[
        str | None,
        Parameter(help="What to train: relu:5, linear:20,20, FILE.py:CLASS; relu:5, or what the comparison advises."),
    ] = None,
    model: ModelOptions = _FOR_MODEL,
    split: SplitOptions = _FOR_SPLIT,
    random_state: Annotated[int, Parameter(help="Decides the split, or all of a model.")] = 0,
    columns: TableOptions = _FOR_TABLE,
    recipe: RecipeOptions = _FOR_RECIPE,
    run: RunOptions = _FOR_RUN,
) -> None:
    """Train one candidate on one split, the tutorial's run; with -o, on all rows: a model to take home."""
    if len(recipe.lrs()) > 1:
        raise OptionError(f"lr is {','.join(f'{lr:g}' for lr in recipe.lrs())}", "Give one; compare takes several.")
    from seedbed.experiment import check_no_part_of_a_run

    check_no_part_of_a_run(table)
    if model.output is not None:
        split.refuse()
        run.refuse_files("a model is one file")
        train_model(table, candidate, model, random_state, columns, recipe, run)
    elif (Path(table) / "experiment.json").is_file():
        raise OptionError(f"{table} is a comparison, which is trained already", "Add -o model.safetensors for a model.")
    else:
        model.refuse()
        if "epoch" in recipe.given():
            raise OptionError("--epoch is of a model", "Add -o model.safetensors to have one.")
        _train_on_a_split(table, candidate or "relu:5", split, random_state, columns, recipe, run)


def _train_on_a_split(
    table: str,
    candidate: str,
    split: SplitOptions,
    random_state: int,
    columns: TableOptions,
    recipe: RecipeOptions,
    run: RunOptions,
) -> None:
    seed, seeds, every = split.given()
    import numpy as np

    from seedbed.data import read_table
    from seedbed.experiment import Watch, finished_curves
    from seedbed.experiment import train as train_candidate
    from seedbed.networks import candidate_from
    from seedbed.report import single_text
    from seedbed.training import own_module

    rows, common, words = read_table(table, **columns.settings()), recipe.named("tutorial"), candidate_from(candidate)
    say(run, *filter(None, [own_module(words, rows)]))
    folder = run.folder("train", rows.name)
    if not split.overwrite and (found := finished_curves(folder, rows, words, command_line())) is not None:
        _print_epochs(*found, every)
        say(run, f"the run in {folder} is finished already; --overwrite trains it again")
        return
    watch = Watch({words.name: seeds}, {words.name: words.recipe(common).epochs}, seeds, scores=False)
    with shown(watch, run, quiet=seeds == 1), interruptible("interrupted, no results written"):
        trained = train_candidate(
            rows,
            candidate=words,
            seeds=range(seed, seed + seeds),
            test_size=split.share(),
            random_state=random_state,
            recipe=common,
            command=command_line(),
            watch=watch,
            **dataclasses.asdict(run.compute()),
        )
    history = trained.history
    curves = np.stack([history.train_loss, history.train_score, history.test_loss, history.test_score])
    _print_epochs(curves, history.score_name, every)
    notes = [history.note] if history.note else []
    if history.diverged.any():
        notes.append(f"{history.diverged.sum()} of {seeds} networks diverged; try a lower --lr")
    trained.save(folder, pictures=run.format)
    place, target = shlex.quote(str(folder)), f" --target {shlex.quote(columns.target)}" if columns.target else ""
    say(run, *notes, "", single_text(trained.summary()))
    say(run, f"Report:   {folder / 'report.html'}   (seedbed report {place} --open)")
    say(run, f"Next:     seedbed compare {shlex.quote(table)}{target} --candidate {shlex.quote(words.name)}")


def compare(
    table: TableArgument,
    /,
    *,
    options: CompareOptions = _FOR_COMPARISON,
    overwrite: Annotated[
        bool,
        Parameter(
            help="Train again what is finished, and discard what another, unfinished run has left in the folder.",
            negative=(),
        ),
    ] = False,
    begun: Annotated[str, Parameter(parse=False)] = "",
) -> int:
    """Train candidates on the same splits, many seeds each, and say which is better than the reference, if any."""
    run, lrs = options.run, options.recipe.lrs()
    with working(f"Reading {table} and planning", run):
        from seedbed.data import read_table
        from seedbed.experiment import (
            TUTORIAL,
            conclude,
            open_folder,
            plan_within,
            specify,
            watch_plan,
            without_passwords,
        )
        from seedbed.experiment import run as execute
        from seedbed.report import serious_sentences

        specified = functools.partial(
            specify,
            read_table(table, **options.columns.settings()),
            options.candidate or TUTORIAL,
            recipe=options.recipe.named("trained"),
            design=options.design.design(),
            lrs=lrs if len(lrs) > 1 else (),
            command=begun or command_line(),
        )
        experiment = specified()
        _check_named(options.design.fail_if_worse, experiment)
        folder = run.folder("compare", experiment.table.name)
        plan = plan_within(specified, run.compute(), None if overwrite else folder, functools.partial(say, run))
    warnings = serious_sentences(note.as_dict() for note in plan.experiment.table.notes)
    say(run, *warnings, plan.sentence())
    asked = {"table": without_passwords(table), **kept_options(options)}
    with open_folder(plan, folder, overwrite=overwrite, resumed=bool(begun), options=asked) as opened:
        comparison, last = opened.finished, list[str]()
        if comparison is not None:
            paths = sorted(path for path in folder.iterdir() if path.suffix)
            last = [f"the run in {folder} is finished already; --overwrite trains it again"]
            _print(comparison, options)
        else:
            kept, watch = opened.kept, watch_plan(plan, draws=True)
            if opened.replaces:
                say(run, f"{folder} holds another finished run, which this one replaces: {opened.replaces}")
            if kept.networks or kept.fits:
                say(run, f"{_counted(kept, watch)} there already")
            with _going_on(kept, watch):
                with shown(watch, run, score_name=plan.experiment.score_name):
                    comparison = conclude(execute(plan, watch=watch, kept=kept))
                try:
                    _print(comparison, options)
                except BrokenPipeError:  # who reads along has seen enough; the files are wanted nevertheless
                    opened.save(comparison, pictures=run.format)
                    raise
                paths = opened.save(comparison, pictures=run.format)
    if options.as_json:
        print(json.dumps({**comparison.to_dict(), "files": [str(path) for path in paths]}, allow_nan=False))
    say(run, *last, *_pointers(plan, comparison, folder))
    return _failed(options.design.fail_if_worse, comparison)


def _print(comparison: Comparison, options: CompareOptions) -> None:
    """Print a comparison on stdout; its JSON names files, and comes once they are written."""
    from seedbed.report import glance_lines

    if options.details and not options.as_json:
        print(comparison.details(), flush=True)
    elif not options.as_json:
        print_lines(glance_lines(comparison.to_dict()))


def _pointers(plan: Plan, comparison: Comparison, folder: Path) -> Iterator[str]:
    """Yield where the report and the details are, and the next command."""
    from seedbed.model import AUTO, blend_seconds
    from seedbed.report import duration

    place, spec = shlex.quote(str(folder)), plan.experiment
    yield ""
    yield f"Report:   {folder / 'report.html'}   (seedbed report {place} --open)"
    yield f"Details:  seedbed report {place} --text"
    if AUTO not in spec.names and not spec.design.quick:
        seconds = blend_seconds(spec.table, len(plan.all_splits[0].train)) * len(plan.all_splits) / plan.workers
        others = "" if "--candidate" in spec.command else f"--candidate {spec.candidates[0].name} "
        yield (
            f"To add:   {others}--candidate auto --out {shlex.quote(f'{folder}-auto')}   "
            f"(a blend of networks; about {duration(seconds)})"
        )
    advice = comparison.conclusions.advice
    if spec.design.quick and spec.command.startswith("seedbed "):
        yield f"Next:     {' '.join(word for word in spec.command.split(' ') if word != '--quick')}"
    elif advice is not None and not advice.no_gain:
        yield f"Next:     seedbed train {place} -o model.safetensors"


def _check_named(name: str | None, experiment: Experiment) -> None:
    """Raise OptionError unless `--fail-if-worse` names a model that is compared with the reference."""
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
        print_stderr(f"seedbed: {name} {worse}")
        return 1
    if name not in rules:
        print_stderr(f"seedbed: no verdict on {name}, so --fail-if-worse can't tell")
    return 0


@contextlib.contextmanager
def _going_on(kept: Kept, watch: Watch) -> Iterator[None]:
    """Says of an interrupt what it leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        if kept.networks or kept.fits or kept.begun:
            what = _counted(kept, watch) if kept.networks or kept.fits else "what is begun is"
            message = f"interrupted; {what} kept in {kept.folder}"
            raise KeyboardInterrupt(message, "The same command, or seedbed resume, goes on from there.") from None
        why = f": {kept.trouble}" if kept.trouble else ""
        raise KeyboardInterrupt(f"interrupted before anything was finished, so nothing is kept{why}") from None


def _counted(kept: Kept, watch: Watch) -> str:
    """How many networks are kept, of all; where there are none, how many baselines' fits."""
    total = sum(one.total for one in watch.progress() if one.epochs)
    if kept.networks:
        return f"{kept.networks:,} of {total:,} networks are"
    return f"{kept.fits:,} fits of baselines are" if kept.fits > 1 else "a fit of a baseline is"


def _print_epochs(curves: Any, score_name: str, every: int) -> None:
    """The tutorial's lines from curves [4, epoch, network]; of many seeds, without the networks that diverged."""
    import numpy as np

    from seedbed.report import epoch_lines

    used = np.isfinite(curves[[0, 2]]).all((0, 1)) if curves.shape[2] > 1 else slice(None)
    for line in epoch_lines(*curves[:, :, used], every=every, score_name=score_name):
        print(line)

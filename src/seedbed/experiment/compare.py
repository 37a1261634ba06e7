"""`compare`, `rows` and `columns`: models on one table, over many splits, each compared with the reference."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from seedbed.arguments import checked, spelled
from seedbed.data.reading import read_table, table_from_arrays
from seedbed.data.table import Table
from seedbed.errors import OptionError, without_passwords
from seedbed.experiment.columns import specify_columns, with_alone
from seedbed.experiment.comparison import Comparison, carry_out
from seedbed.experiment.model_plan import experiment_of_run
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.run_folder import finished_in, open_folder
from seedbed.experiment.sizes import check_sizes, with_rows
from seedbed.experiment.spec import specify
from seedbed.report.progress import Progress, notebook_progress
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import merged, place_of
from seedbed.settings.recipe import RECIPES, Recipe, recipe_named
from seedbed.training.candidates import warn_of_probabilities

_LONGEST = 200


def _place(name: str) -> str:
    """Return where an argument belongs that `compare` doesn't have; empty if it is unknown."""
    if name in inspect.signature(read_table).parameters:
        return f"It is an argument of read_table: sb.compare(sb.read_table(table, target=..., {name}=...))."
    return place_of(name, Recipe, Design, Compute)


@checked(_place)
def compare(
    table: Any,
    y: Any = None,
    *,
    target: str | int | None = None,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None = None,
    recipe: Recipe | Literal["default", "tutorial"] = "default",
    design: Design | None = None,
    compute: Compute = Compute(),
    epochs: int | None = None,
    lr: float | Iterable[float] | None = None,
    quick: bool = False,
    folder: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Fit every model on the same splits, and say which is better than the reference, if any.

    Args:
        table: what `read_table` takes, or a `Table` of it, which has more options; or features [row, feature] with `y`.
        y: the target [row], where `table` is an array.
        target: the column to predict.
        candidates: words like `"relu:64,64@lr=0.003"`, callables that build a module, or a mapping of names to either.
            The default models and `auto`, their blend, if left out.
        recipe: how networks are trained. "default" suits the table, "tutorial" is plain SGD and compares the three
            networks of the tutorial if no candidates are named.
        design: splits and how candidates are judged, see `Design`.
        compute: what trains, and where, see `Compute`.
        epochs: of the recipe.
        lr: of the recipe; with several, every candidate is compared at each of them.
        quick: of the design.
        folder: for specification and results. The same call continues an interrupted run, and reads a finished run
            back without training.
        overwrite: train a finished run again, and discard another run in the folder, which is an error otherwise.
        on_progress: called whenever something is finished. In a notebook the answer so far is shown if it is left out.

    Raises:
        SeedbedError: the table, a candidate or an option can't be used.

    Warns:
        UserWarning: a module of your own seems to end with a sigmoid or softmax instead of returning logits.

    Examples:
        >>> design = sb.Design(repeats=1, n_networks=2, baselines=[])
        >>> comparison = sb.compare("example:iris", candidates=["linear:5", "relu:5"], epochs=5, lr=0.1, design=design)
        >>> print(comparison)
        iris: predicting species (150 rows, 4 features; 3 classes, 33.3% are setosa)
        ...
        2 models on 10 train/test splits: 40 networks in ...
    """
    return _compared(
        table, y, target, candidates, recipe, design, compute, epochs, lr, quick, folder, overwrite, on_progress
    )


@checked(_place)
def rows(
    table: Any,
    y: Any = None,
    *,
    target: str | int | None = None,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None = None,
    recipe: Recipe | Literal["default", "tutorial"] = "default",
    design: Design | None = None,
    compute: Compute = Compute(),
    epochs: int | None = None,
    lr: float | Iterable[float] | None = None,
    quick: bool = False,
    folder: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Say whether more rows would help: compare, then train again on halves, quarters and so on of the training rows.

    The test rows stay the same. `conclusion.rows` has the losses and verdicts at up to six sizes of the training set,
    and what 2, 5 and 10 times as many rows would bring.

    Args:
        table: as in `compare`; or the folder of a finished comparison, whose table, networks and design it uses.
        y, target, candidates, recipe, design, compute, epochs, lr, quick: as in `compare`.
        folder: as in `compare`; it may hold a finished comparison of the same call, whose networks are used again.
        overwrite, on_progress: as in `compare`.

    Raises:
        DataError: half of the training rows is too few to learn from.
        SeedbedError: the table, a candidate or an option can't be used.

    Examples:
        >>> settings = {"candidates": ["linear:5"], "quick": True, "epochs": 5, "design": sb.Design(n_networks=2)}
        >>> answer = sb.rows("example:iris", **settings)
        >>> [size.n_train for size in answer.conclusion.rows.sizes]
        [33, 69, 135]
    """
    run = _run(table, y=y, target=target, candidates=candidates, recipe=recipe, design=design, epochs=epochs, lr=lr,
               quick=quick)  # fmt: skip
    if run is not None:
        return _with_rows(run, compute, folder, overwrite, on_progress)
    return _compared(
        table, y, target, candidates, recipe, design, compute, epochs, lr, quick, folder, overwrite, on_progress,
        by_rows=True,
    )  # fmt: skip


def _compared(
    table: Any,
    y: Any,
    target: str | int | None,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None,
    recipe: Recipe | Literal["default", "tutorial"],
    design: Design | None,
    compute: Compute,
    epochs: int | None,
    lr: float | Iterable[float] | None,
    quick: bool,
    folder: str | Path | None,
    overwrite: bool,
    on_progress: Callable[[Progress], None] | None,
    by_rows: bool = False,
) -> Comparison:
    """Return the comparison of `compare`, and what `rows` adds if it is requested."""
    started, read = time.perf_counter(), _table(table, y, target)
    lrs = _lrs(lr)
    several, rate = (lrs, None) if len(lrs) > 1 else ((), next(iter(lrs), None))
    common, asked = _settings(recipe, design, epochs=epochs, lr=rate, quick=quick)
    function = "rows" if by_rows else "compare"
    command = call_of(read, candidates, common, several, asked, function=function)
    place = None if folder is None else Path(folder)
    experiment = specify(read, candidates, recipe=common, design=asked, lrs=several, command=command)
    if by_rows:
        check_sizes(experiment)
    plan = make_plan(experiment, compute)
    for candidate in plan.experiment.members:
        warn_of_probabilities(candidate, plan.experiment.table)
    finish = functools.partial(with_rows, compute=compute, folder=place) if by_rows else lambda comparison: comparison
    return _carried(plan, on_progress, place, overwrite, started, finish)


def _with_rows(
    run: Path,
    compute: Compute,
    folder: str | Path | None,
    overwrite: bool,
    on_progress: Callable[[Progress], None] | None,
) -> Comparison:
    """Return the finished comparison in a folder, and what `rows` adds."""
    started, place = time.perf_counter(), None if folder is None else Path(folder)
    experiment = experiment_of_run(run, without_passwords(f"sb.rows({str(run)!r})"))
    check_sizes(experiment)
    plan = make_plan(experiment, compute)
    finish = functools.partial(with_rows, compute=compute, folder=place)
    return _carried(plan, on_progress, place, overwrite, started, finish, finished_in(plan, run))


def _settings(
    recipe: Recipe | str,
    design: Design | None,
    *,
    epochs: int | None,
    lr: float | None,
    quick: bool,
) -> tuple[Recipe, Design]:
    """Return recipe and design with what was given beside them."""
    named = recipe_named(recipe) if isinstance(recipe, str) else recipe
    return merged(named, epochs=epochs, lr=lr), merged(design or Design(), quick=quick or None)


def _carried(
    plan: Plan,
    on_progress: Callable[[Progress], None] | None,
    folder: Path | None,
    overwrite: bool,
    started: float,
    finish: Callable[[Comparison], Comparison],
    taken: Comparison | None = None,
) -> Comparison:
    """Return the comparison of a plan after `finish`; it isn't trained if it is finished in its folder, or taken."""
    with notebook_progress() as shown:
        tell = on_progress or shown
        if folder is None:
            return finish(taken or carry_out(plan, tell, started=started))
        with open_folder(plan, folder, overwrite=overwrite) as opened:
            comparison = finish(
                opened.finished or taken or carry_out(plan, tell, checkpoint=opened.checkpoint, started=started)
            )
            if comparison is not opened.finished:
                opened.save(comparison)
        return comparison


@checked(_place)
def columns(
    table: Any,
    y: Any = None,
    *,
    target: str | int | None = None,
    candidate: Any = None,
    column: Sequence[str] = (),
    recipe: Recipe | Literal["default", "tutorial"] = "default",
    design: Design | None = None,
    compute: Compute = Compute(),
    epochs: int | None = None,
    lr: float | None = None,
    quick: bool = False,
    folder: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Say which columns of a table help: train a model with all columns, and again without each, on the same splits.

    Columns that stand for each other are also left out together. `conclusion.columns` has the answer.

    Args:
        table: as in `compare`; or the folder of a finished comparison, whose table, splits, network and recipe it uses.
        y: the target [row], where `table` is an array.
        target: the column to predict.
        candidate: the model: a candidate as in `compare`, "auto", or a default model such as "boosted-trees". If left
            out, "network-1", or of a folder the model that its comparison recommends.
        column: the columns to ask about, at most 40; all if left out. More than 40 columns are left out in 40 groups.
        recipe, design, compute, epochs, lr, quick, folder, overwrite, on_progress: as in `compare`.

    Raises:
        SeedbedError: the table, the model, a column or an option can't be used.

    Examples:
        >>> design = sb.Design(repeats=1, n_networks=2)
        >>> found = sb.columns("example:iris", candidate="linear:5", epochs=5, lr=0.1, design=design)
        >>> found.conclusion.columns.effects[0].verdict
        'helps'
    """
    started = time.perf_counter()
    run = _run(table, y=y, target=target, recipe=recipe, design=design, epochs=epochs, lr=lr, quick=quick)
    read = _table(table, y, target) if run is None else run
    common, asked = _settings(recipe, design, epochs=epochs, lr=lr, quick=quick)
    given = {"candidate": candidate, "column": list(column) or None}
    command = call_of(read, None, common, (), asked, function="columns", **given)
    experiment = specify_columns(read, candidate, column, recipe=common, design=asked, command=command)
    place, plan = None if folder is None else Path(folder), make_plan(experiment, compute)
    finish = functools.partial(with_alone, compute=compute, folder=place)
    return _carried(plan, on_progress, place, overwrite, started, finish)


def _lrs(lr: float | Iterable[float] | None) -> tuple[float, ...]:
    """Return the learning rates that are given; none, one or several."""
    try:
        if isinstance(lr, str):
            raise ValueError
        return () if lr is None else tuple(float(rate) for rate in (lr if isinstance(lr, Iterable) else [lr]))
    except (TypeError, ValueError):
        raise OptionError(f"lr is {lr!r}", "Give a number, or several.") from None


def _run(table: Any, **others: Any) -> Path | None:
    """Return the folder of a run that is given in place of a table; None if it is a table.

    Raises:
        OptionError: other arguments are given, which the run decides.
    """
    if not (isinstance(table, str | Path) and Path(table).is_dir()):
        return None
    given = [name for name, one in others.items() if one is not None and one is not False and str(one) != "default"]
    if given:
        raise OptionError(f"{table} has its own table, networks and design", f"Leave {', '.join(given)} out.")
    return Path(table)


def _table(table: Any, y: Any, target: str | int | None) -> Table:
    if isinstance(table, Table):
        if y is not None or target is not None:
            raise OptionError("y or target was given with a table that has been read", "Give it to read_table.")
        return table
    if y is None:
        return read_table(table, target=target)
    if target is not None:
        raise OptionError("target names a column of a table, but X and y are given as arrays", "Leave it out.")
    return table_from_arrays(table, y)


def call_of(
    table: Table | Path,
    candidates: Any,
    recipe: Recipe,
    lrs: Sequence[float],
    design: Design,
    *,
    function: str = "compare",
    **others: Any,
) -> str:
    """Return the text of a call that repeats this one, such as `sb.compare('t.csv', target='y')`.

    Tables and objects without a short text are shown by their type, and passwords as stars.

    Args:
        table: the table; or the folder of a comparison, which decides recipe and design.
        function: the one that was called.
        others: its other arguments; None for one that wasn't given.
    """
    arguments = [_word(str(table))] if isinstance(table, Path) else _read_by(table)
    if candidates is not None:
        arguments.append(f"candidates={_word(candidates)}")
    if isinstance(table, Table):
        names = [name for name, known in RECIPES.items() if known == recipe]
        if names != ["default"]:
            arguments.append(f"recipe={names[0]!r}" if names else f"recipe=sb.{recipe!r}")
        if lrs:
            arguments.append(f"lr={list(lrs)}")
        if design != Design():
            arguments.append(f"design=sb.{design!r}")
    arguments += [f"{name}={_word(value)}" for name, value in others.items() if value is not None]
    return without_passwords(f"sb.{function}({', '.join(arguments)})")


def _read_by(table: Table) -> list[str]:
    """Return the arguments that say which table it is."""
    if table.reading is None:
        return [repr(table)]
    others = [f"{name}={_word(value)}" for name, value in table.reading.items() if name != "source"]
    arguments = [_word(table.reading["source"]), *others]
    return arguments if table.reading.keys() <= {"source", "target"} else [f"sb.read_table({', '.join(arguments)})"]


def _word(value: Any) -> str:
    """Return a value as a user would type it, or its type and shape if that is too long."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"<{type(value).__name__} {' x '.join(str(size) for size in shape)}>"
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__name__
    if isinstance(value, Mapping):
        words = "{" + ", ".join(f"{key!r}: {_word(one)}" for key, one in value.items()) + "}"
    elif isinstance(value, list | tuple):
        words = "[" + ", ".join(_word(item) for item in value) + "]"
    else:
        words = spelled(value)
    if len(words) <= _LONGEST:
        return words
    many = f" of {len(value)}" if isinstance(value, Mapping | list | tuple) else ""
    return f"<{type(value).__name__}{many}>"

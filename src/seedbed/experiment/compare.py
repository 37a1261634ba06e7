"""`compare`, `rows` and `columns`: models on one table, over many splits, each compared with the reference."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from seedbed.arguments import checked, spelled
from seedbed.data.reading import read_table, table_from_arrays
from seedbed.data.table import Table
from seedbed.errors import OptionError, without_passwords
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.request import Question, Request, carry_out_request, plan_request
from seedbed.experiment.run_folder import open_folder
from seedbed.report.progress import Progress, notebook_progress
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import merge_settings, place_of
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
    request = _request("compare", table, y, target, recipe, design, compute, epochs, lr, quick, candidates=candidates)
    return _answer(request, folder, overwrite, on_progress)


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
    request = _request("rows", table, y, target, recipe, design, compute, epochs, lr, quick, candidates=candidates)
    return _answer(request, folder, overwrite, on_progress)


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
        >>> answer = sb.columns("example:iris", candidate="linear:5", epochs=5, lr=0.1, design=design)
        >>> answer.conclusion.columns.effects[0].verdict
        'helps'
    """
    request = _request(
        "columns", table, y, target, recipe, design, compute, epochs, lr, quick, candidates=candidate, columns=column
    )
    return _answer(request, folder, overwrite, on_progress)


def _request(
    question: Question,
    table: Any,
    y: Any,
    target: str | int | None,
    recipe: Recipe | str,
    design: Design | None,
    compute: Compute,
    epochs: int | None,
    lr: float | Iterable[float] | None,
    quick: bool,
    *,
    candidates: Any,
    columns: Sequence[str] = (),
) -> Request:
    """Return the request of a call, and read its table; the arguments are those of `compare` and `columns`."""
    started, lrs = time.perf_counter(), _lrs(lr)
    several, rate = (lrs, None) if len(lrs) > 1 else ((), next(iter(lrs), None))
    source: Table | Path
    if question != "compare" and isinstance(table, str | Path) and Path(table).is_dir():
        source = Path(table)
        decided = {"y": y, "target": target, "design": design, "epochs": epochs, "lr": lr, "quick": quick or None,
                   "recipe": None if recipe == "default" else recipe,
                   "candidates": candidates if question == "rows" else None}  # fmt: skip
        if names := [name for name, value in decided.items() if value is not None]:
            raise OptionError(f"{source} has its own table, networks and design", f"Leave {', '.join(names)} out.")
    else:
        source = _table(table, y, target)
    common = merge_settings(recipe_named(recipe) if isinstance(recipe, str) else recipe, epochs=epochs, lr=rate)
    request = Request(
        question=question,
        source=source,
        candidates=candidates,
        columns=tuple(columns),
        recipe=common,
        design=merge_settings(design or Design(), quick=quick or None),
        lrs=several,
        compute=compute,
        started=started,
    )
    return dataclasses.replace(request, command=call_of(request))


def _answer(
    request: Request, folder: str | Path | None, overwrite: bool, on_progress: Callable[[Progress], None] | None
) -> Comparison:
    """Carry out a request, in a folder if one is given."""
    planned = plan_request(request)
    for candidate in planned.plan.experiment.members:
        warn_of_probabilities(candidate, planned.plan.experiment.table)
    progress = notebook_progress if on_progress is None else functools.partial(nullcontext, on_progress)
    if folder is None:
        return carry_out_request(planned, None, progress)
    with open_folder(planned.plan, folder, overwrite=overwrite) as opened:
        comparison = carry_out_request(planned, opened, progress)
        if comparison is not opened.finished:
            opened.save(comparison)
    return comparison


def _lrs(lr: float | Iterable[float] | None) -> tuple[float, ...]:
    """Return the learning rates that are given; none, one or several."""
    try:
        if isinstance(lr, str):
            raise ValueError
        return () if lr is None else tuple(float(rate) for rate in (lr if isinstance(lr, Iterable) else [lr]))
    except (TypeError, ValueError):
        raise OptionError(f"lr is {lr!r}", "Give a number, or several.") from None


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


def call_of(request: Request) -> str:
    """Return the text of a call that makes a request, such as `sb.compare('t.csv', target='y')`.

    Tables and objects without a short text are shown by their type, and passwords as stars.
    """
    source, of_models = request.source, request.question != "columns"
    arguments = [_word(str(source))] if isinstance(source, Path) else _read_by(source)
    if request.candidates is not None and of_models:
        arguments.append(f"candidates={_word(request.candidates)}")
    if isinstance(source, Table):
        names = [name for name, recipe in RECIPES.items() if recipe == request.recipe]
        if names != ["default"]:
            arguments.append(f"recipe={names[0]!r}" if names else f"recipe=sb.{request.recipe!r}")
        if request.lrs:
            arguments.append(f"lr={list(request.lrs)}")
        if request.design != Design():
            arguments.append(f"design=sb.{request.design!r}")
    if request.candidates is not None and not of_models:
        arguments.append(f"candidate={_word(request.candidates)}")
    if request.columns:
        arguments.append(f"column={_word(list(request.columns))}")
    return without_passwords(f"sb.{request.question}({', '.join(arguments)})")


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

"""`compare`: models on one table, over many splits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from seedbed.arguments import checked
from seedbed.data.reading import read_table, table_from_arrays
from seedbed.data.table import Table
from seedbed.errors import OptionError
from seedbed.experiment.comparison import Comparison, carry_out
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run_folder import open_folder
from seedbed.experiment.spec import specify
from seedbed.report.progress import Progress, notebook_progress
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import merge_settings, place_of
from seedbed.settings.recipe import Recipe, recipe_named
from seedbed.training.candidates import warn_of_probabilities


def _place(name: str) -> str:
    """Return where an argument belongs that `compare` doesn't have; empty if it is unknown."""
    if name in inspect.signature(read_table).parameters:
        outcome = "event=..., time=" if name in ("start", "horizon") else "target="
        return f"It is an argument of read_table: sb.compare(sb.read_table(table, {outcome}..., {name}=...))."
    return place_of(name, Recipe, Design, Compute)


@checked(_place)
def compare(
    table: Any,
    y: Any = None,
    *,
    target: str | int | None = None,
    event: str | int | None = None,
    time: str | int | None = None,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None = None,
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
    """Fit every model on the same splits, and say which to use and how far the others are behind
    it.

    Args:
        table: what `read_table` takes, or a `Table` of it, which has more options; or features
            [row, feature] with `y`.
        y: the target [row], where `table` is an array.
        target: the column to predict.
        event: for survival, in place of a target: the column that says whether the event came.
        time: for survival: the column with the time under observation.
        candidates: words like `"relu:64,64@lr=0.003"`, callables that build a module, or a mapping
            of names to either. The default models and `auto`, their blend, if left out.
        recipe: how networks are trained. "default" suits the table, "tutorial" is plain SGD and
            compares the three networks of the tutorial if no candidates are named.
        design: splits and how candidates are judged, see `Design`.
        compute: what trains, and where, see `Compute`.
        epochs: passes over the training rows, in place of the recipe's.
        lr: learning rate, in place of the recipe's.
        quick: a first look: one repeat, on at most 5,000 rows.
        folder: for specification and results. The same call continues an interrupted run, and reads
            a finished run back without training.
        overwrite: train a finished run again, and discard another run in the folder, which is an
            error otherwise.
        on_progress: called whenever something is finished. If it is left out, a notebook shows the
            interim result.

    Raises:
        SeedbedError: the table, a candidate or an option can't be used.

    Warns:
        UserWarning: a module of your own seems to end with a sigmoid or softmax instead of
            returning logits.

    Examples:
        >>> design = sb.Design(repeats=1, n_networks=2, baselines=[])
        >>> comparison = sb.compare("example:iris", candidates=["linear:5", "relu:5"], epochs=5, lr=0.1, design=design)
        >>> print(comparison)
        iris: predicting species, 150 rows, 4 features (3 classes, 33.3% are setosa)
        ...
        3 models on 10 train/test splits (40 networks) in ...
    """
    started = perf_counter()
    experiment = specify(
        _table(table, y, target=target, event=event, time=time),
        candidates,
        recipe=merge_settings(
            recipe_named(recipe) if isinstance(recipe, str) else recipe,
            epochs=epochs,
            lr=lr,
        ),
        design=merge_settings(design or Design(), quick=quick or None),
    )
    plan = make_plan(experiment, compute)
    for candidate in experiment.members:
        warn_of_probabilities(candidate, experiment.table)
    progress = notebook_progress() if on_progress is None else nullcontext(on_progress)
    if folder is None:
        with progress as tell:
            return carry_out(plan, tell, started=started)
    with open_folder(plan, folder, overwrite=overwrite) as opened:
        if opened.finished is not None:
            return opened.finished
        with progress as tell:
            comparison = carry_out(
                plan, tell, checkpoint=opened.checkpoint, started=started
            )
        opened.save(comparison)
    return comparison


def _table(table: Any, y: Any, **reading: Any) -> Table:
    name = next((name for name, value in reading.items() if value is not None), None)
    if isinstance(table, Table):
        if y is not None or name is not None:
            raise OptionError(
                f"{name or 'y'} was given with a table that has been read",
                "Give it to read_table.",
            )
        return table
    if y is None:
        return read_table(table, **reading)
    if name is not None:
        raise OptionError(
            f"{name} is about a column of a table, but X and y are given as arrays",
            "Leave it out.",
        )
    return table_from_arrays(table, y)

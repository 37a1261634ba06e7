"""`compare`: candidates on one table, over many splits and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seedbed.data import read_table, table_from_arrays
from seedbed.errors import OptionError
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import Progress, run
from seedbed.experiment.spec import TUTORIAL, specify
from seedbed.networks import Recipe
from seedbed.training import Compile

__all__ = ["compare"]


def compare(
    table: Any,
    y: Any = None,
    *,
    target: str | None = None,
    drop: Sequence[str] = (),
    candidates: Sequence[Any] | Mapping[str, Any] | str = TUTORIAL,
    reference: str | None = None,
    repeats: int = 10,
    folds: int = 10,
    seeds: int = 5,
    epochs: int = 1000,
    lr: float = 0.01,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float | None = None,
    batch_size: int | None = None,
    random_state: int = 0,
    compile: Compile = "auto",
    device: str = "auto",
    jobs: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Train every candidate on the same splits, many seeds each, and put the results side by side.

    Args:
        table: a path, `example:NAME`, a data frame with its `target`; or features [row, feature] with `y`.
        y: two labels [row], where `table` is features.
        target: the column to predict; an example has its own.
        drop: columns to leave out.
        candidates: words like `"relu:64,64@lr=0.003"`, callables that build a module, or a mapping of names to either.
        reference: the name of the candidate to hold the others against; the first if left out.
        repeats, folds: stratified folds, shared by all candidates; `repeats * folds` splits.
        seeds: networks a candidate and split.
        epochs, lr, optimizer, momentum, nesterov, weight_decay, batch_size: the common recipe, see `Recipe`; a
            candidate's own words overrule it.
        random_state: all randomness is derived from it.
        compile, device, jobs: as in `train_many`.
        on_progress: called after every chunk of networks.

    Raises:
        SeedbedError: the table, a candidate or an option can't be used.
    """
    recipe = Recipe(optimizer=optimizer, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay,
                    epochs=epochs, batch_size=batch_size)  # fmt: skip
    if y is not None and (target is not None or drop):
        raise OptionError("target and drop name columns of a table, but X and y are given apart", "Leave them out.")
    rows = read_table(table, target=target, drop=drop) if y is None else table_from_arrays(table, y)
    experiment = specify(rows, candidates, reference=reference, recipe=recipe, repeats=repeats, folds=folds,
                         seeds=seeds, random_state=random_state)  # fmt: skip
    return run(make_plan(experiment, jobs=jobs, compile=compile, device=device), on_progress=on_progress)

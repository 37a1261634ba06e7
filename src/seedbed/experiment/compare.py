"""`compare`: candidates on one table, over many splits and seeds, each held against the reference."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from seedbed.arguments import check_arguments
from seedbed.data import Table, read_table, table_from_arrays
from seedbed.errors import OptionError
from seedbed.experiment.asked import call_of
from seedbed.experiment.comparison import Comparison, conclude
from seedbed.experiment.limiting import plan_within
from seedbed.experiment.plan import Plan
from seedbed.experiment.run import run
from seedbed.experiment.run_folder import open_folder
from seedbed.experiment.spec import TUTORIAL, Experiment, Interval, specify
from seedbed.experiment.watch import Watch, watch_plan
from seedbed.networks import Recipe, Schedule, recipe_named, settings_in
from seedbed.report import Progress
from seedbed.training import Engine

__all__ = ["compare"]

# Arguments that `specify` takes as they are.
_ASKED = ("reference", "baselines", "repeats", "folds", "seeds", "quick", "time_limit", "metric", "margin", "alpha",
          "interval", "random_state")  # fmt: skip


def compare(
    table: Any,
    y: Any = None,
    *,
    target: str | int | None = None,
    drop: Sequence[str | int] = (),
    candidates: Sequence[Any] | Mapping[str, Any] | str = TUTORIAL,
    baselines: Sequence[Any] | Mapping[str, Any] | str | None = None,
    reference: str | None = None,
    metric: str | None = None,
    margin: float | None = None,
    alpha: float = 0.05,
    interval: Interval = "corrected",
    recipe: Literal["trained", "tutorial"] = "trained",
    epoch: Literal["inner", "last"] | None = None,
    epochs: int | None = None,
    lr: float | Iterable[float] | None = None,
    schedule: Schedule | None = None,
    warmup: float | None = None,
    optimizer: str | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    weight_decay: float | None = None,
    decay_biases: bool | None = None,
    clip_norm: float | None = None,
    label_smoothing: float | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    repeats: int | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    quick: bool = False,
    time_limit: float | None = None,
    random_state: int = 0,
    folder: str | Path | None = None,
    overwrite: bool = False,
    engine: Engine = "auto",
    device: str = "auto",
    jobs: int | None = None,
    cluster: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Train every candidate on the same splits, many seeds each, and say which is better than the reference, if any.

    Args:
        table: what `read_table` takes, or a `Table` of it, which has more options; or features [row, feature] with `y`.
        candidates: words like `"relu:64,64@lr=0.003"`, callables that build a module, or a mapping of names to either.
        baselines: names, import paths, scikit-learn models, or a mapping of names to these; `BASELINES` if left out.
        lr: several compare every candidate at each of them.
        time_limit: seconds, about: repeats are cut to what fits, then seeds, before the first fit; 60 if `quick`.
        folder: for specification and results. A run that was interrupted goes on when it is started again; one that is
            finished is read back without training. The rest is as `seedbed compare --help` says.
        overwrite: train again what is finished, and give up what another, unfinished run has left in the folder.
        on_progress: is called whenever something is finished.

    Raises:
        SeedbedError: the table, a candidate or an option can't be used.
    """
    specified, begun = _specified(locals()), None if overwrite else folder
    plan = plan_within(specified, begun, jobs=jobs, cluster=cluster, engine=engine, device=device)
    return _ran(plan, watch_plan(plan, on_progress, draws=folder is not None), folder, overwrite)


def _specified(given: Mapping[str, Any]) -> Callable[..., Experiment]:
    """What specifies what the arguments of `compare` ask for."""
    if isinstance(given["recipe"], Recipe):
        hint = "Give 'trained' or 'tutorial', and its settings as arguments, such as epochs=200, lr=0.1."
        raise OptionError("recipe is a Recipe, and compare takes the name of one", hint)
    check_arguments(compare, given)
    lrs = _lrs(given["lr"])
    own = {**settings_in(given), "lr": lrs[0] if len(lrs) == 1 else None}
    return functools.partial(
        specify,
        _table(given["table"], given["y"], given["target"], given["drop"]),
        given["candidates"],
        recipe=recipe_named(given["recipe"], **own),
        lrs=lrs if len(lrs) > 1 else (),
        command=call_of(compare, given),
        **{name: given[name] for name in _ASKED},
    )


def _ran(plan: Plan, watch: Watch, folder: str | Path | None, overwrite: bool) -> Comparison:
    if folder is None:
        return conclude(run(plan, watch=watch))
    with open_folder(plan, folder, overwrite=overwrite) as opened:
        if opened.finished is not None:
            return opened.finished
        comparison = conclude(run(plan, watch=watch, kept=opened.kept))
        opened.save(comparison)
    return comparison


def _lrs(lr: float | Iterable[float] | None) -> tuple[float, ...]:
    """The learning rates that are given; none, one or several."""
    try:
        if isinstance(lr, str):
            raise ValueError
        return () if lr is None else tuple(float(one) for one in (lr if isinstance(lr, Iterable) else [lr]))
    except (TypeError, ValueError):
        raise OptionError(f"lr is {lr!r}", "Give a number, or several.") from None


def _table(table: Any, y: Any, target: str | int | None, drop: Sequence[str | int] | int) -> Table:
    drop = [drop] if isinstance(drop, int) else drop
    drops = len(drop) > 0
    if isinstance(table, Table) and (y is not None or target is not None or drops):
        raise OptionError("y, target and drop were given with a table that is read already", "Give them to read_table.")
    if isinstance(table, Table):
        return table
    if y is None:
        return read_table(table, target=target, drop=drop)
    if target is not None or drops:
        raise OptionError("target and drop name columns of a table, but X and y are given apart", "Leave them out.")
    return table_from_arrays(table, y)

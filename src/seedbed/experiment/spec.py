"""The specification of a comparison, frozen before the first network is trained."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seedbed.arguments import spelled
from seedbed.data import (
    Split,
    Table,
    Task,
    check_training,
    encode,
    holdout,
    repeated_folds,
    sample_rows,
    time_holdout,
)
from seedbed.errors import CandidateError, OptionError, counted, did_you_mean
from seedbed.evaluation import METRICS, Columns, Protocol, default_margin, default_metric, protocol
from seedbed.experiment.baseline_fits import FittedModel, auto, without_auto
from seedbed.experiment.baselines import BASELINES, baselines_from
from seedbed.model import AUTO, member_costs
from seedbed.networks import Candidate, candidates_from
from seedbed.settings import N_NETWORKS, Design, Recipe
from seedbed.training import derive, network_operations, versions
from seedbed.typing import Ints

__all__ = [
    "LOSSES",
    "SCHEMA_VERSION",
    "Experiment",
    "hashed",
    "sampled_rows",
    "specification",
    "specify",
    "splits_of",
    "table_specification",
]

SCHEMA_VERSION = 2
"""Of `experiment.json`."""

TUTORIAL = ("linear:5", "linear:20,20", "relu:5")
"""The three networks of the tutorial: with `auto`, the candidates of a comparison that names none."""

DESIGN = Design()

# `auto` takes part if its two repeats cost no more than so many times the other networks, or than so many operations,
# about a minute of one core.
_MOST_TIMES, _MOST_OPERATIONS = 1.5, 8e12
_INNER, _USUAL_SHARE = 0.8, 0.4  # of rows and epochs that networks which choose usually train on
_WITHOUT_AUTO = {
    "first look": "this is a first look",
    "time limit": "there is a time limit",
}

# With `--quick`: the most rows, as more can't be trained on in a minute, and the time limit.
_QUICK_ROWS, _QUICK_SECONDS = 100_000, 60.0

LOSSES: dict[Task, str] = {"binary": "bce", "multiclass": "cross_entropy", "regression": "mse"}
"""The loss that networks of each task minimise."""


@dataclass(frozen=True)
class Sweep:
    """One candidate at several learning rates.

    Attributes:
        name: of the candidate without a learning rate.
        members: the names of the candidates with one.
        lrs: one for each member.
    """

    name: str
    members: tuple[str, ...]
    lrs: tuple[float, ...]


@dataclass(frozen=True)
class Experiment:
    """The frozen specification of a comparison.

    Attributes:
        table: features and target.
        candidates: the networks that are compared.
        fitted: models that are fitted on each split: baselines, and `auto` where it is a candidate.
        reference: the name of the model that the others are compared with.
        recipe: the recipe that the candidates share.
        design: the splits, the number of seeds, and whether there are verdicts.
        metric: the primary metric, which is tested.
        margin: the difference that matters, in units of the loss of the metric; unless it is given, its largest value,
            see `evaluation.margin_beside`.
        margin_given: whether the user gave the margin.
        alpha: error level of all comparisons together.
        networks: how many networks a model averages; verdicts are about their mean.
        sweeps: candidates that were expanded into several learning rates.
        random_state: all randomness is derived from it.
        command: the command or call that repeats the run; empty if unknown. It decides nothing.
        whole: the table of which `table` is a sample; None if it isn't one.
        no_auto: why `auto` doesn't take part although no candidates were named; else empty.
        columns: where the candidates are one model without one column or another: which model, yet without effects.

    Raises:
        OptionError: a number is out of range, or an option has no such word.
        CandidateError: the reference isn't among the candidates, or two have the same name.
    """

    table: Table
    candidates: tuple[Candidate, ...]
    fitted: tuple[FittedModel, ...]
    reference: str
    recipe: Recipe
    design: Protocol
    metric: str
    margin: float
    margin_given: bool = False
    alpha: float = 0.05
    networks: int = N_NETWORKS
    sweeps: tuple[Sweep, ...] = ()
    random_state: int = 0
    command: str = ""
    whole: Table | None = None
    no_auto: str = ""
    columns: Columns | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            if self.names.count(name) > 1:
                raise CandidateError(f"a candidate and a baseline are both named '{name}'", "Rename one.")
        if self.reference not in self.names:
            hint = did_you_mean(self.reference, self.names)
            raise CandidateError(f"the reference '{self.reference}' isn't among the candidates", hint)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all models, those of baselines last."""
        return tuple([candidate.name for candidate in self.candidates] + [model.name for model in self.fitted])

    @functools.cached_property
    def without(self) -> tuple[tuple[str, ...], ...]:
        """The sets of columns that a network doesn't see, each once; the first is usually empty."""
        return tuple(dict.fromkeys(one.without for one in self.candidates)) or ((),)

    @property
    def score_name(self) -> str:
        """The score beside the loss in curves: accuracy or R2."""
        return "R2" if self.table.task == "regression" else "accuracy"

    def recipes(self) -> dict[str, Recipe]:
        """Return the recipe of each candidate."""
        return {candidate.name: candidate.recipe(self.recipe) for candidate in self.candidates}

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that all candidates share, repeat by repeat; a held-out set is one split.

        Raises:
            SeedbedError: the classes, groups or times don't allow these splits.
        """
        return splits_of(self.table, self.design, self.random_state)


def splits_of(table: Table, design: Protocol, random_state: int) -> tuple[Split, ...]:
    """Return the splits of a design, see `Experiment.splits`."""
    if table.times is not None:
        split = time_holdout(table.times, test_size=design.locked_share, groups=table.groups)
        check_training(table.target, split)
        return (split,)
    if design.kind == "held_out":
        split = holdout(table.target, test_size=design.locked_share, random_state=random_state, groups=table.groups)
        return (Split(0, 0, np.sort(split.train), np.sort(split.test)),)
    return repeated_folds(
        table.target, repeats=design.repeats, folds=design.folds, random_state=random_state, groups=table.groups
    )


def specify(
    table: Table,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None = None,
    *,
    recipe: Recipe,
    design: Design = DESIGN,
    lrs: Sequence[float] = (),
    rows: int | None = None,
    command: str = "",
) -> Experiment:
    """Return the experiment that compares candidates, given as a user gives them.

    Args:
        candidates: if left out, `TUTORIAL`, and `auto` unless the design or the table speaks against it.
        recipe: the recipe that the candidates share.
        design: the table decides what it leaves out, see `evaluation.protocol`.
        lrs: learning rates into which each candidate without its own one is expanded.
        rows: rows of the sample with `--quick`; if left out, at most 100,000.
        command: the command or call that repeats the run.

    Raises:
        SeedbedError: a candidate, a baseline or an option can't be used.
    """
    random_state = int(design.random_state)
    table, whole = _sampled(table, rows, random_state) if design.quick else (table, None)
    networks, n_blends = without_auto(TUTORIAL if candidates is None else candidates)
    alone = n_blends > 0 and not networks
    expanded, sweeps = ((), ()) if alone else _expanded(candidates_from(networks), lrs)
    given = BASELINES if design.baselines is None else design.baselines
    baselines = (given,) if isinstance(given, str | Mapping) else tuple(given)
    if alone and not baselines:
        raise CandidateError("auto is compared with nothing", "Name another candidate, such as relu:5, or a baseline.")
    metric = _metric(design.metric, table.task)
    swept = {sweep.name: sweep.members[0] for sweep in sweeps}
    settings = [candidate.recipe(recipe) for candidate in expanded]
    if any(setting.patience is not None for setting in settings) and all(one.epoch == "last" for one in settings):
        hint = "Leave it out, or have one chosen with epoch: inner."
        raise OptionError("patience requires an epoch chosen by inner splits", hint)
    reference, protocol, common = design.reference, _protocol(table, design), _recipe_for(table, recipe, lrs)
    blends, no_auto = list[Any]([AUTO] * n_blends), ""
    if candidates is None and design.auto and AUTO not in baselines:
        recipes = ((candidate, candidate.recipe(common)) for candidate in expanded)
        repeats, no_auto = _repeats_of_auto(table, design, protocol, recipes)
        blends = [dataclasses.replace(auto(random_state), repeats=repeats)] if repeats else []
    return Experiment(
        table=table,
        candidates=expanded,
        fitted=baselines_from((*baselines, *blends), random_state=random_state, task=table.task),
        reference=(AUTO if alone else expanded[0].name) if reference is None else swept.get(reference, reference),
        recipe=common,
        design=protocol,
        metric=metric,
        margin=default_margin(metric, table.target) if design.margin is None else float(design.margin),
        margin_given=design.margin is not None,
        alpha=float(design.alpha),
        networks=design.networks,
        sweeps=sweeps,
        random_state=random_state,
        command=command,
        whole=whole,
        no_auto=no_auto,
    )


def _repeats_of_auto(
    table: Table, asked: Design, design: Protocol, recipes: Iterable[tuple[Candidate, Recipe]]
) -> tuple[int, str]:
    """Return on how many repeats `auto` is compared if no candidates are named, and why on none.

    On as many as cost no more than the other networks, at least two, and at most half; on none if two cost over 1.5
    times as much and take over a minute. It follows from numbers of operations, so it doesn't depend on the machine.

    Args:
        recipes: the other networks, and how they are trained.
    """
    reasons = {"first look": asked.quick, "time limit": design.time_limit}
    for words, holds in reasons.items():
        if holds:
            return 0, _WITHOUT_AUTO[words]
    n_train, n_inputs = table.n_rows * (design.folds - 1) / design.folds, encode(table).layout.n_inputs
    n_inner, others = design.seeds * (design.folds if design.kind == "held_out" else 1), 0.0
    with torch.device("meta"):  # nothing is drawn
        for candidate, recipe in recipes:
            network, in_batches = candidate.architecture(n_inputs, table.n_outputs), recipe.batch_size is not None
            cost = functools.partial(network_operations, network, in_batches=in_batches)
            others += design.seeds * cost(n_train, recipe.epochs)
            if recipe.chooses:
                others += n_inner * len(recipe.lrs) * cost(_INNER * n_train, _USUAL_SHARE * recipe.epochs)
    repeats, a_repeat = design.repeats, sum(member_costs(table, round(n_train), seconds=False).values())
    fewest, times = min(2, repeats), design.repeats * others / a_repeat
    n_fits = fewest * (1 if design.kind == "held_out" or table.times is not None else design.folds)
    if fewest > _MOST_TIMES * times and n_fits * a_repeat > _MOST_OPERATIONS:
        longer = f"{fewest / times:.0f} times" if fewest < 1000 * times else "a thousand times"
        return 0, f"it would take {longer} as long as the other networks"
    return max(fewest, min(repeats // 2, int(round(times, 6)))), ""


def _recipe_for(table: Table, recipe: Recipe, lrs: Sequence[float]) -> Recipe:
    """Return the recipe that the candidates share on a table, with the loss of its task, which also decides how
    outputs become predictions."""
    loss = LOSSES[table.task]
    if recipe.loss not in ("auto", loss):
        raise OptionError(f"loss {recipe.loss} doesn't suit this target", f"Leave it out: it takes {loss}.")
    recipe = dataclasses.replace(recipe, loss=loss, lr=lrs[0] if lrs else recipe.lr)
    return recipe.in_batches() if encode(table).is_large else recipe


def _metric(metric: str | None, task: Task) -> str:
    """Return the metric that is tested."""
    metrics = [one.name for one in METRICS.values() if one.row_loss and task in one.tasks]
    metric = default_metric(task) if metric is None else metric
    if metric not in metrics:
        raise OptionError(f"'{metric}' can't be tested on this target", did_you_mean(metric, metrics))
    return metric


def _sampled(table: Table, rows: int | None, random_state: int) -> tuple[Table, Table | None]:
    """Return a sample of `rows` rows and its table; the table itself and None if it is small enough."""
    rows = _QUICK_ROWS if rows is None else rows
    if rows >= table.n_rows:
        return table, None
    return table.of_rows(sampled_rows(table, rows, random_state)), table


def sampled_rows(table: Table, n_rows: int, random_state: int) -> Ints:
    """Return the rows of a table that a sample of `n_rows` rows has."""
    return sample_rows(table.target, n_rows, random_state=derive(random_state, "sample"), groups=table.groups)


def _expanded(
    candidates: tuple[Candidate, ...], lrs: Sequence[float]
) -> tuple[tuple[Candidate, ...], tuple[Sweep, ...]]:
    """Return each candidate without its own learning rate once for each of `lrs`, and the sweeps."""
    if len(set(lrs)) < len(lrs):
        raise OptionError(f"a learning rate appears twice in {', '.join(f'{lr:g}' for lr in lrs)}", "Leave one out.")
    expanded: list[Candidate] = []
    sweeps = []
    for candidate in candidates:
        if not lrs or "lr" in dict(candidate.overrides):
            expanded.append(candidate)
            continue
        joint = "," if "@" in candidate.name else "@"
        members = [
            dataclasses.replace(
                candidate, name=f"{candidate.name}{joint}lr={lr:g}", overrides=(*candidate.overrides, ("lr", lr))
            )
            for lr in lrs
        ]
        sweeps.append(Sweep(candidate.name, tuple(member.name for member in members), tuple(lrs)))
        expanded += members
    if lrs and not sweeps:
        raise OptionError("every candidate has a learning rate of its own", "Leave 'lr' out.")
    return candidates_from(expanded), tuple(sweeps)


def _protocol(table: Table, asked: Design) -> Protocol:
    """Return the protocol for a table of this size, with the given settings in place of its own."""
    quick, by_time = asked.quick, table.times is not None
    named = table.groups if table.grouped_by else None  # equal rows that are kept together don't count as groups
    design = protocol(
        table.n_rows,
        None if table.task == "regression" else table.n_rows - int(np.bincount(table.target).max()),
        quick=quick,
        n_groups=None if named is None else len(np.unique(named)),
        by_time=by_time,
    )
    if table.times is not None and table.groups is not None:
        split = time_holdout(table.times, test_size=design.locked_share, groups=table.groups)
        n = table.n_rows - len(split.train) - len(split.test)
        words = f"{design.reason}; {counted(n, 'earlier row')} of its groups can't be trained on"
        design = dataclasses.replace(design, reason=words) if n else design
    counts = {"repeats": asked.repeats, "folds": asked.folds, "seeds": asked.seeds}
    given = {name: int(value) for name, value in counts.items() if value is not None}
    limit = (_QUICK_SECONDS if quick else None) if asked.time_limit is None else float(asked.time_limit)
    design = dataclasses.replace(design, time_limit=limit)
    if by_time and given.get("repeats", 1) > 1:
        raise OptionError(
            f"repeats is {given['repeats']}, but rows can be split by time in one way only", "Leave repeats out."
        )
    if design.kind == "held_out" and not by_time and {"repeats", "folds"} & given.keys():
        design = dataclasses.replace(design, kind="cross_validation", locked_share=0.0)
    design = dataclasses.replace(design, stops=design.stops and "repeats" not in given)
    if given:
        design = dataclasses.replace(design, **given, quick=design.quick and "repeats" not in given)  # type: ignore[arg-type]
    if not given or not design.has_verdict:
        return design
    folds_and_seeds = f"{counted(design.folds, 'fold')} x {counted(design.seeds, 'seed')}"
    words = f"{table.n_rows} rows: {'up to ' if design.stops else ''}{design.repeats} x {folds_and_seeds}"
    if by_time:
        words = f"{design.reason}; chosen by up to {folds_and_seeds}"
    elif design.kind == "held_out":
        words = f"{table.n_rows} rows: a fifth is locked away and looked at once, the rest chooses in {folds_and_seeds}"
    df = design.folds - 1 if design.kind == "cross_validation" else None
    return dataclasses.replace(design, df=df, reason=f"{words}, as asked for")


def specification(spec: Experiment, n_inputs: int, splits: Sequence[Split]) -> dict[str, Any]:
    """Return everything that decides the result, as JSON gives it back; table and splits by their SHA-256.

    Args:
        n_inputs: number of inputs of a network.
    """
    recipes, whole = spec.recipes(), spec.whole
    sample = None if whole is None else {"of": whole.n_rows, "sha256": hashed(whole.features, whole.target)}
    decided = {
        "schema_version": SCHEMA_VERSION,
        "table": {**table_specification(spec.table, n_inputs), "sample": sample},
        "candidates": [
            {
                "name": candidate.name,
                "architecture": spelled(candidate.architecture),
                **dataclasses.asdict(recipes[candidate.name]),
                "choosing_ends": recipes[candidate.name].ending,
                **({"without": candidate.without} if candidate.without else {}),
            }
            for candidate in spec.candidates
        ],
        "baselines": [
            {"name": model.name, "description": model.description, "repeats": model.repeats}
            | ({"without": model.without} if model.without else {})
            for model in spec.fitted
        ],
        "sweeps": [dataclasses.asdict(sweep) for sweep in spec.sweeps],
        "reference": spec.reference,
        "design": dataclasses.asdict(spec.design),
        "splits_sha256": hashed(*(rows for split in splits for rows in (split.train, split.test))),
        "metric": spec.metric,
        "margin": spec.margin,
        "margin_rule": "given" if spec.margin_given else "at most a tenth of the reference's error",
        "alpha": spec.alpha,
        "averaged_networks": spec.networks,
        "random_state": spec.random_state,
        "versions": versions(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(decided))
    return plain


def table_specification(table: Table, n_inputs: int) -> dict[str, Any]:
    """Return what identifies a table, with its cells as a SHA-256.

    Args:
        n_inputs: number of inputs of a network.
    """
    return {
        "name": table.name,
        "target": table.target_name,
        "task": table.task,
        "features": list(table.feature_names),
        "n_inputs": n_inputs,
        "labels": list(table.labels),
        "n_rows": table.n_rows,
        "sha256": hashed(table.features, table.target),
        "groups_sha256": None if table.groups is None else hashed(table.groups),
        "times_sha256": None if table.times is None else hashed(table.times),
        "warnings": [note.code for note in table.notes if note.code],
    }


def hashed(*arrays: np.ndarray[Any, Any]) -> str:
    """Return the SHA-256 of the bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

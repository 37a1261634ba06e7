"""The specification of a comparison, frozen before the first network is trained."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seedbed.arguments import spelled
from seedbed.data.layout import layout_of
from seedbed.data.splits import Split, check_training, holdout, repeated_folds, sample_rows, time_holdout
from seedbed.data.table import Table, Task
from seedbed.errors import CandidateError, OptionError, counted, did_you_mean
from seedbed.evaluation.column_gains import Columns
from seedbed.evaluation.metrics import METRICS, default_margin, default_metric
from seedbed.evaluation.protocol import Protocol, protocol
from seedbed.experiment.fits import Estimator, Group, Unit
from seedbed.experiment.user_estimators import estimators_from
from seedbed.model.member import is_network
from seedbed.model.portfolio import AUTO, LINES, anchors, candidates_for, default_models, linear_name, n_networks_for
from seedbed.networks.candidate import Candidate, unique_names
from seedbed.networks.mlp import MLP, Prior, Trees
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import find_final_activation, n_parameters_of
from seedbed.training.cluster import versions
from seedbed.training.randomness import derive
from seedbed.typing import Ints

TUTORIAL = ("linear:5", "linear:20,20", "relu:5")
"""The three networks of the tutorial: the candidates of a comparison with its recipe that names none."""

DESIGN = Design()

SCHEMA_VERSION = 3
"""Of `experiment.json`."""

_QUICK_ROWS = 5_000

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


@dataclass(frozen=True, eq=False)
class Line:
    """One model that is compared.

    Attributes:
        name: its name in tables.
        candidate: what is fitted; None of a blend, and of an estimator.
        is_blend: whether it blends the members of its group.
        description: what it is, in a few words.
        recipe: of its networks, for the rows of the table; None of other models.
        n_parameters: of one network; 0 of other models.
        confined: the last layer of a user-defined module that seems to return probabilities; else empty.
    """

    name: str
    candidate: Candidate | None
    is_blend: bool
    description: str
    recipe: Recipe | None = None
    n_parameters: int = 0
    confined: Literal["", "sigmoid", "softmax"] = ""


@dataclass(frozen=True)
class Experiment:
    """The frozen specification of a comparison.

    Attributes:
        table: features and target.
        groups: the models that are compared; those of a group are fitted together.
        estimators: scikit-learn models of the user that are compared.
        reference: the name of the model that the others are compared with.
        recipe: the recipe that the candidates share.
        design: the splits, and whether there are verdicts.
        metric: the primary metric, which is tested.
        margin: the difference that matters, in units of the loss of the metric; unless it is given, its largest value,
            see `evaluation.margin_beside`.
        margin_given: whether the user gave the margin.
        alpha: error level of all comparisons together.
        n_networks: how many networks a model averages.
        sweeps: candidates that were expanded into several learning rates.
        random_state: all randomness is derived from it.
        command: the command or call that repeats the run; empty if unknown. It decides nothing.
        whole: the table of which `table` is a sample; None if it isn't one.
        missing: default models that don't suit the table, and why.
        columns: where the candidates are one model without one column or another: which model, yet without effects.

    Raises:
        CandidateError: the reference isn't among the candidates, or two have the same name.
    """

    table: Table
    groups: tuple[Group, ...]
    estimators: tuple[Estimator, ...]
    reference: str
    recipe: Recipe
    design: Protocol
    metric: str
    margin: float
    margin_given: bool = False
    alpha: float = 0.05
    n_networks: int = 8
    sweeps: tuple[Sweep, ...] = ()
    random_state: int = 0
    command: str = ""
    whole: Table | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    columns: Columns | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            if self.names.count(name) > 1:
                raise CandidateError(f"two models are named '{name}'", "Rename one.")
        if self.reference not in self.names:
            hint = did_you_mean(self.reference, self.names)
            raise CandidateError(f"the reference '{self.reference}' isn't among the candidates", hint)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all models."""
        return tuple(name for unit in self.units for name in unit.names)

    @property
    def units(self) -> tuple[Unit, ...]:
        """What is fitted on each split."""
        units: list[Unit] = [*self.groups, *self.estimators]
        return tuple(units)

    @property
    def members(self) -> tuple[Candidate, ...]:
        """All candidates, once if they are in several groups."""
        return tuple({one.name: one for group in self.groups for one in group.members}.values())

    @property
    def n_members(self) -> int:
        """The number of candidates that are networks."""
        return sum(is_network(member) for member in self.members)

    @functools.cached_property
    def lines(self) -> tuple[Line, ...]:
        """The models that are compared, in order."""
        lines = []
        for group in self.groups:
            of_group = {member.name: member for member in group.members}
            lines += [self._line(line, of_group.get(name)) for name, line in group.lines.items()]
        return (*lines, *(Line(one.name, None, False, one.description) for one in self.estimators))

    def _line(self, name: str, candidate: Candidate | None) -> Line:
        if candidate is None:
            return Line(name, None, True, "a blend of the others, weighted by their predictions for rows left out")
        if not is_network(candidate):
            return Line(name, candidate, False, _description(candidate, self.table))
        recipe, n_inputs = self.recipe_of(candidate), layout_of(self.table).n_inputs
        confined: Literal["", "sigmoid", "softmax"] = ""
        if not isinstance(candidate.architecture, MLP):
            build = functools.partial(candidate.architecture, n_inputs, self.table.n_outputs)
            confined = find_final_activation(build, n_inputs, self.table.task)
        n_parameters = n_parameters_of(candidate.architecture, n_inputs, self.table.n_outputs)
        return Line(name, candidate, False, recipe.describe(), recipe, n_parameters, confined)

    @property
    def score_name(self) -> str:
        """The score beside the loss in curves: accuracy or R2."""
        return "R2" if self.table.task == "regression" else "accuracy"

    def recipe_of(self, candidate: Candidate) -> Recipe:
        """Return the recipe of a candidate for the rows of the table."""
        return candidate.recipe(self.recipe).for_rows(self.table.n_rows)

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that all candidates share, repeat by repeat; a held-out set is one split.

        Raises:
            SeedbedError: the classes, groups or times don't allow these splits.
        """
        return splits_of(self.table, self.design, self.random_state)


def _description(candidate: Candidate, table: Table) -> str:
    """Return what a model without training epochs is, in a few words."""
    numbers = table.task == "regression"
    if isinstance(candidate.architecture, Trees):
        return {"boosted": "gradient-boosted trees", "extra": "extremely randomised trees"}[
            candidate.architecture.method
        ]
    if isinstance(candidate.architecture, Prior):
        return f"predicts the {'mean' if numbers else 'class frequencies'} of the training rows"
    return "ridge regression" if numbers else "logistic regression, lightly penalised"


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
    command: str = "",
) -> Experiment:
    """Return the experiment that compares candidates, given as a user gives them.

    Args:
        candidates: if left out, the default models and their blend; with a recipe that leaves out no rows, `TUTORIAL`.
        recipe: the recipe that the candidates share.
        design: the table decides what it leaves out, see `evaluation.protocol`.
        lrs: learning rates into which each candidate without its own one is expanded.
        command: the command or call that repeats the run.

    Raises:
        SeedbedError: a candidate, a baseline or an option can't be used.
    """
    random_state = int(design.random_state)
    table, whole = _sampled(table, random_state) if design.quick else (table, None)
    recipe = _recipe_for(table, recipe)
    is_default = candidates is None and recipe.leaves_out
    named: Any = TUTORIAL if candidates is None else candidates
    others, has_auto = ([], True) if is_default else _without_auto(named)
    if lrs and not others:
        raise OptionError("several learning rates are of named candidates", "Name one, such as network-1.")
    expanded, sweeps = ((), ()) if not others else _expanded(candidates_for(others, table), lrs)
    usual = () if is_default else anchors(table.task)
    given: Any = usual if design.baselines is None else design.baselines
    known, mine = _known_baselines(given, table.task)
    lines, missing = default_models(table) if has_auto else ((), dict[str, str]())
    names = {member.name for member in expanded}
    more = {name: word for name, word in {**dict(zip(lines, lines, strict=True)), **known}.items() if name not in names}
    members = unique_names([*expanded, *(candidates_for(more, table) if more else ())])
    estimators = estimators_from(mine, random_state=random_state, task=table.task)
    n_networks = n_networks_for(table.n_rows) if design.n_networks is None else int(design.n_networks)
    groups = _groups(members, set(lines), has_auto=has_auto)
    if has_auto and (n_networks == 1 or not recipe.leaves_out):
        raise OptionError("auto needs rows that networks leave out", "Leave it out, or give n_networks=2 or more.")
    swept = {sweep.name: sweep.members[0] for sweep in sweeps}
    first = linear_name(table.task) if is_default or not expanded else expanded[0].name
    metric = _metric(design.metric, table.task)
    return Experiment(
        table=table,
        groups=groups,
        estimators=estimators,
        reference=first if design.reference is None else swept.get(design.reference, design.reference),
        recipe=recipe,
        design=_protocol(table, design),
        metric=metric,
        margin=default_margin(metric, table.target) if design.margin is None else float(design.margin),
        margin_given=design.margin is not None,
        alpha=float(design.alpha),
        n_networks=n_networks,
        sweeps=sweeps,
        random_state=random_state,
        command=command,
        whole=whole,
        missing=missing,
    )


def _groups(members: Sequence[Candidate], blended: set[str], *, has_auto: bool) -> tuple[Group, ...]:
    """Return the groups of models: those that are blended, with their blend, and the others."""
    if not has_auto:
        return (Group(tuple(members), {member.name: member.name for member in members}),)
    inside = [member for member in members if member.name in blended]
    outside = [member for member in members if member.name not in blended]
    lines = {member.name: member.name for member in inside}
    group = Group(tuple(inside), {**lines, AUTO: AUTO})
    if not outside:
        return (group,)
    return Group(tuple(outside), {member.name: member.name for member in outside}), group


def _without_auto(candidates: Sequence[Any] | Mapping[str, Any] | str) -> tuple[Any, bool]:
    """Return the other candidates, and whether `auto` is among the given ones.

    Raises:
        CandidateError: it is there twice.
    """

    def is_auto(candidate: Any) -> bool:
        return isinstance(candidate, str) and candidate.strip() == AUTO

    if isinstance(candidates, Mapping):
        for name, one in candidates.items():
            if name in (*LINES, "linear", AUTO) and one != name:
                raise CandidateError(f"a candidate can't be named '{name}'", "This name belongs to a default model.")
        others: Any = {name: one for name, one in candidates.items() if not is_auto(one)}
        return others, len(others) < len(candidates)
    given = [candidates] if isinstance(candidates, str) else list(candidates)
    if not given:
        raise CandidateError("no candidate is given", "Name at least one, for instance relu:5.")
    others = [one for one in given if not is_auto(one)]
    if len(given) - len(others) > 1:
        raise CandidateError("two candidates are named 'auto'", "Leave one out.")
    return others, len(others) < len(given)


def _known_baselines(specs: Any, task: Task) -> tuple[dict[str, str], list[Any]]:
    """Return the default models among baselines, by the names that they are given, and the others."""
    known, others = dict[str, str](), list[Any]()
    for spec in [specs] if isinstance(specs, str | Mapping) else specs:
        named = spec.items() if isinstance(spec, Mapping) else [(None, spec)]
        for name, one in named:
            word = one.strip() if isinstance(one, str) else ""
            if word == "standard":
                known |= {anchor: anchor for anchor in anchors(task)}
            elif word in (*anchors(task), "extra-trees"):
                known[name or word] = word
            elif word in ("logistic-regression", "linear-regression", "logistic", "linear"):
                raise OptionError(f"no baseline '{word}'", f"Name {linear_name(task)}.")
            else:
                others.append(one if name is None else {name: one})
    return known, others


def _recipe_for(table: Table, recipe: Recipe) -> Recipe:
    """Return the recipe that the candidates share on a table, with the loss of its task, which also decides how
    outputs become predictions."""
    loss = LOSSES[table.task]
    if recipe.loss not in ("auto", loss):
        raise OptionError(f"loss {recipe.loss} doesn't suit this target", f"Leave it out: it takes {loss}.")
    return dataclasses.replace(recipe, loss=loss)


def _metric(metric: str | None, task: Task) -> str:
    """Return the metric that is tested."""
    metrics = [one.name for one in METRICS.values() if one.row_loss and task in one.tasks]
    metric = default_metric(task) if metric is None else metric
    if metric not in metrics:
        raise OptionError(f"'{metric}' can't be tested on this target", did_you_mean(metric, metrics))
    return metric


def _sampled(table: Table, random_state: int) -> tuple[Table, Table | None]:
    """Return a sample of a first look and its table; the table itself and None if it is small enough."""
    if table.n_rows <= _QUICK_ROWS:
        return table, None
    return table.of_rows(sampled_rows(table, _QUICK_ROWS, random_state)), table


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
    return unique_names(expanded), tuple(sweeps)


def _protocol(table: Table, asked: Design) -> Protocol:
    """Return the protocol for a table of this size, with the given settings in place of its own."""
    by_time = table.times is not None
    named = table.groups if table.grouped_by else None  # equal rows that are kept together don't count as groups
    design = protocol(
        table.n_rows,
        None if table.task == "regression" else table.n_rows - int(np.bincount(table.target).max()),
        quick=asked.quick,
        n_groups=None if named is None else len(np.unique(named)),
        by_time=by_time,
    )
    if table.times is not None and table.groups is not None:
        split = time_holdout(table.times, test_size=design.locked_share, groups=table.groups)
        n = table.n_rows - len(split.train) - len(split.test)
        words = f"{design.reason}; {counted(n, 'earlier row')} of its groups can't be trained on"
        design = dataclasses.replace(design, reason=words) if n else design
    counts = {"repeats": asked.repeats, "folds": asked.folds}
    given = {name: int(value) for name, value in counts.items() if value is not None}
    limit = None if asked.time_limit is None else float(asked.time_limit)
    design = dataclasses.replace(design, time_limit=limit)
    if by_time:
        name = next((name for name, value in given.items() if value > 1), None)
        if name is not None:
            message = f"{name} is {given[name]}, but rows can be split by time in one way only"
            raise OptionError(message, f"Leave {name} out.")
        return design
    if not given:
        return design
    if design.kind == "held_out":
        design = dataclasses.replace(design, kind="cross_validation", locked_share=0.0, folds=10)
    stops, quick = design.stops and "repeats" not in given, design.quick and "repeats" not in given
    design = dataclasses.replace(design, **given, stops=stops, quick=quick)  # type: ignore[arg-type]
    if not design.has_verdict:
        return design
    words = f"{table.n_rows} rows: {'up to ' if design.stops else ''}{design.repeats} x {counted(design.folds, 'fold')}"
    return dataclasses.replace(design, df=design.folds - 1, reason=f"{words}, as requested")


def specification(spec: Experiment, n_inputs: int, splits: Sequence[Split]) -> dict[str, Any]:
    """Return everything that decides the result, as JSON gives it back; table and splits by their SHA-256.

    Args:
        n_inputs: number of inputs of a network.
    """
    whole = spec.whole
    sample = None if whole is None else {"of": whole.n_rows, "sha256": hashed(whole.features, whole.target)}
    decided = {
        "schema_version": SCHEMA_VERSION,
        "table": {**table_specification(spec.table, n_inputs), "sample": sample},
        "candidates": [
            {
                "name": member.name,
                "architecture": spelled(member.architecture),
                "overrides": [list(pair) for pair in member.overrides],
                **(dataclasses.asdict(spec.recipe_of(member)) if is_network(member) else {}),
            }
            for member in spec.members
        ],
        "groups": [
            {
                "members": [member.name for member in group.members],
                "lines": dict(group.lines),
                "without": list(group.without),
            }
            for group in spec.groups
        ],
        "estimators": [
            {"name": model.name, "description": model.description, "without": list(model.without)}
            for model in spec.estimators
        ],
        "recipe": dataclasses.asdict(spec.recipe),
        "sweeps": [dataclasses.asdict(sweep) for sweep in spec.sweeps],
        "reference": spec.reference,
        "design": dataclasses.asdict(spec.design),
        "splits_sha256": hashed(*(rows for split in splits for rows in (split.train, split.test))),
        "metric": spec.metric,
        "margin": spec.margin,
        "margin_rule": "given" if spec.margin_given else "at most a tenth of the reference's error",
        "alpha": spec.alpha,
        "n_networks": spec.n_networks,
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
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

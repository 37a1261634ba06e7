"""The specification of a comparison, frozen before the first network is trained."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seedbed.data.layout import Layout, layout_of
from seedbed.data.splits import (
    Split,
    check_training,
    holdout,
    repeated_folds,
    sample_rows,
    time_holdout,
)
from seedbed.data.table import Table
from seedbed.errors import CandidateError, OptionError, counted, did_you_mean, spell
from seedbed.evaluation.analyses import Columns
from seedbed.evaluation.metrics import METRICS, default_margin
from seedbed.evaluation.protocol import Protocol, protocol
from seedbed.evaluation.summaries import Task
from seedbed.experiment.fits import Estimator, Group, Unit
from seedbed.experiment.user_estimators import estimators_from, specs_with_names
from seedbed.model.member import is_network
from seedbed.model.portfolio import (
    AUTO,
    LINES,
    anchors,
    candidates_for,
    default_models,
    n_networks_for,
)
from seedbed.networks.candidate import Candidate, candidate_from, unique_names
from seedbed.networks.draws import derive
from seedbed.networks.mlp import MLP, Prior, Regression, Trees, architecture_to_values
from seedbed.networks.network import Network
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import n_parameters_of, source_of, with_inputs_of
from seedbed.training.torch import require_torch
from seedbed.typing import Ints

TUTORIAL = ("linear:5", "linear:20,20", "relu:5")
"""The three networks of the tutorial: the candidates of a comparison with its recipe that names
none."""

DESIGN = Design()

_QUICK_ROWS = 5_000
_TREES = {"boosted": "gradient-boosted trees", "extra": "extremely randomised trees"}


@dataclass(frozen=True, eq=False)
class Line:
    """One model that is compared.

    Attributes:
        candidate: what is fitted; None of a blend of the members of its group, and of an estimator.
        recipe, n_parameters: of one network, for the rows of the table; None and 0 of other models.
        confined: the last layer of a user-defined module that seems to return probabilities; else
            empty.
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
        groups: the models that are compared; those of a group are fitted together.
        reference: the name of the model that the others are compared with.
        recipe: of all candidates, whose words may override it.
        margin: the difference that matters, in units of the loss of the metric; unless it is given,
            its largest value, see `evaluation.margin_beside`.
        alpha: error level of all comparisons together.
        random_state: all randomness is derived from it.
        command: the command or call that repeats the run; empty if unknown. It decides nothing.
        whole: the table of which `table` is a sample; None if it isn't one.
        missing: default models that don't suit the table, and why.
        columns: where the candidates are one model without one column or another: which model, yet
            without effects.
        request: the arguments of `specify` that make it again, as JSON has them; empty if it wasn't
            made so.
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
    random_state: int = 0
    command: str = ""
    whole: Table | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    columns: Columns | None = None
    request: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.names:
            if self.names.count(name) > 1:
                raise CandidateError(f"two models are named '{name}'", "Rename one.")
        if self.reference not in self.names:
            hint = did_you_mean(self.reference, self.names)
            raise CandidateError(
                f"the reference '{self.reference}' isn't among the candidates", hint
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for unit in self.units for name in unit.names)

    @property
    def units(self) -> tuple[Unit, ...]:
        """What is fitted on each split."""
        return (*self.groups, *self.estimators)

    @property
    def members(self) -> tuple[Candidate, ...]:
        """All candidates, once if they are in several groups."""
        return tuple(
            {
                member.name: member for group in self.groups for member in group.members
            }.values()
        )

    @functools.cached_property
    def lines(self) -> tuple[Line, ...]:
        """The models that are compared, in order."""
        lines = []
        for group in self.groups:
            of_group = {member.name: member for member in group.members}
            lines += [
                self._line(line, of_group.get(name))
                for name, line in group.lines.items()
            ]
        return (
            *lines,
            *(
                Line(model.name, None, False, model.description)
                for model in self.estimators
            ),
        )

    @functools.cached_property
    def fitted_table(self) -> Table:
        """The rows that models are fitted to, see `Table.expanded`."""
        return self.table.expanded()

    @functools.cached_property
    def layout(self) -> Layout:
        """The inputs of these rows."""
        return layout_of(self.fitted_table)

    def _line(self, name: str, candidate: Candidate | None) -> Line:
        if candidate is None:
            words = (
                "a blend of the others, weighted by their predictions for rows left out"
            )
            return Line(name, None, True, words)
        architecture = candidate.architecture
        outcome = self.table.outcome
        if isinstance(architecture, Trees):
            return Line(name, candidate, False, _TREES[architecture.method])
        if isinstance(architecture, Prior):
            return Line(name, candidate, False, outcome.prior_words)
        if not is_network(candidate):
            return Line(name, candidate, False, outcome.linear_words)
        recipe = self.recipe_of(candidate)
        n_inputs = self.layout.n_inputs
        architecture = with_inputs_of(candidate, self.layout).architecture
        confined: Literal["", "sigmoid", "softmax"] = ""
        source = source_of(architecture, n_inputs, self.table.n_outputs)
        if not isinstance(source, Network) and not outcome.is_number:
            require_torch("a network of your own")
            from seedbed.training.torch.own_modules import find_final_activation

            confined = find_final_activation(source, n_inputs)
        n_parameters = n_parameters_of(architecture, n_inputs, self.table.n_outputs)
        return Line(
            name, candidate, False, recipe.describe(), recipe, n_parameters, confined
        )

    def recipe_of(self, candidate: Candidate) -> Recipe:
        """Return the recipe of a candidate for the rows that it is fitted to."""
        return candidate.recipe(self.recipe).for_rows(self.fitted_table.n_rows)

    @property
    def usual_recipe(self) -> str:
        """The recipe that most networks are trained by, in a few words; empty without networks."""
        recipes = [
            self.recipe_of(member).describe()
            for member in self.members
            if is_network(member)
        ]
        return max(recipes, key=recipes.count, default="")

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that all candidates share."""
        return splits_of(self.table, self.design, self.random_state)


def splits_of(
    table: Table, design: Protocol, random_state: int = 0
) -> tuple[Split, ...]:
    """Return the splits of a table, repeat by repeat; a held-out set is one split. SeedbedError if
    the classes, groups or times don't allow them."""
    locked = design.locked_share
    if table.times is not None:
        split = time_holdout(table.times, test_size=locked, groups=table.groups)
        check_training(table.target, split)
        return (split,)
    if table.folds is not None:
        return tuple(_given_folds(table, table.folds))
    common: Any = {"random_state": random_state, "groups": table.groups}
    if design.kind == "held_out":
        split = holdout(table.target, test_size=locked, **common)
        return (Split(0, 0, np.sort(split.train), np.sort(split.test)),)
    strata = table.outcome.strata(table, design.folds)
    return repeated_folds(strata, repeats=design.repeats, folds=design.folds, **common)


def _given_folds(table: Table, folds: Ints) -> Iterator[Split]:
    """Yield a split for each fold of a table's own column. SeedbedError if a fold has all rows of
    all classes but one."""
    for number, fold in enumerate(np.unique(folds)):
        is_tested = folds == fold
        split = Split(0, number, np.flatnonzero(~is_tested), np.flatnonzero(is_tested))
        check_training(table.target, split)
        yield split


def specify(
    table: Table,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None = None,
    *,
    recipe: Recipe,
    design: Design = DESIGN,
    command: str = "",
) -> Experiment:
    """Return the experiment that compares candidates, given as a user gives them.

    Args:
        candidates: if left out, the default models and their blend; with a recipe that leaves out
            no rows, `TUTORIAL`.
        design: the table decides what it leaves out, see `evaluation.protocol`.
    """
    if not isinstance(candidates, str | Mapping | None):
        candidates = list(candidates)
    whole = table
    random_state = int(design.random_state)
    if design.quick and table.n_rows > _QUICK_ROWS:
        table = table.of_rows(sampled_rows(table, _QUICK_ROWS, random_state))
    models = _models_for(table, candidates, recipe, design)
    judging = design_of(table, design)
    metric = metric_of(table, design.metric, judging)
    margin = design.margin
    baselines = design.baselines
    if baselines is not None:
        baselines = [_known_baselines(baselines, table.task)[0]]
    return Experiment(
        **models,
        table=table,
        recipe=_with_loss_of(table, recipe),
        design=judging,
        metric=metric,
        margin=default_margin(metric, table.truth) if margin is None else float(margin),
        margin_given=margin is not None,
        alpha=float(design.alpha),
        n_networks=int(design.n_networks or n_networks_for(table.n_rows)),
        random_state=random_state,
        command=command,
        whole=None if whole is table else whole,
        request={
            "candidates": _plain(candidates),
            "recipe": dataclasses.asdict(recipe),
            "design": vars(design) | {"baselines": baselines},
        },
    )


def _models_for(
    table: Table, candidates: Any, recipe: Recipe, design: Design
) -> dict[str, Any]:
    """Return the fields of an `Experiment` on its models, which candidates and baselines name.
    SeedbedError if there is none of that name, or the table or the recipe doesn't suit them."""
    is_default = candidates is None and recipe.leaves_out
    named = TUTORIAL if candidates is None else candidates
    others, has_auto = ([], True) if is_default else _without_auto(named)
    named_candidates = candidates_for(others, table) if others else ()
    baselines = design.baselines
    if baselines is None:
        baselines = () if is_default else anchors(table.task)
    known_baselines, own_baselines = _known_baselines(baselines, table.task)
    if own_baselines:
        table.outcome.refuse("a scikit-learn model")
    lines, missing = default_models(table) if has_auto else ((), {})
    names = {member.name for member in named_candidates}
    words = {line: line for line in lines} | known_baselines
    lacking = {name: word for name, word in words.items() if name not in names}
    default = candidates_for(lacking, table) if lacking else ()
    members = unique_names([*named_candidates, *default])
    blended = () if design.n_networks == 1 else _blended(members, recipe)
    if has_auto and not is_default and not blended:
        hint = f"Leave it out, or give {spell('n_networks', 2)} or more."
        raise OptionError("auto needs rows that networks leave out", hint)
    is_blended = bool(blended) and (design.auto or (has_auto and not is_default))
    first = named_candidates[0].name if named_candidates else table.outcome.linear
    reference = AUTO if is_blended else first
    return {
        "groups": _groups(members, blended if is_blended else ()),
        "estimators": estimators_from(
            own_baselines, random_state=int(design.random_state), task=table.task
        ),
        "missing": missing,
        "reference": reference if design.reference is None else design.reference,
    }


def _with_loss_of(table: Table, recipe: Recipe) -> Recipe:
    """Return a recipe with the loss that the target takes; it also decides how outputs become
    predictions. OptionError if the recipe has another one."""
    loss = table.outcome.loss
    if recipe.loss not in ("auto", loss):
        raise OptionError(
            f"loss {recipe.loss} doesn't suit this target",
            f"Leave it out: it takes {loss}.",
        )
    return dataclasses.replace(recipe, loss=loss)


def testable_metrics(task: Task) -> list[str]:
    """Return the names of the scores of a task that verdicts can be about."""
    return [
        name
        for name, metric in METRICS.items()
        if metric.is_testable and task in metric.tasks
    ]


def metric_of(table: Table, name: str | None, judging: Protocol) -> str:
    """Return the score that verdicts are about, by its name if one is given. OptionError if it
    can't be tested."""
    metric = table.outcome.metric if name is None else name
    testable = testable_metrics(table.task)
    if metric not in testable:
        raise OptionError(
            f"'{metric}' can't be tested on this target", did_you_mean(metric, testable)
        )
    if METRICS[metric].row_loss is None and judging.kind == "held_out":
        raise OptionError(
            f"'{metric}' is a score of whole folds, but one set of rows is tested here",
            f"Leave {spell('metric')} out.",
        )
    return metric


def _plain(spec: Any, name: str | None = None) -> Any:
    """Return candidates, or one, as JSON has them: words, or what describes a network."""
    if spec is None or isinstance(spec, str):
        return spec
    if isinstance(spec, Mapping):
        return {key: _plain(item, key) for key, item in spec.items()}
    if isinstance(spec, list):
        return [_plain(item) for item in spec]
    candidate = candidate_from(spec, name)
    return {
        **vars(candidate),
        "architecture": architecture_to_values(candidate.architecture),
    }


def _blended(members: Sequence[Candidate], recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the candidates that `auto` can blend; none if there are fewer than two.

    Their predictions for rows left out weight them, so networks must leave out rows. A module of
    the user's isn't blended."""
    names = []
    for member in members:
        is_known = isinstance(member.architecture, MLP | Trees | Regression)
        if is_known and (not is_network(member) or member.recipe(recipe).leaves_out):
            names.append(member.name)
    return tuple(names) if len(names) > 1 and recipe.leaves_out else ()


def _groups(members: Sequence[Candidate], blended: Sequence[str]) -> tuple[Group, ...]:
    """Return the groups of models: those that are blended, with their blend and the prior, and the
    others."""

    inside = [
        member
        for member in members
        if member.name in blended
        or (blended and isinstance(member.architecture, Prior))
    ]
    outside = [member for member in members if member not in inside]
    groups = []
    for part in (outside, inside):
        lines = {member.name: member.name for member in part}
        lines |= {AUTO: AUTO} if part is inside else {}
        groups += [Group(tuple(part), lines)] if part else []
    return tuple(groups)


def _without_auto(
    candidates: Sequence[Any] | Mapping[str, Any] | str,
) -> tuple[Any, bool]:
    """Return the other candidates, and whether `auto` is among the given ones."""
    if isinstance(candidates, Mapping):
        for name, candidate in candidates.items():
            if name in (*LINES, "linear", AUTO) and candidate != name:
                raise CandidateError(
                    f"a candidate can't be named '{name}'",
                    "This name belongs to a default model.",
                )
        by_name = {
            name: candidate
            for name, candidate in candidates.items()
            if not _is_auto(candidate)
        }
        return by_name, len(by_name) < len(candidates)
    specs = [candidates] if isinstance(candidates, str) else candidates
    if not specs:
        raise CandidateError(
            "no candidate is given", "Name at least one, for instance relu:5."
        )
    others = [candidate for candidate in specs if not _is_auto(candidate)]
    return others, len(others) < len(specs)


def _is_auto(candidate: Any) -> bool:
    return isinstance(candidate, str) and candidate.strip() == AUTO


def _known_baselines(specs: Any, task: Task) -> tuple[dict[str, str], list[Any]]:
    """Return the default models among baselines, by the names that they are given, and the
    others."""
    default_names = dict[str, str]()
    others = list[Any]()
    for name, baseline in specs_with_names(specs):
        word = baseline.strip() if isinstance(baseline, str) else ""
        if word == "standard":
            default_names |= {anchor: anchor for anchor in anchors(task)}
        elif word in (*anchors(task), "extra-trees"):
            default_names[name or word] = word
        else:
            others.append(baseline if name is None else {name: baseline})
    return default_names, others


def sampled_rows(table: Table, n_rows: int, random_state: int) -> Ints:
    """Return the rows of a table that a sample of `n_rows` rows has."""
    return sample_rows(
        table.target,
        n_rows,
        random_state=derive(random_state, "sample"),
        groups=table.groups,
    )


def design_of(table: Table, design: Design) -> Protocol:
    """Return the protocol for a table of this size, with the given settings in place of its own."""
    by_time = table.times is not None
    n_groups = None
    if table.grouped_by and table.groups is not None:
        # Equal rows that are kept together don't count as groups.
        n_groups = len(np.unique(table.groups))
    planned = protocol(
        table.n_rows,
        table.outcome.n_outside(table),
        quick=design.quick,
        n_groups=n_groups,
        by_time=by_time,
        events=table.outcome.is_expanded,
    )
    reason = planned.reason
    if table.times is not None and table.groups is not None:
        (split,) = splits_of(table, planned)
        if n := table.n_rows - len(split.train) - len(split.test):
            rows = counted(n, "earlier row")
            reason += f"; {rows} of tested groups can't be used for training"
    limit = None if design.time_limit is None else float(design.time_limit)
    planned = dataclasses.replace(planned, reason=reason, time_limit=limit)
    counts = {
        name: int(value)
        for name, value in (("repeats", design.repeats), ("folds", design.folds))
        if value is not None
    }
    is_fixed = by_time or table.folds is not None
    for name, count in counts.items():
        if is_fixed and count > 1:
            by = "time" if by_time else f"'{table.folded_by}'"
            raise OptionError(
                f"{name} is {count}, but rows can be split by {by} in one way only",
                f"Leave {name} out.",
            )
    if table.folds is not None:
        return _design_of_folds(table, table.folds, planned)
    if by_time or not counts:
        return planned
    kinds: Any = {}
    if planned.kind == "held_out":
        kinds = {"kind": "cross_validation", "locked_share": 0.0, "folds": 10}
    is_planned = design.repeats is None
    planned = dataclasses.replace(
        planned,
        **kinds | counts,
        stops=planned.stops and is_planned,
        quick=planned.quick and is_planned,
    )
    if not planned.has_verdict:
        return planned
    splits = f"{'up to ' if planned.stops else ''}{planned.repeats} x {counted(planned.folds, 'fold')}"
    reason = f"{table.n_rows} rows: {splits}, as requested"
    return dataclasses.replace(planned, df=planned.folds - 1, reason=reason)


def _design_of_folds(table: Table, folds: Ints, planned: Protocol) -> Protocol:
    """Return the protocol that tests each fold of a table's own column once."""
    n_folds = len(np.unique(folds))
    what = "site" if table.has_sites else "fold"
    reason = (
        f"{table.n_rows} rows: each of {counted(n_folds, what)} is left out in turn"
    )
    if not planned.has_verdict:
        reason = f"{planned.reason}; {reason}"
    return dataclasses.replace(
        planned,
        kind="cross_validation" if planned.has_verdict else "scores_only",
        repeats=1,
        folds=n_folds,
        df=n_folds - 1,
        stops=False,
        locked_share=0.0,
        reason=reason,
    )

"""From a comparison to a model: one candidate, to be fitted to all rows as the comparison chose."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from seedbed.arguments import spelled
from seedbed.data import Table, read_table
from seedbed.errors import CandidateError, DataError, OptionError, SeedbedError, counted, did_you_mean
from seedbed.evaluation import METRICS, CandidateSummary, Conclusion, Protocol
from seedbed.experiment.baseline_fits import STANDARD
from seedbed.experiment.spec import SCHEMA_VERSION, Experiment, Sweep, specify, table_specification
from seedbed.experiment.specification_file import SPECIFICATION, differences, read_specification
from seedbed.model import AUTO, Model, fit_model
from seedbed.networks import Candidate, FileArchitecture, architecture_from_values, candidate_from
from seedbed.report import command_hint, guessing, read_summary
from seedbed.settings import RECIPES, Design, Recipe, recipe_in
from seedbed.tuning import TunedSettings

__all__ = [
    "ModelPlan",
    "compared_candidate",
    "experiment_of_run",
    "model_plan_from",
    "opened_run",
    "plan_model",
    "protocol_of_run",
    "specified_as",
    "table_of_run",
]

_TABLE = "Name the table instead: seedbed train TABLE --target COLUMN --candidate CANDIDATE."


@dataclass(frozen=True)
class ModelPlan:
    """A compared candidate, ready to be fitted to all rows.

    Attributes:
        table: the table of the comparison.
        candidate: what is fitted; "auto" is the blend.
        recipe: its recipe in the comparison.
        settled: learning rate and epochs. None if they are still to be chosen: for the blend, and if a sample of the
            rows was compared.
        score: the score that the comparison measured, and its source.
        networks: how many networks it averages; None for the blend.
        random_state: that of the comparison.
    """

    table: Table
    candidate: Candidate | str
    recipe: Recipe
    settled: TunedSettings | None
    score: Mapping[str, Any]
    networks: int | None
    random_state: int

    def fit(self, **options: Any) -> Model:
        """Return the model; `options` are those of `fit_model`."""
        options["n_networks"] = options.get("n_networks") or self.networks
        return fit_model(
            self.table,
            self.candidate,
            recipe=self.recipe,
            settled=self.settled,
            score=self.score,
            random_state=self.random_state,
            **options,
        )


def plan_model(conclusion: Conclusion, name: str | None, experiment: Experiment) -> ModelPlan:
    """Return how a candidate of a comparison is fitted to all rows.

    Args:
        conclusion: of the comparison.
        name: the candidate; the one that the comparison advises if left out.
        experiment: the specification of the comparison.

    Raises:
        CandidateError: there is no such candidate, or it is a baseline.
        OptionError: no name is given, and the comparison advises none.
    """
    summary, table = _named(conclusion, name), experiment.whole or experiment.table
    if summary.name == AUTO:
        return _taken(conclusion, summary, table, AUTO, RECIPES["trained"])
    candidate = next(one for one in experiment.candidates if one.name == summary.name)
    return _taken(conclusion, summary, table, candidate, candidate.recipe(experiment.recipe))


def model_plan_from(folder: str | Path, name: str | None = None) -> ModelPlan:
    """Return how a candidate of a finished comparison is fitted to all rows, from the folder of the comparison.

    The table is read again from its source, and must be the same.

    Args:
        folder: the folder of the comparison.
        name: the candidate; the one that the comparison advises if left out.

    Raises:
        OptionError: the folder holds no finished comparison, the password of a database isn't stored, or no name is
            given and the network is code in a file, which isn't run without permission.
        CandidateError: there is no such candidate, or the folder doesn't hold its network.
        DataError: the table has changed.
        UnreadableError: a file of the run has changed.
    """
    folder = Path(folder)
    conclusion, stored = opened_run(folder)
    summary = _named(conclusion, name)
    if summary.name == AUTO:
        return _taken(conclusion, summary, table_of_run(folder, conclusion, stored), AUTO, RECIPES["trained"])
    specified = next(one for one in conclusion.specification["candidates"] if one["name"] == summary.name)
    # A setting that it lacks didn't exist then; its default has the same effect.
    recipe = recipe_in(specified)
    code = "" if name else f"If you trust it, name it as candidate: {summary.name}."
    candidate = compared_candidate(specified, stored, recipe, code=code)
    return _taken(conclusion, summary, table_of_run(folder, conclusion, stored), candidate, recipe)


def opened_run(folder: Path) -> tuple[Conclusion, dict[str, Any]]:
    """Return the conclusion of a finished comparison, and its stored specification.

    Raises:
        OptionError: the folder holds no finished comparison, or is of an earlier version.
        UnreadableError: a file of the run has changed.
    """
    conclusion, stored = read_summary(folder), read_specification(folder)
    if not isinstance(conclusion, Conclusion) or conclusion.kind != "comparison":
        message = f"{folder} holds a training on one split, and no comparison"
        raise OptionError(message, "Name the folder that seedbed compare has made, or a table.")
    if conclusion.columns is not None:
        raise OptionError(f"{folder} compares columns and not models", "Name the folder that seedbed compare has made.")
    if stored.get("schema_version") != SCHEMA_VERSION:
        raise OptionError(f"the run in {folder} was written by an older seedbed", command_hint(folder))
    if differing := differences(stored, conclusion.specification):
        message = f"{folder / SPECIFICATION} and comparison.json are of two runs: {differing[0]}"
        raise OptionError(message, "Run compare again with 'overwrite'.")
    return conclusion, stored


def protocol_of_run(conclusion: Conclusion) -> Protocol:
    """Return the design of a finished comparison."""
    design = conclusion.specification["design"]
    return Protocol(**{field.name: design[field.name] for field in fields(Protocol)})


def _taken(
    conclusion: Conclusion, summary: CandidateSummary, table: Table, candidate: Candidate | str, recipe: Recipe
) -> ModelPlan:
    how = "by the comparison's inner splits" if recipe.chooses else "as in the comparison"
    settled = None if summary.settled is None else TunedSettings(summary.settled.lr, summary.settled.epochs, how)
    if conclusion.plan.sample_of and recipe.chooses:
        settled = None  # what is best for a sample may not be best for all rows
    networks = None if candidate == AUTO else summary.networks
    random_state = conclusion.plan.random_state
    return ModelPlan(table, candidate, recipe, settled, _score(conclusion, summary), networks, random_state)


def _named(conclusion: Conclusion, name: str | None) -> CandidateSummary:
    """Return what is known of a candidate."""
    networks = {one.name: one for one in conclusion.candidates if one.kind == "network" or one.name == AUTO}
    if name is None:
        if conclusion.advice is None:
            raise OptionError("this comparison advises no candidate", f"Name one: {', '.join(networks)}.")
        if conclusion.advice.no_gain:
            hint = f"Name one: {', '.join(networks)}."
            why = f"none is shown to be better than {guessing(conclusion)}"
            raise OptionError(f"this comparison advises none of its networks: {why}", hint)
        name = conclusion.advice.network
    if name not in networks:
        if any(candidate.name == name for candidate in conclusion.candidates):
            raise CandidateError(
                f"'{name}' is a baseline", "Fit it with scikit-learn; seedbed makes models of networks."
            )
        raise CandidateError(f"no candidate '{name}' in this comparison", did_you_mean(name, networks))
    return networks[name]


def _score(conclusion: Conclusion, summary: CandidateSummary) -> dict[str, Any]:
    """Return the scores that the comparison measured, and their source."""
    scores = [
        {"name": name, "words": METRICS[name].words, "mean": score.mean, "low": score.low, "high": score.high}
        for name, score in summary.scores.items()
        if score.mean is not None
    ]
    top, chosen = conclusion.top, None
    if top is not None and top.winner == summary.name:
        chosen = {"words": conclusion.metric.words, "among": top.among, "expected": top.expected}
        chosen |= {"low": top.low, "high": top.high}
    return {"of": _whose(conclusion, summary), "alpha": conclusion.alpha, "scores": scores, "chosen": chosen}


def _whose(conclusion: Conclusion, summary: CandidateSummary) -> str:
    """Return in words how the score was measured, and what was scored."""
    plan, seeds, what = conclusion.plan, "", "such blends"
    if summary.kind == "network":
        seeds = f", {counted(plan.seeds, 'seed')}"
        n = min(summary.networks, plan.seeds)
        what = f"the mean of {summary.networks} networks" if n > 1 else "single networks"
        what += f" ({n} for scores other than the Brier score and the squared error)" * (1 < n < summary.networks)
    if plan.kind == "held_out":
        return f"a look at {plan.n_test:,} rows that were locked away{seeds}; {what}"
    folds = f"{summary.repeats or plan.repeats} x {plan.folds}-fold cross-validation"
    if plan.sample_of:
        folds += f" of a sample of {conclusion.n_rows:,} rows"
    return f"{folds}{seeds}, about {plan.n_train:,} rows to train on; {what}"


def compared_candidate(
    saved: Mapping[str, Any], stored: Mapping[str, Any], common: Recipe, *, code: str = "", instead: str = ""
) -> Candidate:
    """Return a candidate of a run from its words; from its stored architecture if it has another name.

    Args:
        saved: the candidate in the specification of the run, with its whole recipe.
        stored: the specification of the run.
        common: the recipe whose settings the candidate need not repeat.
        code: what to do if the network is code in a file; by default, it is used.
        instead: what to do if the folder doesn't hold the network; by default, how to fit it.
    """
    recipe, name = recipe_in(saved), saved["name"]
    own = [(one.name, getattr(recipe, one.name)) for one in fields(Recipe)]
    overrides = tuple((setting, value) for setting, value in own if value != getattr(common, setting))
    candidate = None
    with contextlib.suppress(SeedbedError):
        candidate = candidate_from(name)
    if candidate is None or spelled(candidate.architecture) != saved["architecture"]:
        network = architecture_from_values(stored["networks"][name])
        if isinstance(network, str):
            message = f"the network of '{name}' is one of your own, {network}, and isn't in the run's folder"
            raise CandidateError(message, instead or "In Python, the comparison itself has it: comparison.model(...).")
        candidate = candidate_from(network, name)
    if code and isinstance(candidate.architecture, FileArchitecture):
        raise OptionError(f"a network of this comparison is Python code, {name}", code)
    return dataclasses.replace(candidate, overrides=overrides)


def experiment_of_run(folder: Path, command: str = "") -> Experiment:
    """Return the experiment of a finished comparison, with the table, which is read again.

    Args:
        folder: of the comparison.
        command: the command or call that uses it.

    Raises:
        SeedbedError: the folder holds no finished comparison, its table is gone or has changed, or a model is code that
            isn't in the folder, or isn't run without permission.
    """
    conclusion, stored = opened_run(folder)
    if conclusion.plan.ended == "interrupted":
        raise OptionError(f"the comparison in {folder} was interrupted", command_hint(folder))
    again = f"Name the table: with folder {folder} and the same options, its finished networks are used again."
    table, specified = table_of_run(folder, conclusion, stored, again), conclusion.specification
    recipe = recipe_in(specified["candidates"][0]) if specified["candidates"] else RECIPES["trained"]
    candidates: list[Candidate | str] = [
        compared_candidate(saved, stored, recipe, code=f"If you trust it, n{again[1:]}", instead=again)
        for saved in specified["candidates"]
    ]
    repeats = {saved["name"]: saved["repeats"] for saved in specified["baselines"]}
    if own := sorted(repeats.keys() - {*STANDARD[table.task], AUTO}):
        raise OptionError(f"the baseline {own[0]} of this comparison isn't in the run's folder", again)
    baselines = [name for name in repeats if name != AUTO]
    candidates += [AUTO] if AUTO in repeats else []
    experiment = specified_as(conclusion, table, candidates, recipe=recipe, baselines=baselines, command=command)
    return dataclasses.replace(
        experiment,
        fitted=tuple(dataclasses.replace(model, repeats=repeats[model.name]) for model in experiment.fitted),
        reference=conclusion.reference,
        sweeps=tuple(Sweep(one["name"], tuple(one["members"]), tuple(one["lrs"])) for one in specified["sweeps"]),
    )


def specified_as(
    conclusion: Conclusion,
    table: Table,
    candidates: Sequence[Any],
    *,
    recipe: Recipe,
    baselines: Sequence[Any],
    command: str,
) -> Experiment:
    """Return the experiment of some models with the splits and the design of a finished comparison.

    Args:
        table: of the comparison; if that used a sample, the same one is drawn.
        candidates, recipe, command: as in `specify`.
    """
    plan, specified = conclusion.plan, conclusion.specification
    design = Design(
        quick=bool(plan.sample_of),
        random_state=plan.random_state,
        metric=conclusion.metric.name,
        margin=conclusion.metric.margin if specified["margin_rule"] == "given" else None,
        alpha=conclusion.alpha,
        networks=plan.networks,
        baselines=baselines,
        auto=False,
    )
    rows = specified["table"]["n_rows"] if plan.sample_of else None
    experiment = specify(table, candidates, recipe=recipe, design=design, rows=rows, command=command)
    return dataclasses.replace(experiment, design=protocol_of_run(conclusion))


def table_of_run(folder: Path, conclusion: Conclusion, stored: Mapping[str, Any], instead: str = "") -> Table:
    """Read the table of a run again; a sample was drawn from it if the conclusion says so.

    Args:
        instead: what to do if the source isn't known; by default, how to train a model without the run.
    """
    reading = stored["reading"]
    if reading is None:
        message = "the table of this run was given in Python, and isn't in its folder"
        raise OptionError(message, instead or "There, use comparison.model(...), or save the table as a file.")
    source = reading["source"]
    if "***" in source:
        raise OptionError(f"the password of {source} isn't kept with the run", instead or _TABLE)
    arguments = {key: value for key, value in reading.items() if key != "source"}
    # The default folder of a run is two levels below the folder in which the command was started.
    places = [Path(source), *(parent / source for parent in folder.resolve().parents[:3])]
    path = next((str(place) for place in places if place.is_file()), source)
    table = read_table(path, **arguments)
    then = conclusion.specification["table"]
    now = table_specification(table, then["n_inputs"])
    if then.get("sample"):  # what was compared is a sample of it
        then = {**then, **then["sample"]}
    if (now["sha256"], now["features"], now["labels"]) != (then["sha256"], then["features"], then["labels"]):
        raise DataError(f"{path} isn't the table that was compared: its cells have changed", "Run compare again.")
    return table

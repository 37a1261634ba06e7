"""From a comparison to a model: one candidate, to be fitted to all rows as the comparison chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.errors import CandidateError, DataError, OptionError, did_you_mean, spell
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import CandidateSummary, Conclusion
from seedbed.experiment.spec import Experiment, specify
from seedbed.experiment.specification_file import (
    SPECIFICATION,
    SPECIFICATION_VERSION,
    differences,
    read_specification,
    table_specification,
)
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, LINES
from seedbed.networks.candidate import Candidate, candidate_from
from seedbed.networks.mlp import architecture_from_values
from seedbed.networks.user import FileArchitecture
from seedbed.report.glance import best_score
from seedbed.report.sentences import serious_sentences
from seedbed.report.stored import command_hint, read_summary
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe, recipe_in

_TABLE = "Name the table instead: seedbed train TABLE --target COLUMN --candidate CANDIDATE."


@dataclass(frozen=True)
class ModelPlan:
    """A model of a comparison, ready to be fitted to all rows.

    Attributes:
        conclusion: of the comparison.
        summary: what the comparison found of the model.
        table: the table of the comparison.
        candidate: what is fitted; "auto" is the blend.
        recipe: the recipe of the comparison.
    """

    conclusion: Conclusion
    summary: CandidateSummary
    table: Table
    candidate: Candidate | str
    recipe: Recipe

    @property
    def name(self) -> str:
        return self.candidate if isinstance(self.candidate, str) else self.candidate.name

    def fit(self, **options: Any) -> Model:
        """Return the model; `options` are those of `fit_model`, and the number of networks is that of the comparison
        unless they name another."""
        plan = self.conclusion.plan
        model = fit_model(
            self.table,
            self.candidate,
            recipe=self.recipe,
            score=_score(self.conclusion, self.summary),
            random_state=plan.random_state,
            **{**options, "n_networks": options.get("n_networks") or plan.networks},
        )
        # Those of the screen, which knows the scores.
        warnings = serious_sentences(self.conclusion.notes, best_score(self.conclusion))
        return dataclasses.replace(model, warnings=tuple(warnings))


def plan_model(conclusion: Conclusion, name: str | None, experiment: Experiment) -> ModelPlan:
    """Return how a model of a comparison is fitted to all rows.

    Args:
        name: the model; the one that the comparison recommends if left out.

    Raises:
        CandidateError: there is no such model, or it is a scikit-learn estimator.
        OptionError: no name is given, and the comparison recommends none.
    """
    summary = _find_summary(conclusion, name, [model.name for model in experiment.estimators])
    line = next(line for line in experiment.lines if line.name == summary.name)
    candidate: Candidate | str = AUTO if line.candidate is None else line.candidate
    return ModelPlan(conclusion, summary, experiment.whole or experiment.table, candidate, experiment.recipe)


def model_plan_from(folder: str | Path, name: str | None = None) -> ModelPlan:
    """Return how a model of a finished comparison is fitted to all rows, from the folder of the comparison.

    The table is read again from its source, and must be the same.

    Args:
        name: the model; the one that the comparison recommends if left out.

    Raises:
        OptionError: the folder holds no finished comparison, or no name is given and the network is code in a file,
            which isn't run without permission.
        CandidateError: there is no such model, or the folder doesn't hold its network.
        DataError: the table has changed.
        UnreadableError: a file of the run has changed.
    """
    folder = Path(folder)
    conclusion, stored = opened_run(folder)
    summary = _find_summary(conclusion, name, [model["name"] for model in stored["estimators"]])
    code = "" if name else f"If you trust it, name it: {spell('candidate', summary.name)}."
    candidate = AUTO if summary.name == AUTO else compared_candidate(stored, summary.name, code=code)
    table = _table_of_run(folder, conclusion, stored)
    return ModelPlan(conclusion, summary, table, candidate, recipe_in(stored["recipe"]))


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
    if stored.get("schema_version") != SPECIFICATION_VERSION:
        raise OptionError(f"the run in {folder} was written by an older seedbed", command_hint(folder))
    if differing := differences(stored, conclusion.specification):
        message = f"{folder / SPECIFICATION} and comparison.json are of two runs: {differing[0]}"
        raise OptionError(message, f"Run compare again with {spell('overwrite', True)}.")
    return conclusion, stored


def _find_summary(conclusion: Conclusion, name: str | None, estimators: Sequence[str]) -> CandidateSummary:
    """Return what is known of a model."""
    models = {one.name: one for one in conclusion.candidates}
    if name is None:
        if conclusion.advice is None or conclusion.advice.use == "prior":
            names = ", ".join(one for one in models if one != "prior")
            raise OptionError("this comparison recommends no model", f"Name one: {names}.")
        name = conclusion.advice.use
    if name not in models:
        raise CandidateError(f"no candidate '{name}' in this comparison", did_you_mean(name, models))
    if name in estimators:
        hint = "Fit it with scikit-learn, and save it with joblib; seedbed writes its own models."
        raise CandidateError(f"'{name}' is a scikit-learn model", hint)
    return models[name]


def _score(conclusion: Conclusion, summary: CandidateSummary) -> dict[str, Any]:
    """Return the scores that the comparison measured, and their source."""
    scores = [
        {"name": name, "words": METRICS[name].words, "mean": score.mean, "low": score.low, "high": score.high}
        for name, score in summary.scores.items()
        if score.mean is not None
    ]
    metric, chosen = conclusion.metric, None
    expected = conclusion.expected_score(summary.name, metric.name)
    if expected.low is not None and expected != conclusion.score(summary.name):
        chosen = {"words": metric.words, "among": len(conclusion.ranking), "expected": expected.mean}
        chosen |= {"low": expected.low, "high": expected.high}
    return {"of": _whose(conclusion, summary), "alpha": conclusion.alpha, "scores": scores, "chosen": chosen}


def _whose(conclusion: Conclusion, summary: CandidateSummary) -> str:
    """Return in words how the score was measured, and of how many networks."""
    plan = conclusion.plan
    one = "a single network" if plan.networks == 1 else f"the mean of {plan.networks} networks"
    mean = f"; {one}" if summary.kind == "network" else ""
    if plan.kind == "held_out":
        return f"a look at {plan.n_test:,} rows that were locked away{mean}"
    folds = f"{plan.repeats} x {plan.folds}-fold cross-validation"
    if plan.sample_of:
        folds += f" of a sample of {conclusion.n_rows:,} rows"
    return f"{folds}, about {plan.n_train:,} rows to train on{mean}"


def compared_candidate(stored: Mapping[str, Any], name: str, *, code: str = "") -> Candidate | str:
    """Return a candidate of a run from its specification; of a default model its name.

    Args:
        stored: the specification of the run.
        name: the candidate; one that wasn't compared is read from its words.
        code: what to do if the network is code in a file; by default, it is used.
    """
    members = {one["name"]: one for one in stored["candidates"]}
    if name in (*LINES, "linear", AUTO) or name not in members:
        return name
    network = architecture_from_values(stored["networks"][name])
    if isinstance(network, str) and ".py:" not in network:
        message = f"the network of '{name}' is one of your own, {network}, and isn't in the run's folder"
        raise CandidateError(message, "In Python, the comparison itself has it: comparison.model(...).")
    candidate = candidate_from(network, name)
    if code and isinstance(candidate.architecture, FileArchitecture):
        raise OptionError(f"a network of this comparison is Python code, {name}", code)
    overrides = tuple((setting, value) for setting, value in members[name]["overrides"])
    return dataclasses.replace(candidate, overrides=overrides)


def experiment_of_run(folder: Path, command: str = "", model: Any = None) -> Experiment:
    """Return the experiment of a finished comparison, or of one model with its splits, recipe and design. The table is
    read again; if the comparison used a sample, the same one is drawn.

    Args:
        folder: of the comparison.
        command: the command or call that uses it.
        model: the model, beside the prior: a name in the comparison, or a candidate; all models if left out.

    Raises:
        SeedbedError: the folder holds no finished comparison, its table is gone or has changed, or a model is code that
            isn't in the folder, or isn't run without permission.
    """
    conclusion, stored = opened_run(folder)
    again = f"Name the table: with folder {folder} and the same options, its finished networks are used again."
    if model is not None:
        again, candidates = "", [compared_candidate(stored, model) if isinstance(model, str) else model]
    else:
        candidates = _compared_candidates(folder, conclusion, stored, again)
    plan = conclusion.plan
    design = Design(
        quick=bool(plan.sample_of),
        random_state=plan.random_state,
        metric=conclusion.metric.name,
        margin=conclusion.metric.margin if stored["margin_rule"] == "given" else None,
        alpha=conclusion.alpha,
        n_networks=plan.networks,
        baselines=() if model is None else ["prior"],
    )
    table, recipe = _table_of_run(folder, conclusion, stored, again), recipe_in(stored["recipe"])
    experiment = specify(table, candidates, recipe=recipe, design=design, command=command)
    experiment = dataclasses.replace(experiment, design=Protocol(**conclusion.specification["design"]))
    if model is not None:
        return experiment
    reference, named = stored["reference"], stored["reference_named"]
    return dataclasses.replace(experiment, reference=reference, reference_named=named)


def _compared_candidates(
    folder: Path, conclusion: Conclusion, stored: Mapping[str, Any], again: str
) -> list[Candidate | str]:
    """Return all candidates of a comparison from its specification; `again` is what to do if one isn't there."""
    if conclusion.plan.ended == "interrupted":
        raise OptionError(f"the comparison in {folder} was interrupted", command_hint(folder))
    if stored["estimators"]:
        name = stored["estimators"][0]["name"]
        raise OptionError(f"the scikit-learn model {name} of this comparison isn't in the run's folder", again)
    blended = any(AUTO in group["lines"] for group in stored["groups"])
    names = [name for group in stored["groups"] for name in group["members"] if name in group["lines"]]
    if blended:
        names = [name for name in names if name not in (*LINES, "linear")]
    code = f"If you trust it, n{again[1:]}"
    return [compared_candidate(stored, name, code=code) for name in names] + [AUTO] * blended


def _table_of_run(folder: Path, conclusion: Conclusion, stored: Mapping[str, Any], instead: str = "") -> Table:
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

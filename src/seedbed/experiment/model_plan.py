"""From a comparison to a model: one candidate, to be fitted to all rows as the comparison chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from seedbed.errors import CandidateError, OptionError, did_you_mean
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.summaries import (
    CandidateSummary,
    Conclusion,
    Score,
    measured_scores,
)
from seedbed.experiment.spec import Experiment
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, PRIOR, default_models
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import Prior
from seedbed.report.sentences import serious_sentences


def fit_compared(
    conclusion: Conclusion,
    experiment: Experiment,
    name: str | None = None,
    **options: Any,
) -> Model:
    """Return a model of a comparison, by default the recommended one, fitted to all rows.

    CandidateError if it isn't there, or is a scikit-learn model, which the experiment may lack.
    `options` are those of `fit_model`; the number of networks is that of the comparison unless they
    name another.
    """
    summary = _find_summary(conclusion, name)
    options["n_networks"] = options.get("n_networks") or conclusion.plan.networks
    model = fit_model(
        experiment.whole or experiment.table,
        candidate_of(experiment, summary.name),
        recipe=experiment.recipe,
        score=_score(conclusion, summary),
        random_state=conclusion.plan.random_state,
        **options,
    )
    # Those of the screen, which knows the scores.
    warnings = serious_sentences(conclusion.notes)
    return dataclasses.replace(model, warnings=tuple(warnings))


def candidate_of(
    experiment: Experiment, name: str
) -> Candidate | str | tuple[Candidate, ...]:
    """Return what is fitted of a model; "auto" is the blend of the default models, and several
    candidates are blended. CandidateError for a scikit-learn model."""
    for member in experiment.members:
        if member.name == name:
            return member
    for group in experiment.groups:
        if name == AUTO and AUTO in group.lines:
            blended = tuple(
                member
                for member in group.members
                if not isinstance(member.architecture, Prior)
            )
            names = [member.name for member in blended]
            usual = [
                model for model in default_models(experiment.table)[0] if model != PRIOR
            ]
            return AUTO if names == usual else blended
    hint = "Fit it with scikit-learn, and save it with joblib; seedbed writes its own models."
    raise CandidateError(f"'{name}' is a scikit-learn model", hint)


def _find_summary(conclusion: Conclusion, name: str | None) -> CandidateSummary:
    """Return what is known of a model."""
    models = {model.name: model for model in conclusion.candidates}
    if name is None:
        if conclusion.advice is None or conclusion.advice.use == PRIOR:
            names = ", ".join(model for model in models if model != PRIOR)
            raise OptionError(
                "this comparison recommends no model", f"Name one: {names}."
            )
        name = conclusion.advice.use
    if name not in models:
        raise CandidateError(
            f"no candidate '{name}' in this comparison", did_you_mean(name, models)
        )
    return models[name]


def _score(conclusion: Conclusion, summary: CandidateSummary) -> dict[str, Any]:
    """Return the scores that the comparison measured, and their source."""
    shown = conclusion.metric.shown
    words = {metric.name: metric.words for metric in (*METRICS.values(), shown)}

    def measured(score_of: Callable[[str, str], Score]) -> list[dict[str, Any]]:
        scores = {name: score_of(summary.name, name) for name in summary.scores}
        return measured_scores(scores, words)

    scores = measured(conclusion.score)
    promises = measured(conclusion.expected_score)
    expected = conclusion.expected_score(summary.name, shown.name)
    chosen = None
    is_corrected = expected != conclusion.score(summary.name, shown.name)
    if expected.low is not None and is_corrected:
        chosen = {
            "words": shown.words,
            "among": len(conclusion.ranking),
            "expected": expected.mean,
            "low": expected.low,
            "high": expected.high,
        }
    about = {
        "of": _whose(conclusion, summary),
        "alpha": conclusion.alpha,
        "scores": scores,
        "chosen": chosen,
    }
    ranges = conclusion.ranges
    if ranges is not None and ranges.model == summary.name:
        about["changed"] = ranges.changed
    sites = conclusion.sites
    if sites is not None and sites.model == summary.name:
        about["site_column"] = sites.column
        about["sites"] = [site.name for site in sites.sites]
        about["new_site"] = [
            {"name": name, "mean": new.average.mean, "low": new.low, "high": new.high}
            for name, new in sites.new.items()
        ]
    return about if promises == scores else about | {"expected": promises}


def _whose(conclusion: Conclusion, summary: CandidateSummary) -> str:
    """Return in words how the score was measured, and of how many networks."""
    plan = conclusion.plan
    networks = (
        "a single network"
        if plan.networks == 1
        else f"the mean of {plan.networks} networks"
    )
    mean = f"; {networks}" if summary.kind == "network" else ""
    if plan.kind == "held_out":
        return f"one test on {plan.n_test:,} held-out rows{mean}"
    folds = f"{plan.repeats} x {plan.folds}-fold cross-validation"
    if conclusion.sites is not None:
        folds = f"leaving out each of {plan.folds} sites in turn"
    if plan.sample_of:
        folds += f" of a sample of {conclusion.n_rows:,} rows"
    return f"{folds}, about {plan.n_train:,} training rows{mean}"

"""From a comparison to a model: one candidate, to be fitted to all rows as the comparison chose."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from seedbed.errors import CandidateError, OptionError, did_you_mean
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.summaries import CandidateSummary, Conclusion
from seedbed.experiment.spec import Experiment
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, PRIOR, default_models
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import Prior
from seedbed.report.sentences import serious_sentences


@dataclass(frozen=True)
class ModelPlan:
    """A model of a comparison, ready to be fitted to all rows.

    Attributes:
        summary: what the comparison found of the model.
        candidate: what is fitted; "auto" is the blend of the default models, and several candidates
            are blended.
    """

    conclusion: Conclusion
    experiment: Experiment
    summary: CandidateSummary
    candidate: Candidate | str | tuple[Candidate, ...]

    def fit(self, **options: Any) -> Model:
        """Return the model; `options` are those of `fit_model`, and the number of networks is that
        of the comparison unless they name another."""
        plan, experiment = self.conclusion.plan, self.experiment
        model = fit_model(
            experiment.whole or experiment.table,
            self.candidate,
            recipe=experiment.recipe,
            score=_score(self.conclusion, self.summary),
            random_state=plan.random_state,
            **{**options, "n_networks": options.get("n_networks") or plan.networks},
        )
        # Those of the screen, which knows the scores.
        warnings = serious_sentences(self.conclusion.notes)
        return dataclasses.replace(model, warnings=tuple(warnings))


def plan_model(
    conclusion: Conclusion, name: str | None, experiment: Experiment
) -> ModelPlan:
    """Return how a model of a comparison, by default the recommended one, is fitted to all rows.
    CandidateError if it isn't there, or is a scikit-learn model, which the experiment may lack."""
    summary = _find_summary(conclusion, name)
    members = {member.name: member for member in experiment.members}
    is_blend = any(
        summary.name in set(group.lines) - set(members) for group in experiment.groups
    )
    candidate = _blend(experiment) if is_blend else members.get(summary.name)
    if candidate is None:
        hint = "Fit it with scikit-learn, and save it with joblib; seedbed writes its own models."
        raise CandidateError(f"'{summary.name}' is a scikit-learn model", hint)
    return ModelPlan(conclusion, experiment, summary, candidate)


def _blend(experiment: Experiment) -> str | tuple[Candidate, ...]:
    """Return what `auto` of a comparison blends."""
    group = next(group for group in experiment.groups if AUTO in group.lines)
    blended = tuple(
        one for one in group.members if not isinstance(one.architecture, Prior)
    )
    names = tuple(member.name for member in blended)
    usual = tuple(name for name in default_models(experiment.table)[0] if name != PRIOR)
    return AUTO if names == usual else blended


def _find_summary(conclusion: Conclusion, name: str | None) -> CandidateSummary:
    """Return what is known of a model."""
    models = {model.name: model for model in conclusion.candidates}
    if name is None:
        if conclusion.advice is None or conclusion.advice.use == "prior":
            names = ", ".join(model for model in models if model != "prior")
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
    chosen = None
    words = {name: metric.words for name, metric in METRICS.items()} | {
        shown.name: shown.words
    }
    scores, promises = (
        [
            {
                "name": name,
                "words": words[name],
                "mean": score.mean,
                "low": score.low,
                "high": score.high,
            }
            for name in summary.scores
            if (score := score_of(summary.name, name)).mean is not None
        ]
        for score_of in (conclusion.score, conclusion.expected_score)
    )
    expected = conclusion.expected_score(summary.name, shown.name)
    if expected.low is not None and expected != conclusion.score(
        summary.name, shown.name
    ):
        chosen = {
            "words": shown.words,
            "among": len(conclusion.ranking),
            "expected": expected.mean,
        }
        chosen |= {"low": expected.low, "high": expected.high}
    about = {
        "of": _whose(conclusion, summary),
        "alpha": conclusion.alpha,
        "scores": scores,
        "chosen": chosen,
    }
    return about | ({} if promises == scores else {"expected": promises})


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
    if plan.sample_of:
        folds += f" of a sample of {conclusion.n_rows:,} rows"
    return f"{folds}, about {plan.n_train:,} training rows{mean}"

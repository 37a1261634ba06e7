"""From out-of-fold predictions to verdicts, as a comparison reaches them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation import (
    METRICS,
    Margin,
    Verdict,
    brackets,
    default_margin,
    default_metric,
    holm,
    margin_beside,
    separated,
)
from seedbed.judgement.judging import Conclusion, Question, conclude
from seedbed.judgement.predictions import Predicted
from seedbed.judgement.score_names import ScoreKind
from seedbed.scoring import Result, difference, verdicts_on

__all__ = ["candidates_of", "conclude_predictions", "metric_of"]


def metric_of(found: Predicted, name: str | None) -> ScoreKind:
    """Return the score that verdicts are about: the asked one, or the task's default.

    Raises:
        OptionError: it can't be tested on these predictions.
    """
    known = [one for one, metric in METRICS.items() if metric.row_loss and found.task in metric.tasks]
    if found.hard:
        known = ["accuracy"]
    name = name or ("accuracy" if found.hard else default_metric(found.task))
    if name not in known:
        raise OptionError(f"'{name}' can't be tested on these predictions", did_you_mean(name, known))
    return ScoreKind(name, METRICS[name].words, METRICS[name].greater_is_better)


def conclude_predictions(found: Predicted, kind: ScoreKind, question: Question) -> Conclusion:
    """Return what may be said of predictions.

    Raises:
        OptionError: fewer than two candidates, or a reference that isn't there.
    """
    by_name = {result.name: result for result in found.results}
    reference = question.named(list(by_name))
    margin = _margin(by_name[reference], kind, question)
    if found.layout.kind in ("one_split", "random_splits"):
        losses = {name: result.losses(kind.name)[:, 0].astype(np.float64) for name, result in by_name.items()}
        values = {name: 1 - one if kind.greater_is_better else one for name, one in losses.items()}
        concluded = conclude(values, kind, found.layout, replace(question, margin=margin.value))
        return replace(concluded, margin_source=margin.source)
    if len(by_name) < 2:
        raise OptionError(f"there is one candidate, {reference}", "Give the predictions of two or more.")
    comparisons = question.comparisons(len(by_name))
    verdicts, without = verdicts_on(
        found.results, reference, kind.name, margin=margin.value, tried=comparisons - len(by_name) + 1
    )
    pairs = _pairs(by_name, reference, kind, question, margin.value) if question.all_pairs else ()
    if pairs:
        verdicts = tuple(pair for pair in pairs if pair.reference == reference)
    usable = {name: result for name, result in by_name.items() if result.finite}
    means = {name: float(result.losses(kind.name).mean()) for name, result in usable.items()}
    ranking = tuple(sorted(means, key=lambda name: means[name]))
    apart = np.zeros((len(ranking), len(ranking)), dtype=bool)
    if verdicts:
        apart = separated(
            ranking,
            pairs or verdicts,
            lambda one, other: difference(usable[one], usable[other], kind.name, comparisons=comparisons),
            margin=margin.value,
            alpha=question.alpha,
        )
    if found.layout.kind == "held_out":  # how many rows were trained on isn't in the file
        verdicts, pairs = _without_rows(verdicts), _without_rows(pairs)
    return Conclusion(
        reference=reference,
        margin=margin.value,
        margin_source=margin.source,
        verdicts=verdicts,
        pairs=pairs,
        no_verdict=tuple({"candidate": one.candidate, "reason": one.reason} for one in without),
        on_these_rows=(),
        ranking=ranking,
        brackets=brackets(apart) if verdicts else (),
        scores={},
        notes=(),
    )


def _without_rows(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    return tuple(replace(one, n_rows=None, n_train=None, rows_needed=None) for one in verdicts)


def _margin(reference: Result, kind: ScoreKind, question: Question) -> Margin:
    """Return the difference that matters, by the rule of a comparison."""
    if question.margin is not None:
        return Margin(question.margin, "given")
    return margin_beside(default_margin(kind.name, reference.target), float(reference.losses(kind.name).mean()))


def _pairs(
    by_name: Mapping[str, Result], reference: str, kind: ScoreKind, question: Question, margin: float
) -> tuple[Verdict, ...]:
    """Return the verdicts on all pairs, those with the reference first."""
    found: list[Verdict] = []
    others = question.comparisons(len(by_name)) - 1
    for one, other in itertools.combinations([reference, *(name for name in by_name if name != reference)], 2):
        verdicts, _ = verdicts_on([by_name[one], by_name[other]], one, kind.name, margin=margin, tried=others)
        found.extend(verdicts)
    adjusted = holm([*(pair.p for pair in found), *([1.0] * question.tried)])
    return tuple(replace(pair, p_adjusted=float(p)) for pair, p in zip(found, adjusted, strict=False))


def candidates_of(found: Predicted) -> list[dict[str, Any]]:
    """Return each candidate with its scores as plain values; of predicted labels, only what needs no probability."""
    candidates = []
    for result in found.results:
        one = result.as_dict() | {"kind": "predictions"}
        if found.hard:
            one["calibration"] = None
            one["scores"] = {name: one["scores"][name] for name in ("accuracy", "balanced_accuracy", "mcc")}
        candidates.append(one)
    return candidates

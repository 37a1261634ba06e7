"""From scores to conclusions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation import (
    Bounds,
    CandidateSummary,
    Conclusion,
    DecidingScore,
    Evidence,
    Margin,
    Metric,
    Note,
    PlanSummary,
    Score,
    conclude,
    corrected_t,
    more_repeats_ratio,
    n_together,
    seed_difference,
    seed_noise,
)
from seedbed.judgement.columns import Roles
from seedbed.judgement.scores import Layout, SplitMeans
from seedbed.typing import Floats

__all__ = ["Question", "alike", "asked", "conclude_scores", "margin_of"]


_SHARE_OF_REFERENCE = 0.02
_MOST_TRIED = 1_000_000_000
_MOST_PAIRED = 200
"""Candidates of which all pairs get a verdict: 19,900 verdicts."""


@dataclass(frozen=True, kw_only=True)
class Question(Roles):
    """The comparison that is wanted, how its file is read, and how it was understood.

    Attributes:
        reference: the name of the reference candidate; None for the first one.
        margin: the difference that matters, in units of the score; None for the default.
        alpha: error level of all comparisons together.
        tried: discarded attempts.
        all_pairs: whether all pairs are judged, and not each candidate against the reference alone.
        networks: how many networks the model averages, of predictions.
        lower_is_better, folds, test_share, drop_incomplete, positive: see `judge`.
        table: the name of the table.
        command: the command line, for the document.
        understood: how the file was read, in sentences.
        about: fields on the target of predictions.
    """

    reference: str | None = None
    margin: float | None = None
    alpha: float = 0.05
    tried: int = 0
    all_pairs: bool = False
    networks: int = 1
    lower_is_better: bool | None = None
    folds: int | None = None
    test_share: float | None = None
    drop_incomplete: bool = False
    positive: str | None = None
    table: str = "scores"
    command: str = ""
    understood: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise OptionError(f"alpha is {self.alpha}", "Give a share between 0 and 1: 0.05, say.")
        if not 0 <= self.tried <= _MOST_TRIED:
            hint = f"Give how many attempts were thrown away: 0 to {_MOST_TRIED:,}."
            raise OptionError(f"tried is {self.tried:,}", hint)
        if self.networks < 1:
            raise OptionError(f"networks is {self.networks}", "Give how many networks the model averages: 1 or more.")
        if self.margin is not None and not (self.margin > 0 and np.isfinite(self.margin)):
            raise OptionError(f"the margin is {self.margin}", "Give the smallest difference that matters, above 0.")

    def named(self, names: Sequence[str]) -> str:
        """Return the reference.

        Raises:
            OptionError: it isn't there, there are fewer than two candidates, or too many for all pairs.
        """
        if len(names) < 2:
            raise OptionError(f"there is one candidate, {names[0]}", "Give the scores or predictions of two or more.")
        if self.reference is not None and self.reference not in names:
            message = f"the reference '{self.reference}' is not among the candidates"
            raise OptionError(message, did_you_mean(self.reference, names))
        if self.all_pairs and len(names) > _MOST_PAIRED:
            hint = "Leave --all-pairs out: the brackets in --json show which candidates aren't shown to differ."
            raise OptionError(f"all pairs of {len(names):,} candidates are too many; the most are {_MOST_PAIRED}", hint)
        return self.reference or names[0]


_version = functools.cache(functools.partial(version, "seedbed"))  # it reads files, and there may be many tables


def asked(
    question: Question, metric: Metric, layout: Layout, *, reference: str, margin: Margin, seeds: int
) -> Conclusion:
    """Return the question that a conclusion answers: one without verdicts, ranking and candidates."""
    folded = layout.kind == "cross_validation"
    return Conclusion(
        kind="judgement",
        command=question.command,
        table=question.table,
        **question.about,
        specification={"versions": {"seedbed": _version()}},
        reference=reference,
        metric=DecidingScore(
            name=metric.name,
            words=metric.words,
            greater_is_better=metric.greater_is_better,
            margin=margin.value,
            margin_source=margin.source,
        ),
        alpha=question.alpha,
        interval={"one_split": None, "means": None, "held_out": "held_out"}.get(layout.kind, "corrected"),
        plan=PlanSummary(
            kind=layout.kind,
            repeats=layout.repeats,
            folds=layout.folds,
            seeds=seeds,
            networks=question.networks,
            test_share=None if layout.df is None else layout.overlap / (1 + layout.overlap),
            df=layout.df,
            tried=question.tried,
            all_pairs=question.all_pairs,
            reason=layout.words,
        ),
        understood=question.understood,
        more_repeats_ratio=more_repeats_ratio(layout.repeats, layout.folds) if folded else None,
    )


def conclude_scores(
    scores: Mapping[str, Floats],
    metric: Metric,
    layout: Layout,
    question: Question,
    margin: Margin | None = None,
) -> Conclusion:
    """Return the conclusion from scores.

    Args:
        scores: candidate -> [split, seed], finite, the same splits of all.
        margin: the difference that matters; by `margin_of` if left out.

    Raises:
        OptionError: fewer than two candidates, or a reference that isn't there.
    """
    reference = question.named(list(scores))
    losses = {name: -values if metric.greater_is_better else values for name, values in scores.items()}
    margin = margin or margin_of(scores[reference], metric, question)
    seeds = max(values.shape[1] for values in scores.values())
    question_asked = asked(question, metric, layout, reference=reference, margin=margin, seeds=seeds)
    fixed = _constant(losses, reference)
    if layout.kind == "one_split":
        reason = "its scores are all of one split, so they say nothing about other rows"
        fixed = {name: reason for name in scores if name != reference}
    usable = {name: values for name, values in losses.items() if name not in fixed or layout.kind == "one_split"}
    by_split = {name: SplitMeans.of(values) for name, values in usable.items()}
    alpha = question.alpha
    evidence = Evidence(
        runs={name: values[None] for name, values in usable.items()},
        means={name: float(values.mean()) for name, values in usable.items()},
        difference=lambda one, other, n: layout.difference(by_split[one], by_split[other], alpha=alpha, comparisons=n),
        differences=lambda one, others, n: layout.differences(
            by_split[one], [by_split[other] for other in others], alpha=alpha, comparisons=n
        ),
    )
    found = conclude(question_asked, evidence, without=fixed, n_parameters=alike(usable))
    together = n_together(list(losses)) + question.tried
    return replace(
        found,
        on_these_rows=_of_seeds(losses, reference, alpha, together) if layout.kind == "one_split" else (),
        candidates=tuple(
            CandidateSummary(name=name, kind="scores", scores={metric.name: _score(values, metric, layout, alpha)})
            for name, values in scores.items()
        ),
        notes=tuple(Note(message=note) for note in _same_everywhere(scores, reference)),
    )


def alike(names: Iterable[str]) -> dict[str, int]:
    """Return candidates as if they were networks of one size, so that the advice goes by their scores alone."""
    return {name: 1 for name in names if name != "prior"}


def margin_of(reference: Floats, metric: Metric, question: Question) -> Margin:
    """Return the margin: one point of a share, 0.01 of a score up to 1, or 2 % of the reference's score."""
    if question.margin is not None:
        return Margin(question.margin, "given")
    if metric.greater_is_better and (np.abs(reference).max() <= 1 or metric.high <= 1):
        return Margin(0.01, "default")
    size = abs(float(reference.mean()))
    if not size > 0:
        raise OptionError("the reference's mean score is 0, so there is no default margin", "Give one: --margin.")
    return Margin(_SHARE_OF_REFERENCE * size, "share_of_reference")


def _same_everywhere(scores: Mapping[str, Floats], reference: str) -> list[str]:
    ours = scores[reference]
    same = [name for name, values in scores.items() if name != reference and np.array_equal(values, ours)]
    return [f"{name} and {reference} have the same scores everywhere. Are they the same model?" for name in same]


def _constant(losses: Mapping[str, Floats], reference: str) -> dict[str, str]:
    """Return the candidates without a verdict: their difference is the same number in all splits, and either not 0, or
    both have the same score in all splits.
    """
    found = {}
    same = np.ptp(losses[reference].mean(axis=1)) == 0
    for name, values in losses.items():
        x = losses[reference].mean(axis=1) - values.mean(axis=1)
        if name == reference or np.ptp(x) > 1e-12 * np.abs(x).max():
            continue
        unseen = "in all splits, so their spread, which decides, can't be seen"
        if x.any():
            found[name] = f"it differs from {reference} by the same {abs(float(x.mean())):.4g} {unseen}"
        elif same:
            score = abs(float(losses[name].mean()))
            found[name] = f"it and {reference} have the same score, {score:.4g}, {unseen}; predictions show more"
    return found


def _of_seeds(losses: Mapping[str, Floats], reference: str, alpha: float, together: int) -> tuple[Bounds, ...]:
    """Return each candidate's difference on one split, with the interval over seeds if both have several."""
    found, ours = [], losses[reference][0]
    for name, (theirs,) in losses.items():
        if name == reference:
            continue
        over_seeds = seed_difference(ours, theirs, alpha=alpha, comparisons=together)
        found.append(
            Bounds(
                candidate=name,
                reference=reference,
                difference=float(ours.mean() - theirs.mean()),
                low=None if over_seeds is None else over_seeds.low,
                high=None if over_seeds is None else over_seeds.high,
                seeds=(len(ours), len(theirs)),
            )
        )
    return tuple(found)


def _score(values: Floats, metric: Metric, layout: Layout, alpha: float) -> Score:
    """Return a candidate's mean score with its interval, and its spread over splits and over seeds.

    The same score in all splits has no interval: the spread of its error can't be seen.
    """
    by_split = values.mean(axis=1)
    low = high = fold_sd = None
    if layout.kind != "one_split":
        noise = seed_noise(values[None])
        found = corrected_t(
            by_split[None], alpha=alpha, n_test_over_n_train=layout.overlap, df=layout.df, seed_noise=noise
        )
        fold_sd = float(by_split.std(ddof=1))
        if found.se > 0:
            low, high = max(metric.low, found.low), min(metric.high, found.high)
    seed_sd = float(np.sqrt(values.var(axis=1, ddof=1).mean())) if values.shape[1] > 1 else None
    return Score(float(by_split.mean()), low, high, fold_sd, seed_sd)

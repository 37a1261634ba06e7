"""From scores to conclusions, and the document that holds them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import numpy as np

from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation import (
    METRICS,
    Verdict,
    brackets,
    corrected_t,
    judge_all,
    seed_difference,
    seed_noise,
    separated,
)
from seedbed.judgement.columns import ScoreKind
from seedbed.judgement.scores import Layout, SplitMeans
from seedbed.report import SCHEMA_VERSION
from seedbed.typing import Floats

__all__ = ["Conclusion", "Question", "conclude", "document_of", "margin_of"]


_SHARE_OF_REFERENCE = 0.02
_MOST_TRIED = 1_000_000_000
_MOST_PAIRED = 200
"""Candidates of which all pairs get a verdict: 19,900 verdicts."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """The comparison that is wanted.

    Attributes:
        reference: the name of the reference candidate; None for the first one.
        margin: the difference that matters, in units of the score; None for the default.
        alpha: error level of all comparisons together.
        tried: discarded attempts.
        all_pairs: whether all pairs are judged, and not each candidate against the reference alone.
    """

    reference: str | None = None
    margin: float | None = None
    alpha: float = 0.05
    tried: int = 0
    all_pairs: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise OptionError(f"alpha is {self.alpha}", "Give a share between 0 and 1: 0.05, say.")
        if not 0 <= self.tried <= _MOST_TRIED:
            hint = f"Give how many attempts were thrown away: 0 to {_MOST_TRIED:,}."
            raise OptionError(f"tried is {self.tried:,}", hint)
        if self.margin is not None and not (self.margin > 0 and np.isfinite(self.margin)):
            raise OptionError(f"the margin is {self.margin}", "Give the smallest difference that matters, above 0.")

    def named(self, names: Sequence[str]) -> str:
        """Return the reference. Raises OptionError where it isn't there."""
        if self.reference is None:
            return names[0]
        if self.reference not in names:
            message = f"the reference '{self.reference}' is not among the candidates"
            raise OptionError(message, did_you_mean(self.reference, names))
        return self.reference

    def comparisons(self, n_candidates: int) -> int:
        """Return how many comparisons hold together. Raises OptionError where there are too many pairs."""
        if self.all_pairs and n_candidates > _MOST_PAIRED:
            hint = "Leave --all-pairs out: the ranking's brackets show which candidates aren't shown to differ."
            raise OptionError(
                f"all pairs of {n_candidates:,} candidates are too many; the most are {_MOST_PAIRED}", hint
            )
        pairs = n_candidates * (n_candidates - 1) // 2 if self.all_pairs else n_candidates - 1
        return pairs + self.tried


@dataclass(frozen=True, eq=False, kw_only=True)
class Conclusion:
    """The conclusions from scores.

    Attributes:
        reference: its name.
        margin, margin_source: the difference that matters, and its source.
        verdicts: on each candidate against the reference.
        pairs: on all pairs, if requested.
        no_verdict: candidates without one, and why.
        on_these_rows: for a single split, each candidate against the reference, with the spread over seeds; for means
            and deviations, with the bounds of its interval.
        ranking: names, the best score first.
        brackets: groups of places in the ranking that aren't shown to differ.
        scores: name -> score with its interval.
        notes: remarks for the reader.
    """

    reference: str
    margin: float
    margin_source: str
    verdicts: tuple[Verdict, ...]
    pairs: tuple[Verdict, ...]
    no_verdict: tuple[dict[str, str], ...]
    on_these_rows: tuple[dict[str, Any], ...]
    ranking: tuple[str, ...]
    brackets: tuple[tuple[int, ...], ...]
    scores: Mapping[str, dict[str, Any]]
    notes: tuple[str, ...]


def conclude(scores: Mapping[str, Floats], kind: ScoreKind, layout: Layout, question: Question) -> Conclusion:
    """Return the conclusions from scores.

    Args:
        scores: candidate -> [split, seed], finite, the same splits of all.

    Raises:
        OptionError: fewer than two candidates, or a reference that isn't there.
    """
    if len(scores) < 2:
        raise OptionError(f"there is one candidate, {next(iter(scores))}", "Give the scores of two or more.")
    reference = question.named(list(scores))
    losses = {name: -values if kind.greater_is_better else values for name, values in scores.items()}
    margin, source = margin_of(scores[reference], kind, question)
    means = {name: float(values.mean()) for name, values in losses.items()}
    ranking = tuple(sorted(means, key=lambda name: means[name]))
    verdicts: tuple[Verdict, ...] = ()
    pairs: tuple[Verdict, ...] = ()
    joined: tuple[tuple[int, ...], ...] = ()
    no_verdict: list[dict[str, str]] = []
    on_these_rows: list[dict[str, Any]] = []
    notes = [*_same_everywhere(scores, reference)]
    if layout.kind == "one_split":
        reason = "its scores are all of one split, so they say nothing about other rows"
        no_verdict = [{"candidate": name, "reason": reason} for name in scores if name != reference]
        on_these_rows = _of_seeds(losses, reference, question)
    else:
        fixed = _constant(losses, reference)
        no_verdict = [{"candidate": name, "reason": reason} for name, reason in fixed.items()]
        usable = {name: values for name, values in losses.items() if name not in fixed}
        verdicts, pairs, joined = _verdicts(usable, reference, kind, layout, question, margin)
        ranking = tuple(name for name in ranking if name in usable)
    return Conclusion(
        reference=reference,
        margin=margin,
        margin_source=source,
        verdicts=verdicts,
        pairs=pairs,
        no_verdict=tuple(no_verdict),
        on_these_rows=tuple(on_these_rows),
        ranking=ranking,
        brackets=joined,
        scores={name: _score(values, kind, layout, question.alpha) for name, values in scores.items()},
        notes=tuple(notes),
    )


def margin_of(reference: Floats, kind: ScoreKind, question: Question) -> tuple[float, str]:
    """Return the margin: one point of a share, 0.01 of a score up to 1, or 2 % of the reference's score."""
    if question.margin is not None:
        return question.margin, "given"
    known = METRICS.get(kind.name)
    if kind.greater_is_better and (np.abs(reference).max() <= 1 or (known is not None and known.high <= 1)):
        return 0.01, "default"
    size = abs(float(reference.mean()))
    if not size > 0:
        raise OptionError("the reference's mean score is 0, so there is no default margin", "Give one: --margin.")
    return _SHARE_OF_REFERENCE * size, "share_of_reference"


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


def _verdicts(
    losses: Mapping[str, Floats], reference: str, kind: ScoreKind, layout: Layout, question: Question, margin: float
) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...], tuple[tuple[int, ...], ...]]:
    """Return the verdicts against the reference, those on all pairs if requested, and the brackets of the ranking."""
    if len(losses) < 2:
        return (), (), ()
    level: dict[str, Any] = {"alpha": question.alpha, "comparisons": question.comparisons(len(losses))}
    by_split = {name: SplitMeans.of(values) for name, values in losses.items()}
    names = [reference, *(name for name in losses if name != reference)]
    chosen = itertools.combinations(names, 2) if question.all_pairs else [(reference, name) for name in names[1:]]
    found = judge_all(
        {name: values[None] for name, values in losses.items()},
        {(one, other): layout.difference(by_split[one], by_split[other], **level) for one, other in chosen},
        metric=kind.name,
        margin=margin,
        n_rows=None,
        tried=question.tried,
        greater_is_better=kind.greater_is_better,
    )
    ranking = sorted(losses, key=lambda name: float(losses[name].mean()))
    apart = separated(
        ranking,
        found,
        lambda one, others: layout.differences(by_split[one], [by_split[other] for other in others], **level),
        margin=margin,
        alpha=question.alpha,
    )
    against = tuple(verdict for verdict in found if verdict.reference == reference)
    return against, found if question.all_pairs else (), brackets(apart)


def _of_seeds(losses: Mapping[str, Floats], reference: str, question: Question) -> list[dict[str, Any]]:
    """Return each candidate's difference on one split, with the interval over seeds if both have several."""
    found = []
    for name, values in losses.items():
        if name == reference:
            continue
        ours, theirs = losses[reference][0], values[0]
        over_seeds = seed_difference(ours, theirs, alpha=question.alpha, comparisons=question.comparisons(len(losses)))
        found.append(
            {
                "candidate": name,
                "reference": reference,
                "difference": float(ours.mean() - theirs.mean()),
                "low": None if over_seeds is None else over_seeds.low,
                "high": None if over_seeds is None else over_seeds.high,
                "seeds": [len(ours), len(theirs)],
            }
        )
    return found


def _score(values: Floats, kind: ScoreKind, layout: Layout, alpha: float) -> dict[str, Any]:
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
            metric = METRICS.get(kind.name)
            least, most = (-np.inf, np.inf) if metric is None else (metric.low, metric.high)
            low, high = max(least, found.low), min(most, found.high)
    seed_sd = float(np.sqrt(values.var(axis=1, ddof=1).mean())) if values.shape[1] > 1 else None
    return {
        "mean": float(by_split.mean()),
        "low": low,
        "high": high,
        "fold_sd": fold_sd,
        "seed_sd": seed_sd,
        "pooled": False,
    }


_version = functools.cache(functools.partial(version, "seedbed"))  # it reads files, and there may be many tables


def document_of(
    found: Conclusion,
    *,
    table: str,
    kind: ScoreKind,
    layout: Layout,
    question: Question,
    seeds: int,
    understood: Sequence[str],
    command: str,
    candidates: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return everything as one plain dict, with those keys of a comparison that are known.

    Args:
        candidates: with all scores of predictions; if empty, they are made from `found.scores`.
        about: keys about the target of predictions.
    """
    plain = [
        {"name": name, "kind": "scores", "scores": {kind.name: score}, "confusion": None, "calibration": None}
        for name, score in found.scores.items()
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "judgement",
        "specification": {"versions": {"seedbed": _version()}},
        "command": command,
        "table": table,
        **about,
        "reference": found.reference,
        "metric": {
            "name": kind.name,
            "words": kind.words,
            "greater_is_better": kind.greater_is_better,
            "margin": found.margin,
            "margin_source": found.margin_source,
        },
        "alpha": question.alpha,
        "interval": {"one_split": None, "means": None, "held_out": "held_out"}.get(layout.kind, "corrected"),
        "plan": {
            "kind": layout.kind,
            "repeats": layout.repeats,
            "folds": layout.folds,
            "seeds": seeds,
            "test_share": None if layout.df is None else layout.overlap / (1 + layout.overlap),
            "df": layout.df,
            "tried": question.tried,
            "all_pairs": question.all_pairs,
            "reason": layout.words,
        },
        "understood": list(understood),
        "verdicts": [verdict.as_dict() for verdict in found.verdicts],
        "pairs": [verdict.as_dict() for verdict in found.pairs],
        "no_verdict": list(found.no_verdict),
        "on_these_rows": list(found.on_these_rows),
        "ranking": list(found.ranking),
        "brackets": [list(one) for one in found.brackets],
        "candidates": list(candidates) or plain,
        "notes": [{"code": "", "message": note, "column": "", "rows": [], "count": None} for note in found.notes],
    }

"""What may be said of a comparison: verdicts, ranking, and what the candidate at the top is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.evaluation import (
    METRICS,
    Advice,
    Estimate,
    HoldOut,
    Margin,
    Verdict,
    advise,
    bbc_cv,
    brackets,
    corrected_t,
    fold_differences,
    judge_all,
    margin_beside,
    nested_interval,
    no_better_than_prior,
    paired_hold_out,
    separated,
)
from seedbed.experiment.results import CandidateResult, Result
from seedbed.experiment.spec import Experiment

__all__ = ["Conclusions", "difference", "guessing_like", "judge"]


@dataclass(frozen=True)
class NoVerdict:
    """A candidate on which no verdict is due, and why."""

    candidate: str
    reason: str


@dataclass(frozen=True)
class Chosen:
    """What whoever takes the candidate with the best score of several may expect of it.

    Attributes:
        name: of whom it is the winner: a sweep, or empty for the whole table.
        winner: the candidate with the best score.
        among: how many it was chosen from.
        apparent: its own score, which flatters it.
        expected, low, high: the score corrected for the choice (BBC-CV), with its interval.
    """

    name: str
    winner: str
    among: int
    apparent: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class Conclusions:
    """What may be said of a comparison.

    Attributes:
        margin: the difference that matters.
        verdicts: on every candidate and baseline but the reference, in the order of the table.
        without: those on which no verdict is due.
        ranking: names by their score in the primary metric, those without a finite one left out.
        brackets: groups of places in the ranking that aren't shown to differ; two places share one if no verdict on
            the two says better or worse.
        top: the worth of the first in the ranking; none where there are fewer than two.
        sweeps: the worth of each sweep's winner.
        advice: which model to use; none where no verdict is due.
    """

    margin: Margin
    verdicts: tuple[Verdict, ...]
    without: tuple[NoVerdict, ...]
    ranking: tuple[str, ...]
    brackets: tuple[tuple[int, ...], ...]
    top: Chosen | None
    sweeps: tuple[Chosen, ...]
    advice: Advice | None

    def joined(self, one: str, other: str) -> bool:
        """Return whether two ranked models share a bracket, so that neither is shown to be better."""
        pair = {self.ranking.index(one), self.ranking.index(other)}
        return any(pair <= set(bracket) for bracket in self.brackets)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
            "no_verdict": [dataclasses.asdict(one) for one in self.without],
            "ranking": list(self.ranking),
            "brackets": [list(one) for one in self.brackets],
            "top": None if self.top is None else dataclasses.asdict(self.top),
            "sweeps": [dataclasses.asdict(one) for one in self.sweeps],
            "advice": None if self.advice is None else _listed(dataclasses.asdict(self.advice)),
        }


def judge(experiment: Experiment, results: Sequence[Result]) -> Conclusions:
    """Return the verdicts, the ranking and the advice that the results of an experiment support."""
    usable = {result.name: result for result in results if result.finite}
    margin = _margin(experiment, results)
    verdicts, without = _verdicts(experiment, results, usable, margin.value)
    losses = {name: float(result.losses(experiment.metric).mean()) for name, result in usable.items()}
    losses = dict(sorted(losses.items(), key=lambda item: item[1]))
    ranking = tuple(losses)
    apart = np.zeros((len(ranking), len(ranking)), dtype=bool)
    if experiment.design.has_verdict and len(ranking) > 1:
        apart = separated(
            ranking,
            verdicts,
            lambda one, other: difference(
                experiment, usable[one], usable[other], experiment.metric, comparisons=len(ranking) - 1
            ),
            margin=margin.value,
            alpha=experiment.alpha,
        )
    swept = [(sweep.name, [usable[name] for name in sweep.members if name in usable]) for sweep in experiment.sweeps]
    sweeps = [_chosen(experiment, name, members) for name, members in swept if members]
    top = _chosen(experiment, "", [usable[name] for name in ranking]) if len(ranking) > 1 else None
    sizes = {result.name: result.n_parameters for result in results if isinstance(result, CandidateResult)}
    advice = None
    if verdicts:
        gains = "prior" in usable or _gains(experiment, usable, next((name for name in ranking if name in sizes), None))
        advice = advise(losses, apart, sizes, margin=margin.value, gains=gains)
    return Conclusions(margin, verdicts, without, ranking, brackets(apart), top, tuple(sweeps), advice)


def _margin(experiment: Experiment, results: Sequence[Result]) -> Margin:
    """Return the difference that matters, by the rule that the specification has frozen."""
    if experiment.margin_given:
        return Margin(experiment.margin, "given")
    reference = next((one for one in results if one.name == experiment.reference and one.finite), None)
    error = np.inf if reference is None else float(reference.losses(experiment.metric).mean())
    return margin_beside(experiment.margin, error)


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    """With lists in place of tuples, as JSON gives them back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def difference(
    experiment: Experiment, reference: Result, candidate: Result, metric: str, *, comparisons: int = 1
) -> Estimate:
    """The loss of the reference minus that of the candidate, with the interval that the experiment asks for."""
    alpha = experiment.alpha
    if experiment.design.kind == "held_out":
        ours, theirs = (one.row_losses(metric)[0][:, one.tested] for one in (reference, candidate))
        return paired_hold_out(ours, theirs, groups=reference.tested_groups, alpha=alpha, comparisons=comparisons)
    if not experiment.nested:
        x = fold_differences(reference.losses(metric), candidate.losses(metric))
        return corrected_t(x, alpha=alpha, comparisons=comparisons)
    outer = reference.row_losses(metric).mean(axis=1) - candidate.row_losses(metric).mean(axis=1)
    inner = reference.pair_losses(metric).mean(axis=2) - candidate.pair_losses(metric).mean(axis=2)
    folds = np.empty(outer.shape, dtype=np.int64)
    for split in reference.splits:
        folds[split.repeat, split.test] = split.fold
    return nested_interval(outer, inner, folds, alpha=alpha, comparisons=comparisons)


def _verdicts(
    experiment: Experiment, results: Sequence[Result], usable: Mapping[str, Result], margin: float
) -> tuple[tuple[Verdict, ...], tuple[NoVerdict, ...]]:
    reference = experiment.reference
    others = [result.name for result in results if result.name != reference]
    if not experiment.design.has_verdict:
        return (), tuple(NoVerdict(name, experiment.design.reason) for name in others)
    if reference not in usable:
        reason = f"some predictions of the reference, {reference}, aren't finite"
        return (), tuple(NoVerdict(name, reason) for name in others)
    without = tuple(NoVerdict(name, "some of its predictions aren't finite") for name in others if name not in usable)
    judged = [name for name in others if name in usable]
    if not judged:
        return (), without
    ours, metric, n = usable[reference], experiment.metric, len(judged)
    found = {name: difference(experiment, ours, usable[name], metric, comparisons=n) for name in judged}
    in_accuracy, errors = None, None
    if experiment.table.task != "regression":
        in_accuracy = {name: difference(experiment, ours, usable[name], "accuracy", comparisons=n) for name in judged}
        errors = {name: usable[name].losses("accuracy") for name in (reference, *judged)}
    verdicts = judge_all(
        {name: usable[name].losses(metric) for name in (reference, *judged)},
        reference=reference,
        metric=metric,
        margin=margin,
        n_rows=experiment.table.n_rows,
        errors=errors,
        alpha=experiment.alpha,
        intervals=found,
        accuracy_intervals=in_accuracy,
        n_train=round(float(np.mean([len(split.train) for split in ours.splits]))),
        task=experiment.table.task,
    )
    return tuple(_of_locked_rows(verdict, found[verdict.candidate]) for verdict in verdicts), without


def _of_locked_rows(verdict: Verdict, found: Estimate) -> Verdict:
    """On locked rows there are no folds to see the seeds' share by, but the estimate has it."""
    if not isinstance(found, HoldOut):
        return verdict
    known = verdict.seed_share is not None and found.se > 0
    share = found.variance_seeds / found.se**2 if known else None
    return dataclasses.replace(verdict, seed_share=share, held_out=True)


def _chosen(experiment: Experiment, name: str, results: Sequence[Result]) -> Chosen:
    metric = experiment.metric
    losses = [result.row_losses(metric)[:, :, result.tested].mean(axis=(0, 1)) for result in results]
    found = bbc_cv(np.stack(losses), alpha=experiment.alpha, random_state=experiment.random_state % 2**32)
    # The winner is that of the ranking, which goes by means over folds; folds of two sizes may turn a close call.
    winner = min(results, key=lambda result: float(result.losses(metric).mean()))
    apparent, expected, low, high = float(winner.losses(metric).mean()), found.value, found.low, found.high
    if METRICS[metric].greater_is_better:
        apparent, expected, low, high = 1 - apparent, 1 - expected, 1 - high, 1 - low
    return Chosen(name, winner.name, len(results), apparent, expected, low, high)


def _gains(experiment: Experiment, usable: Mapping[str, Result], name: str | None) -> bool:
    """Return whether a network is shown to be better than guessing, where guessing isn't compared."""
    if name is None:
        return True
    found, n = usable[name], max(1, len(usable) - 1)
    estimate = difference(experiment, guessing_like(found), found, experiment.metric, comparisons=n)
    return no_better_than_prior(name, estimate=estimate) is None


def guessing_like(like: Result) -> Result:
    """Return the predictions of the training rows' class frequencies or mean, on the splits of another result."""
    predictions = np.full_like(like.predictions[:, :1], np.nan)
    pairs = None if like.pairs is None else np.full_like(like.pairs[:, :, :1], np.nan)

    def guess(rows: npt.NDArray[np.int64]) -> Any:
        if like.task == "multiclass":
            return np.bincount(like.target[rows], minlength=like.n_classes) / len(rows)
        return like.target[rows].mean()

    for split in like.splits:
        predictions[split.repeat, 0, split.test] = guess(split.train)
        if pairs is not None:
            for other in like.splits:
                if other.repeat == split.repeat and other.fold != split.fold:
                    both = np.setdiff1d(split.train, other.test)
                    pairs[split.repeat, split.fold, 0, other.test] = guess(both)
    return Result(
        name="prior",
        target=like.target,
        task=like.task,
        splits=like.splits,
        groups=like.groups,
        design=like.design,
        alpha=like.alpha,
        predictions=predictions,
        pairs=pairs,
    )

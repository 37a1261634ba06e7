"""What follows from the results of a comparison: verdicts, ranking, advice, checks of the training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.evaluation import (
    METRICS,
    Advice,
    Check,
    Margin,
    Verdict,
    advise,
    bbc_cv,
    brackets,
    confined_outputs,
    consistent,
    dead_units,
    diverged,
    margin_beside,
    no_better_than_prior,
    over_trained,
    prior_loss,
    seeds_alike,
    seeds_apart,
    separated,
    share_interval,
    under_trained,
    worse_than_logistic,
)
from seedbed.experiment.run import CandidateResult
from seedbed.experiment.spec import Experiment
from seedbed.scoring import NoVerdict, Result, difference, differences, judged, verdicts_on

__all__ = ["Conclusions", "diagnose", "judge"]

PRIOR = "prior"


@dataclass(frozen=True)
class Chosen:
    """The candidate with the best score of several, and the score to expect of it.

    Attributes:
        name: the sweep that it wins; empty for the whole table.
        winner: the candidate with the best score.
        among: the number of candidates that it was chosen from.
        apparent: its score, which is too good because it was chosen by it.
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
    """The conclusions from a comparison.

    Attributes:
        margin: the difference that matters.
        verdicts: on every candidate and baseline but the reference, in the order of the table.
        without: models that get no verdict.
        ranking: names by the primary metric; models without a finite score are left out.
        brackets: groups of places in the ranking that aren't shown to differ; two places share one unless a verdict on
            the two says better or worse.
        top: the first of the ranking; None if it has fewer than two models.
        sweeps: the winner of each sweep.
        advice: which model to use; None if there are no verdicts.
        rivals: verdicts on the recommended model against each one that it isn't shown to differ
            from, in the order of the ranking.
    """

    margin: Margin
    verdicts: tuple[Verdict, ...]
    without: tuple[NoVerdict, ...]
    ranking: tuple[str, ...]
    brackets: tuple[tuple[int, ...], ...]
    top: Chosen | None
    sweeps: tuple[Chosen, ...]
    advice: Advice | None
    rivals: tuple[Verdict, ...] = ()

    def joined(self, one: str, other: str) -> bool:
        """Return whether two ranked models share a bracket, so that neither is shown to be better."""
        pair = {self.ranking.index(one), self.ranking.index(other)}
        return any(pair <= set(bracket) for bracket in self.brackets)

    def as_dict(self) -> dict[str, Any]:
        """Return the conclusions as plain values, fit for JSON."""
        return {
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
            "no_verdict": [dataclasses.asdict(one) for one in self.without],
            "ranking": list(self.ranking),
            "brackets": [list(one) for one in self.brackets],
            "top": None if self.top is None else dataclasses.asdict(self.top),
            "sweeps": [dataclasses.asdict(one) for one in self.sweeps],
            "advice": None if self.advice is None else json.loads(json.dumps(dataclasses.asdict(self.advice))),
            "rivals": [verdict.as_dict() for verdict in self.rivals],
        }


def judge(experiment: Experiment, results: Sequence[Result]) -> Conclusions:
    """Return the verdicts, the ranking and the advice that the results of an experiment support."""
    usable = {result.name: result for result in results if result.finite}
    margin = _margin(experiment, results)
    verdicts, without = verdicts_on(results, experiment.reference, experiment.metric, margin=margin.value, gate=PRIOR)
    losses = {name: float(result.losses(experiment.metric).mean()) for name, result in usable.items()}
    losses = dict(sorted(losses.items(), key=lambda item: item[1]))
    ranking = tuple(losses)
    apart = np.zeros((len(ranking), len(ranking)), dtype=bool)
    if experiment.design.has_verdict and len(ranking) > 1:
        apart = separated(
            ranking,
            verdicts,
            differences(usable, experiment.metric, comparisons=n_together(usable)),
            margin=margin.value,
            alpha=experiment.alpha,
        )
    swept = [(sweep.name, [usable[name] for name in sweep.members if name in usable]) for sweep in experiment.sweeps]
    sweeps = [_chosen(experiment, name, members) for name, members in swept if members]
    top = _chosen(experiment, "", [usable[name] for name in ranking]) if len(ranking) > 1 else None
    sizes = {result.name: result.n_parameters for result in results if isinstance(result, CandidateResult)}
    advice = None
    if verdicts:
        gains = PRIOR in usable or _gains(experiment, usable, next((name for name in ranking if name in sizes), None))
        advice = advise(losses, apart, sizes, margin=margin.value, gains=gains)
    rivals: tuple[Verdict, ...] = ()
    if advice is not None:
        use = ranking.index(advice.use)
        pairs = [(name, ranking[use]) for name, differs in zip(ranking, apart[use], strict=True) if not differs]
        pairs.remove((ranking[use], ranking[use]))
        rivals = judged(
            usable, pairs, experiment.metric, margin=margin.value, comparisons=n_together(usable), gate=PRIOR
        )
    return Conclusions(margin, verdicts, without, ranking, brackets(apart), top, tuple(sweeps), advice, rivals)


def n_together(names: Collection[str]) -> int:
    """Return how many comparisons with the reference hold together: all but that with the prior, which is a question
    of its own."""
    return max(1, len(names) - 1 - (PRIOR in names))


def _margin(experiment: Experiment, results: Sequence[Result]) -> Margin:
    """Return the difference that matters, by the rule that the specification has frozen."""
    if experiment.margin_given:
        return Margin(experiment.margin, "given")
    reference = next((one for one in results if one.name == experiment.reference and one.finite), None)
    error = np.inf if reference is None else float(reference.losses(experiment.metric).mean())
    return margin_beside(experiment.metric, experiment.margin, error)


def _chosen(experiment: Experiment, name: str, results: Sequence[Result]) -> Chosen:
    metric = experiment.metric
    losses = [result.row_losses(metric)[:, :, result.tested].mean(axis=(0, 1)) for result in results]
    found = bbc_cv(np.stack(losses), alpha=experiment.alpha, random_state=experiment.random_state % 2**32)
    # The winner of the ranking, which uses means over folds: with folds of two sizes, another may win over rows.
    winner = min(results, key=lambda result: float(result.losses(metric).mean()))
    apparent, expected, low, high = float(winner.losses(metric).mean()), found.value, found.low, found.high
    if METRICS[metric].percent:
        low, high = share_interval(expected, low, high, n=losses[0].size, alpha=experiment.alpha)
    if METRICS[metric].greater_is_better:
        apparent, expected, low, high = 1 - apparent, 1 - expected, 1 - high, 1 - low
    return Chosen(name, winner.name, len(results), apparent, expected, low, high)


def _gains(experiment: Experiment, usable: Mapping[str, Result], name: str | None) -> bool:
    """Return whether a network is shown to be better than guessing, if guessing isn't among the baselines."""
    if name is None:
        return True
    found = usable[name]
    estimate = difference(guessing_like(found), found, experiment.metric)
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
        name=PRIOR,
        target=like.target,
        task=like.task,
        splits=like.splits,
        groups=like.groups,
        times=like.times,
        design=like.design,
        alpha=like.alpha,
        predictions=predictions,
        pairs=pairs,
    )


def diagnose(experiment: Experiment, results: Sequence[Result], conclusions: Conclusions) -> tuple[Check, ...]:
    """Return the checks that fire, candidate by candidate, without those that `consistent` removes."""
    finite = {result.name: result for result in results if result.finite}
    found: list[Check] = []
    for result in results:
        if isinstance(result, CandidateResult):
            checks = _checks(experiment, result, finite, conclusions)
            found += consistent(check for check in checks if check is not None)
    return tuple(found)


def _checks(
    experiment: Experiment, result: CandidateResult, others: Mapping[str, Result], conclusions: Conclusions
) -> Iterator[Check | None]:
    design, name = experiment.design, result.name
    if result.confined:
        low, high = result.output_range
        yield confined_outputs(name, low=low, high=high, kind=result.confined)
        return
    train, test = result.curves[0], result.curves[2]
    # Networks learn the standardised target, for which predicting the mean has a loss of 1.
    numeric = experiment.table.task == "regression"
    prior = 1.0 if numeric else prior_loss("log_loss", experiment.table.target)
    epochs = result.epochs if result.recipe.epoch == "inner" else None
    repeats = len(result.predictions)
    shape = (repeats, len(result.splits) // repeats, design.seeds)
    untrained = under_trained(name, train_loss=train, test_loss=test, shape=shape, prior_loss=prior, epochs=epochs)
    yield untrained
    yield over_trained(name, train_loss=train, test_loss=test, shape=shape, prior_loss=prior, epochs=epochs)
    yield diverged(name, train_loss=train, test_loss=test, predictions_finite=result.finite)
    yield dead_units(name, share=result.dead)
    if not (result.finite and design.has_verdict):
        return

    yield no_better_than_prior(name, estimate=difference(guessing_like(result), result, experiment.metric))
    kind = "linear" if numeric else "logistic"
    plain = f"{kind}-regression"
    if plain in others and experiment.reference != plain and not conclusions.joined(name, plain):
        # At the level of the verdicts, so that no check contradicts an undecided verdict on the same two.
        estimate = difference(others[plain], result, experiment.metric, comparisons=n_together(others))
        yield worse_than_logistic(name, estimate=estimate, kind=kind)
    if untrained is not None or experiment.networks > 1:
        return  # the spread of its seeds isn't meaningful yet, or the mean of several networks is judged
    # A hard fold is hard for the reference as well and cancels in the difference; chance between seeds doesn't. So
    # seeds that are alike must also be alike in the difference.
    reference = others.get(experiment.reference, result)
    beside = None if reference is result else reference.losses(experiment.metric, single=True)
    losses, margin = result.losses(experiment.metric, single=True), conclusions.margin.value
    alike = seeds_alike(name, losses=losses, margin=margin)
    if beside is None or seeds_alike(name, losses=losses, margin=margin, reference_losses=beside) is not None:
        yield alike
    yield seeds_apart(name, losses=losses, margin=margin, reference_losses=beside)

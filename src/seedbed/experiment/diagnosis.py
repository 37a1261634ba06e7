"""The reason beside the verdict: what stands out in how each candidate was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seedbed.evaluation import (
    Check,
    Estimate,
    confined_outputs,
    consistent,
    dead_units,
    diverged,
    no_better_than_prior,
    over_trained,
    prior_loss,
    seeds_alike,
    seeds_apart,
    under_trained,
    worse_than_logistic,
)
from seedbed.experiment.conclusions import Conclusions, guessing_like
from seedbed.experiment.results import CandidateResult
from seedbed.experiment.spec import Experiment
from seedbed.scoring import Result, difference

__all__ = ["diagnose"]


def diagnose(experiment: Experiment, results: Sequence[Result], conclusions: Conclusions) -> tuple[Check, ...]:
    """Return the checks that fire, candidate by candidate, those of a candidate as `consistent` leaves them."""
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
    # Networks learn the standardised target, of which always guessing the mean costs 1.
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

    def against(reference: Result) -> Estimate:
        # At the level of the verdicts, lest a check claims what a verdict on the same two can't tell.
        n = max(1, len(others) - 1)
        return difference(reference, result, experiment.metric, comparisons=n)

    yield no_better_than_prior(name, estimate=against(guessing_like(result)))
    kind = "linear" if numeric else "logistic"
    plain = f"{kind}-regression"
    if plain in others and experiment.reference != plain and not conclusions.joined(name, plain):
        yield worse_than_logistic(name, estimate=against(others[plain]), kind=kind)
    if untrained is not None:
        return  # what its seeds do says nothing yet
    # A hard fold is hard for the reference, too, and cancels in the difference; luck with seeds doesn't. So seeds that
    # are alike by themselves must be so in the difference as well.
    reference = others.get(experiment.reference, result)
    beside = None if reference is result else reference.losses(experiment.metric)
    losses, margin = result.losses(experiment.metric), conclusions.margin.value
    alike = seeds_alike(name, losses=losses, margin=margin)
    if beside is None or seeds_alike(name, losses=losses, margin=margin, reference_losses=beside) is not None:
        yield alike
    yield seeds_apart(name, losses=losses, margin=margin, reference_losses=beside)

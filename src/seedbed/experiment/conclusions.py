"""What follows from the results of a comparison: verdicts, ranking, advice, checks of the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seedbed.evaluation.behind import optimism
from seedbed.evaluation.bootstrap import resample_weights
from seedbed.evaluation.checks import (
    Check,
    check_against,
    check_confined_outputs,
    check_dead_units,
    check_diverged,
    check_epochs,
    check_stopped_at_the_end,
)
from seedbed.evaluation.conclusion import conclude, count_comparisons
from seedbed.evaluation.metrics import METRICS, Margin, margin_beside, prior_loss
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import decide
from seedbed.experiment.contrasts import questions_of
from seedbed.experiment.run import NetworkResult
from seedbed.experiment.spec import Experiment
from seedbed.model.portfolio import PRIOR
from seedbed.scoring import Result, difference, evidence_of, without_verdict

_RESAMPLES, _MOST_ROWS = 1000, 20_000


def add_verdicts(opened: Conclusion, experiment: Experiment, results: Sequence[Result]) -> Conclusion:
    """Return a conclusion with the verdicts, the ranking and the advice that the results support."""
    usable = {result.name: result for result in results if result.finite}
    networks = {result.name: float(result.n_parameters) for result in results if isinstance(result, NetworkResult)}

    def gains(name: str) -> bool:
        """Return whether a network is shown to be better than guessing, if guessing isn't among the baselines."""
        estimate = difference(guessing_like(usable[name]), usable[name], experiment.metric)
        return check_against(name, PRIOR, estimate=estimate) is None

    conclusion = conclude(
        opened,
        evidence_of(results, experiment.metric),
        without=without_verdict(results, experiment.reference if experiment.reference_named else "", experiment.metric),
        separate_question=PRIOR,
        sizes={PRIOR: -2.0, experiment.table.outcome.linear: -1.0} | networks,
        contrasts=() if experiment.columns is not None else questions_of(experiment.lines),
        gains=gains,
    )
    if METRICS[experiment.metric].row_loss is None:  # what the choice changes is known of means over rows only
        return conclusion
    ranked = [usable[name] for name in conclusion.ranking]
    return replace(conclusion, optimism=_optimism(experiment, ranked))


def _optimism(experiment: Experiment, results: Sequence[Result]) -> dict[str, float]:
    """Return by how much scores of the best model look too good because it was chosen by these rows.

    Only scores that are means over rows are corrected. With many rows it is below a tenth of a point.
    """
    if len(results) < 2 or not experiment.design.has_verdict or len(results[0].tested) > _MOST_ROWS:
        return {}
    first, rows = results[0], results[0].tested

    def losses(metric: str) -> dict[str, npt.NDArray[np.float64]]:
        return {one.name: one.row_losses(metric)[:, :, rows].mean(axis=(0, 1)) for one in results}

    choosing = losses(experiment.metric)
    in_words = first.outcome.in_words or experiment.metric
    groups, resamples = first.tested_groups, _RESAMPLES
    return {
        metric: optimism(choosing, losses(metric), resample_weights(len(rows), n_resamples=resamples, groups=groups))
        for metric in dict.fromkeys((experiment.metric, in_words))
    }


def margin_of(experiment: Experiment, results: Sequence[Result]) -> Margin:
    """Return the difference that matters, by the rule that the specification has frozen."""
    if experiment.margin_given:
        return Margin(experiment.margin, "given")
    reference = next((result for result in results if result.name == experiment.reference and result.finite), None)
    error = np.inf if reference is None else float(reference.losses(experiment.metric).mean())
    return margin_beside(experiment.metric, experiment.margin, error)


def guessing_like(like: Result) -> Result:
    """Return the predictions of the training rows' class frequencies or mean, on the splits of another result."""
    predictions = np.full_like(like.predictions[:, :1], np.nan)
    for split in like.splits:
        predictions[split.repeat, 0, split.test] = like.outcome.prior(like, split.train)
    return replace(like, name=PRIOR, predictions=predictions, singles=None)


def check_training(experiment: Experiment, results: Sequence[Result], conclusion: Conclusion) -> tuple[Check, ...]:
    """Return the checks that fire, candidate by candidate."""
    finite = {result.name: result for result in results if result.finite}
    diagnosed: list[Check] = []
    for result in results:
        if isinstance(result, NetworkResult):
            diagnosed += filter(None, _checks(experiment, result, finite, conclusion))
    return tuple(diagnosed)


def _checks(
    experiment: Experiment, result: NetworkResult, others: Mapping[str, Result], conclusion: Conclusion
) -> Iterator[Check | None]:
    name = result.name
    if result.confined:
        yield check_confined_outputs(name, kind=result.confined)
        return
    train, test = result.curves[0], result.curves[2]
    # Networks learn the standardised target, for which predicting the mean has a loss of 1.
    numeric = experiment.table.outcome.is_number
    if result.recipe.leaves_out and experiment.n_networks > 1:
        yield check_stopped_at_the_end(name, epochs=result.epochs, most=result.recipe.n_epochs)
    else:
        prior = 1.0 if numeric else prior_loss("log_loss", experiment.fitted_table.target)
        repeats = len(result.predictions)
        shape = (repeats, len(result.splits) // repeats, result.n_networks)
        yield check_epochs(name, train_loss=train, test_loss=test, shape=shape, prior_loss=prior)
    train, test = result.used(0)[None], result.used(2)[None]
    if not result.failure:
        yield check_diverged(
            name, train_loss=train, test_loss=test, predictions_finite=result.finite, n_networks=result.n_networks
        )
    yield check_dead_units(name, share=result.dead)
    if not (result.finite and experiment.design.has_verdict):
        return

    yield check_against(name, PRIOR, estimate=difference(guessing_like(result), result, experiment.metric))
    kind = experiment.table.outcome.linear
    if kind in others and conclusion.reference != kind:
        # At the level of the verdicts, so that no check contradicts an undecided verdict on the same two.
        n = count_comparisons(list(others), reference=experiment.reference, separate_question=PRIOR)
        estimate = difference(others[kind], result, experiment.metric, comparisons=n)
        if decide(low=estimate.low, high=estimate.high, margin=conclusion.metric.margin) == "worse":
            yield check_against(name, kind, estimate=estimate)

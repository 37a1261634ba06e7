"""The summary of a comparison: the values from which text, pictures, pages and JSON are made, and
nothing else.

docs/summary.md explains them; `tests/experiment/test_saved.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data.table import Table
from seedbed.errors import counted
from seedbed.evaluation.analyses import (
    TREATING_ALL,
    TREATING_NONE,
    Columns,
    NetBenefit,
    effects_of,
)
from seedbed.evaluation.behind import is_small, optimism
from seedbed.evaluation.bootstrap import resample_weights
from seedbed.evaluation.calibration import of_net_benefit
from seedbed.evaluation.checks import (
    Check,
    check_against,
    check_confined_outputs,
    check_diverged,
    check_epochs,
    check_stopped_at_the_end,
)
from seedbed.evaluation.conclusion import conclude, count_comparisons
from seedbed.evaluation.estimates import (
    Estimate,
    Interval,
    corrected_t,
    paired_hold_out,
)
from seedbed.evaluation.metrics import METRICS, Margin, margin_beside, prior_loss
from seedbed.evaluation.ranges import FACTORS, ranges_of_rows, shares_changed
from seedbed.evaluation.single_runs import (
    MOST_GHOSTS,
    Curves,
    lottery,
    summarize_curves,
)
from seedbed.evaluation.sites import Sites
from seedbed.evaluation.summaries import (
    CandidateSummary,
    Conclusion,
    DecidingScore,
    Lotteries,
    PlanSummary,
    PredictedNumbers,
    PredictedRanges,
)
from seedbed.evaluation.survival import SurvivalSummary, observed_curve, predicted_curve
from seedbed.evaluation.verdicts import decide
from seedbed.experiment.columns import added
from seedbed.experiment.contrasts import few_words, questions_of
from seedbed.experiment.left_out_sites import sites_of
from seedbed.experiment.run import NetworkResult, Results
from seedbed.experiment.spec import Experiment
from seedbed.model.member import range_factor
from seedbed.model.portfolio import AUTO, PRIOR
from seedbed.networks.mlp import MLP, Prior, Regression, Trees
from seedbed.scoring import (
    Result,
    difference,
    evidence_of,
    without_verdict,
)
from seedbed.tested import Tested
from seedbed.typing import Floats

_RESAMPLES, _MOST_ROWS = 1000, 20_000
_MOST_PARAMETERS = 1e9  # of a network, to order those with as many layers
_MOST_DRAWN = 500  # rows whose predictions are drawn
_OF_DESIGN = (
    "kind",
    "locked_share",
    "repeats",
    "folds",
    "quick",
    "time_limit",
    "reason",
)
_TYPICAL = (
    "very high risk",
    "rather high risk",
    "rather low risk",
    "very low risk",
)  # eighths of the rows
_AT = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 0.9)
_MOST, _POINTS = 5, 80  # of these thresholds; of a curve
_REACH = 10  # thresholds make sense up to so many times the odds of the positive class, and down to that part of them


def add_details(conclusion: Conclusion, results: Results) -> Conclusion:
    """Return the conclusion from the results of a run with all scores, curves, the lottery and
    predicted survival."""
    return replace(
        conclusion,
        plan=replace(conclusion.plan, ended=results.ended),
        candidates=_candidates(results, whole=True),
        lottery=_lotteries(results.experiment, results.results, conclusion.reference),
        curves=_curves(results),
        net_benefit=None
        if conclusion.advice is None
        else net_benefit_of(results.results, conclusion.advice.use),
        survival=_survival(results.experiment.table, conclusion, results.results),
        numbers=_numbers_of(results.results, conclusion),
        ranges=_ranges_of(results, conclusion),
    )


def _ranges_of(results: Results, conclusion: Conclusion) -> PredictedRanges | None:
    """Return how far the predictions of the recommended model would move, by the networks of the
    first repeat; None if they leave out no rows, or the same ones."""
    experiment = results.experiment
    use = "" if conclusion.advice is None else conclusion.advice.use
    lines = {line.name: line for line in experiment.lines}
    result = next((one for one in results.results if one.name == use), None)
    if result is None or result.singles is None or experiment.table.times is not None:
        return None
    candidate = lines[use].candidate
    recipe = experiment.recipe if candidate is None else experiment.recipe_of(candidate)
    if experiment.n_networks < 2 or not recipe.leaves_out:
        return None
    tested = result.tested
    outcome = tested.outcome
    singles = result.singles[0][:, tested.rows].astype(np.float64)
    predicted = outcome.deciding(result.predictions[0][:, tested.rows])[0]
    groups = tested.groups
    n_cases = len(tested.target) if groups is None else len(np.unique(groups))
    n_train = conclusion.plan.n_train or len(tested.target)
    of_each = FACTORS["several"] if candidate is None else range_factor([candidate])
    ranges = ranges_of_rows(
        outcome.deciding(singles),
        predicted.astype(np.float64),
        factor=of_each,
        n_rows=round(n_cases * n_train / len(tested.target)),
        are_shares=not outcome.is_number,
    )
    low, high = ranges.T
    has_two = outcome.has_threshold
    shown = np.random.default_rng(0).permutation(len(low))[:_MOST_DRAWN]
    shown = shown[np.argsort(predicted[shown])]
    return PredictedRanges(
        model=use,
        label=list(conclusion.labels)[1] if has_two else "",
        changed=float(np.mean(shares_changed(ranges, predicted, len(singles))))
        if has_two
        else None,
        width=float(np.mean(high - low)),
        predicted=tuple(predicted[shown].astype(float).tolist()),
        low=tuple(low[shown].tolist()),
        high=tuple(high[shown].tolist()),
    )


def _numbers_of(
    results: Sequence[Result], conclusion: Conclusion
) -> PredictedNumbers | None:
    """Return what the recommended model predicts for at most 500 rows; None of other tasks, and if
    none is recommended."""
    use = "" if conclusion.advice is None else conclusion.advice.use
    result = next(
        (one for one in results if one.name == use and one.tested.outcome.is_number),
        None,
    )
    forecasts = None if result is None else result.forecasts()
    if forecasts is None:
        return None
    rows = np.random.default_rng(0).permutation(len(forecasts[0]))[:_MOST_DRAWN]
    observed, predicted = (
        tuple(values[rows].astype(float).tolist()) for values in forecasts
    )
    return PredictedNumbers(model=use, predicted=predicted, observed=observed)


def conclude_results(run: Results) -> Conclusion:
    """Return what the first screen shows of the results of a run, in a fraction of the time of
    `add_details`: verdicts, ranking, advice and checks.

    There are no curves, no lottery, no confusion and no calibration, and a score is computed when
    it is read.
    """
    experiment, splits, results = run.experiment, run.splits, run.results
    design = experiment.design
    margin = margin_of(experiment, results)
    of_prior = results[0].tested.loss_of_prior(experiment.metric)
    named = experiment.request.get("design", {}).get("metric") is not None
    opened = Conclusion(
        kind="comparison",
        reference=reference_of(experiment, results),
        **{name: vars(experiment)[name] for name in ("command", "alpha")},
        **table_of(experiment.table),
        metric=DecidingScore.of(
            METRICS[experiment.metric], margin, of_prior, named=named
        ),
        interval={"cross_validation": "corrected", "held_out": "held_out"}.get(
            design.kind
        ),
        plan=PlanSummary(
            **{name: vars(design)[name] for name in _OF_DESIGN},
            most_repeats=run.specification.get("design", {}).get(
                "repeats", design.repeats
            ),
            networks=experiment.n_networks,
            n_train=round(float(np.mean([len(split.train) for split in splits]))),
            n_test=round(float(np.mean([len(split.test) for split in splits]))),
            n_unused=experiment.table.n_rows
            - len(splits[0].train)
            - len(splits[0].test),
            sample_of=None if experiment.whole is None else experiment.whole.n_rows,
            random_state=experiment.random_state,
            recipe=experiment.usual_recipe,
        ),
        specification=run.specification,
        seconds=round(run.seconds, 2),
        survival=_survival(experiment.table),
    )
    judged = add_verdicts(opened, experiment, results)
    checks = training_checks(experiment, results, judged)
    is_of_columns = experiment.columns is not None
    if experiment.columns is not None:
        columns = _with_effects(experiment.columns, experiment, judged, results)
        judged = replace(judged, columns=columns, advice=None, optimism={})
        of_all = (check for check in checks if check.candidate == experiment.reference)
        checks = tuple(replace(check, candidate=columns.model) for check in of_all)
    judged = replace(judged, checks=checks, candidates=_candidates(run, whole=False))
    return judged if is_of_columns else replace(judged, sites=_sites(run, judged))


def _sites(run: Results, judged: Conclusion) -> Sites | None:
    """Return the scores at each site of the model that is shown first; None without sites, or
    without predictions."""
    use = judged.reference if judged.advice is None else judged.advice.use
    result = next((one for one in run.results if one.name == use), None)
    table = run.experiment.table
    if not table.has_sites or result is None or not result.finite:
        return None
    return sites_of(table, result, judged)


def add_verdicts(
    opened: Conclusion, experiment: Experiment, results: Sequence[Result]
) -> Conclusion:
    """Return a conclusion with the verdicts, the ranking and the advice that the results
    support."""
    usable = {result.name: result for result in results if result.finite}

    def gains(name: str) -> bool:
        """Return whether a network is shown to be better than guessing, if guessing isn't among the
        baselines."""
        estimate = difference(
            guessing_like(usable[name]), usable[name], experiment.metric
        )
        return check_against(name, PRIOR, estimate=estimate) is None

    conclusion = conclude(
        opened,
        evidence_of(results, experiment.metric),
        without=without_verdict(results, opened.reference, experiment.metric),
        separate_question=PRIOR,
        sizes=_sizes(experiment),
        contrasts=()
        if experiment.columns is not None
        else questions_of(experiment.lines),
        gains=gains,
        is_blend=opened.reference == AUTO,
    )
    advice = conclusion.advice
    is_challenger = advice is not None and advice.use != conclusion.reference
    # What a choice changes is known of means over rows only.
    if not is_challenger or METRICS[experiment.metric].row_loss is None:
        return conclusion
    ranked = [usable[name] for name in conclusion.ranking]
    shown = conclusion.metric.shown
    optimism = _optimism(experiment, ranked)
    if optimism and shown.zero is not None:
        optimism[shown.name] = optimism[experiment.metric] / shown.zero
    return replace(conclusion, optimism=optimism)


def reference_of(experiment: Experiment, results: Sequence[Result]) -> str:
    """Return the model that the others are compared with: that of the experiment, or the first
    other one if it couldn't be fitted and the user didn't name it."""
    names = [
        result.name for result in results if result.finite and result.name != PRIOR
    ]
    is_named = experiment.request.get("design", {}).get("reference") is not None
    is_missing = experiment.reference not in (*names, PRIOR) and not is_named
    return names[0] if is_missing and names else experiment.reference


def _sizes(experiment: Experiment) -> dict[str, float]:
    """Return how complex each model is that can be simpler than another: first the prior, then
    linear models, trees, and networks by their layers and parameters."""
    sizes = {}
    for line in experiment.lines:
        architecture = None if line.candidate is None else line.candidate.architecture
        if isinstance(architecture, Prior):
            sizes[line.name] = 0.0
        elif isinstance(architecture, Regression):
            sizes[line.name] = 1.0
        elif isinstance(architecture, Trees):
            sizes[line.name] = 2.0
        elif isinstance(architecture, MLP):
            sizes[line.name] = (
                3.0 + len(architecture.widths) + line.n_parameters / _MOST_PARAMETERS
            )
    return sizes


def _optimism(experiment: Experiment, results: Sequence[Result]) -> dict[str, float]:
    """Return by how much scores of the best model look too good because it was chosen by these
    rows.

    Only scores that are means over rows are corrected. With many rows it is below a tenth of a
    point.
    """
    if (
        len(results) < 2
        or not experiment.design.has_verdict
        or len(results[0].tested.rows) > _MOST_ROWS
    ):
        return {}
    first = results[0]
    rows = results[0].tested.rows

    def losses(metric: str) -> dict[str, npt.NDArray[np.float64]]:
        return {
            one.name: one.row_losses(metric)[:, :, rows].mean(axis=(0, 1))
            for one in results
        }

    choosing = losses(experiment.metric)
    in_words = first.tested.outcome.in_words or experiment.metric
    groups = first.tested.groups_of_rows
    resamples = _RESAMPLES
    return {
        metric: optimism(
            choosing,
            losses(metric),
            resample_weights(len(rows), n_resamples=resamples, groups=groups),
        )
        for metric in dict.fromkeys((experiment.metric, in_words))
    }


def margin_of(experiment: Experiment, results: Sequence[Result]) -> Margin:
    """Return the difference that matters, by the rule that the specification has frozen."""
    if experiment.margin_given:
        return Margin(experiment.margin, "given")
    reference = next(
        (
            result
            for result in results
            if result.name == experiment.reference and result.finite
        ),
        None,
    )
    error = (
        np.inf
        if reference is None
        else float(reference.losses(experiment.metric).mean())
    )
    return margin_beside(experiment.metric, experiment.margin, error)


def guessing_like(like: Result) -> Result:
    """Return the predictions of the training rows' class frequencies or mean, on the splits of
    another result."""
    return Result(tested=like.tested, name=PRIOR, predictions=like.tested.guess)


def training_checks(
    experiment: Experiment, results: Sequence[Result], conclusion: Conclusion
) -> tuple[Check, ...]:
    """Return the checks that fire, candidate by candidate."""
    finite = {result.name: result for result in results if result.finite}
    diagnosed: list[Check] = []
    for result in results:
        if isinstance(result, NetworkResult):
            diagnosed += filter(None, _checks(experiment, result, finite, conclusion))
    return tuple(diagnosed)


def _checks(
    experiment: Experiment,
    result: NetworkResult,
    others: Mapping[str, Result],
    conclusion: Conclusion,
) -> Iterator[Check | None]:
    name = result.name
    if result.confined:
        yield check_confined_outputs(name, kind=result.confined)
        return
    train, test = result.curves[0], result.curves[2]
    # Networks learn the standardised target, for which predicting the mean has a loss of 1.
    numeric = experiment.table.outcome.is_number
    if result.recipe.leaves_out and experiment.n_networks > 1:
        yield check_stopped_at_the_end(
            name, epochs=result.epochs, most=result.recipe.n_epochs
        )
    else:
        prior = (
            1.0 if numeric else prior_loss("log_loss", experiment.fitted_table.target)
        )
        repeats = len(result.predictions)
        shape = (repeats, len(result.tested.splits) // repeats, result.n_networks)
        yield check_epochs(
            name, train_loss=train, test_loss=test, shape=shape, prior_loss=prior
        )
    train, test = result.used(0)[None], result.used(2)[None]
    if not result.failure:
        yield check_diverged(
            name,
            train_loss=train,
            test_loss=test,
            predictions_finite=result.finite,
            n_networks=result.n_networks,
        )
    if not (result.finite and experiment.design.has_verdict):
        return

    yield check_against(
        name,
        PRIOR,
        estimate=difference(guessing_like(result), result, experiment.metric),
    )
    kind = experiment.table.outcome.linear
    if kind in others and conclusion.reference != kind:
        # At the level of the verdicts, so that no check contradicts an undecided verdict on the
        # same two.
        n = count_comparisons(
            list(others), reference=conclusion.reference, separate_question=PRIOR
        )
        estimate = difference(others[kind], result, experiment.metric, comparisons=n)
        small = is_small(estimate, conclusion.metric.margin, estimate.alpha)
        if decide(low=estimate.low, high=estimate.high, is_small=small) == "worse":
            yield check_against(name, kind, estimate=estimate)


def _candidates(run: Results, *, whole: bool) -> tuple[CandidateSummary, ...]:
    words = {
        line.name: few_words(line, run.experiment.table.task)
        for line in run.experiment.lines
    }
    return tuple(
        replace(one.summary(whole=whole), few_words=words[one.name])
        for one in run.results
    )


def _with_effects(
    columns: Columns,
    experiment: Experiment,
    judged: Conclusion,
    results: Sequence[Result],
) -> Columns:
    """Return what leaving out columns changes, by the verdicts and by what the first model adds to
    the others."""
    without = {name: unit.without for unit in experiment.units for name in unit.names}
    whole, *others = results
    gains = dict[str, Estimate]()
    # Of a single network, or of an estimator that draws random numbers, noise looks like what a
    # column adds.
    for other in (
        others if whole.singles is not None and whole.singles.shape[1] > 1 else ()
    ):
        if (verdict := judged.verdict(other.name)) is not None:
            gain = added(
                whole, other, experiment.metric, comparisons=verdict.comparisons
            )
            gains |= {} if gain is None else {other.name: gain}
    return replace(
        columns,
        effects=effects_of(
            {other.name: without[other.name] for other in others},
            judged.verdicts,
            gains,
        ),
    )


def table_of(table: Table) -> dict[str, Any]:
    """Return the fields of a summary on the table, its target and its notes: rows of each label, or
    mean and deviation."""
    about = {
        "table": table.name,
        "target": table.target_name,
        "task": table.task,
        "n_rows": table.n_rows,
        "n_features": table.n_features,
        "notes": table.notes,
    }
    if table.outcome.is_number:
        return about | {
            "target_mean": float(table.target.mean()),
            "target_sd": float(table.target.std()),
        }
    counts = np.bincount(table.target, minlength=len(table.labels))
    return about | {
        "labels": dict(zip(table.labels, counts.tolist(), strict=True)),
        "majority_share": float(counts.max() / counts.sum()),
    }


def _survival(
    table: Table, judged: Conclusion | None = None, results: Sequence[Result] = ()
) -> SurvivalSummary | None:
    """Return the follow-up of a table, and what the model that a conclusion recommends predicts;
    None of other tasks.

    Predictions are out of fold, averaged over the repeats. A band holds 95 % of those of single
    networks.
    """
    if table.durations is None or table.follow_up is None:
        return None
    horizon = table.follow_up.horizon
    times = table.durations
    events = table.target == 1
    grid = np.concatenate([[0.0], table.follow_up.grid])
    within = times <= horizon
    whole = observed_curve("all rows", times, events, grid, np.empty((0, len(grid))))
    summary = SurvivalSummary(
        time=table.follow_up.time,
        horizon=horizon,
        n_events=int((within & events).sum()),
        n_censored=int((within & ~events).sum()),
        grid=tuple(np.round(grid, 6).tolist()),
        everyone=whole,
        unit=table.follow_up.unit,
    )
    name = "" if judged is None or judged.advice is None else judged.advice.use
    result = next((one for one in results if one.name == name and one.finite), None)
    if result is None or name == PRIOR:
        return summary
    rows = result.tested.rows
    alive = ((0, 0), (1, 0))
    of_rows = np.pad(
        result.predictions[:, :, rows].mean(axis=(0, 1)), alive, constant_values=1.0
    )  # [row, time]
    order = np.argsort(of_rows[:, -1], kind="stable")
    parts = zip(
        ("high risk", "middle risk", "low risk"), np.array_split(order, 3), strict=True
    )
    typical = order[((np.arange(4) + 0.5) / 4 * len(order)).astype(np.intp)]
    single = result.sets(single=True)
    bands = [
        np.pad(
            single[:, :, rows[row]].reshape(-1, len(grid) - 1),
            alive,
            constant_values=1.0,
        )
        for row in typical
    ]
    return replace(
        summary,
        model=name,
        groups=tuple(
            observed_curve(
                words, times[rows[some]], events[rows[some]], grid, of_rows[some]
            )
            for words, some in parts
        ),
        rows=tuple(
            predicted_curve(words, of_rows[row], band)
            for words, row, band in zip(_TYPICAL, typical, bands, strict=True)
        ),
    )


def _mean_gain(tested: Tested, gains: Floats) -> Estimate:
    """Return the mean of gains of two classes [repeat, row] over the tested rows, with its
    error."""
    rows = tested.rows
    groups = tested.groups_of_rows
    if tested.design.kind == "held_out":
        ours = np.zeros((1, len(rows)))
        return paired_hold_out(
            gains[:1, rows], ours, groups=groups, times=tested.times_of_rows
        )
    labels = tested.target[rows]
    negative, positive = (gains[:, rows[labels == label]].mean() for label in (0, 1))
    share = float(labels.mean())
    # Stratified folds hide it.
    between = share * (1 - share) * float(positive - negative) ** 2 / len(rows)
    means = [gains[split.repeat, split.test].mean() for split in tested.splits]
    folds = np.reshape(means, (len(gains), -1))
    return corrected_t(folds, groups=groups, between_classes=between)


def net_benefit_of(results: Sequence[Result], model: str) -> NetBenefit | None:
    """Return the net benefit of models of two classes by their out-of-fold predictions, and how far
    it is from that of one of them; None if that is the prior, where no verdict is due, and where no
    threshold makes sense."""
    usable = {
        one.name: one
        for one in results
        if one.finite and one.tested.outcome.has_threshold and one.name != PRIOR
    }
    if model not in usable or not usable[model].tested.design.has_verdict:
        return None
    first = usable[model]
    y = first.tested.target
    share = float(y[first.tested.rows].mean())
    least, most = (
        reach * share / (reach * share + 1 - share) for reach in (1 / _REACH, _REACH)
    )
    at = [threshold for threshold in _AT if least < threshold < most][:_MOST]
    if not at:  # as where all rows are of one class
        return None
    forecasts = {
        name: np.asarray(one.predictions.mean(axis=1), dtype=np.float64)
        for name, one in usable.items()
    }
    forecasts |= {
        TREATING_ALL: np.ones_like(forecasts[model]),
        TREATING_NONE: np.zeros_like(forecasts[model]),
    }
    weights = np.zeros((len(first.predictions), len(y)))  # each fold counts equally
    for split in first.tested.splits:
        weights[split.repeat, split.test] = (
            1 / len(split.test) / len(first.tested.splits)
        )

    def benefits(name: str, threshold: float) -> Floats:
        """Return what each row adds [repeat, row]."""
        return np.where(y == 1, 1.0, -threshold / (1 - threshold)) * (
            forecasts[name] > threshold
        )

    def difference(name: str, threshold: float) -> Interval:
        gains = benefits(name, threshold) - benefits(model, threshold)
        estimate = _mean_gain(first.tested, gains)
        found = of_net_benefit(
            estimate,
            threshold,
            len(first.tested.rows),
            alpha=first.tested.alpha,
            comparisons=len(forecasts) - 1,
        )
        return found.times(1)

    thresholds = np.unique([*at, *np.linspace(least, most, _POINTS).round(6)])

    def curve(name: str) -> tuple[float, ...]:
        n_below = np.searchsorted(thresholds, forecasts[name]).ravel()
        wrong, right = (
            np.bincount(n_below, (weights * (y == label)).ravel(), len(thresholds) + 1)[
                :0:-1
            ].cumsum()[::-1]
            for label in (0, 1)
        )
        return tuple((right - wrong * thresholds / (1 - thresholds)).round(6).tolist())

    return NetBenefit(
        model=model,
        thresholds=tuple(thresholds.tolist()),
        curves={name: curve(name) for name in forecasts},
        at=tuple(at),
        differences={
            name: tuple(difference(name, one) for one in at)
            for name in forecasts
            if name != model
        },
    )


def _curves(results: Results) -> Curves:
    """Return training and test curves of every candidate: means, bands, some single networks."""
    experiment, splits, networks = results.experiment, results.splits, results.networks
    size = (
        f"{counted(len(splits), 'split')} x {counted(experiment.n_networks, 'network')}"
    )
    if experiment.table.outcome.is_expanded:
        size += "; of the intervals of rows"
    if any(len(set(one.epochs.tolist())) > 1 for one in networks):
        size += ", at their last values once they stop"
    of_most = ", of most" * (len({one.description for one in networks}) > 1)
    n_single = (
        0 if len(networks) > 1 else MOST_GHOSTS
    )  # those of several candidates aren't drawn
    return Curves(
        score_name="R2" if experiment.table.outcome.is_number else "accuracy",
        title=f"{experiment.table.target_name} of {experiment.table.name}",
        subtitle=f"{experiment.usual_recipe}{of_most}; {size}",
        candidates=tuple(
            summarize_curves(
                one.name, one.by_name(), stopped=~one.diverged, max_ghosts=n_single
            )
            for one in networks
        ),
    )


def _lotteries(
    experiment: Experiment, results: Sequence[Result], reference: str
) -> Lotteries:
    """Return what single runs, each with one fold and one seed, would have shown, alone and beside
    the reference.

    Models with predictions that aren't finite are left out, and so is predicting the class
    frequencies.
    """
    finite = {result.name: result for result in results if result.finite}
    shown = {name: result for name, result in finite.items() if name != "prior"}
    outcome = experiment.table.outcome
    name, loss = outcome.of_single_runs
    scores = {
        model: 1 - result.losses(loss, single=True) for model, result in shown.items()
    }
    score = lottery(scores, name=name, words=METRICS[name].words)
    if reference not in finite:
        return Lotteries(score=score)
    metric = experiment.metric
    ours = finite[reference].losses(metric, single=True)
    pairs = dict[str, Floats]()
    for one, result in shown.items():
        if one != reference:
            theirs = result.losses(metric, single=True)[: len(ours)]
            # The seeds of two models are unrelated, so all their pairs are counted.
            pairs[one] = (
                ours[: len(result.predictions), :, :, None] - theirs[:, :, None, :]
            )
    difference = lottery(
        pairs, name=metric, words=METRICS[metric].words, differences=True
    )
    return Lotteries(score=score, difference=difference)

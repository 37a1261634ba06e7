"""Verdicts within the subgroups of rows, from out-of-fold predictions: nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.data.by_column import Grouping
from seedbed.errors import OptionError, spell
from seedbed.evaluation.analyses import Gap, GapRule, Subgroup, Subgroups
from seedbed.evaluation.conclusion import count_comparisons, decide_all
from seedbed.evaluation.estimates import (
    Estimate,
    Interval,
    corrected_t,
    holm,
    paired_hold_out,
)
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.protocol import too_few
from seedbed.evaluation.summaries import Conclusion, Score
from seedbed.evaluation.verdicts import Verdict, fold_differences, seed_noise
from seedbed.model.portfolio import AUTO, PRIOR
from seedbed.scoring import Result, evidence_of, score
from seedbed.typing import Ints


def check_metric(metric: str) -> None:
    """Raise OptionError if rows don't have a metric: it is a score of a fold."""
    if METRICS[metric].row_loss is None:
        message = (
            f"'{metric}' is a score of a fold, and a subgroup may have few rows in it"
        )
        raise OptionError(message, f"Leave {spell('metric')} or {spell('by')} out.")


def subgroups_of(
    results: Sequence[Result], grouping: Grouping, conclusion: Conclusion
) -> Subgroups:
    """Return the verdicts within subgroups, and whether gains differ between them.

    All models are judged in all subgroups that have enough rows, and intervals hold together: over
    models by Dunnett's quantile as always, over subgroups by Bonferroni's. Nested intervals aren't
    defined for parts of rows, so the corrected t takes their place.

    Args:
        grouping: of the rows of the compared table.
        conclusion: of the results. Gains are over its reference if that was named, else over the
            simple model that the run has in its place.
    """
    check_metric(metric := conclusion.metric.name)
    conclusion = replace(
        conclusion,
        reference=conclusion.specification.get("reference", conclusion.reference),
    )
    usable = {result.name: result for result in results if result.finite}
    tested = results[0].tested.rows
    due = conclusion.interval is not None and conclusion.reference in usable
    members = {name: grouping.codes == code for code, name in enumerate(grouping.names)}
    unjudged = next(
        (one.reason for one in conclusion.no_verdict),
        "nothing is compared with the reference",
    )
    reasons = {
        name: _too_few(results[0], tested[rows[tested]]) or ("" if due else unjudged)
        for name, rows in members.items()
    }
    judged = {
        name: {
            one: replace(result, tested=replace(result.tested, part=rows))
            for one, result in usable.items()
        }
        for name, rows in members.items()
        if not reasons[name]
    }
    groups = [
        Subgroup(
            name=name,
            n_rows=int(rows[tested].sum()),
            reason=reasons[name],
            scores={
                one: _interval(score(metric, part))
                for one, part in judged.get(name, {}).items()
            },
            calibration={
                one: _calibration(part, len(judged))
                for one, part in judged.get(name, {}).items()
            },
            verdicts=_verdicts(judged[name], conclusion, len(judged))
            if name in judged
            else (),
        )
        for name, rows in members.items()
    ]
    ranked = [
        name for name in conclusion.ranking if name not in (conclusion.reference, PRIOR)
    ]
    use = (
        conclusion.advice.use if conclusion.advice is not None else conclusion.reference
    )
    return Subgroups(
        column=grouping.column,
        reference=conclusion.reference,
        model=use
        if use != conclusion.reference
        else next(iter([*ranked, conclusion.reference])),
        subgroups=tuple(groups),
        gaps=_gaps(judged, conclusion, len(tested)) if len(judged) > 1 else (),
    )


def _too_few(result: Result, rows: Ints) -> str:
    """Return why there can be no verdict on some tested rows; empty if there can be one."""
    return too_few(
        len(rows),
        result.tested.outcome.n_outside(result.tested, rows),
        None
        if result.tested.groups is None
        else len(np.unique(result.tested.groups[rows])),
    )


def _interval(value: Score | Estimate) -> Interval:
    return Interval(
        mean=value.mean or 0.0, low=value.low or 0.0, high=value.high or 0.0
    )


def _calibration(part: Result, n_subgroups: int) -> Interval:
    """Return the mean prediction minus the mean of what was observed; the error is that of rows.
    The share that survives is the mean of the weights of those who do."""
    forecasts = part.forecasts()
    assert forecasts is not None
    observed, predicted = (one.astype(np.float64)[None] for one in forecasts)
    if part.tested.followed is not None:
        observed = np.maximum(observed, 0.0)
    about: dict[str, Any] = {
        "groups": part.tested.groups_of_rows,
        "times": part.tested.times_of_rows,
    }
    return _interval(
        paired_hold_out(
            predicted, observed, alpha=part.tested.alpha / n_subgroups, **about
        )
    )


def _comparisons(names: Sequence[str], reference: str, name: str) -> int:
    """Return how many comparisons of models hold together with that of a name."""
    return (
        1
        if name == PRIOR
        else count_comparisons(names, reference=reference, separate_question=PRIOR)
    )


def _verdicts(
    parts: Mapping[str, Result], conclusion: Conclusion, n_subgroups: int
) -> tuple[Verdict, ...]:
    """Return the verdicts on all models in one of several subgroups."""
    reference, metric = conclusion.reference, conclusion.metric.name
    parts = {
        **parts,
        reference: replace(
            parts[reference],
            tested=replace(
                parts[reference].tested, alpha=conclusion.alpha / n_subgroups
            ),
        ),
    }
    evidence = replace(
        evidence_of([*parts.values()], metric),
        in_accuracy=None,
        n_rows=None,
        n_train=None,
    )
    estimates = {
        name: evidence.difference(
            reference, name, _comparisons(list(parts), reference, name)
        )
        for name in parts
        if name != reference
    }
    known = {
        name: one
        for name, one in estimates.items()
        if one.low < one.high or one.mean == 0
    }
    verdicts = decide_all(conclusion, evidence, known, is_blend=reference == AUTO)
    return tuple(
        replace(
            one,
            comparisons=n_subgroups * one.comparisons,
            p_adjusted=min(1.0, n_subgroups * one.p_adjusted),
        )
        for one in verdicts
    )


def _gaps(
    judged: Mapping[str, Mapping[str, Result]],
    conclusion: Conclusion,
    n_tested: int,
) -> tuple[Gap, ...]:
    """Return, for all models and subgroups, whether the gain differs from that in all other
    rows."""
    reference = conclusion.reference
    subgroups = list(judged)
    names = list(judged[subgroups[0]])
    if (
        len(judged) == 2
        and sum(len(parts[reference].tested.rows) for parts in judged.values())
        == n_tested
    ):
        subgroups = subgroups[:1]  # the other one has the same gap, with the other sign
    estimates = {
        (name, subgroup): _gap(
            judged[subgroup][reference],
            judged[subgroup][name],
            conclusion.metric.name,
            alpha=conclusion.alpha / len(subgroups),
            comparisons=_comparisons(names, reference, name),
        )
        for name in names
        if name != reference
        for subgroup in subgroups
    }
    adjusted: dict[tuple[str, str], float] = {}
    for alone in (False, True):  # the prior is a question of its own
        family = [pair for pair in estimates if (pair[0] == PRIOR) == alone]
        adjusted |= dict(
            zip(
                family,
                holm([estimates[pair].p for pair in family]).tolist(),
                strict=True,
            )
        )
    margin = conclusion.metric.margin
    gaps = list[Gap]()
    for (name, subgroup), gain in estimates.items():
        rule: GapRule = "cannot_tell" if gain.low <= 0 <= gain.high else "differs"
        rule = (
            "no_practical_difference"
            if -margin < gain.low and gain.high < margin
            else rule
        )
        interval = (gain.mean, gain.low, gain.high)
        p_values = {"p": gain.p, "p_adjusted": adjusted[name, subgroup]}
        gaps.append(
            Gap(*interval, candidate=name, subgroup=subgroup, rule=rule, **p_values)
        )
    return tuple(gaps)


def _gap(
    reference: Result,
    candidate: Result,
    metric: str,
    *,
    alpha: float,
    comparisons: int,
) -> Estimate:
    """Return the gain in a subgroup minus that in all other rows, with the interval that suits the
    design."""
    pair = reference, candidate
    tested = reference.tested
    level: dict[str, Any] = {"alpha": alpha, "comparisons": comparisons}
    rest = replace(tested, part=~np.asarray(tested.part))
    rests = [replace(part, tested=rest) for part in pair]
    if tested.design.kind == "held_out":
        rows = np.sort(np.concatenate([tested.rows, rest.rows]))
        ours, theirs = (
            centre - of_rest + len(rows) * (inside - outside)[0][:, rows]
            for (centre, inside), (of_rest, outside) in zip(
                (part.shares(metric) for part in pair),
                (part.shares(metric) for part in rests),
                strict=True,
            )
        )
        groups, times = (
            None if one is None else one[rows] for one in (tested.groups, tested.times)
        )
        return paired_hold_out(ours, theirs, groups=groups, times=times, **level)
    n = min(len(part.predictions) for part in pair)
    ours, theirs = (
        (inside.losses(metric) - outside.losses(metric))[:n]
        for inside, outside in zip(pair, rests, strict=True)
    )
    level |= {"groups": tested.groups_of_rows, "seed_noise": seed_noise(ours, theirs)}
    return corrected_t(fold_differences(ours, theirs), **level)

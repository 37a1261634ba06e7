"""Verdicts on candidates by their out-of-fold predictions, with the interval that suits the design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedbed.evaluation import (
    Estimate,
    HoldOut,
    Verdict,
    corrected_t,
    fold_differences,
    judge_all,
    nested_interval,
    paired_hold_out,
)
from seedbed.scoring.predictions import Result

__all__ = ["NoVerdict", "difference", "verdicts_on"]


@dataclass(frozen=True)
class NoVerdict:
    """A candidate without a verdict, and why."""

    candidate: str
    reason: str


def difference(reference: Result, candidate: Result, metric: str, *, comparisons: int = 1) -> Estimate:
    """Return the loss of the reference minus that of the candidate, with the interval that suits the design.

    Locked rows: the error of rows and seeds. Predictions for pairs of folds: nested cross-validation. Else the
    corrected t. The error level is the reference's `alpha`.
    """
    alpha = reference.alpha
    if reference.design.kind == "held_out":
        ours, theirs = (one.row_losses(metric)[0][:, one.tested] for one in (reference, candidate))
        return paired_hold_out(ours, theirs, groups=reference.tested_groups, alpha=alpha, comparisons=comparisons)
    if reference.pairs is None:
        x = fold_differences(reference.losses(metric), candidate.losses(metric))
        return corrected_t(x, alpha=alpha, comparisons=comparisons)
    outer = reference.row_losses(metric).mean(axis=1) - candidate.row_losses(metric).mean(axis=1)
    inner = reference.pair_losses(metric).mean(axis=2) - candidate.pair_losses(metric).mean(axis=2)
    folds = np.empty(outer.shape, dtype=np.int64)
    for split in reference.splits:
        folds[split.repeat, split.test] = split.fold
    return nested_interval(outer, inner, folds, alpha=alpha, comparisons=comparisons)


def verdicts_on(
    results: Sequence[Result], reference: str, metric: str, *, margin: float, tried: int = 0
) -> tuple[tuple[Verdict, ...], tuple[NoVerdict, ...]]:
    """Return the verdicts on all results except the reference, and the candidates without one.

    Args:
        results: of the same splits, the reference among them.
        margin: the difference that matters, in units of the loss.
        tried: discarded attempts; each counts as one more comparison.
    """
    usable = {result.name: result for result in results if result.finite}
    others = [result.name for result in results if result.name != reference]
    design = results[0].design
    if not design.has_verdict:
        return (), tuple(NoVerdict(name, design.reason) for name in others)
    if reference not in usable:
        reason = f"some predictions of the reference, {reference}, aren't finite"
        return (), tuple(NoVerdict(name, reason) for name in others)
    without = tuple(NoVerdict(name, "some of its predictions aren't finite") for name in others if name not in usable)
    judged = [name for name in others if name in usable]
    if not judged:
        return (), without
    ours, n = usable[reference], len(judged) + tried
    found = {name: difference(ours, usable[name], metric, comparisons=n) for name in judged}
    in_accuracy, errors = None, None
    if ours.task != "regression":
        in_accuracy = {name: difference(ours, usable[name], "accuracy", comparisons=n) for name in judged}
        errors = {name: usable[name].losses("accuracy") for name in (reference, *judged)}
    verdicts = judge_all(
        {name: usable[name].losses(metric) for name in (reference, *judged)},
        reference=reference,
        metric=metric,
        margin=margin,
        n_rows=len(ours.target),
        errors=errors,
        alpha=ours.alpha,
        intervals=found,
        accuracy_intervals=in_accuracy,
        n_train=round(float(np.mean([len(split.train) for split in ours.splits]))),
        task=ours.task,
        tried=tried,
    )
    return tuple(_of_locked_rows(verdict, found[verdict.candidate]) for verdict in verdicts), without


def _of_locked_rows(verdict: Verdict, found: Estimate) -> Verdict:
    """Return a verdict with the seeds' share by the estimate: on locked rows there are no folds to see it by."""
    if not isinstance(found, HoldOut):
        return verdict
    known = verdict.seed_share is not None and found.se > 0
    share = found.variance_seeds / found.se**2 if known else None
    return replace(verdict, seed_share=share, held_out=True)

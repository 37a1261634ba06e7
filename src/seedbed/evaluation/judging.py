"""From the losses of single runs to verdicts: seeds are averaged inside each fold first, then the folds are tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from seedbed.errors import OptionError, TrainingError, did_you_mean
from seedbed.evaluation.estimates import Estimate, corrected_t, holm, p_better, rows_factor, rows_needed
from seedbed.evaluation.lottery import paired_runs
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.verdicts import AccuracyDifference, Verdict, decide
from seedbed.typing import Floats

__all__ = ["fold_differences", "judge", "judge_all"]


def fold_differences(reference_losses: ArrayLike, candidate_losses: ArrayLike) -> Floats:
    """Return x_rj [repeat, fold]: the reference's loss minus the candidate's loss, each a mean over seeds.

    Args:
        reference_losses, candidate_losses: [repeat, fold, seed], mean loss over the fold's test rows. The numbers of
            seeds may differ (a baseline has one).

    Raises:
        ValueError: the shapes don't fit.
    """
    ours, theirs = _both(reference_losses, candidate_losses)
    return np.asarray(ours.mean(axis=2) - theirs.mean(axis=2), dtype=np.float64)


def opposite_share(reference_losses: ArrayLike, candidate_losses: ArrayLike) -> float:
    """Return the share of single runs whose difference has the opposite sign of the overall one; 0 if that is 0.

    Single runs as in `paired_runs`, [repeat, fold, seed] as in `fold_differences`.
    """
    ours, theirs = _both(reference_losses, candidate_losses)
    overall = np.sign(fold_differences(ours, theirs).mean())
    return float(np.mean(paired_runs(ours, theirs) * overall < 0))


def seed_share(reference_losses: ArrayLike, candidate_losses: ArrayLike) -> float | None:
    """Return the share of seeds in the variance of x_rj: the sum of s^2_seed / S of both over that variance, at most
    1.

    It is the paired form of `variance_shares`, since the seeds of two candidates don't pair. A candidate with one
    seed (a baseline) adds nothing; None if both have one. [repeat, fold, seed] as in `fold_differences`.
    """
    both = _both(reference_losses, candidate_losses)
    if all(one.shape[2] == 1 for one in both):
        return None
    of_seeds = sum(float(one.var(axis=2, ddof=1).mean()) / one.shape[2] for one in both if one.shape[2] > 1)
    x = fold_differences(*both)
    total = float(x.var(ddof=1)) if x.size > 1 else 0.0
    return min(1.0, of_seeds / total) if total > 0 else 0.0


def judge(
    reference_losses: ArrayLike,
    candidate_losses: ArrayLike,
    *,
    reference: str,
    candidate: str,
    metric: str,
    margin: float,
    n_rows: int | None,
    reference_errors: ArrayLike | None = None,
    candidate_errors: ArrayLike | None = None,
    alpha: float = 0.05,
    comparisons: int = 1,
    interval: Estimate | None = None,
    accuracy_interval: Estimate | None = None,
    n_train: int | None = None,
    task: str = "binary",
    greater_is_better: bool | None = None,
) -> Verdict:
    """Return the verdict on one candidate. For several candidates use `judge_all`, which also adjusts p-values after
    Holm.

    Args:
        reference_losses, candidate_losses: [repeat, fold, seed], mean primary loss over the fold's test rows.
        margin: the difference that matters, in units of the loss.
        n_rows: rows of the table; None if that isn't known.
        n_train: rows of each training; None means n_rows (k-1)/k.
        reference_errors, candidate_errors: [repeat, fold, seed], zero-one loss likewise; None for regression.
        alpha, comparisons: intervals are at 1 - alpha / comparisons.
        interval, accuracy_interval: instead of the corrected t, from `nested_interval` or `paired_hold_out`.
        task: binary, multiclass or regression; it bounds what two losses can be apart.
        greater_is_better: of the score behind the loss; None for one of `METRICS`.

    Raises:
        TrainingError: a run's loss isn't finite, so no verdict is due; its message names the candidate.
        OptionError: the margin isn't positive.
        ValueError: shapes don't fit, or an interval has another alpha or comparisons.
    """
    ours, theirs = _both(reference_losses, candidate_losses)
    _refuse_diverged((reference, ours), (candidate, theirs))
    largest = METRICS[metric].largest_loss(task) if metric in METRICS else np.inf
    found = _estimate(ours, theirs, interval, alpha, comparisons, largest)
    return Verdict(
        candidate=candidate,
        reference=reference,
        rule=decide(low=found.low, high=found.high, margin=margin),
        metric=metric,
        difference=found.mean,
        low=found.low,
        high=found.high,
        margin=margin,
        p=found.p,
        p_adjusted=min(1.0, found.p * comparisons),
        p_better=p_better(found),
        p_better_by_margin=p_better(found, margin),
        opposite_share=opposite_share(ours, theirs),
        accuracy=_in_accuracy(reference_errors, candidate_errors, accuracy_interval, alpha, comparisons),
        rows_needed=None if n_rows is None else rows_needed(found, n_rows=n_rows, margin=margin),
        rows_factor=rows_factor(found, margin=margin),
        seed_share=seed_share(ours, theirs),
        n_rows=n_rows,
        n_train=round(n_rows * (1 - 1 / ours.shape[1])) if n_train is None and n_rows is not None else n_train,
        comparisons=comparisons,
        greater_is_better=greater_is_better,
    )


def judge_all(
    losses: Mapping[str, ArrayLike],
    *,
    reference: str,
    metric: str,
    margin: float,
    n_rows: int | None,
    errors: Mapping[str, ArrayLike] | None = None,
    alpha: float = 0.05,
    intervals: Mapping[str, Estimate] | None = None,
    accuracy_intervals: Mapping[str, Estimate] | None = None,
    n_train: int | None = None,
    task: str = "binary",
    tried: int = 0,
    greater_is_better: bool | None = None,
) -> tuple[Verdict, ...]:
    """Return the verdict on every candidate except the reference, in the order of `losses`.

    Intervals hold together at 1 - alpha / (candidates - 1 + tried); p-values are adjusted after Holm (1979). The two
    may disagree at the edge, since Holm is less conservative. The rules follow the intervals.

    Args:
        losses: name -> [repeat, fold, seed], mean primary loss, the reference included. errors: zero-one loss likewise.
        intervals, accuracy_intervals: name -> `Estimate` instead of the corrected t.
        tried: attempts that were thrown away; each counts as one more comparison.
        The rest as in `judge`.

    Raises:
        OptionError: the reference isn't among the candidates.
        TrainingError, ValueError: as `judge`; leave diverged candidates out beforehand.
    """
    if reference not in losses:
        raise OptionError(f"The reference '{reference}' is not among the candidates", did_you_mean(reference, losses))
    names = [name for name in losses if name != reference]
    verdicts = [
        judge(
            losses[reference],
            losses[name],
            reference=reference,
            candidate=name,
            metric=metric,
            margin=margin,
            n_rows=n_rows,
            reference_errors=None if errors is None else errors[reference],
            candidate_errors=None if errors is None else errors[name],
            alpha=alpha,
            comparisons=len(names) + tried,
            interval=None if intervals is None else intervals[name],
            accuracy_interval=None if accuracy_intervals is None else accuracy_intervals[name],
            n_train=n_train,
            task=task,
            greater_is_better=greater_is_better,
        )
        for name in names
    ]
    # The p-values of thrown away attempts aren't known; as 1 they multiply the others by the most that they could.
    adjusted = holm([*(verdict.p for verdict in verdicts), *([1.0] * tried)])[: len(verdicts)]
    return tuple(replace(verdict, p_adjusted=float(p)) for verdict, p in zip(verdicts, adjusted, strict=True))


def _estimate(
    ours: Floats, theirs: Floats, given: Estimate | None, alpha: float, comparisons: int, largest: float
) -> Estimate:
    """Return the given estimate, checked to be at the same level, or the corrected t, clipped to the largest
    possible loss.
    """
    found = given
    if found is None:
        found = corrected_t(fold_differences(ours, theirs), alpha=alpha, comparisons=comparisons)
    if (found.alpha, found.comparisons) != (alpha, comparisons):
        raise ValueError(f"the interval is for alpha {found.alpha} and {found.comparisons} comparisons, not as asked")
    return replace(found, low=max(-largest, found.low), high=min(largest, found.high))


def _both(reference_losses: ArrayLike, candidate_losses: ArrayLike) -> tuple[Floats, Floats]:
    """Return both as [repeat, fold, seed] of the same splits."""
    ours, theirs = np.asarray(reference_losses, dtype=np.float64), np.asarray(candidate_losses, dtype=np.float64)
    if ours.ndim != 3 or theirs.ndim != 3 or ours.shape[:2] != theirs.shape[:2] or 0 in ours.shape + theirs.shape:
        raise ValueError(f"both must be [repeat, fold, seed] of the same splits; got {ours.shape} and {theirs.shape}")
    return ours, theirs


def _in_accuracy(
    reference_errors: ArrayLike | None,
    candidate_errors: ArrayLike | None,
    given: Estimate | None,
    alpha: float,
    comparisons: int,
) -> AccuracyDifference | None:
    """Return the same comparison by zero-one loss, or None if there are no classes."""
    if reference_errors is None or candidate_errors is None:
        return None
    found = _estimate(*_both(reference_errors, candidate_errors), given, alpha, comparisons, 1.0)
    return AccuracyDifference(difference=found.mean, low=found.low, high=found.high)


def _refuse_diverged(*runs: tuple[str, Floats]) -> None:
    """Raise where a named run has no finite loss."""
    for name, losses in runs:
        lost = int((~np.isfinite(losses)).sum())
        if lost:
            raise TrainingError(
                f"'{name}' has no finite loss in {lost} of {losses.size} runs, so there is no verdict on it",
                "Lower its learning rate.",
            )

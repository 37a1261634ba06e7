"""Two models on one locked file of rows: the paired difference with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.estimates import Estimate, inference

__all__ = ["HoldOut", "paired_hold_out", "seed_difference"]


@dataclass(frozen=True, kw_only=True)
class HoldOut(Estimate):
    """An `Estimate` from one held-out file.

    Attributes:
        variance_rows: what the rows add to se^2.
        variance_seeds: what the seeds of both candidates add to se^2; 0 where both have one seed only, and then the
            estimate speaks of these two trained models.
    """

    variance_rows: float
    variance_seeds: float


def paired_hold_out(
    reference_losses: ArrayLike,
    candidate_losses: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> HoldOut:
    """The paired difference on locked rows: SE^2 = s^2(d)/n + s^2_seed,A/S_A + s^2_seed,B/S_B.

    d is the row's difference of mean losses over seeds, s^2_seed the variance (ddof 1) over seeds of one candidate's
    mean loss. Degrees of freedom after Satterthwaite (1946), so that three seeds aren't taken for certain knowledge.

    Rows of one group may be alike, so of G groups the first term is G/(G-1) sum_g (sum_g (d - mean d))^2 / n^2
    (Liang & Zeger 1986), with G - 1 degrees of freedom; it is the same where each row is a group of its own.

    Args:
        reference_losses, candidate_losses: [seed, row]; the numbers of seeds may differ, the rows are the same.
        groups: [row]; None where each row stands for itself.
        alpha, comparisons: the interval is at 1 - alpha / comparisons.

    Raises:
        ValueError: the shapes don't fit, fewer than 2 rows or groups, or a loss isn't finite.
    """
    ours, theirs = np.asarray(reference_losses, dtype=np.float64), np.asarray(candidate_losses, dtype=np.float64)
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1] or ours.shape[1] < 2:
        raise ValueError(f"both must be [seed, row] with the same rows, at least 2; got {ours.shape}, {theirs.shape}")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("losses must be finite")
    d = ours.mean(axis=0) - theirs.mean(axis=0)
    parts = [_of_rows(d, None if groups is None else np.asarray(groups))]
    several = [losses for losses in (ours, theirs) if len(losses) > 1]
    parts += [(float(losses.mean(axis=1).var(ddof=1)) / len(losses), len(losses) - 1) for losses in several]
    total = sum(part for part, _ in parts)
    df = total**2 / sum(part**2 / free for part, free in parts) if total > 0 else float(parts[0][1])
    mean, se = float(d.mean()), math.sqrt(total)
    found = inference(mean, se, df=df, alpha=alpha, comparisons=comparisons)
    return HoldOut(
        **found,
        variance_rows=parts[0][0],
        variance_seeds=total - parts[0][0],
    )


def _of_rows(d: NDArray[np.float64], groups: NDArray[np.generic] | None) -> tuple[float, int]:
    """The variance of the mean of d [row] over rows or over groups, and its degrees of freedom."""
    sums = d - d.mean()
    if groups is not None:
        if groups.shape != d.shape:
            raise ValueError(f"groups must be [row] of {d.size} rows; got {groups.shape}")
        sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=sums)
    if sums.size < 2:
        raise ValueError("needs at least 2 groups")
    variance = sums.size / (sums.size - 1) * float(sums @ sums) / d.size**2
    return (0.0 if np.ptp(d) == 0 else variance), sums.size - 1


def seed_difference(
    reference: ArrayLike, candidate: ArrayLike, *, alpha: float = 0.05, comparisons: int = 1
) -> Estimate | None:
    """Return what other seeds would do to the difference of two candidates on one split (Welch 1947).

    It says nothing about other rows, so no verdict may follow from it.

    Args:
        reference, candidate: [seed], mean loss on the test rows; the seeds of the two don't pair.
        alpha, comparisons: the interval is at 1 - alpha / comparisons.

    Returns:
        None where one of the two has a single seed.
    """
    ours, theirs = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    if min(ours.size, theirs.size) < 2:
        return None
    parts = [(float(losses.var(ddof=1)) / losses.size, losses.size - 1) for losses in (ours, theirs)]
    total = sum(part for part, _ in parts)
    df = total**2 / sum(part**2 / free for part, free in parts) if total > 0 else float(parts[0][1])
    mean = float(ours.mean() - theirs.mean())
    return Estimate(**inference(mean, math.sqrt(total), df=df, alpha=alpha, comparisons=comparisons))

"""An estimated difference with its error: interval, p-value, probability of being better, rows that would settle it.

Everything here follows from four numbers (mean, standard error, degrees of freedom, level), so the three ways to reach
them - `resampled.corrected_t`, `nested.nested_interval`, `held_out.paired_hold_out` - share one ending.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

__all__ = ["Estimate", "inference", "p_better", "rows_factor", "rows_needed", "student_quantile", "wilson"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean difference `loss of reference - loss of candidate` (positive: the candidate is better) with its error.

    Attributes:
        mean: the estimate, in units of the loss.
        se: its standard error, in the same units; 0 where all differences are one and the same number.
        df: degrees of freedom of Student's t; None stands for the normal distribution.
        t: mean / se; None where se is 0.
        p: two-sided p-value of "no difference", not adjusted for other comparisons.
        low, high: interval at 1 - alpha / comparisons; where se is 0 both are the mean.
        alpha: two-sided error level of all comparisons together.
        comparisons: how many intervals hold at once (Bonferroni).
    """

    mean: float
    se: float
    df: float | None
    t: float | None
    p: float
    low: float
    high: float
    alpha: float
    comparisons: int


def student_cdf(value: float, df: float | None) -> float:
    """P(T <= value) for Student's t with `df` degrees of freedom; df=None is the normal distribution."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(value) if df is None else stdtr(df, value))


def student_quantile(probability: float, df: float | None) -> float:
    """The value below which Student's t (df=None: the normal distribution) lies with this probability."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if df is None else stdtrit(df, probability))


class EstimateFields(TypedDict):
    """The fields of an `Estimate`, to be unpacked into it or one of its kinds."""

    mean: float
    se: float
    df: float | None
    t: float | None
    p: float
    low: float
    high: float
    alpha: float
    comparisons: int


def inference(mean: float, se: float, *, df: float | None, alpha: float, comparisons: int) -> EstimateFields:
    """t, two-sided p-value and the interval at 1 - alpha / comparisons, beside what they come from.

    With se = 0 the posterior is a point mass: the interval is [mean, mean]; p is 1 where the mean is 0, else 0.

    Raises:
        ValueError: alpha is outside (0, 1) or comparisons is below 1.
    """
    if not 0 < alpha < 1 or comparisons < 1:
        raise ValueError(f"alpha must lie in (0, 1) and comparisons be at least 1; got {alpha} and {comparisons}")
    t, p, half = None, 1.0 if mean == 0 else 0.0, 0.0
    if se > 0:
        t = mean / se
        p = min(1.0, 2 * student_cdf(-abs(t), df))
        half = student_quantile(1 - alpha / comparisons / 2, df) * se
    return EstimateFields(
        mean=mean, se=se, df=df, t=t, p=p, low=mean - half, high=mean + half, alpha=alpha, comparisons=comparisons
    )


def p_better(estimate: Estimate, margin: float = 0.0) -> float:
    """Posterior probability that the candidate is better than the reference by more than `margin` (units of the loss).

    Correlated Bayesian t-test (Corani & Benavoli 2015; Benavoli, Corani, Demsar & Zaffalon 2017): the posterior is a
    Student t with the estimate's location, scale and df, so P = 1 - T_df((margin - mean) / se).
    Where se is 0 it is a point mass at the mean; a mass exactly on the margin counts half, as `baycomp` does at 0,
    so that swapping the two candidates always gives 1 - P.
    """
    if estimate.se == 0:
        return 0.5 if estimate.mean == margin else float(estimate.mean > margin)
    return student_cdf((estimate.mean - margin) / estimate.se, estimate.df)


def rows_needed(estimate: Estimate, *, n_rows: int, margin: float, power: float = 0.8) -> tuple[int, int] | None:
    """About how many rows of this kind would settle a difference of `margin`, as (half, double) of the formula's value.

    N* = n ((t_{df, 1 - alpha'/2} + t_{df, power}) se / margin)^2 with alpha' = alpha / comparisons: the usual formula
    for a sample's size, the standard error taken to shrink as 1/sqrt(rows); that is rough, hence a range. Never call it
    with the observed difference as the margin: "rows to make this significant" is a p-value in disguise.

    Returns None where the margin isn't positive or se is 0 (nothing is left to settle).
    """
    if margin <= 0 or estimate.se == 0:
        return None
    rows = n_rows * rows_factor(estimate, margin=margin, power=power)
    return math.ceil(rows / 2), math.ceil(rows * 2)


def rows_factor(estimate: Estimate, *, margin: float, power: float = 0.8) -> float:
    """Return by what factor the number of rows must grow to settle a difference of `margin`; see `rows_needed`."""
    level = 1 - estimate.alpha / estimate.comparisons / 2
    quantiles = student_quantile(level, estimate.df) + student_quantile(power, estimate.df)
    return (quantiles * estimate.se / margin) ** 2


class Wilson(NamedTuple):
    """Both ends of an interval of a share."""

    low: float
    high: float


def wilson(successes: float, n: int, *, alpha: float = 0.05) -> Wilson:
    """The score interval of a binomial share (Wilson 1927); it stays within [0, 1] and works at 0 and n successes.

    Each row counts once: pass one repeat's hits, or their mean over repeats and seeds, never their sum.

    Args:
        successes: 0..n, may be a mean and thus no integer. n: rows.

    Raises:
        ValueError: n is below 1, successes outside 0..n, or alpha outside (0, 1).
    """
    if n < 1 or not 0 <= successes <= n or not 0 < alpha < 1:
        raise ValueError(f"needs 0 <= successes <= n, n >= 1, alpha in (0, 1); got {successes}, {n}, {alpha}")
    z = student_quantile(1 - alpha / 2, None)
    share = successes / n
    shrunk = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrunk
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrunk
    return Wilson(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)

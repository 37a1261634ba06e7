"""How many items, groups or rows show a gain four times in five."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from seedbed.errors import OptionError, spell
from seedbed.evaluation.estimates import Estimate, student_quantile
from seedbed.typing import Floats

POWER = 0.8
_MARGINS = (1, 2, 5)
_ATTEMPTS = (1, 4, 16)
_FEWEST, _MOST = 5, 10_000_000


@dataclass(frozen=True, kw_only=True)
class SampleSize:
    """How many units show a gain in 80 % of samples.

    Attributes:
        gain: in units of the score.
        attempts: of each item.
        needed: the fewest, up to ten million; of splits, a multiple of the rows.
        low, high: its 95% range, as the pilot's spread is uncertain; None if there is no pilot.
    """

    gain: float
    attempts: int = 1
    needed: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class SampleSizes:
    """The sizes for several gains and numbers of attempts.

    Attributes:
        unit: `items`, `groups`, or `times the rows`.
        reference, candidate: the pair whose difference is the least certain; empty without a pilot.
    """

    unit: str
    reference: str = ""
    candidate: str = ""
    sizes: tuple[SampleSize, ...]


def plan_items(
    *, share_right: float, correlation: float = 0.5, alpha: float = 0.05
) -> SampleSizes:
    """Return how many items show a gain of 1, 2 and 5 points four times in five, by McNemar's exact
    test (1947) of two systems with one attempt an item.

    Args:
        share_right: the share of items that the reference answers rightly, between 0 and 1.
        correlation: between both systems' right answers, from 0 to below 1; 0.5 is typical of
            similar systems.
        alpha: error level, on two sides.

    Raises:
        OptionError: a value is out of range.

    Examples:
        >>> import seedbed as sb
        >>> plan = sb.plan_items(share_right=0.8)
        >>> [size.needed for size in plan.sizes]
        [12515, 3116, 488]
    """
    for name, value, lowest in (
        ("share_right", share_right, 0.0),
        ("correlation", correlation, -1e-9),
        ("alpha", alpha, 0.0),
    ):
        if not lowest < value < 1:
            raise OptionError(
                f"{spell(name, value)} isn't a share", "Give one from 0 to below 1."
            )
    sizes = []
    for points in _MARGINS:
        gain = points / 100
        both = np.array([share_right, share_right + gain])
        if both[1] >= 1:
            continue
        right_twice = both.prod() + correlation * math.sqrt(np.prod(both * (1 - both)))
        differing = max(gain, both.sum() - 2 * right_twice)
        power = partial(power_of_shares, differing=differing, gain=gain, alpha=alpha)
        sizes.append(SampleSize(gain=gain, needed=fewest(power)))
    if not sizes:
        raise OptionError(
            f"{spell('share_right', share_right)} leaves no point to gain",
            "Give a share below 0.99.",
        )
    return SampleSizes(unit="items", sizes=tuple(sizes))


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What scores say about the difference of two candidates.

    Attributes:
        n: items, or groups of items; None of splits.
        variance: of the difference of one unit; of splits, of its mean over all.
        noise: variance that one attempt of each candidate adds; None of single attempts.
        averaged: what is left of `noise` in `variance`.
        error: standard error of the logarithm of `variance`.
        mean: of the difference.
        df: degrees of freedom, of splits; None for a normal distribution.
        is_share: whether a single attempt is right or wrong, and McNemar's test decides.
        alpha: error level of the comparison.
    """

    n: int | None
    variance: float
    noise: float | None = None
    averaged: float = 0.0
    error: float
    mean: float
    df: float | None
    is_share: bool
    alpha: float

    @classmethod
    def of_splits(cls, estimate: Estimate) -> Pilot:
        """Return what the difference of two candidates in splits says."""
        return cls(
            n=None,
            variance=estimate.se**2,
            error=0.0 if estimate.df is None else math.sqrt(2 / estimate.df),
            mean=estimate.mean,
            df=estimate.df,
            is_share=False,
            alpha=estimate.alpha / estimate.comparisons,
        )

    @classmethod
    def of_items(
        cls,
        differences: Floats,
        estimate: Estimate,
        attempts: Sequence[Floats],
        n_groups: int | None,
    ) -> Pilot:
        """Return what the differences of items [item] say, and the scores of each candidate's
        attempts [item, attempt], NaN where there is none."""
        n = len(differences)
        are_shares = [np.isin(one[np.isfinite(one)], (0, 1)).all() for one in attempts]
        from_mean = differences - differences.mean()
        variance = from_mean @ from_mean / (n - 1)
        error = 0.0
        if variance > 0:
            kurtosis = (from_mean**4).mean() / (from_mean**2).mean() ** 2
            error = math.sqrt(max(0.0, kurtosis - 1) / n)
        if n_groups is not None:
            variance = estimate.se**2 * n_groups
            error = math.sqrt(2 / (estimate.df or n_groups - 1))
        noise = None
        averaged = 0.0
        if all(scores.shape[1] > 1 for scores in attempts):
            of_unit = (n_groups or n) / n
            noise = 0.0
            for scores in attempts:
                counts = np.isfinite(scores).sum(axis=1)
                of_item = np.nanvar(scores[counts > 1], axis=1, ddof=1)
                of_attempt = of_unit * float(of_item.mean())
                noise += of_attempt
                averaged += of_attempt * float((1 / counts).mean())
        return cls(
            n=n_groups or n,
            variance=float(variance),
            noise=noise,
            averaged=averaged,
            error=error,
            mean=float(differences.mean()),
            df=None,
            is_share=all(are_shares) and n_groups is None,
            alpha=estimate.alpha / estimate.comparisons,
        )

    def sizes(self, margin: float) -> Iterator[SampleSize]:
        """Yield the sizes for gains of some margins, and numbers of attempts."""
        wide = math.exp(1.96 * self.error)
        for gain in (times * margin for times in _MARGINS):
            for attempts in _ATTEMPTS if self.noise is not None else (1,):
                needed, low, high = (
                    self.needed(gain, attempts, factor)
                    for factor in (1.0, 1 / wide, wide)
                )
                yield SampleSize(
                    gain=gain, attempts=attempts, needed=needed, low=low, high=high
                )

    def needed(self, gain: float, attempts: int, factor: float = 1.0) -> float:
        """Return how many units show a gain, if the variance is a multiple of the pilot's."""
        variance = factor * self.variance
        if self.noise is not None:
            between = max(0.0, self.variance - self.averaged)
            variance = factor * (between + self.noise / attempts)
        if self.n is None:
            return variance * (distance_of(self.df, self.alpha) / gain) ** 2
        if self.is_share and attempts == 1:
            differing = min(1.0, max(gain, variance + self.mean**2))
            return fewest(
                partial(
                    power_of_shares, differing=differing, gain=gain, alpha=self.alpha
                )
            )
        effect = gain / math.sqrt(variance) if variance else math.inf
        return fewest(partial(power_of_means, effect=effect, alpha=self.alpha))


def fewest(power: Callable[[int], float]) -> int:
    """Return the smallest number that has enough power, up to ten million."""
    high = _FEWEST
    while high < _MOST and power(high) < POWER:
        high *= 2
    low = max(_FEWEST, high // 2)
    high = min(high, _MOST)
    return low + bisect_left(range(low, high), True, key=lambda n: power(n) >= POWER)


def power_of_shares(n: int, *, differing: float, gain: float, alpha: float) -> float:
    """Return the power of McNemar's exact test on n items, of which one system alone answers a
    share rightly (`differing`)."""
    from scipy.special import bdtr, bdtrc, bdtrik

    width = 8 * math.sqrt(n * differing * (1 - differing)) + 8
    expected = n * differing
    counts = np.arange(max(1, int(expected - width)), min(n, int(expected + width)) + 1)
    # The largest number of losses that is significant.
    losses = np.floor(bdtrik(alpha / 2, counts, 0.5))
    losses = np.where(bdtr(losses, counts, 0.5) > alpha / 2, losses - 1, losses)
    wins = counts - losses
    share = (1 + gain / differing) / 2
    of_count = bdtr(counts, n, differing) - bdtr(counts - 1, n, differing)
    is_possible = losses >= 0
    rejected = bdtrc(np.where(is_possible, wins - 1, counts), counts, share)
    return float((of_count * np.where(is_possible, rejected, 0.0)).sum())


def power_of_means(n: int, *, effect: float, alpha: float) -> float:
    """Return the power of the paired t-test on n differences whose mean is `effect` deviations."""
    from scipy.special import nctdtr

    bound = -student_quantile(alpha / 2, n - 1)
    distance = effect * math.sqrt(n)
    # Far from the bound, the distribution isn't computed.
    return 1.0 if distance > bound + 30 else 1 - float(nctdtr(n - 1, distance, bound))


def distance_of(df: float | None, alpha: float) -> float:
    """Return how many standard errors a gain has to be away from 0 to be shown four times in five."""
    from scipy.special import nctdtrinc

    bound = -student_quantile(alpha / 2, df)
    if df is None:
        return bound - student_quantile(1 - POWER, None)
    return float(nctdtrinc(df, 1 - POWER, bound))


def sizes_of(
    pilots: Mapping[str, Pilot], reference: str, margin: float, n_groups: int | None
) -> SampleSizes | None:
    """Return the sizes by the pilot whose difference is the least certain, so that they do for all
    candidates; None if no pilot has a spread."""
    candidate = max(pilots, key=lambda name: pilots[name].variance, default="")
    if not candidate or pilots[candidate].variance == 0:
        return None
    pilot = pilots[candidate]
    unit = "times the rows"
    if pilot.n is not None:
        unit = "items" if n_groups is None else "groups"
    return SampleSizes(
        unit=unit,
        reference=reference,
        candidate=candidate,
        sizes=tuple(pilot.sizes(margin)),
    )

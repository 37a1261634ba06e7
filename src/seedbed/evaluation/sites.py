"""The score of a model at a site that it hasn't seen, by its scores at other sites.

A site is a hospital, a school, a state: rows that share what no column says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedbed.errors import DataError
from seedbed.evaluation.estimates import Interval
from seedbed.typing import Floats

PRIOR = 0.08
"""The spread between sites that is expected before the scores are seen, as a share of the score's
unit. Chosen by simulations, see benchmarks/elsewhere.md."""
FEWEST_SITES = 3
_STEPS = 400
_EASY = ("accuracy", "uno_c", "mae", "brier")


@dataclass(frozen=True)
class NewSite:
    """What scores at some sites say of all sites, and of a new one.

    Attributes:
        average: the mean of the true scores over all sites, with its 95 % range.
        spread: the standard deviation of true scores between sites.
        low, high: the 95 % prediction interval of the true score at a new site.
    """

    average: Interval
    spread: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Site:
    """The rows of one site, predicted by models of the other sites.

    Attributes:
        scores: of the model that is shown, each with its range alone; none that its rows don't
            have, such as the ROC AUC of one label.
        slope, intercept: of the calibration of two labels, see `OfTwoClasses`.
    """

    name: str
    n_rows: int
    scores: Mapping[str, Interval]
    slope: Interval | None = None
    intercept: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Sites:
    """What a model does at each site of a column when it is left out of training, and at a new one.

    Attributes:
        model: the recommended one, or the reference.
        new: by the name of the score, corrected for the choice of the model; empty with fewer than
            three sites.
    """

    column: str
    model: str
    sites: tuple[Site, ...]
    new: Mapping[str, NewSite]

    @property
    def shown(self) -> str:
        """The name of the score that is easiest to read; empty if no site has any."""
        names = {name for site in self.sites for name in site.scores}
        return next((name for name in _EASY if name in names), "")


def new_site(
    scores: ArrayLike,
    errors: ArrayLike,
    rows: ArrayLike,
    *,
    low: float = 0.0,
    high: float = 1.0,
    unit: float = 1.0,
    spread: float = PRIOR,
) -> NewSite:
    """Return the range of the true score at a new site, by the scores at three or more sites.

    It is the prediction interval of a random-effects meta-analysis (Higgins, Thompson and
    Spiegelhalter 2009, J. R. Statist. Soc. A 172, 137-159): true scores of sites are normal around
    their mean, and measured ones around the true ones. The mean has a flat prior, and the variance
    between sites an exponential one with the mean (spread * unit)^2. Both are integrated on a grid
    of standard deviations. Intervals with Student's t that insert one estimate of the variance
    hold too rarely with few sites (Partlett and Riley 2017, Statistics in Medicine 36, 301-317).

    The range is of the true score; a score that is measured on few rows of a new site varies more.

    Args:
        scores: finite [site].
        errors: the standard error of each score [site]. See `pooled_errors`.
        rows: of each site [site], at least 1.
        low, high: the least and greatest score, at which ranges are clipped; infinite if none.
        unit: 1 for shares, 100 for points, a typical loss for scores without bounds.
        spread: as `PRIOR`.

    Raises:
        DataError: fewer than three sites, or a score that isn't finite.

    Examples:
        >>> site = new_site([0.81, 0.74, 0.90, 0.78], [0.04, 0.05, 0.03, 0.02], [100, 80, 90, 400])
        >>> f"{site.average.mean:.2f}, at a new site {site.low:.2f} to {site.high:.2f}"
        '0.81, at a new site 0.64 to 0.97'
    """
    measured = np.asarray(scores, dtype=np.float64)
    if len(measured) < FEWEST_SITES:
        raise DataError(
            f"{len(measured)} sites are too few for the range of a new site.",
            f"Use at least {FEWEST_SITES} sites.",
        )
    if not np.isfinite(measured).all():
        raise DataError(
            "The score of a site is not finite.", "Leave out sites without a score."
        )
    variances = pooled_errors(errors, rows, unit=unit) ** 2
    centre = measured.mean()
    deviations = measured - centre
    longest = 5 * spread * unit + 2 * deviations.std()
    spreads = longest * (np.arange(_STEPS) + 0.5) / _STEPS
    weights = 1 / (variances + spreads[:, None] ** 2)
    sums = weights.sum(axis=1)
    means = (weights * deviations).sum(axis=1) / sums
    squares = (weights * (deviations - means[:, None]) ** 2).sum(axis=1)
    likelihood = (np.log(weights).sum(axis=1) - np.log(sums) - squares) / 2
    prior = np.log(spreads) - (spreads / (spread * unit)) ** 2
    posterior = np.exp(likelihood + prior - (likelihood + prior).max())
    posterior /= posterior.sum()
    ends = _middle(posterior, means, 1 / np.sqrt(sums))
    new_ends = _middle(posterior, means, np.sqrt(1 / sums + spreads**2))
    average, *average_ends = np.clip(
        [centre + posterior @ means, *(centre + ends)], low, high
    )
    new_low, new_high = np.clip(centre + new_ends, low, high)
    return NewSite(
        average=Interval(
            mean=float(average),
            low=float(average_ends[0]),
            high=float(average_ends[1]),
        ),
        spread=float(posterior @ spreads),
        low=float(new_low),
        high=float(new_high),
    )


def pooled_errors(errors: ArrayLike, rows: ArrayLike, *, unit: float = 1.0) -> Floats:
    """Return the standard error of each site's score [site], as if one row varied equally at all
    sites.

    A site's own error is wrong where it has few rows: of 20 rows all right it is 0, and such a
    site would outweigh all others. So the variances of single rows, rows * error^2, are averaged
    over the sites. Half a squared unit joins their sum, and one row their number: the variance of
    a share of which half a row in n + 1 is wrong. Without it, sites with all rows right would be
    known exactly.

    Examples:
        >>> pooled_errors([0.0, 0.0, 0.0], [20, 20, 80]).round(3)
        array([0.014, 0.014, 0.007])
    """
    counts = np.asarray(rows, dtype=np.float64)
    variances = counts * np.asarray(errors, dtype=np.float64) ** 2
    of_a_row = (counts @ variances + unit**2 / 2) / (counts.sum() + 1)
    return np.asarray(np.sqrt(of_a_row / counts))


def _middle(weights: Floats, means: Floats, deviations: Floats) -> Floats:
    """Return the 2.5 and 97.5 % points of a mixture of normal distributions [end]."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    def excess(value: float, share: float) -> float:
        return float(weights @ ndtr((value - means) / deviations)) - share

    lowest = (means - 10 * deviations).min()
    highest = (means + 10 * deviations).max()
    precise = 1e-9 * (highest - lowest)
    return np.array(
        [
            brentq(excess, lowest, highest, args=(share,), xtol=precise)
            for share in (0.025, 0.975)
        ]
    )

"""What more rows or repeats would do: rows that would settle a difference, and what is left after more repeats."""

from __future__ import annotations

import math
from dataclasses import replace

from seedbed.evaluation.estimates import Estimate, Spread, simultaneous_quantile, student_quantile
from seedbed.evaluation.protocol import Protocol, designs_by_rows


def rows_needed(
    estimate: Estimate, *, n_rows: int, margin: float, power: float = 0.8, design: Protocol | None = None
) -> tuple[int, int] | None:
    """Return roughly how many rows would settle a difference of `margin`, as (half, double) of the formula's value.

    N* = n ((q + t_{df, power}) se / margin)^2 with q the quantile of the simultaneous interval: the usual formula for a
    sample's size, the standard error taken to shrink as 1/sqrt(rows); that is rough, hence a range. Never call it
    with the observed difference as the margin: "rows to make this significant" is a p-value in disguise.

    Args:
        design: of these rows; larger tables then have the designs of `designs_by_rows`. None if they have the same.

    Returns None if the margin isn't positive or se is 0 (nothing is left to settle).
    """
    if margin <= 0 or estimate.se == 0:
        return None
    rows = n_rows * rows_factor(estimate, margin=margin, power=power, n_rows=n_rows, design=design)
    return math.ceil(rows / 2), math.ceil(rows * 2)


def rows_factor(
    estimate: Estimate, *, margin: float, power: float = 0.8, n_rows: int | None = None, design: Protocol | None = None
) -> float:
    """Return by what factor the number of rows must grow to settle a difference of `margin`; see `rows_needed`.

    If larger tables have other designs, it is the smallest N with N >= N*, where N* has the standard error and the
    degrees of freedom of the design for N rows.
    """

    def factor(se: float, df: float | None) -> float:
        quantiles = simultaneous_quantile(estimate.alpha, estimate.comparisons, df) + student_quantile(power, df)
        return (quantiles * se / margin) ** 2

    factor_needed = factor(estimate.se, estimate.df)
    if design is None or n_rows is None or estimate.spread is None:
        return factor_needed
    for start, later in designs_by_rows(design, n_rows)[1:]:
        if factor_needed * n_rows < start:
            break
        factor_needed = max(start / n_rows, factor(_se_by(later, design, estimate.spread), later.df))
    return factor_needed


def _se_by(later: Protocol, design: Protocol, spread: Spread) -> float:
    """Return the standard error of `corrected_t` if the same rows had another design."""
    of_seeds, of_rows = spread.seeds, spread.variance - spread.seeds
    if later.kind == "held_out":
        return math.sqrt(of_rows / (later.locked_share * design.folds) + of_seeds)
    then = replace(spread, variance=of_rows + of_seeds, seeds=of_seeds, folds=later.folds, ratio=1 / (later.folds - 1))
    return then.se(later.repeats)


def more_repeats_ratio(repeats: int, folds: int) -> float:
    """Return the part of the corrected standard error that is left after infinitely many repeats: SE_inf / SE.

    sqrt((1/(k-1)) / (1/N + 1/(k-1))) with N = repeats x folds, from the formula of `corrected_t`. .958 at 10 x 10:
    more repeats are almost never the answer; rows are.
    """
    overlap = 1 / (folds - 1)
    return math.sqrt(overlap / (1 / (repeats * folds) + overlap))

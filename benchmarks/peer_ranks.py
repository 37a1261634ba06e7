"""Ranks of methods over tables and how far apart mean ranks must lie; Elo ratings and
improvability.

Sources: J. Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006)
1-30; N. Erickson et al., TabArena: a living benchmark for machine learning on tabular data (2025).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import rankdata, studentized_range

Floats = NDArray[np.float64]


def mean_ranks(errors: ArrayLike) -> Floats:
    """From errors [table, method] to mean ranks [method]; 1 is the best, and equal ones share their
    ranks' mean."""
    return rankdata(errors, axis=1).mean(axis=0)


def critical_difference(n_methods: int, n_tables: int, level: float = 0.05) -> float:
    """Nemenyi's: mean ranks farther apart than this differ at the level, whichever two of the
    methods they are of."""
    q = studentized_range.ppf(1 - level, n_methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_methods * (n_methods + 1) / (6 * n_tables)))


def improvability(errors: ArrayLike) -> Floats:
    """From errors [table, method] to shares [method]: by how much of its error a method is above
    the best, on average.

    Where the error is 0, so is the share.
    """
    errors = np.asarray(errors, dtype=np.float64)
    gaps = errors - errors.min(axis=1, keepdims=True)
    return np.divide(gaps, errors, out=np.zeros_like(errors), where=errors > 0).mean(
        axis=0
    )


def elo(errors: ArrayLike, reference: int, rounds: int = 200) -> Floats:
    """From errors [table, method] to ratings [method, 3]: the rating, and the ends of its 95 %
    interval.

    Each pair of methods plays once on each table; equal errors are a draw. The reference has 1000;
    400 points more are ten wins to one loss. The interval is that of so many bootstrap samples of
    the tables.
    """
    errors = np.asarray(errors, dtype=np.float64)
    beats = (
        1 + np.sign(errors[:, None, :] - errors[:, :, None])
    ) / 2  # [table, winner, loser]
    n_tables, n_methods = errors.shape
    samples = np.random.default_rng(0).multinomial(
        n_tables, np.full(n_tables, 1 / n_tables), size=rounds
    )
    wins = np.tensordot(np.vstack([np.ones(n_tables), samples]), beats, 1)
    games, strengths = wins + wins.swapaxes(1, 2), np.zeros((1 + rounds, n_methods))
    for _ in range(
        50
    ):  # Newton's steps for the Bradley-Terry model; a tiny penalty bounds who wins or loses all
        chances = expit(strengths[:, :, None] - strengths[:, None])
        slope = (wins - games * chances).sum(axis=2) - 1e-6 * strengths
        curvature = games * chances * (1 - chances)
        hessian = (
            np.eye(n_methods) * (1e-6 + curvature.sum(axis=2))[:, :, None] - curvature
        )
        strengths += np.linalg.solve(hessian, slope[:, :, None])[:, :, 0].clip(-1, 1)
    ratings = 1000 + 400 / math.log(10) * (strengths - strengths[:, [reference]])
    return np.column_stack(
        [ratings[0], *np.quantile(ratings[1:], (0.025, 0.975), axis=0)]
    )

"""The honest score of a candidate that was chosen as the best of several: bootstrap bias correction.

The best of twenty equal candidates looks good because it was lucky on these rows. BBC-CV repeats the choice on
resampled rows and scores it on the rows left out, without a single further training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.bootstrap import resample_weights
from seedbed.evaluation.weighted import RowScore

__all__ = ["bbc_cv"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChosenScore:
    """The score of "train all candidates, take the best".

    Attributes:
        winner: index of the candidate that is best on all rows (ties: the first).
        apparent: its own score on all rows, which flatters it.
        value: the bias-corrected score, mean over resamples.
        low, high: percentile interval of the out-of-bag scores.
        chosen_share: [candidate], how often each was chosen in the resamples; a tie is shared.
    """

    winner: int
    apparent: float
    value: float
    low: float
    high: float
    chosen_share: tuple[float, ...]


def bbc_cv(losses: ArrayLike, *, n_resamples: int = 1000, alpha: float = 0.05, random_state: int = 0) -> ChosenScore:
    """Bootstrap bias-corrected cross-validation (Tsamardinos, Greasidou & Borboudakis 2018) of a mean of row losses.

    Draw rows with replacement; choose the candidate with the smallest mean loss on them; score it on the rest.

    Args:
        losses: [candidate, row], out-of-fold loss, averaged over repeats and seeds; smaller is better.

    Raises:
        ValueError: not [candidate, row] with at least two rows, or a loss isn't finite.
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise ValueError(f"losses must be finite [candidate, row] with at least 2 rows; got shape {values.shape}")

    def mean_loss(weights: Floats) -> Floats:
        return np.asarray(weights @ values.T / weights.sum(axis=1, keepdims=True), dtype=np.float64)

    return _bbc(mean_loss, values.shape[1], False, n_resamples, alpha, random_state)


def bbc_cv_scores(
    candidates: Sequence[RowScore],
    n_rows: int,
    *,
    greater_is_better: bool,
    n_resamples: int = 1000,
    alpha: float = 0.05,
    random_state: int = 0,
) -> ChosenScore:
    """`bbc_cv` for any score of rows, one `weighted.row_score` for each candidate.

    Raises:
        ValueError: no candidate, or fewer than two rows.
    """
    if not candidates or n_rows < 2:
        raise ValueError("needs at least one candidate and two rows")

    def columns(weights: Floats) -> Floats:
        return np.stack([candidate(weights) for candidate in candidates], axis=1)

    return _bbc(columns, n_rows, greater_is_better, n_resamples, alpha, random_state)


def _bbc(
    scores: RowScore, n_rows: int, greater_is_better: bool, n_resamples: int, alpha: float, random_state: int
) -> ChosenScore:
    """The resampling of `bbc_cv`; scores: weights [resample, row] -> [resample, candidate]."""
    sign = -1.0 if greater_is_better else 1.0
    on_all = scores(np.ones((1, n_rows)))[0]
    winner = int(np.argmin(sign * on_all))
    kept, shares = [], []
    for weights in resample_weights(n_rows, n_resamples=n_resamples, random_state=random_state):
        out_of_bag = (weights == 0).astype(np.float64)
        some_left = out_of_bag.any(axis=1)
        in_bag, left = sign * scores(weights[some_left]), scores(out_of_bag[some_left])
        defined = np.isfinite(in_bag).all(axis=1) & np.isfinite(left).all(axis=1)
        in_bag, left = in_bag[defined], left[defined]
        tied = in_bag <= in_bag.min(axis=1, keepdims=True) + 1e-12
        share = tied / tied.sum(axis=1, keepdims=True)
        kept.append((share * left).sum(axis=1))
        shares.append(share)
    values = np.concatenate(kept)
    if values.size == 0:
        raise ValueError("the score is defined in no resample")
    low, high = np.quantile(values, [alpha / 2, 1 - alpha / 2])
    return ChosenScore(
        winner=winner,
        apparent=float(on_all[winner]),
        value=float(values.mean()),
        low=float(low),
        high=float(high),
        chosen_share=tuple(float(share) for share in np.concatenate(shares).mean(axis=0)),
    )

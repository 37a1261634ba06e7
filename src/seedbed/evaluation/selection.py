"""The honest score of a candidate that was chosen as the best of several: bootstrap bias correction.

The best of twenty equal candidates looks good because it was lucky on these rows. BBC-CV repeats the choice on
resampled rows and scores it on the rows left out, without a single further training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedbed.evaluation.bootstrap import resample_weights
from seedbed.typing import Floats

__all__ = ["bbc_cv"]


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

    n_rows = values.shape[1]

    def mean_loss(weights: Floats) -> Floats:
        return np.asarray(weights @ values.T / weights.sum(axis=1, keepdims=True), dtype=np.float64)

    on_all = mean_loss(np.ones((1, n_rows)))[0]
    winner = int(np.argmin(on_all))
    kept, shares = [], []
    for weights in resample_weights(n_rows, n_resamples=n_resamples, random_state=random_state):
        out_of_bag = (weights == 0).astype(np.float64)
        some_left = out_of_bag.any(axis=1)
        in_bag, left = mean_loss(weights[some_left]), mean_loss(out_of_bag[some_left])
        tied = in_bag <= in_bag.min(axis=1, keepdims=True) + 1e-12
        share = tied / tied.sum(axis=1, keepdims=True)
        kept.append((share * left).sum(axis=1))
        shares.append(share)
    found = np.concatenate(kept)
    low, high = np.quantile(found, [alpha / 2, 1 - alpha / 2])
    return ChosenScore(
        winner=winner,
        apparent=float(on_all[winner]),
        value=float(found.mean()),
        low=float(low),
        high=float(high),
        chosen_share=tuple(float(share) for share in np.concatenate(shares).mean(axis=0)),
    )

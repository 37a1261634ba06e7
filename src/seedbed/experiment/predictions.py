"""Predictions for rows that weren't trained on, and what they cost."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seedbed.data import Split
from seedbed.evaluation import Design, row_losses

__all__ = ["Predictions"]

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """Out-of-fold predictions of one candidate or baseline.

    Attributes:
        target: class codes [row] of the whole table.
        splits: what it was trained and tested on, repeat by repeat.
        design: how the splits were made.
        probabilities: of class 1, float32 [repeat, seed, row]; NaN where there is no finite prediction.
        pairs: of nested cross-validation, [repeat, fold, seed, row]: the prediction by what was trained without `fold`
            and without the row's own fold; NaN for the rows of `fold`. None otherwise.
    """

    target: npt.NDArray[np.int64]
    splits: tuple[Split, ...]
    design: Design
    probabilities: npt.NDArray[np.float32]
    pairs: npt.NDArray[np.float32] | None = None

    @functools.cached_property
    def finite(self) -> bool:
        """Whether every network has a finite prediction for every row that it is tested on."""
        if not np.isfinite(self.probabilities[:, :, self.tested]).all():
            return False
        return self.pairs is None or bool((np.isfinite(self.pairs).sum(axis=1) == self.pairs.shape[1] - 1).all())

    @functools.cached_property
    def tested(self) -> npt.NDArray[np.int64]:
        """The rows that are predicted: all, or those that were locked away."""
        return np.unique(np.concatenate([split.test for split in self.splits]))

    def row_losses(self, metric: str = "brier") -> Floats:
        """The loss of each prediction [repeat, seed, row], see `evaluation.row_losses`."""
        return row_losses(metric, np.broadcast_to(self.target, self.probabilities.shape), self.probabilities)

    def pair_losses(self, metric: str) -> Floats:
        """Of nested cross-validation: the loss of each prediction of `pairs` [repeat, fold, seed, row].

        Raises:
            ValueError: there are none.
        """
        if self.pairs is None:
            raise ValueError("there are no pairs of folds")
        return row_losses(metric, np.broadcast_to(self.target, self.pairs.shape), self.pairs)

    def losses(self, metric: str = "brier") -> Floats:
        """The mean loss over the test rows of each split [repeat, fold, seed]; smaller is better."""
        by_row = self.row_losses(metric)
        folds = [by_row[split.repeat][:, split.test].mean(axis=1) for split in self.splits]
        return np.stack(folds).reshape(len(by_row), -1, by_row.shape[1])

    def complete(self) -> tuple[npt.NDArray[np.int64], Floats]:
        """Target of the tested rows [row], and the sets of predictions that are finite for all of them [set, row]."""
        sets = self.probabilities[:, :, self.tested].reshape(-1, len(self.tested)).astype(np.float64)
        return self.target[self.tested], sets[np.isfinite(sets).all(axis=1)]

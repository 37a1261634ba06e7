"""Predictions for rows that weren't trained on, and what they cost."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data import Split, Task
from seedbed.evaluation import Protocol, default_metric, row_losses

__all__ = ["Predictions"]

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """Out-of-fold predictions of one candidate or baseline.

    Attributes:
        target: class codes or numbers [row] of the whole table.
        splits: what it was trained and tested on, repeat by repeat.
        design: how the splits were made.
        predictions: NaN where there is no finite one. The probability of class 1, float32 [repeat, seed, row], of each
            of several classes, float32 [repeat, seed, row, class], or numbers in the target's own units, float64
            [repeat, seed, row].
        task: which of the three.
        groups: int64 [row]; rows of one group may be alike. None where each row stands for itself.
        pairs: of nested cross-validation, [repeat, fold, seed, row] (and class): the prediction by what was trained
            without `fold` and without the row's own fold; NaN for the rows of `fold`. None otherwise.
    """

    target: npt.NDArray[Any]
    splits: tuple[Split, ...]
    design: Protocol
    predictions: Floats
    task: Task = "binary"
    groups: npt.NDArray[np.int64] | None = None
    pairs: Floats | None = None

    @functools.cached_property
    def finite(self) -> bool:
        """Whether every network has a finite prediction for every row that it is tested on."""
        if not np.isfinite(self.predictions[:, :, self.tested]).all():
            return False
        return self.pairs is None or bool((np.isfinite(self.pairs).sum(axis=1) == self.pairs.shape[1] - 1).all())

    @functools.cached_property
    def tested(self) -> npt.NDArray[np.int64]:
        """The rows that are predicted: all, or those that were locked away."""
        return np.unique(np.concatenate([split.test for split in self.splits]))

    @property
    def tested_groups(self) -> npt.NDArray[np.int64] | None:
        """The groups of the tested rows."""
        return None if self.groups is None else self.groups[self.tested]

    @functools.cached_property
    def target_variance(self) -> float | None:
        """Of numbers, the mean squared distance of the tested rows from their mean, each fold weighing the same.

        It is the denominator of R2. It must come from the tested rows: with the variance of other rows, a constant
        could seem to explain something. None where the tested rows are constant, and of classes.
        """
        if self.task != "regression":
            return None
        folds = [self.target[split.test] for split in self.splits]
        mean = np.mean([fold.mean() for fold in folds])
        variance = float(np.mean([((fold - mean) ** 2).mean() for fold in folds]))
        return variance if variance > 0 else None

    @property
    def n_classes(self) -> int:
        """Two or more; 0 where numbers are predicted."""
        if self.task == "multiclass":
            return int(self.predictions.shape[3])
        return 2 if self.task == "binary" else 0

    def row_losses(self, metric: str | None = None) -> Floats:
        """The loss of each prediction [repeat, seed, row], see `evaluation.row_losses`; the task's own if left out."""
        truth = np.broadcast_to(self.target, self.predictions.shape[:3])
        return row_losses(metric or default_metric(self.task), truth, self.predictions, variance=self.target_variance)

    def pair_losses(self, metric: str) -> Floats:
        """Of nested cross-validation: the loss of each prediction of `pairs` [repeat, fold, seed, row].

        Raises:
            ValueError: there are none.
        """
        if self.pairs is None:
            raise ValueError("there are no pairs of folds")
        truth = np.broadcast_to(self.target, self.pairs.shape[:4])
        return row_losses(metric, truth, self.pairs, variance=self.target_variance)

    def losses(self, metric: str | None = None) -> Floats:
        """The mean loss over the test rows of each split [repeat, fold, seed]; smaller is better."""
        by_row = self.row_losses(metric)
        folds = [by_row[split.repeat][:, split.test].mean(axis=1) for split in self.splits]
        return np.stack(folds).reshape(len(by_row), -1, by_row.shape[1])

    def complete(self) -> tuple[npt.NDArray[Any], Floats]:
        """Target of the tested rows [row], and the sets of predictions that are finite for all of them: [set, row], or
        [set, row, class]."""
        found = self.predictions[:, :, self.tested].astype(np.float64)
        sets = found.reshape(-1, *found.shape[2:])
        return self.target[self.tested], sets[np.isfinite(sets).reshape(len(sets), -1).all(axis=1)]

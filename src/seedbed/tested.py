"""What models are tested on: rows with their outcome, and the splits that test them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.data.table import Table
from seedbed.evaluation.metrics import prior_loss
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Task
from seedbed.evaluation.survival import FollowedFolds
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.outcome import Outcome
from seedbed.outcomes.tasks import outcome_of
from seedbed.typing import Bools, Floats, Ints

_OF_TABLE = (
    "target",
    "task",
    "n_classes",
    "groups",
    "times",
    "durations",
    "follow_up",
)
_TINY = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Tested:
    """What all models of a comparison are tested on, and what is known of it without them.

    Attributes:
        alpha: intervals of scores are at 1 - alpha, each on its own.
        target: class codes or numbers [row] of the whole table.
        splits: what models are trained and tested on, repeat by repeat.
        design: how the splits were made.
        task: what is predicted.
        n_classes: the number of labels, where labels are predicted.
        groups: int64 [row]; rows of one group may be alike. None if each row stands for itself.
        times: [row] of rows that are split by time, as neighbours may be alike; else None.
        durations, follow_up: of survival, the time under observation [row] and the horizon.
        part: whether a tested row counts [row]; None if all do.
    """

    alpha: float
    target: NDArray[Any]
    splits: tuple[Split, ...]
    design: Protocol
    task: Task = "binary"
    n_classes: int = 2
    groups: Ints | None = None
    times: Floats | None = None
    durations: Floats | None = None
    follow_up: FollowUp | None = None
    part: Bools | None = None

    @classmethod
    def of(cls, table: Table, **about: Any) -> Self:
        """Return what models of a table are tested on, with its level, splits and design."""
        return cls(**{name: getattr(table, name) for name in _OF_TABLE}, **about)

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.task)

    @functools.cached_property
    def rows(self) -> Ints:
        """The tested rows that count: all rows, the locked ones, or some of these."""
        rows = np.unique(np.concatenate([split.test for split in self.splits]))
        return rows if self.part is None else rows[self.part[rows]]

    @property
    def groups_of_rows(self) -> Ints | None:
        return None if self.groups is None else self.groups[self.rows]

    @property
    def times_of_rows(self) -> Floats | None:
        return None if self.times is None else self.times[self.rows]

    @functools.cached_property
    def target_variance(self) -> float | None:
        """The mean squared distance of the tested numbers from their mean, with equal weight for
        each fold.

        It is the denominator of R2. It comes from the tested rows: with the variance of other rows,
        a constant could seem to explain something. None if the tested rows are constant, and for
        classes.
        """
        if not self.outcome.is_number:
            return None
        folds = [self.target[split.test] for split in self.splits]
        mean = np.mean([fold.mean() for fold in folds])
        variance = float(np.mean([((fold - mean) ** 2).mean() for fold in folds]))
        return variance if np.ptp(np.concatenate(folds)) > 0 else None

    @functools.cached_property
    def followed(self) -> FollowedFolds | None:
        """The outcome of survival, by the training rows of each split; None of other tasks."""
        if self.durations is None or self.follow_up is None:
            return None
        rows = [(split.repeat, split.train, split.test) for split in self.splits]
        return FollowedFolds(
            self.durations, self.target == 1, self.follow_up.grid, rows
        )

    @property
    def truths(self) -> list[NDArray[Any]]:
        """What predictions are compared with, of each repeat or of all [row, ...]."""
        return [self.target] if self.followed is None else [*self.followed.truths]

    def loss_of_prior(self, metric: str) -> float | None:
        """Return the mean loss of predicting the class frequencies, the mean or the Kaplan-Meier
        estimate of the tested rows; None if it is 0, as they are of one class, or of one value."""
        if self.outcome.is_number and self.target_variance is None:
            return None
        losses = [
            prior_loss(metric, truth[self.rows], n_classes=self.n_classes)
            for truth in self.truths
        ]
        loss = float(np.mean(losses))
        return loss if loss >= _TINY else None

    def nothing(self, n_sets: int = 1) -> NDArray[np.floating]:
        """Return NaN in place of predictions [repeat, set, row, ...]. Targets such as years or
        prices may have more digits than float32."""
        row = self.outcome.prior(self, self.splits[0].train[:1]).shape
        shape = (self.splits[-1].repeat + 1, n_sets, len(self.target), *row)
        return np.full(
            shape, np.nan, np.float64 if self.outcome.is_number else np.float32
        )

    @functools.cached_property
    def guess(self) -> NDArray[np.floating]:
        """The predictions of the training rows' class frequencies, mean or Kaplan-Meier estimate
        [repeat, 1, row, ...]."""
        predictions = self.nothing()
        for split in self.splits:
            predictions[split.repeat, 0, split.test] = self.outcome.prior(
                self, split.train
            )
        return predictions

"""How sure one prediction is: sets of labels, and intervals of numbers, that contain the truth with
a stated coverage.

The method is split conformal prediction with out-of-fold or out-of-bag predictions (cross-conformal
prediction): a set contains each label whose error, 1 - its probability, is among the lowest 90 % of
the errors that networks made on rows that they weren't trained on.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.arguments import shown
from seedbed.data.table import Table
from seedbed.errors import OptionError, counted
from seedbed.outcomes.tasks import outcome_of
from seedbed.typing import Floats

COVERAGE = (
    0.9  # default share of new rows whose label or number is in its set or interval
)
_MOST_POINTS, _POINTS_OF_A_CLASS = 1000, 100


@dataclass(frozen=True, eq=False)
class LeftOutErrors:
    """The errors of a model's networks on rows that they weren't trained on.

    The error of a row is 1 - the probability of its label, or the distance of its number from the
    prediction.

    Attributes:
        errors: float32, at least 0, ascending within each class, one class after the other [point];
            numbers are of one class. Of many rows they are evenly spaced quantiles, see `n_points`.
        rows: number of rows of each class [class].
    """

    errors: NDArray[np.float32]
    rows: tuple[int, ...]

    def of_class(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the errors of a class, ascending, and how many of its rows have at most that error
        [point]."""
        start, end = self._ends[number : number + 2]
        return self.errors[start:end], _ranks(self.rows[number], end - start)

    @functools.cached_property
    def _ends(self) -> list[int]:
        """Where the errors of each class end, after a 0."""
        return [
            0,
            *itertools.accumulate(n_points(rows, len(self.rows)) for rows in self.rows),
        ]

    def thresholds(
        self, coverage: float | None = COVERAGE, *, per_class: bool = False
    ) -> Floats:
        """Return the largest error that a set or an interval admits, for each class [class].

        Args:
            coverage: share of new rows whose label or number is to be in its set or interval.
            per_class: whether each class has its own threshold, so that the share holds in each
                class. Classes with too few rows for the coverage are in every set: their threshold
                    is infinite.

        Raises:
            OptionError: the coverage isn't between 0 and 1, or there are too few rows for it.
        """
        share: Any = coverage  # of a request
        if (
            isinstance(share, bool)
            or not isinstance(share, int | float | np.number)
            or not 0 < share < 1
        ):
            raise OptionError(
                f"coverage is {shown(coverage)}",
                "It must be a share between 0 and 1, such as 0.9.",
            )
        coverage = float(share)
        n_rows = sum(self.rows)
        parts = [self.of_class(number) for number in range(len(self.rows))]
        if _needed(coverage, n_rows) > n_rows:
            least = math.ceil(coverage / (1 - coverage) - 1e-9)
            known = counted(n_rows, "row")
            raise OptionError(
                f"a coverage of {coverage:g} needs errors on {least:,} rows, and the model has those of {known}",
                f"Ask for at most {math.floor(1000 * n_rows / (n_rows + 1)) / 1000:g}.",
            )
        if per_class:
            return np.array(
                [
                    _threshold(*part, _needed(coverage, n))
                    for part, n in zip(parts, self.rows, strict=True)
                ]
            )
        order = np.argsort(self.errors, kind="stable")
        counts = np.concatenate([np.diff(ranks, prepend=0) for _, ranks in parts])[
            order
        ].cumsum()
        return np.full(
            len(self.rows),
            _threshold(self.errors[order], counts, _needed(coverage, n_rows)),
        )

    def describe(self, labels: Sequence[str]) -> dict[str, Any] | None:
        """Return threshold and coverage of each class at the default coverage, as plain values;
        None for few rows."""
        if _needed(COVERAGE, sum(self.rows)) > sum(self.rows):
            return None
        threshold = float(self.thresholds()[0])
        covered = {}
        for number, label in enumerate(labels):
            errors, ranks = self.of_class(number)
            within = int(np.searchsorted(errors, threshold, side="right"))
            if len(ranks):
                covered[label] = float(ranks[within - 1] / ranks[-1]) if within else 0.0
        return {
            "coverage": COVERAGE,
            "n_rows": sum(self.rows),
            "threshold": threshold,
            "by_class": covered,
        }


def left_out_errors(table: Table, predicted: Floats) -> LeftOutErrors | None:
    """Return the errors of predictions for rows that networks weren't trained on; None if there are
    none. Predicted are probabilities [row, class], or numbers [row]; NaN for rows without a
    prediction."""
    if outcome_of(table.task).is_expanded:
        return None
    (errors, codes) = table.outcome.errors(table.target, predicted)
    n_classes = max(1, len(table.labels))
    known = np.isfinite(errors)
    if not known.any():
        return None
    # Rounded up, so that no set is smaller for it.
    stored = np.nextafter(errors.clip(0, 1e38).astype(np.float32), np.float32(np.inf))
    parts = []
    rows = np.bincount(codes[known], minlength=n_classes).tolist()
    for number, n_rows in enumerate(rows):
        class_errors = np.sort(stored[known & (codes == number)])
        parts.append(class_errors[_ranks(n_rows, n_points(n_rows, n_classes)) - 1])
    return LeftOutErrors(np.concatenate(parts), tuple(rows))


def n_points(n_rows: int, n_classes: int) -> int:
    """Return how many errors of a class's rows are kept: all, or 1000 of all classes together, but
    at least 100."""
    return min(n_rows, max(_MOST_POINTS // n_classes, _POINTS_OF_A_CLASS))


def _ranks(n_rows: int, size: int) -> NDArray[np.int64]:
    """Return the ranks, from 1 to the number of rows, of the errors that are kept [point]."""
    return -(-np.arange(1, size + 1) * n_rows // max(size, 1))


def _needed(coverage: float, n_rows: int) -> int:
    """Return the rank of the error below which a new row's error lies with at least this
    probability."""
    return math.ceil((n_rows + 1) * coverage - 1e-9)


def _threshold(
    errors: NDArray[np.float32], ranks: NDArray[np.int64], needed: int
) -> float:
    place = int(np.searchsorted(ranks, needed))
    return float(errors[place]) if place < len(errors) else math.inf

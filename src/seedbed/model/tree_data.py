"""What trees are fitted to: their inputs, and bins of these."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.training.tree_growth import sortable
from seedbed.typing import Floats

_Bins = tuple[NDArray[np.uint8], list[NDArray[np.float32]]]
SMALL_TABLE = 1_500  # rows below which boosted trees are small
_MOST_BINS = 255


@dataclasses.dataclass(frozen=True, eq=False)
class TreeData:
    """What trees are fitted to.

    Attributes:
        X: inputs [row, input].
        y: classes, or standardised numbers [row].
        weights: the weight of each row [row], or None.
        splits: of each network.
        n_outputs: outputs of a row.
        of_classes: whether the target is classes.
        n_cases: of expanded rows, the number of rows that they are of.
        categories: of each category, the inputs of its levels, of which one is not 0.
    """

    X: NDArray[np.float32]
    y: NDArray[Any]
    weights: NDArray[np.float32] | None
    splits: Sequence[Split]
    n_outputs: int
    of_classes: bool
    n_cases: int | None = None
    categories: tuple[tuple[int, ...], ...] = ()

    @property
    def size(self) -> int:
        """The number of independent rows."""
        return len(self.y) if self.n_cases is None else self.n_cases

    @property
    def round_size(self) -> int:
        """Boosting iterations after which rows left out decide whether more may help."""
        return 25 if self.size >= SMALL_TABLE else 50

    @functools.cached_property
    def inputs(self) -> NDArray[np.float32]:
        """The inputs of trees column by column [input, row]. NaN is the least number: both go to
        the left at every threshold."""
        X = tree_inputs(self.X, self.categories)
        return np.ascontiguousarray(np.where(np.isnan(X), np.float32(-np.inf), X).T)

    @functools.cached_property
    def n_levels(self) -> NDArray[np.int32]:
        """The levels of each category, with the unknown one; 0 of a number [input]."""
        n_levels = [len(inputs) + 1 for inputs in self.categories]
        n_numbers = len(self.inputs) - len(n_levels)
        return np.array([0] * n_numbers + n_levels, dtype=np.int32)

    @functools.cached_property
    def values(self) -> list[NDArray[np.float32]]:
        """The values of each input, sorted."""
        return [np.unique(column) for column in self.inputs]

    @functools.cached_property
    def sorted_values(self) -> NDArray[np.int64]:
        """The values of all inputs, one input after the other, as whole numbers that sort so."""
        return np.concatenate(
            [
                value_keys(np.array(number), values)
                for number, values in enumerate(self.values)
            ]
        )

    @functools.cached_property
    def numbers(self) -> Floats:
        """The target as numbers [row]."""
        return self.y.astype(np.float64)

    @functools.cached_property
    def counts(self) -> Floats:
        """The weight of each row [row], 1 without weights."""
        return (
            np.ones(len(self.y))
            if self.weights is None
            else self.weights.astype(np.float64)
        )

    @functools.cached_property
    def sorted_inputs(self) -> NDArray[np.int32]:
        """The inputs as whole numbers that sort alike, or levels [input, row]."""
        is_category = self.n_levels > 0
        values = sortable(self.inputs)
        values[is_category] = self.inputs[is_category].astype(np.int32)
        return values

    @functools.cached_property
    def bins(self) -> list[_Bins]:
        """Two sets of bins, or one if there are few values. Networks take them in turn: the mean of
        trees whose thresholds lie between each other's is finer."""
        return [
            self._bins_at(shift)
            for shift in (
                (0.0, 0.5) if max(map(len, self.values)) > _MOST_BINS else (0.0,)
            )
        ]

    def _bins_at(self, shift: float) -> _Bins:
        """Return the bin of each input [row, input], and the largest number of each bin but the
        last [input][bin]. They depend on inputs alone, with about as many rows in each, and keep a
        distance from the values of rows. Of a category, bins are levels."""
        bins = np.zeros(self.inputs.T.shape, dtype=np.uint8)
        edges = list[NDArray[np.float32]]()
        for number, (column, values) in enumerate(
            zip(self.inputs, self.values, strict=True)
        ):
            if self.n_levels[number]:
                bins[:, number] = column
                edges.append(np.zeros(int(values[-1]), dtype=np.float32))
                continue
            above = np.arange(1, len(values))
            if len(values) > _MOST_BINS:
                shares = (np.arange(1, _MOST_BINS) + shift) / _MOST_BINS
                borders = np.quantile(
                    column[np.isfinite(column)], shares, method="midpoint"
                )
                above = np.unique(
                    np.searchsorted(values, borders, side="right").clip(
                        1, len(values) - 1
                    )
                )
            edges.append(
                ((values[above - 1].astype(np.float64) + values[above]) / 2).astype(
                    np.float32
                )
            )
            bins[:, number] = np.searchsorted(edges[-1], column)
        return bins, edges

    def left_out(self, of_test: Iterable[Floats]) -> NDArray[np.float32]:
        """Return outputs [row, output, network] from those of each network for the rows that it
        leaves out; NaN elsewhere."""
        outputs = np.full(
            (len(self.y), self.n_outputs, len(self.splits)), np.nan, dtype=np.float32
        )
        for number, (split, some) in enumerate(zip(self.splits, of_test, strict=True)):
            outputs[split.test, :, number] = some
        return outputs

    def level(self, rows: NDArray[np.int64], least: float) -> Floats:
        """Return the outputs [output] of the mean of some rows, or of their classes' frequencies,
        which are at least `least`."""
        weights = self.counts[rows]
        if not self.of_classes:
            return np.array([np.average(self.numbers[rows], weights=weights)])
        counts = np.bincount(self.y[rows], weights, minlength=max(2, self.n_outputs))
        logs = np.log(np.maximum(counts / counts.sum(), least))
        return np.asarray(logs if self.n_outputs > 1 else logs[1:] - logs[:1])

    def predicted(self, outputs: Floats) -> Floats:
        """Return probabilities [row, class], or numbers [row], of outputs [row, output]."""
        if not self.of_classes:
            return np.asarray(outputs[:, 0])
        from scipy.special import softmax

        logits = (
            outputs
            if self.n_outputs > 1
            else np.column_stack([np.zeros(len(outputs)), outputs])
        )
        return np.asarray(softmax(logits, axis=1))

    def losses(self, outputs: Floats, rows: NDArray[np.int64]) -> Floats:
        """Return the loss of each row [row] by outputs [row, output]."""
        target = self.y[rows]
        if not self.of_classes:
            return np.asarray((outputs[:, 0] - target) ** 2)
        if self.n_outputs == 1:
            losses = np.logaddexp(0.0, np.where(target, -outputs[:, 0], outputs[:, 0]))
        else:
            losses = -np.log(
                np.maximum(self.predicted(outputs)[np.arange(len(rows)), target], 1e-7)
            )
        return np.asarray(np.minimum(losses, -np.log(1e-7)))


def words_of(categories: Sequence[Sequence[int]]) -> int:
    """Return the words of 32 bits of a set of levels, whose bit 0 is of no known level."""
    return 1 + max(map(len, categories)) // 32 if categories else 0


def tree_inputs(
    X: NDArray[np.floating], categories: Sequence[Sequence[int]]
) -> NDArray[np.floating]:
    """Return what trees see [row, column]: inputs that aren't of categories, and then the level of
    each category, counted from 1; 0 is a level that isn't known."""
    if not categories:
        return X
    others = np.setdiff1d(np.arange(X.shape[1]), np.concatenate(categories))
    levels = [
        (X[:, inputs] > 0.5) @ np.arange(1, len(inputs) + 1) for inputs in categories
    ]
    return np.column_stack([X[:, others], *levels]).astype(X.dtype)


def value_keys(numbers: NDArray[Any], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return whole numbers that sort by the number of the input, and then by its value."""
    return np.asarray((numbers.astype(np.int64) << 32) + sortable(values))

"""Means, deviations and medians of training rows, and the standardised target of a regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.errors import TargetError
from seedbed.typing import Bools, Floats, Ints

__all__ = ["Sizes", "TargetDesign", "coarse_sizes", "medians_of", "moments", "target_design"]

_LARGEST = np.finfo(np.float64).max
_CELLS_COUNTED = 1 << 21  # at a time, for little memory
_UNIT_STEP = 64  # units are powers of 2**64; in between, float32 can hold any sum of products
_UNIT_LIMIT = 960  # 2**1024 is infinite, 2**-1088 is zero
_GRID_STEP = 4  # grids are powers of 16
_NEAR_ZERO = 16.0  # spreads


@dataclass(frozen=True, eq=False)
class Sizes:
    """A centre and a unit of each column, so coarse that single rows hardly ever change them.

    Attributes:
        exponents: int64 [column]; the unit is 2 to this power.
        centres: float64 [column], in units.
    """

    exponents: Ints
    centres: Floats

    @property
    def units(self) -> Floats:
        return np.ldexp(1.0, self.exponents)

    def sized(self, numbers: Floats) -> Floats:
        """Return (numbers - centre) / unit [row, column]; infinite if float64 can't hold it."""
        with np.errstate(over="ignore"):
            return np.ldexp(numbers, -self.exponents) - self.centres

    def shrunk(self, lengths: Floats) -> Floats:
        """Return lengths / unit [column], for deviations."""
        with np.errstate(over="ignore"):
            return np.ldexp(lengths, -self.exponents)


def coarse_sizes(numbers: Floats) -> Sizes:
    """Return the sizes of the columns of a whole table [row, column], NaN for missing cells.

    If the training rows of a split vary about as much as all rows, their standardised values lose less than 1e-5 to
    float32. That requires a mean within some hundred deviations of the centre. So the centre is 0 if the median is
    within 16 spreads of it, else the median rounded to a grid of 2 to 32 spreads.

    The spread is a quantile of the distances from the median, so one huge cell has no effect: it would move the centre
    so far that all other rows became one float32 value. By Chebyshev, it is below three deviations. Cells that equal
    the median are counted separately, so that columns of mostly zeros have a spread.
    """
    n_rows = len(numbers)
    filled = n_rows - np.isnan(numbers).sum(axis=0)
    median = _ordered_at(np.sort(numbers, axis=0), (filled - 1) // 2)
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(numbers - median), _LARGEST)
    distance[distance == 0] = np.nan
    others = n_rows - np.isnan(distance).sum(axis=0)
    spread = _ordered_at(np.sort(distance, axis=0), (3 * others - 1) // 4) * np.sqrt(others / np.maximum(filled, 1))
    _, power = np.frexp(spread)
    exponents = _UNIT_STEP * ((power.astype(np.int64) + _UNIT_STEP // 2) // _UNIT_STEP)
    exponents = np.clip(exponents, -_UNIT_LIMIT, _UNIT_LIMIT)
    median, spread = np.ldexp(median, -exponents), np.ldexp(spread, -exponents)
    _, power = np.frexp(spread)
    grid = np.ldexp(1.0, _GRID_STEP * -(-(power + 1) // _GRID_STEP))
    steps = np.clip(median / grid, -(2.0**53), 2.0**53)
    rounded = np.where(np.abs(steps) < 2.0**53, np.rint(steps) * grid, median)  # beyond, the median is on the grid
    centres = np.where(np.abs(median) <= _NEAR_ZERO * spread, 0.0, rounded)
    return Sizes(exponents, np.where(spread > 0, centres, median))


def moments(rows: Floats) -> tuple[Floats, Floats]:
    """Return mean and population deviation [column]; the deviation is exactly 0 for a constant column.

    Two traps: the deviation of a constant like 0.1 would be 1e-17, so constancy is tested separately. And squares of
    1e200 overflow, so columns are first scaled near 1 by a power of two, which changes no digit.
    """
    rows = np.asarray(rows, dtype=np.float64)
    low, high = rows.min(axis=0), rows.max(axis=0)
    _, exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))
    near_one = np.ldexp(rows, -exponent)
    mean = np.ldexp(near_one.mean(axis=0), exponent)
    deviation = np.ldexp(near_one.std(axis=0), exponent)
    return np.where(low == high, low, mean), np.where(low == high, 0.0, deviation)


def medians_of(numbers: Floats, member: Bools) -> Floats:
    """Return medians of the filled cells of each split's training rows [column, split]; NaN if there is none.

    Each column is sorted once for all splits. Counting a split's members along it finds their middle.

    Args:
        numbers: [row, column]; NaN if a cell is missing.
        member: [row, split]; whether a row trains.
    """
    medians = np.full((numbers.shape[1], member.shape[1]), np.nan)
    for column, values in enumerate(numbers.T):
        order = np.argsort(values)[: len(values) - np.isnan(values).sum()]
        if not len(order):
            continue
        n_splits = max(1, _CELLS_COUNTED // len(order))  # a few at a time, where there are many rows
        for start in range(0, member.shape[1], n_splits):
            some = slice(start, start + n_splits)
            medians[column, some] = _medians(values, order, member[:, some])
    return medians


def _medians(values: Floats, order: Ints, member: Bools) -> Floats:
    """Return medians of each split's members [split] of one column, given the order of its filled cells."""
    passed = np.cumsum(member[order], axis=0, dtype=np.int32)
    count = passed[-1]
    below, above = (
        values[order[np.minimum((passed <= middle).sum(axis=0), len(order) - 1)]]
        for middle in (np.maximum(count - 1, 0) // 2, count // 2)
    )
    middle = np.where(below == above, below, below / 2 + above / 2)  # halved first: a sum could overflow
    found: Floats = np.where(count > 0, middle, np.nan)
    return found


def _ordered_at(ordered: Floats, places: Ints) -> Floats:
    """Return ordered[places[column], column]; 0 if the place is below 0, as the column holds nothing."""
    found = np.take_along_axis(ordered, np.maximum(places, 0)[None], axis=0)[0]
    return np.where(places >= 0, found, 0.0)


@dataclass(frozen=True, eq=False)
class TargetDesign:
    """All splits' standardised targets, as one shared column and a map for each split.

    In split s, scale[s] * values + shift[s] == (target - means[s]) / deviations[s].

    Attributes:
        values: [row], sized so that a cast to float32 keeps what a split can see.
        scale: [split].
        shift: [split].
        means: of the training rows' target [split].
        deviations: population deviations [split]; if the target is constant, the unit of `values`.
    """

    values: Floats
    scale: Floats
    shift: Floats
    means: Floats
    deviations: Floats

    def restore(self, outputs: NDArray[np.floating], split: int) -> Floats:
        """Return a split's outputs, of any shape, in the user's units."""
        restored: Floats = np.asarray(outputs, dtype=np.float64) * self.deviations[split] + self.means[split]
        return restored


def target_design(target: Floats, splits: Sequence[Split]) -> TargetDesign:
    """Return the standardised targets of all splits.

    Args:
        target: [row]; numbers in the user's units.
        splits: whose training rows give means and deviations.

    Raises:
        TargetError: its sizes differ so much that float32 can't hold them.
    """
    column = np.asarray(target, dtype=np.float64)[:, None]
    sizes = coarse_sizes(column)
    found = [moments(column[split.train]) for split in splits]
    means, deviations = (np.array([part[which][0] for part in found]) for which in (0, 1))
    deviations = np.where(deviations > 0, deviations, sizes.units)
    values = sizes.sized(column)[:, 0]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        divisor = sizes.shrunk(deviations)
        scale, shift = 1 / divisor, -sizes.sized(means) / divisor
        largest = np.abs(values).max() * scale + np.abs(shift)
        fits = all(np.isfinite(part.astype(np.float32)).all() for part in (values, scale, shift, largest))
    if not fits:
        raise TargetError(
            "the target's values differ too much in size for float32",
            "Look for a wrong cell in it, or take its logarithm.",
        )
    return TargetDesign(values, scale, shift, means, deviations)

"""A target of numbers, standardised by each split's training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.data.encoding.scaling import coarse_sizes, moments
from seedbed.data.splits.folds import Split
from seedbed.errors import TargetError

__all__ = ["TargetDesign", "target_design"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TargetDesign:
    """All splits' standardised targets, as one shared column and a map for each split.

    The law: scale[s] * values + shift[s] == (target - means[s]) / deviations[s]

    Attributes:
        values: float64 [row], sized so that a cast to float32 keeps what a split can see.
        scale: float64 [split].
        shift: float64 [split].
        means: float64 [split]; of the training rows' target.
        deviations: float64 [split]; population deviations; where the target is constant, the unit of `values`.
    """

    values: Floats
    scale: Floats
    shift: Floats
    means: Floats
    deviations: Floats

    def restore(self, outputs: NDArray[np.floating], split: int) -> Floats:
        """A split's outputs, of any shape, in the user's units."""
        restored: Floats = np.asarray(outputs, dtype=np.float64) * self.deviations[split] + self.means[split]
        return restored


def target_design(target: Floats, splits: Sequence[Split]) -> TargetDesign:
    """The target of all splits.

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

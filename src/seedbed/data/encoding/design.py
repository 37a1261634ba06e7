"""What all splits' networks see, as one matrix and a map for each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import ColumnError

__all__ = ["Design", "fits_float32", "refuse_unrepresentable"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """All splits' inputs, as one shared matrix and, for each split, a map that its training rows alone decide.

    The law: in split s, input j is

        scale[j, s] * matrix[:, j] + shift[j, s] + sum of extra[k, s] * matrix[:, k] over the k with also[k] == j

    So a number is standardised; a flag of missing cells brings the median to its number; a level that is too rare among
    the training rows counts in its bucket. An input that training rows can't teach is exactly zero.

    Attributes:
        matrix: float64 [row, input], sized so that a cast to float32 keeps what a split can see; of a large table
            float32, in a file.
        scale: float64 [input, split].
        shift: float64 [input, split].
        also: int64 [input]; the input that a column adds to, its own number where it adds to none. None where no column
            adds to another in any split.
        extra: float64 [input, split], times what; none together with `also`.
        order: int64 [row]; of a large table, whose rows are shuffled once and for all, which row of the table each row
            of the matrix is. None where that is its own number.
    """

    matrix: NDArray[np.floating]
    scale: Floats
    shift: Floats
    also: NDArray[np.int64] | None = None
    extra: Floats | None = None
    order: NDArray[np.int64] | None = None


def fits_float32(numbers: Floats) -> NDArray[np.bool_]:
    """Whether float32 can hold them."""
    with np.errstate(over="ignore"):
        return np.isfinite(numbers.astype(np.float32))


def refuse_unrepresentable(fits: NDArray[np.bool_], columns: Sequence[str]) -> None:
    """An error where `fits` isn't true throughout.

    Args:
        fits: [..., input]; whether float32 can hold something of an input.
        columns: [input]; the column that each is made of.

    Raises:
        ColumnError: it names the first column.
    """
    if not fits.all():
        column = columns[int(np.flatnonzero(~fits.reshape(-1, fits.shape[-1]).all(axis=0))[0])]
        raise ColumnError(
            f"column '{column}': its cells differ too much in size for float32",
            "Look for a wrong cell in this column, or take its logarithm.",
        )

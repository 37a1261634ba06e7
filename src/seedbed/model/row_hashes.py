"""Hashes of the training rows, by which a model knows them again. They hold no cell, but say of a
row that someone has whether the model was trained on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.training.tree_growth import splitmix64
from seedbed.typing import Floats

MOST_HASHES = 1 << 18
"""Of longer tables, and where more than one row in a hundred equals another, a model keeps none:
new rows would equal training rows by chance."""

ROUNDINGS = (0.1, 0.01, 0.001, 0.0)
"""Numbers are hashed by their cell, which is this share of the column's standard deviation wide,
so that rows that were saved again with fewer digits are recognised; 0 hashes exact numbers."""

_OFFSET = 0.3819660113  # of the cells, as numbers of few digits would be at their ends

Hashes = NDArray[np.int32]


def row_hashes(
    columns: Sequence[Floats], deviations: Floats, *outcome: NDArray[Any] | None
) -> Iterator[Hashes]:
    """Yield a hash of each row [row] for each of `ROUNDINGS`; the last one is of exact numbers.

    Args:
        columns: values [row] as a `Column` has them.
        deviations: standard deviation of each column [column]; 0 of levels, which are exact.
        outcome: the target, and others, if there are any. Class codes are integers; numbers are
            rounded by their own size.
    """
    arrays: list[NDArray[Any]] = [
        *columns,
        *(one for one in outcome if one is not None),
    ]
    sizes: list[Any] = [*deviations]
    sizes += [abs(one) * (one.dtype.kind == "f") for one in arrays[len(columns) :]]
    for rounding in ROUNDINGS:
        state = np.full(
            len(arrays[-1]), round(rounding and 1 / rounding), dtype=np.uint64
        )
        for array, size in zip(arrays, sizes, strict=True):
            values = np.asarray(array, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
            is_rounded = np.asarray(rounding * size > 0)
            cells = values / np.where(is_rounded, rounding * size, 1.0) + _OFFSET
            values = np.where(is_rounded, np.floor(cells) + 0.0, values)
            values[np.isnan(values)] = np.nan  # one of the many
            state = splitmix64(state ^ values.view(np.uint64))
        yield (state >> np.uint64(32)).astype(np.uint32).view(np.int32)


def kept_hashes(hashes: Iterable[Hashes], n_rows: int) -> Hashes | None:
    """Return what a model keeps of the `row_hashes` of its training rows, ascending: the first ones
    by which they differ; None if it keeps none."""
    if n_rows > MOST_HASHES:
        return None
    most = (
        *[0.001 * n_rows] * (len(ROUNDINGS) - 1),
        0.01 * n_rows,
    )  # rows equal to others
    different = zip(map(np.unique, hashes), most, strict=False)
    return next(
        (one for one, n_equal in different if n_rows - len(one) <= n_equal), None
    )

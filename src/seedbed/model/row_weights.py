"""What each row of a table counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.arguments import shown
from seedbed.data import Table
from seedbed.errors import OptionError

__all__ = ["row_weights"]


def row_weights(table: Table, sample_weight: ArrayLike | None) -> NDArray[np.float32] | None:
    """Weights [row] as they are given, or none.

    Raises:
        OptionError: they aren't one for each row, or can't be weights.
    """
    if sample_weight is None:
        return None
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            weights = np.asarray(sample_weight, dtype=np.float32)
    except (TypeError, ValueError):
        raise OptionError(f"sample_weight is {shown(sample_weight)}", "Give a number for each row.") from None
    if weights.shape != (table.n_rows,):
        raise OptionError(f"sample_weight has shape {list(weights.shape)}", f"It must be [{table.n_rows}].")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise OptionError("sample_weight is negative, all zero or not finite", "Give what each row counts, from 0 up.")
    return weights

"""Inner splits: training rows divided again, to choose by.

A learning rate or an epoch chosen on the rows that are scored turns noise into a result. So training rows are divided
once more; networks that train on one part are looked at with the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Split, Table, inner_holdout, repeated_folds, spill, time_folds

__all__ = ["inner_splits"]


def inner_splits(
    table: Table,
    rows: NDArray[np.int64],
    states: Sequence[int],
    *,
    windows: int,
    folds: int | None = None,
    repeats: int = 1,
) -> tuple[Split, ...]:
    """Return splits of some rows of a table. No group has rows on both sides of one.

    Args:
        rows: which are divided.
        states: random states; each gives one stratified 80/20 split, or `repeats` x `folds` stratified folds.
        windows: how many splits rows with times have at most. Each trains on the past and is looked at with what comes
            next. Where all rows have one time, or groups last to the end, they are divided as if they had no times.
        folds: how many folds there are; None for 80/20 splits.
        repeats: how often one random state deals the rows into folds.

    Raises:
        SeedbedError: there are too few rows, groups, or rows of a class for so many folds.
    """
    own_windows = () if table.times is None else time_folds(table.times, rows, folds=windows, groups=table.groups)
    parts: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
    if own_windows:
        parts = own_windows
    elif folds is None:
        parts = (inner_holdout(table.target, rows, random_state=state, groups=table.groups) for state in states)
    else:
        groups = None if table.groups is None else table.groups[rows]
        parts = (
            (rows[fold.train], rows[fold.test])
            for state in states
            for fold in repeated_folds(
                table.target[rows], repeats=repeats, folds=folds, random_state=state, groups=groups
            )
        )
    # One after the other, as they may be large.
    return tuple(Split(0, number, spill(train), spill(test)) for number, (train, test) in enumerate(parts))

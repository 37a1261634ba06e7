"""Rows split by time: what is trained on lies before what is tested."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits.folds import Split
from seedbed.errors import OptionError

__all__ = ["time_folds", "time_holdout"]

Rows = NDArray[np.int64]
Times = NDArray[np.float64]

_FEWEST_TO_CHOOSE_BY = 10  # rows of a window, as far as there are so many


def time_holdout(times: Times, *, test_size: float = 0.2, groups: Rows | None = None) -> Split:
    """The latest rows are tested, the others train; equal times never lie on both sides.

    Args:
        times: finite numbers [row].
        test_size: the share of test rows, between 0 and 1; met as nearly as equal times allow.
        groups: [row]; rows whose group is tested, too, are left out of training.

    Raises:
        OptionError: `test_size` is not such a share, all times are equal, or groups leave nothing to train on.
    """
    if not 0.0 < test_size < 1.0:
        raise OptionError(f"test_size is {test_size}", "Give the share of rows to test on, such as 0.2.")
    n_rows = len(times)
    order = np.argsort(times, kind="stable")
    cuts = _cuts(times[order], [n_rows - math.ceil(test_size * n_rows)])
    if not cuts:
        raise OptionError(f"all {n_rows} rows have the same time", "Split them by another column, or not by time.")
    earlier, test = np.sort(order[: cuts[0]]), np.sort(order[cuts[0] :])
    train = _apart(earlier, test, groups)
    if not len(train):
        raise OptionError(
            f"each of the {len(earlier)} earlier rows is of a group with rows among the latest {len(test)}, so none is "
            "left to train on",
            "Split by time without a group column, or by groups without time.",
        )
    return Split(repeat=0, fold=0, train=train, test=test)


def time_folds(times: Times, rows: Rows, *, folds: int, groups: Rows | None = None) -> tuple[tuple[Rows, Rows], ...]:
    """Expanding windows within some rows, for choosing: each trains on the past and looks at the block that follows.

    The first trains on the earlier half, as what is chosen will be used on all the rows; the later half is cut into
    blocks of at least 10 rows where there are so many, else into fewer blocks than `folds`.

    Args:
        times: finite numbers [row] of the whole table.
        rows: row indices; none but these come back.
        folds: windows at most.
        groups: [row] of the whole table; rows whose group is in a window's block are left out of its training.

    Returns:
        For each window (to train on, to choose by), both sorted; none where all times are equal, or where groups leave
        no window anything to train on.
    """
    own = times[rows]
    order = np.argsort(own, kind="stable")
    n_rows = len(rows)
    n_blocks = max(1, min(folds, n_rows // (2 * _FEWEST_TO_CHOOSE_BY)))
    wanted = [round(n_rows / 2 * (1 + block / n_blocks)) for block in range(n_blocks)]
    cuts = _cuts(own[order], wanted)
    windows = []
    for start, stop in itertools.pairwise([*cuts, n_rows]):
        block = np.sort(rows[order[start:stop]])
        train = _apart(np.sort(rows[order[:start]]), block, groups)
        if len(train):
            windows.append((train, block))
    return tuple(windows)


def _cuts(ordered: Times, wanted: list[int]) -> list[int]:
    """The places nearest to those wanted where time moves on, each once, ascending; none at either end."""
    possible = np.flatnonzero(np.diff(ordered) > 0) + 1
    if not len(possible):
        return []
    return sorted({int(possible[np.abs(possible - place).argmin()]) for place in wanted})


def _apart(train: Rows, test: Rows, groups: Rows | None) -> Rows:
    """Training rows whose group isn't tested."""
    return train if groups is None else train[~np.isin(groups[train], groups[test])]

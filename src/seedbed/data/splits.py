"""Which rows train and which rows test. Every candidate gets the same splits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.group_folds import GroupedRows, group_rows, rows_by_class
from seedbed.errors import OptionError, TargetError
from seedbed.typing import Floats, Ints

__all__ = [
    "Split",
    "check_training",
    "fold_pairs",
    "holdout",
    "inner_holdout",
    "repeated_folds",
    "sample_rows",
    "time_folds",
    "time_holdout",
]


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test rows of one fold of one repeat.

    Attributes:
        repeat: counted from 0.
        fold: counted from 0.
        train: row indices; sorted, but for `holdout` without groups, which keeps scikit-learn's shuffled order.
        test: row indices, likewise.
    """

    repeat: int
    fold: int
    train: Ints
    test: Ints

    def __post_init__(self) -> None:
        self.train.setflags(write=False)
        self.test.setflags(write=False)


def holdout(
    target: NDArray[Any], *, test_size: float = 0.2, random_state: int = 0, groups: Ints | None = None
) -> Split:
    """Return one split, equal to scikit-learn's `train_test_split(np.arange(n), ..., stratify=target)`.

    A float target isn't stratified. If scikit-learn would refuse (a class has a single row, or a side fewer rows than
    there are classes), and if rows form groups, rows are distributed by `seedbed.data.group_folds`.

    Args:
        target: integer class codes or float numbers [row].
        test_size: share of test rows, between 0 and 1; with groups, as near as they allow.
        random_state: seed of the shuffle.
        groups: [row]; rows of one group are never on both sides.

    Raises:
        OptionError: `test_size` is not such a share, or leaves no row of another class; or there is one group only.
        TargetError: fewer than 2 rows outside the largest class, or all of them in one group.
    """
    if not 0.0 < test_size < 1.0:
        raise OptionError(f"test_size is {test_size}", "Give the share of rows to test on, such as 0.2.")
    _check_random_state(random_state)
    n_rows = len(target)
    codes, counts = _classes(target)
    _check_outside_largest(target, counts, at_least=2, why="a row to train on and one to test on")
    n_test = math.ceil(test_size * n_rows)
    fewest = min(n_test, n_rows - n_test)
    if fewest < min(len(counts), 2):
        raise OptionError(
            f"test_size {test_size} leaves {n_rows - n_test} rows to train on and {n_test} to test on"
            + (f", for {len(counts)} classes" if len(counts) > 1 else ""),
            "Choose a share that leaves each side some rows, and each of two classes one.",
        )
    grouped = _grouped(codes, groups, folds=2)
    if grouped is None and (len(counts) == 1 or (counts.min() >= 2 and fewest >= len(counts))):
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(
            np.arange(n_rows), test_size=test_size, random_state=random_state, stratify=_strata(target)
        )
        return Split(repeat=0, fold=0, train=train.astype(np.int64), test=test.astype(np.int64))
    rng = np.random.default_rng(random_state)
    tested = np.zeros(n_rows, dtype=bool)
    if grouped is None:
        in_order = rows_by_class(codes, rng)
        tested[in_order[((np.arange(n_test) + rng.random()) * n_rows / n_test).astype(np.int64)]] = True
    else:
        tested = grouped.distribute(np.array([n_rows - n_test, n_test]) / n_rows, rng) == 1
    split = Split(repeat=0, fold=0, train=np.flatnonzero(~tested), test=np.flatnonzero(tested))
    check_training(target, split)
    return split


def repeated_folds(
    target: NDArray[Any], *, repeats: int, folds: int, random_state: int, groups: Ints | None = None
) -> tuple[Split, ...]:
    """Return each repeat's splits, equal to scikit-learn's `RepeatedStratifiedKFold`, or `RepeatedKFold` of numbers.

    If a class has fewer rows than there are folds, and if rows form groups, `seedbed.data.group_folds` distributes the
    rows: folds of nearly one size with nearly the same shares of every class, as far as large groups allow.

    Args:
        target: integer class codes or float numbers [row].
        repeats: number of times that all rows are distributed.
        folds: folds of a repeat; the rows of each are the test rows once.
        random_state: seed of all shuffles.
        groups: [row]; rows of one group always lie in one fold.

    Raises:
        OptionError: fewer than 2 folds or 1 repeat, or fewer rows or groups than folds.
        TargetError: fewer rows outside the largest class than there are folds, or all of them in one group.
    """
    if folds < 2:
        raise OptionError(f"folds is {folds}", "Give at least 2.")
    if repeats < 1:
        raise OptionError(f"repeats is {repeats}", "Give at least 1.")
    _check_random_state(random_state)
    codes, counts = _classes(target)
    _check_outside_largest(target, counts, at_least=folds, why=f"one for each of {folds} folds")
    if len(target) < folds:
        raise OptionError(f"{len(target)} rows can't be divided into {folds} folds", "Use fewer folds.")
    grouped = _grouped(codes, groups, folds=folds)
    if grouped is None and (len(counts) == 1 or counts.min() >= folds):
        from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

        splitter = RepeatedKFold if _strata(target) is None else RepeatedStratifiedKFold
        # A class may have exactly as many rows as there are folds. The matrix isn't used.
        parts = splitter(n_splits=folds, n_repeats=repeats, random_state=random_state).split(
            np.zeros((len(target), 1)), target
        )
        return tuple(
            Split(number // folds, number % folds, train.astype(np.int64), test.astype(np.int64))
            for number, (train, test) in enumerate(parts)
        )
    rng = np.random.default_rng(random_state)
    splits = []
    for repeat in range(repeats):
        fold_of_row = np.empty(len(codes), dtype=np.int64)
        if grouped is None:
            fold_of_row[rows_by_class(codes, rng)] = np.arange(len(codes)) % folds
        else:
            fold_of_row = grouped.distribute(np.full(folds, 1.0 / folds), rng)
        for fold in range(folds):
            tested = fold_of_row == fold
            splits.append(Split(repeat, fold, train=np.flatnonzero(~tested), test=np.flatnonzero(tested)))
            check_training(target, splits[-1])
    return tuple(splits)


def inner_holdout(
    target: NDArray[Any], rows: Ints, *, test_size: float = 0.2, random_state: int = 0, groups: Ints | None = None
) -> tuple[Ints, Ints]:
    """Divide training rows into (rows to train on, rows to choose by), both sorted; stratified if classes allow it.

    Args:
        target: integer class codes or float numbers [row] of the whole table.
        rows: indices of the rows to divide.
        test_size: share to choose by, between 0 and 1.
        random_state: seed of the shuffle.
        groups: [row] of the whole table; rows of one group stay on one side.

    Raises:
        OptionError: the rows are of one group.
    """
    codes, counts = _classes(target[rows])
    n_test = math.ceil(test_size * len(rows))
    grouped = _grouped(codes, None if groups is None else groups[rows], folds=2)
    if grouped is not None:
        shares = np.array([len(rows) - n_test, n_test]) / len(rows)
        tested = grouped.distribute(shares, np.random.default_rng(random_state)) == 1
        return np.sort(rows[~tested]), np.sort(rows[tested])
    from sklearn.model_selection import train_test_split

    possible = counts.min() >= 2 and min(n_test, len(rows) - n_test) >= len(counts)
    parts = train_test_split(
        rows, test_size=test_size, random_state=random_state, stratify=_strata(target[rows]) if possible else None
    )
    return np.sort(parts[0]), np.sort(parts[1])


def fold_pairs(splits: Sequence[Split]) -> tuple[tuple[int, int, Split], ...]:
    """Return, for each repeat and pair of its folds, the two folds and the split whose test rows are those of both.

    Args:
        splits: of whole repeats, from `repeated_folds`.
    """
    pairs = []
    for repeat in dict.fromkeys(split.repeat for split in splits):
        folds = [split for split in splits if split.repeat == repeat]
        for one, other in itertools.combinations(folds, 2):
            train = np.setdiff1d(one.train, other.test, assume_unique=True)
            test = np.sort(np.concatenate([one.test, other.test]))
            pairs.append((one.fold, other.fold, Split(repeat, one.fold, train, test)))
    return tuple(pairs)


def check_training(target: NDArray[Any], split: Split) -> None:
    """Check that the training rows have two classes; groups, or time, may leave one.

    Raises:
        TargetError: they have one.
    """
    own = target[split.train]
    if _strata(target) is not None and len(own) and (own == own[0]).all():
        raise TargetError(
            f"all {len(own)} rows to train on are of the class with code {own[0]}, as the rows of every other class "
            f"are to be tested",
            "Rows outside the largest class must lie in several groups or, split by time, among the earlier rows.",
        )


def _strata(target: NDArray[Any]) -> NDArray[Any] | None:
    """Return what to stratify by: class codes; None if the target holds numbers."""
    return None if target.dtype.kind == "f" else target


def _classes(target: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return class codes counted from 0 [row], and the size of each class; numbers are all of one class."""
    if _strata(target) is None:
        return np.zeros(len(target), dtype=np.int64), np.array([len(target)])
    _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    return codes, counts


def _check_outside_largest(target: NDArray[Any], counts: Ints, *, at_least: int, why: str) -> None:
    """Raise TargetError unless there are two classes, and at least so many rows outside the largest."""
    if _strata(target) is None:
        return
    if len(counts) < 2:
        raise TargetError(f"the target has {len(counts)} class(es)", "A classification needs two.")
    outside = len(target) - int(counts.max())
    if outside < at_least:
        raise TargetError(
            f"{outside} of {len(target)} rows lie outside the largest class; at least {at_least} are needed ({why})",
            f"Use fewer folds (at most {outside}) or more rows." if outside > 1 else "Add rows of another class.",
        )


def _grouped(codes: Ints, groups: Ints | None, *, folds: int) -> GroupedRows | None:
    """Return the rows in groups; None if every row is a group of its own.

    Raises:
        OptionError: fewer groups than folds.
    """
    if groups is None:
        return None
    grouped = group_rows(codes, groups)
    if grouped.n_groups < folds:
        raise OptionError(
            f"the {len(codes)} rows form {grouped.n_groups} group(s), too few for {folds} parts that share none",
            f"Use at most {grouped.n_groups} folds."
            if grouped.n_groups > 1
            else "Group rows by another column, or not.",
        )
    return None if grouped.n_groups == len(codes) else grouped


def _check_random_state(random_state: int) -> None:
    if not 0 <= random_state < 2**32:
        raise OptionError(f"random_state is {random_state}", "Give a whole number from 0 to 4294967295.")


_FEWEST_TO_CHOOSE_BY = 10  # rows of a window, as far as there are so many


def time_holdout(times: Floats, *, test_size: float = 0.2, groups: Ints | None = None) -> Split:
    """Return the split that tests the latest rows and trains on the others. Equal times are never on both sides.

    Args:
        times: finite numbers [row].
        test_size: share of test rows, between 0 and 1; as near as equal times allow.
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


def time_folds(times: Floats, rows: Ints, *, folds: int, groups: Ints | None = None) -> tuple[tuple[Ints, Ints], ...]:
    """Return expanding windows, for choosing: each trains on the past and validates on the block that follows.

    The first trains on the earlier half, since the choice will be used on all rows. The later half is cut into blocks
    of at least 10 rows, and into fewer than `folds` blocks if there are too few rows.

    Args:
        times: finite numbers [row] of the whole table.
        rows: indices of the rows to divide.
        folds: largest number of windows.
        groups: [row] of the whole table; rows whose group is in a window's block are left out of its training.

    Returns:
        For each window (rows to train on, rows to choose by), both sorted; none if all times are equal, or if groups
        leave no window a row to train on.
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


def _cuts(ordered: Floats, wanted: list[int]) -> list[int]:
    """Return the positions, nearest to those wanted, at which the time changes: distinct, ascending, not at an end."""
    possible = np.flatnonzero(np.diff(ordered) > 0) + 1
    if not len(possible):
        return []
    return sorted({int(possible[np.abs(possible - place).argmin()]) for place in wanted})


def _apart(train: Ints, test: Ints, groups: Ints | None) -> Ints:
    """Return the training rows whose group isn't tested."""
    return train if groups is None else train[~np.isin(groups[train], groups[test])]


_FEWEST_OF_A_CLASS = 20  # as far as there are so many: fewer can't be divided into folds
_STRATA = 10  # of a target of numbers, by its quantiles


def sample_rows(target: NDArray[Any], n_rows: int, *, random_state: int, groups: Ints | None = None) -> Ints:
    """Return the numbers of about `n_rows` random rows, in ascending order, stratified by the target.

    Rows are taken in proportion to the classes, but at least 20 of each class if it has so many. A numeric target is
    divided into tenths. Groups are taken as a whole, each counted with the target of its first row. Times are ignored,
    so the sample covers the same period as the table.

    Args:
        target: class codes or numbers [row].
        groups: [row]; by default each row is a group of its own.
    """
    if n_rows >= len(target):
        return np.arange(len(target))
    strata = target
    if target.dtype.kind == "f":
        strata = np.searchsorted(np.quantile(target, np.arange(1, _STRATA) / _STRATA), target)
    _, first, group, size = np.unique(
        np.arange(len(target)) if groups is None else groups, return_index=True, return_inverse=True, return_counts=True
    )
    of_group = strata[first]
    drawn = np.random.default_rng(random_state).permutation(len(first))
    taken = np.zeros(len(first), dtype=np.bool_)
    for stratum in np.unique(of_group):
        own = drawn[of_group[drawn] == stratum]
        before = np.cumsum(size[own]) - size[own]
        total = int(size[own].sum())
        least = 0 if target.dtype.kind == "f" else min(_FEWEST_OF_A_CLASS, total)
        taken[own[before < max(least, round(total * n_rows / len(target)))]] = True
    return np.flatnonzero(taken[group])

"""Which rows train and which rows test; every candidate sees the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError, TargetError

__all__ = ["Split", "fold_pairs", "holdout", "inner_holdout", "repeated_folds"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test rows of one fold of one repeat.

    Attributes:
        repeat: counted from 0.
        fold: counted from 0.
        train: row indices; sorted, but for `holdout`, which keeps scikit-learn's shuffled order.
        test: row indices, likewise.
    """

    repeat: int
    fold: int
    train: Rows
    test: Rows

    def __post_init__(self) -> None:
        self.train.setflags(write=False)
        self.test.setflags(write=False)


def holdout(target: Rows, *, test_size: float = 0.2, random_state: int = 0) -> Split:
    """One stratified split, exactly scikit-learn's `train_test_split(np.arange(n), ..., stratify=target)`.

    Args:
        target: class codes [row].
        test_size: the share of test rows, between 0 and 1.
        random_state: the seed of the shuffle.

    Raises:
        OptionError: `test_size` is not such a share, or leaves fewer rows than classes on one side.
        TargetError: a class has a single row, so it can't be on both sides.
    """
    if not 0.0 < test_size < 1.0:
        raise OptionError(f"test_size is {test_size}", "Give the share of rows to test on, such as 0.2.")
    _check_random_state(random_state)
    n_rows = len(target)
    n_classes = _check_class_sizes(target, at_least=2, why="a row to train on and one to test on")
    n_test = math.ceil(test_size * n_rows)
    if min(n_test, n_rows - n_test) < n_classes:
        raise OptionError(
            f"test_size {test_size} leaves {n_rows - n_test} rows to train on and {n_test} to test on, "
            f"for {n_classes} classes",
            "Choose a share that leaves each class a row on both sides.",
        )
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(n_rows), test_size=test_size, random_state=random_state, stratify=target)
    return Split(repeat=0, fold=0, train=train.astype(np.int64), test=test.astype(np.int64))


def repeated_folds(target: Rows, *, repeats: int, folds: int, random_state: int) -> tuple[Split, ...]:
    """`repeats` times `folds` stratified folds (scikit-learn's `RepeatedStratifiedKFold`), repeat by repeat.

    Args:
        target: class codes [row].
        repeats: how often all rows are dealt anew.
        folds: parts of a deal; each is the test rows once.
        random_state: the seed of all shuffles.

    Raises:
        OptionError: fewer than 2 folds or 1 repeat.
        TargetError: a class has fewer rows than there are folds.
    """
    if folds < 2:
        raise OptionError(f"folds is {folds}", "Give at least 2.")
    if repeats < 1:
        raise OptionError(f"repeats is {repeats}", "Give at least 1.")
    _check_random_state(random_state)
    _check_class_sizes(target, at_least=folds, why=f"one for each of {folds} folds")
    from sklearn.model_selection import RepeatedStratifiedKFold

    dealer = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=random_state)
    # Folds that are as few as the rarest class has rows are legal; the classes' places come from the target alone.
    parts = dealer.split(np.zeros((len(target), 1)), target)
    return tuple(
        Split(repeat=number // folds, fold=number % folds, train=train.astype(np.int64), test=test.astype(np.int64))
        for number, (train, test) in enumerate(parts)
    )


def inner_holdout(target: Rows, rows: Rows, *, test_size: float = 0.2, random_state: int = 0) -> tuple[Rows, Rows]:
    """Some rows divided again: (to train on, to choose by), both sorted; stratified where the classes' sizes allow it.

    Args:
        target: class codes [row] of the whole table.
        rows: row indices; none but these come back.
        test_size: the share to choose by, between 0 and 1.
        random_state: the seed of the shuffle.
    """
    from sklearn.model_selection import train_test_split

    codes, counts = np.unique(target[rows], return_counts=True)
    n_test = math.ceil(test_size * len(rows))
    possible = counts.min() >= 2 and min(n_test, len(rows) - n_test) >= len(codes)
    parts = train_test_split(
        rows, test_size=test_size, random_state=random_state, stratify=target[rows] if possible else None
    )
    return np.sort(parts[0]), np.sort(parts[1])


def fold_pairs(splits: Sequence[Split]) -> tuple[tuple[int, int, Split], ...]:
    """For each repeat and each pair of its folds: the two folds, and the split whose test rows are those of both.

    Args:
        splits: whole repeats, as `repeated_folds` gives them.
    """
    pairs = []
    for repeat in dict.fromkeys(split.repeat for split in splits):
        folds = [split for split in splits if split.repeat == repeat]
        for one, other in itertools.combinations(folds, 2):
            train = np.setdiff1d(one.train, other.test, assume_unique=True)
            test = np.sort(np.concatenate([one.test, other.test]))
            pairs.append((one.fold, other.fold, Split(repeat, one.fold, train, test)))
    return tuple(pairs)


def _check_class_sizes(target: Rows, *, at_least: int, why: str) -> int:
    """The number of classes; each must have enough rows."""
    codes, counts = np.unique(target, return_counts=True)
    if len(codes) < 2:
        raise TargetError(f"the target has {len(codes)} class(es)", "Two are needed to tell anything apart.")
    if counts.min() < at_least:
        rarest = int(counts.argmin())
        raise TargetError(
            f"the class with code {codes[rarest]} has {counts[rarest]} of {len(target)} rows; "
            f"at least {at_least} are needed ({why})",
            f"Use fewer folds (at most {counts[rarest]}) or more rows." if counts[rarest] > 1 else "Add rows to it.",
        )
    return len(codes)


def _check_random_state(random_state: int) -> None:
    if not 0 <= random_state < 2**32:
        raise OptionError(f"random_state is {random_state}", "Give a whole number from 0 to 4294967295.")

"""Which rows train and which rows test. Every candidate gets the same splits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.dealing import Deck, deck_of, rows_by_class
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

Target = NDArray[Any]


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


def holdout(target: Target, *, test_size: float = 0.2, random_state: int = 0, groups: Ints | None = None) -> Split:
    """One split, exactly scikit-learn's `train_test_split(np.arange(n), ..., stratify=target)`.

    A float target isn't stratified. Where scikit-learn would refuse - a class has a single row, a side fewer rows than
    there are classes - and where rows form groups, rows are dealt by `seedbed.data.splits.dealing`.

    Args:
        target: integer class codes or float numbers [row].
        test_size: the share of test rows, between 0 and 1; with groups it is met as nearly as they allow.
        random_state: the seed of the shuffle.
        groups: [row]; rows of one group never lie on both sides.

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
    deck = _deck(codes, groups, folds=2)
    if deck is None and (len(counts) == 1 or (counts.min() >= 2 and fewest >= len(counts))):
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(
            np.arange(n_rows), test_size=test_size, random_state=random_state, stratify=_strata(target)
        )
        return Split(repeat=0, fold=0, train=train.astype(np.int64), test=test.astype(np.int64))
    rng = np.random.default_rng(random_state)
    tested = np.zeros(n_rows, dtype=bool)
    if deck is None:
        in_order = rows_by_class(codes, rng)
        tested[in_order[((np.arange(n_test) + rng.random()) * n_rows / n_test).astype(np.int64)]] = True
    else:
        tested = deck.deal(np.array([n_rows - n_test, n_test]) / n_rows, rng) == 1
    split = Split(repeat=0, fold=0, train=np.flatnonzero(~tested), test=np.flatnonzero(tested))
    check_training(target, split)
    return split


def repeated_folds(
    target: Target, *, repeats: int, folds: int, random_state: int, groups: Ints | None = None
) -> tuple[Split, ...]:
    """`repeats` times `folds` folds, repeat by repeat: scikit-learn's `RepeatedStratifiedKFold`, for numbers its
    `RepeatedKFold`.

    Where a class has fewer rows than there are folds, and where rows form groups, rows are dealt by `splits.dealing`:
    folds of nearly one size with nearly the same shares of every class, as far as large groups allow.

    Args:
        target: integer class codes or float numbers [row].
        repeats: how often all rows are dealt anew.
        folds: parts of a deal; each is the test rows once.
        random_state: the seed of all shuffles.
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
        raise OptionError(f"{len(target)} rows can't be dealt over {folds} folds", "Use fewer folds.")
    deck = _deck(codes, groups, folds=folds)
    if deck is None and (len(counts) == 1 or counts.min() >= folds):
        return _by_scikit_learn(target, repeats, folds, random_state)
    rng = np.random.default_rng(random_state)
    splits = []
    for repeat in range(repeats):
        fold_of_row = np.empty(len(codes), dtype=np.int64)
        if deck is None:
            fold_of_row[rows_by_class(codes, rng)] = np.arange(len(codes)) % folds
        else:
            fold_of_row = deck.deal(np.full(folds, 1.0 / folds), rng)
        for fold in range(folds):
            tested = fold_of_row == fold
            splits.append(Split(repeat, fold, train=np.flatnonzero(~tested), test=np.flatnonzero(tested)))
            check_training(target, splits[-1])
    return tuple(splits)


def inner_holdout(
    target: Target, rows: Ints, *, test_size: float = 0.2, random_state: int = 0, groups: Ints | None = None
) -> tuple[Ints, Ints]:
    """Some rows divided again: (to train on, to choose by), both sorted; stratified where the classes' sizes allow it.

    Args:
        target: integer class codes or float numbers [row] of the whole table.
        rows: row indices; none but these come back.
        test_size: the share to choose by, between 0 and 1.
        random_state: the seed of the shuffle.
        groups: [row] of the whole table; rows of one group stay on one side.

    Raises:
        OptionError: the rows are of one group.
    """
    codes, counts = _classes(target[rows])
    n_test = math.ceil(test_size * len(rows))
    deck = _deck(codes, None if groups is None else groups[rows], folds=2)
    if deck is not None:
        shares = np.array([len(rows) - n_test, n_test]) / len(rows)
        tested = deck.deal(shares, np.random.default_rng(random_state)) == 1
        return np.sort(rows[~tested]), np.sort(rows[tested])
    from sklearn.model_selection import train_test_split

    possible = counts.min() >= 2 and min(n_test, len(rows) - n_test) >= len(counts)
    parts = train_test_split(
        rows, test_size=test_size, random_state=random_state, stratify=_strata(target[rows]) if possible else None
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


def check_training(target: Target, split: Split) -> None:
    """Of classes, the rows to train on must hold two; groups, or time, may leave them one.

    Raises:
        TargetError: they hold one.
    """
    own = target[split.train]
    if _strata(target) is not None and len(own) and (own == own[0]).all():
        raise TargetError(
            f"all {len(own)} rows to train on are of the class with code {own[0]}, as the rows of every other class "
            f"are to be tested",
            "Rows outside the largest class must lie in several groups or, split by time, among the earlier rows.",
        )


def _by_scikit_learn(target: Target, repeats: int, folds: int, random_state: int) -> tuple[Split, ...]:
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    kind = RepeatedKFold if _strata(target) is None else RepeatedStratifiedKFold
    # Folds that are as few as the rarest class has rows are legal; the classes' places come from the target alone.
    parts = kind(n_splits=folds, n_repeats=repeats, random_state=random_state).split(np.zeros((len(target), 1)), target)
    return tuple(
        Split(repeat=number // folds, fold=number % folds, train=train.astype(np.int64), test=test.astype(np.int64))
        for number, (train, test) in enumerate(parts)
    )


def _strata(target: Target) -> Target | None:
    """What to stratify by: the class codes; nothing where the target holds numbers."""
    return None if target.dtype.kind == "f" else target


def _classes(target: Target) -> tuple[Ints, Ints]:
    """Class codes counted from 0 [row], and the rows of each class; numbers are all of one class."""
    if _strata(target) is None:
        return np.zeros(len(target), dtype=np.int64), np.array([len(target)])
    _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    return codes, counts


def _check_outside_largest(target: Target, counts: Ints, *, at_least: int, why: str) -> None:
    """Of classes there must be two, and so many rows outside the largest; a single rare class does no harm."""
    if _strata(target) is None:
        return
    if len(counts) < 2:
        raise TargetError(f"the target has {len(counts)} class(es)", "Two are needed to tell anything apart.")
    outside = len(target) - int(counts.max())
    if outside < at_least:
        raise TargetError(
            f"{outside} of {len(target)} rows lie outside the largest class; at least {at_least} are needed ({why})",
            f"Use fewer folds (at most {outside}) or more rows." if outside > 1 else "Add rows of another class.",
        )


def _deck(codes: Ints, groups: Ints | None, *, folds: int) -> Deck | None:
    """The rows ready to be dealt by groups; None where every row is a group of its own.

    Raises:
        OptionError: fewer groups than folds.
    """
    if groups is None:
        return None
    deck = deck_of(codes, groups)
    if deck.n_groups < folds:
        raise OptionError(
            f"the {len(codes)} rows form {deck.n_groups} group(s), too few for {folds} parts that share none",
            f"Use at most {deck.n_groups} folds." if deck.n_groups > 1 else "Group rows by another column, or not.",
        )
    return None if deck.n_groups == len(codes) else deck


def _check_random_state(random_state: int) -> None:
    if not 0 <= random_state < 2**32:
        raise OptionError(f"random_state is {random_state}", "Give a whole number from 0 to 4294967295.")


_FEWEST_TO_CHOOSE_BY = 10  # rows of a window, as far as there are so many


def time_holdout(times: Floats, *, test_size: float = 0.2, groups: Ints | None = None) -> Split:
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


def time_folds(times: Floats, rows: Ints, *, folds: int, groups: Ints | None = None) -> tuple[tuple[Ints, Ints], ...]:
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


def _cuts(ordered: Floats, wanted: list[int]) -> list[int]:
    """The places nearest to those wanted where time moves on, each once, ascending; none at either end."""
    possible = np.flatnonzero(np.diff(ordered) > 0) + 1
    if not len(possible):
        return []
    return sorted({int(possible[np.abs(possible - place).argmin()]) for place in wanted})


def _apart(train: Ints, test: Ints, groups: Ints | None) -> Ints:
    """Training rows whose group isn't tested."""
    return train if groups is None else train[~np.isin(groups[train], groups[test])]


_FEWEST_OF_A_CLASS = 20  # as far as there are so many: fewer can't be divided into folds
_STRATA = 10  # of a target of numbers, by its quantiles


def sample_rows(target: NDArray[Any], n_rows: int, *, random_state: int, groups: Ints | None = None) -> Ints:
    """Return the numbers of about `n_rows` rows, in ascending order, drawn at random and stratified by the target.

    Rows are taken in proportion to the classes, and at least 20 of each class as far as it has so many. A target of
    numbers is divided into tenths. Groups are taken whole, each counted with the target of its first row. Times play no
    part, so the sample covers the same period as the table.

    Args:
        target: class codes or numbers [row].
        groups: [row]; each row is a group of its own if left out.
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

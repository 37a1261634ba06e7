"""Which rows train and which rows test. Every candidate gets the same splits. At the end: what the
splits of other libraries are.

Functions share arguments: `target` [row] holds integer class codes, or float numbers, which aren't
stratified; rows of one of the `groups` [row] stay together; `times` [row] are finite;
`random_state` is the seed of all shuffles. Where some `rows` are divided, the others are of the
whole table. If a class is too small for scikit-learn's splits, and if rows form groups,
`rows_by_class` and `GroupedRows` distribute them, as evenly as large groups allow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError, TargetError, counted
from seedbed.typing import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test rows of one fold of one repeat; both are counted from 0.

    Row numbers are sorted, but for `holdout` without groups, which keeps scikit-learn's shuffled
    order.
    """

    repeat: int
    fold: int
    train: Ints
    test: Ints

    def __post_init__(self) -> None:
        self.train.setflags(write=False)
        self.test.setflags(write=False)


def holdout(
    target: NDArray[Any],
    *,
    test_size: float = 0.2,
    random_state: int = 0,
    groups: Ints | None = None,
) -> Split:
    """Return one split, equal to scikit-learn's `train_test_split(np.arange(n), ...,
    stratify=target)`.

    A class of one row is too small for it, and so is a side of fewer rows than there are classes.
    OptionError if `test_size` is not such a share or leaves no row of another class, or for one
    group only; TargetError for fewer than 2 rows outside the largest class, or all of them in one
    group.
    """
    n_rows = len(target)
    n_test = _n_tested(len(target), test_size)
    codes, counts = _classes(
        target, random_state, at_least=2, why="a row to train on and one to test on"
    )
    fewest = min(n_test, n_rows - n_test)
    if fewest < min(len(counts), 2):
        sides = f"{counted(n_rows - n_test, 'row')} to train on and {n_test} to test on"
        sides += f", for {len(counts)} classes" if len(counts) > 1 else ""
        raise OptionError(
            f"test_size {test_size} leaves {sides}",
            "Choose a share that leaves enough rows on each side.",
        )
    grouped = _find_groups(codes, groups, folds=2)
    if grouped is None and (
        len(counts) == 1 or (counts.min() >= 2 and fewest >= len(counts))
    ):
        train, test = _shuffle(
            None if _are_numbers(target) else codes, n_rows, n_test, random_state
        )
        return Split(0, 0, train, test)
    rng = np.random.default_rng(random_state)
    tested = np.zeros(n_rows, dtype=bool)
    if grouped is None:
        in_order = rows_by_class(codes, rng)
        tested[
            in_order[
                ((np.arange(n_test) + rng.random()) * n_rows / n_test).astype(np.int64)
            ]
        ] = True
    else:
        tested = (
            grouped.distribute(np.array([n_rows - n_test, n_test]) / n_rows, rng) == 1
        )
    return _tested_split(target, 0, 0, tested)


def repeated_folds(
    target: NDArray[Any],
    *,
    repeats: int,
    folds: int,
    random_state: int,
    groups: Ints | None = None,
) -> tuple[Split, ...]:
    """Return each repeat's splits, equal to scikit-learn's `RepeatedStratifiedKFold`, or
    `RepeatedKFold` of numbers.

    A class of fewer rows than there are folds is too small for it. OptionError for fewer than 2
    folds or 1 repeat, or fewer rows or groups than folds; TargetError for fewer rows outside the
    largest class, or all of them in one group.
    """
    for name, number, least in (("folds", folds, 2), ("repeats", repeats, 1)):
        if number < least:
            raise OptionError(f"{name} is {number}", f"Give at least {least}.")
    codes, counts = _classes(
        target, random_state, at_least=folds, why=f"one for each of {folds} folds"
    )
    if len(target) < folds:
        raise OptionError(
            f"{counted(len(target), 'row')} can't be divided into {folds} folds",
            "Use fewer folds.",
        )
    grouped = _find_groups(codes, groups, folds=folds)
    # scikit-learn's generator where its splits are possible: a class may have exactly as many rows
    # as there are folds.
    random = np.random.RandomState(random_state)
    rng = np.random.default_rng(random_state)
    splits = []
    for repeat in range(repeats):
        fold_of_row = np.empty(len(codes), dtype=np.int64)
        if grouped is not None:
            fold_of_row = grouped.distribute(np.full(folds, 1.0 / folds), rng)
        elif _are_numbers(target):
            fold_of_row[random.permutation(len(codes))] = np.sort(
                np.arange(len(codes)) % folds
            )
        elif counts.min() >= folds:
            # Of the rows sorted by class, each fold gets every `folds`-th; within a class, they are
            # shuffled.
            _, first = np.unique(codes, return_index=True)
            ordered = np.repeat(order := np.argsort(first), counts[order])
            for code in order:
                folds_of_class = np.sort(np.flatnonzero(ordered == code) % folds)
                random.shuffle(folds_of_class)
                fold_of_row[codes == code] = folds_of_class
        else:
            fold_of_row[rows_by_class(codes, rng)] = np.arange(len(codes)) % folds
        splits += [
            _tested_split(target, repeat, fold, fold_of_row == fold)
            for fold in range(folds)
        ]
    return tuple(splits)


def _tested_split(target: NDArray[Any], repeat: int, fold: int, tested: Bools) -> Split:
    split = Split(
        repeat, fold, train=np.flatnonzero(~tested), test=np.flatnonzero(tested)
    )
    check_training(target, split)
    return split


def _shuffle(
    codes: Ints | None, n_rows: int, n_test: int, random_state: int
) -> tuple[Ints, Ints]:
    """Return training and test rows, equal to scikit-learn's `train_test_split`; codes [row] are to
    stratify by."""
    random = np.random.RandomState(random_state)
    if codes is None:
        order = random.permutation(n_rows)
        return order[n_test:], order[:n_test]
    counts = np.bincount(codes)
    n_train_of = _apportion(counts, n_rows - n_test, random)
    n_test_of = _apportion(counts - n_train_of, n_test, random)
    trained, tested = list[Ints](), list[Ints]()
    for code, (n_trained, n_tested) in enumerate(
        zip(n_train_of, n_test_of, strict=True)
    ):
        rows = random.permutation(np.flatnonzero(codes == code))
        trained.append(rows[:n_trained])
        tested.append(rows[n_trained : n_trained + n_tested])
    return random.permutation(np.concatenate(trained)), random.permutation(
        np.concatenate(tested)
    )


def _apportion(counts: Ints, n: int, random: np.random.RandomState) -> Ints:
    """Divide `n` rows among classes in proportion to their counts; those with the largest
    remainders get one more, and a draw decides between equal remainders."""
    exact = counts / counts.sum() * n
    parts = np.floor(exact)
    remainders = exact - parts
    for value in np.unique(remainders)[::-1]:
        if (missing := int(n - parts.sum())) <= 0:
            break
        equal = np.flatnonzero(remainders == value)
        parts[random.choice(equal, size=min(len(equal), missing), replace=False)] += 1
    return np.asarray(parts, dtype=np.int64)


def _n_tested(n_rows: int, test_size: float) -> int:
    if not 0.0 < test_size < 1.0:
        raise OptionError(
            f"test_size is {test_size}",
            "Give the share of rows to test on, such as 0.2.",
        )
    return math.ceil(test_size * n_rows)


def check_training(target: NDArray[Any], split: Split) -> None:
    """Raise TargetError if the training rows have one class only, which groups, or time, may
    leave."""
    trained = target[split.train]
    if not _are_numbers(target) and len(trained) and (trained == trained[0]).all():
        raise TargetError(
            f"all {len(trained)} training rows are of the class with code {trained[0]}: "
            "the rows of every other class are test rows",
            "Rows outside the largest class must lie in several groups or, split by time, among the earlier rows.",
        )


def _are_numbers(target: NDArray[Any]) -> bool:
    return target.dtype.kind == "f"


def _classes(
    target: NDArray[Any], random_state: int, *, at_least: int, why: str
) -> tuple[Ints, Ints]:
    """Return class codes counted from 0 [row], and the size of each class; numbers are all of one
    class. Raise errors for a random state that can't be one, for one class, and for fewer than
    `at_least` rows outside the largest."""
    if not 0 <= random_state < 2**32:
        raise OptionError(
            f"random_state is {random_state}",
            "Give a whole number from 0 to 4294967295.",
        )
    if _are_numbers(target):
        return np.zeros(len(target), dtype=np.int64), np.array([len(target)])
    _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise TargetError(
            f"the target has {len(counts)} class(es)", "A classification needs two."
        )
    outside = len(target) - int(counts.max())
    if outside < at_least:
        where = f"{outside} of {len(target)} rows lie outside the largest class"
        hint = (
            f"Use fewer folds (at most {outside}) or more rows."
            if outside > 1
            else "Add rows of another class."
        )
        raise TargetError(f"{where}; at least {at_least} are needed ({why})", hint)
    return codes, counts


def _find_groups(codes: Ints, groups: Ints | None, *, folds: int) -> GroupedRows | None:
    """Return the rows in groups; None if every row is a group of its own. Fewer groups than folds
    are an error."""
    if groups is None:
        return None
    grouped = GroupedRows(codes, groups)
    if (n := grouped.n_groups) < folds:
        raise OptionError(
            f"the {len(codes)} rows form {counted(n, 'group')}, too few for {folds} parts that share none",
            f"Use at most {n} folds."
            if n > 1
            else "Group rows by another column, or by none.",
        )
    return None if n == len(codes) else grouped


_FEWEST_TO_CHOOSE_BY = 10  # rows of a window, as far as there are so many


def time_holdout(
    times: Floats, *, test_size: float = 0.2, groups: Ints | None = None
) -> Split:
    """Return the split that tests the latest rows and trains on the others. Equal times are never
    on both sides.

    Rows whose group is tested, too, are left out of training.

    Raises OptionError if `test_size` is not such a share, all times are equal, or groups leave
    nothing to train on.
    """
    n_rows = len(times)
    order = np.argsort(times, kind="stable")
    cuts = _cuts(times[order], [n_rows - _n_tested(n_rows, test_size)])
    if not cuts:
        raise OptionError(
            f"all {n_rows} rows have the same time",
            "Split them by another column, or not by time.",
        )
    earlier, test = np.sort(order[: cuts[0]]), np.sort(order[cuts[0] :])
    train = _drop_tested_groups(earlier, test, groups)
    if not len(train):
        which = f"each of the {len(earlier)} earlier rows is of a group with rows among the latest {len(test)}"
        raise OptionError(
            f"{which}, so none is left to train on",
            "Split by time without a group column, or by groups without time.",
        )
    return Split(0, 0, train, test)


def time_folds(
    times: Floats, rows: Ints, *, folds: int, groups: Ints | None = None
) -> tuple[tuple[Ints, Ints], ...]:
    """Return expanding windows, for choosing: rows to train on, of the past, and rows to choose by,
    which follow.

    The first trains on the earlier half, since the choice will be used on all rows. The later half
    is cut into blocks of at least 10 rows, and into fewer than `folds` blocks if there are too few
    rows. Rows whose group is in a window's block are left out of its training. Row numbers are
    sorted. There is no window if all times are equal, or if groups leave none a row to train on.
    """
    order = np.argsort(times[rows], kind="stable")
    n_rows = len(rows)
    n_blocks = max(1, min(folds, n_rows // (2 * _FEWEST_TO_CHOOSE_BY)))
    cuts = _cuts(
        times[rows][order],
        [round(n_rows / 2 * (1 + block / n_blocks)) for block in range(n_blocks)],
    )
    windows = []
    for start, stop in itertools.pairwise([*cuts, n_rows]):
        block = np.sort(rows[order[start:stop]])
        train = _drop_tested_groups(np.sort(rows[order[:start]]), block, groups)
        if len(train):
            windows.append((train, block))
    return tuple(windows)


def _cuts(ordered: Floats, wanted: list[int]) -> list[int]:
    """Return the positions, nearest to those wanted, at which the time changes: distinct,
    ascending, not at an end."""
    possible = np.flatnonzero(np.diff(ordered) > 0) + 1
    if not len(possible):
        return []
    return sorted(
        {int(possible[np.abs(possible - position).argmin()]) for position in wanted}
    )


def _drop_tested_groups(train: Ints, test: Ints, groups: Ints | None) -> Ints:
    return train if groups is None else train[~np.isin(groups[train], groups[test])]


_STRATA = 10  # of a target of numbers, by its quantiles


def sample_rows(
    target: NDArray[Any],
    n_rows: int,
    *,
    random_state: int,
    groups: Ints | None = None,
    fewest: int = 20,
) -> Ints:
    """Return the numbers of about `n_rows` random rows, in ascending order, stratified by the
    target.

    Rows are taken in proportion to the classes, but at least `fewest` of each class if it has so
    many (fewer can't be divided into folds), or to tenths of a numeric target. Groups are taken as
    a whole, each counted with the target of its first row. Times are ignored, so the sample covers
    the same period as the table. A larger sample contains all rows of a smaller one.
    """
    if n_rows >= len(target):
        return np.arange(len(target))
    strata = target
    numeric = _are_numbers(target)
    if numeric:
        strata = np.searchsorted(
            np.quantile(target, np.arange(1, _STRATA) / _STRATA), target
        )
    groups = np.arange(len(target)) if groups is None else groups
    _, first, group, size = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    of_group = strata[first]
    drawn = np.random.default_rng(random_state).permutation(len(first))
    drawn_groups = np.zeros(len(first), dtype=np.bool_)
    for stratum in np.unique(of_group):
        of_stratum = drawn[of_group[drawn] == stratum]
        before = np.cumsum(size[of_stratum]) - size[of_stratum]
        total = int(size[of_stratum].sum())
        least = 0 if numeric else min(fewest, total)
        drawn_groups[
            of_stratum[before < max(least, round(total * n_rows / len(target)))]
        ] = True
    return np.flatnonzero(drawn_groups[group])


def rows_by_class(codes: Ints, rng: np.random.Generator) -> Ints:
    """Return all rows, shuffled within their class, the largest class first.

    Giving them to the folds in turn yields folds of one size with similar shares of every class,
    however rare.
    """
    _, numbers, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(-counts, kind="stable"))
    shuffled = rng.permutation(len(codes))
    return shuffled[np.argsort(rank[numbers[shuffled]], kind="stable")]


class GroupedRows:
    """Rows in groups, which can be distributed over folds repeatedly.

    Groups with the same number of rows of each class are of one kind and are distributed together:
    tens of thousands of groups are mostly single rows and pairs, over which scikit-learn's
    StratifiedGroupKFold loops for seconds. Codes of classes count from 0 [row]; without classes,
    all are equal.
    """

    def __init__(self, codes: Ints, groups: Ints) -> None:
        _, self._group, self._sizes = np.unique(
            groups, return_inverse=True, return_counts=True
        )
        order = np.argsort(self._group, kind="stable")  # rows, group by group
        starts = np.cumsum(self._sizes) - self._sizes
        self.n_groups = len(starts)
        n_classes = int(codes.max()) + 1
        # Kinds are distinguished by a sum of random numbers of their rows' classes: a matrix
        # [group, class] would be large and slow to sort. If two kinds have one sum by accident,
        # folds are slightly less even.
        marks = np.random.default_rng(0).integers(
            2**63, size=n_classes, dtype=np.uint64
        )
        sums = np.add.reduceat(marks[codes[order]], starts)
        _, example, kind, n_members = np.unique(
            sums, return_index=True, return_inverse=True, return_counts=True
        )
        rows = [
            order[starts[group] : starts[group] + self._sizes[group]]
            for group in example
        ]
        by_class = np.stack(
            [np.bincount(codes[some], minlength=n_classes) for some in rows]
        )
        # Rows of each class, then of all: in the table [class + 1], and in a group of each kind
        # [kind, class + 1].
        self._totals = np.append(np.bincount(codes, minlength=n_classes), len(codes))
        self._counts = np.column_stack([by_class, by_class.sum(axis=1)])
        # Group numbers, kind by kind [group], and the index of each kind's first one [kind + 1].
        self._members = np.argsort(kind, kind="stable")
        self._first = np.append(0, np.cumsum(n_members))

    def distribute(self, shares: Floats, rng: np.random.Generator) -> Ints:
        """Return the fold of each row [row]: larger groups first, each in the fold that needs its
        classes most.

        That is the fold in which the squared distance from its share of every class grows least,
        with classes weighted by one over their size. The number of rows decides only between folds
        that need a group's classes alike. So an empty fold is preferred to others of an equal
        share, and none stays empty. The shares of the rows [fold] add up to 1, and there are at
        most as many folds as groups.
        """
        weights = 1.0 / np.maximum(self._totals, 1)
        weights[-1] = (
            1e-3 / self._totals[-1] ** 2
        )  # all rows of a table weigh less than one row of a class
        wanted = shares[:, None] * self._totals
        have = np.zeros_like(wanted)
        fold_of_group = np.empty(self.n_groups, dtype=np.int64)
        for kind in np.lexsort((rng.random(len(self._counts)), -self._counts[:, -1])):
            counts = self._counts[kind]
            members = self._members[self._first[kind] : self._first[kind + 1]]
            level = (have - wanted) @ (weights * counts) / shares
            step = (weights * counts) @ counts / shares
            many = _fill_evenly(level, step, len(members), rng.permutation(len(shares)))
            fold_of_group[rng.permutation(members)] = np.repeat(
                np.arange(len(shares)), many
            )
            have += many[:, None] * counts
        smallest_first = np.argsort(self._sizes, kind="stable")
        for fold in range(len(shares)):
            n = np.bincount(fold_of_group, minlength=len(shares))
            if n[fold] == 0:  # a small share may be less than any group
                fold_of_group[
                    smallest_first[n[fold_of_group[smallest_first]] > 1][0]
                ] = fold
        return fold_of_group[self._group]


def _fill_evenly(level: Floats, step: Floats, n: int, turn: Ints) -> Ints:
    """Return how many of n equal groups each fold gets [fold]; each goes to the fold that is lowest
    after half a step.

    First all at once, up to the level that fractions of groups would reach, then one by one. A
    group raises the level of a fold [fold] by its step [fold]; of folds that are equally low, the
    first in `turn` gets it.
    """
    order = np.argsort(level)
    capacity = np.cumsum(1.0 / step[order])
    reached = (
        n + np.cumsum(level[order] / step[order])
    ) / capacity  # if only the lowest so many folds are filled
    surface = reached[np.flatnonzero(reached > level[order])[-1]]
    many: Ints = np.floor(np.maximum(surface - level, 0.0) / step).astype(np.int64)
    for _ in range(n - int(many.sum())):
        height = level + (many + 0.5) * step
        many[turn[np.argmin(height[turn])]] += 1
    return many


_ROWS_HASHED = 1 << 16  # at a time, for little memory


def duplicate_groups(
    features: Floats, target: NDArray[np.generic] | None = None
) -> Ints:
    """Return group numbers [row], equal for two rows if and only if all their features, and their
    targets, are equal.

    A missing cell equals a missing cell, and 0 equals -0.
    """

    def comparable(rows: Bools | slice) -> Floats:
        """Return rows [row, column] whose bytes are equal if their values are: -0 becomes 0, and
        all NaN are alike."""
        columns = (
            [features[rows]]
            if target is None
            else [features[rows], np.asarray(target[rows], dtype=np.float64)]
        )
        matrix: Floats = np.column_stack(columns) + 0.0
        matrix[np.isnan(matrix)] = np.nan
        return matrix

    starts = range(0, len(features), _ROWS_HASHED)
    hashes = [
        _hashes(comparable(slice(start, start + _ROWS_HASHED)).view(np.uint64))
        for start in starts
    ]
    _, numbers, counts = np.unique(
        np.concatenate(hashes), return_inverse=True, return_counts=True
    )
    suspect = (
        counts[numbers] > 1
    )  # usually few: sorting whole rows takes ten times as long
    if suspect.any():
        matrix = comparable(suspect)
        whole_rows = matrix.view(
            np.dtype((np.void, matrix.shape[1] * matrix.itemsize))
        )[:, 0]
        numbers[suspect] = len(counts) + np.unique(whole_rows, return_inverse=True)[1]
        numbers = np.unique(numbers, return_inverse=True)[1]
    return numbers.astype(np.int64)


def _hashes(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a hash [row] of rows [row, column]."""
    hashes = np.zeros(len(bits), dtype=np.uint64)
    for column in bits.T:
        hashes = (hashes ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
    return hashes


def merge_groups(named: Ints | None, duplicates: Ints | None) -> Ints | None:
    """Return the finest groups [row] that keep together what either of two groupings keeps
    together; None is none."""
    if named is None or duplicates is None:
        return duplicates if named is None else named
    groups, others = (
        np.unique(numbers, return_inverse=True)[1] for numbers in (named, duplicates)
    )
    # Each round halves the groups to join, at least. SciPy's components take long to load.
    while True:
        lowest = np.full(others.max() + 1, len(groups))
        np.minimum.at(lowest, others, groups)
        joined = np.arange(groups.max() + 1)
        np.minimum.at(joined, groups, lowest[others])
        if (joined == np.arange(len(joined))).all():
            return groups.astype(np.int64)
        while (joined[joined] != joined).any():
            joined = joined[joined]
        groups = np.unique(joined[groups], return_inverse=True)[1]


def untestable(what: str, *, by_time: bool = False) -> OptionError:
    """Return the error for splits that no test is known for."""
    splits = "are bootstrap samples, which repeat rows"
    hint = "Score the candidates by repeated k-fold cross-validation. Random splits need a test share."
    if by_time:
        splits = "train on earlier rows and test later ones"
        hint = "Give the predictions for the latest rows: the true values, and a column of each model."
    return OptionError(
        f"the splits of {what} {splits}; no corrected test is known to keep its error level with them",
        hint,
    )


def splits_of_splitter(splitter: Any, n_splits: int, search: Any) -> dict[str, Any]:
    """Return the folds of a repeat, or the test share, of a splitter of scikit-learn; neither if it
    doesn't say them. OptionError for splits that no test is known for."""
    kind = type(splitter).__name__
    if isinstance(splitter, list | tuple):
        return splits_of_rows(
            [pair[0] for pair in splitter], [pair[1] for pair in splitter]
        )
    if kind == "TimeSeriesSplit":
        raise untestable(type(search).__name__, by_time=True)
    is_whole = kind in ("LeaveOneOut", "LeaveOneGroupOut") or kind.endswith("Fold")
    if kind == "PredefinedSplit":
        is_whole = bool((splitter.test_fold >= 0).all())
    is_known = is_whole and type(splitter).__module__.startswith("sklearn.")
    if splitter is None or isinstance(splitter, int) or is_known:
        return {"folds": n_splits // getattr(splitter, "n_repeats", 1)}
    test: Any = getattr(splitter, "test_size", None)
    train: Any = getattr(splitter, "train_size", None)
    if test is None and train is None:
        test = getattr(splitter, "_default_test_size", None)
    if isinstance(test or train, float):  # a share leaves the others
        test = 1 - train if test is None else test
        train = 1 - test if train is None else train
    return (
        {} if test is None or train is None else {"test_share": test / (test + train)}
    )


def splits_of_rows(trained: Sequence[Any], tested: Sequence[Any]) -> dict[str, Any]:
    """Return the folds of a repeat, or the test share of random splits, by the rows that each split
    trains on and tests. OptionError for splits that no test is known for."""
    pairs = list(zip(trained, tested, strict=True))
    if any(len(np.unique(rows)) < len(rows) for pair in pairs for rows in pair):
        raise untestable("the results")
    if len(pairs) > 1 and all(np.min(test) > np.max(train) for train, test in pairs):
        raise untestable("the results", by_time=True)
    n_rows = len(trained[0]) + len(tested[0])
    n_tested = np.cumsum([len(rows) for rows in tested])
    folds = int(np.searchsorted(n_tested, n_rows)) + 1
    repeats = [
        np.concatenate(tested[i : i + folds]) for i in range(0, len(tested), folds)
    ]
    if all(len(rows) == n_rows == len(np.unique(rows)) for rows in repeats):
        return {"folds": folds}
    n_trained = sum(len(rows) for rows in trained)
    return {"test_share": float(n_tested[-1] / (n_tested[-1] + n_trained))}

"""Distribute rows over folds if scikit-learn's splitters can't: rows in groups, and classes rarer than the folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.typing import Floats, Ints

__all__ = ["GroupedRows", "group_rows", "rows_by_class"]


def rows_by_class(codes: Ints, rng: np.random.Generator) -> Ints:
    """Return all rows, shuffled within their class, the largest class first.

    Giving them to the folds in turn yields folds of one size with similar shares of every class, however rare.
    """
    _, numbers, counts = np.unique(codes, return_inverse=True, return_counts=True)
    place = np.empty(len(counts), dtype=np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    shuffled = rng.permutation(len(codes))
    return shuffled[np.argsort(place[numbers[shuffled]], kind="stable")]


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Rows in groups, which can be distributed over folds repeatedly. Made by `group_rows`.

    Groups with the same number of rows of each class are of one kind and are distributed together: tens of thousands
    of groups are mostly single rows and pairs. scikit-learn's StratifiedGroupKFold loops over groups in Python and
    takes 8.7 s for 10 folds of 50,000 rows in 41,000 groups; this takes some hundredths of a second.

    Attributes:
        group: number of the row's group, counted from 0 [row].
        sizes: rows of each group [group].
        totals: rows of each class, then of all [class + 1].
        counts: the same of a group of each kind [kind, class + 1].
        members: group numbers, kind by kind [group].
        first: index of each kind's first member [kind + 1].
    """

    group: Ints
    sizes: Ints
    totals: Ints
    counts: Ints
    members: Ints
    first: Ints

    @property
    def n_groups(self) -> int:
        return len(self.sizes)

    def distribute(self, shares: Floats, rng: np.random.Generator) -> Ints:
        """Return the fold of each row [row]: larger groups first, each in the fold that needs its classes most.

        That is the fold in which the squared distance from its share of every class grows least, with classes weighted
        by one over their size. The number of rows decides only between folds that need a group's classes alike. So an
        empty fold is preferred to others of an equal share.

        Args:
            shares: of the rows [fold], adding up to 1; at most as many folds as there are groups.
        """
        weights = 1.0 / np.maximum(self.totals, 1)
        weights[-1] = 1e-3 / self.totals[-1] ** 2  # all rows of a table weigh less than one row of a class
        wanted = shares[:, None] * self.totals
        have = np.zeros_like(wanted)
        fold_of_group = np.empty(self.n_groups, dtype=np.int64)
        for kind in np.lexsort((rng.random(len(self.counts)), -self.counts[:, -1])):
            counts = self.counts[kind]
            members = self.members[self.first[kind] : self.first[kind + 1]]
            level = (have - wanted) @ (weights * counts) / shares
            step = (weights * counts) @ counts / shares
            many = _filled(level, step, len(members), rng.permutation(len(shares)))
            fold_of_group[rng.permutation(members)] = np.repeat(np.arange(len(shares)), many)
            have += many[:, None] * counts
        self._fill_empty(fold_of_group, len(shares))
        return fold_of_group[self.group]

    def _fill_empty(self, fold_of_group: Ints, n_folds: int) -> None:
        """Give each empty fold the smallest group of a fold with several. A small share may be less than any group."""
        smallest_first = np.argsort(self.sizes, kind="stable")
        for fold in range(n_folds):
            n = np.bincount(fold_of_group, minlength=n_folds)
            if n[fold] == 0:
                spare = smallest_first[n[fold_of_group[smallest_first]] > 1]
                fold_of_group[spare[0]] = fold


def group_rows(codes: Ints, groups: Ints) -> GroupedRows:
    """Group rows, and find the kinds of groups.

    Args:
        codes: class codes [row], counted from 0; all equal if there are no classes.
        groups: numbers of the groups [row].
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")  # rows, group by group
    starts = np.cumsum(sizes) - sizes
    n_classes = int(codes.max()) + 1
    # Kinds are distinguished by a sum of random numbers of their rows' classes: a matrix [group, class] would be large
    # and slow to sort. If two kinds have one sum by accident, folds are slightly less even.
    marks = np.random.default_rng(0).integers(2**63, size=n_classes, dtype=np.uint64)
    sums = np.add.reduceat(marks[codes[order]], starts)
    _, example, kind, n_members = np.unique(sums, return_index=True, return_inverse=True, return_counts=True)
    counts = [np.bincount(codes[order[starts[one] : starts[one] + sizes[one]]], minlength=n_classes) for one in example]
    by_class = np.stack(counts)
    return GroupedRows(
        group=group,
        sizes=sizes,
        totals=np.append(np.bincount(codes, minlength=n_classes), len(codes)),
        counts=np.column_stack([by_class, by_class.sum(axis=1)]),
        members=np.argsort(kind, kind="stable"),
        first=np.append(0, np.cumsum(n_members)),
    )


def _filled(level: Floats, step: Floats, n: int, turn: Ints) -> Ints:
    """Return how many of n equal groups each fold gets [fold]; each goes to the fold that is lowest after half a step.

    First all at once, up to the level that fractions of groups would reach, then one by one.

    Args:
        level: of each fold before [fold].
        step: increase of the level by one group [fold].
        turn: order of folds that are equally low.
    """
    order = np.argsort(level)
    capacity = np.cumsum(1.0 / step[order])
    reached = (n + np.cumsum(level[order] / step[order])) / capacity  # if only the lowest so many folds are filled
    surface = reached[np.flatnonzero(reached > level[order])[-1]]
    many: Ints = np.floor(np.maximum(surface - level, 0.0) / step).astype(np.int64)
    for _ in range(n - int(many.sum())):
        height = level + (many + 0.5) * step
        many[turn[np.argmin(height[turn])]] += 1
    return many

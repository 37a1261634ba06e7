"""Inner splits: the training rows of a split divided again, and what is chosen by them.

A learning rate or an epoch chosen on the rows that are scored turns noise into a result. So each split's training rows
are divided once more for each seed; networks trained on the one part are looked at with the other, and what did best
there is used to train anew on all training rows of the split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Split, inner_holdout, repeated_folds, spill, time_folds
from seedbed.experiment.spec import Experiment
from seedbed.training import derive

__all__ = ["inner_splits"]

Rows = NDArray[np.int64]


def inner_splits(experiment: Experiment, splits: Sequence[Split]) -> tuple[tuple[Split, ...], ...]:
    """For each split its inner splits: (train, test) are the rows to train on and the rows to choose by.

    One stratified 80/20 split a seed; where rows are locked away, the folds of the rest, once a seed; where rows are
    split by time, expanding windows, which the seeds share as nothing about them is dealt. All candidates share them.
    None holds a test row of its split, and none has rows of one group on both sides.
    """
    found = []
    for number, split in enumerate(splits):
        parts = _parts(experiment, number, split.train)
        found.append(tuple(Split(split.repeat, i, spill(train), spill(test)) for i, (train, test) in enumerate(parts)))
    return tuple(found)


def _parts(experiment: Experiment, number: int, rows: Rows) -> Iterable[tuple[Rows, Rows]]:
    """The training rows of a split, given by its number, divided; one division after the other, as they are large."""
    table, design = experiment.table, experiment.design
    target, groups = table.target, table.groups
    states = [derive(experiment.random_state, "inner", number, seed) % 2**32 for seed in range(design.seeds)]
    if table.times is not None:
        windows = time_folds(table.times, rows, folds=design.folds, groups=groups)
        # Rows of one time, or of groups that all last until the end, have no past to train on.
        return windows or [inner_holdout(target, rows, random_state=states[0], groups=groups)]
    if design.kind == "held_out":
        own = None if groups is None else groups[rows]
        return (
            (rows[fold.train], rows[fold.test])
            for state in states
            for fold in repeated_folds(target[rows], repeats=1, folds=design.folds, random_state=state, groups=own)
        )
    return [inner_holdout(target, rows, random_state=state, groups=groups) for state in states]

"""Inner splits: the training rows of a split divided again, and what is chosen by them.

A learning rate or an epoch chosen on the rows that are scored turns noise into a result. So each split's training rows
are divided once more for each seed; networks trained on the one part are looked at with the other, and what did best
there is used to train anew on all training rows of the split.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.data import Split, inner_holdout, repeated_folds
from seedbed.experiment.spec import Experiment
from seedbed.training.randomness import derive

__all__ = ["inner_splits"]


def inner_splits(experiment: Experiment, splits: Sequence[Split]) -> tuple[tuple[Split, ...], ...]:
    """For each split its inner splits: (train, test) are the rows to train on and the rows to choose by.

    One stratified 80/20 split a seed; where rows are locked away, the folds of the rest, once a seed. All candidates
    share them. None holds a test row of its split.
    """
    target, design = experiment.table.target, experiment.design
    found = []
    for number, split in enumerate(splits):
        states = [derive(experiment.random_state, "inner", number, seed) % 2**32 for seed in range(design.seeds)]
        if design.kind == "held_out":
            parts = [
                (split.train[fold.train], split.train[fold.test])
                for state in states
                for fold in repeated_folds(target[split.train], repeats=1, folds=design.folds, random_state=state)
            ]
        else:
            parts = [inner_holdout(target, split.train, random_state=state) for state in states]
        found.append(tuple(Split(split.repeat, i, train, test) for i, (train, test) in enumerate(parts)))
    return tuple(found)

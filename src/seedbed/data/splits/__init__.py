"""Which rows train and which rows test; every candidate sees the same."""

from seedbed.data.splits.folds import Split, check_training, fold_pairs, holdout, inner_holdout, repeated_folds
from seedbed.data.splits.sampling import sample_rows
from seedbed.data.splits.time_splits import time_folds, time_holdout

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

"""What the splits of other libraries are, by their splitter or their rows: folds or random splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seedbed.errors import OptionError


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

"""Baselines are fitted on the same splits as the networks, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from seedbed.data import Split
from seedbed.errors import TrainingError, told
from seedbed.experiment.baselines import BASELINES, Baseline
from seedbed.training import side_by_side

__all__ = ["fit_baselines"]

_MOST_SPLITS_A_TASK = 8  # fewer tasks cost less, more of them show progress and fill all cores to the end
_TASKS_A_JOB = 4  # at least, for each baseline, where there are splits enough


def fit_baselines(
    baselines: Sequence[Baseline],
    features: NDArray[np.float64],
    target: NDArray[np.int64],
    splits: Sequence[Split],
    *,
    jobs: int,
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Fit every baseline on every split; yield what it makes of the test rows as soon as it is there, in any order.

    Args:
        baselines: from `baselines_from`.
        features: [row, feature].
        target: class codes [row], 0 or 1.
        splits: training and test rows.
        jobs: how many fits run at a time, each with one thread. One job runs in this process.

    Yields:
        The number of the baseline, the number of the split, the probability of class 1 for its test rows [row].

    Raises:
        TrainingError: a fit failed, or gave no usable probabilities.
    """
    tasks = [
        joblib.delayed(_fit_some)(number, baselines[number], features, target, [(some, splits[some]) for some in group])
        for number, group in _grouped(baselines, len(splits), jobs)
    ]
    if jobs == 1 or len(tasks) <= 1:
        for function, arguments, _ in tasks:
            yield from function(*arguments)
        return
    for results in side_by_side(tasks, jobs):
        yield from results


def _grouped(baselines: Sequence[Baseline], n_splits: int, jobs: int) -> list[tuple[int, range]]:
    """Tasks: a baseline's number and some splits' numbers. The dearest come first; one's own may be dearer than all."""
    size = max(1, min(_MOST_SPLITS_A_TASK, n_splits // (_TASKS_A_JOB * jobs)))
    cost = [BASELINES.index(each.name) if each.name in BASELINES else len(BASELINES) for each in baselines]
    dearest_first = sorted(range(len(baselines)), key=lambda number: -cost[number])
    return [
        (number, range(first, min(first + size, n_splits)))
        for number in dearest_first
        for first in range(0, n_splits, size)
    ]


def _fit_some(
    number: int,
    baseline: Baseline,
    features: NDArray[np.float64],
    target: NDArray[np.int64],
    splits: Sequence[tuple[int, Split]],
) -> list[tuple[int, int, NDArray[np.float32]]]:
    from sklearn.base import clone  # loads the libraries that the limit must find
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # HistGradientBoosting's threads wait for each other many times longer than they work while another process keeps
    # a core busy. "sequential" is for classifiers that were given n_jobs.
    with warnings.catch_warnings(), threadpool_limits(limits=1), joblib.parallel_config(backend="sequential"):
        warnings.simplefilter("ignore")
        return [
            (number, which, _probability(baseline.name, clone(baseline.estimator), features, target, split))
            for which, split in splits
        ]


def _probability(
    name: str, estimator: Any, features: NDArray[np.float64], target: NDArray[np.int64], split: Split
) -> NDArray[np.float32]:
    """Of class 1 for the test rows of a split; a class that no training row has gets 0."""
    try:
        estimator.fit(features[split.train], target[split.train])
        classes = np.asarray(estimator.classes_, dtype=np.intp)
        given = np.asarray(estimator.predict_proba(features[split.test]))
        if given.shape != (len(split.test), len(classes)) or not np.isfinite(given).all():
            raise ValueError(f"predict_proba gave {list(given.shape)} numbers, or some that aren't finite")
        found = np.zeros((len(split.test), max(2, int(target.max()) + 1)))
        found[:, classes] = given
    except Exception as error:
        message = f"baseline '{name}' can't be fitted: {told(error)}"
        raise TrainingError(message, "Change it, or leave it out.") from error
    return found[:, 1].astype(np.float32)

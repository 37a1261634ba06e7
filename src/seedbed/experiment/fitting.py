"""Baselines are fitted on the same splits as the networks, side by side."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Collection, Iterator, Sequence

import joblib
import numpy as np
from numpy.typing import NDArray

from seedbed.data import Encoding, Split, Table
from seedbed.experiment.baseline import Baseline
from seedbed.experiment.baselines import STANDARD
from seedbed.training import Cluster, side_by_side

__all__ = ["fit_baselines"]

Floats = NDArray[np.floating]

_MOST_SPLITS_A_TASK = 8  # fewer tasks cost less, more of them show progress and fill all cores to the end
_TASKS_A_JOB = 4  # at least, for each baseline, where there are splits enough


def fit_baselines(
    baselines: Sequence[Baseline],
    table: Table,
    encoding: Encoding,
    splits: Sequence[Split],
    *,
    jobs: int,
    without: Collection[tuple[int, int]] = (),
    cluster: Cluster | None = None,
) -> Iterator[tuple[int, int, Floats]]:
    """Fit every baseline on every split; yield what it makes of the test rows as soon as it is there, in any order.

    Args:
        baselines: from `baselines_from`.
        table: the rows.
        encoding: what makes the inputs of a split; of those of `natural` a baseline sees all, unstandardised.
        splits: training and test rows.
        jobs: how many fits run at a time, each with one thread. One job runs in this process.
        without: fits that are there already, by the numbers of baseline and split.
        cluster: where they are fitted, if not here.

    Yields:
        The number of the baseline, the number of the split, what it predicts for the test rows, as in `Predictions`:
        the probability of class 1 [row], of each of several classes [row, class], or numbers [row].

    Raises:
        TrainingError: a fit failed, or gave no usable predictions.
    """
    whole = any(one.needs_columns for one in baselines)
    shared = encoding, table if whole else dataclasses.replace(table, columns=())  # what travels stays small
    tasks = [
        (number, baselines[number], [(some, splits[some]) for some in group])
        for number, group in _grouped(baselines, len(splits), cluster.n_cpus if cluster else jobs, without)
    ]
    if cluster is None and (jobs == 1 or len(tasks) <= 1):
        for some in tasks:
            yield from _fit_some(*some, *shared)
        return
    with contextlib.closing(side_by_side(_fit_some, tasks, shared, jobs, cluster)) as done:
        for results in done:
            yield from results


def _grouped(
    baselines: Sequence[Baseline], n_splits: int, jobs: int, without: Collection[tuple[int, int]] = ()
) -> list[tuple[int, list[int]]]:
    """Tasks: a baseline's number and some splits' numbers. The dearest come first; one's own may be dearer than all."""
    size = max(1, min(_MOST_SPLITS_A_TASK, n_splits // (_TASKS_A_JOB * jobs)))
    places = {name: place for names in STANDARD.values() for place, name in enumerate(names)}
    cost = [places.get(each.name, len(places)) for each in baselines]
    dearest_first = sorted(range(len(baselines)), key=lambda number: -cost[number])
    tasks = []
    for number in dearest_first:
        wanted = [split for split in range(n_splits) if (number, split) not in without]
        tasks += [(number, wanted[first : first + size]) for first in range(0, len(wanted), size)]
    return tasks


def _fit_some(
    number: int,
    baseline: Baseline,
    splits: Sequence[tuple[int, Split]],
    encoding: Encoding,
    table: Table,
) -> list[tuple[int, int, Floats]]:
    import sklearn.base  # noqa: F401 - loads the libraries that the limit must find
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # HistGradientBoosting's threads wait for each other many times longer than they work while another process keeps
    # a core busy. "sequential" is for classifiers that were given n_jobs.
    with warnings.catch_warnings(), threadpool_limits(limits=1), joblib.parallel_config(backend="sequential"):
        warnings.simplefilter("ignore")
        return [(number, which, baseline.predict(table, encoding, split)) for which, split in splits]

"""Models that are fitted anew on every split, beside the stacks of networks: one at a time, and many side by side."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import joblib
import numpy as np
from numpy.typing import NDArray

from seedbed.data import Encoding, Split, Table, Task
from seedbed.errors import TrainingError, error_line
from seedbed.training import Cluster, side_by_side

__all__ = ["STANDARD", "Baseline", "fit_baselines"]

Floats = NDArray[np.floating]

_OF_CLASSES = ("prior", "logistic-regression", "boosted-trees")


STANDARD: Mapping[Task, tuple[str, ...]] = {
    "binary": _OF_CLASSES,
    "multiclass": _OF_CLASSES,
    "regression": ("prior", "linear-regression", "boosted-trees"),
}
"""What every candidate must beat, by task; from cheap to dear."""

# Of one fit, and for each of its cells, on average over the three standard ones.
_FIT_SECONDS, _CELL_SECONDS = 0.05, 5e-6


@dataclass(frozen=True, eq=False)
class Baseline:
    """A model that a network must beat.

    Attributes:
        name: how it stands in tables.
        estimator: an unfitted scikit-learn classifier with `predict_proba`, or a regressor; cloned for every split. It
            sees numbers as they are, so whatever needs standardised ones must bring its own scaler along.
        description: what it is, in a few words for a table's footnote.
        needs_columns: whether it is fitted to the table's columns, and not to its features alone.
        timed: whether one fit may be timed before the run; else `seconds` estimates it.
    """

    name: str
    estimator: Any
    description: str
    needs_columns: ClassVar[bool] = False
    timed: ClassVar[bool] = True

    def seconds(self, table: Table, n_rows: int) -> float:
        """Return an estimate of the time that one core takes for a fit to so many rows [s]."""
        return _FIT_SECONDS + _CELL_SECONDS * n_rows * table.n_features

    def predict(self, table: Table, encoding: Encoding, split: Split) -> Floats:
        """Fit to a split's training rows; return the prediction for its test rows.

        Returns:
            The probability of class 1 [row], of each of several classes [row, class], or numbers [row].

        Raises:
            TrainingError: the fit failed, or gave no usable predictions.
        """
        y, n_rows = table.target[split.train], len(split.test)
        n_classes = 1 if table.task == "regression" else max(2, int(table.target.max()) + 1)
        try:
            if n_classes > 1 and (y == y[0]).all():
                found = np.tile(np.eye(n_classes)[y[0]], (n_rows, 1))  # many classifiers refuse a single class
            else:
                found = self._fitted(table, encoding, split, n_classes)
        except Exception as error:
            message = f"baseline '{self.name}' can't be fitted: {error_line(error)}"
            raise TrainingError(message, "Change it, or leave it out.") from error
        if table.task == "regression":
            return found
        return (found[:, 1] if table.task == "binary" else found).astype(np.float32)

    def _fitted(self, table: Table, encoding: Encoding, split: Split, n_classes: int) -> NDArray[np.float64]:
        """Probabilities of test rows [row, class], or numbers [row]."""
        from sklearn.base import clone

        X = encoding.natural(split.train)
        fitted = clone(self.estimator).fit(X[split.train], table.target[split.train])
        if n_classes == 1:
            return _numbers(fitted.predict(X[split.test]), len(split.test))
        return _probabilities(fitted, X[split.test], n_classes)


def _probabilities(fitted: Any, X: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """[row, class]; a class that no training row has gets 0."""
    classes = np.asarray(fitted.classes_, dtype=np.intp)
    given = np.asarray(fitted.predict_proba(X))
    if given.shape != (len(X), len(classes)) or not np.isfinite(given).all():
        raise ValueError(f"predict_proba gave {list(given.shape)} numbers, or some that aren't finite")
    found = np.zeros((len(X), n_classes))
    found[:, classes] = given
    return found


def _numbers(given: Any, n_rows: int) -> NDArray[np.float64]:
    """[row]; some regressors return [row, 1]."""
    found = np.asarray(given, dtype=np.float64)
    if found.size != n_rows or not np.isfinite(found).all():
        raise ValueError(f"predict gave {list(found.shape)} numbers, or some that aren't finite")
    return found.reshape(n_rows)


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

"""Models that are fitted on every split, beside the stacks of networks: scikit-learn's baselines, and `auto`."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seedbed.data import Encoding, Split, Table, Task
from seedbed.errors import TrainingError, error_line
from seedbed.model import AUTO, blend_tables, member_costs, values_of
from seedbed.settings import Compute
from seedbed.training import Cluster, derive, side_by_side, single_threads
from seedbed.typing import Floats

__all__ = [
    "STANDARD",
    "Auto",
    "Baseline",
    "FittedModel",
    "auto",
    "fit_on_splits",
    "one_blas_thread",
    "without_auto",
]

_OF_CLASSES = ("prior", "logistic-regression", "boosted-trees")

STANDARD: Mapping[Task, tuple[str, ...]] = {
    "binary": _OF_CLASSES,
    "multiclass": _OF_CLASSES,
    "regression": ("prior", "linear-regression", "boosted-trees"),
}
"""The default baselines by task, the fastest first."""

# Seconds of one fit, and for each of its cells: the average of the three default baselines.
_FIT_SECONDS, _CELL_SECONDS = 0.05, 5e-6
_MOST_SPLITS_A_TASK = 8  # fewer tasks cost less, more of them show progress and fill all cores to the end
_TASKS_A_JOB = 4  # at least, for each model, where there are splits enough
_MOST_BLENDS = 10  # at once
_WORTH_PROCESSES = 60.0  # seconds of fits in this process; processes take some seconds to start


@dataclass(frozen=True, eq=False)
class FittedModel(ABC):
    """A model that is fitted on every split.

    Attributes:
        name: its name in tables.
        estimator: what decides its predictions beside the rows; a hash of it names the files of finished fits.
        description: what it is, in a few words for a footnote.
        kind: the word for it in messages.
        needs_columns: whether it needs the columns of the table; otherwise the matrix of features is enough.
        timed: whether one fit is timed before a run with a time limit; otherwise `seconds` estimates the time.
        quick: whether it is known to take little time and to draw no random numbers of torch, so that a thread may fit
            it beside the networks.
        repeats: it is fitted on the splits of so many repeats; None for all.
        without: columns of the table that it doesn't see.
    """

    name: str
    estimator: Any
    description: str
    repeats: int | None = None
    without: tuple[str, ...] = ()
    kind: ClassVar[str]
    needs_columns: ClassVar[bool]
    timed: ClassVar[bool]

    @property
    def quick(self) -> bool:
        return any(self.name in names for names in STANDARD.values())

    @abstractmethod
    def seconds(self, table: Table, n_rows: int) -> float:
        """Return an estimate of the time that one core takes to fit it to `n_rows` rows [s]."""

    @abstractmethod
    def fitted(
        self, table: Table, encoding: Encoding, splits: Sequence[Split], n_classes: int, jobs: int
    ) -> list[Floats]:
        """Fit to the training rows of each split; return probabilities [row, class] or numbers [row] of test rows."""

    def predict(self, table: Table, encoding: Encoding, splits: Sequence[Split], jobs: int = 1) -> list[Floats]:
        """Fit to the training rows of each split; return the predictions for its test rows.

        Args:
            jobs: number of threads that may train.

        Returns:
            For each split the probability of class 1 [row], of each of several classes [row, class], or numbers [row].

        Raises:
            TrainingError: a fit failed, or gave no usable predictions.
        """
        n_classes = 1 if table.task == "regression" else max(2, int(table.target.max()) + 1)
        # Many classifiers refuse a single class.
        alone = [n_classes > 1 and len(np.unique(table.target[split.train])) == 1 for split in splits]
        try:
            several = [split for split, one in zip(splits, alone, strict=True) if not one]
            fitted = iter(self.fitted(table, encoding, several, n_classes, jobs))
            predictions = [
                np.tile(np.eye(n_classes)[table.target[split.train[0]]], (len(split.test), 1)) if one else next(fitted)
                for split, one in zip(splits, alone, strict=True)
            ]
        except Exception as error:
            message = f"{self.kind} '{self.name}' can't be fitted: {error_line(error)}"
            raise TrainingError(message, "Change it, or leave it out.") from error
        if table.task == "regression":
            return predictions
        return [(shares[:, 1] if table.task == "binary" else shares).astype(np.float32) for shares in predictions]


@dataclass(frozen=True, eq=False)
class Baseline(FittedModel):
    """A scikit-learn model that networks are compared with.

    Attributes:
        estimator: an unfitted classifier with `predict_proba`, or a regressor; cloned for every split. It gets
            unstandardised features, so an estimator that needs a scaler must contain one.
    """

    kind = "baseline"
    needs_columns = False
    timed = True

    def seconds(self, table: Table, n_rows: int) -> float:
        return _FIT_SECONDS + _CELL_SECONDS * n_rows * table.n_features

    def fitted(
        self, table: Table, encoding: Encoding, splits: Sequence[Split], n_classes: int, jobs: int
    ) -> list[Floats]:
        return [self._fitted(table, encoding, split, n_classes) for split in splits]

    def _fitted(self, table: Table, encoding: Encoding, split: Split, n_classes: int) -> Floats:
        from sklearn.base import clone

        X = encoding.natural(split.train)
        if self.without:  # constant and not removed, so that there is a column in any case
            X = np.where(np.isin(encoding.layout.sources, self.without), 0.0, X)
        model, X_test = clone(self.estimator).fit(X[split.train], table.target[split.train]), X[split.test]
        if n_classes == 1:
            numbers = np.asarray(model.predict(X_test), dtype=np.float64)
            if numbers.size != len(X_test) or not np.isfinite(numbers).all():
                raise ValueError(f"predict gave {list(numbers.shape)} numbers, or some that aren't finite")
            return numbers.reshape(len(X_test))  # some regressors return [row, 1]
        classes, given = np.asarray(model.classes_, dtype=np.intp), np.asarray(model.predict_proba(X_test))
        if given.shape != (len(X_test), len(classes)) or not np.isfinite(given).all():
            raise ValueError(f"predict_proba gave {list(given.shape)} numbers, or some that aren't finite")
        probabilities = np.zeros((len(X_test), n_classes))  # a class without training rows keeps 0
        probabilities[:, classes] = given
        return probabilities


@dataclass(frozen=True, eq=False)
class Auto(FittedModel):
    """The blend. Its networks train on their own inner splits, so they don't join a stack of the comparison.

    Attributes:
        estimator: the random state of each fit.
    """

    kind = "candidate"
    needs_columns = True  # also groups and times
    timed = False

    def seconds(self, table: Table, n_rows: int) -> float:
        return sum(member_costs(table, n_rows).values())

    def fitted(
        self, table: Table, encoding: Encoding, splits: Sequence[Split], n_classes: int, jobs: int
    ) -> list[Floats]:
        tables, classes = [], []
        if self.without:
            kept = tuple(column for column in table.columns if column.name not in self.without)
            table = dataclasses.replace(table, columns=kept)
        for split in splits:
            part = table.of_rows(split.train)
            present, codes = np.unique(part.target, return_inverse=True)
            if table.task != "regression":  # training rows may lack a class
                labels = tuple(table.labels[code] for code in present)
                task: Task = "binary" if len(labels) == 2 else "multiclass"
                part = dataclasses.replace(part, target=codes, labels=labels, task=task)
            tables.append(part)
            classes.append(present)
        blends = blend_tables(tables, random_state=self.estimator, compute=Compute(jobs=jobs), calibrated=False)
        predictions = []
        for split, present, (model, _) in zip(splits, classes, blends, strict=True):
            values, _ = values_of(model, model.preprocessor.inputs_of_values(table.features[split.test]))
            if table.task != "regression":
                said = values if model.task == "multiclass" else np.column_stack([1 - values, values])
                values = np.zeros((len(split.test), n_classes))  # a class without training rows keeps 0
                values[:, present] = said
            predictions.append(values)
        return predictions


def auto(random_state: int) -> Auto:
    """Return the blend of a comparison with this random state."""
    seed = derive(random_state, "baseline", AUTO) % 2**32
    return Auto(AUTO, seed, "a blend of networks and trees, weighted out of bag")


def without_auto(candidates: Sequence[Any] | Mapping[str, Any] | str) -> tuple[Any, int]:
    """Return the other candidates, which are stacks of networks, and how often `auto` is among the given ones."""

    def is_auto(candidate: Any) -> bool:
        return isinstance(candidate, str) and candidate.strip() == AUTO

    if isinstance(candidates, Mapping):
        others: Any = {name: one for name, one in candidates.items() if not is_auto(one)}
        return others, len(candidates) - len(others)
    given = [candidates] if isinstance(candidates, str) else list(candidates)
    others = [one for one in given if not is_auto(one)]
    return others, len(given) - len(others)


Place = tuple[int, int]
"""The number of a model, and that of a split."""


def fit_on_splits(
    models: Sequence[FittedModel],
    table: Table,
    encoding: Encoding,
    splits: Sequence[Split],
    places: Sequence[Place] | None = None,
    *,
    jobs: int,
    cluster: Cluster | None = None,
) -> Iterator[tuple[int, int, Floats]]:
    """Fit models on splits, and yield the predictions for the test rows as they become available.

    The fits run in this process, one after the other; those of `auto` several at once, in threads. If the first fits of
    baselines show that all take more than a minute, the others run in `jobs` processes.

    Args:
        models: baselines, and `auto`.
        table: the rows.
        encoding: computes the inputs of a split; baselines get all inputs of `natural`, unstandardised.
        splits: training and test rows.
        places: the fits to make, in this order; every model on every split if left out.
        jobs: number of fits at a time, each with one thread.
        cluster: trains there instead of here.

    Yields:
        The number of the model, the number of the split, and the predictions as `FittedModel.predict` returns
        them; in any order.

    Raises:
        TrainingError: a fit failed, or gave no usable predictions.
    """
    if places is None:
        places = list(itertools.product(range(len(models)), range(len(splits))))
    if cluster is not None:
        yield from _elsewhere(models, table, encoding, splits, places, jobs, cluster)
        return
    blends = [place for place in places if models[place[0]].name == AUTO]
    for group in (blends[at : at + _MOST_BLENDS] for at in range(0, len(blends), _MOST_BLENDS)):
        yield from _fit_some(
            group[0][0], models[group[0][0]], [(split, splits[split]) for _, split in group], encoding, table, jobs
        )
    others = [place for place in places if models[place[0]].name != AUTO]
    seconds: dict[int, list[float]] = {}
    for n, (number, split) in enumerate(others, 1):
        started = time.perf_counter()
        yield from _fit_some(number, models[number], [(split, splits[split])], encoding, table)
        seconds.setdefault(number, []).append(time.perf_counter() - started)
        left = Counter(number for number, _ in others[n:])
        if jobs > 1 and sum(left[model] * np.mean(took) for model, took in seconds.items()) > _WORTH_PROCESSES:
            yield from _elsewhere(models, table, encoding, splits, others[n:], jobs)
            return


def _elsewhere(
    models: Sequence[FittedModel],
    table: Table,
    encoding: Encoding,
    splits: Sequence[Split],
    places: Sequence[Place],
    jobs: int,
    cluster: Cluster | None = None,
) -> Iterator[tuple[int, int, Floats]]:
    """Fit in other processes, or on a cluster."""
    whole = any(model.needs_columns for model in models)
    shared = encoding, table if whole else dataclasses.replace(table, columns=())  # less to send to workers
    tasks = [
        (number, models[number], [(some, splits[some]) for some in group])
        for number, group in _grouped(models, places, cluster.n_cpus if cluster else jobs)
    ]
    with contextlib.closing(side_by_side(_fit_some, tasks, shared, jobs, cluster)) as done:
        for results in done:
            yield from results


def _grouped(models: Sequence[FittedModel], places: Sequence[Place], jobs: int) -> list[tuple[int, list[int]]]:
    """Return tasks: the number of a model and the numbers of some splits. The slowest models come first; models that
    aren't in `STANDARD` may be slower than all of those."""
    order = {name: place for names in STANDARD.values() for place, name in enumerate(names)}
    cost = [order.get(model.name, len(order)) for model in models]
    tasks = []
    for number in sorted({number for number, _ in places}, key=lambda number: (-cost[number], number)):
        splits = [split for model, split in places if model == number]
        size = max(1, min(_MOST_SPLITS_A_TASK, len(splits) // (_TASKS_A_JOB * jobs)))
        tasks += [(number, splits[first : first + size]) for first in range(0, len(splits), size)]
    return tasks


def _fit_some(
    number: int,
    model: FittedModel,
    splits: Sequence[tuple[int, Split]],
    encoding: Encoding,
    table: Table,
    jobs: int = 1,
) -> list[tuple[int, int, Floats]]:
    import joblib

    with warnings.catch_warnings(), single_threads(), joblib.parallel_config(backend="sequential"):
        warnings.simplefilter("ignore")
        numbers, parts = zip(*splits, strict=True)
        predictions = model.predict(table, encoding, parts, jobs)
        return [(number, which, said) for which, said in zip(numbers, predictions, strict=True)]


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which matrices are multiplied on one thread. They are small: a second thread costs time, and
    changes the last digit of some sums."""
    import scipy.special  # noqa: F401 - loads its BLAS, so that the limit finds it
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits

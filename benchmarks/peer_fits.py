"""One fit at a time in a process of its own, so that what takes too long can be killed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from peer_methods import KINDS, METHODS
from peer_tables import Labelled, fold_of, read
from sklearn.metrics import log_loss, roc_auc_score

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
TINIEST = 1e-7  # probability; as float32 has it, in which some methods answer
PREPARING_SECONDS = 900  # imports and a warm-up

Outcome = dict[str, Any]


@dataclass(frozen=True)
class Fit:
    """What is to be fitted: a method to all rows of a table but those of a fold."""

    table: str
    repeat: int
    fold: int
    method: str


class Fitter:
    """A process that fits; killed when a fit takes too long, and started again for the next one."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._threads = 0
        self._process: Any = None
        self._ours: Connection | None = None

    def __call__(self, fit: Fit) -> Outcome:
        """Scores and seconds of a fit, or the error of a fit that failed."""
        ours = self._started(METHODS[fit.method].threads)
        ours.send(fit)
        outcome: Outcome = {}
        try:
            for seconds in (PREPARING_SECONDS, self.longest):
                if not ours.poll(seconds):
                    self.close(wait=0)
                    return outcome | {"error": f"longer than {seconds:g} s"}
                outcome |= ours.recv()
                if "error" in outcome:
                    break
        except EOFError:
            self._process.join()
            outcome["error"] = (
                f"the process that fitted ended with status {self._process.exitcode}"
            )
            self.close()
        return outcome

    def close(self, wait: float = 5) -> None:
        """End the process, which ends by itself within moments unless it fits."""
        if self._process is not None:
            self._ours.close()
            self._process.join(wait)
            self._process.kill()
            self._process.join()
            self._process = self._ours = None

    def _started(self, threads: int) -> Connection:
        if self._threads != threads:
            self.close()
        if self._process is None:
            self._threads = threads
            context = multiprocessing.get_context("spawn")
            self._ours, theirs = context.Pipe()
            self._process = context.Process(
                target=answer, args=(theirs, threads), daemon=True
            )
            # Before libraries are loaded in the process that fits: so many threads each, and no
            # GPU.
            environment = dict.fromkeys(THREADS, str(threads)) | {
                "CUDA_VISIBLE_DEVICES": ""
            }
            with mock.patch.dict(os.environ, environment):
                self._process.start()
            theirs.close()
        return self._ours


def answer(asked: Connection, threads: int) -> None:
    """In the process that fits: for each fit what is known of the table, once all is ready, then
    what came of it."""
    import torch

    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # some leave logs where they stand
        while True:
            try:
                fit = asked.recv()
            except EOFError:
                return
            try:
                table = loaded(fit.table)
                warm_up(fit.method, KINDS[not table.n_classes])
                facts = {
                    "rows": len(table.y),
                    "features": table.X.shape[1],
                    "classes": table.n_classes,
                }
                asked.send(facts)
                asked.send(outcome_of(fit, table))
            except Exception as error:  # noqa: BLE001 - whatever a method raises is its result
                traceback.print_exc()
                asked.send(
                    {
                        "error": f"{type(error).__name__}: {' '.join(str(error).split())}"[
                            :300
                        ]
                    }
                )


@lru_cache(maxsize=1)
def loaded(name: str) -> Labelled:
    return read(name)


@lru_cache
def warm_up(method: str, kind: str) -> None:
    """A fit that doesn't count, so that imports and what is made once aren't timed."""
    if METHODS[method].threads > 1:
        return  # it would take its full minute
    generator = np.random.default_rng(0)
    numbers = {f"number {place}": generator.normal(size=100) for place in range(3)}
    X = pd.DataFrame(numbers).assign(
        level=pd.Series(generator.choice(["a", "b"], 100)).astype("category")
    )
    y = X["number 0"].to_numpy()
    METHODS[method].make(X, 0, kind).fit(
        X, y if kind == "Regressor" else (y > 0).astype(np.int64)
    ).predict(X)


def outcome_of(fit: Fit, table: Labelled) -> Outcome:
    train, test = fold_of(table, fit.repeat, fit.fold)
    X, X_test = (table.X.iloc[rows].reset_index(drop=True) for rows in (train, test))
    y, known = table.y[train], None
    if table.n_classes:
        known, y = np.unique(
            y, return_inverse=True
        )  # XGBoost wants classes without a gap
    method = METHODS[fit.method]
    model = method.make(X, 100 * fit.repeat + fit.fold, KINDS[known is None])
    moments = [now()]
    model.fit(X, y)
    moments.append(now())
    answers = model.predict(X_test) if known is None else model.predict_proba(X_test)
    moments.append(now())
    (fit, fit_processor), (predict, predict_processor) = np.diff(moments, axis=0)
    alone = (
        method.threads == 1
    )  # of one thread, the seconds in which other programs ran don't count
    seconds = {
        "fit_seconds": float(fit_processor if alone else fit),
        "predict_seconds": float(predict_processor if alone else predict),
        "cores": float(fit_processor / fit),
    }
    if known is None:
        return {
            "rmse": float(np.sqrt(np.mean((np.ravel(answers) - table.y[test]) ** 2)))
        } | seconds
    probabilities = np.zeros((len(test), table.n_classes))
    probabilities[:, known] = answers
    return scores(table.y[test], probabilities) | seconds


def now() -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def scores(
    y: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> dict[str, float]:
    """Of test rows: accuracy, area under the ROC curve, log loss.

    With several classes, each is compared with the rest, and the areas of those with test rows are
    averaged.
    """
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities that aren't numbers")
    classes = range(probabilities.shape[1])
    clipped = probabilities.clip(TINIEST, 1)
    clipped /= clipped.sum(axis=1, keepdims=True)
    held = [1] if len(classes) == 2 else np.unique(y)
    return {
        "accuracy": float((probabilities.argmax(axis=1) == y).mean()),
        "auc": float(
            np.mean([roc_auc_score(y == one, probabilities[:, one]) for one in held])
        ),
        "log_loss": float(log_loss(y, clipped, labels=list(classes))),
    }

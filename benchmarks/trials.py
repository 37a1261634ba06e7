"""One simulated table at a time: what the comparison says of it, and what is true of tables like
it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from simulated import SETTINGS, Rows, Setting
from simulation import Record, results_of

import seedbed as sb
from seedbed.data.splits import Split
from seedbed.evaluation.conclusion import outlook
from seedbed.evaluation.verdicts import fold_differences
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run, run_by_looks
from seedbed.experiment.summary import conclude_results
from seedbed.scoring import Result, score

FRESH_ROWS = 4000
BATCH = 100

TABLES, _TRUTH = 1, 2  # tables for verdicts and for the truth have nothing in common
_COMPUTE = sb.Compute(n_jobs=1)


@dataclass(frozen=True)
class Task:
    """One table to judge, or one training set that the truth is made of.

    Attributes:
        setting: its name.
        number: of the table; all its randomness follows from it.
        n_train: rows of the training set; 0 for a table to judge.
        repeats: of a table to judge; the default of its size if None.
    """

    setting: str
    number: int
    n_train: int = 0
    repeats: int | None = None

    @property
    def key(self) -> str:
        """What the result depends on, apart from seedbed itself."""
        settings = repr(
            (SETTINGS[self.setting], self.n_train, self.repeats, FRESH_ROWS)
        )
        kind = f"truth-{self.n_train}" if self.n_train else "judged"
        mark = hashlib.blake2b(settings.encode(), digest_size=4).hexdigest()
        return f"{self.setting}/{kind}/{mark}/{self.number}"

    def run(self) -> Record:
        """Return the result, as plain values."""
        setting = SETTINGS[self.setting]
        started = time.process_time()
        record = (
            truths(setting, self.n_train, self.number)
            if self.n_train
            else judged(setting, self)
        )
        return record | {"seconds": round(time.process_time() - started, 3)}


def judged(setting: Setting, task: Task) -> Record:
    """Return what the comparison says of a table at each look, and what a naive t-test would have
    said.

    Returns:
        looks: for each number of `repeats`, the `rules` of all verdicts, `low` and `high` of the
            first one, whether the run may `stop`, and `naive_p` of a t-test over all folds so far.
            They end with the stop, unless the setting goes to the end.
        models: intervals of the scores of the reference at the last look.
        right: how many of the next `BATCH` rows the reference gets right.
    """
    rows, given = setting.world.draw(setting.n_rows, TABLES, task.number), {}
    if task.repeats is not None and not setting.in_time:
        given = {"repeats": task.repeats}
    try:
        spec = setting.experiment(rows, task.number, **given)
    except sb.TargetError:  # no event comes by the horizon
        return {"looks": [_without_verdict(1)]}
    looks = list[Record]()
    for results in run_by_looks(make_plan(spec, _COMPUTE)):
        conclusion, repeats = (
            conclude_results(results),
            results.experiment.design.repeats,
        )
        if not conclusion.verdicts:  # too few events
            return {"looks": [_without_verdict(repeats)]}
        first = conclusion.verdicts[0]
        by_name = {result.name: result for result in results.results}
        reference, candidate = by_name[first.reference], by_name[first.candidate]
        look: Record = {
            "repeats": repeats,
            "rules": [verdict.rule for verdict in conclusion.verdicts],
        }
        look |= {
            "low": first.low,
            "high": first.high,
            "stop": outlook(conclusion, spec.design.repeats),
        }
        if not setting.in_time:
            folds = fold_differences(
                reference.losses(setting.metric), candidate.losses(setting.metric)
            )
            look["naive_p"] = float(stats.ttest_1samp(folds.ravel(), 0.0).pvalue)
        looks.append(look)
        if look["stop"] and not setting.to_the_end:
            break
    record: Record = {"looks": looks}
    if setting.name.startswith("gain"):
        scores = {name: score(name, reference) for name in ("brier", "accuracy")}
        record["models"] = {name: (one.low, one.high) for name, one in scores.items()}
        fresh = setting.world.draw(BATCH, TABLES, task.number, 1)
        accuracy = _on_fresh(setting, rows, fresh, task.number)[reference.name][
            "accuracy"
        ]
        record["right"] = round(BATCH * accuracy)
    return record


def _without_verdict(repeats: int) -> Record:
    return {"repeats": repeats, "rules": [], "low": 0.0, "high": 0.0, "stop": "rows"}


def truths(setting: Setting, n_train: int, number: int) -> Record:
    """Return the Brier score and accuracy of each candidate on `FRESH_ROWS` rows, after fitting it
    to `n_train`."""
    train = setting.world.draw(n_train, _TRUTH, n_train, number)
    return _on_fresh(
        setting,
        train,
        setting.world.draw(FRESH_ROWS, _TRUTH, n_train, number, 1),
        number,
    )


def _on_fresh(setting: Setting, train: Rows, fresh: Rows, number: int) -> Record:
    """Return the scores of each model on rows that are no part of its table."""
    rows = np.concatenate([train[0], fresh[0]]), np.concatenate([train[1], fresh[1]])
    spec, n = setting.experiment(rows, number, repeats=1, folds=2), len(train[1])
    plan = make_plan(
        spec, _COMPUTE, (Split(0, 0, np.arange(n), np.arange(n, len(rows[1]))),)
    )
    return {result.name: _scores(result, n) for result in run(plan).results}


def _scores(result: Result, n_train: int) -> Record:
    losses = {
        metric: float(result.row_losses(metric)[0, 0, n_train:].mean())
        for metric in ("brier", "accuracy")
    }
    return {"brier": losses["brier"], "accuracy": 1 - losses["accuracy"]}


def run_tasks(
    tasks: Iterable[Task], *, jobs: int = 1, cache: Path | None = None
) -> dict[str, Record]:
    """Return the results of all tasks by their keys; tasks may repeat."""
    return results_of({task.key: task.run for task in tasks}, jobs=jobs, cache=cache)

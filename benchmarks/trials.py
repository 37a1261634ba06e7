"""One simulated table at a time: what the comparison says of it, and what is true of tables like it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
from rounds import say
from scipy import stats
from simulated import HIDDEN, SETTINGS, Sees, Setting

import seedbed as sb
from seedbed.data import Preprocessor, table_from_arrays
from seedbed.evaluation import corrected_t, fold_differences, judge_all, row_losses
from seedbed.scoring import verdicts_on

RECIPE = {"optimizer": "sgd", "lr": 1.0, "epochs": 40}
"""Full batches with a large step: short, and the test loss ends within 0.02 of its lowest in every setting."""

TRUTH_SEEDS = 5
MEANS_OF = 10
FRESH_ROWS = 4000

_TABLES, _TRUTH = 1, 2  # tables for verdicts and for the truth have nothing in common

Record = dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """How one table is judged: what `compare` takes under these names."""

    interval: Literal["corrected", "nested"]
    repeats: int
    folds: int
    seeds: int


CORRECTED = Protocol("corrected", repeats=10, folds=10, seeds=5)
NESTED = Protocol("nested", repeats=100, folds=5, seeds=1)
"""The default for tables of fewer than 2000 rows, and nested cross-validation's."""


@dataclass(frozen=True)
class Task:
    """One table to judge, or, where there is no protocol, one training set that the truth is made of.

    Attributes:
        setting: its name.
        number: of the table; all its randomness follows from it.
        protocol: none for the truth.
        n_train: rows of the training set; for the truth alone.
    """

    setting: str
    number: int
    protocol: Protocol | None = None
    n_train: int = 0

    @property
    def key(self) -> str:
        """What the result depends on, seedbed itself apart."""
        settings = repr((SETTINGS[self.setting], self.protocol, self.n_train, RECIPE, HIDDEN, TRUTH_SEEDS, FRESH_ROWS))
        kind = self.protocol.interval if self.protocol else f"truth-{self.n_train}"
        mark = hashlib.blake2b(settings.encode(), digest_size=4).hexdigest()
        return f"{self.setting}/{kind}/{mark}/{self.number}"

    def run(self) -> Record:
        """The result, as plain values."""
        setting = SETTINGS[self.setting]
        if self.protocol is None:
            return true_gain(setting, self.n_train, self.number)
        return judged(setting, self.protocol, self.number)


def run_comparison(setting: Setting, protocol: Protocol, number: int) -> sb.Comparison:
    """The comparison under test, on table `number` of a setting."""
    X, y = setting.world.draw(setting.n_rows, _TABLES, number)
    return sb.compare(
        X,
        y,
        candidates=setting.candidates,
        recipe=sb.Recipe(**RECIPE) if setting.epoch is None else sb.Recipe(**RECIPE, epoch=setting.epoch),
        design=sb.Design(
            baselines=list(setting.baselines),
            reference=setting.reference,
            interval=protocol.interval,
            repeats=protocol.repeats,
            folds=protocol.folds,
            seeds=protocol.seeds,
            metric="brier",
            random_state=number,
            networks=1,
        ),
        compute=sb.Compute(jobs=1),
    )


def judged(setting: Setting, protocol: Protocol, number: int) -> Record:
    """What the comparison says of table `number`, and what a naive t-test would have said.

    Returns:
        rule, difference, low, high: the verdict's.
        margin_source: where its margin comes from.
        means_rule, means_low, means_high: the verdict's on means of ten networks, from the same trainings.
        one_seed_rule: the corrected verdict from the first seed of the same trainings.
        naive_p, naive_runs_p, naive_repeat_p: of a t-test over the folds, averaged over seeds before, or every run by
            itself, or over the folds of the first repeat.
        accuracy: the candidate's, out of fold.
        seconds: of the comparison.
    """
    started = time.perf_counter()
    comparison = run_comparison(setting, protocol, number)
    (verdict,) = comparison.verdicts
    seconds = time.perf_counter() - started
    ours, theirs = (comparison[name].losses("brier") for name in (verdict.reference, verdict.candidate))
    means = [replace(one, networks=MEANS_OF) for one in comparison.results]
    ((of_means,), _) = verdicts_on(means, verdict.reference, "brier", margin=verdict.margin)
    first = {verdict.reference: ours[:, :, :1], verdict.candidate: theirs[:, :, :1]}
    estimates = {(verdict.reference, verdict.candidate): corrected_t(fold_differences(*first.values()))}
    (one_seed,) = judge_all(first, estimates, metric="brier", margin=verdict.margin, n_rows=setting.n_rows)
    return {
        "rule": verdict.rule,
        "difference": verdict.difference,
        "low": verdict.low,
        "high": verdict.high,
        "means_rule": of_means.rule,
        "means_low": of_means.low,
        "means_high": of_means.high,
        "margin_source": comparison.conclusions.margin.source,
        "one_seed_rule": one_seed.rule,
        "naive_p": float(stats.ttest_1samp(fold_differences(ours, theirs).ravel(), 0.0).pvalue),
        "naive_repeat_p": float(stats.ttest_1samp(fold_differences(ours, theirs)[0], 0.0).pvalue),
        "naive_runs_p": float(stats.ttest_1samp((ours - theirs).ravel(), 0.0).pvalue),
        "accuracy": 1 - float(comparison[verdict.candidate].losses("accuracy").mean()),
        "seconds": round(seconds, 3),
    }


def true_gain(setting: Setting, n_train: int, number: int) -> Record:
    """How much better the second candidate is on `FRESH_ROWS` rows, after training both on one set of `n_train` rows.

    Returns:
        brier, accuracy: its gain in each, mean over seeds.
        reference_accuracy: what the gain comes on top of.
        seconds: of it all.
    """
    started = time.perf_counter()
    train = setting.world.draw(n_train, _TRUTH, n_train, number)
    fresh = setting.world.draw(FRESH_ROWS, _TRUTH, n_train, number, 1)
    losses = [_fresh_losses(build, train, fresh, number) for build in setting.candidates.values()]
    gain = {name: losses[0][name] - losses[1][name] for name in losses[0]}
    seconds = round(time.perf_counter() - started, 3)
    return {**gain, "reference_accuracy": 1 - losses[0]["accuracy"], "seconds": seconds}


def _fresh_losses(build: Sees, train: Any, fresh: Any, number: int) -> dict[str, float]:
    """Brier score and share of errors on fresh rows, mean over seeds."""
    table = table_from_arrays(*train)
    known = Preprocessor.fit(table)
    X_train, X_fresh = (known.inputs_of_values(part.features) for part in (table, table_from_arrays(*fresh)))
    some = slice(0, 10)  # the networks' own test figures aren't used
    seeds = range(number * TRUTH_SEEDS, (number + 1) * TRUTH_SEEDS)
    history = sb.train_many(build, X_train, train[1], X_fresh[some], fresh[1][some], seeds=seeds, **RECIPE, jobs=1)
    p = history.predict(X_fresh).T
    y = np.broadcast_to(fresh[1], p.shape)
    return {name: float(row_losses(name, y, p).mean()) for name in ("brier", "accuracy")}


def run_tasks(tasks: Iterable[Task], *, jobs: int = 1, cache: Path | None = None) -> dict[str, Record]:
    """The results of all tasks by their keys, each run once, those in the cache not at all.

    Args:
        tasks: may repeat.
        jobs: processes, each of which takes one task at a time.
        cache: a file of JSON lines that every new result is appended to.
    """
    wanted = {task.key: task for task in tasks}
    found = {key: record for key, record in _read(cache).items() if key in wanted}
    missing = [task for key, task in wanted.items() if key not in found]
    say(f"{len(missing)} tables to simulate, {len(found)} found in the cache")
    parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
    for task, record in parallel(joblib.delayed(_run)(task) for task in missing):
        found[task.key] = record
        _append(cache, task.key, record)
        done = len(found) - len(wanted) + len(missing)
        if done % 50 == 0 or done == len(missing):
            say(f"{done} of {len(missing)}: {task.key.rpartition('/')[0]}")
    return found


def _run(task: Task) -> tuple[Task, Record]:
    return task, task.run()


def _read(cache: Path | None) -> dict[str, Record]:
    if cache is None or not cache.exists():
        return {}
    lines = cache.read_text().splitlines()
    return {entry["key"]: entry["record"] for entry in map(_parsed, lines) if entry}


def _parsed(line: str) -> dict[str, Any] | None:
    """An entry; none for an empty line, or half a one."""
    try:
        return json.loads(line)  # type: ignore[no-any-return]
    except json.JSONDecodeError:
        return None


def _append(cache: Path | None, key: str, record: Record) -> None:
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a") as file:
            # The break comes first, so that no entry joins half a line of an interrupted run.
            file.write("\n" + json.dumps({"key": key, "record": record}))

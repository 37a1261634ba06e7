"""One simulated table at a time: what the comparison says of it, and what is true of tables like it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from rounds import say
from scipy import stats
from simulated import IN_TIME, SETTINGS, Rows, Sees, Setting
from sklearn.linear_model import LogisticRegression

import seedbed as sb
from seedbed.data import Preprocessor, table_from_arrays
from seedbed.evaluation import (
    METRICS,
    Conclusion,
    DecidingScore,
    Margin,
    PlanSummary,
    conclude,
    corrected_t,
    ensemble_losses,
    fold_differences,
    margin_beside,
)
from seedbed.evaluation.conclusion import Outlook, outlook
from seedbed.evaluation.verdicts import judge_all
from seedbed.experiment import Experiment, make_plan, run, specify
from seedbed.experiment.run import CandidateResult
from seedbed.scoring import Result, evidence_of, score

RECIPE = {"optimizer": "sgd", "lr": 1.0, "epochs": 40}
"""Full batches with a large step: short, and the test loss ends within 0.02 of its lowest in every setting."""

TRUTH_SEEDS = 5
MEANS_OF = 10
FRESH_ROWS = 4000
BATCH = 100
LOOKS = (1, 2, 3, 5, 10)
"""Repeats after which a comparison may stop."""

_TABLES, _TRUTH = 1, 2  # tables for verdicts and for the truth have nothing in common

Record = dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """How one table is judged: what `compare` takes under these names."""

    repeats: int
    folds: int
    seeds: int


CORRECTED = Protocol(repeats=10, folds=10, seeds=5)
"""The default for tables of fewer than 2000 rows."""


@dataclass(frozen=True)
class Task:
    """One table to judge, or, where there is no protocol, one training set that the truth is made of.

    Attributes:
        setting: its name.
        number: of the table; all its randomness follows from it.
        protocol: none for the truth.
        n_train: rows of the training set; for the truth alone.
        looks: whether it is judged after some of the repeats as well.
    """

    setting: str
    number: int
    protocol: Protocol | None = None
    n_train: int = 0
    looks: bool = False

    @property
    def key(self) -> str:
        """What the result depends on, seedbed itself apart."""
        settings = repr((SETTINGS[self.setting], self.protocol, self.n_train, RECIPE, TRUTH_SEEDS, FRESH_ROWS))
        kind = "corrected" if self.protocol else f"truth-{self.n_train}"
        kind = "looks" if self.looks else kind
        mark = hashlib.blake2b(settings.encode(), digest_size=4).hexdigest()
        return f"{self.setting}/{kind}/{mark}/{self.number}"

    def run(self) -> Record:
        """The result, as plain values."""
        setting = SETTINGS[self.setting]
        if self.protocol is None:
            return truths(setting, self.n_train, self.number)
        return (looked if self.looks else judged)(setting, self.protocol, self.number)


def compared(setting: Setting, protocol: Protocol, number: int) -> tuple[Experiment, list[Result]]:
    """What `compare` trains on table `number` of a setting: the specification and the results, of single networks.

    Candidates that see other columns are run on a table of these. Splits are the same, as they don't depend on columns.
    """
    X, y = setting.world.draw(setting.n_rows, _TABLES, number)
    splits: dict[str, Any] = {} if setting.name in IN_TIME else {"repeats": protocol.repeats, "folds": protocol.folds}
    recipe = sb.Recipe(**RECIPE | {"lr": setting.lr}, epoch=setting.epoch)
    results: list[Result] = []
    for blocks in dict.fromkeys(candidate.blocks for candidate in setting.candidates.values()):
        here = {name: one for name, one in setting.candidates.items() if one.blocks == blocks}
        design = sb.Design(
            baselines=[] if results else list(setting.baselines),
            seeds=protocol.seeds,
            metric=setting.metric,
            random_state=number,
            networks=1,
            **splits,
        )
        table = _table(setting, Sees(blocks).of(X), y)
        experiment = specify(table, {name: one.network for name, one in here.items()}, recipe=recipe, design=design)
        if setting.plain:
            results += [_regression(name, experiment) for name in here]
        else:
            results += run(make_plan(experiment, sb.Compute(jobs=1))).results
    return experiment, results


def _regression(name: str, experiment: Experiment) -> Result:
    """Logistic regression in the place of a candidate's networks."""
    table, splits = experiment.table, experiment.splits()
    X = Preprocessor.fit(table).inputs_of_values(table.features)
    predictions = np.full((experiment.design.repeats, 1, len(X)), np.nan)
    for split in splits:
        fitted = LogisticRegression().fit(X[split.train], table.target[split.train])
        predictions[split.repeat, 0, split.test] = fitted.predict_proba(X[split.test])[:, 1]
    return Result(
        name=name,
        alpha=experiment.alpha,
        target=table.target,
        splits=splits,
        design=experiment.design,
        predictions=predictions,
    )


def _table(setting: Setting, X: Any, y: Any) -> sb.Table:
    """The table as a user would have it, with its groups or times."""
    if setting.world.group_size == 1 and setting.name not in IN_TIME:
        return table_from_arrays(X, y)
    columns = {f"x{number}": column for number, column in enumerate(X.T)} | {"y": y}
    if setting.name in IN_TIME:
        return sb.read_table(pd.DataFrame(columns | {"time": np.arange(len(y))}), target="y", time_split="time")
    groups = np.arange(len(y)) // setting.world.group_size
    return sb.read_table(pd.DataFrame(columns | {"group": groups}), target="y", group="group")


def concluded(results: Sequence[Result], reference: str, metric: str, margin: Margin) -> Conclusion:
    """What a comparison concludes from results of the same splits."""
    about, first = METRICS[metric], results[0]
    asked = Conclusion(
        kind="comparison",
        table="",
        task=first.task,
        specification={},
        reference=reference,
        metric=DecidingScore(
            name=metric,
            words=about.words,
            greater_is_better=about.greater_is_better,
            margin=margin.value,
            margin_source=margin.source,
        ),
        alpha=first.alpha,
        interval="corrected" if first.design.has_verdict else None,
        plan=PlanSummary(kind=first.design.kind),
    )
    sizes = {one.name: one.n_parameters for one in results if isinstance(one, CandidateResult)}
    return conclude(asked, evidence_of(results, metric), gate="prior", n_parameters=sizes)


def looked(setting: Setting, protocol: Protocol, number: int) -> Record:
    """What the comparison says of means of networks on table `number` after some of the repeats, and after all.

    Returns:
        looks: for each number of `repeats`, the `rules` of all verdicts, `low` and `high` of the first one, and whether
            the run may `stop`, with the `narrowing` that was left.
        seconds: of it all.
    """
    started = time.perf_counter()
    experiment, results = compared(setting, protocol, number)
    metric, looks = setting.metric, []
    for n in LOOKS:
        first = [
            replace(
                one,
                networks=MEANS_OF,
                predictions=one.predictions[:n],
                splits=tuple(split for split in one.splits if split.repeat < n),
            )
            for one in results
        ]
        error = next(float(one.losses(metric).mean()) for one in first if one.name == setting.reference)
        conclusion = concluded(first, setting.reference, metric, margin_beside(metric, experiment.margin, error))
        verdicts = conclusion.verdicts
        ahead: Outlook = outlook(conclusion, protocol.repeats)
        looks.append(
            {
                "repeats": n,
                "rules": [verdict.rule for verdict in verdicts],
                "low": verdicts[0].low,
                "high": verdicts[0].high,
                "stop": ahead.stop,
                "narrowing": ahead.narrowing,
            }
        )
    return {"looks": looks, "seconds": round(time.perf_counter() - started, 3)}


def judged(setting: Setting, protocol: Protocol, number: int) -> Record:
    """What the comparison says of table `number`, and what a naive t-test would have said.

    Returns:
        rules, means_rules: all verdicts' on single networks and on means of ten, from the same trainings.
        low, high, means_low, means_high: the first verdicts'.
        margin_source: where the margin comes from.
        one_seed_rule: the corrected verdict from the first seed of the same trainings.
        naive_p, naive_runs_p, naive_repeat_p: of a t-test over the folds, averaged over seeds before, or every run by
            itself, or over the folds of the first repeat; on locked rows naive_p is of one over the rows.
        accuracy: the candidate's, out of fold.
        models: intervals of the scores of the reference, as in `truths`.
        right: how many of the next `BATCH` rows the mean of networks gets right.
        seconds: of the comparison.
    """
    started = time.perf_counter()
    experiment, results = compared(setting, protocol, number)
    metric, by_name = setting.metric, {one.name: one for one in results}
    reference = by_name[setting.reference]
    margin = margin_beside(metric, experiment.margin, float(reference.losses(metric).mean()))
    verdicts = concluded(results, reference.name, metric, margin).verdicts
    seconds = time.perf_counter() - started
    candidate = by_name[verdicts[0].candidate]
    means = {name: replace(one, networks=MEANS_OF) for name, one in by_name.items()}
    of_means = concluded(list(means.values()), reference.name, metric, margin).verdicts
    record = {
        "rules": [verdict.rule for verdict in verdicts],
        "low": verdicts[0].low,
        "high": verdicts[0].high,
        "means_rules": [verdict.rule for verdict in of_means],
        "means_low": of_means[0].low,
        "means_high": of_means[0].high,
        "margin_source": margin.source,
        "seconds": round(seconds, 3),
    }
    if setting.name in IN_TIME:
        rows = (one.row_losses(metric)[0][:, one.tested].mean(axis=0) for one in (reference, candidate))
        return record | {"naive_p": float(stats.ttest_rel(*rows).pvalue)}
    ours, theirs = (one.losses(metric) for one in (reference, candidate))
    first = {reference.name: ours[:, :, :1], candidate.name: theirs[:, :, :1]}
    estimates = {(reference.name, candidate.name): corrected_t(fold_differences(*first.values()))}
    (one_seed,) = judge_all(first, estimates, metric=metric, margin=margin.value, n_rows=setting.n_rows)
    record |= {
        "one_seed_rule": one_seed.rule,
        "naive_p": float(stats.ttest_1samp(fold_differences(ours, theirs).ravel(), 0.0).pvalue),
        "naive_repeat_p": float(stats.ttest_1samp(fold_differences(ours, theirs)[0], 0.0).pvalue),
        "naive_runs_p": float(stats.ttest_1samp((ours - theirs).ravel(), 0.0).pvalue),
    }
    if metric != "brier":
        return record
    record["accuracy"] = 1 - float(candidate.losses("accuracy").mean())
    if protocol.interval == "corrected" and setting.name in ("blocks-100", "gain-300"):
        scores = {
            f"{prefix}{name}": score(name, one)
            for prefix, one in (("", reference), ("means_", means[reference.name]))
            for name in ("brier", "accuracy")
        }
        record["models"] = {name: (one.low, one.high) for name, one in scores.items()}
        record["right"] = _right(setting, reference.name, number)
    return record


def _right(setting: Setting, name: str, number: int) -> int:
    """How many of the next `BATCH` rows the mean of networks gets right, trained on the whole table."""
    table, fresh = (
        setting.world.draw(n_rows, _TABLES, number, *more) for n_rows, more in ((setting.n_rows, ()), (BATCH, (1,)))
    )
    p = _fresh_predictions(setting, setting.candidates[name], table, fresh, number)
    return int(((p.mean(axis=0) > 0.5) == fresh[1]).sum())


def truths(setting: Setting, n_train: int, number: int) -> Record:
    """How good each candidate is on `FRESH_ROWS` rows, after training it on one set of `n_train` rows.

    Returns:
        for each candidate: brier and accuracy, mean over single networks; means_brier of the mean of ten networks, and
        means_accuracy of the mean of those that were trained.
        seconds: of it all.
    """
    started = time.perf_counter()
    train = setting.world.draw(n_train, _TRUTH, n_train, number)
    fresh = setting.world.draw(FRESH_ROWS, _TRUTH, n_train, number, 1)
    found: Record = {}
    for name, candidate in setting.candidates.items():
        p = _fresh_predictions(setting, candidate, train, fresh, number)
        losses = {
            f"{prefix}{metric}": float(ensemble_losses(metric, fresh[1], p, networks=networks).mean())
            for prefix, networks in (("", 1), ("means_", MEANS_OF))
            for metric in ("brier", "accuracy")
        }
        found[name] = {key: 1 - loss if key.endswith("accuracy") else loss for key, loss in losses.items()}
    return found | {"seconds": round(time.perf_counter() - started, 3)}


def _fresh_predictions(setting: Setting, candidate: Sees, train: Rows, fresh: Rows, number: int) -> Any:
    """The probabilities [seed, row] of fresh rows by networks trained on others."""
    table = table_from_arrays(candidate.of(train[0]), train[1])
    known = Preprocessor.fit(table)
    X_fresh = known.inputs_of_values(table_from_arrays(candidate.of(fresh[0]), fresh[1]).features)
    some = slice(0, 10)  # the networks' own test figures aren't used
    seeds = range(number * TRUTH_SEEDS, (number + 1) * TRUTH_SEEDS)
    history = sb.train_many(
        candidate.network,
        known.inputs_of_values(table.features),
        train[1],
        X_fresh[some],
        fresh[1][some],
        seeds=seeds,
        jobs=1,
        **RECIPE | {"lr": setting.lr},
    )
    return history.predict(X_fresh).T


def run_tasks(tasks: Iterable[Task], *, jobs: int = 1, cache: Path | None = None) -> dict[str, Record]:
    """The results of all tasks by their keys, each run once, those in the cache not at all.

    Args:
        tasks: may repeat.
        jobs: processes, each of which takes one task at a time; 0 only reads the cache.
        cache: a file of JSON lines that every new result is appended to.
    """
    wanted = {task.key: task for task in tasks}
    found = {key: record for key, record in _read(cache).items() if key in wanted}
    missing = [task for key, task in wanted.items() if key not in found]
    say(f"{len(missing)} tables to simulate, {len(found)} found in the cache")
    if not jobs:
        return found
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
